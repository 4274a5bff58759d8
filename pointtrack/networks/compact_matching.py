"""Where in the whole frame a point may be: one dot product a cell, and a peak."""

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
    peak, at_expected : Tensor
        ``(P,)``: probability there, and around where the point is expected.
    likeness, likeness_expected : Tensor
        ``(P,)``: the dot products themselves, there and there.
    """

    logits: Tensor
    xy: Tensor
    peak: Tensor
    at_expected: Tensor
    likeness: Tensor
    likeness_expected: Tensor


def match(
    maps: Tensor, stride: int, which: Tensor, looks: Tensor, sharpness: Tensor, expected: Tensor
) -> Match:
    """Compare points with every cell of their frames.

    Parameters
    ----------
    maps
        ``(F, h, w, C)``; cell i lies at pixel ``stride * i``.
    which
        ``(P,)`` int64: the frame of each point.
    looks
        ``(P, C)``.
    sharpness
        What dot products are multiplied by to be logits.
    expected
        ``(P, 2)`` pixels.
    """
    height, width, channels = maps.shape[1:]
    if len(maps) == 1:
        products = looks @ maps.view(-1, channels).mT  # P h*w
    else:
        products = _in_groups(maps.flatten(1, 2), which, looks)
    products = products.float()
    logits = sharpness * products
    chances = logits.softmax(dim=1)
    place = chances.argmax(dim=1)
    index, inside = _around(place, height, width)  # P 25
    near = chances.gather(1, index) * inside
    peak = near.sum(dim=1)
    column, row = (axis.to(near) for axis in _column_row(index, width))
    share = near / peak[:, None].clamp_min(1e-12)
    xy = torch.stack([(share * column).sum(1), (share * row).sum(1)], dim=1) * stride
    cell = (expected.detach() / stride).round().long()
    cell = cell[:, 1].clamp(0, height - 1) * width + cell[:, 0].clamp(0, width - 1)
    there, valid = _around(cell, height, width)
    return Match(
        logits,
        xy,
        peak,
        (chances.gather(1, there) * valid).sum(dim=1),
        products.gather(1, place[:, None])[:, 0],
        products.gather(1, there).amax(dim=1),
    )


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
