"""`Tracks`: where points are in every frame, whether they are seen, and how sure we are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pointtrack import geometry
from pointtrack.errors import FormatError, PointtrackError, require
from pointtrack.files import PathLike
from pointtrack.queries import Queries
from pointtrack.video.source import frame_rate

if TYPE_CHECKING:
    import pandas as pd

_Index = int | slice | Sequence[int] | Sequence[bool] | NDArray[Any]


@dataclass(frozen=True, eq=False)
class Tracks:
    """The tracks of N points over T frames.

    Coordinates are in pixels of the original video, with the centre of the top-left pixel
    at ``(0, 0)``. Where a point was never observed or tracked, ``xy`` is NaN, ``visible``
    False and ``confidence`` 0. Arrays that are so already are taken over without a copy.

    Attributes
    ----------
    xy : ndarray
        ``(N, T, 2)`` float32.
    visible : ndarray
        ``(N, T)`` bool.
    confidence : ndarray
        ``(N, T)`` float32 in [0, 1]: the probability that the point is visible and its
        position right to within 8 px at a picture width of 256. Default: ``visible``.
    size : tuple of int
        ``(width, height)`` of the video.
    fps : Fraction
        Average frames per second.
    times : ndarray
        ``(T,)`` float64, seconds since the first frame of the video; default: by `fps`.
    start : int
        Frame index of the first column; not 0 in a selection from the middle.
    names : tuple of str
        ``(N,)``, default ``"0"``, ``"1"``, ...
    queries : Queries or None
        What was asked for, where known.
    radius : ndarray or None
        ``(N, T)`` float32 pixels, where the tracker predicts it: half of the positions that are
        said to be visible are off by more than this. NaN where unknown, 0 at a query.
    """

    xy: NDArray[np.float32]
    visible: NDArray[np.bool_]
    confidence: NDArray[np.float32] = None  # type: ignore[assignment]
    size: tuple[int, int] = (0, 0)
    fps: Fraction = Fraction(25)
    times: NDArray[np.float64] = None  # type: ignore[assignment]
    start: int = 0
    names: tuple[str, ...] = ()
    queries: Queries | None = None
    radius: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        xy = np.asarray(self.xy, np.float32)
        if xy.ndim != 3 or xy.shape[2] != 2:
            raise PointtrackError(f"xy must have shape (N, T, 2), found {xy.shape}")
        shape = xy.shape[:2]
        known: NDArray[np.bool_] = np.isfinite(xy).min(axis=2)
        visible = np.asarray(self.visible, bool)
        given = visible if self.confidence is None else self.confidence
        confidence = np.asarray(given, np.float32)
        fps = frame_rate(self.fps)
        if self.start < 0:
            raise PointtrackError(f"frames count from 0, found a start at {self.start}")
        if self.queries is not None and len(self.queries) != shape[0]:
            raise PointtrackError(f"there are {shape[0]} tracks but {len(self.queries)} queries")
        times = self.times
        if times is None:
            times = (self.start + np.arange(shape[1])) / float(fps)
        times = np.asarray(times, np.float64)
        names = tuple(map(str, self.names)) or tuple(map(str, range(shape[0])))
        for name, value, wanted in (
            ("visible", visible, shape),
            ("confidence", confidence, shape),
            ("times", times, shape[1:]),
        ):
            if value.shape != wanted:
                raise PointtrackError(f"{name} must have shape {wanted}, found {value.shape}")
        radius = self.radius
        if radius is not None:
            radius = np.asarray(radius, np.float32)
            if radius.shape != shape:
                raise PointtrackError(f"radius must have shape {shape}, found {radius.shape}")
            sane = known & (radius >= 0) & (radius < np.inf)
            if not (sane | np.isnan(radius)).all():
                radius = np.where(sane, radius, np.float32(np.nan))
        if len(names) != shape[0]:
            raise PointtrackError(f"there are {shape[0]} tracks but {len(names)} names")
        if not np.isnan(xy[~known]).all():
            xy = np.where(known[..., None], xy, np.float32(np.nan))
        if visible[~known].any():
            visible = visible & known
        if not ((confidence >= 0) & (confidence <= 1)).all() or confidence[~known].any():
            confidence = np.clip(np.nan_to_num(confidence), 0, 1) * known
        fields: dict[str, Any] = {
            "xy": xy,
            "visible": visible,
            "confidence": confidence,
            "size": (int(self.size[0]), int(self.size[1])),
            "fps": fps,
            "times": times,
            "start": int(self.start),
            "names": names,
            "radius": radius,
        }
        for field, value in fields.items():
            object.__setattr__(self, field, value)

    # -- what is in it ---------------------------------------------------------------------

    def __len__(self) -> int:
        """Number of points, N."""
        return self.xy.shape[0]

    def __repr__(self) -> str:
        return (
            f"Tracks({len(self)} points, {self.num_frames} frames, "
            f"{self.size[0]}x{self.size[1]}, {float(self.fps):.4g} fps)"
        )

    @property
    def num_frames(self) -> int:
        """Number of frames, T."""
        return self.xy.shape[1]

    @property
    def frames(self) -> range:
        """The frame index of every column."""
        return range(self.start, self.start + self.num_frames)

    @property
    def known(self) -> NDArray[np.bool_]:
        """``(N, T)``: where there is a position at all, visible or not."""
        return np.isfinite(self.xy[..., 0])

    # -- selecting and joining -------------------------------------------------------------

    def select(self, points: _Index | Sequence[str] | None = None) -> Tracks:
        """Keep some points: indices, a slice, a mask ``(N,)``, names, or one index or name.

        `queries` follow where each kept point has its own and none is repeated.
        """
        if points is None:
            return self
        rows = self.rows(points)
        queries = self.queries
        if queries is not None:
            queries = _select_queries(queries, rows) if len(set(rows)) == len(rows) else None
        return replace(
            self,
            xy=self.xy[rows],
            visible=self.visible[rows],
            confidence=self.confidence[rows],
            radius=None if self.radius is None else self.radius[rows],
            names=tuple(self.names[i] for i in rows),
            queries=queries,
        )

    def clip(self, first: int, last: int) -> Tracks:
        """Keep the frames ``first`` to ``last``, both included, by frame index of the video."""
        if not self.start <= first <= last < self.start + self.num_frames:
            raise PointtrackError(
                f"frames {first} to {last} are not within {self.start} to "
                f"{self.start + self.num_frames - 1}"
            )
        part = slice(first - self.start, last - self.start + 1)
        return replace(
            self,
            xy=self.xy[:, part],
            visible=self.visible[:, part],
            confidence=self.confidence[:, part],
            radius=None if self.radius is None else self.radius[:, part],
            times=self.times[part],
            start=first,
        )

    def at(self, frame: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Positions ``(N, 2)`` and visibility ``(N,)`` at one frame of the video."""
        column = frame - self.start
        if not 0 <= column < self.num_frames:
            raise PointtrackError(
                f"frame {frame} is not within {self.start} to {self.start + self.num_frames - 1}"
            )
        return self.xy[:, column], self.visible[:, column]

    def join_points(self, other: Tracks) -> Tracks:
        """These points and those of ``other``, over the same frames of the same video.

        Names that occur twice get a suffix ``_2``, ``_3``, ...
        """
        for what in ("size", "start", "num_frames"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine != theirs:
                raise PointtrackError(f"tracks to join differ in {what}: {mine} and {theirs}")
        queries = None
        names = _unique(self.names + other.names)
        if self.queries is not None and other.queries is not None:
            queries = Queries(
                np.concatenate([self.queries.txy, other.queries.txy]),
                np.concatenate([self.queries.point, other.queries.point + len(self)]),
                names,
            )
        return replace(
            self,
            xy=np.concatenate([self.xy, other.xy]),
            visible=np.concatenate([self.visible, other.visible]),
            confidence=np.concatenate([self.confidence, other.confidence]),
            radius=_join_radii(self, other, 0),
            names=names,
            queries=queries,
        )

    def join_frames(self, other: Tracks) -> Tracks:
        """The same points, by name and order, over these frames and then those of ``other``."""
        if self.names != other.names:
            raise PointtrackError("tracks to join in time must have the same point names")
        if self.size != other.size:
            raise PointtrackError(f"tracks to join differ in size: {self.size} and {other.size}")
        if other.start != self.start + self.num_frames:
            raise PointtrackError(
                f"the second part begins at frame {other.start}, expected "
                f"{self.start + self.num_frames}"
            )
        return replace(
            self,
            xy=np.concatenate([self.xy, other.xy], axis=1),
            visible=np.concatenate([self.visible, other.visible], axis=1),
            confidence=np.concatenate([self.confidence, other.confidence], axis=1),
            radius=_join_radii(self, other, 1),
            times=np.concatenate([self.times, other.times]),
        )

    # -- moving ----------------------------------------------------------------------------

    def shift(self, frames: int = 0, xy: tuple[float, float] = (0.0, 0.0)) -> Tracks:
        """Move all tracks by whole frames and by pixels, as when a clip is cut or cropped."""
        if self.start + frames < 0:
            raise PointtrackError(f"a shift by {frames} frames would begin before frame 0")
        queries = self.queries
        if queries is not None:
            moved = queries.txy + np.array([frames, *xy], np.float32)
            queries = (
                Queries(moved, queries.point, queries.names) if moved[:, 0].min() >= 0 else None
            )
        return replace(
            self,
            xy=self.xy + np.asarray(xy, np.float32),
            start=self.start + frames,
            times=self.times + frames / float(self.fps),
            queries=queries,
        )

    def resize(self, size: tuple[int, int]) -> Tracks:
        """Follow a resize of the video to ``(width, height)``; see `geometry.resize_points`."""
        self._need_size()
        if min(size) < 1:
            raise PointtrackError(f"a size is (width, height) in pixels, found {size}")
        queries = self.queries
        if queries is not None:
            xy = geometry.resize_points(queries.xy, self.size, size)
            queries = Queries(np.column_stack([queries.t, xy]), queries.point, queries.names)
        xy = geometry.resize_points(self.xy, self.size, size)
        radius = self.radius
        if radius is not None:
            radius = radius * np.float32(np.sqrt(np.divide(size, self.size).prod()))
        return replace(self, xy=xy, size=size, queries=queries, radius=radius)

    # -- comparing, tables, files ----------------------------------------------------------

    def allclose(self, other: Tracks, atol: float = 1e-3, confidence_atol: float = 1e-3) -> bool:
        """Whether two results agree: positions within ``atol`` pixels, the same visibility.

        Names, size and frame range must be the same; NaN agrees with NaN. Predicted radii are
        not compared.
        """
        if (self.names, self.size, self.frames) != (other.names, other.size, other.frames):
            return False
        return bool(
            np.allclose(self.xy, other.xy, rtol=0, atol=atol, equal_nan=True)
            and np.array_equal(self.visible, other.visible)
            and np.allclose(self.confidence, other.confidence, rtol=0, atol=confidence_atol)
        )

    def to_pandas(self) -> pd.DataFrame:
        """One row a point and frame that has a position.

        Columns: ``frame``, ``time`` (seconds), ``point`` (index), ``name``, ``x``, ``y``,
        ``visible``, ``confidence``, and ``radius`` where the tracker predicts it; sorted by
        point, then frame.
        """
        pandas = require("pandas", "table")
        row, column = np.nonzero(self.known)
        predicted = {} if self.radius is None else {"radius": self.radius[row, column]}
        return pandas.DataFrame(
            {
                "frame": column + self.start,
                "time": self.times[column],
                "point": row,
                "name": np.asarray(self.names, dtype=object)[row],
                "x": self.xy[row, column, 0],
                "y": self.xy[row, column, 1],
                "visible": self.visible[row, column],
                "confidence": self.confidence[row, column],
                **predicted,
            }
        )

    @classmethod
    def from_pandas(
        cls,
        table: pd.DataFrame,
        size: tuple[int, int] = (0, 0),
        fps: Fraction | float = 25,
        num_frames: int | None = None,
    ) -> Tracks:
        """Build tracks from rows with ``frame``, ``x``, ``y`` and ``point`` or ``name``.

        Points are in the order of their numbers, or without ``point`` in that of their first
        rows.

        ``visible`` (default True), ``confidence`` (default: `visible`) and ``radius`` (default:
        unknown) are taken where they are columns. Frames are counted from 0 to the last in the
        table, or to ``num_frames``.
        """
        key = next((c for c in ("point", "name") if c in table), None)
        missing = [c for c in ("frame", "x", "y") if c not in table]
        if missing or key is None:
            wanted = [*missing, *(["point or name"] if key is None else [])]
            raise FormatError(f"the table lacks {', '.join(wanted)}")
        if len(table) == 0:
            raise FormatError("the table has no rows")
        given, x, y = (_column(table, name) for name in ("frame", "x", "y"))
        wrong = given[~(given >= 0) | (given != np.round(given))]
        if len(wrong):
            raise FormatError(f"the table has a frame {wrong[0]:g}; a frame is 0, 1, 2, ...")
        frame = given.astype(np.int64)
        labels = list(table[key])
        order = {label: i for i, label in enumerate(_in_order(labels))}
        row = np.array([order[label] for label in labels])
        length = int(frame.max()) + 1 if num_frames is None else num_frames
        if frame.max() >= length:
            raise FormatError(f"the table has a frame {frame.max()}, expected less than {length}")
        if len(np.unique(row * length + frame)) < len(frame):
            raise FormatError("the table has two rows for one point and frame")
        xy = np.full((len(order), length, 2), np.nan, np.float32)
        xy[row, frame] = np.column_stack([x, y])
        visible = np.zeros(xy.shape[:2], bool)
        visible[row, frame] = np.asarray(table["visible"], bool) if "visible" in table else True
        confidence = visible.astype(np.float32)
        if "confidence" in table:
            confidence[row, frame] = _column(table, "confidence")
        radius = None
        if "radius" in table:
            radius = np.full(xy.shape[:2], np.nan, np.float32)
            radius[row, frame] = _column(table, "radius")
        named = "name" in table
        names = dict(zip(row, table["name"] if named else labels, strict=True))
        return cls(
            xy,
            visible,
            confidence,
            size=size,
            fps=frame_rate(fps),
            names=tuple(str(names[i]) for i in range(len(order))),
            radius=radius,
        )

    def save(self, path: PathLike, format: str | None = None) -> None:
        """Write to a file; the suffix picks the format unless ``format`` names one.

        Raises
        ------
        FormatError
            When the format is unknown or the file cannot be written; an earlier file is
            then left as it was.
        """
        from pointtrack import formats

        formats.write(self, path, format)

    @classmethod
    def load(cls, path: PathLike, format: str | None = None) -> Tracks:
        """Read a file that `save` or another program wrote; see `pointtrack.formats`."""
        from pointtrack import formats

        return formats.read(path, format)

    def _need_size(self) -> None:
        if min(self.size) < 1:
            raise PointtrackError("these tracks do not know the size of their video")

    def rows(self, points: _Index | Sequence[str]) -> list[int]:
        """The row of each point chosen by index, slice, mask ``(N,)`` or name; as `select`."""
        if isinstance(points, slice):
            return list(range(len(self))[points])
        index = np.atleast_1d(np.asarray(points))
        if index.dtype.kind in "UO":
            place = {name: i for i, name in reversed(list(enumerate(self.names)))}
            unknown = [str(name) for name in index.ravel() if name not in place]
            if unknown:
                raise PointtrackError(f"there is no point named {unknown[0]!r}")
            return [place[str(name)] for name in index.ravel()]
        if index.dtype == bool:
            if index.shape != (len(self),):
                raise PointtrackError(f"a mask must have shape ({len(self)},), found {index.shape}")
            index = np.flatnonzero(index)
        if index.ndim != 1 or (index.size and index.dtype.kind not in "iu"):
            raise PointtrackError(
                f"points are chosen by a list of whole numbers or names, found {index.dtype} "
                f"of shape {index.shape}"
            )
        index = index.astype(np.int64)
        wrong = index[(index < -len(self)) | (index >= len(self))]
        if len(wrong):
            raise PointtrackError(f"there is no point {wrong[0]}; there are {len(self)}")
        return (index % max(len(self), 1)).tolist()


def _column(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    try:
        return np.asarray(table[name], np.float64)
    except (TypeError, ValueError):
        raise FormatError(f"the column {name} of the table must hold numbers") from None


def _join_radii(one: Tracks, other: Tracks, axis: int) -> NDArray[np.float32] | None:
    """Predicted radii of two results; NaN where only the other one has any."""
    if one.radius is None and other.radius is None:
        return None
    parts = [
        np.full(part.visible.shape, np.nan, np.float32) if part.radius is None else part.radius
        for part in (one, other)
    ]
    return np.concatenate(parts, axis=axis)


def _in_order(labels: list[Any]) -> list[Any]:
    """Each label once: numbers sorted, anything else in the order of appearance."""
    once = list(dict.fromkeys(labels))
    return sorted(once) if all(isinstance(label, (int, np.integer)) for label in once) else once


def _select_queries(queries: Queries, rows: list[int]) -> Queries | None:
    if not rows:
        return None
    new = {old: i for i, old in enumerate(rows)}
    kept = np.array([p in new for p in queries.point])
    point = np.array([new[p] for p in queries.point[kept]])
    return Queries(queries.txy[kept], point, tuple(queries.names[i] for i in rows))


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    taken: set[str] = set()
    result = []
    for name in names:
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate)
        result.append(candidate)
    return tuple(result)
