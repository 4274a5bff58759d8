"""The vision transformers that Track-On2 uses, in pieces, and without their last norm.

Simeoni et al., DINOv3, 2025 (arXiv 2508.10104); Oquab et al., DINOv2: Learning Robust Visual
Features without Supervision, TMLR 2024. Tokens are one for the whole picture, with DINOv3 four
that only serve as registers, then one a patch, row by row. DINOv3's positions are rotations of
queries and keys of the patches, DINOv2's are a table that is added to them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.attention import by_rows
from pointtrack.networks.blocks.vit import VitBlock, join, resized_positions

WIDTH, DEPTH, HEADS, HIDDEN = 384, 12, 6, 1536
TABLE = 37  # patches a side of DINOv2's table
EPSILON = 1e-5
BASE = 100.0  # of the rotations' frequencies


def rotations(height: int, width: int, others: int, channels: int, like: Tensor) -> Tensor:
    """Cosines and sines ``(2, others + height * width, channels)``; the others stay unturned.

    The first half of a head's channels is turned together with the second, a quarter of them
    each by row and by column: patches' centres, in [-1, 1], times frequencies that fall to
    1/`BASE`.
    """
    quarter = channels // 4
    falling = BASE ** (-torch.arange(quarter, device=like.device, dtype=torch.float32) / quarter)
    y, x = (
        (2 * torch.arange(count, device=like.device) + 1) / count - 1 for count in (height, width)
    )
    y, x = torch.meshgrid(y, x, indexing="ij")
    angles = 2 * torch.pi * torch.stack([y, x], dim=-1).view(-1, 2, 1) * falling  # P 2 quarter
    angles = F.pad(angles.flatten(1).repeat(1, 2), (0, 0, others, 0))
    return torch.stack([angles.cos(), angles.sin()]).to(like.dtype)


def turned(x: Tensor, by: Tensor) -> Tensor:
    """Turn queries or keys ``(..., L, D)``."""
    first, second = x.chunk(2, dim=-1)
    return x * by[0] + torch.cat([-second, first], dim=-1) * by[1]


class VitLayer(nn.Module):
    """Attention among all tokens, then a gated perceptron."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width, eps=EPSILON)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=EPSILON)
        self.widen = nn.Linear(width, 2 * hidden)  # the gate, then what it lets through
        self.narrow = nn.Linear(hidden, width)

    def forward(self, x: Tensor, by: Tensor) -> Tensor:
        """``x (F, L, C)``, positions as `rotations`."""
        given = self.query_key_value(self.attention_norm(x))
        query, key, value = given.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(turned(query, by), turned(key, by), value)
        x = x + self.output(found.transpose(1, 2).flatten(2))
        return x + by_rows(self._perceptron, x)

    def _perceptron(self, x: Tensor) -> Tensor:
        gate, value = self.widen(self.norm(x)).chunk(2, dim=-1)
        return self.narrow(F.silu(gate) * value)


class DinoV3(nn.Module):
    """The small model with a wide perceptron, ViT-S+/16; its last norm is left out.

    Attributes
    ----------
    patch
        Pixels a side.
    enlarged
        How much larger than the adapter's picture the transformer's is, at most.
    others
        How many tokens come before those of patches.
    """

    patch, enlarged, others = 16, 1.143, 5

    def __init__(self) -> None:
        super().__init__()
        self.whole = nn.Parameter(0.02 * torch.randn(1, 1, WIDTH))
        self.registers = nn.Parameter(0.02 * torch.randn(1, 4, WIDTH))
        self.patches = nn.Conv2d(3, WIDTH, self.patch, stride=self.patch)
        self.layers = nn.ModuleList(VitLayer(WIDTH, HEADS, HIDDEN) for _ in range(DEPTH))

    def begin(self, pictures: Tensor) -> Tensor:
        """Tokens ``(F, L, C)`` of standardised pictures ``(F, 3, H, W)``."""
        return join(self.whole, self.registers, self.patches(pictures).flatten(2).mT)

    def through(self, x: Tensor, layers: slice, grid: tuple[int, int]) -> Tensor:
        """Send tokens of a grid of patches (rows, columns) through some of the layers."""
        by = rotations(*grid, self.others, WIDTH // HEADS, x)
        for layer in self.layers[layers]:
            x = layer(x, by)
        return x


class DinoV2(nn.Module):
    """The small model, ViT-S/14, without registers; attributes and methods are `DinoV3`'s."""

    patch, enlarged, others = 14, 1.0, 1

    def __init__(self) -> None:
        super().__init__()
        self.whole = nn.Parameter(0.02 * torch.randn(1, 1, WIDTH))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + TABLE * TABLE, WIDTH))
        self.patches = nn.Conv2d(3, WIDTH, self.patch, stride=self.patch)
        self.layers = nn.ModuleList(VitBlock(WIDTH) for _ in range(DEPTH))

    def begin(self, pictures: Tensor) -> Tensor:
        maps = self.patches(pictures)  # F C h w
        # Unlike DINOv2 as published: the grid is as large as it is.
        table = resized_positions(self.positions[0, 1:], (maps.shape[2], maps.shape[3]))
        return join(self.whole + self.positions[:, :1], maps.flatten(2).mT + table)

    def through(self, x: Tensor, layers: slice, grid: tuple[int, int]) -> Tensor:
        for layer in self.layers[layers]:
            x = layer(x)
        return x
