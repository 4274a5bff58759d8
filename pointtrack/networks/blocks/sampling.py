"""Reading feature maps at points: single values, and square windows around a point.

Maps are channels-last, ``(F, h, w, C)``: what is read at a pixel is one contiguous row.
Coordinates are *indices* of the map: 0 is the centre of the first column, ``w - 1`` that of the
last. A network that counts otherwise converts first (``x - 0.5`` for raster coordinates).

Outside a map there is either its nearest edge (``"edge"``: the same as clamping coordinates to
the border, and as PyTorch's ``padding_mode="border"``) or nothing (``"zeros"``).

All positions of a window share one fractional offset. A window of ``n x n`` samples is therefore
read as the ``(n + 1) x (n + 1)`` pixels below it, and interpolated afterwards; what is linear in
the pixels (a dot product) is best done in between. Windows have two axes: ``"yx"`` is row by row,
``"xy"`` column by column, which is how RAFT and its descendants count.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Outside = Literal["edge", "zeros"]
Order = Literal["yx", "xy"]


def bilinear(maps: Tensor, which: Tensor, xy: Tensor, outside: Outside = "edge") -> Tensor:
    """Read maps at points.

    Parameters
    ----------
    maps
        ``(F, h, w, C)``.
    which
        Number of each point's map, integer, broadcast to ``(...,)``.
    xy
        ``(..., 2)`` indices of the map.
    outside
        What lies outside the map.

    Returns
    -------
    Tensor
        ``(..., C)``.
    """
    return windows(maps, which, xy, 0, outside)[..., 0, 0, :]


def trilinear(maps: Tensor, txy: Tensor) -> Tensor:
    """Read videos of maps ``(B, T, h, w, C)`` at ``txy (B, N, 3)``, clamped to the border.

    Time may be fractional: two frames are blended. Returns ``(B, N, C)``.
    """
    num_frames = maps.shape[1]
    time = txy[..., 0].clamp(0, num_frames - 1)
    first = time.floor().long()
    clip = torch.arange(len(maps), device=maps.device)[:, None] * num_frames  # B 1
    flat, xy = maps.flatten(0, 1), txy[..., 1:]
    early = bilinear(flat, clip + first, xy)
    if not torch.compiler.is_compiling() and torch.equal(first.to(time.dtype), time):
        return early
    late = bilinear(flat, clip + (first + 1).clamp(max=num_frames - 1), xy)
    return torch.lerp(early, late, (time - first)[..., None])


def windows(
    maps: Tensor,
    which: Tensor,
    xy: Tensor,
    radius: int,
    outside: Outside = "edge",
    order: Order = "yx",
) -> Tensor:
    """Read maps on the square of ``2 radius + 1`` pixels around each point.

    Parameters are those of `bilinear`. Returns ``(..., n, n, C)`` with ``n = 2 radius + 1``.
    """
    index, fraction = patch_index(maps.shape[1:3], which, xy, radius, order)
    pixels = gather(maps, index)
    if outside == "zeros":
        pixels = pixels * patch_inside(maps.shape[1:3], xy, radius, order)[..., None]
    return interpolate(pixels, fraction)


def gather(maps: Tensor, index: Tensor) -> Tensor:
    """Pixels ``(..., C)`` of ``maps (F, h, w, C)`` by their number, ``index (...)``."""
    rows = maps.reshape(-1, maps.shape[-1])
    return rows.index_select(0, index.flatten()).view(*index.shape, maps.shape[-1])


def patch_index(
    size: tuple[int, ...], which: Tensor, xy: Tensor, radius: int, order: Order = "yx"
) -> tuple[Tensor, Tensor]:
    """The ``n + 1`` squared pixels that a window of ``n = 2 radius + 1`` lies on.

    ``size`` is ``(h, w)`` of the maps; the other parameters are those of `windows`.

    Returns
    -------
    index
        ``(..., n + 1, n + 1)`` int64 for `gather`; outside the map its nearest edge.
    fraction
        ``(..., 2)`` where the window lies between them, in the order of its axes.
    """
    height, width = size
    clamped = _clamped(size, xy, radius)
    corner = clamped.detach().floor()
    fraction = clamped - corner
    column, row = _reached(corner, radius).unbind(-2)  # ... n+1
    column, row = column.clamp(0, width - 1), row.clamp(0, height - 1)
    row = (which[..., None] * height + row) * width
    if order == "xy":
        return column[..., :, None] + row[..., None, :], fraction
    return row[..., :, None] + column[..., None, :], fraction.flip(-1)


def patch_inside(size: tuple[int, ...], xy: Tensor, radius: int, order: Order = "yx") -> Tensor:
    """Which of the pixels of `patch_index` lie in the map, ``(..., n + 1, n + 1)`` bool."""
    height, width = size
    column, row = _reached(_clamped(size, xy, radius).detach().floor(), radius).unbind(-2)
    x, y = (column >= 0) & (column < width), (row >= 0) & (row < height)
    if order == "xy":
        return x[..., :, None] & y[..., None, :]
    return y[..., :, None] & x[..., None, :]


def _clamped(size: tuple[int, ...], xy: Tensor, radius: int) -> Tensor:
    """Far outside all pixels are alike; the clamp keeps integers in range and far NaN-free."""
    low, more = -radius - 2, radius + 1
    axes = xy[..., 0].clamp(low, size[1] + more), xy[..., 1].clamp(low, size[0] + more)
    return torch.stack(axes, dim=-1)


def _reached(corner: Tensor, radius: int) -> Tensor:
    """Columns and rows of a window's pixels, ``(..., 2, n + 1)`` int64."""
    reach = torch.arange(-radius, radius + 2, device=corner.device)
    return corner.long()[..., None] + reach


def interpolate(pixels: Tensor, fraction: Tensor) -> Tensor:
    """Blend neighbours: ``(..., n + 1, n + 1, C)`` and ``(..., 2)`` to ``(..., n, n, C)``."""
    slow, fast = fraction[..., 0, None, None, None], fraction[..., 1, None, None, None]
    lines = torch.lerp(pixels[..., :-1, :, :], pixels[..., 1:, :, :], slow)
    return torch.lerp(lines[..., :, :-1, :], lines[..., :, 1:, :], fast)


def pyramid(maps: Tensor, levels: int) -> list[Tensor]:
    """Halve maps ``(F, h, w, C)`` again and again by 2 x 2 means; odd rests are dropped.

    Returns the maps themselves and ``levels - 1`` smaller ones.
    """
    made = [maps]
    for _ in range(levels - 1):
        halved = F.avg_pool2d(made[-1].permute(0, 3, 1, 2), 2, stride=2)
        made.append(halved.permute(0, 2, 3, 1).contiguous())
    return made
