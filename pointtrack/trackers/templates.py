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

_RADIUS = 8
_SPACING = 2  # every second pixel tells as much at a quarter of the time
_ITERATIONS = 4
_DAMPING = 0.02  # keeps flat patches from running away


class Templates:
    """Patches of K points with their current affine warps.

    Coordinates are pixels with the centre of the top-left pixel at ``(0, 0)``; the warp takes
    a patch offset ``(u, v)`` to ``xy + A (u, v)``.
    """

    def __init__(self) -> None:
        self._offsets = lattice(_RADIUS, _SPACING)  # P 2
        area = len(self._offsets)
        self._patch = np.empty((0, area + 1), np.float32)  # K P+1
        self._solve = np.empty((0, 6, area), np.float32)  # K 6 P
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
        self._solve = np.concatenate(
            [self._solve, _solver(np.asarray(gradient, np.float32), self._offsets)]
        )
        identity = np.repeat(np.eye(2, dtype=np.float32)[None], len(xy), axis=0)
        self._warp = np.concatenate([self._warp, identity])

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget all patches but those of ``rows``."""
        self._patch, self._solve = self._patch[rows], self._solve[rows]
        self._warp = self._warp[rows]

    def likeness(
        self, grey: Grey, xy: Array, rows: NDArray[np.bool_] | slice = slice(None)
    ) -> Array:
        """Normalised correlation ``(R,)`` of the patches of ``rows``, or of all, with the
        picture at ``xy (R, 2)``."""
        return correlation(self._patch[rows], self._seen(grey, xy, self._warp[rows]))

    def align(self, grey: Grey, xy: Array) -> tuple[Array, Array]:
        """Move each patch to where it fits best near ``xy``.

        Returns positions ``(K, 2)`` and likeness there ``(K,)``. The warps found are only
        proposed; `accept` makes them current.
        """
        position, warp = xy.astype(np.float32), self._warp
        for _ in range(_ITERATIONS):
            gap = (self._seen(grey, position, warp) - self._patch)[:, :-1]
            change = np.einsum("kip,kp->ki", self._solve, gap)
            linear = np.clip(change[:, :4].reshape(-1, 2, 2) / _RADIUS, -0.2, 0.2)
            # Compose with the inverse of the small warp found.
            warp = warp @ np.linalg.inv(np.eye(2, dtype=np.float32) + linear)
            position = position - np.einsum("kij,kj->ki", warp, np.clip(change[:, 4:], -2, 2))
        sane = (np.abs(np.linalg.det(warp)) > 0.25) & (np.abs(warp).max(axis=(1, 2)) < 4)
        self._proposed = warp.astype(np.float32)
        position = position.astype(np.float32)
        alike = correlation(self._patch, self._seen(grey, position, self._proposed))
        return position, np.where(sane, alike, 0)

    def accept(self, rows: NDArray[np.bool_]) -> None:
        """Take over the warps that the last `align` found for these rows."""
        self._warp = np.where(rows[:, None, None], self._proposed, self._warp)

    def _seen(self, grey: Grey, xy: Array, warp: Array) -> Array:
        return normalised(read(grey, xy, self._offsets, warp))


def _solver(gradient: Array, offsets: Array) -> Array:
    """What turns differences ``(K, P)`` into the six numbers of a small warp; (K, 6, P)."""
    # Offsets in units of the radius, so that all six numbers move pixels alike.
    u, v = (offsets / _RADIUS).T
    x, y = gradient[..., 0], gradient[..., 1]
    steepest = np.stack([x * u, x * v, y * u, y * v, x, y], axis=1)  # K 6 P
    hessian = np.einsum("kip,kjp->kij", steepest, steepest)
    scale = np.trace(hessian, axis1=1, axis2=2)[:, None, None] / 6 + 1e-9
    damped = hessian + _DAMPING * scale * np.eye(6, dtype=np.float32)
    return np.linalg.solve(damped, steepest).astype(np.float32)
