"""Networks that see a clip at once, over videos of any length and live.

Longer videos are cut into overlapping windows (`pointtrack.trackers.windowed`), of encoded
frames instead of pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths, Progress, Ticker
from pointtrack.trackers.neural.features import Maps, joined
from pointtrack.trackers.neural.model import ClipModel, ClipRunner
from pointtrack.trackers.windowed import (
    ClipAnswer,
    WindowedClip,
    WindowedSession,
    WindowedTracker,
)
from pointtrack.trackers.windowed import joined as joined_paths
from pointtrack.video import Video
from pointtrack.weights import ModelCard


class ClipTracker(WindowedTracker):
    """Runs a `ClipModel`.

    Parameters
    ----------
    card
        Its card.
    model
        The network.
    device
        Where it is.
    memory
        As of `parse_memory`.
    window, overlap, live
        As of `WindowedTracker`; a window is shorter where its features do not fit into the
        memory.
    """

    def __init__(
        self,
        card: ModelCard,
        model: ClipModel,
        device: torch.device,
        memory: float,
        window: int,
        overlap: int,
        live: int,
    ):
        super().__init__(card, self, window, overlap, live)
        least = min(window, overlap + 16)
        self._runner = ClipRunner(model, device, memory, max(least, live))
        self._window = max(least, min(window, self._runner.shares.frames))

    def session(self, keep: bool = False) -> ClipSession:
        return ClipSession(self._runner, self._live, keep)

    def track_clip(self, frames: NDArray[np.uint8], txy: NDArray[np.float32]) -> ClipAnswer:
        """Follow points through a clip; see `ClipMethod`."""
        size = (frames.shape[2], frames.shape[1])
        maps = joined(
            [
                self._runner.encode(list(frames[first : first + self._runner.shares.encoded]))
                for first in range(0, len(frames), self._runner.shares.encoded)
            ]
        )
        return self._runner.track(maps, txy, size)

    def _clip(self, video: Video, tick: Callable[[int], None] | None = None) -> WindowedClip:
        def track(maps: Maps, txy: NDArray[np.float32]) -> ClipAnswer:
            return self._runner.track(maps, txy, video.size)

        return WindowedClip(self._runner.features(video, tick=tick).read, track)

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        if len(video) > self._window:
            return super()._paths(video, queries, both_ways, progress)
        # One answer for the frames before a query and after it.
        tick = Ticker(progress, 2 * len(video))
        clip = self._clip(video, tick)
        maps = clip.read(range(len(video)))
        found = Paths(*clip.track(maps, queries.txy))
        tick(len(video))
        return joined_paths(found, found, queries, both_ways)


class ClipSession(WindowedSession):
    """Asks the network at every frame about the last few, each of which is encoded once."""

    def __init__(self, runner: ClipRunner, live: int, keep: bool):
        super().__init__(self, live, keep)
        self._runner = runner

    def track_clip(self, frames: NDArray[np.uint8], txy: NDArray[np.float32]) -> ClipAnswer:
        """Not needed: what is kept are features."""
        raise NotImplementedError

    def _see(self, frame: NDArray[np.uint8]) -> Maps | NDArray[np.uint8]:
        return frame.copy() if self._runner.model.reach else self._runner.encode([frame])

    def _answer(self, txy: NDArray[np.float32]) -> ClipAnswer:
        assert self.size is not None
        held = list(self._frames)
        # Where features depend on the frames around, those of the newest frame are not settled.
        maps = self._runner.encode(held) if self._runner.model.reach else joined(held)
        return self._runner.track(maps, txy, self.size)
