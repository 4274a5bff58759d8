"""MOTChallenge text ``.txt``: one line a frame and point that has a position.

``frame,id,left,top,width,height,conf,-1,-1,-1``. Frames count from 1. MOTChallenge counts
pixels from 1, too: the outer corner of the picture's top-left pixel is (1, 1). A point is
written as the box of one pixel's size whose centre it is, so the point at pixel (0, 0) is
the box ``1,1,1,1`` and ``left = x + 1``; a box is read back as the point at its centre, so
``x = left + width / 2 - 1.5``.

``id`` is the point's name where all names are distinct whole numbers from 1, else its place
counted from 1. ``conf`` is 0 where the point is hidden, else its confidence (at least
0.000001). Positions are kept to 0.0001 px. Lost: other names, the confidence of hidden
points, queries, the video's size and frame rate, points without any position, empty frames
at either end.

On reading, nine columns are the ground-truth layout (``flag,class,visibility`` at the end);
a point is visible unless ``conf`` or ``flag`` or the visibility is 0, and a negative
``conf`` means that none is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import (
    DEFAULT_FPS,
    UNKNOWN_SIZE,
    decimal,
    need_tracks,
    pixels,
    read_text,
    reading,
    write_text,
)
from pointtrack.formats.rows import number, tracks_from_rows, whole
from pointtrack.geometry import Size, pixel_to_raster, raster_to_pixel
from pointtrack.tracks import Tracks

BOX = 1.0
_LEAST_CONFIDENCE = 1e-6


class Mot:
    """Read and write MOTChallenge texts; see the module."""

    name = "mot"
    suffixes: tuple[str, ...] = (".txt", ".mot.txt")
    summary = "MOTChallenge text, a box of one pixel around each point"
    can_read = True
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read tracker results or ground truth; points are the centres of the boxes."""
        with reading(path, "a MOTChallenge text"):
            return _parse(read_text(path), size, fps)

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write one-pixel boxes around the points."""
        need_tracks(tracks, path)
        ids = point_ids(tracks.names, least=1)
        # MOT's corner is (1, 1) where raster's is (0, 0).
        corner = pixel_to_raster(tracks.xy.astype(np.float64)) - BOX / 2 + 1
        side = pixels(BOX)
        lines = []
        for column in range(tracks.num_frames):
            frame = column + tracks.start + 1
            for row in np.flatnonzero(tracks.known[:, column]):
                left, top = map(pixels, corner[row, column].tolist())
                conf = 0.0
                if tracks.visible[row, column]:
                    conf = max(float(tracks.confidence[row, column]), _LEAST_CONFIDENCE)
                lines.append(
                    f"{frame},{ids[row]},{left},{top},{side},{side},{decimal(conf)},-1,-1,-1\n"
                )
        if not lines:
            raise FormatError(f"cannot write {path}: no point has a position in any frame")
        write_text(path, "".join(lines))


def point_ids(names: Sequence[str], least: int) -> list[int]:
    """A number for each point: its name where all are distinct whole numbers from ``least``."""
    plain = [re.fullmatch(r"0|[1-9][0-9]{0,8}", name) for name in names]
    if all(plain) and len(set(names)) == len(names):
        numbers = [int(name) for name in names]
        # The order of the points must survive, and readers sort by number.
        if numbers == sorted(numbers) and numbers[0] >= least:
            return numbers
    return list(range(least, len(names) + least))


def _parse(text: str, size: Size, fps: Fraction) -> Tracks:
    frames, labels, boxes, visible, confidence = [], [], [], [], []
    for i, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        cells = line.strip().strip(",").split(",")
        if len(cells) < 6:
            raise FormatError(f"line {i} has {len(cells)} columns, expected at least 6")
        frame = whole(cells[0], f"the frame in line {i}")
        if frame < 1:
            raise FormatError(f"line {i} has frame {frame}; frames count from 1")
        frames.append(frame - 1)
        labels.append(whole(cells[1], f"the id in line {i}"))
        boxes.append([number(cell, f"the box in line {i}") for cell in cells[2:6]])
        conf = number(cells[6], f"the confidence in line {i}") if len(cells) > 6 else -1.0
        shown = number(cells[8], f"the visibility in line {i}") if len(cells) == 9 else -1.0
        visible.append(conf != 0 and shown != 0)
        confidence.append(float(visible[-1]) if conf < 0 or len(cells) == 9 else conf)
    box = np.array(boxes, np.float64).reshape(-1, 4)
    centre = box[:, :2] + box[:, 2:] / 2
    return tracks_from_rows(
        frames,
        labels,
        raster_to_pixel(centre - 1),
        visible=visible,
        confidence=confidence,
        size=size,
        fps=fps,
    )
