"""Ways over the ground and the feet that tread them without sliding, in numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ground = Callable[[Floats, Floats], Floats]


def level(x: Floats, y: Floats) -> Floats:
    """Flat ground at height 0."""
    return np.zeros(np.shape(x))


@dataclass(frozen=True, eq=False)
class Way:
    """A smooth way over the ground, known by its arc length in metres; straight beyond its ends."""

    points: Floats  # K 2
    arc: Floats  # K

    @property
    def length(self) -> float:
        """From the first point to the last."""
        return float(self.arc[-1])

    def at(self, s: ArrayLike) -> Floats:
        """Places ``(..., 2)`` at arc lengths."""
        s = np.asarray(s, float)
        inside = np.stack([np.interp(s, self.arc, self.points[:, k]) for k in (0, 1)], -1)
        before = np.minimum(s, 0)[..., None] * self._edge(0)
        after = np.maximum(s - self.length, 0)[..., None] * self._edge(-1)
        return inside + before + after

    def heading(self, s: ArrayLike, over: float = 0.3) -> Floats:
        """The angle from +x in which the way runs, averaged over some metres."""
        s = np.asarray(s, float)
        step = self.at(s + over) - self.at(s - over)
        return np.unwrap(np.arctan2(step[..., 1], step[..., 0]))

    def _edge(self, end: int) -> Floats:
        pair = self.points[1] - self.points[0] if end == 0 else self.points[-1] - self.points[-2]
        return pair / np.linalg.norm(pair)


def way_through(corners: ArrayLike, rounding: int = 6) -> Way:
    """A smooth way through corners ``(K, 2)``."""
    points = np.asarray(corners, float)
    for _ in range(rounding):  # Chaikin's corner cutting keeps the ends
        first, last = points[:-1], points[1:]
        cut = np.stack([0.75 * first + 0.25 * last, 0.25 * first + 0.75 * last], 1).reshape(-1, 2)
        points = np.concatenate([points[:1], cut, points[-1:]])
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    keep = np.r_[True, steps > 1e-9]
    points = points[keep]
    return Way(points, np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


@dataclass(frozen=True)
class Gait:
    """A rhythm of steps.

    Attributes
    ----------
    stride
        Metres from one footfall to the same foot's next.
    duty
        The share of a stride that a foot stands.
    phases
        Each foot's start in the stride, in [0, 1).
    lift
        How high feet are raised, in metres.
    """

    stride: float
    duty: float
    phases: tuple[float, ...]
    lift: float


@dataclass(frozen=True, eq=False)
class Steps:
    """A foot over time: its sole ``(T, 3)``, the heading it points to, and its phase ``(T,)``.

    The phase runs from 0 (footfall) over `duty` (lift-off) to 1.
    """

    sole: Floats
    heading: Floats
    phase: Floats
    planted: NDArray[np.bool_]


def tread(
    way: Way, s: Floats, gait: Gait, foot: int, aside: float, ahead: float, ground: Ground
) -> Steps:
    """One foot's steps for a body that is at arc lengths ``s (T,)``.

    A foot stands still where the body passes it in the middle of its stance, `aside` to the
    right and `ahead` of the way's point, and swings from one such place to the next.
    """
    cycle = s / gait.stride - gait.phases[foot]
    number, phase = np.floor(cycle), cycle - np.floor(cycle)

    def plant(n: Floats) -> tuple[Floats, Floats]:
        middle = (n + gait.phases[foot] + gait.duty / 2) * gait.stride + ahead
        heading = way.heading(middle)
        right = np.stack([np.sin(heading), -np.cos(heading)], -1)
        return way.at(middle) + aside * right, heading

    (here, turn), (there, next_turn) = plant(number), plant(number + 1)
    swing = np.clip((phase - gait.duty) / (1 - gait.duty), 0, 1)
    share = (swing**2 * (3 - 2 * swing))[:, None]
    xy = here * (1 - share) + there * share
    z = (
        ground(here[:, 0], here[:, 1]) * (1 - share[:, 0])
        + ground(there[:, 0], there[:, 1]) * share[:, 0]
        + gait.lift * np.sin(np.pi * swing) ** 1.2
    )
    heading = turn + share[:, 0] * np.angle(np.exp(1j * (next_turn - turn)))
    return Steps(np.c_[xy, z], heading, phase, phase < gait.duty)
