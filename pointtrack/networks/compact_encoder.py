"""The compact tracker's encoder: one frame to unit feature vectors at strides 4, 8 and 16."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STRIDES = (4, 8, 16)
MULTIPLE = STRIDES[-1]  # the sides of a frame are multiples of this

_GROUP = 8  # channels that are normalised together


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // _GROUP, channels)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


class _Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_1, self.norm_1 = _conv(channels, channels), _norm(channels)
        self.conv_2, self.norm_2 = _conv(channels, channels), _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu_(self.norm_1(self.conv_1(x)))
        return F.relu_(x + self.norm_2(self.conv_2(y)))


def _stage(inputs: int, outputs: int, blocks: int) -> nn.Sequential:
    residuals = [_Residual(outputs) for _ in range(blocks)]
    return nn.Sequential(
        _conv(inputs, outputs, 2), _norm(outputs), nn.ReLU(inplace=True), *residuals
    )


class CompactEncoder(nn.Module):
    """A small residual network with a top-down path; frames do not see each other.

    Parameters
    ----------
    widths
        Channels at strides 2, 4, 8 and 16.
    blocks
        Residual blocks at strides 4, 8 and 16.
    channels
        Length of the feature vectors, the same at all strides.
    """

    def __init__(
        self,
        widths: tuple[int, int, int, int] = (32, 64, 128, 192),
        blocks: tuple[int, int, int] = (1, 2, 1),
        channels: int = 64,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, widths[0], 2), _norm(widths[0]), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList(
            _stage(widths[i], widths[i + 1], blocks[i]) for i in range(len(STRIDES))
        )
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths[1:])
        self.outputs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in STRIDES)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Encode frames.

        Parameters
        ----------
        frames
            ``(F, 3, H, W)`` RGB, uint8 or 0 to 255; sides that are multiples of 16.

        Returns
        -------
        list of Tensor
            ``(F, H / s, W / s, C)`` for the strides 4, 8 and 16; vectors of length 1. Cell i
            lies around the centre of pixel ``s * i``.
        """
        x = frames.to(self.laterals[0].weight.dtype) / 127.5 - 1  # type: ignore[arg-type]
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        found: list[Tensor] = []
        above = None
        for level in reversed(range(len(maps))):
            here = self.laterals[level](maps[level])
            if above is not None:
                here = here + F.interpolate(above, scale_factor=2.0, mode="nearest")
            above = here
            found.append(_unit(self.outputs[level](F.relu(here))))
        return found[::-1]


def _unit(maps: Tensor) -> Tensor:
    """``(F, C, h, w)`` to ``(F, h, w, C)`` with vectors of length 1, in the same precision."""
    rows = maps.permute(0, 2, 3, 1).contiguous()
    return F.normalize(rows.float(), dim=-1, eps=1e-6).to(rows.dtype)
