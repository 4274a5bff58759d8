"""Networks that go through a video in windows: over videos of any length, and live.

Whatever the video's length, only one window's features are held, and per point what the
network itself hands on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths, Progress, Ticker, Tracker
from pointtrack.trackers.neural.cotracker_models import WindowModel, appended, chosen
from pointtrack.trackers.neural.features import FrameFeatures, Maps, joined
from pointtrack.trackers.neural.model import Answer, Runner
from pointtrack.trackers.neural.sweeps import plan_sweeps
from pointtrack.trackers.session import Estimate, Flags, Points, Session
from pointtrack.trackers.windowed import joined as joined_paths
from pointtrack.video import Video
from pointtrack.weights import ModelCard


class WindowRunner(Runner):
    """For networks with a state."""

    model: WindowModel

    @torch.inference_mode()
    def begin(self, queries: Tensor, start: int = 0) -> Any:
        """What is known of points before a window."""
        return self.model.begin(queries, start)

    @torch.inference_mode()
    def advance(self, state: Any, maps: Maps) -> tuple[Answer, Any]:
        """Track through a window."""
        return self.model.advance(state, maps)


class StreamTracker(Tracker):
    """Runs a `WindowModel`.

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
        Begin at the video's first frame, even where no point is asked for yet.
    """

    def __init__(
        self,
        card: ModelCard,
        model: WindowModel,
        device: torch.device,
        memory: float,
        warm_up: bool,
    ):
        self.card = card
        self._runner = WindowRunner(model, device, memory, 2 * model.window)
        self._warm_up = warm_up

    def session(self, keep: bool = False) -> StreamSession:
        return StreamSession(self._runner, keep)

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        t, frames = queries.t, len(video)
        ahead, back, needed = plan_sweeps(queries, frames, both_ways, self._warm_up)
        # Features are kept only where they are needed twice.
        features = self._runner.features(video, None if back else self._runner.model.window)
        tick = Ticker(progress, len(ahead) + len(back))
        rows = np.arange(len(t))
        there = Paths.empty(len(t), frames)
        self._sweep(features, video, ahead, queries, rows, there, tick)
        before = None
        if back:
            before = Paths.empty(len(t), frames)
            self._sweep(features, video, back, queries, rows[needed], before, tick)
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
        model = self._runner.model
        away = np.abs(queries.t[rows] - order.start).astype(np.float32)  # frames from its start
        asked = np.column_stack([away, queries.xy[rows]])
        # Points that have support of their own do not see each other.
        count = self._runner.groups(len(rows), model.window) if model.joint else len(rows)
        groups = [
            self._group(rows[part], asked[part], video)
            for part in np.array_split(np.arange(len(rows)), count)
        ]
        kept: Maps = []
        begin = start = 0
        for end in _ends(len(order), model.window, model.step):
            new = _read(features, order[begin:end])
            maps = joined([kept, new]) if kept else new
            for group in groups:
                self._window(group, maps, order[start:end], video, paths)
            kept = [level[model.step :] for level in maps]
            tick(end - begin)
            begin, start = end, start + model.step

    def _group(self, rows: NDArray[np.int64], asked: NDArray[np.float32], video: Video) -> _Group:
        queries = self._runner.queries(asked, video.size)
        support = self._runner.model.support(queries)
        at_first = torch.cat([support.new_zeros(len(support), 1), support], dim=1)
        state = self._runner.begin(torch.cat([queries, at_first]))
        return _Group(rows, asked[:, 0], state)

    def _window(self, group: _Group, maps: Maps, span: range, video: Video, paths: Paths) -> None:
        """Track a group through the frames of ``span``, which may run backwards."""
        start = group.state.start
        found, group.state = self._runner.advance(group.state, maps)
        own = Answer(*(value[: len(group.rows)] for value in found))
        xy, visible, confidence = self._runner.answer(own, video.size)
        time = np.arange(start, start + len(span))
        row, at = np.nonzero(time >= group.frame[:, None])
        where = group.rows[row], np.asarray(span)[at]
        paths.xy[where], paths.visible[where] = xy[row, at], visible[row, at]
        paths.confidence[where] = confidence[row, at]


@dataclass
class _Group:
    """Points that are tracked together: their rows, the frames they begin at, their state."""

    rows: NDArray[np.int64]
    frame: NDArray[np.float32]
    state: Any


def _ends(frames: int, window: int, step: int) -> list[int]:
    """Where the new frames of each window end."""
    return [*range(window, frames, step), frames]


def _read(features: FrameFeatures, span: range) -> Maps:
    if span.step > 0:
        return features.read(span)
    return [level.flip(0) for level in features.read(range(span[-1], span[0] + 1))]


@dataclass
class _Window:
    """The frames of a session's window: what is seen so far, and what was known before."""

    start: int = 0
    maps: list[Maps] = field(default_factory=list)
    state: Any = None  # of all points, in the order of their rows; None while there are none
    after: Any = None  # the same for the next window, once this one has been tracked through


class StreamSession(Session):
    """Tracks through the window that ends with the newest frame, at every frame.

    A window that is not full yet is filled up with its newest frame, as the networks do at the
    end of a video; when it is full, its answer is what the next one builds on.
    """

    def __init__(self, runner: WindowRunner, keep: bool):
        super().__init__(keep)
        self._runner = runner
        self._window = _Window()

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._window.maps.append(self._runner.encode([frame]))

    def _begin(self, xy: Points) -> None:
        if len(xy) == 0:
            return
        assert self.size is not None
        asked = np.column_stack([np.full(len(xy), self.frame, np.float32), xy])
        fresh = self._runner.begin(self._runner.queries(asked, self.size), self._window.start)
        state = self._window.state
        self._window.state = fresh if state is None else appended(state, fresh)
        self._window.after = None

    def _keep(self, rows: Flags) -> None:
        window = self._window
        if window.state is None:
            return
        if not rows.any():
            window.state = window.after = None
            return
        kept = torch.from_numpy(np.flatnonzero(rows)).to(self._runner.device)
        window.state = chosen(window.state, kept)
        window.after = None if window.after is None else chosen(window.after, kept)

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        model, window = self._runner.model, self._window
        if len(window.maps) == model.window:
            self._settle()
        window.maps.append(self._runner.encode([frame]))
        if window.state is None:
            return self._now
        assert self.size is not None
        found, after = self._runner.advance(window.state, joined(window.maps))
        window.after = after if len(window.maps) == model.window else None
        now = Answer(*(value[:, -1:] for value in found))
        xy, visible, confidence = self._runner.answer(now, self.size)
        return xy[:, 0], visible[:, 0], confidence[:, 0]

    def _settle(self) -> None:
        """Go over to the next window: this one's points are handed on, and its last frames."""
        model, window = self._runner.model, self._window
        if window.state is not None:
            if window.after is None:  # points have been added since
                _, window.after = self._runner.advance(window.state, joined(window.maps))
            window.state, window.after = window.after, None
        window.maps = window.maps[model.step :]
        window.start += model.step
