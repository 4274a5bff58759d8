"""JSON text ``.json``: everything, for people and for other languages.

An object with ``pointtrack`` (version 1), ``size`` [width, height] ([0, 0]: unknown),
``fps`` as ``"30000/1001"``, ``start`` (frame index of the first column), ``times`` in
seconds, ``names``, ``queries`` (null, or ``txy`` rows of frame, x, y with ``point`` and
``names``) and ``tracks``: a list with one object a point, on one line, with ``xy`` (a list
of [x, y], null where the position is unknown), ``visible`` (1 or 0), ``confidence`` and, where the
tracker predicts it, ``radius`` (pixels, null where unknown).
Coordinates are pixels with the centre of the top-left pixel at (0, 0), ``y`` down.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import (
    DEFAULT_FPS,
    UNKNOWN_SIZE,
    read_text,
    reading,
    shortest,
    write_text,
)
from pointtrack.formats.header import from_header, to_header
from pointtrack.geometry import Size
from pointtrack.tracks import Tracks


class Json:
    """Read and write JSON texts; see the module."""

    name = "json"
    suffixes: tuple[str, ...] = (".json",)
    summary = "readable text with everything"
    can_read = True
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read a text that `write` made."""
        with reading(path, "a JSON track file"):
            return _parse(json.loads(read_text(path)), size)

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write everything."""
        header = to_header(tracks)
        head = [
            f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in header.items()
        ]
        points = [
            json.dumps(
                _point(tracks, i), ensure_ascii=False, allow_nan=False, separators=(",", ":")
            )
            for i in range(len(tracks))
        ]
        body = ",\n    ".join(points)
        lines = [*head, f'  "tracks": [\n    {body}\n  ]' if points else '  "tracks": []']
        write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def _point(tracks: Tracks, i: int) -> dict[str, Any]:
    known = tracks.known[i].tolist()
    x, y = shortest(tracks.xy[i, :, 0]), shortest(tracks.xy[i, :, 1])
    point = {
        "name": tracks.names[i],
        "xy": [[a, b] if k else None for a, b, k in zip(x, y, known, strict=True)],
        "visible": tracks.visible[i].astype(int).tolist(),
        "confidence": shortest(tracks.confidence[i]),
    }
    if tracks.radius is not None:
        radius = tracks.radius[i]
        point["radius"] = [
            r if k else None for r, k in zip(shortest(radius), np.isfinite(radius), strict=True)
        ]
    return point


def _parse(content: Any, size: Size) -> Tracks:
    if not isinstance(content, dict) or not isinstance(content.get("tracks"), list):
        raise FormatError("expected an object with a list of tracks")
    known = from_header(content)
    if min(known["size"]) < 1:
        known["size"] = size
    length = len(known["times"])
    points = [_read_point(i, point, length) for i, point in enumerate(content["tracks"])]
    xy = np.full((len(points), length, 2), np.nan, np.float32)
    visible = np.zeros((len(points), length), bool)
    confidence = np.zeros((len(points), length), np.float32)
    for i, (places, seen, sure) in enumerate(points):
        xy[i], visible[i], confidence[i] = places, seen, sure
    radius = None
    if any("radius" in point for point in content["tracks"]):
        radius = np.array(
            [_read_radius(i, point, length) for i, point in enumerate(content["tracks"])]
        )
    return Tracks(xy, visible, confidence, **known, radius=radius)


def _read_point(
    i: int, point: Any, length: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    lists = [point.get(key) for key in ("xy", "visible", "confidence")]
    for key, values in zip(("xy", "visible", "confidence"), lists, strict=True):
        if not isinstance(values, list) or len(values) != length:
            raise FormatError(f"{key} of track {i} must be a list of {length} values")
    pairs = [(np.nan, np.nan) if pair is None else pair for pair in lists[0]]
    with np.errstate(over="ignore"):
        xy = np.array(pairs, np.float64).reshape(length, 2).astype(np.float32)
        confidence = np.array(lists[2], np.float64).astype(np.float32)
    if not all(value in (0, 1) for value in lists[1]):
        raise FormatError(f"visible of track {i} must hold only 1 and 0")
    return xy, np.array(lists[1], bool), confidence


def _read_radius(i: int, point: dict[str, Any], length: int) -> NDArray[np.float32]:
    values = point.get("radius", [None] * length)
    if not isinstance(values, list) or len(values) != length:
        raise FormatError(f"radius of track {i} must be a list of {length} values")
    with np.errstate(over="ignore"):
        return np.array([np.nan if r is None else r for r in values], np.float64).astype(np.float32)
