"""Where the particles of a frame settle: a robust objective and its fixed-point iteration.

The variables are the positions of all particles in one frame. Every particle wants to look
as it did (data), to move as the flow says (flow matching) and to move like the particles it
is linked with (distortion). Frames beside this one are held fixed; see `Side`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import require
from pointtrack.trackers.particles.channels import Channels
from pointtrack.trackers.particles.links import Links
from pointtrack.trackers.particles.settings import Settings

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Side:
    """A frame beside the one that is optimised.

    Attributes
    ----------
    place : ndarray
        ``(P, 2)`` where the particles are there; NaN for those that are not.
    flow : ndarray
        ``(P, 2)`` what flow says of the way from there to here.
    links : Links
        Between particles that have a place there.
    """

    place: Array
    flow: Array
    links: Links


@dataclass(frozen=True, eq=False)
class Settled:
    """The result of `optimise`.

    Attributes
    ----------
    xy : ndarray
        ``(P, 2)`` positions.
    energy : ndarray
        ``(P,)`` data and distortion energy of each particle, which is what pruning looks at.
    totals : list of float
        The objective before the first round and after each.
    """

    xy: Array
    energy: Array
    totals: list[float]


def optimise(
    xy: NDArray[Any],
    picture: Channels,
    look: NDArray[Any],
    sides: Sequence[Side],
    free: NDArray[np.bool_],
    settings: Settings,
) -> Settled:
    """Settle the particles of a frame.

    Each round linearises the channels around the particles, solves for a common step with the
    robust weights brought up to date a few times, and takes the step. A step that would raise
    the objective is halved, or not taken.

    Parameters
    ----------
    xy
        ``(P, 2)`` where to start.
    picture
        The frame.
    look
        ``(P, 5)`` what each particle should look like.
    sides
        The fixed frames beside it: one in a sweep, two in the refinement.
    free
        ``(P,)`` particles that may move; the others only hold their neighbours.
    """
    problem = _Problem(picture, np.asarray(look, np.float64), sides, settings)
    xy = np.array(xy, np.float64)
    around = problem.around(xy)
    totals = [problem.total(xy, around[0])]
    for _ in range(settings.outer_rounds):
        if not free.any():
            break
        step = problem.step(xy, *around, free)
        step = np.clip(step, -settings.largest_step, settings.largest_step)
        for _ in range(3):
            around = problem.around(xy + step)
            total = problem.total(xy + step, around[0])
            if total <= totals[-1]:
                break
            step /= 2
        else:
            break
        xy += step
        totals.append(total)
        if np.linalg.norm(step[free], axis=1).mean() < settings.still:
            break
    return Settled(xy, problem.energy(xy), totals)


class _Problem:
    """The objective of one frame, its linearisation, and the solution of that."""

    def __init__(
        self, picture: Channels, look: Array, sides: Sequence[Side], settings: Settings
    ) -> None:
        self._picture, self._look, self._settings = picture, look, settings
        self._sides = [_Terms(side, len(look), settings) for side in sides]

    def around(self, xy: Array) -> tuple[Array, Array]:
        """How far the looks are from those wanted ``(P, 5)``, and their gradients (P, 5, 2)."""
        values, gradients = self._picture.around(xy)
        return values - self._look, gradients.astype(np.float64)

    def total(self, xy: Array, difference: Array) -> float:
        """The objective; a link counts once, as in the normal equations."""
        data = _psi(difference**2, self._settings.grey_epsilon).sum()
        return float(data + sum(t.flow_energy(xy) + t.link_energy(xy).sum() for t in self._sides))

    def energy(self, xy: Array) -> Array:
        """Data and distortion energy of each particle; sides are averaged."""
        gap = np.square(self._picture.at(xy) - self._look)
        result = _psi(gap, self._settings.grey_epsilon).sum(axis=1)
        for terms in self._sides:
            ends = terms.pairs.ravel()
            each = np.repeat(terms.link_energy(xy), 2)
            result += np.bincount(ends, each, minlength=len(xy)) / len(self._sides)
        return result

    def step(self, xy: Array, difference: Array, gradient: Array, free: Any) -> Array:
        """The step ``(P, 2)`` of the linearised objective."""
        step = np.zeros_like(xy)
        epsilon = self._settings.grey_epsilon
        for _ in range(self._settings.inner_rounds):
            now = difference + np.einsum("pkc,pc->pk", gradient, step)
            weight = _slope(now**2, epsilon)  # P 5
            weighted = weight[..., None] * gradient  # P 5 2
            block = np.einsum("pkc,pkd->pcd", weighted, gradient)  # P 2 2
            right = -np.einsum("pkc,pk->pc", weighted, difference)
            for terms in self._sides:
                terms.reweigh(xy + step)
                diagonal = terms.diagonal
                block[:, 0, 0] += diagonal
                block[:, 1, 1] += diagonal
                right -= terms.pull(xy)
            step = self._solve(block, right, step, free)
        return step

    def _solve(self, block: Array, right: Array, start: Array, free: Any) -> Array:
        """Conjugate gradients, the particles' own 2x2 blocks as preconditioner."""
        block[~free] = np.eye(2)
        inverse = _inverse(block)
        mask = free[:, None].astype(np.float64)

        def apply(d: Array) -> Array:
            result = np.einsum("pcd,pd->pc", block, d)
            for terms in self._sides:
                result -= terms.neighbours @ d
            return result * mask

        return conjugate_gradients(
            apply,
            lambda r: np.einsum("pcd,pd->pc", inverse, r),
            right * mask,
            start * mask,
            self._settings.solver_rounds,
            self._settings.solver_tolerance,
        )


class _Terms:
    """Flow matching and distortion towards one side; the weights are those of the last round."""

    def __init__(self, side: Side, count: int, settings: Settings) -> None:
        sparse = require("scipy.sparse", "classic")
        self._alpha = settings.flow_weight, settings.distortion_weight
        self._epsilon = settings.motion_epsilon
        self._has: NDArray[np.bool_] = np.isfinite(side.place[:, 0])
        self._place = np.where(self._has[:, None], side.place, 0).astype(np.float64)
        self._flow = np.where(self._has[:, None], side.flow, 0).astype(np.float64)
        self.pairs, self._weight = side.links.pairs, side.links.weight
        first, second = self.pairs[:, 0], self.pairs[:, 1]
        # The pattern stays; `_of_link` says which link an entry belongs to.
        number = np.arange(len(self.pairs), dtype=np.float64)
        entries = np.concatenate([number, number])
        ends = np.concatenate([first, second]), np.concatenate([second, first])
        self.neighbours = sparse.csr_matrix((entries + 1, ends), shape=(count, count))
        self._of_link = np.round(self.neighbours.data).astype(np.int64) - 1
        self._flow_now = np.zeros(count)
        self._degree: Array = np.zeros(count)

    @property
    def diagonal(self) -> Array:
        """What these terms add to both diagonal entries of each particle, ``(P,)``."""
        return self._flow_now + self._degree

    def flow_energy(self, xy: Array) -> float:
        gap = np.square(xy - self._place - self._flow).sum(axis=1)[self._has]
        return float(self._alpha[0] * _psi(gap, self._epsilon).sum())

    def link_energy(self, xy: Array) -> Array:
        """``(E,)``: distortion of each link."""
        return self._alpha[1] * self._weight * _psi(self._stretch(xy), self._epsilon)

    def reweigh(self, xy: Array) -> None:
        """Set the weights to the robust norm's derivatives at ``xy``."""
        gap = np.square(xy - self._place - self._flow).sum(axis=1)
        self._flow_now = self._alpha[0] * self._has * _slope(gap, self._epsilon)
        hold = self._alpha[1] * self._weight * _slope(self._stretch(xy), self._epsilon)  # E
        self.neighbours.data = hold[self._of_link]
        degree = np.bincount(self.pairs.ravel(), np.repeat(hold, 2), minlength=len(self._place))
        self._degree = degree.astype(np.float64)  # bincount counts in integers without links

    def pull(self, xy: Array) -> Array:
        """The weighted residuals at ``xy``, ``(P, 2)``."""
        moved = xy - self._place
        held = self._degree[:, None] * moved - self.neighbours @ moved
        return self._flow_now[:, None] * (moved - self._flow) + held

    def _stretch(self, xy: Array) -> Array:
        moved = xy - self._place
        return np.square(moved[self.pairs[:, 0]] - moved[self.pairs[:, 1]]).sum(axis=1)


def conjugate_gradients(
    apply: Callable[[Array], Array],
    precondition: Callable[[Array], Array],
    right: Array,
    start: Array,
    rounds: int,
    tolerance: float,
) -> Array:
    """Solve ``apply(x) = right`` for a symmetric positive definite map.

    Ends when the residual is ``tolerance`` times that of ``x = 0``.
    """
    x = start.copy()
    residual = right - apply(x)
    enough = tolerance * float(np.linalg.norm(right))
    z = precondition(residual)
    direction, power = z, float((residual * z).sum())
    for _ in range(rounds):
        if np.linalg.norm(residual) <= enough or power <= 0:
            break
        image = apply(direction)
        length = power / float((direction * image).sum())
        x += length * direction
        residual -= length * image
        z = precondition(residual)
        before, power = power, float((residual * z).sum())
        direction = z + (power / before) * direction
    return x


def _psi(square: NDArray[Any], epsilon: float) -> Array:
    """The robust norm of squared differences: zero at zero, linear in the difference far off."""
    return np.sqrt(square.astype(np.float64) + epsilon**2) - epsilon


def _slope(square: NDArray[Any], epsilon: float) -> Array:
    """The robust norm's derivative by the square."""
    return 0.5 / np.sqrt(square.astype(np.float64) + epsilon**2)


def _inverse(block: Array) -> Array:
    """Inverses of ``(P, 2, 2)`` symmetric blocks; a little is added to those without one."""
    a = block[:, 0, 0] + 1e-9
    b = block[:, 0, 1]
    c = block[:, 1, 1] + 1e-9
    determinant = np.maximum(a * c - b * b, 1e-12)
    return np.stack([c, -b, -b, a], axis=1).reshape(-1, 2, 2) / determinant[:, None, None]
