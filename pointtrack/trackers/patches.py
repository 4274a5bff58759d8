"""Small pieces of a grey picture around points, and how alike two of them are."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Grey = NDArray[np.uint8]

_NOISE = 4.0  # grey levels that camera noise and compression move a pixel by
_FAR = 1000  # px beyond the picture where a point is as good as gone
_ROWS = 16384  # OpenCV's pictures have at most 32767 rows


def lattice(radius: int, spacing: int = 1) -> Array:
    """Offsets ``(P, 2)`` of a square patch, ``(0, 0)`` in its middle."""
    side = np.arange(-radius, radius + 1, spacing, dtype=np.float32)
    return np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


def read(grey: Grey, xy: Array, offsets: Array, warp: Array | None = None) -> Array:
    """Grey values ``(K, P)`` at ``xy + A offset``; beyond the picture its edge is repeated.

    ``xy (K, 2)`` pixels, ``offsets (P, 2)``, ``warp (K, 2, 2)`` or None for none.
    """
    # Far-out points would overflow OpenCV's integers; the edge is repeated either way.
    centre = np.clip(xy, -_FAR, max(grey.shape) + _FAR).astype(np.float32)
    if warp is None:
        x, y = centre[:, :1] + offsets[:, 0], centre[:, 1:] + offsets[:, 1]
    else:
        x = (warp[:, 0] @ offsets.T + centre[:, :1]).astype(np.float32)  # K P
        y = (warp[:, 1] @ offsets.T + centre[:, 1:]).astype(np.float32)
    patches = np.empty(x.shape, np.uint8)
    for some in range(0, len(x), _ROWS):
        part = slice(some, some + _ROWS)
        cv2.remap(grey, x[part], y[part], cv2.INTER_LINEAR, patches[part], cv2.BORDER_REPLICATE)
    return patches.astype(np.float32)


def contrast(patches: Array) -> Array:
    """How much there is to see in each patch ``(K, P)``, noise included; ``(K, 1)``."""
    return _length(_centred(patches))


def normalised(patches: Array) -> Array:
    """Patches ``(K, P)`` without mean and contrast, as unit vectors ``(K, P + 1)``.

    The last entry stands for the noise: where a patch holds little but noise it dominates, so
    that two flat patches count as alike instead of as uncorrelated.
    """
    centred = _centred(patches)
    centred /= _length(centred)
    return centred


def _centred(patches: Array) -> Array:
    area = patches.shape[1]
    centred = np.empty((len(patches), area + 1), np.float32)
    np.subtract(patches, patches.mean(axis=1, keepdims=True), out=centred[:, :area])
    centred[:, area] = _NOISE * np.sqrt(area)
    return centred


def _length(centred: Array) -> Array:
    return np.sqrt(np.einsum("kp,kp->k", centred, centred))[:, None]


def correlation(left: Array, right: Array) -> Array:
    """Likeness ``(K,)`` of normalised patches: 1 for the same, 0 or less for unlike ones."""
    return np.einsum("kp,kp->k", left, right)
