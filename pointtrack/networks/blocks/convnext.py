"""ConvNeXt (Liu et al., A ConvNet for the 2020s, CVPR 2022), on maps ``(F, h, w, C)``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.attention import by_rows
from pointtrack.networks.blocks.convolution import SameConv2d
from pointtrack.networks.blocks.encoders import in_chunks

EPSILON = 1e-6


class ConvNextBlock(nn.Module):
    """A 7 x 7 convolution of every channel by itself, then a feed-forward network of every cell.

    ConvNeXt's scale of the branch is part of its last layer.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.around = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, maps: Tensor) -> Tensor:
        around = self.around(maps.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return maps + by_rows(self._feed_forward, around)

    def _feed_forward(self, cells: Tensor) -> Tensor:
        return self.narrow(F.gelu(self.widen(self.norm(cells))))


class DilatedConv2d(SameConv2d):
    """A 3 x 3 convolution of every second cell, two zeros around: that of four smaller maps."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)

    def forward(self, maps: Tensor) -> Tensor:
        if any(side % 2 for side in maps.shape[1:3]):
            weight, x = self.weight, maps.permute(0, 3, 1, 2)
            return F.conv2d(x, weight, self.bias, padding=2, dilation=2).permute(0, 2, 3, 1)
        frames, height, width, _ = maps.shape
        phases = maps.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).permute(2, 4, 0, 1, 3, 5)
        made = super().forward(phases.flatten(0, 2))  # 4F h/2 w/2 D
        made = made.unflatten(0, (2, 2, frames)).permute(2, 3, 0, 4, 1, 5)
        return made.reshape(frames, height, width, -1)


class ConvNextEncoder(nn.Module):
    """A ConvNeXt without its last stage, whose resolution stays at an eighth.

    Parameters
    ----------
    outputs
        Channels of the features.
    widths, depths
        Channels and blocks of the three stages; the default is ConvNeXt-T.
    """

    def __init__(
        self,
        outputs: int,
        widths: Sequence[int] = (96, 192, 384),
        depths: Sequence[int] = (3, 3, 9),
    ) -> None:
        super().__init__()
        small, middle, large = widths
        self.stem = SameConv2d(3, small, 4, 4)
        self.stem_norm = nn.LayerNorm(small, eps=EPSILON)
        self.stages = nn.ModuleList(
            nn.Sequential(*(ConvNextBlock(width) for _ in range(depth)))
            for width, depth in zip(widths, depths, strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=EPSILON) for width in (small, middle))
        self.between = nn.ModuleList(
            [SameConv2d(small, middle, 2, 2), DilatedConv2d(middle, large)]
        )
        self.head = nn.Linear(large, outputs)

    def forward(self, frames: Tensor) -> Tensor:
        """``frames (F, 3, H, W)``, sides multiples of 8, to ``(F, H / 8, W / 8, C)``."""
        return in_chunks(self._encode, frames)

    def _encode(self, frames: Tensor) -> Tensor:
        x = frames.to(self.head.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = self.stages[0](self.stem_norm(self.stem(x.permute(0, 2, 3, 1))))
        for norm, between, stage in zip(self.norms, self.between, self.stages[1:], strict=True):
            x = stage(between(norm(x)))
        return self.head(x)
