"""Parquet table ``.parquet``: one row a point and frame, for large results.

Columns ``frame,time,point,name,x,y,visible,confidence``, and ``radius`` where
predicted, as `Tracks.to_pandas` gives them: frames from 0, pixels with the centre of
the top-left pixel at (0, 0), ``y`` down. The schema's metadata hold under
``pointtrack`` a JSON text with the size, frame rate, times, names and queries, so the
file gives back exactly what was written. A table without it is read like a CSV table.
Needs pandas and pyarrow: ``pip install 'pointtrack[table]'``.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pointtrack.errors import FormatError, require
from pointtrack.files import PathLike, atomic_path
from pointtrack.formats.common import DEFAULT_FPS, UNKNOWN_SIZE, check_cells, reading
from pointtrack.formats.header import from_header, to_header
from pointtrack.formats.rows import tracks_from_rows
from pointtrack.geometry import Size
from pointtrack.tracks import Tracks

if TYPE_CHECKING:
    import pandas as pd

_KEY = b"pointtrack"


class Parquet:
    """Read and write Parquet tables; see the module."""

    name = "parquet"
    suffixes: tuple[str, ...] = (".parquet", ".pq")
    summary = "columnar table with everything (needs pandas and pyarrow)"
    can_read = True
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read a table by `write` or by another program."""
        require("pandas", "table")
        parquet = require("pyarrow.parquet", "table")
        with reading(path, "a table of tracks (.parquet)"):
            # One file, read whole: no threads, no search for partitions in folder names.
            with Path(path).open("rb") as file:
                table = parquet.ParquetFile(file, page_checksum_verification=True).read(
                    use_threads=False
                )
            metadata = table.schema.metadata or {}
            frame = table.to_pandas(ignore_metadata=True)
            missing = [c for c in ("frame", "x", "y") if c not in frame]
            if missing:
                raise FormatError(f"it lacks the columns {', '.join(missing)}")
            if _KEY in metadata:
                return _own(frame, metadata[_KEY])
            return _foreign(frame, size, fps)

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write everything."""
        require("pandas", "table")
        arrow = require("pyarrow", "table")
        parquet = require("pyarrow.parquet", "table")
        try:
            table = arrow.Table.from_pandas(tracks.to_pandas(), preserve_index=False)
            header = json.dumps(to_header(tracks), ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as problem:
            raise FormatError(
                f"cannot write {path}: a name has a character that UTF-8 does not know"
            ) from problem
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _KEY: header})
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            parquet.write_table(table, file, write_page_checksum=True)


def _own(table: pd.DataFrame, text: bytes) -> Tracks:
    header = json.loads(text)
    if not isinstance(header, dict):
        raise FormatError("its metadata are not a JSON object")
    known = from_header(header)
    missing = [c for c in ("point", "visible", "confidence") if c not in table]
    if missing:
        raise FormatError(f"it lacks the columns {', '.join(missing)}")
    shape = (len(known["names"]), len(known["times"]))
    check_cells(*shape, len(table))
    row = _column(table, "point", "iu").astype(np.int64)
    column = _column(table, "frame", "iu").astype(np.int64) - known["start"]
    if len(row) and not (
        0 <= row.min() <= row.max() < shape[0] and 0 <= column.min() <= column.max() < shape[1]
    ):
        raise FormatError("it has rows for points or frames that its metadata do not know")
    xy = np.full((*shape, 2), np.nan, np.float32)
    visible, confidence = np.zeros(shape, bool), np.zeros(shape, np.float32)
    xy[row, column, 0] = _column(table, "x", "f")
    xy[row, column, 1] = _column(table, "y", "f")
    visible[row, column] = _column(table, "visible", "b")
    confidence[row, column] = _column(table, "confidence", "f")
    radius = None
    if "radius" in table:
        radius = np.full(shape, np.nan, np.float32)
        radius[row, column] = _column(table, "radius", "f")
    return Tracks(xy, visible, confidence, **known, radius=radius)


def _foreign(table: pd.DataFrame, size: Size, fps: Fraction) -> Tracks:
    key = "point" if "point" in table else "name"
    if key not in table:
        raise FormatError("it lacks a column point or name")
    labels = [label if isinstance(label, int) else str(label) for label in table[key].tolist()]
    named = [str(name) for name in table["name" if "name" in table else key].tolist()]
    frames = _column(table, "frame", "iuf").astype(np.float64)
    if not (np.isfinite(frames).all() and (frames == np.round(frames)).all()):
        raise FormatError("its frames are not whole numbers")
    return tracks_from_rows(
        frames.astype(np.int64),
        labels,
        np.column_stack([_column(table, "x", "iuf"), _column(table, "y", "iuf")]),
        visible=_column(table, "visible", "biu").astype(bool) if "visible" in table else None,
        confidence=_column(table, "confidence", "iuf") if "confidence" in table else None,
        radius=_column(table, "radius", "iuf") if "radius" in table else None,
        times=_column(table, "time", "iuf") if "time" in table else None,
        names=dict(zip(reversed(labels), reversed(named), strict=True)),
        size=size,
        fps=fps,
    )


def _column(table: pd.DataFrame, name: str, kinds: str) -> np.ndarray:
    values = table[name].to_numpy()
    if values.dtype.kind not in kinds:
        raise FormatError(f"its column {name} has type {values.dtype}")
    return values
