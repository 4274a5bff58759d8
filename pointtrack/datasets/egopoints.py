"""EgoPoints and K-EPIC: points in head-camera videos, often out of view and back.

Darkhalil et al., "EgoPoints: Advancing Point Tracking for Egocentric Videos", WACV 2025. The
layout, one folder a sequence::

    SEQUENCE/annot.npz      trajs_2d (T, N, 2) x, y in pixels; valids, visibs and, in EgoPoints,
                            vis_valids, out_of_view, occluded, all (T, N)
    SEQUENCE/rgbs/*.jpg

``valids`` says where a position is annotated, ``vis_valids`` where visibility is. A clip's
`extra` holds the five flags, ``(N, T)`` each, under their names, for the benchmark's own
metrics. Points are asked for in the first frame in which their position is known, which is
frame 0 for all of the benchmark's; tracks without any are dropped. K-EPIC, the training set,
has the same layout; flags that a file lacks are taken as: visibility known where the position
is, nothing out of view, occluded where the position is known and the point is not visible.

Pixels are indices: (0, 0) is the centre of the top-left pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from pointtrack.datasets.clip import Clip, Dataset, Entry
from pointtrack.datasets.stored import (
    archive_arrays,
    folder_at,
    folders_with,
    naming,
    open_pictures,
    picture_files,
)
from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.queries import Queries

_ANNOTATION = "annot.npz"
_FLAGS = ("vis_valids", "out_of_view", "occluded")


class EgoPointsDataset(Dataset):
    """EgoPoints' or K-EPIC's sequences; see the module.

    Parameters
    ----------
    path
        The folder with the sequences in it or one level below.

    Raises
    ------
    FormatError
        When no sequence is found.
    """

    name = "egopoints"

    def __init__(self, path: PathLike):
        self._root = folder_at(path)
        annotated = folders_with(self._root, _ANNOTATION)
        bare = [folder.parent for folder in self._root.glob("*/rgbs")]
        self._folders = annotated + sorted(set(bare) - set(annotated))
        if not self._folders:
            raise FormatError(f"the folder {self._root} holds no SEQUENCE/{_ANNOTATION}")

    def count(self) -> int:
        return len(self._folders)

    def entries(self) -> Iterator[Entry]:
        """One entry a sequence."""
        for folder in self._folders:
            yield Entry(folder.resolve().name, partial(_read, folder))


def _read(folder: Path) -> Clip:
    path = folder / _ANNOTATION
    shapes = {"trajs_2d": "T N 2", "valids": "T N", "visibs": "T N"}
    arrays = archive_arrays(path, shapes, dict.fromkeys(_FLAGS, "T N"))
    xy = arrays.pop("trajs_2d").astype(np.float64).transpose(1, 0, 2)  # N T 2
    known = ((arrays["valids"] != 0).T & np.isfinite(xy).all(axis=2)).any(axis=1)  # N
    xy = xy[known]
    flags = {name: (array != 0).T[known] for name, array in arrays.items()}  # N T
    valid = flags["valids"] & np.isfinite(xy).all(axis=2)
    flags["valids"] = valid
    flags.setdefault("vis_valids", valid)
    flags.setdefault("out_of_view", np.zeros_like(valid))
    flags.setdefault("occluded", valid & ~flags["visibs"])
    with naming(path):
        images = picture_files(folder / "rgbs")
        start = valid.argmax(axis=1)  # N
        asked = np.column_stack([start, xy[np.arange(len(xy)), start]])
        xy[~valid] = np.nan
        return Clip(
            folder.resolve().name,
            open_pictures(images, path),
            xy,
            flags["visibs"] & valid & flags["vis_valids"],
            flags["vis_valids"],
            Queries(asked) if len(asked) else None,
            extra=flags,
            files=images,
        )
