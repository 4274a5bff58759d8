"""Networks that take one frame after the other and remember what they have seen.

Points that a network follows together are a *stream*, with one memory. Where points see each
other, one that comes later would change the tracks of those that are there already. So there are
two ways for it to come in:

``"apart"``: it begins a stream of its own, as if the video began there. This is how the networks
are published; every frame on which points come in costs one more stream.

``"beside"``: it is a guest of the first stream: it sees what that sees, and is seen by nobody but
those that came with it. This costs next to nothing, and no published number was taken so.

Either way nobody's track changes when a point comes, goes or is corrected; a point that goes
stays in the network's memory, unseen by the caller, as long as others there may look at it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.geometry import Size
from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths, Progress, Ticker, Tracker
from pointtrack.trackers.neural.features import FrameFeatures, Maps
from pointtrack.trackers.neural.model import Answer, Model, Runner
from pointtrack.trackers.neural.sweeps import plan_sweeps
from pointtrack.trackers.session import Estimate, Flags, Points, Session
from pointtrack.trackers.windowed import joined as joined_paths
from pointtrack.video import Video
from pointtrack.weights import ModelCard

Joining = Literal["apart", "beside"]
Rows = NDArray[np.int64]

_NOBODY = -1  # in place of a caller's row: a supporting point, or one that has gone


class RecurrentModel(Model):
    """A network that is fed frame by frame.

    A state is one stream's, and is never changed in place: the one before a frame stays good.
    Its points are numbered in the order in which they came.

    Attributes
    ----------
    overhead
        What a stream takes whatever its points: as much memory as so many points.
    """

    joint = True
    overhead: int = 0

    @abstractmethod
    def begin(self, queries: Tensor) -> Any:
        """A stream of ``queries (N, 3)``: t in frames from the stream's first, x, y."""

    @abstractmethod
    def join(self, state: Any, queries: Tensor) -> Any:
        """Take up guests, ``queries (K, 3)`` with t = 0: they are on the next frame."""

    @abstractmethod
    def leave(self, state: Any, rows: Tensor) -> Any:
        """Forget all points but those numbered ``rows``: all of those that joined together."""

    @abstractmethod
    def step(self, state: Any, maps: Maps) -> tuple[Answer, Any]:
        """Follow a stream's N points onto its next frame, ``maps (1, ...)``.

        The answer is ``(N, 1, ...)``; of points that are not asked for yet it may be anything.
        """

    def support(self, queries: Tensor, video: Size, guests: bool) -> Tensor:
        """Further points ``(S, 3)`` that help ``queries (N, 3)`` and are not reported.

        ``video`` is the video's size, ``guests`` whether these points join others.
        """
        return queries[:0]


class RecurrentRunner(Runner):
    """The network on its device."""

    model: RecurrentModel

    @torch.inference_mode()
    def begin(self, asked: NDArray[np.float32], size: Size) -> tuple[Any, int]:
        """A stream of ``asked (N, 3)`` in pixels of the video, and how many points support it."""
        queries, support = self._with_support(asked, size, False)
        return self.model.begin(torch.cat([queries, support])), len(support)

    @torch.inference_mode()
    def join(self, state: Any, asked: NDArray[np.float32], size: Size) -> tuple[Any, int]:
        """The stream with guests, and how many points support them."""
        queries, support = self._with_support(asked, size, True)
        return self.model.join(state, torch.cat([queries, support])), len(support)

    def _with_support(
        self, asked: NDArray[np.float32], size: Size, guests: bool
    ) -> tuple[Tensor, Tensor]:
        queries = self.queries(asked, size)
        return queries, self.model.support(queries, size, guests)

    @torch.inference_mode()
    def leave(self, state: Any, rows: Rows) -> Any:
        """The stream without guests that have gone."""
        return self.model.leave(state, torch.from_numpy(rows).to(self.device))

    @torch.inference_mode()
    def step(self, state: Any, maps: Maps, size: Size) -> tuple[Estimate, Any]:
        """Follow a stream onto a frame."""
        found, state = self.model.step(state, maps)
        xy, visible, confidence = self.answer(found, size)
        return (xy[:, 0], visible[:, 0], confidence[:, 0]), state


@dataclass
class Stream:
    """Points that are followed together.

    Attributes
    ----------
    state
        The network's, after the newest frame.
    before
        The same before that frame.
    rows
        ``(N,)``: which of the caller's points each one is, or nobody's.
    party
        ``(N,)``: those with the same number came together; 0 are not guests.
    """

    state: Any
    before: Any
    rows: Rows
    party: Rows


class Streams:
    """All that is followed in one video.

    Parameters
    ----------
    runner
        The network.
    size
        Of the video.
    joining
        How later points come in.
    """

    def __init__(self, runner: RecurrentRunner, size: Size, joining: Joining) -> None:
        self._runner, self._size, self._beside = runner, size, joining == "beside"
        self._streams: list[Stream] = []

    def __len__(self) -> int:
        return len(self._streams)

    def add(self, asked: NDArray[np.float32], rows: Rows) -> Stream:
        """Take up points that begin on the next frame, or ``asked[:, 0]`` frames after it.

        ``asked (N, 3)`` is t, x, y in pixels of the video, ``rows (N,)`` the caller's numbers.
        """
        if self._beside and self._streams:
            stream = self._streams[0]
            stream.state, count = self._runner.join(stream.state, asked, self._size)
            party = stream.party.max(initial=0) + 1
        else:
            state, count = self._runner.begin(asked, self._size)
            stream = Stream(state, None, np.empty(0, np.int64), np.empty(0, np.int64))
            self._streams.append(stream)
            party = 0
        rows = np.concatenate([rows, np.full(count, _NOBODY)])
        stream.rows = np.concatenate([stream.rows, rows])
        stream.party = np.concatenate([stream.party, np.full(len(rows), party)])
        return stream

    def add_here(self, asked: NDArray[np.float32], rows: Rows, maps: Maps) -> None:
        """The same for the frame that all streams have just been followed onto."""
        if self._beside and self._streams:
            self._streams[0].state = self._streams[0].before
        self._follow(self.add(asked, rows), maps)

    def step(self, maps: Maps) -> Iterator[tuple[Rows, Estimate]]:
        """Follow everything onto the next frame: the caller's rows and where they are."""
        for stream in self._streams:
            found = self._follow(stream, maps)
            own = stream.rows != _NOBODY
            yield stream.rows[own], (found[0][own], found[1][own], found[2][own])

    def _follow(self, stream: Stream, maps: Maps) -> Estimate:
        found, after = self._runner.step(stream.state, maps, self._size)
        stream.before = stream.state if self._beside else None
        stream.state = after
        return found

    def keep(self, kept: Flags) -> None:
        """Let points go; the caller's rows that stay, ``kept (N,)``, are numbered anew."""
        number = np.where(kept, np.cumsum(kept) - 1, _NOBODY)
        for stream in self._streams:
            own = stream.rows != _NOBODY
            stream.rows[own] = number[stream.rows[own]]
            self._let_go(stream)
        self._streams = [s for s in self._streams if (s.rows != _NOBODY).any()]

    def _let_go(self, stream: Stream) -> None:
        """Forget guests once all that came together have gone."""
        there = np.unique(stream.party[stream.rows != _NOBODY])
        stay = (stream.party == 0) | np.isin(stream.party, there)
        if stay.all() or not len(there):
            return
        rows = np.flatnonzero(stay)
        stream.state = self._runner.leave(stream.state, rows)
        if stream.before is not None:
            stream.before = self._runner.leave(stream.before, rows)
        stream.rows, stream.party = stream.rows[rows], stream.party[rows]


class RecurrentTracker(Tracker):
    """Runs a `RecurrentModel`.

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
        Know all points from the video's first frame on, though some are asked for later, as the
        published numbers do: one stream then holds them all.
    joining
        How else later points come in.
    """

    def __init__(
        self,
        card: ModelCard,
        model: RecurrentModel,
        device: torch.device,
        memory: float,
        warm_up: bool = False,
        joining: Joining = "apart",
    ) -> None:
        self.card = card
        self._runner = RecurrentRunner(model, device, memory, 1)
        self._warm_up, self._joining = warm_up, joining

    def session(self, keep: bool = False) -> RecurrentSession:
        return RecurrentSession(self._runner, self._joining, keep)

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        t, frames = queries.t, len(video)
        ahead, back, needed = plan_sweeps(queries, frames, both_ways, self._warm_up)
        paths = [Paths.empty(len(t), frames) for _ in range(2)]
        works = [
            (ahead, portion, paths[0]) for portion in self._portions(queries, np.arange(len(t)))
        ]
        if back:
            rest = self._portions(queries, np.flatnonzero(needed))
            works += [(back, portion, paths[1]) for portion in rest]
        features = self._runner.features(video, None if len(works) > 1 else 1)
        tick = Ticker(progress, sum(len(order) for order, _, _ in works))
        for order, portion, found in works:
            self._sweep(features, video, order, queries, portion, found, tick)
        return joined_paths(paths[0], paths[1], queries, both_ways)

    def _portions(self, queries: Queries, rows: Rows) -> list[list[Rows]]:
        """Observations that are followed in one sweep through the video: parties of them."""
        if self._warm_up or self._joining == "beside":
            groups = np.array_split(rows, self._runner.groups(len(rows), 1))
            return [[group] if self._warm_up else _parties(queries, group) for group in groups]
        room = self._runner.shares.points_frames
        portions: list[list[Rows]] = []
        used = room
        for party in _parties(queries, rows):
            for part in np.array_split(party, self._runner.groups(len(party), 1)):
                cost = self._runner.model.overhead + len(part)
                if used + cost > room:
                    portions.append([])
                    used = 0
                portions[-1].append(part)
                used += cost
        return portions

    def _sweep(
        self,
        features: FrameFeatures,
        video: Video,
        order: range,
        queries: Queries,
        parties: list[Rows],
        paths: Paths,
        tick: Ticker,
    ) -> None:
        """Go through the frames of ``order``; one row of ``paths`` an observation."""
        streams = Streams(self._runner, video.size, self._joining)
        waiting = list(parties) if order.step > 0 else parties[::-1]
        for t in order:
            while waiting and (self._warm_up or queries.t[waiting[0][0]] == t):
                rows = waiting.pop(0)
                ahead = np.abs(queries.t[rows] - t).astype(np.float32)
                streams.add(np.column_stack([ahead, queries.xy[rows]]), rows)
            if len(streams):
                maps = features.read(range(t, t + 1))
                for rows, (xy, visible, confidence) in streams.step(maps):
                    late = order.step * (t - queries.t[rows]) >= 0
                    paths.xy[rows[late], t] = xy[late]
                    paths.visible[rows[late], t] = visible[late]
                    paths.confidence[rows[late], t] = confidence[late]
            tick()


def _parties(queries: Queries, rows: Rows) -> list[Rows]:
    """Observations of one frame each, in the order of the frames."""
    t = queries.t[rows]
    return [rows[t == frame] for frame in np.unique(t)]


class RecurrentSession(Session):
    """Holds the features of the newest frame and the network's memory, and nothing else."""

    def __init__(self, runner: RecurrentRunner, joining: Joining, keep: bool) -> None:
        super().__init__(keep)
        self._runner, self._joining = runner, joining
        self._streams: Streams | None = None
        self._maps: Maps = []

    def _start(self, frame: NDArray[np.uint8]) -> None:
        assert self.size is not None
        self._streams = Streams(self._runner, self.size, self._joining)
        self._maps = self._runner.encode([frame])

    def _begin(self, xy: Points) -> None:
        if len(xy) == 0:
            return
        assert self._streams is not None
        asked = np.column_stack([np.zeros(len(xy), np.float32), xy])
        rows = np.arange(len(self._ids), len(self._ids) + len(xy))
        self._streams.add_here(asked, rows, self._maps)

    def _keep(self, rows: Flags) -> None:
        if self._streams is not None:
            self._streams.keep(rows)

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        assert self._streams is not None
        self._maps = self._runner.encode([frame])
        xy, visible, confidence = self._now[0].copy(), self._now[1].copy(), self._now[2].copy()
        for rows, found in self._streams.step(self._maps):
            xy[rows], visible[rows], confidence[rows] = found
        return xy, visible, confidence
