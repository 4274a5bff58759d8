"""Where in the whole frame a point may be: a patch against every place, and a peak."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

_REACH = 2  # cells around the greatest one that the peak's place is the mean of


class Match(NamedTuple):
    """What the whole frame says about P points.

    Attributes
    ----------
    logits : Tensor
        ``(P, h * w)``: which cell the point is in.
    xy : Tensor
        ``(P, 2)`` pixels: the mean over the cells around the greatest.
    peak : Tensor
        ``(P,)``: how likely the greatest is the one, of all.
    """

    logits: Tensor
    xy: Tensor
    peak: Tensor


def match(maps: Tensor, stride: int, which: Tensor, looks: Tensor, sharpness: Tensor) -> Match:
    """Compare patches of points with those around every cell of their frames.

    Parameters
    ----------
    maps
        ``(F, h, w, C)``; cell i lies at pixel ``stride * i``.
    which
        ``(P,)`` int64: the frame of each point.
    looks
        ``(P, n * n, C)``: patches of n by n cells, n odd, row by row.
    sharpness
        What the mean of a patch's dot products is multiplied by to be a logit.
    """
    height, width = maps.shape[1:3]
    cells, looks = _patches(maps, round(looks.shape[1] ** 0.5)), looks.flatten(1)
    if len(maps) == 1:
        products = looks @ cells[0].mT  # P h*w
    else:
        products = _in_groups(cells, which, looks)
    logits = sharpness * products.float() / (looks.shape[1] // maps.shape[3])
    chances = logits.softmax(dim=1)
    peak, place = chances.max(dim=1)
    index, inside = _around(place, height, width)  # P 25
    near = chances.gather(1, index) * inside
    share = near / near.sum(dim=1, keepdim=True).clamp_min(1e-12)
    column, row = (axis.to(near) for axis in _column_row(index, width))
    xy = torch.stack([(share * column).sum(1), (share * row).sum(1)], dim=1) * stride
    return Match(logits, xy, peak)


def _patches(maps: Tensor, side: int) -> Tensor:
    """Patches ``(F, h * w, side * side * C)`` around the cells of maps; edges are repeated."""
    height, width = maps.shape[1:3]
    reach = side // 2
    wide = F.pad(maps.movedim(3, 1), [reach] * 4, mode="replicate").movedim(1, 3)
    shifted = [
        wide[:, dy : dy + height, dx : dx + width] for dy in range(side) for dx in range(side)
    ]
    return torch.cat(shifted, dim=3).flatten(1, 2)


def _in_groups(cells: Tensor, which: Tensor, looks: Tensor) -> Tensor:
    """Products of points with the cells ``(F, M, C)`` of their own frames; ``(P, M)``."""
    frames, count = len(cells), torch.bincount(which, minlength=len(cells))
    most = int(count.max()) if len(which) else 0
    order = which.argsort(stable=True)
    first = count.cumsum(0) - count
    slot = torch.empty_like(which)  # one row of F groups of equal length for each point
    slot[order] = torch.arange(len(which), device=which.device) + (
        which[order] * most - first[which[order]]
    )
    groups = looks.new_zeros(frames * most, looks.shape[1]).index_copy(0, slot, looks)
    products = groups.view(frames, most, -1) @ cells.mT  # F most M
    return products.flatten(0, 1)[slot]


def _around(place: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Cells ``(P, 25)`` around given ones, and which of them lie in the map."""
    reach = torch.arange(-_REACH, _REACH + 1, device=place.device)
    column, row = (axis[:, None, None] for axis in _column_row(place, width))
    column, row = column + reach, row + reach[:, None]  # P 1 5 and P 5 1
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    return index.flatten(1), inside.flatten(1)


def _column_row(cell: Tensor, width: int) -> tuple[Tensor, Tensor]:
    row = cell.div(width, rounding_mode="floor")
    return cell - row * width, row


def cell_loss(logits: Tensor, size: tuple[int, int], xy: Tensor) -> Tensor:
    """Cross-entropy of the cells with the true place, shared out over four cells; ``(P,)``.

    ``size`` is ``(h, w)`` of the map, ``xy (P, 2)`` the true place in cells.
    """
    height, width = size
    limit = xy.new_tensor([width - 1, height - 1])
    xy = xy.clamp_min(0).minimum(limit)
    corner = xy.floor()
    fraction = xy - corner
    log = F.log_softmax(logits, dim=1)
    loss = torch.zeros_like(log[:, 0])
    for dy in (0, 1):
        for dx in (0, 1):
            x = (corner[:, 0] + dx).clamp_max(width - 1).long()
            y = (corner[:, 1] + dy).clamp_max(height - 1).long()
            wx = fraction[:, 0] if dx else 1 - fraction[:, 0]
            wy = fraction[:, 1] if dy else 1 - fraction[:, 1]
            loss = loss - wx * wy * log.gather(1, (y * width + x)[:, None])[:, 0]
    return loss
