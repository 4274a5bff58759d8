"""DriveTrack: points on vehicles and streets, from the laser scans of the Waymo Open Dataset.

Balasingam et al., "DriveTrack: A Benchmark for Long-Range Point Tracking in Real-World Videos",
CVPR 2024. One ``.npz`` a clip: ``video`` (T, 1280, 1920, 3) uint8, ``tracks`` (N, T, 2) x, y in
pixels and ``visibles`` (N, T).

Tracks with a number that is not finite are dropped. Frames are decompressed one by one when
they are asked for. Pixels are indices: (0, 0) is the centre of the top-left pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from pointtrack.datasets.clip import Clip, Dataset, Entry
from pointtrack.datasets.stored import ArchivedFrames, archive_arrays, folder_at, naming
from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.video import Video
from pointtrack.video.pictures import natural_order


class DriveTrackDataset(Dataset):
    """DriveTrack's archives; see the module.

    Parameters
    ----------
    path
        The folder with the archives in it or one level below.

    Raises
    ------
    FormatError
        When no archive is found.
    """

    name = "drivetrack"

    def __init__(self, path: PathLike):
        root = folder_at(path)
        files = list(root.glob("*.npz")) or list(root.glob("*/*.npz"))
        self._files = sorted(files, key=natural_order)
        if not self._files:
            raise FormatError(f"the folder {root} holds no .npz")

    def count(self) -> int:
        return len(self._files)

    def entries(self) -> Iterator[Entry]:
        """One entry an archive."""
        for file in self._files:
            yield Entry(file.stem, partial(_read, file))


def _read(file: Path) -> Clip:
    arrays = archive_arrays(file, {"tracks": "N T 2", "visibles": "N T"})
    xy = arrays["tracks"].astype(np.float64)
    kept = np.isfinite(xy).all(axis=(1, 2))
    with naming(file):
        video = Video(ArchivedFrames(file, "video"))
        return Clip(file.stem, video, xy[kept], arrays["visibles"][kept] != 0)
