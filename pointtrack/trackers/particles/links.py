"""Links between neighbouring particles, and how much each holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import require
from pointtrack.trackers.particles.settings import Settings

Pairs = NDArray[np.int64]  # E 2, row numbers, the smaller first


@dataclass(frozen=True, eq=False)
class Links:
    """Pairs of particles that should move alike.

    Attributes
    ----------
    pairs : ndarray
        ``(E, 2)`` int64 rows of the two particles, the smaller first, no pair twice.
    weight : ndarray
        ``(E,)`` float64 in [0, 1]: near 0 for two that have moved differently.
    """

    pairs: Pairs
    weight: NDArray[np.float64]

    @classmethod
    def none(cls) -> Links:
        return cls(np.empty((0, 2), np.int64), np.empty(0))

    def among(self, rows: NDArray[np.bool_]) -> Links:
        """Only the links between particles of ``rows`` (P,), renumbered to these."""
        number = np.cumsum(rows) - 1
        kept = rows[self.pairs].all(axis=1)
        return Links(number[self.pairs[kept]], self.weight[kept])


def link(
    xy: NDArray[Any],
    before: Links,
    motions: NDArray[np.float32],
    flow: NDArray[Any],
    settings: Settings,
) -> Links:
    """Link particles with their neighbours.

    Neighbours are those of the Delaunay triangulation, and those of ``before`` that hold and
    are still near: less than ``link_reach`` times as far apart as is usual for the two. This
    stands in for the paper's constrained triangulation.

    Parameters
    ----------
    xy
        ``(P, 2)`` positions.
    before
        Links of the frame before, of the same rows.
    motions
        ``(P, R, 2)`` each particle's moves in the last frames, NaN where there was none.
    flow
        ``(P, 2)`` what flow says of each particle's next move, for pairs without a past.
    """
    fresh = delaunay(xy)
    old = before.pairs[before.weight >= settings.link_least]
    length = np.linalg.norm(xy[old[:, 0]] - xy[old[:, 1]], axis=1)
    usual = _usual_length(xy, fresh)
    old = old[length < settings.link_reach * usual[old].min(axis=1)]
    pairs = _unique(np.concatenate([fresh, old]), len(xy))
    return Links(pairs, weights(pairs, motions, flow, settings))


def weights(
    pairs: Pairs, motions: NDArray[np.float32], flow: NDArray[Any], settings: Settings
) -> NDArray[np.float64]:
    """``exp(-D / 2 s^2)`` with ``D`` the mean square difference of two particles' moves.

    Pairs with fewer than two moves in common are judged by the flow under them; see `link`
    for the shapes.
    """
    first, second = pairs[:, 0], pairs[:, 1]
    gap = np.square(motions[first] - motions[second]).sum(axis=2)  # E R
    known = np.isfinite(gap)
    count = known.sum(axis=1)
    past = np.where(known, gap, 0).sum(axis=1) / np.maximum(count, 1)
    now = np.square(flow[first] - flow[second]).sum(axis=1)
    apart = np.where(count >= 2, past, now).astype(np.float64)
    return np.exp(-apart / (2 * settings.link_sigma**2))


def delaunay(xy: NDArray[Any]) -> Pairs:
    """Neighbours in the Delaunay triangulation of ``(P, 2)`` points.

    Points on one line are linked along it. A point that falls on another is linked with it and
    with its neighbours.
    """
    if len(xy) < 2:
        return np.empty((0, 2), np.int64)
    spatial = require("scipy.spatial", "classic")
    try:
        found = spatial.Delaunay(xy)
    except (spatial.QhullError, ValueError):  # on one line, or fewer than three
        order = np.lexsort((xy[:, 1], xy[:, 0]))
        return _unique(np.column_stack([order[:-1], order[1:]]), len(xy))
    corners = found.simplices[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    extra = [corners]
    for double, _, twin in found.coplanar:  # left out of the triangulation
        around = corners[(corners == twin).any(axis=1)]
        extra += [np.where(around == twin, double, around), np.array([[double, twin]])]
    return _unique(np.concatenate(extra).astype(np.int64), len(xy))


def _unique(pairs: Pairs, count: int) -> Pairs:
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    keys = np.unique(low * count + high)
    return np.column_stack([keys // count, keys % count])


def _usual_length(xy: NDArray[Any], pairs: Pairs) -> NDArray[np.float64]:
    """The median length of each particle's links, ``(P,)``; zero for one without any."""
    length = np.tile(np.linalg.norm(xy[pairs[:, 0]] - xy[pairs[:, 1]], axis=1), 2)
    particle = np.concatenate([pairs[:, 0], pairs[:, 1]])
    order = np.lexsort((length, particle))
    count = np.bincount(particle, minlength=len(xy))
    middle = np.cumsum(count) - count + count // 2
    usual = np.zeros(len(xy))
    linked = count > 0
    usual[linked] = length[order][middle[linked]]
    return usual
