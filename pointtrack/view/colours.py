"""Colours for overlays and plots, made in OKLab so that equal steps look equally large.

Three ways to tell points apart: by where they started (`by_position`), by identity
(`by_identity`) and by how sure the tracker is (`by_confidence`). The palette of the
evaluation plots (`PALETTE`) stays distinct for colour-blind readers.

OKLab: Ottosson, "A perceptual color space for image processing", 2020.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size, as_points, pixel_to_normalised

RGB = NDArray[np.uint8]  # (..., 3)
_Floats = NDArray[np.floating[Any]]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LAB, _FROM_LMS = np.linalg.inv(_TO_LAB), np.linalg.inv(_TO_LMS)

_GOLDEN_ANGLE = 137.507764
_SPREAD = 1 / 3  # the position map spans at least this share of each side of the picture

# Rim of the position wheel from the right, clockwise, in equal angles; its middle in OKLab.
_WHEEL = (
    (255, 122, 26),  # orange
    (255, 196, 0),
    (140, 212, 30),
    (0, 205, 140),
    (0, 194, 235),
    (74, 130, 255),
    (176, 90, 255),
    (255, 60, 150),  # pink
)
_MIDDLE = np.array([0.97, 0.0, 0.02])
_SURENESS = ((232, 74, 39), (255, 166, 66), (250, 231, 150), (120, 214, 190), (0, 178, 190))

# Blue, vermilion, green, purple, amber, sky, grey, wine: apart in hue and in lightness.
PALETTE = ("#1F6FB4", "#D9541A", "#12936F", "#8E5BB5", "#E0A100", "#4FB3E8", "#6B7280", "#9B2242")


def rgb_to_oklab(rgb: ArrayLike) -> _Floats:
    """sRGB ``(..., 3)`` uint8 to OKLab ``(L, a, b)``, with L from 0 (black) to 1 (white)."""
    value = np.asarray(rgb, np.float64) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T


def oklab_to_rgb(lab: ArrayLike) -> RGB:
    """OKLab ``(..., 3)`` to sRGB uint8; colours no screen can show lose chroma, not lightness."""
    lab = np.asarray(lab, np.float64)
    grey = lab * (1.0, 0.0, 0.0)
    low, high = np.zeros(lab.shape[:-1]), np.ones(lab.shape[:-1])
    fits = _in_gamut(lab)
    for _ in range(12):  # bisection for the most chroma that fits
        middle = (low + high) / 2
        inside = _in_gamut(grey + middle[..., None] * (lab - grey))
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    share = np.where(fits, 1.0, low)
    linear = np.clip(_linear(grey + share[..., None] * (lab - grey)), 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(coded * 255).astype(np.uint8)


def oklch_to_rgb(lightness: ArrayLike, chroma: ArrayLike, hue: ArrayLike) -> RGB:
    """Lightness (0 to 1), chroma (0 to about 0.3) and hue in degrees to sRGB uint8."""
    lightness, chroma, angle = np.broadcast_arrays(lightness, chroma, np.deg2rad(hue))
    return oklab_to_rgb(np.stack([lightness, chroma * np.cos(angle), chroma * np.sin(angle)], -1))


def by_position(xy: ArrayLike, size: Size) -> RGB:
    """Colours of a smooth wheel laid over the picture: neighbours alike, far points unlike.

    The hue runs around the middle of the points, and the middle itself is pale. The wheel is
    laid over the bounding box of the points, which is taken to be at least a third of the
    picture's width and height, so that points on a small object still differ.

    Parameters
    ----------
    xy
        ``(N, 2)`` positions in pixels, for instance of the queries; NaN becomes the middle.
    size
        ``(width, height)`` of the picture.

    Returns
    -------
    ndarray
        ``(N, 3)`` uint8 RGB.
    """
    place = pixel_to_normalised(as_points(xy), size).astype(np.float64)
    known: NDArray[np.bool_] = np.isfinite(place).min(axis=-1)
    if not known.any():
        return position_map(np.full(place.shape, 0.5))
    low, high = place[known].min(axis=0), place[known].max(axis=0)
    if np.array_equal(low, high):  # a lone point is not in the middle of anything
        return np.tile(np.array(_WHEEL[0], np.uint8), (len(place), 1))
    span = np.maximum(high - low, _SPREAD)
    return position_map(np.where(known[:, None], (place - (low + high) / 2) / span + 0.5, 0.5))


def position_map(uv: ArrayLike) -> RGB:
    """The colour wheel of `by_position` at ``(..., 2)`` places in the unit square."""
    offset = 2 * np.asarray(uv, np.float64) - 1
    radius = np.clip(np.hypot(offset[..., 0], offset[..., 1]), 0, 1)
    turn = np.arctan2(offset[..., 1], offset[..., 0]) / (2 * np.pi) % 1
    rim = _blend(turn, rgb_to_oklab([*_WHEEL, _WHEEL[0]]))
    strength = 1 - (1 - radius[..., None]) ** 1.6  # only the very middle is pale
    return oklab_to_rgb(_MIDDLE + strength * (rim - _MIDDLE))


def by_identity(count: int) -> RGB:
    """``(count, 3)`` uint8: hues a golden angle apart, in three lightnesses."""
    index = np.arange(count)
    lightness = np.array([0.74, 0.84, 0.66])[index % 3]
    return oklch_to_rgb(lightness, 0.17, 25 + _GOLDEN_ANGLE * index)


def by_confidence(confidence: ArrayLike) -> RGB:
    """Vermilion (0) over pale yellow (0.5) to teal (1): ``(...)`` to ``(..., 3)`` uint8 RGB."""
    value = np.clip(np.nan_to_num(np.asarray(confidence, np.float64)), 0, 1)
    return oklab_to_rgb(_blend(value, rgb_to_oklab(_SURENESS)))


def on_white(rgb: ArrayLike) -> RGB:
    """The same hues, dark enough for thin lines on white paper."""
    lab = rgb_to_oklab(rgb)
    lab[..., 0] = np.minimum(lab[..., 0], 0.45 + 0.25 * lab[..., 0])
    return oklab_to_rgb(lab)


def hex_code(rgb: ArrayLike) -> str:
    """One colour as ``#rrggbb``."""
    red, green, blue = np.asarray(rgb, np.uint8)
    return f"#{red:02x}{green:02x}{blue:02x}"


def palette_colour(index: int) -> str:
    """The colour of the tracker number ``index`` in an evaluation plot, ``#RRGGBB``."""
    if index < 0:
        raise PointtrackError(f"a palette index counts from 0, found {index}")
    return PALETTE[index % len(PALETTE)]


def _blend(place: _Floats, stops: _Floats) -> _Floats:
    """Values between evenly spaced ``stops`` ``(K, 3)`` at places from 0 to 1."""
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(place, at, stops[:, i]) for i in range(3)], axis=-1)


def _linear(lab: _Floats) -> _Floats:
    return (lab @ _FROM_LAB.T) ** 3 @ _FROM_LMS.T


def _in_gamut(lab: _Floats) -> NDArray[np.bool_]:
    linear = _linear(lab)
    return np.all((linear >= -1e-6) & (linear <= 1 + 1e-6), axis=-1)
