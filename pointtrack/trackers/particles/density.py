"""How densely particles lie: a scale map, and the places where one is missing."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.particles.settings import Settings
from pointtrack.video.blurring import blurred


def scale_map(frame: NDArray[np.uint8], settings: Settings) -> NDArray[np.float32]:
    """The distance in pixels that particles should have, ``(H, W)``.

    At each pixel it is the largest ``1.9^j`` such that all blurs of the frame up to it stay
    near the pixel's own colour; then smoothed, and multiplied by ``spacing``. Where this
    would ask for more than ``max_particles``, all distances grow by one factor.
    """
    exact = frame.astype(np.float32)
    level = np.zeros(frame.shape[:2], np.int64)
    alike = np.ones(frame.shape[:2], bool)
    for j in range(settings.scale_count):
        colours = cv2.split(cv2.absdiff(blurred(exact, settings.scale_base**j), exact))
        gap = cv2.max(cv2.max(colours[0], colours[1]), colours[2])  # much faster than axis=2
        alike &= gap <= settings.scale_tolerance
        level[alike] = j
    scale = np.power(settings.scale_base, level).astype(np.float32)
    scale = settings.spacing * cv2.GaussianBlur(scale, (0, 0), settings.scale_sigma)
    # A particle takes up about 1.2 s^2 when places are filled greedily (measured).
    expected = float((1 / (1.2 * scale**2)).sum())
    crowded = np.sqrt(max(1.0, expected / settings.max_particles))
    return np.asarray(scale * crowded, np.float32)


def free_places(
    scale: NDArray[np.float32], xy: NDArray[Any], border: float, limit: int
) -> NDArray[np.float64]:
    """Pixels for new particles, ``(K, 2)``, at most ``limit``.

    A pixel is free when the nearest particle is further away than its scale. Free pixels are
    taken in order of scale, so that detail comes first, and then line by line.

    Parameters
    ----------
    scale
        ``(H, W)``, from `scale_map`.
    xy
        ``(P, 2)`` the particles there are.
    border
        No particle begins so near to the picture's edge.
    """
    height, width = scale.shape
    free = _distance(scale.shape, xy) > scale
    margin = int(np.ceil(border))
    inner = np.zeros_like(free)
    inner[margin : height - margin, margin : width - margin] = True
    free &= inner
    rows, columns = np.nonzero(free)
    order = np.argsort(scale[rows, columns], kind="stable")
    widest = int(np.ceil(scale.max()))
    ticks = np.arange(-widest, widest + 1, dtype=np.float32)
    disc = np.sqrt(ticks[:, None] ** 2 + ticks**2)
    result: list[tuple[int, int]] = []
    for y, x in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if not free[y, x]:
            continue
        if len(result) >= limit:
            break
        result.append((x, y))
        top, left = max(0, y - widest), max(0, x - widest)
        part = (slice(top, y + widest + 1), slice(left, x + widest + 1))
        near = scale[part]
        y0, x0 = top - (y - widest), left - (x - widest)
        free[part] &= disc[y0 : y0 + near.shape[0], x0 : x0 + near.shape[1]] > near
    return np.array(result, np.float64).reshape(-1, 2)


def _distance(shape: tuple[int, ...], xy: NDArray[Any]) -> NDArray[np.float32]:
    """How far every pixel is from the pixel nearest to any of the points."""
    height, width = shape
    empty = np.ones((height, width), np.uint8)
    if len(xy) == 0:
        return np.full((height, width), np.inf, np.float32)
    column = np.clip(np.round(xy[:, 0]).astype(np.int64), 0, width - 1)
    row = np.clip(np.round(xy[:, 1]).astype(np.int64), 0, height - 1)
    empty[row, column] = 0
    return np.asarray(cv2.distanceTransform(empty, cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
