"""Pixel conventions and what follows from them. The only place where half a pixel is added.

pointtrack's own convention ("pixel"): ``x`` right, ``y`` down, in pixels of the original
video, and the *centre* of the top-left pixel is ``(0, 0)``. A picture of ``W x H`` pixels
spans ``[-0.5, W - 0.5] x [-0.5, H - 0.5]``.

Other conventions are converted once, at the border, by the functions below:

=============  =============================  ==========================================
name           centre of the top-left pixel   who uses it
=============  =============================  ==========================================
pixel          ``(0, 0)``                     pointtrack, OpenCV, napari, CoTracker
raster         ``(0.5, 0.5)``                 TAP-Vid, TAPIR, Kubric, Nuke, Blender
normalised     ``(0.5 / W, 0.5 / H)``         TAP-Vid files: 0 and 1 are the outer edges
align-corners  ``(0, 0)``, last pixel 1       CoTracker's and PIPs' resizing
=============  =============================  ==========================================

Sizes are ``(width, height)`` everywhere. Every function takes ``(..., 2)`` arrays of
``(x, y)`` and keeps their floating-point type.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Size = tuple[int, int]
FloatArray = NDArray[np.floating[Any]]


def as_points(xy: ArrayLike) -> FloatArray:
    """Return ``xy`` as a floating-point ``(..., 2)`` array (integers become float32)."""
    points = np.asarray(xy)
    if points.ndim == 0 or points.shape[-1] != 2:
        raise ValueError(f"points must have shape (..., 2), found {points.shape}")
    if not np.issubdtype(points.dtype, np.floating):
        points = points.astype(np.float32)
    return points


def _constants(points: FloatArray, size: Size) -> FloatArray:
    return np.asarray(size, dtype=points.dtype)


def pixel_to_raster(xy: ArrayLike) -> FloatArray:
    """Pixel to raster coordinates: ``(0, 0)`` becomes ``(0.5, 0.5)``."""
    points = as_points(xy)
    return points + points.dtype.type(0.5)


def raster_to_pixel(xy: ArrayLike) -> FloatArray:
    """Raster to pixel coordinates: ``(0.5, 0.5)`` becomes ``(0, 0)``."""
    points = as_points(xy)
    return points - points.dtype.type(0.5)


def pixel_to_normalised(xy: ArrayLike, size: Size) -> FloatArray:
    """Pixel coordinates to TAP-Vid's [0, 1]: the picture's outer edges become 0 and 1."""
    points = as_points(xy)
    return pixel_to_raster(points) / _constants(points, size)


def normalised_to_pixel(xy: ArrayLike, size: Size) -> FloatArray:
    """TAP-Vid's [0, 1] to pixel coordinates: 0 becomes -0.5 and 1 becomes ``W - 0.5``."""
    points = as_points(xy)
    return raster_to_pixel(points * _constants(points, size))


def resize_points(xy: ArrayLike, source: Size, target: Size) -> FloatArray:
    """Follow points through a resize of the picture: its outer edges stay its outer edges.

    This is where points go when OpenCV, Pillow or ``interpolate(align_corners=False)``
    resize the picture: ``x' = (x + 0.5) * W' / W - 0.5``.
    """
    points = as_points(xy)
    ratio = _constants(points, target) / _constants(points, source)
    return raster_to_pixel(pixel_to_raster(points) * ratio)


def resize_points_align_corners(xy: ArrayLike, source: Size, target: Size) -> FloatArray:
    """Follow points through an align-corners resize: ``x' = x * (W' - 1) / (W - 1)``.

    The centres of the corner pixels stay the centres of the corner pixels. A side of one
    pixel has only one centre, which stays 0.
    """
    points = as_points(xy)
    steps = np.maximum(np.asarray(source) - 1, 1)
    ratio = ((np.asarray(target) - 1) / steps).astype(points.dtype)
    return points * ratio


def flip_y(xy: ArrayLike, size: Size) -> FloatArray:
    """Raster coordinates with ``y`` down to ``y`` up and back (Nuke, Blender): ``H - y``."""
    points = as_points(xy).copy()
    points[..., 1] = points.dtype.type(size[1]) - points[..., 1]
    return points


def inside(xy: ArrayLike, size: Size) -> NDArray[np.bool_]:
    """Whether each point lies in the picture, edges included; ``(...,)``. NaN is outside."""
    points = as_points(xy)
    limit = _constants(points, size) - points.dtype.type(0.5)
    return np.all((points >= -0.5) & (points <= limit), axis=-1)
