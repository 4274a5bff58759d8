"""What a particle sees of a frame: five channels, and how they change under a small move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size
from pointtrack.trackers.flow import bilinear
from pointtrack.trackers.particles.settings import Settings

CHANNELS = 5  # grey, its x-gradient, its y-gradient, green - red, green - blue


@dataclass(frozen=True, eq=False)
class Channels:
    """A frame's channels with their derivatives.

    Attributes
    ----------
    grey : ndarray
        ``(H, W)`` float32, 0 to 255, slightly blurred.
    stack : ndarray
        ``(H, W, 15)`` float32: the five channels, their x- and their y-derivatives, side by
        side so that one look-up reads them all.
    """

    grey: NDArray[np.float32]
    stack: NDArray[np.float32]

    @property
    def size(self) -> Size:
        """``(width, height)``."""
        return self.grey.shape[1], self.grey.shape[0]

    def at(self, xy: NDArray[Any]) -> NDArray[np.float32]:
        """The channels at points ``(K, 2)``: ``(K, 5)``; beyond the picture its edge goes on."""
        return bilinear(self.stack[..., :CHANNELS], xy, outside=None)

    def around(self, xy: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The channels ``(K, 5)`` and their gradients ``(K, 5, 2)`` at points ``(K, 2)``."""
        values = bilinear(self.stack, xy, outside=None)  # K 15
        gradients = values[:, CHANNELS:].reshape(-1, 2, CHANNELS).transpose(0, 2, 1)
        return values[:, :CHANNELS], gradients


def channels(frame: NDArray[np.uint8], settings: Settings) -> Channels:
    """The five channels of an ``(H, W, 3)`` RGB frame.

    Grey levels run from 0 to 255; gradients are central differences in grey levels a pixel
    times ``gradient_weight``; the differences of colours are taken after a 3x3 median filter,
    which removes what chroma subsampling leaves, times ``colour_weight``.
    """
    grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.float32)
    if settings.blur > 0:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), settings.blur), np.float32)
    gx, gy = derivatives(grey)
    colour = cv2.medianBlur(frame, 3).astype(np.float32)
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]
    values = np.dstack(
        [
            grey,
            settings.gradient_weight * gx,
            settings.gradient_weight * gy,
            settings.colour_weight * (green - red),
            settings.colour_weight * (green - blue),
        ]
    )
    return Channels(grey, np.dstack([values, *derivatives(values)]))


def derivatives(picture: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Central differences of ``(H, W[, C])`` in x and in y, one-sided at the edges.

    A side of one pixel has no differences; they are zero.
    """
    result = []
    for axis in (1, 0):
        if picture.shape[axis] < 2:
            result.append(np.zeros_like(picture, np.float32))
        else:
            result.append(np.asarray(np.gradient(picture, axis=axis), np.float32))
    return result[0], result[1]
