"""Track-On2's features: a vision transformer that trades with maps of finer strides.

The adapter is that of Chen et al., Vision Transformer Adapter for Dense Predictions, ICLR 2023:
convolutions see the picture at strides 4 to 32; four times, the transformer's patches look at
their maps and the maps look at its patches. Frames do not see each other.

Maps of several sizes lie one after the other as tokens, row by row. Batch norm is folded into
what stands before or behind it.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.attention import by_rows
from pointtrack.networks.blocks.deformable import DeformableAttention
from pointtrack.networks.blocks.encoders import FastConv2d, relu
from pointtrack.networks.blocks.pictures import standardised
from pointtrack.networks.trackon_vit import WIDTH, DinoV2, DinoV3

STRIDES = (4, 8, 16, 32)
CHANNELS, HEADS, POINTS = 256, 6, 4
STAGES = 4  # of trade; each has a quarter of the transformer's layers
EPSILON = 1e-6

Size = tuple[int, int]  # height, width


class Maps(NamedTuple):
    """Features of frames.

    Attributes
    ----------
    levels
        ``(F, S, 256)``: the maps of all strides.
    fused
        ``(F, h * w, 256)``: at stride 4, with what the coarser ones know.
    """

    levels: Tensor
    fused: Tensor


def level_sizes(size: Size) -> list[Size]:
    """Height and width of the maps of a picture."""
    return [(size[0] // stride, size[1] // stride) for stride in STRIDES]


def centres(sizes: list[Size], like: Tensor) -> Tensor:
    """Centres of all cells as shares of the picture, ``(1, S, 2)``, x first."""
    grids = []
    for height, width in sizes:
        y, x = (
            (torch.arange(count, device=like.device) + 0.5) / count for count in (height, width)
        )
        y, x = torch.meshgrid(y, x, indexing="ij")
        grids.append(torch.stack([x, y], dim=-1).view(1, -1, 2))
    return torch.cat(grids, dim=1).to(like.dtype)


def as_tokens(maps: Tensor) -> Tensor:
    """``(F, C, h, w)`` to ``(F, h * w, C)``."""
    return maps.flatten(2).transpose(1, 2)


def as_map(tokens: Tensor, size: Size) -> Tensor:
    """``(F, h * w, C)`` to ``(F, C, h, w)``, channels-last in memory."""
    return tokens.unflatten(1, size).permute(0, 3, 1, 2)


class SpatialPrior(nn.Module):
    """Plain convolutions at strides 4 to 32, each followed by a cut below zero."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, stride=2, padding=1)
        self.second = FastConv2d(64, 64)
        self.third = FastConv2d(64, 64)
        widths = (64, 128, 256, 256)
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in itertools.pairwise(widths)
        )
        self.widen = nn.ModuleList(nn.Linear(width, WIDTH) for width in widths[1:])

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """``(F, 3, H, W)`` to maps ``(F, 64, H/4, W/4)`` and tokens of the coarser three."""
        maps = relu(self.stem(pictures.contiguous(memory_format=torch.channels_last)))
        maps = relu(self.third(relu(self.second(maps))))
        maps = F.max_pool2d(maps, 3, stride=2, padding=1)
        finest, tokens = maps, []
        for down, widen in zip(self.down, self.widen, strict=True):
            maps = relu(down(maps))
            tokens.append(widen(as_tokens(maps)))
        return finest, torch.cat(tokens, dim=1)


class Injector(nn.Module):
    """The transformer's patches look at the maps."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(WIDTH))
        self.patch_norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.map_norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.attention = DeformableAttention(WIDTH, HEADS, len(STRIDES) - 1, POINTS)

    def forward(self, patches: Tensor, tokens: Tensor, grid: Size, sizes: list[Size]) -> Tensor:
        """``patches (F, P, C)`` of a grid, ``tokens (F, S, C)`` of maps of several sizes."""
        query, there = self.patch_norm(patches), centres([grid], patches)
        there = there.expand(len(query), -1, -1)
        found = self.attention(query, there, self.map_norm(tokens), sizes)
        # The published attention has a shortcut of its own, from its normalised query.
        return patches + self.gain * (found + query)


class Extractor(nn.Module):
    """The maps look at the transformer's patches, then at their neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.map_norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.patch_norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.attention = DeformableAttention(WIDTH, HEADS, 1, POINTS)
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.narrow = nn.Linear(WIDTH, WIDTH // 4)
        self.around = nn.Conv2d(WIDTH // 4, WIDTH // 4, 3, padding=1, groups=WIDTH // 4)
        self.widen = nn.Linear(WIDTH // 4, WIDTH)

    def forward(self, tokens: Tensor, patches: Tensor, grid: Size, sizes: list[Size]) -> Tensor:
        """As of `Injector.forward`."""
        query, there = self.map_norm(tokens), centres(sizes, tokens)
        there = there.expand(len(query), -1, -1)
        found = self.attention(query, there, self.patch_norm(patches), [grid])
        tokens = tokens + found + query
        inner = by_rows(lambda x: self.narrow(self.norm(x)), tokens)
        parts = inner.split([height * width for height, width in sizes], dim=1)
        seen = [
            as_tokens(self.around(as_map(part, size)))
            for part, size in zip(parts, sizes, strict=True)
        ]
        return tokens + by_rows(lambda x: self.widen(F.gelu(x)), torch.cat(seen, dim=1))


class Extractors(nn.Module):
    """One after the other."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(Extractor() for _ in range(count))

    def forward(self, tokens: Tensor, patches: Tensor, grid: Size, sizes: list[Size]) -> Tensor:
        for part in self.parts:
            tokens = part(tokens, patches, grid, sizes)
        return tokens


class Pyramid(nn.Module):
    """The coarser maps are added to the finest, from the top down (a feature pyramid network)."""

    def __init__(self) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Linear(CHANNELS, CHANNELS) for _ in STRIDES[1:])
        self.lateral_norms = nn.ModuleList(nn.GroupNorm(32, CHANNELS) for _ in STRIDES[1:])
        self.first = FastConv2d(CHANNELS, CHANNELS)
        self.norm = nn.GroupNorm(32, CHANNELS)
        self.second = FastConv2d(CHANNELS, CHANNELS)

    def forward(self, levels: list[Tensor], sizes: list[Size]) -> Tensor:
        """Maps as tokens ``(F, h * w, C)``, finest first, to one at the size of the finest."""
        below: Tensor | None = None
        layers = zip(self.lateral, self.lateral_norms, levels[1:], sizes[1:], strict=True)
        for lateral, norm, tokens, size in reversed(list(layers)):
            maps = relu(norm(as_map(lateral(tokens), size)))
            below = maps if below is None else maps + F.interpolate(below, size)
        assert below is not None
        maps = as_map(levels[0], sizes[0]) + F.interpolate(below, sizes[0])
        return as_tokens(self.second(relu(self.norm(self.first(maps)))))


class Backbone(nn.Module):
    """Everything up to `Maps`.

    Parameters
    ----------
    size
        Height and width of the pictures that the table of positions is for.
    transformer
        What trades with the maps.
    """

    def __init__(self, size: Size, transformer: DinoV2 | DinoV3) -> None:
        super().__init__()
        self.transformer = transformer
        self.prior = SpatialPrior()
        self.level = nn.Parameter(0.02 * torch.randn(len(STRIDES) - 1, WIDTH))
        self.injectors = nn.ModuleList(Injector() for _ in range(STAGES))
        self.extractors = nn.ModuleList(
            Extractors(3 if k == STAGES - 1 else 1) for k in range(STAGES)
        )
        # The finest map is made of the convolutions' and of the next coarser one.
        self.finest = nn.Linear(64, CHANNELS)
        # Of a cell its four at half the stride.
        self.upsample = nn.Linear(WIDTH, 4 * CHANNELS, bias=False)
        self.project = nn.ModuleList(nn.Linear(WIDTH, CHANNELS) for _ in STRIDES[1:])
        self.position = nn.Parameter(0.02 * torch.randn(1, CHANNELS, size[0] // 4, size[1] // 4))
        self.pyramid = Pyramid()

    def forward(self, frames: Tensor) -> Maps:
        """Features of ``frames (F, 3, H, W)`` in 0..255; H and W are multiples of 32."""
        sizes = level_sizes((frames.shape[2], frames.shape[3]))
        finest, tokens = self._traded(standardised(frames), sizes[1:])
        levels = self._projected(finest, tokens, sizes)
        fused = self.pyramid(levels, sizes)
        return Maps(torch.cat(levels, dim=1), fused)

    def _traded(self, pictures: Tensor, sizes: list[Size]) -> tuple[Tensor, Tensor]:
        """Maps ``(F, 64, h, w)`` at stride 4, and tokens of the coarser ones after the trade."""
        finest, tokens = self.prior(pictures)
        parts = tokens.split([height * width for height, width in sizes], dim=1)
        tokens = torch.cat([part + self.level[k] for k, part in enumerate(parts)], dim=1)
        transformer = self.transformer
        height, width = (
            int(side * transformer.enlarged) // transformer.patch for side in pictures.shape[2:]
        )
        grid, enlarged = (height, width), (height * transformer.patch, width * transformer.patch)
        x = transformer.begin(F.interpolate(pictures, enlarged, mode="bilinear"))
        others, each = transformer.others, len(transformer.layers) // STAGES
        for k in range(STAGES):
            patches = self.injectors[k](x[:, others:], tokens, grid, sizes)
            x = torch.cat([x[:, :others], patches], dim=1)
            x = transformer.through(x, slice(each * k, each * (k + 1)), grid)
            tokens = self.extractors[k](tokens, x[:, others:], grid, sizes)
        return finest, tokens

    def _projected(self, finest: Tensor, tokens: Tensor, sizes: list[Size]) -> list[Tensor]:
        """Tokens ``(F, h * w, 256)`` of each level, with their positions."""
        parts = tokens.split([height * width for height, width in sizes[1:]], dim=1)
        height, width = sizes[1]
        fine = self.upsample(parts[0]).view(len(tokens), height, width, 2, 2, CHANNELS)
        fine = fine.permute(0, 1, 3, 2, 4, 5).reshape(len(tokens), -1, CHANNELS)
        levels = [fine + self.finest(as_tokens(finest))]
        levels += [project(part) for project, part in zip(self.project, parts, strict=True)]
        return [
            level + as_tokens(self._positions(size))
            for level, size in zip(levels, sizes, strict=True)
        ]

    def _positions(self, size: Size) -> Tensor:
        if self.position.shape[2:] == size:
            return self.position
        return F.interpolate(self.position, size, mode="bilinear")
