"""TAPTR's sliding windows over videos of any length, and live.

A window begins every four frames, counted from the video's first (or, backwards, its last), and
the last one ends with the video. Windows in which there is nothing to track are left out. Live,
every frame is taken for the last one so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.networks.taptr import State
from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths, Progress, Ticker, Tracker
from pointtrack.trackers.neural.cotracker_models import appended, chosen
from pointtrack.trackers.neural.features import FrameFeatures, Maps, joined
from pointtrack.trackers.neural.model import Answer, Runner
from pointtrack.trackers.neural.sweeps import plan_sweeps
from pointtrack.trackers.neural.taptr_model import TaptrModel
from pointtrack.trackers.session import Estimate, Flags, Points, Session
from pointtrack.trackers.windowed import joined as joined_paths
from pointtrack.video import Video
from pointtrack.weights import ModelCard


class TaptrRunner(Runner):
    """The network on its device."""

    model: TaptrModel

    @torch.inference_mode()
    def begin(self, queries: Tensor, start: int = 0) -> State:
        """What is known of points before a window."""
        return self.model.begin(queries, start)

    @torch.inference_mode()
    def advance(
        self, state: State, maps: Maps, start: int, hand_on: bool = True
    ) -> tuple[Answer, State]:
        """Track through a window."""
        return self.model.advance(state, maps, start, hand_on)


class TaptrTracker(Tracker):
    """Runs a `TaptrModel`.

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
    published
        Support points begin with the video and not with the first query; where the frames before
        queries are asked for too, points of different frames are tracked apart, each with support
        points of its own, all of which begin with them.
    """

    def __init__(
        self,
        card: ModelCard,
        model: TaptrModel,
        device: torch.device,
        memory: float,
        published: bool,
    ):
        self.card = card
        self._runner = TaptrRunner(model, device, memory, 2 * model.window)
        self._published = published

    def session(self, keep: bool = False) -> TaptrSession:
        return TaptrSession(self._runner, keep)

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        ahead, back, needed = plan_sweeps(queries, len(video), both_ways, warm_up=True)
        # Features are kept only where they are needed twice.
        features = self._runner.features(video, None if back else self._runner.model.window)
        tick = Ticker(progress, len(ahead) + len(back))
        paths = [Paths.empty(len(queries.t), len(video)) for _ in range(2)]
        for order, which, found in ((ahead, needed | True, paths[0]), (back, needed, paths[1])):
            if order:
                rows = np.flatnonzero(which)
                groups = list(self._groups(rows, queries, order, video, both_ways))
                self._sweep(features, video, order, groups, found, tick)
        return joined_paths(paths[0], paths[1], queries, both_ways)

    def _groups(
        self, rows: NDArray[np.int64], queries: Queries, order: range, video: Video, both_ways: bool
    ) -> Iterator[_Group]:
        """Points that are tracked together."""
        frames = np.abs(queries.t - order.start)  # counted along the way
        apart = self._published and both_ways
        kinds = [rows]
        if apart:
            kinds = [rows[frames[rows] == frame] for frame in np.unique(frames[rows])]
        for kind in kinds:
            count = self._runner.groups(len(kind), self._runner.model.window)
            for part in np.array_split(kind, count):
                asked = np.column_stack([frames[part], queries.xy[part]]).astype(np.float32)
                wanted = self._runner.queries(asked, video.size)
                earliest = int(frames[part].min())
                first = 0 if self._published and not apart else earliest
                last = earliest if apart else len(order) - 1
                support = self._runner.model.support(wanted, first, last)
                state = self._runner.begin(torch.cat([wanted, support]))
                yield _Group(part, frames[part], state)

    def _sweep(
        self,
        features: FrameFeatures,
        video: Video,
        order: range,
        groups: list[_Group],
        paths: Paths,
        tick: Ticker,
    ) -> None:
        """Go through the frames of ``order``; one row of ``paths`` an observation."""
        model, gap = self._runner.model, self._runner.model.gap(len(order))
        earliest = min(group.earliest for group in groups)
        maps: Maps = []
        held = seen = done = 0  # maps are of frames from `held` to `seen`
        for number, start in enumerate(model.starts(len(order))):
            end = min(start + model.window, len(order))
            if start + model.window > earliest + 1:  # else nothing moves yet
                new = _read(features, order[max(start, seen) : end])
                if maps:
                    maps = joined([[level[start - held :] for level in maps], new])
                else:
                    maps = new
                held, seen = start, end
                for group in groups:
                    hand_on = number % gap == 0
                    self._window(group, maps, start, order[start:end], hand_on, video, paths)
            tick(end - done)
            done = end

    def _window(
        self,
        group: _Group,
        maps: Maps,
        start: int,
        span: range,
        hand_on: bool,
        video: Video,
        paths: Paths,
    ) -> None:
        """Track a group through the frames of ``span``, which may run backwards."""
        if start + self._runner.model.window <= group.earliest + 1:
            return
        found, group.state = self._runner.advance(group.state, maps, start, hand_on)
        own = Answer(*(value[: len(group.rows), : len(span)] for value in found))
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
    frame: NDArray[np.int64]
    state: State

    @property
    def earliest(self) -> int:
        """The first frame of all, those of support points too."""
        return int(self.state.frame.min())


def _read(features: FrameFeatures, span: range) -> Maps:
    if span.step > 0:
        return features.read(span)
    return [level.flip(0) for level in features.read(range(span[-1], span[0] + 1))]


class TaptrSession(Session):
    """At every frame, tracks through the window that ends with it.

    That is what a video's last window is, so the answer is what it would be if the video ended
    here. Every fourth window is one of those that all later ones build on.
    """

    def __init__(self, runner: TaptrRunner, keep: bool):
        super().__init__(keep)
        self._runner = runner
        self._maps: list[Maps] = []  # of the newest frames, a window at most
        self._state: State | None = None  # after the last window that others build on
        self._after: State | None = None  # after the newest window, where that is one of them

    @property
    def _window_start(self) -> int:
        return max(0, self.frame + 1 - self._runner.model.window)

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._maps.append(self._runner.encode([frame]))

    def _begin(self, xy: Points) -> None:
        if len(xy) == 0:
            return
        assert self.size is not None
        asked = np.column_stack([np.full(len(xy), self.frame, np.float32), xy])
        step = self._runner.model.step
        start = self._window_start // step * step if self._state is None else self._state.start
        fresh = self._runner.begin(self._runner.queries(asked, self.size), start)
        self._state = fresh if self._state is None else appended(self._state, fresh)
        self._after = None

    def _keep(self, rows: Flags) -> None:
        if self._state is None:
            return
        if not rows.any():
            self._state = self._after = None
            return
        kept = torch.from_numpy(np.flatnonzero(rows)).to(self._runner.device)
        self._state = chosen(self._state, kept)
        self._after = None if self._after is None else chosen(self._after, kept)

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        window = self._runner.model.window
        if len(self._maps) == window:
            self._settle()
            self._maps = self._maps[1:]
        self._maps.append(self._runner.encode([frame]))
        if self._state is None:
            return self._now
        assert self.size is not None
        found, self._after = self._track(self._state, self._window_start)
        here = len(self._maps) - 1
        now = Answer(*(value[:, here : here + 1] for value in found))
        xy, visible, confidence = self._runner.answer(now, self.size)
        return xy[:, 0], visible[:, 0], confidence[:, 0]

    def _track(self, state: State, start: int) -> tuple[Answer, State]:
        model = self._runner.model
        hand_on = start // model.step % model.gap(model.window) == 0
        return self._runner.advance(state, joined(self._maps), start, hand_on)

    def _settle(self) -> None:
        """Let later windows build on the one before this frame, if it is one of those."""
        start = self.frame - self._runner.model.window
        if self._state is None or start % self._runner.model.step:
            return
        if self._after is None:  # points have been added since
            _, self._after = self._track(self._state, start)
        self._state, self._after = self._after, None
