"""Whether an exported model tracks as PyTorch does."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.trackers.base import Tracker
from pointtrack.tracks import Tracks

TOLERANCE = 1e-3  # px
_SIZE = (160, 120)
_FRAMES, _POINTS = 12, 7


@dataclass(frozen=True)
class Agreement:
    """How far apart two trackers are on one video.

    Attributes
    ----------
    pixels
        Between positions, at most.
    confidence
        Between confidences, at most.
    visible
        Share of the points and frames at which both say the same of being visible.
    """

    pixels: float
    confidence: float
    visible: float


def compare(ours: Tracker, theirs: Tracker) -> Agreement:
    """Track a short made-up video with both.

    Raises
    ------
    PointtrackError
        When their positions are more than `TOLERANCE` apart.
    """
    video, queries = moving_picture(_FRAMES, _SIZE), scattered(_POINTS, _FRAMES // 3, _SIZE)
    found = agreement(*(one.track(video, queries, both_ways=False) for one in (ours, theirs)))
    if not found.pixels <= TOLERANCE:
        raise PointtrackError(
            f"the exported {ours.card.name} does not track as PyTorch does: positions are up to "
            f"{found.pixels:.3g} px apart, expected at most {TOLERANCE:g} px; nothing was written"
        )
    return found


def agreement(ours: Tracks, theirs: Tracks) -> Agreement:
    """How far apart two answers to the same question are."""
    known = ours.known
    return Agreement(
        float(np.abs(ours.xy - theirs.xy)[known].max()),
        float(np.abs(ours.confidence - theirs.confidence)[known].max()),
        float((ours.visible == theirs.visible)[known].mean()),
    )


def moving_picture(frames: int, size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """A blurred random picture that moves by a few pixels a frame; ``(T, H, W, 3)``."""
    width, height = size
    reach = 2 * frames
    noise = np.random.default_rng(seed).uniform(0, 255, (height + reach, width + reach, 3))
    picture = cv2.GaussianBlur(noise, (0, 0), 2)
    picture = cv2.normalize(picture, np.empty_like(picture), 0, 255, cv2.NORM_MINMAX).astype(
        np.uint8
    )
    parts = [picture[t : t + height, 2 * t : 2 * t + width] for t in range(frames)]
    return np.ascontiguousarray(np.stack(parts))


def scattered(count: int, frames: int, size: tuple[int, int], seed: int = 0) -> NDArray[np.float64]:
    """Queries ``(N, 3)`` on the first ``frames`` frames, the first of them on the very first."""
    random = np.random.default_rng(seed)
    t = np.sort(random.integers(0, frames, count))
    t[0] = 0
    return np.column_stack([t, random.uniform(4, np.subtract(size, 4), (count, 2))])
