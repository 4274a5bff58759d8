"""JHMDB: the joints of people in short clips of daily actions.

Jhuang et al., "Towards Understanding Action Recognition", ICCV 2013; as a benchmark of point
tracking in Doersch et al., "TAP-Vid", NeurIPS 2022. The layout, as the archives unpack::

    splits/ACTION_test_split1.txt                   lines "CLIP.avi 1" (train) or 2 (test)
    joint_positions/ACTION/CLIP/joint_positions.mat pos_img (2, 15, T)
    Rename_Images/ACTION/CLIP/00001.png ...

The clips are the test clips of split 1, cut to the frames with joints. All 15 joints are asked
for in frame 0, also those outside the picture. JHMDB does not say which joints are hidden: here
a joint is visible while it is inside the picture. Positions are taken as TAP-Vid's evaluation
takes them: (0.5, 0.5) is the centre of the top-left pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from pointtrack.datasets.clip import Clip, Dataset, Entry, unreadable
from pointtrack.datasets.stored import folder_at, naming, numbered_files, open_pictures
from pointtrack.errors import FormatError, require
from pointtrack.files import PathLike
from pointtrack.formats.common import read_text, reading
from pointtrack.geometry import inside, raster_to_pixel
from pointtrack.queries import Queries

JOINTS = 15
_SPLIT = "_test_split1.txt"
_TEST = "2"


class JhmdbDataset(Dataset):
    """JHMDB's test clips of split 1; see the module.

    Parameters
    ----------
    path
        The folder with ``splits``, ``joint_positions`` and ``Rename_Images``.

    Raises
    ------
    FormatError
        When it has no split files.
    PointtrackError
        When SciPy, which reads MATLAB's files, is not installed.
    """

    name = "jhmdb"

    def __init__(self, path: PathLike):
        self._root = folder_at(path)
        self._splits = sorted((self._root / "splits").glob(f"*{_SPLIT}"))
        if not self._splits:
            raise FormatError(f"the folder {self._root} holds no splits/ACTION{_SPLIT}")
        require("scipy.io", "classic")

    def count(self) -> int | None:
        return None

    def entries(self) -> Iterator[Entry]:
        """One entry a test clip."""
        for file in self._splits:
            action = file.name.removesuffix(_SPLIT)
            try:
                clips = _test_clips(file)
            except FormatError as problem:
                yield Entry(file.stem, unreadable(problem))
                continue
            for clip in clips:
                yield Entry(f"{action}/{clip}", partial(self._read, action, clip))

    def _read(self, action: str, clip: str) -> Clip:
        path = self._root / "joint_positions" / action / clip / "joint_positions.mat"
        scipy = require("scipy.io", "classic")
        with reading(path, "a MATLAB file of joints"):
            content = scipy.loadmat(path, variable_names=["pos_img"])
            if "pos_img" not in content:
                raise FormatError("it lacks pos_img")
            given = np.asarray(content["pos_img"], np.float64)
            if given.ndim != 3 or given.shape[:2] != (2, JOINTS):
                raise FormatError(f"pos_img has shape {given.shape}, expected (2, {JOINTS}, T)")
        xy = np.asarray(raster_to_pixel(given.transpose(1, 2, 0)), np.float64)  # J T 2
        with naming(path):
            folder = self._root / "Rename_Images" / action / clip
            images = numbered_files(folder, 1, xy.shape[1])
            video = open_pictures(images, path)
            asked = Queries(np.column_stack([np.zeros(JOINTS), xy[:, 0]]))
            shown = inside(xy, video.size)
            return Clip(f"{action}/{clip}", video, xy, shown, queries=asked, files=images)


def _test_clips(file: Path) -> list[str]:
    clips = []
    with reading(file, "a split of JHMDB"):
        for number, line in enumerate(read_text(file).splitlines(), 1):
            words = line.rsplit(maxsplit=1)
            if not words:
                continue
            if len(words) != 2 or words[1] not in ("0", "1", _TEST):
                raise FormatError(f"line {number} is {line[:60]!r}, expected CLIP.avi 1 or 2")
            if words[1] == _TEST:
                clips.append(words[0].strip().removesuffix(".avi"))
        if not clips:
            raise FormatError("it names no test clip")
    return clips
