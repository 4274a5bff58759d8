"""The patch around each query point, and aligning it with later frames.

Inverse-compositional Lucas-Kanade (Baker and Matthews, IJCV 2004) with an affine warp, for
all points at once. Patches are compared with mean and contrast removed, so that changes of
light do not count.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_RADIUS = 8
_SPACING = 2  # every second pixel tells as much at a quarter of the time
_ITERATIONS = 4
_FAR = 1000  # px beyond the picture where a point is as good as gone
_ROWS = 16384  # OpenCV's pictures have at most 32767 rows
_DAMPING = 0.02  # keeps flat patches from running away


class Templates:
    """Patches of K points with their current affine warps.

    Coordinates are pixels with the centre of the top-left pixel at ``(0, 0)``; the warp takes
    a patch offset ``(u, v)`` to ``xy + A (u, v)``.
    """

    def __init__(self) -> None:
        side = np.arange(-_RADIUS, _RADIUS + 1, _SPACING, dtype=np.float32)
        self._offsets = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)  # P 2
        area = len(self._offsets)
        self._patch = np.empty((0, area), np.float32)  # K P, mean 0 and norm 1
        self._solve = np.empty((0, 6, area), np.float32)  # K 6 P
        self._warp = np.empty((0, 2, 2), np.float32)  # K 2 2
        self._proposed = self._warp

    def add(self, grey: NDArray[np.uint8], xy: Array) -> None:
        """Remember the patches of a grey picture ``(H, W)`` at points ``(K, 2)``."""
        identity = np.repeat(np.eye(2, dtype=np.float32)[None], len(xy), axis=0)
        patch = self._read(grey, xy, identity)
        slope = [
            (self._read(grey, xy + step, identity) - self._read(grey, xy - step, identity)) / 2
            for step in np.eye(2, dtype=np.float32)
        ]
        contrast = _contrast(patch)
        gradient = np.stack(slope, axis=-1) / contrast[..., None]  # K P 2
        # Offsets in units of the radius, so that all six numbers move pixels alike.
        u, v = (self._offsets / _RADIUS).T
        x, y = gradient[..., 0], gradient[..., 1]
        steepest = np.stack([x * u, x * v, y * u, y * v, x, y], axis=1)  # K 6 P
        hessian = np.einsum("kip,kjp->kij", steepest, steepest)
        scale = np.trace(hessian, axis1=1, axis2=2)[:, None, None] / 6 + 1e-6
        damped = hessian + _DAMPING * scale * np.eye(6, dtype=np.float32)
        solve = np.linalg.solve(damped, steepest).astype(np.float32)
        self._patch = np.concatenate([self._patch, _normalised(patch)])
        self._solve = np.concatenate([self._solve, solve])
        self._warp = np.concatenate([self._warp, identity])

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget all patches but those of ``rows``."""
        self._patch, self._solve = self._patch[rows], self._solve[rows]
        self._warp = self._warp[rows]

    def likeness(self, grey: NDArray[np.uint8], xy: Array) -> Array:
        """Normalised correlation ``(K,)`` of each patch with the picture at ``xy``."""
        return _correlation(self._patch, _normalised(self._read(grey, xy, self._warp)))

    def align(self, grey: NDArray[np.uint8], xy: Array) -> tuple[Array, Array]:
        """Move each patch to where it fits best near ``xy``.

        Returns positions ``(K, 2)`` and likeness there ``(K,)``. The warps found are only
        proposed; `accept` makes them current.
        """
        position, warp = xy.astype(np.float32), self._warp
        for _ in range(_ITERATIONS):
            seen = _normalised(self._read(grey, position, warp))
            change = np.einsum("kip,kp->ki", self._solve, seen - self._patch)
            linear = change[:, :4].reshape(-1, 2, 2) / _RADIUS
            # Compose with the inverse of the small warp found.
            undo = np.linalg.inv(np.eye(2, dtype=np.float32) + np.clip(linear, -0.2, 0.2))
            shift = np.clip(change[:, 4:], -2, 2)
            warp = warp @ undo
            position = position - np.einsum("kij,kj->ki", warp, shift)
        sane = (np.abs(np.linalg.det(warp)) > 0.25) & (np.abs(warp).max(axis=(1, 2)) < 4)
        self._proposed = warp.astype(np.float32)
        seen = _normalised(self._read(grey, position.astype(np.float32), self._proposed))
        return position.astype(np.float32), np.where(sane, _correlation(self._patch, seen), 0)

    def accept(self, rows: NDArray[np.bool_]) -> None:
        """Take over the warps that the last `align` found for these rows."""
        self._warp = np.where(rows[:, None, None], self._proposed, self._warp)

    def _read(self, grey: NDArray[np.uint8], xy: Array, warp: Array) -> Array:
        # Far-out points would overflow OpenCV's integers; the edge is repeated either way.
        height, width = grey.shape
        centre = np.clip(xy, -_FAR, max(height, width) + _FAR)
        x = (warp[:, 0] @ self._offsets.T + centre[:, :1]).astype(np.float32)  # K P
        y = (warp[:, 1] @ self._offsets.T + centre[:, 1:]).astype(np.float32)
        patches = np.empty(x.shape, np.uint8)
        for some in range(0, len(x), _ROWS):
            part = slice(some, some + _ROWS)
            cv2.remap(grey, x[part], y[part], cv2.INTER_LINEAR, patches[part], cv2.BORDER_REPLICATE)
        return patches.astype(np.float32)


def _contrast(patch: Array) -> Array:
    centred = patch - patch.mean(axis=1, keepdims=True)
    return np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-3)


def _normalised(patch: Array) -> Array:
    return (patch - patch.mean(axis=1, keepdims=True)) / _contrast(patch)


def _correlation(left: Array, right: Array) -> Array:
    return np.einsum("kp,kp->k", left, right)
