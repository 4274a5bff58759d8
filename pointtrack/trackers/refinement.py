"""Positions at full resolution, of points that were followed on smaller frames.

A network that sees a large video at a quarter of its size is a pixel off where a person would not
be, and even at its full size a third of one. Each point therefore keeps the patch around its
query at full resolution, and is aligned with it around the network's position: by Lucas-Kanade
from about the network's scale up to the video's, then under an affine warp that is carried from
frame to frame (`Templates`). What comes of it counts only where the patch fits well, fits better
than before, and is about as near as the network's own grid allows.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.patches import Array, Grey
from pointtrack.trackers.templates import Templates

_RADIUS, _SPACING = 6, 1
_LIKE = 0.8  # correlation with the query's patch that counts as the same point
_BETTER = 0.7  # what must be left of its distance to 1 at most, or the network's word stands
_ITERATIONS = 3  # at each scale; a fourth changes nothing
_REACH = 1.5  # working pixels that a point may be moved by


class Refiner:
    """Full-resolution patches of K points, and where they fit on the latest frame.

    Parameters
    ----------
    scale
        Pixels of the video a pixel of the frames that points are followed on.
    """

    def __init__(self, scale: float):
        self._scale = scale
        count = max(1, math.floor(math.log2(scale) + 0.5) + 1)
        # Level k is the picture at 1 / 2^k: its pixel (x, y) lies at 2^k (x, y).
        self._levels = [Templates(_RADIUS, _SPACING) for _ in range(count)]
        self._pictures: list[Grey] = []

    def see(self, frame: NDArray[np.uint8]) -> None:
        """Take the next frame, ``(H, W, 3)`` uint8 RGB."""
        self._pictures = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)]
        while len(self._pictures) < len(self._levels):
            self._pictures.append(np.asarray(cv2.pyrDown(self._pictures[-1]), np.uint8))

    def add(self, xy: Array) -> None:
        """Remember what points ``(K, 2)`` of the latest frame look like."""
        for level, templates in enumerate(self._levels):
            templates.add(self._pictures[level], (xy / 2**level).astype(np.float32))

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget all points but those of ``rows``."""
        for templates in self._levels:
            templates.keep(rows)

    def refine(self, xy: Array, rows: NDArray[np.bool_]) -> Array:
        """Where the points really are on the latest frame, as far as can be seen.

        Parameters
        ----------
        xy
            ``(K, 2)``: where they are roughly.
        rows
            ``(K,)``: which of them to look for.

        Returns
        -------
        ndarray
            ``(K, 2)``; rows that fit nowhere better are as they were.
        """
        result = np.array(xy, np.float32)
        chosen = np.flatnonzero(rows)
        if len(chosen) == 0:
            return result
        fine = self._levels[0]
        before = fine.likeness(self._pictures[0], result[chosen], chosen)
        least = np.maximum(1 - _BETTER * (1 - before), _LIKE)
        # A warp that was carried along may have gone astray: the patch as it was comes second.
        for carried in (True, False):
            warp = fine.warp(chosen)
            if not carried:
                warp = np.broadcast_to(np.eye(2, dtype=np.float32), warp.shape)
            found, good, astray = self._search(result[chosen], chosen, warp, least)
            result[chosen[good]] = found[good]
            chosen, least = chosen[astray], least[astray]
            if len(chosen) == 0:
                break
        return result

    def _search(
        self, rough: Array, rows: NDArray[np.int64], warp: Array, least: Array
    ) -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
        """Where patches fit from ``warp (R, 2, 2)`` on, whether that is to be believed, and
        whether they fit nowhere near."""
        xy = rough
        for level in reversed(range(len(self._levels))):
            start = (xy / 2**level).astype(np.float32)
            found = self._levels[level].shift(self._pictures[level], start, rows, warp, _ITERATIONS)
            xy = found * 2**level
        fine = self._levels[0]
        turned, alike, shifted = fine.align(self._pictures[0], xy, rows, warp, _ITERATIONS)
        better = alike > shifted
        place = np.where(better[:, None], turned, xy).astype(np.float32)
        moved = np.hypot(*(place - rough).T)
        fit, near = np.maximum(alike, shifted), moved <= _REACH * self._scale
        good = (fit >= least) & near
        taken = np.zeros(len(fine.warp()), bool)
        taken[rows[good & better]] = True
        fine.accept(taken)
        return place, good, (fit < _LIKE) | ~near
