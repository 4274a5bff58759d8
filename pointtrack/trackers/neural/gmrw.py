"""GMRW: each frame is matched with the next, and points are carried on by what was found.

Of the published ways to track, ``"chain"`` goes from frame to frame, and ``"direct"`` goes from a
point's own frame to every other one, which takes as much time again for each such frame.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.geometry import Size
from pointtrack.networks import gmrw_chain
from pointtrack.networks.gmrw import CHANNELS, STRIDE, Gmrw
from pointtrack.networks.gmrw_chain import REACH, Pair
from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths, Progress, Ticker, Tracker
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.features import FrameFeatures, Maps
from pointtrack.trackers.neural.model import Model, Runner, floats
from pointtrack.trackers.session import Estimate, Flags, Points, Session
from pointtrack.trackers.windowed import joined
from pointtrack.video import Video
from pointtrack.weights import ModelCard

WHITE = {"raw255": 1.0, "unit": 255.0}  # what the network is told that white is

Rows = NDArray[np.int64]
Values = NDArray[np.float32]


class GmrwModel(Model):
    """The network.

    Parameters
    ----------
    network
        With weights.
    name
        For messages.
    size
        ``(width, height)`` in whose pixels flow is read, and is judged.
    enlarge
        How much larger the frames are that the network sees.
    temperature
        Of the matching.
    scale
        ``"unit"`` for values as in training, ``"raw255"`` as in the published evaluation.
    """

    def __init__(
        self,
        network: Gmrw,
        name: str,
        size: Size,
        enlarge: int,
        temperature: float,
        scale: str,
    ) -> None:
        self.network, self.name = network, name
        self.convention = Convention(size)
        self._size = (size[1], size[0])
        self._enlarge, self._temperature, self._white = enlarge, temperature, WHITE[scale]
        self._reach = size[0] / 256  # px that are one at the published size

    def need(self) -> Need:
        width, height = self.convention.size
        cells = self._enlarge**2 * width * height // STRIDE**2
        frame = 3 * CHANNELS * cells  # itself, and having seen the one before and the one after
        return Need(floats(frame), floats(16 * 300 * cells), 64, floats(40 * CHANNELS * cells))

    def encode(self, frames: Tensor) -> Maps:
        seen = gmrw_chain.enlarged(frames, self._enlarge)
        return [self.network.encode(seen, self._white)]

    def pair(self, first: Tensor, second: Tensor) -> Pair:
        """Let two encoded frames look at each other."""
        return gmrw_chain.pair(self.network, first, second, self._size, self._temperature)

    def moved(self, pair: Pair, xy: Tensor) -> tuple[Tensor, Tensor]:
        """Points ``(N, 2)`` in the second frame, and the error ``(N,)`` of the way back."""
        after, error = gmrw_chain.moved(pair, xy)
        return after, error / self._reach

    def inside(self, xy: Tensor) -> Tensor:
        """Which points lie in the picture."""
        return gmrw_chain.inside(xy, self._size)


class GmrwRunner(Runner):
    """The network on its device."""

    model: GmrwModel

    @torch.inference_mode()
    def pair(self, first: Maps, second: Maps) -> Pair:
        """Let two encoded frames look at each other."""
        return self.model.pair(first[0][0], second[0][0])

    @torch.inference_mode()
    def moved(self, pair: Pair, xy: Tensor) -> tuple[Tensor, Values]:
        """Points in the second frame, and their errors."""
        after, error = self.model.moved(pair, xy)
        return after, error.float().cpu().numpy()

    def found(self, xy: Tensor, size: Size) -> tuple[Points, Flags]:
        """Points in pixels of the video, and which of them lie in the picture."""
        inside = self.model.inside(xy).cpu().numpy()
        return self.model.convention.to_video(xy.float().cpu().numpy(), size), inside

    def points(self, xy: Points, size: Size) -> Tensor:
        """Points ``(N, 2)`` of the video in the network's pixels."""
        asked = np.column_stack([np.zeros(len(xy), np.float32), xy])
        return self.queries(asked, size)[:, 1:]


def sure(error: Values) -> Values:
    """How sure a point is by how far the way back misses it: a half where it just counts."""
    return np.exp2(-np.square(error / REACH)).astype(np.float32)


class GmrwTracker(Tracker):
    """Runs a `GmrwModel`.

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
    direct
        Whether points go from their own frame to every other at once.
    """

    def __init__(
        self, card: ModelCard, model: GmrwModel, device: torch.device, memory: float, direct: bool
    ):
        self.card, self._direct = card, direct
        self._runner = GmrwRunner(model, device, memory, 2)

    def session(self, keep: bool = False) -> GmrwSession:
        return GmrwSession(self._runner, self._direct, keep)

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        t, frames = queries.t, len(video)
        several = np.bincount(queries.point)[queries.point] > 1
        needed = (several | (t > 0)) if both_ways else several
        ahead, back = range(int(t.min()), frames), range(0)
        if needed.any():
            until = 0 if both_ways else int(t[needed].min())
            back = range(int(t[needed].max()), until - 1, -1)
        features = self._runner.features(video, None if back or self._direct else 2)
        tick = Ticker(progress, len(ahead) + len(back))
        paths = [Paths.empty(len(t), frames) for _ in range(2)]
        pairs = _Pairs(self._runner, features, len(video))
        rows = np.arange(len(t))
        for order, chosen, path in zip((ahead, back), (rows, rows[needed]), paths, strict=True):
            follow = self._straight if self._direct else self._chained
            follow(pairs, video.size, order, queries, chosen, path, tick)
        return joined(paths[0], paths[1], queries, both_ways)

    def _chained(
        self,
        pairs: _Pairs,
        size: Size,
        order: range,
        queries: Queries,
        rows: Rows,
        paths: Paths,
        tick: Ticker,
    ) -> None:
        """From frame to frame; a point is visible where the steps to it and from it come back."""
        known = np.zeros(0, np.int64)
        xy = self._runner.points(np.empty((0, 2), np.float32), size)
        error = np.zeros((len(queries.t), len(order) + 1), np.float32)
        for position, t in enumerate(order):
            if position and len(known):
                step = pairs.between(order[position - 1], t)
                xy, error[known, position] = self._runner.moved(step, xy)
                place, inside = self._runner.found(xy, size)
                paths.xy[known, t], paths.visible[known, t] = place, inside
            fresh = rows[queries.t[rows] == t]
            if len(fresh):
                known = np.concatenate([known, fresh])
                xy = torch.cat([xy, self._runner.points(queries.xy[fresh], size)])
                paths.xy[fresh, t], paths.visible[fresh, t] = queries.xy[fresh], True
            tick()
        worst = np.maximum(error[:, :-1], error[:, 1:])
        at = np.asarray(order, np.int64)
        paths.confidence[:, at] = sure(worst) * paths.visible[:, at]
        paths.visible[:, at] &= worst < REACH

    def _straight(
        self,
        pairs: _Pairs,
        size: Size,
        order: range,
        queries: Queries,
        rows: Rows,
        paths: Paths,
        tick: Ticker,
    ) -> None:
        """From a point's own frame to all that follow; as published, seen wherever inside."""
        for position, t in enumerate(order):
            for begin in np.unique(queries.t[rows]).tolist():
                if begin not in order or order.index(begin) > position:
                    continue
                here = rows[queries.t[rows] == begin]
                if begin == t:
                    paths.xy[here, t], paths.visible[here, t] = queries.xy[here], True
                    continue
                start = self._runner.points(queries.xy[here], size)
                xy, error = self._runner.moved(pairs.between(begin, t), start)
                paths.xy[here, t], paths.visible[here, t] = self._runner.found(xy, size)
                paths.confidence[here, t] = sure(error) * paths.visible[here, t]
            tick()


class _Pairs:
    """Pairs of frames that have seen each other; each once, while there is room."""

    def __init__(self, runner: GmrwRunner, features: FrameFeatures, frames: int) -> None:
        self._runner, self._features = runner, features
        self._room = max(0, runner.shares.frames - frames)
        self._kept: dict[tuple[int, int], Pair] = {}

    def between(self, first: int, second: int) -> Pair:
        """From one frame to another."""
        key = (min(first, second), max(first, second))
        found = self._kept.get(key)
        if found is None:
            found = self._runner.pair(*self._maps(key))
            if len(self._kept) < self._room:
                self._kept[key] = found
        return found if first < second else found.reversed()

    def _maps(self, key: tuple[int, int]) -> Iterator[Maps]:
        if key[1] == key[0] + 1:
            (both,) = self._features.read(range(key[0], key[1] + 1))
            yield from ([both[:1]], [both[1:]])
            return
        for t in key:
            # A copy: what is read next may be put in the same place.
            yield [level.clone() for level in self._features.read(range(t, t + 1))]


class GmrwSession(Session):
    """Holds the features of the newest frame, or those of the frames that points are from."""

    def __init__(self, runner: GmrwRunner, direct: bool, keep: bool):
        super().__init__(keep)
        self._runner, self._direct = runner, direct
        self._maps: Maps = []  # of the newest frame
        self._from: dict[int, Maps] = {}  # of the frames that points are from
        self._born = np.zeros(0, np.int64)  # N
        self._at: Tensor | None = None  # N 2, where points are, or are from

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._maps = self._runner.encode([frame])

    def _begin(self, xy: Points) -> None:
        assert self.size is not None
        fresh = self._runner.points(xy, self.size)
        self._at = fresh if self._at is None else torch.cat([self._at, fresh])
        self._born = np.concatenate([self._born, np.full(len(xy), self.frame)])
        if self._direct and len(xy):
            self._from[self.frame] = self._maps

    def _keep(self, rows: Flags) -> None:
        if self._at is not None:
            self._at = self._at[torch.from_numpy(rows).to(self._at.device)]
        self._born = self._born[rows]
        self._from = {t: maps for t, maps in self._from.items() if t in self._born}

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        before, self._maps = self._maps, self._runner.encode([frame])
        if self._at is None or len(self._born) == 0:
            return self._now
        assert self.size is not None
        sources = self._from if self._direct else {-1: before}
        now, error = self._at.clone(), np.zeros(len(self._born), np.float32)
        for born, maps in sources.items():
            rows = np.flatnonzero(self._born == born) if self._direct else np.arange(len(error))
            there = torch.from_numpy(rows).to(now.device)
            now[there], error[rows] = self._runner.moved(
                self._runner.pair(maps, self._maps), self._at[there]
            )
        if not self._direct:
            self._at = now
        xy, visible = self._runner.found(now, self.size)
        confidence = sure(error) * visible
        return xy, visible if self._direct else visible & (error < REACH), confidence
