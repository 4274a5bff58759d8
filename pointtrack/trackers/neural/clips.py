"""Networks that see a clip at once, over videos of any length and live.

Longer videos are cut into overlapping windows (`pointtrack.trackers.windowed`), of encoded
frames instead of pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from pointtrack.networks.blocks.estimates import joined as together
from pointtrack.queries import Queries, QueryLike
from pointtrack.trackers.base import Paths, Progress, Ticker
from pointtrack.trackers.neural.described import (
    Descriptors,
    FindingSession,
    Looks,
    chosen,
    describe,
)
from pointtrack.trackers.neural.features import Maps, joined
from pointtrack.trackers.neural.model import ClipModel, ClipRunner, DescribingRunner
from pointtrack.trackers.session import Estimate, Flags
from pointtrack.trackers.windowed import (
    ClipAnswer,
    WindowedClip,
    WindowedSession,
    WindowedTracker,
)
from pointtrack.trackers.windowed import joined as joined_paths
from pointtrack.video import Video, VideoLike
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
        self._runner = self._runner_of(model, device, memory, max(least, live))
        self._window = max(least, min(window, self._runner.shares.frames))

    def _runner_of(
        self, model: ClipModel, device: torch.device, memory: float, window: int
    ) -> ClipRunner:
        return ClipRunner(model, device, memory, window)

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


class DescribingTracker(ClipTracker):
    """Runs a `DescribingModel`: its sessions also take points by what they look like."""

    _runner: DescribingRunner

    def _runner_of(
        self, model: ClipModel, device: torch.device, memory: float, window: int
    ) -> ClipRunner:
        return DescribingRunner(model, device, memory, window)

    def session(self, keep: bool = False) -> DescribingSession:
        return DescribingSession(self._runner, self.card.name, self._live, keep)

    def describe(self, video: VideoLike, queries: QueryLike) -> Descriptors:
        """What points look like, for `DescribingSession.add_described` on another video.

        Parameters
        ----------
        video
            Anything `open_video` takes.
        queries
            As of `track`. Of a point with several observations the first one counts.

        Raises
        ------
        VideoError, QueryError
            When the video cannot be read or a query does not lie in it.
        """
        return describe(self._runner.describe, self.card.name, video, queries)


class DescribingSession(FindingSession, ClipSession):
    """Points known by what they look like are looked for in the last few frames, every time.

    Where a described point was asked for is nowhere: its row of the queries is NaN.
    """

    _runner: DescribingRunner

    def __init__(self, runner: DescribingRunner, name: str, live: int, keep: bool):
        ClipSession.__init__(self, runner, live, keep)
        self._described = []
        self._name = name
        self._looks: list[Looks] = []  # of the described points, in the order of their rows

    def _describes(self) -> tuple[str, int]:
        return self._name, self._runner.model.sizes

    def _meet(self, features: list[Looks]) -> Estimate:
        assert self.size is not None
        pairs = zip(self._looks, features, strict=True) if self._looks else None
        self._looks = list(features) if pairs is None else [together(pair) for pair in pairs]
        rows = np.full((len(features[0][0][0]), 3), np.nan, np.float32)
        self._asked = np.concatenate([self._asked, rows])
        found = self._runner.find(joined(list(self._frames)), features, self.size)
        return found[0][:, -1], found[1][:, -1], found[2][:, -1]

    def _keep(self, rows: Flags) -> None:
        kept = rows[np.isnan(self._asked[:, 0])]
        if kept.any():
            left = torch.from_numpy(np.flatnonzero(kept))
            self._looks = [chosen(looks, left) for looks in self._looks]
        else:
            self._looks = []
        super()._keep(rows)

    def _answer(self, txy: NDArray[np.float32]) -> ClipAnswer:
        if not self._looks:
            return super()._answer(txy)
        assert self.size is not None
        looked_for = np.isnan(txy[:, 0])
        found = self._runner.find(joined(list(self._frames)), self._looks, self.size)
        if looked_for.all():
            return found
        asked = super()._answer(txy[~looked_for])
        order = np.argsort(np.argsort(looked_for, kind="stable"))  # those asked for come first
        xy, visible, confidence = (
            np.concatenate(pair)[order] for pair in zip(asked, found, strict=True)
        )
        return xy, visible, confidence
