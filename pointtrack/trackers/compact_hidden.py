"""Where hidden points are: they go on with the camera.

Optical flow under a hidden point is that of what hides it. So a point that went with the camera
while it was seen is taken to go with it, too, while it is not; then it is near where it comes back,
and looked for there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.networks.compact_state import SURE
from pointtrack.trackers.camera_motion import CameraMotion

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]

_WITH = 3.0  # px a frame beside the camera up to which a point goes with it
_MOST = 0.3  # share of the picture that has to go with the camera for its motion to be known
_LATEST = 0.3  # what the latest frame counts in how a point moves beside the camera
_SEEN = 0.5  # chance to be seen below which a point in doubt counts as hidden


class Hidden:
    """Where K rows of points would be had they gone on with the camera."""

    def __init__(self) -> None:
        self._camera = CameraMotion()
        self._xy = np.empty((0, 2), np.float32)  # on the newest frame, had it gone along
        self._beside = np.empty(0, np.float32)  # px a frame, of late; NaN: never seen twice
        self._sure = np.empty(0, bool)  # on the latest frame
        self._gone = np.empty(0, bool)  # not sure, and likelier hidden than seen

    def see(self, frame: NDArray[np.uint8], flow: Array | None) -> None:
        """As `CameraMotion.see`."""
        self._camera.see(frame, flow)
        self._xy = self._camera.move(self._xy)

    def add(self, xy: Array) -> None:
        """Take up rows at ``(K, 2)`` px of the newest frame."""
        count = len(xy)
        self._xy = np.concatenate([self._xy, np.asarray(xy, np.float32)])
        self._beside = np.concatenate([self._beside, np.full(count, np.nan, np.float32)])
        self._sure = np.concatenate([self._sure, np.ones(count, bool)])
        self._gone = np.concatenate([self._gone, np.zeros(count, bool)])

    def keep(self, rows: Flags) -> None:
        """Forget all rows but those of ``rows (K,)``."""
        self._xy, self._beside = self._xy[rows], self._beside[rows]
        self._sure, self._gone = self._sure[rows], self._gone[rows]

    def put(self, rows: NDArray[np.int64], xy: Array) -> None:
        """Rows were found at ``(R, 2)`` px of the newest frame."""
        self._xy[rows], self._sure[rows], self._gone[rows] = xy, True, False

    def lead(self) -> Array:
        """Where hidden rows are on the newest frame.

        Returns
        -------
        ndarray
            ``(K, 3)``: x and y in px, and 1 where this is known, else 0.
        """
        known = self._gone & ~(self._beside >= _WITH)  # those never seen twice, too
        if self._camera.share < _MOST:
            known[:] = False
        return np.column_stack([self._xy, known]).astype(np.float32)

    def learn(self, xy: Array, chances: Array) -> None:
        """What was found on the newest frame.

        Parameters
        ----------
        xy
            ``(K, 2)`` px.
        chances
            ``(K, 2)``: to be seen; and, if so, to be right.
        """
        sure = chances.prod(axis=1) > SURE
        beside = np.linalg.norm(xy - self._xy, axis=1)
        late = np.where(np.isnan(self._beside), beside, self._beside)
        late += _LATEST * (beside - late)
        self._beside = np.where(sure & self._sure, late, self._beside)
        self._xy = np.where(sure[:, None], xy, self._xy)
        self._sure, self._gone = sure, ~sure & (chances[:, 0] < _SEEN)
