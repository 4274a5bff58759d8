"""Vision transformers: patches of a picture as tokens ``(F, L, C)`` that all see each other."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.attention import by_rows

HEAD = 64  # channels
EPSILON = 1e-6


class Mlp(nn.Module):
    """Two linear layers, four times as wide between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(F.gelu(self.widen(x)))


class SwiGlu(nn.Module):
    """Two linear layers; half of the channels between them gate the others."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = -(-int(4 * width * 2 / 3) // 8) * 8
        self.widen = nn.Linear(width, 2 * inner)
        self.narrow = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.widen(x).chunk(2, dim=-1)
        return self.narrow(F.silu(gate) * value)


class VitBlock(nn.Module):
    """Attention among all tokens of a picture, then a feed-forward network; norms before both.

    DINOv2's scales of the two branches are part of their last layers.
    """

    def __init__(self, width: int, feedforward: Callable[[int], nn.Module] = Mlp) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=EPSILON)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.feedforward_norm = nn.LayerNorm(width, eps=EPSILON)
        self.feedforward = feedforward(width)

    def forward(self, x: Tensor) -> Tensor:
        """``x (F, L, C)`` to the same shape."""
        joined = self.query_key_value(self.attention_norm(x))
        query, key, value = joined.unflatten(-1, (3, -1, HEAD)).permute(2, 0, 3, 1, 4)  # F h L 64
        seen = F.scaled_dot_product_attention(query, key, value)
        x = x + self.output(seen.transpose(1, 2).flatten(2))
        return x + by_rows(lambda part: self.feedforward(self.feedforward_norm(part)), x)


def resized_positions(
    table: Tensor, size: tuple[int, int], offset: float = 0.0, smooth: bool = False
) -> Tensor:
    """A square table of positions ``(L, C)`` for a grid of another size ``(h, w)``.

    Parameters
    ----------
    table
        Row by row.
    size
        Rows and columns of the grid.
    offset
        DINO's grids are taken as this much larger than they are: the table is read in steps of
        ``side / (h + offset)``.
    smooth
        Whether a smaller grid reads means of the table, not single places.

    Returns
    -------
    Tensor
        ``(h w, C)``.
    """
    side = math.isqrt(len(table))
    if size == (side, side):
        return table
    grid = table.float().view(1, side, side, -1).permute(0, 3, 1, 2)
    if offset:
        scale = [(n + offset) / side for n in size]
        made = F.interpolate(grid, scale_factor=scale, mode="bicubic", antialias=smooth)
    else:
        made = F.interpolate(grid, size, mode="bicubic", antialias=smooth)
    return made[0].permute(1, 2, 0).flatten(0, 1).to(table.dtype)


def patch_grid(size: tuple[int, int], patch: int, stride: int) -> tuple[int, int]:
    """Rows and columns of patches in a picture of ``size`` (height, width)."""
    return (size[0] - patch) // stride + 1, (size[1] - patch) // stride + 1


def join(*parts: Tensor) -> Tensor:
    """Tokens ``(1, K, C)`` that all F pictures share, and their own ``(F, L, C)``, in a row."""
    count = max(len(part) for part in parts)
    return torch.cat([part.expand(count, -1, -1) for part in parts], dim=1)
