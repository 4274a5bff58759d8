"""Which pixels of which frames are asked for: spread over time, over objects and the picture.

Pure NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.passes import STEEPEST, FrameMaps

BoolArray = NDArray[np.bool_]

_AT_START = 0.5  # share of points that begin at frame 0
_LATER = 5  # further frames at which points begin
_UNIFORM = 0.4  # share of points that care for no balance of objects
_CAP = 0.1  # of an object's pixels are asked for at most, by its share


def spread_over_frames(points: int, frames: int) -> dict[int, int]:
    """How many points begin at which frame: half at the first, the others at later ones."""
    later = np.unique(np.linspace(0, 0.8 * (frames - 1), _LATER + 1).astype(int))[1:]
    each = int(points * (1 - _AT_START)) // max(len(later), 1)
    counts = {int(frame): each for frame in later if each}
    return {0: points - sum(counts.values()), **counts}


def certain(maps: FrameMaps, focal: float) -> BoolArray:
    """Pixels ``(H, W)`` whose neighbours all show the same surface, at no sharp angle.

    There is no outline between a pixel and its eight neighbours where they show the same
    instance and where depth changes no more than on a plane seen at a cosine of 0.2.
    """
    sure = np.isfinite(maps.depth)
    sure[[0, -1]] = sure[:, [0, -1]] = False
    allowed = STEEPEST * maps.depth / focal
    height, width = maps.depth.shape
    inner = (slice(1, height - 1), slice(1, width - 1))
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            beside = (slice(1 + dy, height - 1 + dy), slice(1 + dx, width - 1 + dx))
            with np.errstate(invalid="ignore"):
                near = np.abs(maps.depth[beside] - maps.depth[inner]) <= allowed[inner]
            sure[inner] &= near & (maps.index[beside] == maps.index[inner])
    return sure


def share_out(total: int, sizes: Sequence[int]) -> list[int]:
    """Shares of a total: as even as may be, and nobody gets more than a tenth of their size.

    The smallest come first, and what they cannot take goes to the larger ones, as in Kubric's
    choice of query points.
    """
    shares, left = [0] * len(sizes), total
    for rank, which in enumerate(np.argsort(sizes, kind="stable")):
        want = round(left / (len(sizes) - rank))
        shares[which] = min(want, int(np.ceil(_CAP * sizes[which])))
        left -= shares[which]
    return shares


def choose_pixels(
    rng: np.random.Generator, sure: BoolArray, index: NDArray[np.integer], count: int
) -> NDArray[np.int64]:
    """Draw `count` different pixels ``(n, 2)`` as (x, y); fewer when there are not so many.

    A part is drawn from the whole picture, the rest evenly over instances.
    """
    places = np.flatnonzero(sure)
    owner = index.reshape(-1)[places]
    numbers = np.unique(owner)
    groups = [places[owner == number] for number in numbers]
    balanced = round((1 - _UNIFORM) * count)
    drawn = [
        rng.choice(group, share, replace=False)
        for group, share in zip(
            groups, share_out(balanced, [len(group) for group in groups]), strict=True
        )
        if share
    ]
    taken = np.concatenate([*drawn, np.zeros(0, np.int64)])
    rest = np.setdiff1d(places, taken)
    more = rng.choice(rest, min(count - len(taken), len(rest)), replace=False)
    both = rng.permutation(np.concatenate([taken, more]).astype(np.int64))
    y, x = np.divmod(both, sure.shape[1])
    return np.stack([x, y], 1)
