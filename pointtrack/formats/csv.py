"""CSV table ``.csv``: one row a point and frame, for spreadsheets and pandas.

Columns ``frame,time,point,name,x,y,visible,confidence``, then ``radius`` (pixels, empty where
unknown) where the tracker predicts it, then ``width,height`` where the video's size is known, the
same in every row. ``frame`` counts from 0, ``time`` is in
seconds, ``x`` and ``y`` are pixels with the centre of the top-left pixel at (0, 0) and ``y``
down. Rows are sorted by point, then frame, and exist where there is a position. So that
nothing gets lost, a point or a frame that has no position at all has one row with empty
``x`` and ``y``.

The frame rate is that of the ``time`` column; only for a single frame at time 0 it is lost.
`Tracks.queries` are not kept. Tables by other programs need ``frame``, ``x``, ``y`` and one of
``point`` and ``name``; the order of columns is free and further columns are ignored.
"""

from __future__ import annotations

import csv
import io
from fractions import Fraction
from pathlib import Path

import numpy as np

from pointtrack.errors import FormatError
from pointtrack.files import PathLike, atomic_path
from pointtrack.formats.common import (
    DEFAULT_FPS,
    UNKNOWN_SIZE,
    need_tracks,
    read_text,
    reading,
)
from pointtrack.formats.rows import Label, number, tracks_from_rows, whole
from pointtrack.geometry import Size
from pointtrack.tracks import Tracks

COLUMNS = ("frame", "time", "point", "name", "x", "y", "visible", "confidence")
_TRUTH = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


class Csv:
    """Read and write CSV tables; see the module."""

    name = "csv"
    suffixes: tuple[str, ...] = (".csv",)
    summary = "table with one row a point and frame"
    can_read = True
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read a table by `write` or by another program."""
        with reading(path, "a table of tracks (.csv)"):
            return _parse(read_text(path), size, fps)

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write a table."""
        need_tracks(tracks, path)
        try:
            with (
                atomic_path(path) as temporary,
                Path(temporary).open("w", encoding="utf-8", newline="") as file,
            ):
                _write(tracks, file)
        except UnicodeEncodeError as problem:
            raise FormatError(
                f"cannot write {path}: a name has a character that UTF-8 does not know"
            ) from problem


def _write(tracks: Tracks, file: io.TextIOBase) -> None:
    sized = min(tracks.size) > 0
    predicted = ("radius",) if tracks.radius is not None else ()
    header = (*COLUMNS, *predicted, *(("width", "height") if sized else ()))
    file.write(",".join(header) + "\n")
    tail = ",{},{}".format(*tracks.size) if sized else ""
    rows = tracks.known.copy()  # N T
    rows[~rows.any(axis=1), 0] = True
    rows[0, ~rows.any(axis=0)] = True
    for point, name in enumerate(map(_quoted, tracks.names)):
        columns = np.flatnonzero(rows[point])
        known = tracks.known[point, columns]
        # NumPy's text is the shortest that reads back as the same float32.
        texts = tracks.xy[point, columns].astype("U")
        texts[~known] = ""
        for column, (x, y), visible, confidence, radius in zip(
            columns.tolist(),
            texts.tolist(),
            tracks.visible[point, columns].tolist(),
            tracks.confidence[point, columns].astype("U").tolist(),
            _radii(tracks, point, columns),
            strict=True,
        ):
            time = repr(float(tracks.times[column]))
            frame = column + tracks.start
            values = f"{x},{y},{visible},{confidence}{radius}"
            file.write(f"{frame},{time},{point},{name},{values}{tail}\n")


def _radii(tracks: Tracks, point: int, columns: np.ndarray) -> list[str]:
    """What stands between the confidence and the size."""
    if tracks.radius is None:
        return [""] * len(columns)
    radii = tracks.radius[point, columns]
    texts = np.where(np.isfinite(radii), radii.astype("U"), "").tolist()
    return [f",{text}" for text in texts]


def _quoted(name: str) -> str:
    # By hand: csv.writer of Python 3.11 leaves a lone carriage return unquoted.
    if not any(character in name for character in ',"\r\n'):
        return name
    return '"{}"'.format(name.replace('"', '""'))


def _parse(text: str, size: Size, fps: Fraction) -> Tracks:
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [cell.strip().lower() for cell in next(reader, [])]
    places = {column: i for i, column in enumerate(header)}
    key = "name" if "name" in places and "point" not in places else "point"
    missing = [column for column in ("frame", "x", "y", key) if column not in places]
    if missing:
        raise FormatError(
            f"its first line lacks {', '.join(missing)}; expected {','.join(COLUMNS)}"
        )
    cells: dict[str, list[str]] = {column: [] for column in header}
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise FormatError(
                f"line {reader.line_num} has {len(row)} fields, expected {len(header)}"
            )
        for column, cell in zip(header, row, strict=True):
            cells[column].append(cell)
    labels: list[Label] = list(cells[key])
    names = dict(zip(reversed(labels), reversed(cells.get("name", cells[key])), strict=True))
    xy = [[number(cell, column) for cell in cells[column]] for column in ("x", "y")]  # 2 R
    return tracks_from_rows(
        [whole(cell, "frame") for cell in cells["frame"]],
        labels,
        np.array(xy, np.float64).T,
        visible=[_truth(cell) for cell in cells["visible"]] if "visible" in places else None,
        confidence=_numbers(cells, "confidence"),
        radius=_numbers(cells, "radius"),
        times=_numbers(cells, "time"),
        names=names,
        size=_size(cells, size),
        fps=fps,
    )


def _numbers(cells: dict[str, list[str]], column: str) -> list[float] | None:
    if column not in cells:
        return None
    return [number(cell, column) for cell in cells[column]]


def _truth(text: str) -> bool:
    try:
        return _TRUTH[text.strip().lower()]
    except KeyError:
        raise FormatError(f"visible is {text[:40]!r}, expected True or False") from None


def _size(cells: dict[str, list[str]], default: Size) -> Size:
    if not (cells.get("width") and cells.get("height")):
        return default
    found = set(zip(cells["width"], cells["height"], strict=True))
    if len(found) > 1:
        raise FormatError("its columns width and height differ between rows")
    width, height = found.pop()
    size = (whole(width, "width"), whole(height, "height"))
    if min(size) < 1 or max(size) > 2**31:
        raise FormatError(f"width and height are {width[:40]} and {height[:40]}")
    return size
