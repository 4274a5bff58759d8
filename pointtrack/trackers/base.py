"""`Tracker`: a method that follows points through a whole video or through a live stream."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError, QueryError
from pointtrack.queries import Queries, QueryLike, grid, resolve
from pointtrack.trackers.session import Session, Step
from pointtrack.tracks import Tracks
from pointtrack.video import Video, VideoLike, open_finite
from pointtrack.weights import ModelCard

# Called after every frame of work with (frames done, frames in all).
Progress = Callable[[int, int], None]

_ALL = slice(None)


@dataclass(eq=False)
class Paths:
    """Tracks in the making: one row a point (or observation), NaN where there is nothing yet.

    ``xy (N, T, 2)``, ``visible (N, T)``, ``confidence (N, T)``, and ``radius (N, T)`` where the
    method predicts it.
    """

    xy: NDArray[np.float32]
    visible: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    radius: NDArray[np.float32] | None = None

    @classmethod
    def empty(cls, rows: int, frames: int) -> Paths:
        xy = np.full((rows, frames, 2), np.nan, np.float32)
        return cls(xy, np.zeros((rows, frames), bool), np.zeros((rows, frames), np.float32))

    def copy(self) -> Paths:
        radius = None if self.radius is None else self.radius.copy()
        return Paths(self.xy.copy(), self.visible.copy(), self.confidence.copy(), radius)

    def write(
        self, points: int | NDArray[np.int64], t: int, now: Step, rows: int | slice = _ALL
    ) -> None:
        """Take over what a session said of ``rows`` on frame ``t``, as that of ``points``."""
        self.xy[points, t], self.visible[points, t] = now.xy[rows], now.visible[rows]
        self.confidence[points, t] = now.confidence[rows]
        if now.radius is not None:
            if self.radius is None:
                self.radius = np.full(self.visible.shape, np.nan, np.float32)
            self.radius[points, t] = now.radius[rows]


class Tracker(ABC):
    """A tracking method, ready to use on any number of videos.

    Attributes
    ----------
    card : ModelCard
        Where the method comes from and what it may be used for.
    """

    card: ModelCard

    @abstractmethod
    def session(self, keep: bool = False) -> Session:
        """Begin live tracking, one frame at a time; see `Session`."""

    def track(
        self,
        video: VideoLike,
        queries: QueryLike,
        *,
        both_ways: bool = True,
        progress: Progress | None = None,
    ) -> Tracks:
        """Follow points through a whole video.

        Parameters
        ----------
        video
            Anything `open_video` takes.
        queries
            Anything `resolve` takes: rows ``(t, x, y)``, a recipe such as ``grid(20)``, a
            file. Where a point has several observations, it passes through all of them.
        both_ways
            Follow points to the frames before their query too. Otherwise these are NaN.
        progress
            Called with (frames done, frames in all).

        Raises
        ------
        VideoError, QueryError
            When the video cannot be read or a query does not lie in it.
        """
        opened = open_finite(video)
        asked = resolve(queries, opened)
        paths = self._paths(opened, asked, both_ways, progress)
        return Tracks(
            paths.xy,
            paths.visible,
            paths.confidence,
            size=opened.size,
            fps=opened.fps,
            times=opened.times,
            names=asked.names,
            queries=asked,
            radius=paths.radius,
        )

    def track_many(
        self, videos: Iterable[VideoLike], queries: QueryLike | None = None
    ) -> Iterator[tuple[VideoLike, Tracks]]:
        """Follow points in one video after the other; default: a grid of 20 by 20.

        Yields
        ------
        tuple
            The video as it was given, and its tracks.
        """
        for video in videos:
            yield video, self.track(video, grid(20) if queries is None else queries)

    def refine(
        self,
        video: VideoLike,
        tracks: Tracks,
        queries: Queries,
        *,
        progress: Progress | None = None,
    ) -> Tracks:
        """Take up corrections: track again the points whose observations changed.

        Parameters
        ----------
        video
            The video the tracks are of.
        tracks
            An earlier answer of `track`.
        queries
            Its queries with observations added: ``tracks.queries.corrected(3, t=40, xy=...)``.

        Returns
        -------
        Tracks
            Untouched points keep their tracks; corrected ones pass through every observation.
        """
        if queries.names != tracks.names:
            raise QueryError("the corrected queries must be of the same points as the tracks")
        video = open_finite(video)
        if tracks.start or (tracks.num_frames, tracks.size) != (len(video), video.size):
            raise PointtrackError(
                f"the tracks are not of the whole of {video.name}: they begin at frame "
                f"{tracks.start} and have {tracks.num_frames} frames of {tracks.size}, the video "
                f"{len(video)} of {video.size}"
            )
        rows = [i for i in range(len(tracks)) if _differ(tracks.queries, queries, i)]
        if not rows:
            return tracks
        chosen = np.isin(queries.point, rows)
        renumbered = np.searchsorted(rows, queries.point[chosen])
        names = tuple(queries.names[i] for i in rows)
        both_ways = _before_query(tracks, queries, rows)
        again = self.track(
            video,
            Queries(queries.txy[chosen], renumbered, names),
            both_ways=both_ways,
            progress=progress,
        )
        xy, visible = tracks.xy.copy(), tracks.visible.copy()
        confidence = tracks.confidence.copy()
        xy[rows], visible[rows], confidence[rows] = again.xy, again.visible, again.confidence
        radius = tracks.radius
        if again.radius is not None:
            radius = np.full(visible.shape, np.nan, np.float32) if radius is None else radius.copy()
            radius[rows] = again.radius
        return Tracks(
            xy,
            visible,
            confidence,
            size=tracks.size,
            fps=tracks.fps,
            times=tracks.times,
            names=tracks.names,
            queries=queries,
            radius=radius,
        )

    def _sweeper(self) -> Session:
        """The session that goes through a whole video; one may do more there than live."""
        return self.session()

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        """Follow the points by sessions: one forwards and, where needed, one backwards."""
        t = queries.t
        frames = len(video)
        several = np.bincount(queries.point)[queries.point] > 1
        backward = several if not both_ways else t > 0
        forwards, backwards = range(int(t.min()), frames), range(0)
        if backward.any():
            until = 0 if both_ways else int(t[backward].min())
            backwards = range(int(t[backward].max()), until - 1, -1)
        ticker = Ticker(progress, len(forwards) + len(backwards))
        ahead = Paths.empty(len(queries), frames)
        sweep(self._sweeper(), video, forwards, queries, ahead, ticker)
        if not backwards:
            return ahead
        back = Paths.empty(len(queries), frames)
        rows = np.isin(queries.point, queries.point[backward])
        sweep(self._sweeper(), video, backwards, queries, back, ticker, rows)
        if not both_ways:
            before = np.arange(frames) < t[queries.first()][:, None]
            back.xy[before], back.visible[before], back.confidence[before] = np.nan, False, 0
            if back.radius is not None:
                back.radius[before] = np.nan
        return blend(ahead, back, queries)


def sweep(
    session: Session,
    video: Video,
    order: range,
    queries: Queries,
    paths: Paths,
    tick: Callable[[], None],
    rows: NDArray[np.bool_] | None = None,
) -> None:
    """Run a session over the frames of ``order`` and write what it reports into ``paths``.

    A point is added at its first observation met on the way and corrected at the others.
    ``rows`` (M,) leaves observations out.
    """
    arriving: dict[int, dict[int, int]] = {}  # frame -> point -> observation, the last if several
    for row in range(len(queries.txy)) if rows is None else np.flatnonzero(rows):
        arriving.setdefault(int(queries.t[row]), {})[int(queries.point[row])] = int(row)
    point_of: list[int] = []  # session id -> point
    id_of: dict[int, int] = {}
    stop = order.stop if order.stop >= 0 else None
    with session:
        for t, frame in zip(order, video[order.start : stop : order.step], strict=True):
            here = arriving.get(t, {})
            fresh = {point: row for point, row in here.items() if point not in id_of}
            if fresh:
                ids = session.add(queries.xy[list(fresh.values())])
                id_of.update(zip(fresh, ids, strict=True))
                point_of.extend(fresh)
            now = session.step(frame)
            at = np.array(point_of, np.int64)[now.ids]
            paths.write(at, t, now)
            for point, row in here.items():
                if point not in fresh:
                    session.correct(id_of[point], queries.xy[row])
                paths.xy[point, t], paths.visible[point, t] = queries.xy[row], True
                paths.confidence[point, t] = 1
                if paths.radius is not None:
                    paths.radius[point, t] = 0
            tick()


def blend(ahead: Paths, back: Paths, queries: Queries) -> Paths:
    """Join tracks followed forwards and backwards between a point's observations.

    Before its first observation only the backward track exists, after its last only the
    forward one. In between each counts by its closeness in time to the observation it comes
    from, and by its confidence.
    """
    frames = ahead.xy.shape[1]
    time = np.arange(frames)
    result = ahead.copy()
    names = ["visible", "confidence"]
    if result.radius is None or back.radius is None:
        result.radius = None
    else:
        names.append("radius")
    for point in range(len(queries)):
        seen = np.unique(queries.t[queries.point == point])
        before = time < seen[0]
        _copy(result, back, point, before)
        for a, b in itertools.pairwise(seen):
            between = (time > a) & (time < b)
            late = ((time - a) / (b - a))[between]
            near = np.where(late < 0.5, 0, 1)
            share = late * (back.confidence[point, between] + 1e-3)
            other = (1 - late) * (ahead.confidence[point, between] + 1e-3)
            weight = (share / (share + other)).astype(np.float32)[:, None]
            result.xy[point, between] = (
                weight * back.xy[point, between] + (1 - weight) * ahead.xy[point, between]
            )
            for name in names:
                both = np.stack([getattr(ahead, name), getattr(back, name)])[:, point, between]
                getattr(result, name)[point, between] = both[near, np.arange(both.shape[1])]
    return result


def _copy(target: Paths, source: Paths, point: int, where: NDArray[np.bool_]) -> None:
    target.xy[point, where] = source.xy[point, where]
    target.visible[point, where] = source.visible[point, where]
    target.confidence[point, where] = source.confidence[point, where]
    if target.radius is not None and source.radius is not None:
        target.radius[point, where] = source.radius[point, where]


def _before_query(tracks: Tracks, queries: Queries, rows: list[int]) -> bool:
    """Whether the points of ``rows`` were followed to the frames before their query too."""
    known = queries if tracks.queries is None else tracks.queries
    first = known.t[known.first()]
    return any(first[i] > 0 and tracks.known[i, first[i] - 1] for i in rows)


def _differ(old: Queries | None, new: Queries, point: int) -> bool:
    if old is None:
        return True
    mine = old.txy[old.point == point]
    theirs = new.txy[new.point == point]
    return mine.shape != theirs.shape or not np.array_equal(mine, theirs)


class Ticker:
    """Counts frames of work for a progress callback."""

    def __init__(self, progress: Progress | None, total: int, done: int = 0):
        self._progress, self._total, self._done = progress, total, done

    def __call__(self, frames: int = 1) -> None:
        self._done += frames
        if self._progress is not None:
            self._progress(self._done, self._total)
