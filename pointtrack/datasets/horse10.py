"""Horse-10: keypoints on walking racehorses.

Mathis et al., "Pretraining Boosts Out-of-Domain Robustness for Pose Estimation", WACV 2021; as
a benchmark of point tracking in Harley et al., "AllTracker", ICCV 2025. The layout::

    seq_annotation.pkl      a dict: video name -> list of frames, each {img_path,
                            keypoints (1, N, 2) x, y in pixels, keypoints_visible (1, N)}
    pictures                wherever img_path says, seen from the folder; of a path of someone
                            else's computer the longest end that is there counts

Pixels are indices: (0, 0) is the centre of the top-left pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pointtrack.datasets.clip import Clip, Dataset, Entry
from pointtrack.datasets.stored import folder_at, naming, open_pictures
from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import reading
from pointtrack.formats.safe_pickle import safe_load

_ANNOTATION = "seq_annotation.pkl"


class Horse10Dataset(Dataset):
    """Horse-10's annotated sequences; see the module.

    Parameters
    ----------
    path
        The folder with ``seq_annotation.pkl``.

    Raises
    ------
    FormatError
        When the file is not there, or is no dict of lists.
    """

    name = "horse10"

    def __init__(self, path: PathLike):
        self._root = folder_at(path)
        self._file = self._root / _ANNOTATION
        with reading(self._file, "a pickle of plain data"), self._file.open("rb") as opened:
            content = safe_load(opened)
            if not isinstance(content, dict) or not content:
                raise FormatError(f"it holds a {type(content).__name__}, expected a dict")
            self._videos: dict[str, Any] = {str(name): rows for name, rows in content.items()}

    def count(self) -> int:
        return len(self._videos)

    def entries(self) -> Iterator[Entry]:
        """One entry a video."""
        for name, rows in self._videos.items():
            yield Entry(name, partial(self._read, name, rows))

    def _read(self, name: str, rows: Any) -> Clip:
        with naming(f"{self._file}, entry {name!r}"):
            points, shown, images = [], [], []
            if not isinstance(rows, list) or not rows:
                raise FormatError("it holds no list of frames")
            for t, row in enumerate(rows):
                missing = {"img_path", "keypoints", "keypoints_visible"} - set(row)
                if missing:
                    raise FormatError(f"frame {t} lacks {', '.join(sorted(missing))}")
                keypoints = np.asarray(row["keypoints"], np.float64)
                flags = np.asarray(row["keypoints_visible"])
                fits = keypoints.ndim == 3 and keypoints.shape[::2] == (1, 2)
                if not fits or flags.shape != keypoints.shape[:2]:
                    raise FormatError(
                        f"frame {t} has keypoints of shape {keypoints.shape} and flags of "
                        f"shape {flags.shape}, expected (1, N, 2) and (1, N)"
                    )
                points.append(keypoints[0])
                shown.append(flags[0] > 0)
                images.append(self._picture(str(row["img_path"])))
            if len({len(frame) for frame in points}) != 1:
                raise FormatError("its frames have different numbers of keypoints")
            xy = np.stack(points, axis=1)  # N T 2
            visible = np.stack(shown, axis=1) & np.isfinite(xy).all(axis=2)
            video = open_pictures(images, images[0])
            return Clip(name, video, xy, visible, files=images)

    def _picture(self, given: str) -> Path:
        parts = PurePosixPath(given.replace("\\", "/")).parts
        ends = [self._root.joinpath(*parts[at:]) for at in range(len(parts))]
        # Joining an absolute path would leave the folder.
        inside = [path for path in ends if path.is_relative_to(self._root)]
        return next((path for path in inside if path.is_file()), inside[0])
