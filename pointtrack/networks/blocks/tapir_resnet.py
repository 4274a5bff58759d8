"""The encoder of TAPIR and LocoTrack: a ResNet-18 with norm and activation before each layer.

"V2" residual blocks (He et al., Identity Mappings in Deep Residual Networks, ECCV 2016) with
instance norm, no pooling, and no norm after the last block. Frames do not see each other.
Maps are channels-last, ``(F, h, w, C)``, from the stem to the end.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.convolution import SameConv2d


class InstanceNormReLU(nn.Module):
    """Instance norm with scale and offset, then ReLU, on ``(F, h, w, C)``."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, maps: Tensor) -> Tensor:
        x = maps.permute(0, 3, 1, 2)
        if maps.shape[0] > 1:
            x = F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)
        else:  # The norm of a batch of one is the same, and takes channels-last maps as they are.
            x = F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
        return x.relu_().permute(0, 2, 3, 1)


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions; the shortcut's projection reads the normalised input."""

    def __init__(self, inputs: int, outputs: int, stride: int, project: bool) -> None:
        super().__init__()
        self.norm_0 = InstanceNormReLU(inputs)
        self.conv_0 = SameConv2d(inputs, outputs, 3, stride, bias=False)
        self.norm_1 = InstanceNormReLU(outputs)
        self.conv_1 = SameConv2d(outputs, outputs, 3, bias=False)
        self.shortcut = SameConv2d(inputs, outputs, 1, stride, bias=False) if project else None

    def forward(self, maps: Tensor) -> Tensor:
        active = self.norm_0(maps)
        past = maps if self.shortcut is None else self.shortcut(active)
        return self.conv_1(self.norm_1(self.conv_0(active))) + past


class TapirResNet(nn.Module):
    """Frames ``(F, 3, H, W)``, H and W multiples of 8, to maps at strides 2, 4 and 8.

    The maps have 64, 128 and 256 channels; nothing is normalised.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 64, 7, 2, bias=False)
        plan = ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 256, 1))
        self.groups = nn.ModuleList(
            nn.Sequential(
                PreActivationBlock(inputs, outputs, stride, project=True),
                PreActivationBlock(outputs, outputs, 1, project=False),
            )
            for inputs, outputs, stride in plan
        )

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.stem(frames.permute(0, 2, 3, 1))
        made = []
        for group in self.groups:
            maps = group(maps)
            made.append(maps)
        return made[0], made[1], made[3]


def unit_vectors(maps: Tensor) -> Tensor:
    """Maps ``(..., C)`` with every cell's vector at length 1."""
    return maps * torch.rsqrt(maps.square().sum(-1, keepdim=True).clamp_min(1e-12))


def encode_frames(
    video: Tensor, size: tuple[int, int], encoder: Callable[[Tensor], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """Resize ``(B, T, 3, H, W)`` to ``size`` (height, width) and encode it, frame after frame.

    One frame at a time: what an encoder makes on its way is then small enough for the cache.
    Returns what the encoder returns, each ``(B, T, h, w, C)``.
    """
    if torch.compiler.is_compiling():  # a graph for any number of frames
        found = encoder(_resized(video.flatten(0, 1), size))
        return tuple(maps.unflatten(0, video.shape[:2]) for maps in found)
    frames = (_resized(frame, size) for frame in video.unbind(1))  # B 3 H W
    if torch.is_grad_enabled():
        together = zip(*map(encoder, frames), strict=True)
        return tuple(torch.stack(maps, dim=1) for maps in together)
    made: list[Tensor] = []
    for number, maps in enumerate(map(encoder, frames)):
        # Each frame goes to its place at once: a list of them beside their stack is twice as much.
        made = made or [m.new_empty(len(m), video.shape[1], *m.shape[1:]) for m in maps]
        for whole, grid in zip(made, maps, strict=True):
            whole[:, number] = grid
    return tuple(made)


def _resized(frame: Tensor, size: tuple[int, int]) -> Tensor:
    if frame.shape[-2:] == size:
        return frame
    return F.interpolate(frame, size, mode="bilinear", align_corners=False)
