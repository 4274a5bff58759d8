"""AllTracker's correlations: all cells of the anchor with what lies around them in other frames.

Harley et al., "AllTracker: Efficient Dense Point Tracking at High Resolution", ICCV 2025.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pointtrack.networks.blocks.portions import portions
from pointtrack.networks.blocks.sampling import pyramid, windows

LEVELS, RADIUS = 5, 4
LOOKUP = LEVELS * (2 * RADIUS + 1) ** 2  # numbers a cell and frame
LARGEST_VOLUME = 1 << 28  # numbers of all pairs of cells that are kept from iteration to iteration
AT_ONCE = 1 << 24  # numbers of tables that are worked on together


class Correlations:
    """Correlations of the anchor's cells with what surrounds their place in each of S frames.

    The tables of all pairs of cells are made once for as many frames as may be kept, and anew
    whenever they are read for the others.
    """

    def __init__(self, anchor: Tensor, maps: Tensor) -> None:
        self._size = anchor.shape[:2]
        self._templates = (anchor / anchor.shape[-1] ** 0.5).flatten(0, 1)  # hw C
        self._levels = pyramid(maps, LEVELS)  # S h' w' C each
        rows, columns = (torch.arange(n, device=maps.device, dtype=maps.dtype) for n in self._size)
        self._origin = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)  # h w 2
        volume = len(self._templates) * sum(level[0, ..., 0].numel() for level in self._levels)
        kept = min(len(maps), LARGEST_VOLUME // volume)
        self._kept = [self._tables(frame, slice(None)) for frame in range(kept)]

    def _tables(self, frame: int, cells: slice) -> list[Tensor]:
        """Products of some of the anchor's cells with all of a frame's, ``(P, h', w', 1)``."""
        chosen = self._templates[cells]
        return [
            (chosen @ level[frame].flatten(0, 1).T).view(-1, *level.shape[1:3], 1)
            for level in self._levels
        ]

    def around(self, flow: Tensor, frames: slice) -> Tensor:
        """Read around where ``flow (s, h, w, 2)`` points to, in these frames: ``(s, h, w, K)``.

        Finest first, column by column.
        """
        xy = (self._origin + flow).flatten(1, 2)  # s hw 2
        numbers = range(len(self._levels[0]))[frames]
        return torch.stack(
            [self._read(number, at) for number, at in zip(numbers, xy, strict=True)]
        ).unflatten(1, self._size)

    def _read(self, frame: int, xy: Tensor) -> Tensor:
        if frame < len(self._kept):
            return _read(self._kept[frame], xy)
        volume = sum(level[0, ..., 0].numel() for level in self._levels)
        return torch.cat(
            [
                _read(self._tables(frame, cells), xy[cells])
                for cells in portions(len(xy), volume, AT_ONCE)
            ]
        )


def _read(tables: list[Tensor], xy: Tensor) -> Tensor:
    """Windows of tables ``(P, h', w', 1)`` around ``xy (P, 2)``: ``(P, K)``."""
    own = torch.arange(len(xy), device=xy.device)
    found = [
        windows(table, own, xy / 2**level, RADIUS, "edge", "xy").flatten(1)
        for level, table in enumerate(tables)
    ]
    return torch.cat(found, dim=1)
