"""Rectangles that hide what is under them: erased, or replaced by something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import pixel_to_raster
from pointtrack.training.colours import Frame, Matrix, transform
from pointtrack.training.sample import Take

Boxes = NDArray[np.int64]  # K 4: left, top, right, bottom; whole pixels, the last two exclusive


@dataclass(frozen=True)
class Rectangles:
    """How often there are rectangles, and how large they are.

    Attributes
    ----------
    frame
        Chance of each frame after the first to have any.
    count
        Least and greatest number in such a frame.
    side
        Least and greatest width and height in pixels, before they are rounded and cut off.
    """

    frame: float
    count: tuple[int, int]
    side: tuple[float, float]

    def draw(self, take: Take, rng: np.random.Generator) -> Iterator[tuple[int, Boxes]]:
        """Frames and the rectangles in each; none of these is empty."""
        size = np.asarray(take.size)
        for t in 1 + np.flatnonzero(rng.random(len(take.video) - 1) < self.frame):
            number = int(rng.integers(self.count[0], self.count[1] + 1))
            centre = rng.uniform(0, size, (number, 2))
            half = rng.uniform(*self.side, (number, 2)) / 2
            low = np.clip(np.round(centre - half), 0, size - 1)
            high = np.clip(np.round(centre + half), low + 1, size)
            yield int(t), np.column_stack([low, high]).astype(np.int64)


def erase(
    video: NDArray[np.uint8],
    visible: NDArray[np.bool_],
    take: Take,
    rectangles: Rectangles,
    rng: np.random.Generator,
) -> None:
    """Fill rectangles with their mean colour; ``video`` and ``visible`` are changed in place."""
    for t, boxes in rectangles.draw(take, rng):
        for left, top, right, bottom in boxes:
            patch = video[t, top:bottom, left:right]
            patch[...] = np.round(cv2.mean(patch)[:3])
        visible[:, t] &= ~covered(take.xy[:, t], boxes)


def replace_by_others(
    video: NDArray[np.uint8],
    visible: NDArray[np.bool_],
    take: Take,
    rectangles: Rectangles,
    jitter: Callable[[Frame], Matrix],
    rng: np.random.Generator,
) -> None:
    """Fill rectangles from other places of another frame, in other colours; in place.

    Parameters
    ----------
    jitter
        Draws the change of colour of the frame they are taken from.
    """
    for t, boxes in rectangles.draw(take, rng):
        other = take.video[rng.integers(len(take.video))]
        matrix = jitter(other)
        for left, top, right, bottom in boxes:
            y = int(rng.integers(other.shape[0] - (bottom - top) + 1))
            x = int(rng.integers(other.shape[1] - (right - left) + 1))
            patch = other[y : y + bottom - top, x : x + right - left]
            video[t, top:bottom, left:right] = transform(patch, matrix)
        visible[:, t] &= ~covered(take.xy[:, t], boxes)


def covered(xy: NDArray[np.float32], boxes: Boxes) -> NDArray[np.bool_]:
    """Whether points ``(N, 2)`` lie under any of the rectangles; ``(N,)``."""
    places = pixel_to_raster(xy)[:, None]  # N 1 2
    under = (places >= boxes[:, :2]) & (places < boxes[:, 2:])  # N K 2
    return np.any(under[..., 0] & under[..., 1], axis=1)
