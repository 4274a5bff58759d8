"""napari tracks ``.napari.csv``: the array a napari Tracks layer is made of.

Columns ``track_id,t,y,x``, sorted by track, then time:
``viewer.add_tracks(np.loadtxt("a.napari.csv", delimiter=",", skiprows=1))``. napari places
the centre of the top-left pixel at (0, 0) with ``y`` down, as pointtrack does, and frames
count from 0. ``track_id`` is the point's name where all names are distinct whole numbers in
ascending order, else its place counted from 0.

A Tracks layer knows no hidden points, so only visible positions are written. Lost: hidden
positions, confidence, other names, queries, the video's size and frame rate, points that
are never visible, and frames at either end in which nothing is visible.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import (
    DEFAULT_FPS,
    UNKNOWN_SIZE,
    need_tracks,
    read_text,
    reading,
    write_text,
)
from pointtrack.formats.mot import point_ids
from pointtrack.formats.rows import number, tracks_from_rows, whole
from pointtrack.geometry import Size
from pointtrack.tracks import Tracks

COLUMNS = ("track_id", "t", "y", "x")


class Napari:
    """Read and write the array of a napari Tracks layer; see the module."""

    name = "napari"
    suffixes: tuple[str, ...] = (".napari.csv",)
    summary = "array of a napari Tracks layer: track_id,t,y,x"
    can_read = True
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read a table; without a header line its columns are ``track_id,t,y,x``."""
        with reading(path, "a table of napari tracks"):
            return _parse(read_text(path), size, fps)

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write the visible positions."""
        need_tracks(tracks, path)
        lines = [",".join(COLUMNS)]
        for number_, row in zip(point_ids(tracks.names, least=0), range(len(tracks)), strict=True):
            columns = np.flatnonzero(tracks.visible[row])
            texts = tracks.xy[row, columns].astype("U").tolist()
            lines.extend(
                f"{number_},{column + tracks.start},{y},{x}"
                for column, (x, y) in zip(columns.tolist(), texts, strict=True)
            )
        if len(lines) == 1:
            raise FormatError(f"cannot write {path}: no point is visible in any frame")
        write_text(path, "\n".join(lines) + "\n")


def _parse(text: str, size: Size, fps: Fraction) -> Tracks:
    lines = [line for line in text.splitlines() if line.strip()]
    header = [cell.strip().strip('"').lower() for cell in lines[0].split(",")] if lines else []
    if set(COLUMNS) <= set(header):
        places = [header.index(column) for column in COLUMNS]
        lines = lines[1:]
    else:
        header, places = list(COLUMNS), [0, 1, 2, 3]
    frames, labels, xy = [], [], []
    for i, line in enumerate(lines, start=1):
        cells = line.split(",")
        if len(cells) != len(header):
            raise FormatError(f"row {i} has {len(cells)} columns, expected {len(header)}")
        track, t, y, x = (cells[place] for place in places)
        labels.append(whole(track, f"track_id in row {i}"))
        frames.append(whole(t, f"t in row {i}"))
        xy.append((number(x, f"x in row {i}"), number(y, f"y in row {i}")))
    places_xy = np.array(xy, np.float64).reshape(-1, 2)
    return tracks_from_rows(frames, labels, places_xy, size=size, fps=fps)
