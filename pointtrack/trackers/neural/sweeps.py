"""Which frames are gone through, ahead and back, by networks that go from frame to frame."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.queries import Queries


class Sweeps(NamedTuple):
    """Two ways through a video.

    Attributes
    ----------
    ahead
        Frames in the order of the first way, which all observations take part in.
    back
        Those of the second way, last frame first; empty where nobody needs it.
    needed
        ``(M,)`` bool: the observations that take part in the second way.
    """

    ahead: range
    back: range
    needed: NDArray[np.bool_]


def plan_sweeps(queries: Queries, frames: int, both_ways: bool, warm_up: bool) -> Sweeps:
    """Which frames of a video of so many must be gone through.

    The second way leads to the frames before a query, and between several observations of one
    point. With ``warm_up`` each way begins at the video's end, and not where the first
    observation is.
    """
    t = queries.t
    several = np.bincount(queries.point)[queries.point] > 1
    needed = (several | (t > 0)) if both_ways else several
    ahead = range(0 if warm_up else int(t.min()), frames)
    if not needed.any():
        return Sweeps(ahead, range(0), needed)
    begin = frames - 1 if warm_up else int(t[needed].max())
    until = 0 if both_ways else int(t[needed].min())
    return Sweeps(ahead, range(begin, until - 1, -1), needed)
