"""Correlations of every cell of a map with what surrounds its place in another, tile by tile.

Neighbouring cells mostly move alike, so the windows of a tile of them lie in one small patch of
the other map. Their products with that patch are one matrix product, and each cell's window is
read from it: little more arithmetic than the windows alone need, at a matrix product's speed,
and no table of all pairs. Cells that move unlike the rest of their tile are done one by one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.blocks.correlation import local_correlation
from pointtrack.networks.blocks.sampling import gather, interpolate

TILE = 8  # cells a side
SLACK = 2  # pixels on either side that cells of a tile may move apart
CHUNK = 1 << 21  # numbers gathered at a time on a CPU; more, and they leave the cache


class TiledCorrelation:
    """What is kept of a map to be compared with others.

    Parameters
    ----------
    templates
        ``(P, h, w, C)``, one of each cell.
    radius
        Of the windows.
    """

    def __init__(self, templates: Tensor, radius: int):
        self._radius, self._size = radius, templates.shape[:3]
        pairs, height, width = self._size
        self._rows, self._columns = -(-height // TILE), -(-width // TILE)
        self._templates = self._tiled(templates)  # Q K C, with K cells a tile
        number = torch.arange(pairs, device=templates.device)
        self._pair = number.repeat_interleave(self._rows * self._columns)  # Q

    def around(self, maps: Tensor, xy: Tensor, apart: int) -> Tensor:
        """Compare every cell with the window around its place.

        Parameters
        ----------
        maps
            ``(P, h', w', C)``; outside there is nothing.
        xy
            ``(P, h, w, 2)``: places as indices of the maps.
        apart
            How many times finer than the maps the cells lie: 1, 2, 4, ...

        Returns
        -------
        Tensor
            ``(P, h, w, n, n)``, ``n = 2 radius + 1``, the x axis first.
        """
        reach = self._radius + 2.0
        limit = xy.new_tensor([maps.shape[2], maps.shape[1]]) + (self._radius + 1)
        places = self._tiled(xy.maximum(xy.new_tensor(-reach)).minimum(limit))  # Q K 2
        step = CHUNK if maps.device.type == "cpu" else 16 * CHUNK
        spread = -(-(TILE - 1) // apart)
        side = 2 * self._radius + 2 + spread + 2 * SLACK
        at_once = max(1, step // (side * side * maps.shape[-1]))
        parts = [
            self._tiles(maps, slice(k, k + at_once), places[k : k + at_once], side, spread)
            for k in range(0, len(places), at_once)
        ]
        return self._untiled(torch.cat(parts))

    def _tiles(self, maps: Tensor, part: slice, xy: Tensor, side: int, spread: int) -> Tensor:
        """The windows of some tiles: ``(q, K, n, n)``."""
        height, width = maps.shape[1:3]
        window = 2 * self._radius + 2
        floor = xy.detach().floor()
        fraction, corner = xy - floor, floor.long() - self._radius  # q K 2
        origin = corner.median(dim=1).values - (spread // 2 + SLACK)  # q 2
        reach = torch.arange(side, device=xy.device)
        column, row = (origin[:, None] + reach[:, None]).unbind(dim=-1)  # q S
        inside = ((row >= 0) & (row < height))[:, :, None] & ((column >= 0) & (column < width))[
            :, None
        ]
        row = self._pair[part, None] * height + row.clamp(0, height - 1)
        index = (row * width)[:, :, None] + column.clamp(0, width - 1)[:, None]  # q S S
        patch = gather(maps, index.flatten(1))  # q S*S C
        templates = self._templates[part]
        products = (templates @ patch.mT) * inside.flatten(1)[:, None]  # q K S*S
        start = corner - origin[:, None]  # q K 2
        fits = ((start >= 0) & (start <= side - window)).all(dim=-1)  # q K
        start = start.clamp(0, side - window)
        offset = (reach[:window, None] + reach[:window] * side).flatten()  # x is the slow axis
        read = (start[..., 0] + start[..., 1] * side)[..., None] + offset
        pixels = products.gather(2, read).unflatten(2, (window, window))
        found = interpolate(pixels[..., None], fraction)[..., 0]  # q K n n
        if not fits.all():
            tile, cell = (~fits).nonzero(as_tuple=True)
            found[tile, cell] = local_correlation(
                maps,
                self._pair[part][tile, None],
                xy[tile, cell][:, None],
                templates[tile, cell][:, None],
                self._radius,
                "zeros",
                "xy",
            )[:, 0, ..., 0]
        return found

    def _tiled(self, values: Tensor) -> Tensor:
        """``(P, h, w, C)`` to ``(Q, K, C)``; beyond the edge the last cells are repeated."""
        _, height, width = self._size
        right, below = self._columns * TILE - width, self._rows * TILE - height
        if right or below:
            moved = F.pad(values.permute(0, 3, 1, 2), (0, right, 0, below), mode="replicate")
            values = moved.permute(0, 2, 3, 1)
        tiles = values.unflatten(2, (self._columns, TILE)).unflatten(1, (self._rows, TILE))
        return tiles.transpose(2, 3).flatten(3, 4).flatten(0, 2).contiguous()

    def _untiled(self, values: Tensor) -> Tensor:
        """``(Q, K, ...)`` to ``(P, h, w, ...)``."""
        pairs, height, width = self._size
        inner = values.shape[2:]
        tiles = values.view(pairs, self._rows, self._columns, TILE, TILE, *inner)
        rows = tiles.transpose(2, 3).reshape(pairs, self._rows * TILE, self._columns * TILE, *inner)
        return rows[:, :height, :width]
