"""The residual encoders of RAFT, PIPs and CoTracker: a frame in, a map of features out.

Every frame is encoded by itself. Frames run through a few at a time, since small tensors stay
in the cache and their memory is used again; on the way back nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.convolution import FAST_CHANNELS, SameConv2d

EPSILON = 1e-5
PIXELS_AT_ONCE = 1 << 18  # of the input, on a CPU: the widest tensor then fits into 16 MB


def instance_norm(x: Tensor) -> Tensor:
    """Normalise every channel of every picture by itself; outside training in place."""
    if torch.is_grad_enabled() or x.is_cuda:
        return F.instance_norm(x, eps=EPSILON)
    x.sub_(x.mean((2, 3), keepdim=True))
    return x.mul_(x.square().mean((2, 3), keepdim=True).add_(EPSILON).rsqrt_())


def instance_norm_relu(x: Tensor) -> Tensor:
    """`instance_norm`, then cut below zero."""
    return relu(instance_norm(x))


def relu(x: Tensor) -> Tensor:
    """Cut below zero; outside training in place."""
    return F.relu(x) if torch.is_grad_enabled() else x.relu_()


class FastConv2d(SameConv2d):
    """A 3 x 3 convolution of ``(F, C, h, w)`` held channels-last, one zero around."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1).contiguous()).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut; cut below zero before the sum and after it.

    Parameters
    ----------
    inputs, outputs, stride
        Channels and stride; the shortcut is a 1 x 1 convolution where the stride is not 1.
    normed
        Whether instance norm follows every convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, normed: bool):
        super().__init__()
        fast = stride == 1 and outputs >= FAST_CHANNELS
        self.first = (
            FastConv2d(inputs, outputs)
            if fast
            else nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        )
        self.second = (
            FastConv2d(outputs, outputs)
            if outputs >= FAST_CHANNELS
            else nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        self.shortcut = None if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride)
        self._normed = normed

    def forward(self, x: Tensor) -> Tensor:
        activate = instance_norm_relu if self._normed else relu
        y = activate(self.second(activate(self.first(x))))
        return _joined(self, x, y)


class Bottleneck(nn.Module):
    """As `ResidualBlock`, with 1 x 1, 3 x 3 and 1 x 1 convolutions, a quarter as wide inside."""

    def __init__(self, inputs: int, outputs: int, stride: int, normed: bool):
        super().__init__()
        inner = outputs // 4
        self.first = nn.Conv2d(inputs, inner, 1)
        self.second = nn.Conv2d(inner, inner, 3, stride, padding=1)
        self.third = nn.Conv2d(inner, outputs, 1)
        self.shortcut = None if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride)
        self._normed = normed

    def forward(self, x: Tensor) -> Tensor:
        activate = instance_norm_relu if self._normed else relu
        y = activate(self.third(activate(self.second(activate(self.first(x))))))
        return _joined(self, x, y)


def _joined(block: ResidualBlock | Bottleneck, x: Tensor, y: Tensor) -> Tensor:
    if block.shortcut is not None:
        x = block.shortcut(x)
        if block._normed:
            x = instance_norm(x)
    return F.relu(x + y) if torch.is_grad_enabled() else y.add_(x).relu_()


class Trunk(nn.Module):
    """A 7 x 7 convolution, then stages of two blocks; every further one halves.

    Parameters
    ----------
    widths
        Channels of the stages; the first is also that of the stem.
    block
        `ResidualBlock` or `Bottleneck`.
    normed
        Whether instance norm follows every convolution.
    stride
        Of the first convolution.
    """

    def __init__(
        self,
        widths: Sequence[int],
        block: Callable[[int, int, int, bool], nn.Module] = ResidualBlock,
        normed: bool = True,
        stride: int = 2,
    ):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 7, stride, padding=3)
        self.stages = nn.ModuleList()
        before = widths[0]
        for k, width in enumerate(widths):
            first = block(before, width, 1 if k == 0 else 2, normed)
            self.stages.append(nn.Sequential(first, block(width, width, 1, normed)))
            before = width
        self._normed = normed

    def forward(self, frames: Tensor) -> list[Tensor]:
        """The outputs of all stages of ``frames (F, 3, H, W)`` in 0..255.

        Each is ``(F, C, H / 2^k, W / 2^k)``, k from 1 (from 0 where the stride is 1).
        """
        scaled = frames.to(self.stem.weight.dtype) / 127.5 - 1
        x = self.stem(scaled.contiguous(memory_format=torch.channels_last))
        x = instance_norm_relu(x) if self._normed else relu(x)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs


class FlowEncoder(nn.Module):
    """RAFT's encoder: three stages and a 1 x 1 convolution.

    Parameters
    ----------
    widths
        Channels of the three stages.
    outputs
        Channels of the features.
    block, normed
        As of `Trunk`.
    stride
        Of the features: 8, or 4.
    """

    def __init__(
        self,
        widths: Sequence[int],
        outputs: int,
        block: Callable[[int, int, int, bool], nn.Module],
        normed: bool,
        stride: int = 8,
    ):
        super().__init__()
        self.trunk = Trunk(widths, block, normed, stride // 4)
        self.head = nn.Conv2d(widths[-1], outputs, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """``frames (F, 3, H, W)`` in 0..255 to features ``(F, H / stride, W / stride, C)``."""
        return in_chunks(lambda part: _last(self.head(self.trunk(part)[-1])), frames)


class PointEncoder(nn.Module):
    """The encoder of PIPs and CoTracker: four stages, resized to one size and fused.

    Parameters
    ----------
    stride
        Of the features: 4 or 8. The weights do not depend on it.
    """

    def __init__(self, stride: int):
        super().__init__()
        self.stride = stride
        self.trunk = Trunk((64, 96, 128, 128))
        self.fuse = FastConv2d(64 + 96 + 128 + 128, 256)
        self.head = nn.Conv2d(256, 128, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """``frames (F, 3, H, W)`` in 0..255 to features ``(F, H // stride, W // stride, 128)``."""
        return in_chunks(self._encode, frames)

    def _encode(self, frames: Tensor) -> Tensor:
        size = (frames.shape[2] // self.stride, frames.shape[3] // self.stride)
        stages = [
            F.interpolate(stage, size, mode="bilinear", align_corners=True)
            for stage in self.trunk(frames)
        ]
        fused = instance_norm_relu(self.fuse(torch.cat(stages, dim=1)))
        maps = fused.permute(0, 2, 3, 1)  # a 1 x 1 convolution is a matrix product
        return F.linear(maps, self.head.weight.flatten(1), self.head.bias)


def _last(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).contiguous()  # F h w C


def in_chunks(encode: Callable[[Tensor], Tensor], frames: Tensor) -> Tensor:
    """Encode frames ``(F, 3, H, W)`` a few at a time, as many as are fast."""
    if torch.compiler.is_compiling():
        return encode(frames)
    at_once = PIXELS_AT_ONCE if frames.device.type == "cpu" else 16 * PIXELS_AT_ONCE
    step = max(1, at_once // max(1, frames.shape[2] * frames.shape[3]))
    parts = frames.split(step)
    first = encode(parts[0])
    if len(parts) == 1:
        return first
    if torch.is_grad_enabled():
        return torch.cat([first, *(encode(part) for part in parts[1:])])
    # Filled in place: the features of a long clip are not held twice.
    maps = first.new_empty(len(frames), *first.shape[1:])
    maps[:step] = first
    for k, part in enumerate(parts[1:], start=1):
        maps[k * step : (k + 1) * step] = encode(part)
    return maps
