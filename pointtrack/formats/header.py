"""What JSON and Parquet files say about the tracks as a whole, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pointtrack.errors import FormatError
from pointtrack.formats.common import fps_from_text, shortest
from pointtrack.queries import Queries
from pointtrack.tracks import Tracks

VERSION = 1


def to_header(tracks: Tracks) -> dict[str, Any]:
    """Everything but the positions: version, size, fps, start, times, names, queries."""
    return {
        "pointtrack": VERSION,
        "size": list(tracks.size),
        "fps": f"{tracks.fps.numerator}/{tracks.fps.denominator}",
        "start": tracks.start,
        "times": tracks.times.tolist(),
        "names": list(tracks.names),
        "queries": _queries_to(tracks.queries),
    }


def from_header(header: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `Tracks` that a header holds, checked."""
    version = header.get("pointtrack")
    if version != VERSION:
        raise FormatError(f"it has version {version!r}, expected {VERSION}")
    missing = {"size", "fps", "start", "times", "names"} - set(header)
    if missing:
        raise FormatError(f"it lacks {', '.join(sorted(missing))}")
    size, start, names = header["size"], header["start"], header["names"]
    if not (isinstance(size, list) and len(size) == 2 and all(_index(side) for side in size)):
        raise FormatError(f"its size is {str(size)[:40]}, expected [width, height]")
    if not _index(start):
        raise FormatError(f"its start is {str(start)[:40]}, expected a frame index")
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise FormatError("its names are not a list of strings")
    return {
        "size": (size[0], size[1]),
        "fps": fps_from_text(str(header["fps"])),
        "start": start,
        "times": np.asarray(header["times"], np.float64).reshape(-1),
        "names": tuple(names),
        "queries": _queries_from(header.get("queries")),
    }


def _index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _queries_to(queries: Queries | None) -> dict[str, Any] | None:
    if queries is None:
        return None
    return {
        "txy": [shortest(row) for row in queries.txy],
        "point": queries.point.tolist(),
        "names": list(queries.names),
    }


def _queries_from(value: object) -> Queries | None:
    if value is None:
        return None
    if not isinstance(value, dict) or {"txy", "point", "names"} - set(value):
        raise FormatError("its queries must hold txy, point and names")
    point = np.asarray(value["point"])
    if point.dtype.kind not in "iu":
        raise FormatError("its queries' points are not whole numbers")
    return Queries(
        np.asarray(value["txy"], np.float64),
        point.astype(np.int64),
        tuple(value["names"]),
    )
