"""Kubric clips with ready-made tracks, as CoTracker and AllTracker keep them.

**CoTracker's layout** (Karaev et al., "CoTracker", ECCV 2024), which CoTracker3_Kubric unpacks
to as well; its depth maps are not read::

    SEQUENCE/SEQUENCE.npy        a pickled dict: coords (N, T, 2) x, y in pixels,
                                 visibility (N, T), where true means *occluded*
    SEQUENCE/frames/*.png        or .jpg, one a frame in the order of their names

**AllTracker's layout** (Harley et al., "AllTracker", ICCV 2025), its Kubric set and what it
exports from others (``alltrack_export/VERSION/SET/CHUNK/CLIP``)::

    .../CLIP/annot.npy           a pickled dict: point_xys (T, N, 2) x, y in pixels,
                                 point_visibs (T, N), where true means *visible*,
                                 point_xys_valid (T, N)
    .../CLIP/frames/*

The dicts are read without running code. Frames may go on after the tracks end.

**Coordinates.** CoTracker's clips were made by Kubric's own extractor, which counts in raster
coordinates: the centre of the top-left pixel is (0.5, 0.5), and half a pixel is taken off.
CoTracker's and AllTracker's readers take the numbers for pixel indices; ``convention="pixel"``
does as they do, and is right for clips that were made so.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.arrays import needed, numbers, read_pickled_dict
from pointtrack.datasets.clip import Clip, Dataset, Entry
from pointtrack.datasets.picture_maps import frame_files
from pointtrack.datasets.stored import folder_at, folders_with, naming, picture_files
from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.geometry import raster_to_pixel
from pointtrack.video import Video
from pointtrack.video.pictures import PictureSource, natural_order

Convention = Literal["raster", "pixel"]

_EXPORTED = "annot.npy"
_LEVELS = 4  # folders between an export's root and its clips, at most


class KubricFolderDataset(Dataset):
    """Clips in CoTracker's or AllTracker's layout; see the module.

    Parameters
    ----------
    path
        The folder with the sequences, the root of an export, or one clip.
    convention
        How the files count pixels.

    Raises
    ------
    FormatError
        When there is no clip.
    """

    def __init__(self, path: PathLike, *, convention: Convention = "raster"):
        if convention not in get_args(Convention):
            raise FormatError(f"convention must be 'raster' or 'pixel', found {convention!r}")
        self._root = folder_at(path)
        self.name = self._root.resolve().name
        self._convention: Convention = convention
        self._files = _annotations(self._root)
        if not self._files:
            raise FormatError(
                f"the folder {self._root} holds no clip: expected SEQUENCE/SEQUENCE.npy, "
                f"or {_EXPORTED} with frames beside it"
            )

    def count(self) -> int:
        return len(self._files)

    def entries(self) -> Iterator[Entry]:
        """One entry a clip, named by its folders below the root."""
        for file in self._files:
            below = file.parent.relative_to(self._root).parts
            name = "_".join(below) or file.parent.resolve().name
            yield Entry(name, partial(read_clip, file, name, self._convention))


def _annotations(root: Path) -> list[Path]:
    """The annotation file of every clip, also where it is missing beside its frames."""
    exported = folders_with(root, _EXPORTED, _LEVELS)
    if exported:
        bare = _bare(root, _LEVELS) - set(exported)
        return sorted((folder / _EXPORTED for folder in [*exported, *bare]), key=natural_order)
    own = root / f"{root.resolve().name}.npy"
    if own.is_file():
        return [own]
    children = (p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [p / f"{p.name}.npy" for p in children]
    there = [f for f in files if f.is_file() or (f.parent / "frames").is_dir()]
    return sorted(there, key=natural_order)


def _bare(root: Path, levels: int) -> set[Path]:
    return {p.parent for n in range(levels + 1) for p in root.glob("*/" * n + "frames")}


def read_clip(path: PathLike, name: str, convention: Convention = "raster") -> Clip:
    """Read one clip by its annotation file, ``SEQUENCE.npy`` or ``annot.npy``.

    Raises
    ------
    FormatError
        When a file is missing or damaged; the message names it.
    """
    file = Path(path)
    content = read_pickled_dict(file)
    tracks = _exported(file, content) if file.name == _EXPORTED else _cotracker(file, content)
    xy, visible, valid = tracks
    if convention == "raster":
        xy = np.asarray(raster_to_pixel(xy), np.float64)
    frames = _frames(file.parent / "frames", xy.shape[1])
    with naming(file):
        video = Video(PictureSource(frames, None, str(file.parent)))
        return Clip(name, video, xy, visible, valid, files=frames)


def _frames(folder: Path, count: int) -> list[Path]:
    files = picture_files(folder)
    return files[:count] if len(files) > count else frame_files(folder, count)


_Tracks = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]


def _cotracker(file: Path, content: dict[str, Any]) -> _Tracks:
    needed(file, content, ["coords", "visibility"])
    xy = numbers(file, "coords", content["coords"], ("N", "T", 2)).astype(np.float64)
    occluded = _booleans(file, "visibility", content["visibility"], xy.shape[:2])
    return _known(xy, ~occluded, np.ones_like(occluded))


def _exported(file: Path, content: dict[str, Any]) -> _Tracks:
    needed(file, content, ["point_xys", "point_visibs"])
    xy = numbers(file, "point_xys", content["point_xys"], ("T", "N", 2)).astype(np.float64)
    visible = _booleans(file, "point_visibs", content["point_visibs"], xy.shape[:2])
    valid = np.ones_like(visible)
    if "point_xys_valid" in content:
        valid = _booleans(file, "point_xys_valid", content["point_xys_valid"], xy.shape[:2])
    return _known(xy.transpose(1, 0, 2), visible.T, valid.T)


def _known(xy: NDArray[np.float64], visible: Any, valid: Any) -> _Tracks:
    finite = np.asarray(np.isfinite(xy).all(axis=2))
    return np.where(finite[..., None], xy, np.nan), visible & finite, valid & finite


def _booleans(file: Path, name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    array = np.asarray(value)
    if array.ndim == len(shape) + 1 and array.shape[-1] == 1:
        array = array[..., 0]
    flags = numbers(file, name, array, shape)
    if not np.isin(flags, (0, 1)).all():
        raise FormatError(f"{file}: {name} must be 0 or 1, found other numbers")
    return flags.astype(bool)
