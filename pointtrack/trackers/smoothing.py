"""Less jitter in finished tracks: a position is averaged with those just before and after it.

A live stream cannot do this, as it would have to wait for the next frame.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths

_BESIDE = np.float32(0.2)  # what each of the positions before and after counts


def smoothed(paths: Paths, queries: Queries, reach: float) -> Paths:
    """Replace positions by a weighted mean of three in a row.

    The two beside it count a fifth each: more takes away the quick turns of a camera held by hand.

    Parameters
    ----------
    paths
        Of the points, as many as `queries` has.
    queries
        Their observations, which stay where they are.
    reach
        Pixels by which a position is moved at most. Where the mean is farther off the point
        turns or jumps, and stays as it is.

    Returns
    -------
    Paths
        Positions are changed only where the point is visible in all three frames.
    """
    xy = paths.xy.copy()
    mean = (1 - 2 * _BESIDE) * xy[:, 1:-1] + _BESIDE * (xy[:, :-2] + xy[:, 2:])  # N T-2 2
    near = np.linalg.norm(mean - xy[:, 1:-1], axis=2) <= reach  # never where it is NaN
    shown = paths.visible[:, :-2] & paths.visible[:, 1:-1] & paths.visible[:, 2:]
    free = np.ones(paths.visible.shape, bool)
    free[queries.point, queries.t] = False
    moved = near & shown & free[:, 1:-1]
    xy[:, 1:-1][moved] = mean[moved]
    return replace(paths, xy=xy)
