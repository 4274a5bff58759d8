"""CroHD: the heads of people in crowds (MOTChallenge's "Head Tracking 21").

Sundararaman et al., "Tracking Pedestrian Heads in Dense Crowd", CVPR 2021; as a benchmark of
point tracking in Zheng et al., "PointOdyssey" (PIPs++), ICCV 2023. The layout, as unpacked::

    SEQUENCE/gt/gt.txt      rows frame (from 1), head, left, top, width, height, conf, class,
                            visibility
    SEQUENCE/img1/000001.jpg ...

with the sequences in the folder or one level below (``train``). A point is the centre of a
head's box. Videos are cut into chunks of 1000 frames, each a clip, and heads without a box in
a chunk are not in its clip. A head is visible where its visibility is above 0; frames without
its box are not valid. Rows with a ``conf`` of 0, which MOTChallenge ignores, are left out.

Boxes are taken as PIPs++ takes them: pixels are indices, (0, 0) is the centre of the top-left
pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.clip import Clip, Dataset, Entry, unreadable
from pointtrack.datasets.stored import (
    folder_at,
    folders_with,
    naming,
    numbered_files,
    open_pictures,
)
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import PathLike
from pointtrack.formats.common import read_text, reading
from pointtrack.video.pictures import natural_order

CHUNK = 1000  # frames
_MOST_FRAMES = 1_000_000


class CrohdDataset(Dataset):
    """Chunks of CroHD's annotated sequences; see the module.

    Parameters
    ----------
    path
        The folder with the sequences in it or one level below.
    chunk
        Frames of a clip.

    Raises
    ------
    FormatError
        When no sequence with annotations is found.
    """

    name = "crohd"

    def __init__(self, path: PathLike, chunk: int = CHUNK):
        root = folder_at(path)
        self._chunk = chunk
        self._last: tuple[Path, NDArray[np.float64]] | None = None
        found = {folder.parent for folder in folders_with(root, "gt.txt", depth=3)}
        self._folders = sorted(found, key=natural_order)
        if not self._folders:
            raise FormatError(f"the folder {root} holds no SEQUENCE/gt/gt.txt")

    def count(self) -> int | None:
        return None

    def entries(self) -> Iterator[Entry]:
        """One entry a chunk of a sequence."""
        for folder in self._folders:
            name = folder.resolve().name
            try:
                frames = int(self._rows(folder)[:, 0].max())
                images = numbered_files(folder / "img1", 1)
                images = numbered_files(folder / "img1", 1, max(frames, len(images)))
            except PointtrackError as problem:
                yield Entry(name, unreadable(problem))
                continue
            for start in range(0, len(images), self._chunk):
                part = images[start : start + self._chunk]
                label = f"{name}_{start:05d}"
                yield Entry(label, partial(self._read, folder, part, start, label))

    def _read(self, folder: Path, images: list[Path], start: int, label: str) -> Clip:
        rows = self._rows(folder)
        frame = rows[:, 0].astype(np.int64) - 1 - start
        here = (frame >= 0) & (frame < len(images))
        rows, frame = rows[here], frame[here]
        heads, track = np.unique(rows[:, 1], return_inverse=True)
        xy = np.full((len(heads), len(images), 2), np.nan)
        visible, valid = np.zeros((2, len(heads), len(images)), bool)
        xy[track, frame] = rows[:, 2:4] + rows[:, 4:6] / 2
        valid[track, frame], visible[track, frame] = True, rows[:, 8] > 0
        with naming(folder):
            video = open_pictures(images, folder)
            return Clip(label, video, xy, visible, valid, files=images)

    def _rows(self, folder: Path) -> NDArray[np.float64]:
        """A sequence's rows; the chunks of one come one after the other, so the last is kept."""
        path = folder / "gt" / "gt.txt"
        if self._last is None or self._last[0] != path:
            self._last = path, _read_rows(path)
        return self._last[1]


def _read_rows(path: Path) -> NDArray[np.float64]:
    """The rows that count, ``(R, 9)``."""
    with reading(path, "a list of boxes"):
        lines = [line.split(",") for line in read_text(path).splitlines() if line.strip()]
        for number, words in enumerate(lines, 1):
            if len(words) < 9:
                raise FormatError(f"line {number} has {len(words)} columns, expected 9")
        rows = np.array([words[:9] for words in lines], np.float64).reshape(-1, 9)
        if not np.isfinite(rows).all():
            raise FormatError("it holds a number that is not finite")
        rows = rows[rows[:, 6] != 0]
        if not len(rows) or not (rows[:, 0] >= 1).all() or rows[:, 0].max() > _MOST_FRAMES:
            raise FormatError("it holds no box, or one in a frame that cannot be")
        return rows
