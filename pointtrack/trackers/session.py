"""Live tracking: one frame at a time, with points that come, go and are corrected."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from fractions import Fraction
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError, QueryError
from pointtrack.geometry import Size, inside
from pointtrack.queries import Queries
from pointtrack.tracks import Tracks
from pointtrack.video.source import frame_rate

Points = NDArray[np.float32]  # K 2
Flags = NDArray[np.bool_]  # K
Values = NDArray[np.float32]  # K
Estimate = tuple[Points, Flags, Values]  # xy, visible, confidence


@dataclass(frozen=True, eq=False)
class Step:
    """What is known at one frame.

    Attributes
    ----------
    frame : int
        Index of the frame, counted from 0 at the session's first step.
    ids : ndarray
        ``(K,)`` int64, ascending: the points being followed.
    xy : ndarray
        ``(K, 2)`` float32 pixels, centre of the top-left pixel at ``(0, 0)``.
    visible : ndarray
        ``(K,)`` bool.
    confidence : ndarray
        ``(K,)`` float32 in [0, 1].
    radius : ndarray or None
        ``(K,)`` float32 pixels, where the tracker predicts it: half of the positions that are
        said to be visible are off by more than this.
    """

    frame: int
    ids: NDArray[np.int64]
    xy: Points
    visible: Flags
    confidence: Values
    radius: Values | None = None


class Session(ABC):
    """Follow points through a stream of frames; memory does not grow with their number.

    A method fills in four hooks: `_advance` moves all points to a new frame, `_begin` takes
    up new ones on the current frame, `_keep` forgets some, and `_start` sees the first frame.
    Rows of a method's own state are always in the order of `self._ids`.

    Parameters
    ----------
    keep
        Remember every step, so that `tracks` and `refine` can be asked for. This does grow:
        17 bytes a point and frame.
    """

    def __init__(self, keep: bool = False):
        self.size: Size | None = None
        self.frame = -1
        self._next_id = 0
        self._ids = np.empty(0, np.int64)
        self._now: Estimate = _nothing()
        self._waiting: dict[int, tuple[float, float]] = {}
        self._history = _History() if keep else None

    # -- what a user calls -----------------------------------------------------------------

    def add(self, points: ArrayLike) -> list[int]:
        """Follow more points, starting on the *next* frame.

        Parameters
        ----------
        points
            ``(K, 2)`` positions ``(x, y)`` in pixels.

        Returns
        -------
        list of int
            Their ids, which stay the same for the session's life.
        """
        xy = _positions(points)
        if self.size is not None:
            _check(xy, self.size)
        ids = list(range(self._next_id, self._next_id + len(xy)))
        self._next_id += len(xy)
        self._waiting.update(zip(ids, ((float(x), float(y)) for x, y in xy), strict=True))
        return ids

    def remove(self, ids: int | ArrayLike) -> None:
        """Stop following one point or several."""
        given = np.asarray(ids)
        if given.size and given.dtype.kind not in "iu":
            raise QueryError(f"ids are whole numbers, found {ids!r}")
        gone = {int(i) for i in given.ravel()}
        for i in gone:
            self._need(i)
        for i in gone & set(self._waiting):
            del self._waiting[i]
        kept = ~np.isin(self._ids, list(gone))
        if not kept.all():
            self._retain(kept)

    def correct(self, point: int, xy: ArrayLike) -> None:
        """Say where a point is on the latest frame; the following frames go on from there.

        Earlier frames stay as they were reported. `refine` re-interpolates them.
        """
        self._need(point)
        position = _positions(xy)
        if len(position) != 1:
            raise QueryError(f"a correction is one position (x, y), found {len(position)}")
        if self.size is not None:
            _check(position, self.size)
        if point in self._waiting:
            self._waiting[point] = (float(position[0, 0]), float(position[0, 1]))
            return
        self._retain(self._ids != point)
        self._admit(np.array([point], np.int64), position)
        if self._history is not None:
            self._history.observe(point, self.frame, position[0])

    def step(self, frame: NDArray[np.uint8]) -> Step:
        """Take the next frame, ``(H, W, 3)`` uint8 RGB, and say where every point is on it.

        The frame is not kept: a camera may write its next one into the same array.

        Raises
        ------
        PointtrackError
            When the frame has another shape than the first. The session is as it was before.
        QueryError
            When a point added before the first frame lies outside the picture.
        """
        self._accept(frame)
        if self.frame == 0:
            self._start(frame)
        else:
            self._now = self._advance(frame)
        if self._waiting:
            ids = np.array(list(self._waiting), np.int64)
            xy = np.array(list(self._waiting.values()), np.float32)
            self._admit(ids, xy)
            self._waiting.clear()
            if self._history is not None:
                for i, position in zip(ids, xy, strict=True):
                    self._history.observe(int(i), self.frame, position)
        now = self._report()
        if self._history is not None:
            self._history.steps.append(now)
        return now

    def tracks(self, fps: Fraction | float = 25) -> Tracks:
        """Everything reported so far (needs `keep`).

        One row a point that ever was followed, named by its id.
        """
        return self._kept().tracks(self.size or (0, 0), fps)

    def refine(self, fps: Fraction | float = 25) -> Tracks:
        """As `tracks`, with the frames before every correction re-interpolated (needs `keep`).

        The jump at a correction is drift that has built up since the observation before it;
        it is taken back in proportion to the time passed.
        """
        return self._kept().refined(self.size or (0, 0), fps)

    def close(self) -> None:
        """Forget frames and points. A session may also be used in a ``with`` block."""
        self._retain(np.zeros(len(self._ids), bool))
        self._waiting.clear()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- what a method fills in ------------------------------------------------------------

    @abstractmethod
    def _start(self, frame: NDArray[np.uint8]) -> None:
        """See the first frame; there are no points yet."""

    @abstractmethod
    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        """Move all points from the frame before to this one (there may be none)."""

    @abstractmethod
    def _begin(self, xy: Points) -> None:
        """Append state for new points at ``xy`` (K, 2) on the current frame."""

    @abstractmethod
    def _keep(self, rows: Flags) -> None:
        """Drop the state of all points but those of ``rows``."""

    def _radius(self) -> Values | None:
        """Predicted error radii (K,) in pixels, of methods that have them; 0 for new points."""
        return None

    # -- bookkeeping -----------------------------------------------------------------------

    def _accept(self, frame: NDArray[np.uint8]) -> None:
        if not isinstance(frame, np.ndarray):
            raise PointtrackError(f"a frame must be an array, found {type(frame).__name__}")
        if frame.size == 0 or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise PointtrackError(
                f"a frame must be (H, W, 3) uint8, found {frame.shape} {frame.dtype}"
            )
        size = (frame.shape[1], frame.shape[0])
        if self.size is None:
            if self._waiting:
                _check(np.array(list(self._waiting.values()), np.float32), size)
            self.size = size
        elif size != self.size:
            raise PointtrackError(
                f"the frame is {size[0]}x{size[1]}, the first was {self.size[0]}x{self.size[1]}"
            )
        self.frame += 1

    def _admit(self, ids: NDArray[np.int64], xy: Points) -> None:
        self._begin(xy)
        self._ids = np.concatenate([self._ids, ids])
        sure = np.ones(len(ids), bool)
        self._now = _append(self._now, (xy, sure, sure.astype(np.float32)))

    def _retain(self, rows: Flags) -> None:
        self._keep(rows)
        self._ids = self._ids[rows]
        self._now = (self._now[0][rows], self._now[1][rows], self._now[2][rows])

    def _report(self) -> Step:
        """What is known now, in ascending order of ids."""
        order = np.argsort(self._ids, kind="stable")
        xy, visible, confidence = self._now
        radius = self._radius()
        return Step(
            self.frame,
            self._ids[order],
            xy[order],
            visible[order],
            confidence[order],
            None if radius is None else radius[order],
        )

    def _need(self, point: int) -> None:
        if point not in self._waiting and point not in self._ids:
            raise QueryError(f"there is no point {point} in this session")

    def _kept(self) -> _History:
        if self._history is None:
            raise PointtrackError("this session keeps no history; make it with keep=True")
        return self._history


class _History:
    """The steps of a session and the observations a person gave."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.seen: dict[int, list[tuple[int, NDArray[np.float32]]]] = {}

    def observe(self, point: int, frame: int, xy: NDArray[np.float32]) -> None:
        observations = self.seen.setdefault(point, [])
        # A second correction on the same frame replaces the first.
        self.seen[point] = [o for o in observations if o[0] != frame] + [(frame, xy.copy())]

    def tracks(self, size: Size, fps: Fraction | float) -> Tracks:
        ids = sorted(self.seen)
        xy = np.full((len(ids), len(self.steps), 2), np.nan, np.float32)
        visible = np.zeros(xy.shape[:2], bool)
        confidence = np.zeros(xy.shape[:2], np.float32)
        radius = np.full(xy.shape[:2], np.nan, np.float32)
        for column, now in enumerate(self.steps):
            rows = np.searchsorted(ids, now.ids)
            xy[rows, column] = now.xy
            visible[rows, column] = now.visible
            confidence[rows, column] = now.confidence
            if now.radius is not None:
                radius[rows, column] = now.radius
        names = tuple(map(str, ids))
        queries = self._queries(names) if names else None
        return Tracks(
            xy,
            visible,
            confidence,
            size,
            frame_rate(fps),
            names=names,
            queries=queries,
            radius=radius if any(now.radius is not None for now in self.steps) else None,
        )

    def refined(self, size: Size, fps: Fraction | float) -> Tracks:
        raw = self.tracks(size, fps)
        xy, visible, confidence = raw.xy.copy(), raw.visible.copy(), raw.confidence.copy()
        for row, point in enumerate(sorted(self.seen)):
            observations = self.seen[point]
            for (a, _), (b, target) in itertools.pairwise(observations):
                share = ((np.arange(a + 1, b) - a) / (b - a)).astype(np.float32)
                xy[row, a + 1 : b] += share[:, None] * (target - raw.xy[row, b])
            for t, position in observations:
                xy[row, t], visible[row, t], confidence[row, t] = position, True, 1
        return replace(raw, xy=xy, visible=visible, confidence=confidence)

    def _queries(self, names: tuple[str, ...]) -> Queries:
        rows = [(row, t, *xy) for row, i in enumerate(sorted(self.seen)) for t, xy in self.seen[i]]
        table = np.array(rows, np.float64)
        return Queries(table[:, 1:].astype(np.float32), table[:, 0].astype(np.int64), names)


def _positions(points: ArrayLike) -> Points:
    try:
        xy = np.atleast_2d(np.asarray(points, np.float32))
    except (TypeError, ValueError):
        raise QueryError("points must be positions (x, y)") from None
    if xy.size == 0:
        return np.empty((0, 2), np.float32)
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise QueryError(f"points must have shape (K, 2), found {xy.shape}")
    if not np.isfinite(xy).all():
        raise QueryError("points must be finite numbers")
    return xy


def _check(xy: Points, size: Size) -> None:
    wrong = np.flatnonzero(~inside(xy, size))
    if len(wrong):
        x, y = xy[wrong[0]]
        raise QueryError(f"the point ({x:g}, {y:g}) lies outside the {size[0]}x{size[1]} picture")


def _nothing() -> Estimate:
    return np.empty((0, 2), np.float32), np.empty(0, bool), np.empty(0, np.float32)


def _append(old: Estimate, new: Estimate) -> Estimate:
    return (
        np.concatenate([old[0], new[0]]).astype(np.float32),
        np.concatenate([old[1], new[1]]),
        np.concatenate([old[2], new[2]]).astype(np.float32),
    )
