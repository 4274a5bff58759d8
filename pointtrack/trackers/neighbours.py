"""Finished tracks, a little nearer to where the points around them say.

Surfaces bend little from one point to the next, while what a tracker is off by differs from point
to point. So a point is moved towards where an affine map takes it that is fitted to the points near
it: from where they were on the frame that it was asked for on, to where they are. Points that move
otherwise, on another surface or lost, have no say in it (iteratively reweighted least squares).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths

Array = NDArray[np.float64]

# Lengths are in pixels at a size of 256 x 256.
_REACH = 20.0  # deviation of the bell in which points count by their distance
_AROUND = 3.0 * _REACH  # farther ones do not count at all
_MOST = 40  # points around one that are asked, the nearest ones
_ALIKE, _GROWING = 2.0, 0.25  # how far off one that moves alike may be at first; a pixel apart
_APART = 1.5  # how far off the map it may be in the end
_ROUNDS = 4  # of weighing them anew
_STIFF = 0.005  # of a map's bends, in as many squares of `_REACH`: few points say little of them
_LEAST = 0.3  # what those that move alike have to count together
_SHARE = 0.7  # of the way at most
_FARTHEST = 2.0  # what is farther off is no error of a tracker that sees the point


def with_neighbours(paths: Paths, queries: Queries, unit: float) -> Paths:
    """Move visible points towards where those around them say.

    Parameters
    ----------
    paths
        Of the points, as many as `queries` has.
    queries
        Their observations. What was observed stays where it is, and so does all of a point that
        was observed more than once.
    unit
        Video pixels a pixel at a size of 256 x 256.

    Returns
    -------
    Paths
        The same but for positions of visible points, which move by less than 1.4 px at that size.
    """
    frame = np.full(len(paths.xy), -1)
    frame[queries.point] = queries.t
    once = np.bincount(queries.point, minlength=len(frame)) == 1
    known = paths.visible.copy()
    known[queries.point, queries.t] = True
    known &= np.isfinite(paths.xy).all(axis=2)
    xy = np.nan_to_num(paths.xy.astype(np.float64)) / unit
    trust = np.where(known, paths.confidence, 0).astype(np.float64)
    trust[queries.point, queries.t] = 1
    moved = paths.xy.copy()
    for point in np.flatnonzero(once).tolist():
        start = int(frame[point])
        others = _around(xy[:, start] - xy[point, start], known[:, start], point)
        seen = np.flatnonzero(known[point] & (np.arange(len(known[point])) != start))
        if len(others) < 2 or len(seen) == 0:
            continue
        offsets = xy[others, start] - xy[point, start]
        now = xy[others][:, seen] - xy[point, seen]  # K S 2
        voices = trust[others, start, None] * trust[others][:, seen]
        shift = _said(offsets, now.swapaxes(0, 1) - offsets, voices.T)
        moved[point, seen] += (shift * unit).astype(np.float32)
    return replace(paths, xy=moved)


def _around(offsets: Array, known: NDArray[np.bool_], point: int) -> NDArray[np.int64]:
    """The points to ask, by their ``offsets (N, 2)`` from a point."""
    apart = np.linalg.norm(offsets, axis=1)
    asked = known & (apart < _AROUND)
    asked[point] = False
    others = np.flatnonzero(asked)
    return others[np.argsort(apart[others], kind="stable")[:_MOST]]


def _said(offsets: Array, changes: Array, voices: Array) -> Array:
    """How far a point should move on each of S frames, ``(S, 2)``, as K others see it.

    ``offsets (K, 2)`` are theirs from the point, ``changes (S, K, 2)`` what has come to them
    since, and ``voices (S, K)`` say how sure they are.
    """
    apart = np.linalg.norm(offsets, axis=1)
    voices = voices * np.exp(-np.square(apart / _REACH) / 2)
    off = np.linalg.norm(changes, axis=2) / (_ALIKE + _GROWING * apart)
    for _ in range(_ROUNDS):
        weight = voices * np.exp(-np.square(off) / 2)
        total = weight.sum(axis=1)[:, None] + 1e-9
        middle, change = weight @ offsets / total, (weight[..., None] * changes).sum(axis=1) / total
        aside, beside = offsets - middle[:, None], changes - change[:, None]  # S K 2
        weighted = (weight[..., None] * aside).mT
        square = weighted @ aside + _STIFF * _REACH**2 * np.eye(2)
        bend = np.linalg.solve(square, weighted @ beside)  # S 2 2
        shift = change - (middle[:, None] @ bend)[:, 0]
        off = np.linalg.norm(changes - shift[:, None] - offsets @ bend, axis=2) / _APART
    # As many voices as beside the point itself would say as much: one-sided ones say less.
    lever = (middle * np.linalg.solve(square, middle[..., None])[..., 0]).sum(axis=1)
    agree = 1 / (1 / total[:, 0] + lever)
    kept = (np.linalg.norm(shift, axis=1) < _FARTHEST) & (agree > _LEAST)
    share = _SHARE * agree / (agree + 1)
    return np.where(kept, share, 0)[:, None] * shift
