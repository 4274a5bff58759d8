"""Multi-scale deformable attention: each query looks at a few places that it chooses itself.

Zhu et al., Deformable DETR: Deformable Transformers for End-to-End Object Detection, ICLR 2021.

A place lies between four pixels, and what a head sees is a weighted sum of places: together one
weighted sum of rows of a table, which `embedding_bag` takes without ever holding the rows. A
projection of the table is linear, so few queries take their sum first and project that; zeros
around the picture mean that the projection's bias then counts as much as lay inside.

Feature maps of all levels lie one after the other, row by row: ``(B, S, ...)`` with S the sum of
all ``h * w``; ``sizes`` are their (height, width). Positions are indices of their level's map, x
first: 0 is the centre of the first column, ``w - 1`` that of the last. Outside there is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.portions import portions

Sizes = Sequence[tuple[int, int]]

CORNERS = 1 << 19  # pixels that are looked up at a time: their numbers stay in the cache
# Tokens whose projection takes as long as to sum up one query's unprojected places, of 8 heads
# with 16 places of 256 channels each.
TOKENS_A_QUERY = 7


class Corners(NamedTuple):
    """The pixels that places lie between.

    Attributes
    ----------
    index
        Number of a pixel among those of all levels, int32.
    weight
        Its share, which is 0 outside the picture.
    """

    index: Tensor  # type: ignore[assignment]
    weight: Tensor

    def flat(self) -> Corners:
        """All pixels of all places of a head: ``(B, Q, heads, 4 * L * P)``."""
        return Corners(self.index.flatten(3), self.weight.flatten(3))


def corners(xy: Tensor, sizes: Sizes, weights: Tensor | None = None) -> Corners:
    """Pixels of places ``xy (B, Q, heads, L, P, 2)``, four of each: ``(B, Q, heads, 4, L * P)``.

    ``weights (B, Q, heads, L, P)`` multiply the shares. It takes longer to compute than to use
    these numbers, so all is done in rows of ``heads * L * P`` numbers, without a condition.
    """
    batch, queries, heads, levels, points, _ = xy.shape
    table = xy.new_tensor(_levels(sizes)).repeat_interleave(points, dim=1).repeat(1, heads)
    start, width, last_column, last_row, right, below = table  # heads*L*P each
    x, y = (part.flatten(2) for part in xy.unbind(-1))  # B Q heads*L*P
    column, left_share, right_share = _neighbours(x, last_column, right)
    row, top_share, bottom_share = _neighbours(y, last_row, below)
    if weights is not None:
        top_share, bottom_share = (
            share * weights.flatten(2) for share in (top_share, bottom_share)
        )
    # Whole numbers up to 2**24 are exact in single precision, more cells than maps have.
    first = torch.addcmul(start, row, width) + column
    index = [first, first + right, first + below, first + (right + below)]
    weight = [
        share * other for share in (top_share, bottom_share) for other in (left_share, right_share)
    ]
    shape = batch, queries, heads, levels * points
    return Corners(
        torch.stack([part.view(shape) for part in index], dim=3).int(),
        torch.stack([part.view(shape) for part in weight], dim=3),
    )


def _levels(sizes: Sizes) -> list[list[int]]:
    """Of each level: where it starts, its width, the last cell in either direction that has a
    neighbour after it, and how far on that neighbour is (a single row or column has none)."""
    columns, start = [], 0
    for height, width in sizes:
        ends = max(width - 2, 0), max(height - 2, 0)
        columns.append((start, width, *ends, int(width > 1), width * (height > 1)))
        start += height * width
    return [list(row) for row in zip(*columns, strict=True)]


def _neighbours(at: Tensor, last: Tensor, step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Along one axis: a cell and the shares of it and the next one, by their distances.

    Beyond an edge it is the outermost pair of cells, one of which is then too far.
    """
    cell = at.detach().floor().clamp(torch.zeros_like(last), last)
    away = at - cell
    later = (1 - (away - 1).abs()).relu()
    return cell, (1 - away.abs()).relu(), later * step.clamp(max=1)


def weighted_sum(table: Tensor, places: Corners) -> Tensor:
    """Sums of rows: ``(B, S, heads, D)`` at ``(B, Q, heads, K)`` to ``(B, Q, heads, D)``.

    A table with one head is every head's.
    """
    batch, tokens, heads, channels = table.shape
    shape = places.index.shape
    item = torch.arange(batch, device=table.device, dtype=torch.int32).view(-1, 1, 1, 1)
    index = places.index + item * tokens
    if heads > 1:
        index = index * heads + torch.arange(heads, device=table.device).int()[:, None]
    found = F.embedding_bag(
        index.reshape(-1, shape[-1]),
        table.reshape(-1, channels),
        per_sample_weights=places.weight.reshape(-1, shape[-1]).to(table.dtype),
        mode="sum",
    )
    return found.view(*shape[:3], channels)


def attend(values: Tensor, sizes: Sizes, xy: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of values at places.

    Parameters
    ----------
    values
        ``(B, S, heads, D)``, projected already.
    sizes
        Of the L levels.
    xy
        ``(B, Q, heads, L, P, 2)``.
    weights
        ``(B, Q, heads, L, P)``.

    Returns
    -------
    Tensor
        ``(B, Q, heads, D)``.
    """
    parts = [
        weighted_sum(values, corners(xy[:, part], sizes, weights[:, part]).flat())
        for part in portions(xy.shape[1], 4 * len(xy) * math.prod(xy.shape[2:5]), CORNERS)
    ]
    return torch.cat(parts, dim=1)


def project_heads(sums: Tensor, seen: Tensor, projection: nn.Linear) -> Tensor:
    """Project what was summed before projection, ``(B, Q, heads, C)`` to ``(B, Q, heads, D)``.

    ``seen (B, Q, heads)`` is the share of the weights that lay inside the picture.
    """
    heads, channels = sums.shape[2:]
    weight = projection.weight.view(heads, -1, channels)
    found = torch.bmm(sums.flatten(0, 1).transpose(0, 1), weight.mT)  # heads B*Q D
    found = found.transpose(0, 1).unflatten(0, sums.shape[:2])
    return found + seen[..., None] * projection.bias.view(heads, -1)


class DeformableAttention(nn.Module):
    """The whole layer, without what is added to it or normalised afterwards."""

    def __init__(self, width: int, heads: int, levels: int, points: int) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        self.offsets = nn.Linear(width, heads * levels * points * 2)
        self.weights = nn.Linear(width, heads * levels * points)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, query: Tensor, reference: Tensor, memory: Tensor, sizes: Sizes) -> Tensor:
        """Look at feature maps around places.

        Parameters
        ----------
        query
            ``(B, Q, C)``.
        reference
            ``(B, Q, 2)``: the places that offsets, in pixels of each level, are added to, as
            shares of the picture: 0 and 1 are its outer edges on every level.
        memory
            ``(B, S, C)``: the maps, not projected.
        sizes
            Of the levels.

        Returns
        -------
        Tensor
            ``(B, Q, C)``.
        """
        sum_first = few(query, memory)
        table = memory[:, :, None]  # B S 1 C
        if not sum_first:
            table = self.value(memory).unflatten(-1, (self.heads, -1))  # B S heads D
        parts = []
        size = 4 * len(query) * self.heads * self.levels * self.points
        for part in portions(query.shape[1], size, CORNERS):
            places = self._places(query[:, part], reference[:, part], sizes)
            found = weighted_sum(table, places)
            if sum_first:
                found = project_heads(found, places.weight.sum(-1), self.value)
            parts.append(self.output(found.flatten(-2)))
        return torch.cat(parts, dim=1)

    def _places(self, query: Tensor, reference: Tensor, sizes: Sizes) -> Corners:
        xy = around(reference, self.offsets(query), self.heads, self.points, sizes)
        weights = self.weights(query).unflatten(-1, (self.heads, -1)).softmax(-1)
        return corners(xy, sizes, weights.view(xy.shape[:-1])).flat()


def around(reference: Tensor, offsets: Tensor, heads: int, points: int, sizes: Sizes) -> Tensor:
    """Places ``(B, Q, heads, L, P, 2)`` at ``offsets (B, Q, heads * L * P * 2)``, in pixels, from
    ``reference (B, Q, 2)``, in shares of the picture."""
    shape = heads, len(sizes), points
    placed = []
    for axis in (0, 1):  # x and y apart in memory, as they are needed
        side = reference.new_tensor([size[1 - axis] for size in sizes])
        side = side.repeat_interleave(points).repeat(heads)
        apart = offsets[..., axis::2].to(side.dtype)  # they may come in half precision
        at = torch.addcmul(apart, reference[..., axis, None], side) - 0.5
        placed.append(at.unflatten(-1, shape))
    return torch.stack(placed).movedim(0, -1)


def few(query: Tensor, memory: Tensor) -> bool:
    """Whether queries are so few that the maps are not worth projecting."""
    return query.shape[1] * TOKENS_A_QUERY < memory.shape[1]
