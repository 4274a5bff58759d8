"""Which points of a take are trained on, and where each is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size
from pointtrack.training.checks import number, one_of, whole
from pointtrack.training.sample import Rejected, Sample, Take

Flags = NDArray[np.bool_]
Where = Literal["anywhere", "first", "first-or-middle", "first-two"]
Query = Literal["first", "random"]
Pick = Literal["random", "spread"]


@dataclass(frozen=True)
class PointConfig:
    """How the N points of a sample are chosen.

    Attributes
    ----------
    count
        Number of points, N.
    where
        Which tracks may be chosen: visible ``"anywhere"``; in the ``"first"`` frame (PIPs);
        in the ``"first-or-middle"`` frame (CoTracker); in the ``"first-two"`` frames and in at
        least sqrt(T) frames in all (PIPs++).
    query
        A point is asked for where it is visible ``"first"``, or in a ``"random"`` frame of
        those in which it is visible (TAPIR).
    pick
        ``"random"``, or ``"spread"``: as unlike as can be in place and mean motion, by
        farthest-point sampling (PIPs++).
    least
        A take with fewer tracks to choose from is rejected. From there up to `count`, some
        are taken more than once.
    reach
        Positions farther outside the picture than this many times its longer side are not
        valid.
    speed, acceleration, jerk
        Tracks whose greatest change a frame, of first, second or third order, is more are not
        chosen; in units of the picture's longer side (PIPs++: 0.4, 0.3, 0.1). Default: no
        limit.

    Raises
    ------
    PointtrackError
        When a value is out of range; the message names it.
    """

    count: int = 256
    where: Where = "anywhere"
    query: Query = "random"
    pick: Pick = "random"
    least: int = 1
    reach: float = 2.0
    speed: float = float("inf")
    acceleration: float = float("inf")
    jerk: float = float("inf")

    def __post_init__(self) -> None:
        whole("count", self.count, 1)
        whole("least", self.least, 1)
        one_of("where", self.where, get_args(Where))
        one_of("query", self.query, get_args(Query))
        one_of("pick", self.pick, get_args(Pick))
        number("reach", self.reach, 0)
        for name in ("speed", "acceleration", "jerk"):
            if getattr(self, name) != float("inf"):
                number(name, getattr(self, name), 0)


def choose_points(take: Take, config: PointConfig, rng: np.random.Generator) -> Sample:
    """Turn a take into a sample of ``config.count`` points.

    Raises
    ------
    Rejected
        When there are too few tracks to choose from; the reason says by which rule.
    """
    valid = take.valid & within_reach(take.xy, take.size, config.reach)
    visible = take.visible & valid
    candidates = eligible(visible, config.where)
    _enough(take.name, candidates, config, f"too few points visible {_WORDS[config.where]}")
    candidates &= calm(take.xy, valid, take.size, config)
    _enough(take.name, candidates, config, "too few points that move smoothly")
    rows = np.flatnonzero(candidates)
    if len(rows) < config.count:
        rows = np.concatenate([rows, rng.choice(rows, config.count - len(rows))])
    elif config.pick == "spread":
        rows = rows[_spread(take.xy[rows], visible[rows], take.size, config.count, rng)]
    rows = rng.permutation(rows)[: config.count]
    t = _frames(visible[rows], config.query, rng)
    xy = take.xy[rows]
    queries = np.column_stack([t, xy[np.arange(len(rows)), t]]).astype(np.float32)
    return Sample(take.name, take.video, xy, visible[rows], valid[rows], queries)


_WORDS: dict[Where, str] = {
    "anywhere": "anywhere",
    "first": "in the first frame",
    "first-or-middle": "in the first or middle frame",
    "first-two": "in the first two frames and sqrt(T) in all",
}


def eligible(visible: Flags, where: Where) -> Flags:
    """Which tracks of ``(N, T)`` visibility meet a rule of `PointConfig`; ``(N,)``."""
    frames = visible.shape[1]
    if where == "anywhere":
        return np.asarray(visible.any(axis=1))
    if where == "first":
        return visible[:, 0].copy()
    if where == "first-or-middle":
        return np.asarray(visible[:, [0, frames // 2]].any(axis=1))
    often = visible.sum(axis=1) >= min(max(frames**0.5, 2), frames)
    return np.asarray(visible[:, :2].all(axis=1) & often)


def within_reach(xy: NDArray[np.float32], size: Size, reach: float) -> Flags:
    """Where positions lie in the picture or at most so far outside it; ``(N, T)``."""
    margin = reach * max(size)
    with np.errstate(invalid="ignore"):
        low, high = xy >= -margin, xy <= np.asarray(size) - 1 + margin
    return np.asarray((low & high).all(axis=2))


def calm(xy: NDArray[np.float32], valid: Flags, size: Size, config: PointConfig) -> Flags:
    """Which tracks keep to the limits of speed, acceleration and jerk; ``(N,)``.

    Differences that need a frame which is not valid do not count.
    """
    fine = np.ones(len(xy), bool)
    change, known = xy / np.float32(max(size)), valid
    for limit in (config.speed, config.acceleration, config.jerk):
        change, known = np.diff(change, axis=1), known[:, 1:] & known[:, :-1]
        if np.isfinite(limit):
            with np.errstate(invalid="ignore"):
                length = np.where(known, np.linalg.norm(change, axis=2), 0)
            fine &= (length <= limit).all(axis=1)
    return fine


def farthest_points(
    features: NDArray[np.floating], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Row numbers of `count` rows, each the farthest from those before it; the first is drawn."""
    chosen = np.empty(count, np.int64)
    chosen[0] = rng.integers(len(features))
    distance = np.full(len(features), np.inf)
    for place in range(1, count):
        gap = ((features - features[chosen[place - 1]]) ** 2).sum(axis=1)
        np.minimum(distance, gap, out=distance)
        distance[chosen[place - 1]] = -1  # equal rows are still taken one by one
        chosen[place] = distance.argmax()
    return chosen


def _enough(name: str, candidates: Flags, config: PointConfig, reason: str) -> None:
    if candidates.sum() < config.least:
        raise Rejected(name, reason)


def _spread(
    xy: NDArray[np.float32], visible: Flags, size: Size, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    rows, first = np.arange(len(xy)), visible.argmax(axis=1)
    last = visible.shape[1] - 1 - visible[:, ::-1].argmax(axis=1)
    begin, end = xy[rows, first], xy[rows, last]
    motion = (end - begin) / np.maximum(last - first, 1)[:, None]
    return farthest_points(np.column_stack([begin, motion]) / max(size), count, rng)


def _frames(visible: Flags, query: Query, rng: np.random.Generator) -> NDArray[np.int64]:
    """A frame a track in which it is visible, ``(N,)``."""
    if query == "first":
        return visible.argmax(axis=1)
    return np.where(visible, rng.random(visible.shape), -1).argmax(axis=1)
