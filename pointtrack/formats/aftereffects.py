"""After Effects keyframe data ``.ae.txt``: text to paste onto a layer.

Open the file, copy everything, select a layer in After Effects and paste. A single point
becomes the layer's Position; several become one Point Control effect each, in the order of
the points, for expressions to pick from. The first key lands at the current-time indicator.

In After Effects (0, 0) is the outer corner of the layer's top-left pixel and ``y`` points
down, so the centre of that pixel is (0.5, 0.5). Frames count from 0. Only visible positions
get a key; After Effects interpolates over the gaps. Positions are kept to 0.0001 px and the
frame rate to a millionth. Lost: hidden positions, confidence, names, queries, points that
are never visible, and frames at either end in which nothing is visible.

On reading, every animated position or effect's point is a point, named by its heading. Of a
motion tracker's blocks the attach point is taken, which is what After Effects applies.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import (
    DEFAULT_FPS,
    UNKNOWN_SIZE,
    decimal,
    fps_from_text,
    need_size,
    need_tracks,
    pixels,
    read_text,
    reading,
    write_text,
)
from pointtrack.formats.rows import number, tracks_from_rows, whole
from pointtrack.geometry import Size, pixel_to_raster, raster_to_pixel
from pointtrack.tracks import Tracks

_FIRST = "Adobe After Effects 8.0 Keyframe Data"
_LAST = "End of Keyframe Data"

Block = tuple[str, list[tuple[int, float, float]]]


class AfterEffects:
    """Read and write After Effects keyframe data; see the module."""

    name = "aftereffects"
    suffixes: tuple[str, ...] = (".ae.txt",)
    summary = "After Effects keyframe data, to paste onto a layer"
    can_read = True
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read keyframe data that were written here or copied out of After Effects."""
        with reading(path, "After Effects keyframe data"):
            return _parse(read_text(path), size, fps)

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write a block of keys a point."""
        need_tracks(tracks, path)
        width, height = need_size(tracks, path)
        if not tracks.visible.any():
            raise FormatError(f"cannot write {path}: no point is visible in any frame")
        lines = [
            _FIRST,
            "",
            f"\tUnits Per Second\t{decimal(float(tracks.fps))}",
            f"\tSource Width\t{width}",
            f"\tSource Height\t{height}",
            "\tSource Pixel Aspect Ratio\t1",
            "\tComp Pixel Aspect Ratio\t1",
        ]
        places = pixel_to_raster(tracks.xy.astype(np.float64))  # N T 2
        rows = np.flatnonzero(tracks.visible.any(axis=1)).tolist()
        for i, row in enumerate(rows, start=1):
            if len(rows) == 1:
                lines += ["", "Transform\tPosition", "\tFrame\tX pixels\tY pixels\tZ pixels"]
            else:
                lines += ["", f"Effects\tPoint Control #{i}\tPoint #2"]
                lines += ["\tFrame\tX pixels\tY pixels"]
            depth = "\t0" if len(rows) == 1 else ""
            for column in np.flatnonzero(tracks.visible[row]).tolist():
                x, y = map(pixels, places[row, column].tolist())
                lines.append(f"\t{column + tracks.start}\t{x}\t{y}{depth}")
        write_text(path, "\n".join([*lines, "", "", _LAST, ""]))


def _parse(text: str, size: Size, fps: Fraction) -> Tracks:
    lines = text.splitlines()
    first = lines[0].strip() if lines else ""
    if not (first.startswith("Adobe After Effects") and first.endswith("Keyframe Data")):
        raise FormatError(f"it begins with {first[:60]!r}, expected {_FIRST!r}")
    if _LAST not in (line.strip() for line in lines):
        raise FormatError(f"it ends before {_LAST!r}")
    header, blocks = _sections(lines[1:])
    frames, labels, xy, names = [], [], [], {}
    for i, (heading, keys) in enumerate(_points(blocks)):
        names[i] = heading
        for frame, x, y in keys:
            frames.append(frame)
            labels.append(i)
            xy.append((x, y))
    if "Source Width" in header and "Source Height" in header:
        size = tuple(  # type: ignore[assignment]
            whole(header[key], key) for key in ("Source Width", "Source Height")
        )
        if min(size) < 1 or max(size) > 2**31:
            raise FormatError(f"its source is {size[0]} x {size[1]}")
    if "Units Per Second" in header:
        fps = fps_from_text(header["Units Per Second"])
    places = raster_to_pixel(np.array(xy, np.float64).reshape(-1, 2))
    return tracks_from_rows(frames, labels, places, names=names, size=size, fps=fps)


def _sections(lines: list[str]) -> tuple[dict[str, str], list[Block]]:
    """The indented header lines by key, and the blocks whose columns are in pixels."""
    header: dict[str, str] = {}
    blocks: list[Block] = []
    heading, columns = "", 0
    for i, line in enumerate(lines, start=2):
        if line.strip() == _LAST:
            break
        if not line.strip():
            continue
        cells = line.rstrip().split("\t")
        if cells[0]:
            heading, columns = "\t".join(cells), 0
        elif not heading:
            if len(cells) == 3:
                header[cells[1]] = cells[2]
        elif cells[1:2] == ["Frame"]:
            if cells[2:4] == ["X pixels", "Y pixels"]:
                columns = len(cells) - 1
                blocks.append((heading, []))
            else:
                columns = 0  # sizes, percents, angles
        elif columns:
            if len(cells) < 4 or len(cells) > columns + 1:
                raise FormatError(f"line {i} has {len(cells) - 1} columns, expected {columns}")
            if not cells[1].strip():
                continue  # a value that is not animated
            frame = whole(cells[1], f"the frame in line {i}")
            x, y = (number(cell, f"the position in line {i}") for cell in cells[2:4])
            blocks[-1][1].append((frame, x, y))
    return header, blocks


def _points(blocks: list[Block]) -> list[Block]:
    """One block a point: no anchor points, and of a motion tracker only what it applies."""
    points: list[Block] = []
    for heading, keys in blocks:
        parts = heading.split("\t")
        if parts[0] == "Motion Trackers":
            if parts[-1].startswith("Attach Point"):
                points.append((" ".join(parts[1:-1]), keys))
        elif parts[0] == "Effects":
            points.append((" ".join(parts[1:-1]), keys))
        elif parts[-1].startswith("Position"):
            points.append((" ".join(parts), keys))
    return points
