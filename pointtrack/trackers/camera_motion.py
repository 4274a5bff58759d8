"""How the camera moved: the homography that most of the picture follows.

A homography is exact for a camera that turns, and for one plane otherwise; of the rest it is a good
guess. Corners are taken from the whole of the picture, as many from dark and plain places as from
bright ones, and flow between the frames says where they went.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size, resize_points

Array = NDArray[np.float32]

_SIDE = 192  # px: a square of this side has as many as the picture in which corners are sought
_AROUND = 9, 9  # px that say how bright it is in their middle, and how much there is to see
_NOISE = 3.0  # grey levels of noise
_CORNERS, _APART, _QUALITY, _WINDOW = 1000, 4, 0.001, 5  # as `cv2.goodFeaturesToTrack` has them
_CELLS, _IN_EACH = 8, 10  # the picture is cut up so often each way, with so many corners a piece
_ASTRAY = 1.5  # px by which flow there and back may miss where it began
_LEAST = 12  # corners
_NEAR = 2.0  # px from where the homography leads up to which a corner follows it
_TRIES = 1000


class CameraMotion:
    """The camera's motion to the newest of the frames that it is shown, from the one before.

    Attributes
    ----------
    share : float
        Of the corners that could be followed, how many go with the camera; 0 where nothing is
        known of its motion, and then it counts as standing still.
    """

    def __init__(self) -> None:
        self._corners = np.empty((0, 2), np.float32)
        self._matrix = np.eye(3)
        self.share = 0.0

    def see(self, frame: NDArray[np.uint8], flow: Array | None) -> None:
        """Take the next frame, ``(H, W, 3)`` RGB.

        ``flow (H, W, 4)`` is from the frame before to this one and back, as `FlowHints.latest`;
        None on the first frame.
        """
        corners, self._corners = self._corners, _corners(frame)
        self._matrix, self.share = np.eye(3), 0.0
        if flow is None:
            return
        before, after = _follow(flow, corners)
        if len(before) < _LEAST:
            return
        matrix, kept = cv2.findHomography(before, after, cv2.USAC_MAGSAC, _NEAR, maxIters=_TRIES)
        if matrix is not None:
            self._matrix, self.share = np.asarray(matrix, np.float64), float(kept.mean())

    def move(self, xy: Array) -> Array:
        """Where points ``(K, 2)`` px of the frame before are now, had they gone with the camera."""
        if len(xy) == 0:
            return xy
        moved = cv2.perspectiveTransform(np.asarray(xy, np.float64)[:, None], self._matrix)
        return np.asarray(moved[:, 0], np.float32)


def _corners(frame: NDArray[np.uint8]) -> Array:
    """Corners ``(K, 2)`` px of a frame, from everywhere."""
    height, width = frame.shape[:2]
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    scale = _SIDE / np.sqrt(height * width)
    small: Size = max(1, round(width * scale)), max(1, round(height * scale))
    reduced = cv2.resize(grey, small, interpolation=cv2.INTER_AREA)
    even = _even(np.asarray(reduced, np.uint8))
    found = cv2.goodFeaturesToTrack(even, _CORNERS, _QUALITY, _APART, blockSize=_WINDOW)
    if found is None:
        return np.empty((0, 2), np.float32)
    found = found[:, 0]  # the best come first
    cells = (found * _CELLS / np.array(small)).astype(int) @ [1, _CELLS]
    order = np.argsort(cells, kind="stable")
    sorted_cells = cells[order]
    rank = np.arange(len(cells)) - np.searchsorted(sorted_cells, sorted_cells)
    kept = found[np.sort(order[rank < _IN_EACH])]
    return resize_points(kept, small, (width, height)).astype(np.float32)


def _even(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture with as much to see in all places."""
    values = grey.astype(np.float32)
    values -= cv2.blur(values, _AROUND)
    # Sums that are carried along may come out a little below 0.
    spread = np.sqrt(np.maximum(cv2.blur(np.square(values), _AROUND), 0))
    return np.clip(128 + 40 * values / (spread + _NOISE), 0, 255).astype(np.uint8)


def _follow(flow: Array, xy: Array) -> tuple[Array, Array]:
    """Those of the points ``(K, 2)`` for which flow agrees with itself: before and after."""
    there = _read(flow, xy)[:, :2]
    after = xy + there
    back = _read(flow, after)[:, 2:]
    edge = np.array(flow.shape[1::-1]) - 1
    inside = ((after >= 0) & (after <= edge)).all(axis=1)
    kept = inside & (np.linalg.norm(there + back, axis=1) < _ASTRAY)
    return xy[kept], after[kept]


def _read(flow: Array, xy: Array) -> Array:
    """As `flow.bilinear` with its edge repeated, in a tenth of the time."""
    if len(xy) == 0:
        return np.empty((0, flow.shape[2]), np.float32)
    x, y = (np.ascontiguousarray(column[:, None], np.float32) for column in xy.T)
    values = cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values[:, 0], np.float32)
