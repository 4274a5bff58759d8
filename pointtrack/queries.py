"""Where to start: queries, and the ways to make them from a video.

A query is an observation of a point: "at frame ``t`` it is at ``(x, y)``". A point may have
several (every correction is one more). Coordinates are in pixels of the original video with
the centre of the top-left pixel at ``(0, 0)``.

`grid`, `corners`, `sift` and `random` are recipes: they know the video only when tracking
begins, so ``pt.track("clip.mp4", pt.grid(20))`` can be written before the video is open.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import QueryError
from pointtrack.files import reason
from pointtrack.geometry import Size, inside
from pointtrack.video import Video

_FRAMES = 2**24  # beyond, float32 does not hold every frame number
_LARGEST = float(np.finfo(np.float32).max)

Box = tuple[float, float, float, float]
Mask = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Queries:
    """Observations of points.

    Attributes
    ----------
    txy : ndarray
        ``(M, 3)`` float32, one observation a row: frame index, x, y.
    point : ndarray
        ``(M,)`` int64: which point each row observes, 0 to N - 1. Default: one row a point.
    names : tuple of str
        ``(N,)`` names of the points; default ``"0"``, ``"1"``, ...

    Raises
    ------
    QueryError
        When there are none, when a number is missing or not finite, when a frame index is
        negative or not whole, or when the shapes do not fit together.
    """

    txy: NDArray[np.float32]
    point: NDArray[np.int64] = None  # type: ignore[assignment]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        txy = _rows(self.txy)
        point = np.arange(len(txy)) if self.point is None else np.asarray(self.point, np.int64)
        if point.shape != (len(txy),):
            raise QueryError(f"point must have shape ({len(txy)},), found {point.shape}")
        count = int(point.max()) + 1
        missing = np.setdiff1d(np.arange(count), point)
        if point.min() < 0 or len(missing):
            raise QueryError(f"points must be numbered 0 to {count - 1} without a gap")
        names = tuple(map(str, self.names)) or tuple(map(str, range(count)))
        if len(names) != count:
            raise QueryError(f"there are {count} points but {len(names)} names")
        for field, value in (("txy", txy), ("point", point), ("names", names)):
            object.__setattr__(self, field, value)

    def __len__(self) -> int:
        """Number of points, N (not of observations)."""
        return len(self.names)

    @property
    def t(self) -> NDArray[np.int64]:
        """``(M,)`` frame index of each observation."""
        return self.txy[:, 0].astype(np.int64)

    @property
    def xy(self) -> NDArray[np.float32]:
        """``(M, 2)`` position of each observation."""
        return self.txy[:, 1:]

    def first(self) -> NDArray[np.int64]:
        """``(N,)`` row of each point's earliest observation."""
        order = np.argsort(self.txy[:, 0], kind="stable")
        _, places = np.unique(self.point[order], return_index=True)
        return order[places]

    def corrected(self, index: int, t: int, xy: ArrayLike) -> Queries:
        """The same queries with one more observation of point ``index``."""
        if not 0 <= index < len(self):
            raise QueryError(f"there is no point {index}; there are {len(self)}")
        position = _numbers(xy, "a position must be two numbers x, y")
        if position.shape != (2,):
            raise QueryError(f"a position must be two numbers x, y, found {_short(xy)}")
        rows = np.concatenate([self.txy, [[t, *position]]])
        return Queries(rows, np.append(self.point, index), self.names)

    def check(self, size: Size, frames: int) -> None:
        """Raise a `QueryError` unless every observation lies in the picture and the video."""
        late = np.flatnonzero(self.t >= frames)
        if len(late):
            raise QueryError(
                f"query {late[0]} is at frame {self.t[late[0]]}, "
                f"but the video has frames 0 to {frames - 1}"
            )
        outside = np.flatnonzero(~inside(self.xy, size))
        if len(outside):
            row = outside[0]
            x, y = self.xy[row]
            raise QueryError(
                f"query {row} at ({x:g}, {y:g}) lies outside the picture, which spans "
                f"-0.5 to {size[0] - 0.5:g} by -0.5 to {size[1] - 0.5:g}"
            )


Recipe = Callable[[Video], Queries]
QueryLike = Queries | Recipe | ArrayLike | str | os.PathLike[str]


def resolve(queries: QueryLike, video: Video) -> Queries:
    """Turn anything that describes queries into checked `Queries` for this video.

    Parameters
    ----------
    queries
        `Queries`, a recipe such as ``grid(20)``, rows of ``(t, x, y)``, or the path of a
        query file (see `read_queries`).
    video
        The video they are for.

    Raises
    ------
    QueryError
        When a query is malformed or outside the picture or the time range.
    """
    if callable(queries):
        made = queries(video)
    elif isinstance(queries, Queries):
        made = queries
    elif isinstance(queries, (str, os.PathLike)):
        made = read_queries(queries)
    else:
        made = Queries(queries)  # type: ignore[arg-type]
    made.check(video.size, len(video))
    return made


def points(xy: ArrayLike, frame: int = 0, names: Sequence[str] = ()) -> Queries:
    """Queries at explicit positions, ``(N, 2)``, all on one frame."""
    positions = np.atleast_2d(_numbers(xy, "positions must be rows of two numbers x, y"))
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise QueryError(f"positions must have shape (N, 2), found {positions.shape}")
    return _on_frame(positions, frame, tuple(names))


def grid(
    n: int | tuple[int, int],
    frame: int = 0,
    *,
    margin: float | None = None,
    box: Box | None = None,
    mask: Mask | str | os.PathLike[str] | None = None,
) -> Recipe:
    """A regular grid of query points.

    Parameters
    ----------
    n
        Points along each side: ``n`` by ``n``, or ``(columns, rows)``.
    frame
        Frame index the grid lies on.
    margin
        Distance of the outer points from the edge of the picture or box, in pixels;
        default: half the distance between two points, so that the grid tiles evenly.
    box
        ``(x0, y0, x1, y1)`` in pixels; the grid spans it instead of the picture.
    mask
        ``(H, W)`` array of the video's size, or the path of such a picture: only grid
        points on non-zero pixels are kept, and the grid spans the mask's bounding box.
    """
    sides = (n, n) if isinstance(n, (int, np.integer)) else tuple(n)
    if len(sides) != 2 or any(int(side) != side or side < 1 for side in sides):
        raise QueryError(f"a grid takes the number of points a side, 1 or more, found {n}")
    columns, rows = sides
    if box is not None and mask is not None:
        raise QueryError("a grid takes a box or a mask, not both")

    def make(video: Video) -> Queries:
        kept = None if mask is None else _mask(mask, video.size)
        x0, y0, x1, y1 = _region(box, kept, video.size)
        xs, ys = _ticks(x0, x1, columns, margin), _ticks(y0, y1, rows, margin)
        xy = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype(np.float32)
        if kept is not None:
            xy = xy[_on(kept, xy)]
            if len(xy) == 0:
                raise QueryError(f"no point of a {columns} by {rows} grid falls on the mask")
        return _on_frame(xy, frame)

    return make


def corners(
    n: int,
    frame: int = 0,
    *,
    quality: float = 0.01,
    distance: float = 8,
    mask: Mask | str | os.PathLike[str] | None = None,
) -> Recipe:
    """The ``n`` best Shi-Tomasi corners of a frame, which point trackers like best.

    Parameters
    ----------
    n
        At most this many.
    frame
        Frame index.
    quality
        Corners weaker than this share of the strongest are left out.
    distance
        Least distance between two corners in pixels.
    mask
        As in `grid`.

    Notes
    -----
    Shi and Tomasi, "Good Features to Track", CVPR 1994.
    """
    _positive("n", n)
    if not (0 < quality <= 1 and distance >= 0):
        raise QueryError(
            f"quality must be in (0, 1] and distance not negative, found {quality} and {distance}"
        )

    def make(video: Video) -> Queries:
        grey = cv2.cvtColor(_frame(video, frame), cv2.COLOR_RGB2GRAY)
        area = None if mask is None else _mask(mask, video.size).astype(np.uint8)
        found = cv2.goodFeaturesToTrack(grey, n, quality, distance, mask=area)
        if found is None or len(found) == 0:
            raise QueryError(f"frame {frame} of {video.name} has no corner to query")
        return _on_frame(found.reshape(-1, 2), frame)

    return make


def sift(n: int, frame: int = 0, *, mask: Mask | str | os.PathLike[str] | None = None) -> Recipe:
    """The ``n`` strongest SIFT key points of a frame (Lowe, IJCV 2004); `mask` as in `grid`."""
    _positive("n", n)

    def make(video: Video) -> Queries:
        grey = cv2.cvtColor(_frame(video, frame), cv2.COLOR_RGB2GRAY)
        area = None if mask is None else _mask(mask, video.size).astype(np.uint8)
        # Without it every position is off by a share of a pixel, as the first step is doubling.
        detector = cv2.SIFT.create(enable_precise_upscale=True)
        keypoints = detector.detect(grey, area)
        if not keypoints:
            raise QueryError(f"frame {frame} of {video.name} has no SIFT key point to query")
        best: dict[tuple[float, float], float] = {}  # one place may hold several orientations
        for keypoint in keypoints:
            x, y = keypoint.pt
            best[x, y] = max(best.get((x, y), 0.0), keypoint.response)
        xy = np.array(sorted(best, key=lambda p: -best[p])[:n], np.float32)
        limit = np.array(video.size, np.float32) - 0.5
        return _on_frame(np.clip(xy, -0.5, limit), frame)

    return make


def random(
    n: int,
    frame: int | None = 0,
    *,
    seed: int = 0,
    mask: Mask | str | os.PathLike[str] | None = None,
) -> Recipe:
    """``n`` uniformly random points; on one frame, or with ``frame=None`` on random frames."""
    _positive("n", n)

    def make(video: Video) -> Queries:
        rng = np.random.default_rng(seed)
        if mask is None:
            xy = rng.uniform(0, 1, (n, 2)) * (np.asarray(video.size) - 1)
        else:
            ys, xs = np.nonzero(_mask(mask, video.size))
            chosen = rng.integers(0, len(xs), n)
            xy = np.stack([xs[chosen], ys[chosen]], axis=1) + rng.uniform(-0.5, 0.5, (n, 2))
        t = rng.integers(0, len(video), n) if frame is None else np.full(n, frame)
        return Queries(np.column_stack([t, xy]).astype(np.float32))

    return make


def read_queries(path: str | os.PathLike[str]) -> Queries:
    """Read queries from a file.

    A CSV file has the columns ``t,x,y`` and may have ``name``; rows of one name observe one
    point. A JSON file holds a list of ``[t, x, y]`` or of objects with these keys.

    Raises
    ------
    QueryError
        When the file is missing or a row is not of this form; the message names the row.
    """
    place = Path(path)
    if place.suffix.lower() not in (".csv", ".json"):
        raise QueryError(f"{place}: queries are read from .csv or .json")
    try:
        text = place.read_text(encoding="utf-8-sig")
    except OSError as problem:
        raise QueryError(f"cannot read {place}: {reason(problem)}") from problem
    except UnicodeDecodeError as problem:
        raise QueryError(f"{place} is not a text file") from problem
    rows = _csv_rows(place, text) if place.suffix.lower() == ".csv" else _json_rows(place, text)
    if not rows:
        raise QueryError(f"{place} holds no queries")
    txy = np.empty((len(rows), 3))
    numbers: dict[str, int] = {}
    point = np.empty(len(rows), np.int64)
    for i, row in enumerate(rows):
        try:
            txy[i] = [float(row[key]) for key in ("t", "x", "y")]
        except (KeyError, TypeError, ValueError, OverflowError):
            raise QueryError(
                f"{place}: query {i} must have numbers t, x, y, found {_short(row)}"
            ) from None
        name = row.get("name")
        # A row without a name is a point of its own.
        key = f"\0{i}" if name is None or name == "" else str(name)
        point[i] = numbers.setdefault(key, len(numbers))
    names = tuple(str(i) if key[0] == "\0" else key for i, key in enumerate(numbers))
    try:
        return Queries(txy, point, names)  # type: ignore[arg-type]
    except QueryError as problem:
        raise QueryError(f"{place}: {problem}") from problem


def _csv_rows(path: Path, text: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        if not {"t", "x", "y"} <= set(reader.fieldnames or ()):
            raise QueryError(f"{path} must begin with a line t,x,y or t,x,y,name")
        return list(reader)
    except csv.Error as problem:
        raise QueryError(f"{path} is not CSV: {problem} in line {reader.line_num}") from problem


def _json_rows(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as problem:
        raise QueryError(f"{path} is not JSON: {problem.msg} in line {problem.lineno}") from problem
    if not isinstance(content, list):
        raise QueryError(f"{path} must hold a list of queries, found {type(content).__name__}")
    rows: list[dict[str, Any]] = []
    for i, entry in enumerate(content):
        if isinstance(entry, dict):
            rows.append(entry)
        elif isinstance(entry, list) and len(entry) == 3:
            rows.append(dict(zip(("t", "x", "y"), entry, strict=True)))
        else:
            raise QueryError(
                f"{path}: query {i} must be [t, x, y] or an object, found {_short(entry)}"
            )
    return rows


def _numbers(values: Any, what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise QueryError(f"{what}, found {_short(values)}") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _rows(txy: ArrayLike) -> NDArray[np.float32]:
    given = _numbers(txy, "queries must be rows of three numbers t, x, y")
    if given.size == 0:
        raise QueryError("there are no queries")
    given = np.atleast_2d(given)
    if given.ndim != 2 or given.shape[1] != 3:
        raise QueryError(f"queries must have shape (N, 3): t, x, y; found {given.shape}")
    for row, values in enumerate(given):
        if not (np.abs(values) < _LARGEST).all():  # NaN is not less than anything
            raise QueryError(f"query {row} is {values.tolist()}; every number must be finite")
        if values[0] < 0 or values[0] != np.round(values[0]):
            raise QueryError(f"query {row} is at frame {values[0]:g}; a frame is 0, 1, 2, ...")
        if values[0] >= _FRAMES:
            raise QueryError(f"query {row} is at frame {values[0]:.0f}; at most {_FRAMES - 1}")
    return given.astype(np.float32)


def _on_frame(xy: NDArray[Any], frame: int, names: tuple[str, ...] = ()) -> Queries:
    rows = np.column_stack([np.full(len(xy), frame), xy])
    return Queries(rows.astype(np.float32), names=names)


def _frame(video: Video, frame: int) -> NDArray[np.uint8]:
    if not 0 <= frame < len(video):
        raise QueryError(f"frame {frame} is not in {video.name}, which has {len(video)} frames")
    return video[frame]


def _positive(name: str, value: int) -> None:
    if value < 1:
        raise QueryError(f"{name} must be at least 1, found {value}")


def _mask(mask: Mask | str | os.PathLike[str], size: Size) -> NDArray[np.bool_]:
    if isinstance(mask, (str, os.PathLike)):
        name = os.fspath(mask)
        picture = cv2.imread(name, cv2.IMREAD_UNCHANGED)
        if picture is None:
            raise QueryError(f"the mask {name} cannot be read as a picture")
        mask = picture
    pixels = np.asarray(mask) != 0
    if pixels.ndim == 3:
        pixels = np.logical_or.reduce(pixels, axis=2)
    if pixels.shape != (size[1], size[0]):
        found = "x".join(map(str, pixels.shape[::-1]))
        raise QueryError(f"the mask is {found}, but the video is {size[0]}x{size[1]}")
    if not pixels.any():
        raise QueryError("the mask is empty: every pixel is zero")
    return pixels


def _on(mask: NDArray[np.bool_], xy: NDArray[np.float32]) -> NDArray[np.bool_]:
    height, width = mask.shape
    column = np.clip(np.round(xy[:, 0]).astype(int), 0, width - 1)
    row = np.clip(np.round(xy[:, 1]).astype(int), 0, height - 1)
    return mask[row, column]


def _region(box: Box | None, mask: NDArray[np.bool_] | None, size: Size) -> Box:
    picture = (-0.5, -0.5, size[0] - 0.5, size[1] - 0.5)
    if mask is not None:
        ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        return (xs[0] - 0.5, ys[0] - 0.5, xs[-1] + 0.5, ys[-1] + 0.5)
    if box is None:
        return picture
    x0, y0, x1, y1 = box
    if not (x0 < x1 and y0 < y1):
        raise QueryError(f"a box is (x0, y0, x1, y1) with x0 < x1 and y0 < y1, found {box}")
    inner = (max(x0, picture[0]), max(y0, picture[1]), min(x1, picture[2]), min(y1, picture[3]))
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        raise QueryError(f"the box {box} lies outside the {size[0]}x{size[1]} picture")
    return inner


def _ticks(low: float, high: float, n: int, margin: float | None) -> NDArray[np.float64]:
    if margin is None:
        return low + (np.arange(n) + 0.5) * (high - low) / n
    if margin < 0 or 2 * margin > high - low:
        raise QueryError(f"a margin of {margin:g} does not fit between {low:g} and {high:g}")
    if n == 1:
        return np.array([(low + high) / 2])
    return np.linspace(low + margin, high - margin, n)
