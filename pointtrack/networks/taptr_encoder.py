"""What TAPTR sees of a frame: a ResNet-50 at four strides, and a deformable encoder over them.

He et al., Deep Residual Learning for Image Recognition, CVPR 2016, with frozen batch
normalisation, which is part of the convolutions here; Zhu et al., Deformable DETR, ICLR 2021.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.attention import by_rows
from pointtrack.networks.blocks.deformable import DeformableAttention

WIDTH, HEADS, LEVELS, PLACES = 256, 8, 4, 4
HIDDEN = 2048  # of feed-forward networks
DEPTHS = (3, 4, 6, 3)  # of the four stages, at strides 4, 8, 16 and 32
TEMPERATURE = 10.0  # of positions' waves, the longest of which is so many times the shortest

Size = tuple[int, int]  # height, width


def level_sizes(size: Size) -> list[Size]:
    """Of the four maps of a frame."""
    return [(-(-size[0] // stride), -(-size[1] // stride)) for stride in (4, 8, 16, 32)]


class Bottleneck(nn.Module):
    """Three convolutions around a shortcut; the middle one has the stride."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(inputs, width, 1)
        self.middle = nn.Conv2d(width, width, 3, stride, padding=1)
        self.expand = nn.Conv2d(width, 4 * width, 1)
        changes = stride > 1 or inputs != 4 * width
        self.shortcut = nn.Conv2d(inputs, 4 * width, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.middle(F.relu(self.reduce(x))))
        return F.relu(self.expand(y) + self.shortcut(x))


class ResNet50(nn.Module):
    """Maps of 256, 512, 1024 and 2048 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2, padding=3)
        stages, inputs = [], 64
        for number, depth in enumerate(DEPTHS):
            width = 64 << number
            blocks = []
            for block in range(depth):
                stride = 2 if number > 0 and block == 0 else 1
                blocks.append(Bottleneck(inputs, width, stride))
                inputs = 4 * width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, frames: Tensor) -> list[Tensor]:
        x = frames.contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, padding=1)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class FeedForward(nn.Module):
    """Adds what two linear layers make of tokens, and normalises."""

    def __init__(self) -> None:
        super().__init__()
        self.widen, self.narrow = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return by_rows(self._layers, x)

    def _layers(self, x: Tensor) -> Tensor:
        return self.norm(x + self.narrow(F.relu(self.widen(x))))


class EncoderLayer(nn.Module):
    """Every pixel looks at other places of its own frame, on all levels."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = DeformableAttention(WIDTH, HEADS, LEVELS, PLACES)
        self.norm = nn.LayerNorm(WIDTH)
        self.feedforward = FeedForward()

    def forward(self, x: Tensor, where: Tensor, centres: Tensor, sizes: list[Size]) -> Tensor:
        seen = self.attention(x + where, centres, x, sizes)
        return self.feedforward(self.norm(x + seen))


class TaptrEncoder(nn.Module):
    """Frames to tokens: the pixels of all four levels, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ResNet50()
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Conv2d(256 << level, WIDTH, 1), nn.GroupNorm(32, WIDTH))
            for level in range(LEVELS)
        )
        self.levels = nn.Parameter(torch.randn(LEVELS, WIDTH))
        self.layers = nn.ModuleList(EncoderLayer() for _ in range(2))

    def forward(self, frames: Tensor) -> Tensor:
        """``(F, 3, H, W)``, normalised, to ``(F, S, 256)``. Frames do not see each other."""
        maps = [
            project(level)
            for project, level in zip(self.projections, self.backbone(frames), strict=True)
        ]
        sizes = [(level.shape[2], level.shape[3]) for level in maps]
        tokens = torch.cat([level.flatten(2).mT for level in maps], dim=1)  # F S 256
        where, centres = self.places(sizes), cell_centres(sizes, tokens)
        encoded = []
        for x in tokens.split(1):  # one after the other takes less memory, and no more time
            for layer in self.layers:
                x = layer(x, where, centres, sizes)
            encoded.append(x)
        return torch.cat(encoded)

    def places(self, sizes: list[Size]) -> Tensor:
        """What tells pixels apart, ``(S, 256)``: waves over rows, then columns, and the level."""
        known = []
        for (height, width), level in zip(sizes, self.levels, strict=True):
            # Counted from 1, and so that the last one is all but 1.
            rows, columns = (
                waves(torch.arange(1.0, side + 1, device=level.device) / (side + 1e-6))
                for side in (height, width)
            )
            both = [rows[:, None].expand(-1, width, -1), columns.expand(height, -1, -1)]
            known.append((torch.cat(both, dim=-1) + level).flatten(0, 1))
        return torch.cat(known)


def waves(shares: Tensor, count: int = WIDTH // 2) -> Tensor:
    """Positions from 0 to 1 as sines and cosines, alternating: ``(..., count)``."""
    steps = torch.arange(count // 2, dtype=torch.float32, device=shares.device)
    angles = shares[..., None] * (2 * math.pi) / TEMPERATURE ** (2 * steps / count)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


def cell_centres(sizes: list[Size], like: Tensor) -> Tensor:
    """Centres of all pixels of all levels, ``(1, S, 2)``, as shares of the picture."""
    found = []
    for height, width in sizes:
        x = (torch.arange(width) + 0.5) / width
        y = (torch.arange(height) + 0.5) / height
        found.append(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).flatten(0, 1))
    return torch.cat(found).to(like)[None]
