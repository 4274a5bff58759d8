"""The patch around each query point, and aligning it with later frames.

Inverse-compositional Lucas-Kanade (Baker and Matthews, IJCV 2004) with an affine warp, for
all points at once. Patches are compared with mean and contrast removed, so that changes of
light do not count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.patches import (
    Array,
    Grey,
    contrast,
    correlation,
    lattice,
    normalised,
    read,
)

Rows = NDArray[np.bool_] | NDArray[np.int64] | slice

_RADIUS = 8
_SPACING = 2  # every second pixel tells as much at a quarter of the time
_ITERATIONS = 4
_DAMPING = 0.02  # keeps flat patches from running away


class Templates:
    """Patches of K points with their current affine warps.

    Coordinates are pixels with the centre of the top-left pixel at ``(0, 0)``; the warp takes
    a patch offset ``(u, v)`` to ``xy + A (u, v)``.

    Parameters
    ----------
    radius, spacing
        Of the patches' pixels: how far they reach, and every how many.
    """

    def __init__(self, radius: int = _RADIUS, spacing: int = _SPACING) -> None:
        self._radius, self._offsets = radius, lattice(radius, spacing)  # P 2
        area = len(self._offsets)
        self._patch = np.empty((0, area + 1), np.float32)  # K P+1
        self._solve = np.empty((0, 6, area), np.float32)  # K 6 P
        self._shift = np.empty((0, 2, area), np.float32)  # K 2 P
        self._warp = np.empty((0, 2, 2), np.float32)  # K 2 2
        self._proposed = self._warp

    def add(self, grey: Grey, xy: Array) -> None:
        """Remember the patches of a grey picture ``(H, W)`` at points ``(K, 2)``."""
        patch = read(grey, xy, self._offsets)
        unit = normalised(patch)
        slope = [
            (read(grey, xy + step, self._offsets) - read(grey, xy - step, self._offsets)) / 2
            for step in np.eye(2, dtype=np.float32)
        ]
        gradient = np.stack(slope, axis=-1) / contrast(patch)[..., None]  # K P 2
        self._patch = np.concatenate([self._patch, unit])
        slopes = np.moveaxis(gradient, 2, 1).astype(np.float32)  # K 2 P
        # Offsets in units of the radius, so that all six numbers move pixels alike.
        u, v = (self._offsets / self._radius).T
        x, y = slopes[:, 0], slopes[:, 1]
        steepest = np.stack([x * u, x * v, y * u, y * v, x, y], axis=1)  # K 6 P
        self._solve = np.concatenate([self._solve, _solver(steepest)])
        self._shift = np.concatenate([self._shift, _solver(slopes)])
        identity = np.repeat(np.eye(2, dtype=np.float32)[None], len(xy), axis=0)
        self._warp = np.concatenate([self._warp, identity])

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget all patches but those of ``rows``."""
        self._patch, self._solve = self._patch[rows], self._solve[rows]
        self._shift, self._warp = self._shift[rows], self._warp[rows]

    def warp(self, rows: Rows = slice(None)) -> Array:
        """The current warps ``(R, 2, 2)`` of ``rows``, or of all."""
        return self._warp[rows]

    def likeness(
        self, grey: Grey, xy: Array, rows: Rows = slice(None), warp: Array | None = None
    ) -> Array:
        """Normalised correlation ``(R,)`` of the patches of ``rows``, or of all, with the
        picture at ``xy (R, 2)``; under the current warps, or under ``warp (R, 2, 2)``."""
        warp = self._warp[rows] if warp is None else warp
        return correlation(self._patch[rows], self._seen(grey, xy, warp))

    def align(
        self,
        grey: Grey,
        xy: Array,
        rows: Rows = slice(None),
        warp: Array | None = None,
        iterations: int = _ITERATIONS,
    ) -> tuple[Array, Array, Array]:
        """Move each patch to where it fits best near ``xy``.

        Rows and the warps to begin with are as of `likeness`. Returns positions ``(R, 2)``,
        likeness there and likeness at ``xy``, both ``(R,)``. The warps found are only proposed;
        `accept` makes them current.
        """
        position, warp = xy.astype(np.float32), self._warp[rows] if warp is None else warp
        patch, solve = self._patch[rows], self._solve[rows]
        seen = self._seen(grey, position, warp)
        before = correlation(patch, seen)
        for _ in range(iterations):
            change = np.einsum("kip,kp->ki", solve, (seen - patch)[:, :-1])
            linear = np.clip(change[:, :4].reshape(-1, 2, 2) / self._radius, -0.2, 0.2)
            # Compose with the inverse of the small warp found.
            warp = warp @ np.linalg.inv(np.eye(2, dtype=np.float32) + linear)
            position = position - np.einsum("kij,kj->ki", warp, np.clip(change[:, 4:], -2, 2))
            seen = self._seen(grey, position.astype(np.float32), warp.astype(np.float32))
        sane = (np.abs(np.linalg.det(warp)) > 0.25) & (np.abs(warp).max(axis=(1, 2)) < 4)
        warp, position = warp.astype(np.float32), position.astype(np.float32)
        self._proposed = self._warp.copy()
        self._proposed[rows] = warp
        return position, np.where(sane, correlation(patch, seen), 0), before

    def shift(
        self, grey: Grey, xy: Array, rows: Rows, warp: Array, iterations: int = _ITERATIONS
    ) -> Array:
        """As `align`, under a warp ``(R, 2, 2)`` that stays as it is; returns ``(R, 2)``."""
        position = xy.astype(np.float32)
        patch, solve = self._patch[rows], self._shift[rows]
        for _ in range(iterations):
            gap = (self._seen(grey, position, warp) - patch)[:, :-1]
            change = np.clip(np.einsum("kip,kp->ki", solve, gap), -2, 2)
            position = position - np.einsum("kij,kj->ki", warp, change)
        return position.astype(np.float32)

    def accept(self, rows: NDArray[np.bool_]) -> None:
        """Take over the warps that the last `align` found for these rows ``(K,)``."""
        self._warp = np.where(rows[:, None, None], self._proposed, self._warp)

    def _seen(self, grey: Grey, xy: Array, warp: Array) -> Array:
        return normalised(read(grey, xy, self._offsets, warp))


def _solver(steepest: Array) -> Array:
    """What turns differences ``(K, P)`` into the D numbers of a small warp, by how the patches
    change with each, ``(K, D, P)``; ``(K, D, P)``."""
    hessian = np.einsum("kip,kjp->kij", steepest, steepest)
    numbers = steepest.shape[1]
    scale = np.trace(hessian, axis1=1, axis2=2)[:, None, None] / numbers + 1e-9
    damped = hessian + _DAMPING * scale * np.eye(numbers, dtype=np.float32)
    return np.linalg.solve(damped, steepest).astype(np.float32)
