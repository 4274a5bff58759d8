"""CoTracker: values from 0 to 255, pixel centres at whole numbers, points that see each other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pointtrack.geometry import Size
from pointtrack.networks.cotracker import CoTracker, CoTracker1
from pointtrack.networks.cotracker3 import CoTracker3Offline, CoTracker3Online
from pointtrack.trackers.neural import cotracker_protocol as protocol
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.features import Maps
from pointtrack.trackers.neural.model import Answer, ClipModel, Model, area, floats

_CHANNELS = 128
_PYRAMID = 1.34  # of the finest level's size, all four together
_TOKEN = 12_000  # numbers held for a point in a frame, patches included
_LEAST = 200 << 20  # bytes of what a portion of correlations needs


def _need(size: Size, stride: int) -> Need:
    cells = _PYRAMID * _CHANNELS * area(size, stride)
    return Need(floats(cells), floats(250 * size[0] * size[1]), floats(_TOKEN), _LEAST)


def _encoded(network: Any, frames: Tensor) -> Maps:
    return [level[0] for level in network.encode(frames[None])]


def _decided(found: protocol.Scores, count: int, threshold: float, alone: bool) -> Answer:
    """Without support points; ``alone``: visible by the visibility, whatever the confidence."""
    own = found.first(count)
    deciding = own.visibility if alone else own.score
    return Answer(own.tracks[0], (deciding > threshold)[0], own.score[0])


class _Support:
    """Points that are tracked along with a user's, and help.

    Parameters
    ----------
    size
        Of the picture.
    side
        Points a side of a grid all over it.
    local
        Points a side of a grid around the one point that is then tracked at a time; 0: none.
    grid
        How grids are laid.
    """

    def __init__(self, size: Size, side: int, local: int, grid: Callable[..., Tensor]) -> None:
        self._local, self._grid = local, grid
        self._everywhere = grid(side, size) if side else torch.zeros(0, 2)

    def around(self, queries: Tensor) -> Tensor:
        """Positions ``(K, 2)`` for ``queries (N, 3)``, on the clip's first frame."""
        everywhere = self._everywhere.to(queries)
        if self._local == 0:
            return everywhere
        extent = (protocol.LOCAL_EXTENT, protocol.LOCAL_EXTENT)
        near = [self._grid(self._local, extent, query.cpu()) for query in queries[:, 1:]]
        return torch.cat([*(points.to(queries) for points in near), everywhere])


class CoTracker3OfflineModel(ClipModel):
    """CoTracker3 over a whole clip."""

    def __init__(
        self,
        network: CoTracker3Offline,
        name: str,
        size: Size,
        iterations: int,
        support: int,
        threshold: float,
        score: str,
        local: int = 0,
    ):
        self.network, self.name = network, name
        self.convention = Convention(size, "centres")
        self._iterations, self._threshold = iterations, threshold
        self._alone = score == "visibility"
        self._support = _Support(size, support, local, protocol.grid)
        self.joint = not local

    def need(self) -> Need:
        return _need(self.convention.size, 4)

    def encode(self, frames: Tensor) -> Maps:
        return _encoded(self.network, frames)

    def track(self, maps: Maps, queries: Tensor) -> Answer:
        if self.joint or len(queries) == 1:
            return self._track(maps, queries)
        parts = [self._track(maps, query) for query in queries.split(1)]
        return Answer(*(torch.cat(same) for same in zip(*parts, strict=True)))

    def _track(self, maps: Maps, queries: Tensor) -> Answer:
        asked = protocol.with_support(queries[None], self._support.around(queries))
        seen = [level[None] for level in maps]
        found = protocol.scores(self.network.track(seen, asked, self._iterations))
        return _decided(found, len(queries), self._threshold, self._alone)


class WindowModel(Model):
    """A network that goes through a video in windows, and remembers little of each.

    Attributes
    ----------
    window, step
        Frames of a window, and from the beginning of one to that of the next.
    """

    window: int
    step: int

    @abstractmethod
    def begin(self, queries: Tensor, start: int = 0) -> Any:
        """What is known of ``queries (N, 3)`` before the window that begins at frame ``start``."""

    @abstractmethod
    def advance(self, state: Any, maps: Maps) -> tuple[Answer, Any]:
        """Track through a window, of all whose frames ``maps`` are.

        Returns the answer for these frames, and the state for the window ``step`` later, which
        holds no features of frames.
        """

    @abstractmethod
    def support(self, queries: Tensor) -> Tensor:
        """Positions ``(K, 2)`` to be tracked along with queries, from the first frame on."""


class CoTrackerModel(WindowModel):
    """CoTracker 1, 2 and 3 online."""

    def __init__(
        self,
        network: CoTracker | CoTracker3Online,
        name: str,
        size: Size,
        iterations: int,
        support: int,
        threshold: float,
        local: int = 0,
    ):
        self.network, self.name = network, name
        self.joint = not local
        first = isinstance(network, CoTracker1)
        self.convention = Convention(size, "scaled" if first else "centres")
        self.window, self.step = network.window, network.step
        self._stride = network.stride if isinstance(network, CoTracker) else 4
        self._iterations, self._threshold = iterations, threshold
        grid = protocol.grid_v1 if first else protocol.grid
        self._support = _Support(size, support, local, grid)

    def need(self) -> Need:
        return _need(self.convention.size, self._stride)

    def encode(self, frames: Tensor) -> Maps:
        return _encoded(self.network, frames)

    def support(self, queries: Tensor) -> Tensor:
        return self._support.around(queries)

    def begin(self, queries: Tensor, start: int = 0) -> Any:
        return self.network.begin(queries[None])._replace(start=start)

    def advance(self, state: Any, maps: Maps) -> tuple[Answer, Any]:
        seen = [level[None] for level in maps]
        answer, later = self.network.advance(state, seen, self._iterations)
        count = answer.tracks.shape[1]
        return (
            _decided(protocol.scores(answer), count, self._threshold, alone=False),
            later._replace(maps=[]),
        )


def appended(state: Any, more: Any) -> Any:
    """The states of two groups of points together."""
    return _of_both(state, more)


def chosen(state: Any, rows: Tensor) -> Any:
    """The state of some points."""
    return _of_some(state, rows)


def _of_both(a: Any, b: Any) -> Any:
    if isinstance(a, Tensor):
        return torch.cat([a, b], dim=1)
    if isinstance(a, list):
        return [_of_both(*pair) for pair in zip(a, b, strict=True)]
    if isinstance(a, tuple):
        return type(a)(*(_of_both(*pair) for pair in zip(a, b, strict=True)))
    return a  # a number, the same for all points


def _of_some(value: Any, rows: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value[:, rows]
    if isinstance(value, list):
        return [_of_some(part, rows) for part in value]
    if isinstance(value, tuple):
        return type(value)(*(_of_some(part, rows) for part in value))
    return value
