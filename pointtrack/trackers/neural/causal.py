"""Causal TAPIR: frame by frame, by the network's own memory of every point."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pointtrack.geometry import Size
from pointtrack.networks.blocks.estimates import joined, of_points
from pointtrack.networks.blocks.mixer import MixerState
from pointtrack.networks.tapir import Features, Tapir
from pointtrack.queries import Queries, QueryLike
from pointtrack.trackers.base import Paths, Progress, Ticker, Tracker
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.described import Descriptors, FindingSession, describe
from pointtrack.trackers.neural.features import FrameFeatures, Maps
from pointtrack.trackers.neural.matching_models import TapirModel, certain, tapir_need
from pointtrack.trackers.neural.model import Runner, floats
from pointtrack.trackers.neural.sweeps import plan_sweeps
from pointtrack.trackers.session import Estimate, Flags, Points
from pointtrack.trackers.windowed import joined as joined_paths
from pointtrack.video import Video, VideoLike
from pointtrack.weights import ModelCard

_REMEMBERED = 2 * 12 * 2 * 512  # numbers a point and iteration


class Followed:
    """Points of one video: what they look like, and the network's memory of them."""

    def __init__(self) -> None:
        self.points: list[Features] = []  # a level: (1, N, C)
        self.states: list[MixerState] = []  # an iteration

    def append(self, points: list[Features], states: list[MixerState]) -> None:
        """Take up more points."""
        if self.points:
            points = [joined(pair) for pair in zip(self.points, points, strict=True)]
            states = [joined(pair, 2) for pair in zip(self.states, states, strict=True)]
        self.points, self.states = points, states

    def keep(self, rows: torch.Tensor) -> None:
        """Forget all points but these."""
        if self.points:
            picked: Any = rows
            self.points = [of_points(part, picked) for part in self.points]
            self.states = [of_points(part, picked, 2) for part in self.states]


class CausalModel(TapirModel):
    """Causal TAPIR and causal BootsTAPIR."""

    network: Tapir

    def need(self) -> Need:
        seen = tapir_need(self.convention.size, self._levels)
        remembered = floats(_REMEMBERED * self.network.iterations * len(self._levels))
        return Need(seen.frame, seen.encoding, 2 * remembered, seen.least)

    def unknown(self, count: int) -> list[MixerState]:
        """What is remembered of points that have just been added."""
        return self.network.first_states(1, count, len(self._levels))

    def step(self, maps: Maps, followed: Followed) -> Any:
        """Follow points onto one frame; ``(N, 1, ...)``."""
        found, followed.states = self.network.step(
            self.seen(maps),
            followed.points,
            followed.states,
            self._size,
            overwrite=not torch.compiler.is_compiling(),  # an exported step changes no input
        )
        return certain(found, self._threshold)


class CausalRunner(Runner):
    """The network on its device."""

    model: CausalModel

    @torch.inference_mode()
    def begin(self, followed: Followed, maps: Maps, txy: NDArray[np.float32], size: Size) -> None:
        """Take up points by what they look like in a frame."""
        here = txy * np.array([0, 1, 1], np.float32)  # in the one frame that the maps are of
        points = self.model.describe(maps, self.queries(here, size))
        followed.append(points, self.model.unknown(len(txy)))

    @torch.inference_mode()
    def meet(self, followed: Followed, points: list[Features]) -> None:
        """Take up points by what they look like."""
        followed.append(points, self.model.unknown(points[0].fine.shape[1]))

    @torch.inference_mode()
    def step(self, maps: Maps, followed: Followed, size: Size) -> Estimate:
        """Follow points onto a frame."""
        xy, visible, confidence = self.answer(self.model.step(maps, followed), size)
        return xy[:, 0], visible[:, 0], confidence[:, 0]

    @torch.inference_mode()
    def keep(self, followed: Followed, rows: NDArray[np.int64]) -> None:
        """Forget all points but these."""
        followed.keep(torch.from_numpy(rows).to(self.device))


class CausalTracker(Tracker):
    """Runs a `CausalModel`.

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
    warm_up
        Look for a point from the video's first frame on, though it is only asked for later, as
        the published numbers do. The network then has seen its surroundings.
    """

    def __init__(
        self,
        card: ModelCard,
        model: CausalModel,
        device: torch.device,
        memory: float,
        warm_up: bool,
    ):
        self.card = card
        self._runner = CausalRunner(model, device, memory, 1)
        self._warm_up = warm_up

    def session(self, keep: bool = False) -> CausalSession:
        return CausalSession(self._runner, keep)

    def describe(self, video: VideoLike, queries: QueryLike) -> Descriptors:
        """What points look like, for `CausalSession.add_described` on another video.

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

        def look(frame: NDArray[np.uint8], txy: NDArray[np.float32], size: Size) -> list[Features]:
            followed = Followed()
            self._runner.begin(followed, self._runner.encode([frame]), txy, size)
            return followed.points

        return describe(look, self.card.name, video, queries)

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        t, frames = queries.t, len(video)
        ahead, back, needed = plan_sweeps(queries, frames, both_ways, self._warm_up)
        twice = bool(back) or self._warm_up or len(t) > self._runner.shares.points_frames
        features = self._runner.features(video, None if twice else 1)
        parts = np.array_split(np.arange(len(t)), -(-len(t) // self._runner.shares.points_frames))
        tick = Ticker(progress, len(parts) * (len(ahead) + len(back)))
        there = Paths.empty(len(t), frames)
        before = Paths.empty(len(t), frames) if back else None
        for part in parts:
            self._sweep(features, video, ahead, queries, part, there, tick)
            if before is not None:
                self._sweep(features, video, back, queries, part[needed[part]], before, tick)
        return joined_paths(there, before, queries, both_ways)

    def _sweep(
        self,
        features: FrameFeatures,
        video: Video,
        order: range,
        queries: Queries,
        rows: NDArray[np.int64],
        paths: Paths,
        tick: Ticker,
    ) -> None:
        """Go through the frames of ``order``; one row of ``paths`` an observation."""
        followed, known = Followed(), np.zeros(0, np.int64)
        arriving = {int(t): rows[queries.t[rows] == t] for t in np.unique(queries.t[rows])}
        if self._warm_up:
            for t, fresh in arriving.items():
                known = self._take_up(followed, features, video, queries, t, known, fresh)
        for t in order:
            if not self._warm_up and t in arriving:
                known = self._take_up(followed, features, video, queries, t, known, arriving[t])
            if len(known):
                maps = features.read(range(t, t + 1))
                found = self._runner.step(maps, followed, video.size)
                late = order.step * (t - queries.t[known]) >= 0
                paths.xy[known[late], t] = found[0][late]
                paths.visible[known[late], t] = found[1][late]
                paths.confidence[known[late], t] = found[2][late]
            tick()

    def _take_up(
        self,
        followed: Followed,
        features: FrameFeatures,
        video: Video,
        queries: Queries,
        t: int,
        known: NDArray[np.int64],
        fresh: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        asked = queries.txy[fresh].astype(np.float32)
        self._runner.begin(followed, features.read(range(t, t + 1)), asked, video.size)
        return np.concatenate([known, fresh])


class CausalSession(FindingSession):
    """Holds the features of the newest frame, and the network's memory of every point."""

    def __init__(self, runner: CausalRunner, keep: bool):
        super().__init__(keep)
        self._runner = runner
        self._followed = Followed()
        self._maps: Maps = []

    def _describes(self) -> tuple[str, int]:
        return self._runner.model.name, self._runner.model.sizes

    def _meet(self, features: list[Features]) -> Estimate:
        assert self.size is not None
        fresh = Followed()
        self._runner.meet(fresh, features)
        found = self._runner.step(self._maps, fresh, self.size)
        self._followed.append(fresh.points, fresh.states)
        return found

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._maps = self._runner.encode([frame])

    def _begin(self, xy: Points) -> None:
        if len(xy) == 0:
            return
        assert self.size is not None
        asked = np.column_stack([np.zeros(len(xy), np.float32), xy])
        fresh = Followed()
        self._runner.begin(fresh, self._maps, asked, self.size)
        # The frame a point is added on is the first that the network remembers of it.
        self._runner.step(self._maps, fresh, self.size)
        self._followed.append(fresh.points, fresh.states)

    def _keep(self, rows: Flags) -> None:
        if rows.any():
            self._runner.keep(self._followed, np.flatnonzero(rows))
        else:
            self._followed = Followed()

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        self._maps = self._runner.encode([frame])
        if not self._followed.points:
            return self._now
        assert self.size is not None
        return self._runner.step(self._maps, self._followed, self.size)
