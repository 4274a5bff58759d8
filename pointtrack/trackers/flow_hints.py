"""Optical flow between neighbouring frames, as a hint for the compact network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.flow import DisFlow


class FlowHints:
    """Flow between the last two of the frames that it is shown."""

    def __init__(self) -> None:
        self._source = DisFlow("fine")
        self._frames: list[NDArray[np.uint8]] = []

    def see(self, frame: NDArray[np.uint8]) -> None:
        """Take the next frame, ``(H, W, 3)`` RGB, of the same size as the one before."""
        self._frames = [*self._frames[-1:], self._source.prepare(frame)]

    def latest(self) -> NDArray[np.float32]:
        """Flow between the last two frames, of which there must be two.

        Returns
        -------
        ndarray
            ``(H, W, 4)`` px: from the earlier frame to the later, and from the later to the
            earlier, (x, y, x, y).
        """
        earlier, later = self._frames
        flow = self._source.between(earlier, later)
        return np.concatenate([flow.forward, flow.backward], axis=2)


def video_flow(video: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`FlowHints` of a whole video ``(T, H, W, 3)``; ``(T - 1, H, W, 4)``."""
    hints = FlowHints()
    fields = np.zeros((max(0, len(video) - 1), *video.shape[1:3], 4), np.float32)
    for t, frame in enumerate(video):
        hints.see(np.ascontiguousarray(frame))
        if t:
            fields[t - 1] = hints.latest()
    return fields
