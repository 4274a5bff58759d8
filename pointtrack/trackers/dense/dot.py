"""DOT as a tracker: a point tracker's tracks, connected to those of all pixels.

Dense tracks go from one frame to every other, each by itself. A point is read off the dense tracks
of the frame it is asked for on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack import geometry
from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.networks.dot import STRIDE, VISIBLE, DotRefiner, densify, nearest
from pointtrack.networks.raft import Encoded
from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths, Progress, Ticker, Tracker
from pointtrack.trackers.dense.base import DenseFrame, Field, Map, enlarged, enlarged_map, spans
from pointtrack.trackers.dense.boundaries import Sampler
from pointtrack.trackers.flow import bilinear
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.session import Estimate, Flags, Points, Session, Step
from pointtrack.trackers.windowed import joined
from pointtrack.video import Video
from pointtrack.weights import ModelCard

Picture = NDArray[np.uint8]


class Source(NamedTuple):
    """A frame to go from."""

    encoded: Encoded
    points: Tensor  # S 3, normalised x and y, and whether they are seen
    closest: Tensor | None  # h w, of those that are seen, by number; None when there are none


class Refiner:
    """DOT's network on frames and points of a video.

    Parameters
    ----------
    network
        With weights.
    device
        Where it is.
    size
        ``(width, height)`` it works at.
    iterations
        Of the refinement.
    """

    def __init__(self, network: DotRefiner, device: torch.device, size: Size, iterations: int):
        self._network, self._device, self._iterations = network, device, iterations
        self._size = size
        self._convention = Convention(size)
        self._cells = (size[1] // STRIDE, size[0] // STRIDE)

    @torch.inference_mode()
    def encode(self, frame: Picture) -> tuple[Tensor, Tensor]:
        """The frame at the working size, and its features."""
        picture = self._convention.prepare([frame], self._device)
        return picture, self._network.encode(picture)

    @torch.inference_mode()
    def source(self, seen: tuple[Tensor, Tensor], xy: Points, visible: Flags, size: Size) -> Source:
        """A frame that was encoded, with points ``(S, 2)`` in pixels of the video."""
        encoded = self._network.encode_source(*seen)
        points = self._points(xy, visible, size)
        known = points[points[:, 2] != 0, :2]
        return Source(encoded, points, nearest(known, self._cells) if len(known) else None)

    @torch.inference_mode()
    def flow(
        self, source: Source, features: Tensor, xy: Points, visible: Flags, size: Size
    ) -> tuple[Field, Map]:
        """The flow from a source to a frame where its points are at ``xy (S, 2)``.

        Returns
        -------
        tuple
            Flow ``(h, w, 2)`` in pixels of the working size, and the probability ``(h, w)`` that
            a pixel is seen.
        """
        target = self._points(xy, visible, size)
        moved, seen = densify(source.points, target, self._cells, source.closest)
        flow, probability = self._network(
            source.encoded, features, moved[None], seen[None], self._iterations
        )
        return flow[0].permute(1, 2, 0).cpu().numpy(), probability[0].cpu().numpy()

    def read(
        self, flow: Field, probability: Map, xy: Points, size: Size
    ) -> tuple[Points, Flags, NDArray[np.float32]]:
        """What `flow` gave, at points ``(K, 2)`` in pixels of the video.

        As published, a point is visible where one of the pixels around it is.
        """
        at = geometry.resize_points(xy, size, self._size).astype(np.float32)
        moved = at + bilinear(flow, at, outside=None)
        there = geometry.resize_points(moved, self._size, size).astype(np.float32)
        visible = bilinear(probability > VISIBLE, at, outside=None) > 0
        return there, visible, np.clip(bilinear(probability, at, outside=None), 0, 1)

    def _points(self, xy: Points, visible: Flags, size: Size) -> Tensor:
        """Points of the video as the network takes them; those that are nowhere are not seen."""
        corner = np.array(self._size, np.float32) - 1
        place = geometry.resize_points(xy, size, self._size) / corner
        known = np.isfinite(place).all(axis=1) & visible
        rows = np.column_stack([np.nan_to_num(place), known]).astype(np.float32)
        return torch.from_numpy(rows).to(self._device)


class DotTracker(Tracker):
    """DOT on a point tracker.

    Parameters
    ----------
    card
        DOT's.
    refiner
        Its network.
    tracker
        The point tracker.
    sampler
        Chooses the points that are tracked.
    points
        How many a frame.
    sources
        Frames that are gone from at a time: each takes memory, and time at every frame. In a
        session, points of earlier frames go on from where they are.
    """

    def __init__(
        self,
        card: ModelCard,
        refiner: Refiner,
        tracker: Tracker,
        sampler: Sampler,
        points: int,
        sources: int,
    ):
        if isinstance(tracker, DotTracker):
            raise PointtrackError("dot needs a tracker of points, found dot itself")
        self.card = card
        self._refiner, self._tracker, self._sampler = refiner, tracker, sampler
        self._points, self._sources = points, sources

    def session(self, keep: bool = False) -> DotSession:
        return DotSession(
            self._refiner, self._tracker, self._sampler, self._points, self._sources, keep
        )

    def dense(
        self, video: Video, frame: int, both_ways: bool = True, progress: Progress | None = None
    ) -> Iterator[DenseFrame]:
        """Follow all pixels of a frame; see `pointtrack.trackers.dense.DenseTracker`."""
        size = video.size
        support = self._support(video, [frame])
        sparse = self._tracker.track(video, support, both_ways=both_ways, progress=progress)
        here = self._refiner.encode(video[frame])
        source = self._refiner.source(here, *sparse.at(frame), size)
        for span in spans(len(video), frame, both_ways):
            stop = span.stop if span.stop >= 0 else None
            for t, picture in zip(span, video[span.start : stop : span.step], strict=True):
                features = self._refiner.encode(picture)[1]
                flow, probability = self._refiner.flow(source, features, *sparse.at(t), size)
                sure = enlarged_map(probability, size)
                yield DenseFrame(t, enlarged(flow, size), sure > VISIBLE, sure)

    def _support(self, video: Video, frames: list[int]) -> Queries:
        """The points to track, of each of some frames."""
        rows = []
        for t in frames:
            neighbour = t - 1 if t > 0 else min(1, len(video) - 1)
            xy = self._sampler.points(video[t], video[neighbour], self._points)
            rows.append(np.column_stack([np.full(len(xy), t), xy]))
        return Queries(np.concatenate(rows).astype(np.float32))

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        frames = sorted(set(queries.t.tolist()))
        sparse = self._tracker.track(video, self._support(video, frames), progress=progress)
        groups = [frames[k : k + self._sources] for k in range(0, len(frames), self._sources)]
        begins = [0 if both_ways else group[0] for group in groups]
        tick = Ticker(progress, sum(len(video) - begin for begin in begins))
        found = Paths.empty(len(queries.t), len(video))  # one row an observation
        for group, begin in zip(groups, begins, strict=True):
            sources = {
                t: self._refiner.source(self._refiner.encode(video[t]), *sparse.at(t), video.size)
                for t in group
            }
            for t, picture in enumerate(video[begin:], begin):
                features = self._refiner.encode(picture)[1]
                for start, source in sources.items():
                    if start == t or (start > t and not both_ways):
                        continue
                    rows = np.flatnonzero(queries.t == start)
                    flow = self._refiner.flow(source, features, *sparse.at(t), video.size)
                    answer = self._refiner.read(*flow, queries.xy[rows], video.size)
                    found.xy[rows, t], found.visible[rows, t] = answer[0], answer[1]
                    found.confidence[rows, t] = answer[2]
                tick()
        observed = np.arange(len(queries.t)), queries.t
        found.xy[observed], found.visible[observed] = queries.xy, True
        found.confidence[observed] = 1
        return joined(found, found, queries, both_ways)


@dataclass(eq=False)
class _Held:
    """A source in a session, and the numbers of its points in the point tracker's."""

    source: Source
    ids: NDArray[np.int64]


class DotSession(Session):
    """A session of the point tracker beside it, with points chosen on every frame that points are
    added on; they are followed until no source needs them."""

    def __init__(
        self,
        refiner: Refiner,
        tracker: Tracker,
        sampler: Sampler,
        points: int,
        sources: int,
        keep: bool,
    ):
        super().__init__(keep)
        self._refiner, self._sampler = refiner, sampler
        self._count, self._most = points, sources
        self._inner = tracker.session()
        self._held: dict[int, _Held] = {}  # frame -> source
        self._step: Step  # of the point tracker, at the newest frame
        self._before: Picture | None = None
        self._seen: tuple[Tensor, Tensor] | None = None  # of the newest frame
        self._from = np.empty((0, 2), np.float32)  # K 2, where each point was on its source
        self._born = np.empty(0, np.int64)  # K, the frame of its source

    def _start(self, frame: Picture) -> None:
        self._look(frame)

    def _advance(self, frame: Picture) -> Estimate:
        self._look(frame)
        assert self.size is not None
        assert self._seen is not None
        now = self._now
        xy, visible, sure = now[0].copy(), now[1].copy(), now[2].copy()
        for born, held in self._held.items():
            rows = np.flatnonzero(self._born == born)
            at = np.searchsorted(self._step.ids, held.ids)
            flow = self._refiner.flow(
                held.source, self._seen[1], self._step.xy[at], self._step.visible[at], self.size
            )
            xy[rows], visible[rows], sure[rows] = self._refiner.read(
                *flow, self._from[rows], self.size
            )
        return xy, visible, sure

    def _look(self, frame: Picture) -> None:
        """Move the point tracker on; where points wait, with more of its own."""
        if self._seen is not None:
            self._free()
        if self._waiting:
            self._inner.add(self._sampler.points(frame, self._before, self._count))
        self._step = self._inner.step(frame)
        self._seen = self._refiner.encode(frame)
        self._before = frame.copy()

    def _begin(self, xy: Points) -> None:
        self._here()
        self._from = np.concatenate([self._from, xy.astype(np.float32)])
        self._born = np.concatenate([self._born, np.full(len(xy), self.frame)])
        while len(self._held) > self._most:
            self._move_on(min(self._held))
        self._forget()

    def _here(self) -> None:
        """Make the newest frame a source, of the points as they lie now."""
        assert self.size is not None
        assert self._seen is not None
        if self.frame not in self._held:
            now = self._step
            source = self._refiner.source(self._seen, now.xy, now.visible, self.size)
            self._held[self.frame] = _Held(source, now.ids)

    def _move_on(self, born: int) -> None:
        """The points of a source go on from where they are on the newest frame."""
        rows = np.flatnonzero(self._born == born)
        known = len(self._now[0])  # of those just added there is no answer yet
        rows = rows[rows < known]
        self._from[rows], self._born[rows] = self._now[0][rows], self.frame
        del self._held[born]

    def _keep(self, rows: Flags) -> None:
        self._from, self._born = self._from[rows], self._born[rows]
        self._forget()

    def _forget(self) -> None:
        """Drop sources without points."""
        self._held = {born: held for born, held in self._held.items() if born in self._born}

    def _free(self) -> None:
        """Stop to track what no source needs any more; until the next frame one might."""
        needed = [held.ids for held in self._held.values()]
        gone = np.setdiff1d(self._step.ids, np.concatenate(needed) if needed else [])
        if len(gone):
            self._inner.remove(gone)

    def close(self) -> None:
        super().close()
        self._inner.close()
