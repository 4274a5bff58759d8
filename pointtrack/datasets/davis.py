"""DAVIS 2017: videos with a mask of every object in every frame.

Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object Segmentation", 2017. The layout, as
the archives unpack, in the given folder or in a folder ``DAVIS`` of it::

    ImageSets/2017/val.txt                  one name a line
    JPEGImages/RESOLUTION/NAME/00000.jpg    RESOLUTION is 480p or Full-Resolution
    Annotations/RESOLUTION/NAME/00000.png   palette pictures: 0 background, else an object

Clips of `DavisDataset` have masks and no tracks. `FullDavisDataset` joins the videos in full
resolution with the points of TAP-Vid-DAVIS (``tapvid_davis.pkl`` in the folder or one level
below) by their names: the points are fractions of the picture, so nothing else changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pointtrack.datasets.clip import Clip, Dataset, Entry, unreadable
from pointtrack.datasets.stored import (
    folder_at,
    instance_maps,
    naming,
    numbered_files,
    open_pictures,
)
from pointtrack.datasets.tapvid import PICKLE_SUFFIXES, examples_in, read_annotation
from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import read_text, reading
from pointtrack.geometry import normalised_to_pixel

RESOLUTIONS = ("480p", "Full-Resolution")


class DavisDataset(Dataset):
    """Videos and masks of DAVIS 2017; see the module.

    Parameters
    ----------
    path
        The folder with ``JPEGImages`` in it or in its folder ``DAVIS``.
    split
        The list of ``ImageSets/2017`` to read: ``"val"``, ``"train"``, ... Where there are no
        lists, every video is read.
    resolution
        ``"480p"`` or ``"Full-Resolution"``; default: the first that is there.

    Raises
    ------
    FormatError
        When there are no videos, or no such split.
    """

    name = "davis"

    def __init__(self, path: PathLike, split: str = "val", resolution: str | None = None):
        self._root = _root(folder_at(path))
        self._resolution = resolution or _resolution(self._root)
        self._frames = self._root / "JPEGImages" / self._resolution
        self._names = self._split(split)

    def count(self) -> int:
        return len(self._names)

    def entries(self) -> Iterator[Entry]:
        """One entry a video."""
        for name in self._names:
            yield Entry(name, partial(self._read, name))

    def _read(self, name: str) -> Clip:
        masks = self._root / "Annotations" / self._resolution / name
        maps = numbered_files(masks, 0)
        images = numbered_files(self._frames / name, 0)
        last = max(images, maps, key=len)  # where one end is missing, the other tells
        images = [images[0].with_stem(path.stem) for path in last]
        maps = [maps[0].with_stem(path.stem) for path in last]
        return Clip(
            name,
            open_pictures(images, images[0].parent),
            np.empty((0, len(images), 2)),
            np.empty((0, len(images)), bool),
            masks=instance_maps(maps),
            files=[*images, *maps],
        )

    def _split(self, split: str) -> list[str]:
        lists = self._root / "ImageSets" / "2017"
        if not lists.is_dir():
            return sorted(p.name for p in self._frames.iterdir() if p.is_dir())
        path = lists / f"{split}.txt"
        with reading(path, "a list of names"):
            names = read_text(path).split()
        if not names:
            raise FormatError(f"{path} names no video")
        return names


class FullDavisDataset(Dataset):
    """TAP-Vid-DAVIS' points on the videos in full resolution; see the module.

    Parameters
    ----------
    path
        The folder of DAVIS with a pickle of TAP-Vid-DAVIS in it or one level below.
    points
        The pickle, where it lies elsewhere.
    resolution
        Of the videos.

    Raises
    ------
    FormatError
        When there are no videos or no pickle.
    """

    name = "tapvid-davis-full"

    def __init__(
        self,
        path: PathLike,
        points: PathLike | None = None,
        resolution: str = "Full-Resolution",
    ):
        place = folder_at(path)
        self._pickle = _pickle_in(place) if points is None else Path(points)
        root = _root(place)
        self._frames = root / "JPEGImages" / resolution
        if not self._frames.is_dir():
            raise FormatError(f"there is no folder {self._frames}")
        self._count: int | None = None

    def count(self) -> int | None:
        """Known once the pickle has been read."""
        return self._count

    def entries(self) -> Iterator[Entry]:
        """One entry an example of the pickle."""
        try:
            examples = examples_in(self._pickle)
        except FormatError as problem:
            yield Entry(self._pickle.stem, unreadable(problem))
            return
        self._count = len(examples)
        for key, example in examples:
            yield Entry(str(key), partial(self._read, str(key), example))

    def _read(self, name: str, example: Any) -> Clip:
        with naming(f"{self._pickle}, entry {name!r}"):
            points, visible = read_annotation(example)
            images = numbered_files(self._frames / name, 0)
            video = open_pictures(images, images[0].parent)
            xy = np.asarray(normalised_to_pixel(points, video.size), np.float64)
            return Clip(name, video, xy, visible, files=images)


def _root(place: Path) -> Path:
    for root in (place, place / "DAVIS"):
        if (root / "JPEGImages").is_dir():
            return root
    raise FormatError(f"the folder {place} holds no JPEGImages")


def _resolution(root: Path) -> str:
    for resolution in RESOLUTIONS:
        if (root / "JPEGImages" / resolution).is_dir():
            return resolution
    raise FormatError(f"the folder {root / 'JPEGImages'} holds neither {' nor '.join(RESOLUTIONS)}")


def _pickle_in(place: Path) -> Path:
    for pattern in ("*", "*/*"):
        files = sorted(p for p in place.glob(pattern) if p.suffix.lower() in PICKLE_SUFFIXES)
        if files:
            return files[0]
    raise FormatError(f"the folder {place} holds no pickle of TAP-Vid-DAVIS (tapvid_davis.pkl)")
