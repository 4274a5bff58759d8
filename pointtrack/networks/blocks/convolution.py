"""Convolutions as TensorFlow pads them, channels last, and fast on a CPU where they can be."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks import winograd

FAST_CHANNELS = 96  # from here on Winograd's convolution is the faster one

# Multiplies a third as much as the plain sum and is as exact. Square tiles of 4 multiply a quarter
# as much, but round off nearly twice as much, which networks that sharpen differences show.
FAST_TILE = (4, 2)


def pad_same(maps: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Pad ``(F, h, w, C)`` as TensorFlow's "SAME" does: what is odd goes right and below."""
    pads = [0, 0]
    for size in (maps.shape[2], maps.shape[1]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(maps, pads, value=value) if any(pads) else maps


class SameConv2d(nn.Conv2d):
    """``(F, h, w, C)`` to ``(F, ceil(h / stride), ceil(w / stride), D)``, padded by `pad_same`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, bias=bias)
        self._kernel: tuple[tuple[int, int], Tensor] | None = None

    def forward(self, maps: Tensor) -> Tensor:
        if self.kernel_size == (1, 1):
            step = self.stride[0]
            return F.linear(maps[:, ::step, ::step], self.weight[:, :, 0, 0], self.bias)
        if self._is_fast(maps):
            made = winograd.convolve(maps, self._transformed())
            return made if self.bias is None else made + self.bias
        padded = pad_same(maps, self.kernel_size[0], self.stride[0])
        return super().forward(padded.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def _is_fast(self, maps: Tensor) -> bool:
        return (
            self.kernel_size == (3, 3)
            and self.stride == (1, 1)
            and min(self.in_channels, self.out_channels) >= FAST_CHANNELS
            and maps.device.type == "cpu"
            and maps.dtype == torch.float32
            and not torch.is_grad_enabled()
            and not torch.compiler.is_compiling()
            and not torch.jit.is_tracing()
        )

    def _transformed(self) -> Tensor:
        """The kernel for `winograd.convolve`, made again when the weight has changed."""
        version = 0 if self.weight.is_inference() else self.weight._version
        state = (self.weight.data_ptr(), version)
        if self._kernel is None or self._kernel[0] != state:
            self._kernel = state, winograd.transformed(self.weight, FAST_TILE)
        return self._kernel[1]
