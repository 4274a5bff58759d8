"""Blur of pictures, quick however wide it is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def blurred(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A Gaussian blur of ``(H, W[, C])``; a wide one is done on a shrunken picture.

    That looks the same and is much faster.
    """
    height, width = picture.shape[:2]
    factor = int(2 ** max(0, np.floor(np.log2(sigma / 2))))
    small = (max(1, round(width / factor)), max(1, round(height / factor)))
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
    shrunk = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(shrunk, (0, 0), sigma / factor)
    return np.asarray(cv2.resize(blurred, (width, height)), np.float32)
