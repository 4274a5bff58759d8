"""`Ink`: a transparent layer to draw on with sub-pixel precision, laid over a picture.

OpenCV draws anti-aliased shapes, but in whole line widths and without opacity. So shapes are
drawn larger, on a layer of colour times opacity beside opacity: there, drawing *replaces*
what lies below by the share of the pixel that is covered, so that the joints of a faint line
do not add up, and opacity 0 wipes out.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.geometry import Size, resize_points

Places = NDArray[np.int32]

_SHIFT = 4  # cv2 takes positions in 1/16 pixels
_GROWTH = 0.6  # OpenCV's anti-aliased discs are this much too large, in pixels of the layer
_FINE = 4.5  # the layer is enlarged until a line is this wide
_MOST = 4
_SHADOW = 0.55  # how dark the shadow is below opaque ink


class Ink:
    """A layer for pictures of one size.

    Parameters
    ----------
    size
        ``(width, height)`` of the pictures.
    width
        Usual width of the lines, in pixels; it decides how fine the layer is.
    shadow
        Softness of the shadow below what is drawn, in pixels; 0 for none.
    """

    def __init__(self, size: Size, width: float, shadow: float = 0.0):
        self._size, self._shadow = size, shadow
        self._factor = int(np.clip(np.ceil(_FINE / width), 1, _MOST))
        self._layer_size = (size[0] * self._factor, size[1] * self._factor)
        self._layer = np.zeros((*self._layer_size[::-1], 4), np.uint8)  # H W 4

    def clear(self) -> None:
        """Wipe the whole layer."""
        self._layer[...] = 0

    def place(self, xy: ArrayLike) -> Places:
        """Positions ``(..., 2)`` in pixels of the picture as `line` and `disc` take them.

        NaN becomes some place or other, which must not be drawn.
        """
        large = resize_points(xy, self._size, self._layer_size)
        limit = 16 * max(self._layer_size)  # far outside; keeps wild positions within an int32
        fixed = np.clip(np.nan_to_num(large), -limit, limit) * (1 << _SHIFT)
        return np.round(fixed).astype(np.int32)

    def line(self, places: Places, rgb: ArrayLike, alpha: float, width: float) -> None:
        """Draw a line through ``(K, 2)`` places (see `place`); ``width`` in pixels."""
        wide = width * self._factor
        # OpenCV's anti-aliased lines are 1.4, 3.4, 5.4, ... wide: take the next wider one and
        # make it fainter, which looks like the width wanted.
        thickness = 1 if wide <= 1.4 else 2 * int(np.ceil((wide - 1.4) / 2))
        alpha *= min(wide / (thickness + 1.4 if thickness > 1 else 1.4), 1)
        cv2.polylines(
            self._layer, [places], False, _ink(rgb, alpha), thickness, cv2.LINE_AA, _SHIFT
        )

    def disc(self, place: Places, radius: float, rgb: ArrayLike, alpha: float) -> None:
        """Draw a filled disc around a place ``(2,)``; opacity 0 makes a hole in what is there."""
        large = radius * self._factor - _GROWTH
        if large <= 0:
            return
        x, y = place.tolist()
        fixed = round(large * (1 << _SHIFT))
        cv2.circle(self._layer, (x, y), fixed, _ink(rgb, alpha), -1, cv2.LINE_AA, _SHIFT)

    def over(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A new picture ``(H, W, 3)``: the layer laid over the given one."""
        layer: NDArray[Any] = self._layer
        if self._factor > 1:
            layer = cv2.resize(layer, self._size, interpolation=cv2.INTER_AREA)
        opacity = np.ascontiguousarray(layer[..., 3])
        below = picture
        if self._shadow > 0:
            soft = cv2.GaussianBlur(opacity, (0, 0), self._shadow)
            below = _dimmed(below, cv2.convertScaleAbs(soft, alpha=_SHADOW))
        inked = cv2.add(_dimmed(below, opacity), cv2.cvtColor(layer, cv2.COLOR_RGBA2RGB))
        return np.asarray(inked, np.uint8)


def _ink(rgb: ArrayLike, alpha: float) -> tuple[float, ...]:
    red, green, blue = (float(c) * alpha for c in np.asarray(rgb))
    return red, green, blue, 255 * alpha


def _dimmed(picture: NDArray[np.uint8], opacity: NDArray[Any]) -> NDArray[np.uint8]:
    through = cv2.cvtColor(cv2.bitwise_not(opacity), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.multiply(picture, through, scale=1 / 255), np.uint8)
