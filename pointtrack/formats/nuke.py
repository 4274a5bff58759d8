"""Nuke script ``.nk`` with a Tracker node: copy its text and paste it into the node graph.

Nuke places (0, 0) at the outer corner of the *bottom*-left pixel with ``y`` up, so the
centre of the top-left pixel of a 100 x 50 video is (0.5, 49.5). Frames count from 1: frame
0 of the video is Nuke's frame 1.

Every known position is a key of ``track_x`` and ``track_y``; the curve ``enable`` is 1
where the point is visible, 0 elsewhere. A Tracker node tells neither the video's size nor
its frame rate, so a comment (which Nuke skips) keeps these and the range of frames. Lost:
confidence, queries and uneven frame times.

On reading, each key is a position (Nuke's interpolation between sparse keys is not redone)
and the size comes from our comment, from the script's ``Root`` format or from the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import (
    DEFAULT_FPS,
    UNKNOWN_SIZE,
    check_cells,
    fps_from_text,
    need_size,
    need_tracks,
    pixels,
    read_text,
    reading,
    write_text,
)
from pointtrack.formats.rows import whole
from pointtrack.formats.tcl import Node, parse_list, quote
from pointtrack.geometry import Size, flip_y, pixel_to_raster, raster_to_pixel
from pointtrack.tracks import Tracks

FIRST_FRAME = 1

# The columns of a Tracker4's table as Nuke stores them: name, then three numbers that say
# how Nuke shows the column.
_COLUMNS = (
    ("enable", "5 1 20"),
    ("name", "3 1 75"),
    *((name, "2 1 58") for name in ("track_x", "track_y")),
    *((name, "2 1 63") for name in ("offset_x", "offset_y")),
    *((name, "4 1 27") for name in ("T", "R", "S")),
    ("error", "2 0 45"),
    *((f"error_{end}", "1 1 0") for end in ("min", "max")),
    *((f"{box}_{side}", "1 1 0") for box in ("pattern", "search") for side in "xyrt"),
    ("key_track", "2 1 0"),
    *((f"key_{box}_{side}", "2 1 0") for box in ("search", "track") for side in "xyrt"),
    *((f"key_centre_offset_{axis}", "2 1 0") for axis in "xy"),
)
# Pattern and search boxes of a new track, then the empty key_* columns.
_REST = "1 0 -32 -32 32 32 -22 -22 22 22" + " {}" * 11
_COMMENT = re.compile(
    r"^# pointtrack: width (\d+) height (\d+) fps (\S+) first (\d+) last (\d+)\s*$", re.MULTILINE
)
_ROOT_FORMAT = re.compile(r'^\s*format "(\d+) (\d+) ', re.MULTILINE)
_TRACKS = re.compile(r"^\s*Tracker[34] \{.*?^\s*tracks (?=\{)", re.MULTILINE | re.DOTALL)

Keys = dict[int, float]


class Nuke:
    """Read and write Nuke Tracker nodes; see the module."""

    name = "nuke"
    suffixes: tuple[str, ...] = (".nk",)
    summary = "Nuke Tracker node, to paste into the node graph"
    can_read = True
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read the first Tracker node of a script."""
        with reading(path, "a Nuke script with a Tracker node"):
            return _parse(read_text(path), size, fps)

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write one Tracker node."""
        need_tracks(tracks, path)
        size = need_size(tracks, path)
        first = tracks.start + FIRST_FRAME
        places = flip_y(pixel_to_raster(tracks.xy.astype(np.float64)), size)  # N T 2
        header = "\n".join(f"{{ {kind} {name} {_short(name)} 1 }}" for name, kind in _COLUMNS)
        rows = []
        for i, name in enumerate(tracks.names):
            columns = np.flatnonzero(tracks.known[i])
            x, y = (_curve(columns + first, places[i, columns, axis]) for axis in (0, 1))
            enable = _steps(tracks.visible[i], first)
            zero = f"{{curve K x{first} 0}}"
            rows.append(
                f" {{ {enable} {quote(name)} {x} {y} {zero} {zero} 1 0 0 "
                f"{{curve x{first} 0}} {_REST} }}"
            )
        rate = f"{tracks.fps.numerator}/{tracks.fps.denominator}"
        lines = [
            f"# pointtrack: width {size[0]} height {size[1]} fps {rate} "
            f"first {first} last {first + tracks.num_frames - 1}",
            "set cut_paste_input [stack 0]",
            "push $cut_paste_input",
            "Tracker4 {",
            f" tracks {{ {{ 1 {len(_COLUMNS)} {len(tracks)} }}",
            f"{{ {header}",
            "}",
            "{",
            *rows,
            "}",
            "}",
            f" reference_frame {first}",
            " name Tracker1",
            " selected true",
            "}",
            "",
        ]
        write_text(path, "\n".join(lines))


def _short(name: str) -> str:
    return "e" if name == "enable" else name  # Nuke's own abbreviation


def _curve(frames: Iterable[int], values: Iterable[float]) -> str:
    # A frame before each value: without it Nuke goes on by the last distance.
    keys = "".join(f" x{f} {pixels(v)}" for f, v in zip(frames, values, strict=True))
    return f"{{curve{keys}}}" if keys else "{}"


def _steps(visible: np.ndarray, first: int) -> str:
    changes = np.flatnonzero(np.diff(visible, prepend=~visible[:1]))
    return f"{{curve K{''.join(f' x{c + first} {int(visible[c])}' for c in changes)}}}"


# -- reading -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Track:
    name: str
    x: Keys
    y: Keys
    enable: Keys


def _parse(text: str, size: Size, fps: Fraction) -> Tracks:
    found = _TRACKS.search(text)
    if found is None:
        raise FormatError("it has no Tracker node")
    table, end = parse_list(text, found.end())
    if not text[end:].rstrip().endswith("}"):
        raise FormatError("it ends inside the Tracker node")
    tracks = _table(table)
    used = {frame for track in tracks for frame in (*track.x, *track.y)}
    comment = _COMMENT.search(text)
    if comment:
        size, fps = (int(comment[1]), int(comment[2])), fps_from_text(comment[3])
        used |= {int(comment[4]), int(comment[5])}
    elif root := _ROOT_FORMAT.search(text):
        size = (int(root[1]), int(root[2]))
    if not used:
        raise FormatError("none of its tracks has a key")
    if min(size) < 1 or max(size) > 2**31:
        raise FormatError("it does not tell the size of the video, which must be given")
    first, last = min(used), max(used)
    if first < FIRST_FRAME:
        raise FormatError(f"it has a key at frame {first}; frames count from {FIRST_FRAME}")
    check_cells(len(tracks), last - first + 1, sum(len(track.x) for track in tracks))
    xy = np.full((len(tracks), last - first + 1, 2), np.nan)
    visible = np.zeros(xy.shape[:2], bool)
    for i, track in enumerate(tracks):
        for axis, keys in enumerate((track.x, track.y)):
            xy[i, [frame - first for frame in keys], axis] = list(keys.values())
        visible[i] = _evaluate(track.enable, first, visible.shape[1])
    with np.errstate(over="ignore"):
        places = raster_to_pixel(flip_y(xy, size)).astype(np.float32)
    return Tracks(
        places,
        visible,
        size=size,
        fps=fps,
        start=first - FIRST_FRAME,
        names=tuple(track.name for track in tracks),
    )


def _table(table: list[Node]) -> list[_Track]:
    """The rows of the knob ``tracks``: counts, columns, rows."""
    if len(table) != 3 or not all(isinstance(part, list) for part in table):
        raise FormatError("its Tracker's table is not counts, columns and rows")
    counts, columns, rows = table
    names = [column[3] for column in columns if isinstance(column, list) and len(column) > 3]
    missing = {"enable", "name", "track_x", "track_y"} - {str(name) for name in names}
    if missing:
        raise FormatError(f"its Tracker's table lacks {', '.join(sorted(missing))}")
    if not (counts and counts[-1] == str(len(rows))):
        raise FormatError(f"its Tracker announces {counts[-1:]} tracks, found {len(rows)}")
    tracks = []
    for row in rows:
        if not isinstance(row, list) or len(row) != len(names):
            raise FormatError(f"a track has not the {len(names)} columns of the table")
        cells = dict(zip(map(str, names), row, strict=True))
        name = cells["name"]
        if not isinstance(name, str):
            raise FormatError("a track's name is not text")
        x, y = (_keys(cells[column], name, column) for column in ("track_x", "track_y"))
        if set(x) != set(y):
            raise FormatError(f"track {name!r} has keys of x without y")
        tracks.append(_Track(name, x, y, _keys(cells["enable"], name, "enable")))
    return tracks


def _keys(cell: Node, name: str, column: str) -> Keys:
    """The keys of a curve; a plain number counts from the first frame on for ``enable``."""
    if isinstance(cell, str):
        if column == "enable":
            return {0: _value(cell)}
        raise FormatError(f"track {name!r} has a {column} without keys: {cell[:40]}")
    if not cell:
        return {}
    if cell[0] != "curve" or not all(isinstance(word, str) for word in cell):
        raise FormatError(f"track {name!r} has a {column} that is not a curve of keys")
    return _read_curve([str(word) for word in cell[1:]])


def _read_curve(words: Sequence[str]) -> Keys:
    keys: Keys = {}
    frames: list[int] = []
    given: int | None = None
    for word in words:
        if word[:1] == "x":
            given = whole(word[1:], "a key's frame")
        elif not word[:1].isalpha():  # letters: interpolation, slopes and their lengths
            frames.append(_next(frames) if given is None else given)
            keys[frames[-1]], given = _value(word), None
    return keys


def _next(frames: list[int]) -> int:
    """Where Nuke puts a key that names no frame: it goes on by the last distance."""
    if len(frames) < 2:
        return frames[0] + 1 if frames else 0
    return 2 * frames[-1] - frames[-2]


def _value(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise FormatError(f"a key has the value {word[:40]!r}, expected a number") from None


def _evaluate(enable: Keys, first: int, length: int) -> np.ndarray:
    """``(T,)`` of a curve that keeps its value until the next key; before the first, too."""
    if not enable:
        return np.ones(length, bool)
    frames = np.array(sorted(enable), np.int64)
    values = np.array([enable[int(frame)] for frame in frames]) > 0.5
    place = np.searchsorted(frames, np.arange(first, first + length), side="right") - 1
    return values[np.maximum(place, 0)]
