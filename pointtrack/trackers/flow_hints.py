"""Optical flow between neighbouring frames, as a hint for the compact network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.flow import DisFlow


class FlowHints:
    """Flow from each frame that is shown to the next, and back."""

    def __init__(self) -> None:
        self._source = DisFlow("fine")
        self._last: NDArray[np.uint8] | None = None

    def see(self, frame: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Flow between the frame shown before and this one; none before the first.

        Parameters
        ----------
        frame
            ``(H, W, 3)`` RGB, of the same size as the one before.

        Returns
        -------
        ndarray or None
            ``(H, W, 4)`` px: from the earlier frame to this one, and from this to the earlier,
            (x, y, x, y).
        """
        last, self._last = self._last, self._source.prepare(frame)
        if last is None:
            return None
        flow = self._source.between(last, self._last)
        return np.concatenate([flow.forward, flow.backward], axis=2)


def video_flow(video: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`FlowHints` of a whole video ``(T, H, W, 3)``; ``(T - 1, H, W, 4)``."""
    hints = FlowHints()
    fields = [hints.see(np.ascontiguousarray(frame)) for frame in video]
    none = np.zeros((0, *video.shape[1:3], 4), np.float32)
    return np.stack([field for field in fields if field is not None]) if len(video) > 1 else none
