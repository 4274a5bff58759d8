"""Moving pixels and points together: one matrix a frame, one interpolation.

Matrices are composed in raster coordinates, where a picture is ``[0, W] x [0, H]``: there a
mirror is ``W - x`` (``W - 1 - x`` in pixels) and a resize is a plain factor. A `Warp` holds
their product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size, inside, pixel_to_raster, raster_to_pixel
from pointtrack.training.sample import Take

Array = NDArray[np.float64]
Fill = Literal["black", "edge"]

_FLIPS = {(True, False): 1, (False, True): 0, (True, True): -1}  # OpenCV's codes
_LEAST_DEPTH = 1e-3  # of a perspective; nearer to its horizon, places mean nothing


def translation(x: float, y: float) -> Array:
    """Shift by (x, y)."""
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def scaling(x: float, y: float) -> Array:
    """Scale about the picture's corner."""
    return np.diag([x, y, 1.0])


def turning(degrees: float, centre: tuple[float, float]) -> Array:
    """Rotate about a centre."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    return translation(*centre) @ turn @ translation(-centre[0], -centre[1])


def mirror_x(size: Size) -> Array:
    """Left to right in a picture of this size."""
    return translation(size[0], 0) @ scaling(-1, 1)


def mirror_y(size: Size) -> Array:
    """Top to bottom in a picture of this size."""
    return translation(0, size[1]) @ scaling(1, -1)


def swapping() -> Array:
    """x to y and y to x."""
    return np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], np.float64)


@dataclass(frozen=True, eq=False)
class Warp:
    """Where the pixels of T frames go.

    Attributes
    ----------
    matrices
        ``(T, 3, 3)`` float64, in raster coordinates: from the source to the output.
    source, size
        (width, height) of the source and of the output.
    fill
        What is seen beyond the source's edges: black, or its edge goes on.
    border
        Width of a black border that the source gets first.
    shift
        ``(T, 2)`` whole pixels by which each frame with its border is shifted; what leaves it
        on one side comes back on the other. None: not at all.
    """

    matrices: Array
    source: Size
    size: Size
    fill: Fill = "edge"
    border: int = 0
    shift: NDArray[np.int64] | None = None

    def points(self, xy: NDArray[np.floating[Any]]) -> tuple[Array, NDArray[np.bool_]]:
        """Where points ``(N, T, 2)`` in pixels go, and whether they go anywhere, ``(N, T)``."""
        places = pixel_to_raster(np.asarray(xy, np.float64))
        if self.shift is not None:
            around = np.asarray(self.source) + 2 * self.border
            with np.errstate(invalid="ignore"):
                places = np.mod(places + self.shift + self.border, around) - self.border
        ones = np.ones((*places.shape[:2], 1))
        moved = np.einsum("tij,ntj->nti", self.matrices, np.concatenate([places, ones], axis=2))
        with np.errstate(divide="ignore", invalid="ignore"):
            out = np.asarray(raster_to_pixel(moved[..., :2] / moved[..., 2:]), np.float64)
            ahead = (moved[..., 2] > _LEAST_DEPTH) & np.isfinite(out).all(axis=2)
        return out, np.asarray(ahead)

    def frames(self, video: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The pixels of ``(T, H, W, 3)`` uint8, moved."""
        if (mirrored := self._only_resized()) is not None:
            return _resized(video, self.size, mirrored)
        width, height = self.size
        out = np.empty((len(video), height, width, 3), np.uint8)
        shrunk = self._shrinking()
        first = np.linalg.inv(scaling(1 / shrunk[0], 1 / shrunk[1]))
        edge = cv2.BORDER_CONSTANT if self.fill == "black" else cv2.BORDER_REPLICATE
        for t, frame in enumerate(video):
            matrix = self.matrices[t]
            if self.shift is not None:
                frame = self._rolled(frame, self.shift[t])
                matrix = matrix @ translation(-self.border, -self.border)
            if shrunk != (1, 1):
                frame = _shrink(frame, shrunk)
            cv2.warpPerspective(
                frame, _in_pixels(matrix @ first), self.size, out[t],
                flags=cv2.INTER_LINEAR, borderMode=edge,
            )  # fmt: skip
        return out

    def _only_resized(self) -> tuple[bool, bool] | None:
        """Where the whole picture becomes the whole output: whether x and y are mirrored."""
        if self.shift is not None:
            return None
        ratio = np.asarray(self.size) / self.source
        for mirrored in ((False, False), (True, False), (False, True), (True, True)):
            whole = scaling(*ratio)
            whole = mirror_x(self.size) @ whole if mirrored[0] else whole
            whole = mirror_y(self.size) @ whole if mirrored[1] else whole
            if np.allclose(self.matrices, whole, rtol=0, atol=1e-9):
                return mirrored
        return None

    def _shrinking(self) -> tuple[int, int]:
        """Whole factors by which to average pixels first, so that a small output has no moire."""
        x, y = (float(np.median(np.hypot(*self.matrices[:, :2, i].T))) for i in range(2))
        return max(int(1 / max(x, 1e-6)), 1), max(int(1 / max(y, 1e-6)), 1)

    def _rolled(self, frame: NDArray[np.uint8], shift: NDArray[np.int64]) -> NDArray[np.uint8]:
        wide = np.pad(frame, ((self.border, self.border), (self.border, self.border), (0, 0)))
        return np.roll(wide, (int(shift[1]), int(shift[0])), axis=(0, 1))


def warp_take(take: Take, warp: Warp, border: float = 0.0) -> Take:
    """Move a take's pixels and points; the one place where visibility follows from geometry.

    A point stays visible if it was visible inside the source and is inside the output, at
    least `border` pixels from its outer edge. A point that goes nowhere is no longer valid.
    """
    xy, somewhere = warp.points(take.xy)
    valid = take.valid & somewhere
    seen = take.visible & valid & inside(take.xy, take.size) & well_inside(xy, warp.size, border)
    places = np.where(valid[..., None], xy, np.nan).astype(np.float32)
    return replace(take, video=warp.frames(take.video), xy=places, visible=seen, valid=valid)


def well_inside(
    xy: NDArray[np.floating[Any]], size: Size, border: float = 0.0
) -> NDArray[np.bool_]:
    """Whether points are in the picture and at least so many pixels from its outer edge."""
    if border == 0:
        return inside(xy, size)
    low, high = pixel_to_raster(xy) - border, np.asarray(size) - border - pixel_to_raster(xy)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.minimum(low, high).min(axis=-1) >= 0)


def _in_pixels(matrix: Array) -> Array:
    """A matrix of raster coordinates as one of pixel coordinates."""
    half = float(pixel_to_raster(np.zeros(2))[0])
    return translation(-half, -half) @ matrix @ translation(half, half)


def _resized(
    video: NDArray[np.uint8], size: Size, mirrored: tuple[bool, bool]
) -> NDArray[np.uint8]:
    """The quick way, where nothing else happens; OpenCV counts half pixels as we do."""
    height, width = video.shape[1:3]
    if (width, height) == size and not any(mirrored):
        return video
    shrinks = size[0] <= width and size[1] <= height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    out = np.empty((len(video), size[1], size[0], 3), np.uint8)
    for t, frame in enumerate(video):
        if (width, height) != size:
            frame = np.asarray(cv2.resize(frame, size, interpolation=method), np.uint8)
        out[t] = cv2.flip(frame, _FLIPS[mirrored]) if any(mirrored) else frame
    return out


def _shrink(frame: NDArray[np.uint8], by: tuple[int, int]) -> NDArray[np.uint8]:
    """Average blocks of pixels; rows and columns that fill no block are left out."""
    width, height = frame.shape[1] // by[0], frame.shape[0] // by[1]
    whole = frame[: height * by[1], : width * by[0]]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
