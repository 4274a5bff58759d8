"""FlyingThings++: tracks of 8 frames, chained from FlyingThings3D's optical flow.

Harley et al., "Particle Video Revisited" (PIPs), ECCV 2022, on Mayer et al., "A Large Dataset to
Train Convolutional Networks for Disparity, Optical Flow, and Scene Flow Estimation", CVPR 2016.
The layout::

    frames_cleanpass_webp/{TRAIN,TEST}/{A,B,C}/0000/{left,right}/0006.webp ... 0015.webp
    trajs_ad/TRAIN/A/0000/left/trajs_at_{0,1,2}.npz        trajs (8, N, 2) x, y in pixels
    occluders_al/TRAIN/A/0000/left/occluder_at_{0,1,2}.npy a pickled dict: object -> (8, M, 2)
    object_index/TRAIN/A/0000/left/0006.pfm ...
    optical_flow/TRAIN/A/0000/into_{future,past}/left/OpticalFlowInto{Future,Past}_0006_L.pfm ...

Only frames and tracks are needed. The letters after ``trajs_`` and ``occluders_`` differ
between releases. ``trajs_at_1`` begins at a sequence's second picture.

Tracks begin at whole pixels and follow the flow, so pixels are indices: (0, 0) is the centre of
the top-left pixel. They are stored as float16, whose steps are half a pixel from x = 512 on.
Those that could not be followed all the way were dropped when they were made; so every point is
visible in all frames, until an occluder is put before it.

`masks` hold the objects' numbers where ``object_index`` is there. ``clip.extra`` has
``"occluders"``, the file to give to `read_occluders`, or None; and, where flow is there,
``"forward_flow"`` and ``"backward_flow"``, one map ``(H, W, 2)`` of x, y a frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.arrays import mapped_archive, numbers, read_pickled_dict
from pointtrack.datasets.clip import Clip, Dataset, Entry, FrameMaps
from pointtrack.datasets.pfm import read_pfm
from pointtrack.datasets.picture_maps import frame_files
from pointtrack.datasets.stored import folder_at, naming
from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.video import Video
from pointtrack.video.pictures import PictureSource, natural_order

LENGTH = 8  # frames of a clip
PICTURES, FIRST = 10, 6  # of a sequence: how many, and the first one's number
SPLITS = ("TRAIN", "TEST")
_FRAMES = "frames_cleanpass_webp"


class FlyingThingsDataset(Dataset):
    """FlyingThings++ beside FlyingThings3D; see the module.

    Parameters
    ----------
    path
        The folder with ``frames_cleanpass_webp`` and ``trajs_*``.
    split
        ``"TRAIN"`` or ``"TEST"``; default: both, where they are.
    frames
        The folder of the pictures, to read another rendering or other copies than WebP.

    Raises
    ------
    FormatError
        When there are no tracks, or several versions of them.
    """

    def __init__(self, path: PathLike, split: str | None = None, *, frames: str = _FRAMES):
        self._root = folder_at(path)
        if split is not None and split not in SPLITS:
            raise FormatError(f"there is no split {split!r}; there are: {', '.join(SPLITS)}")
        name = self._root.resolve().name
        self.name = name if split is None else f"{name}-{split}"
        self._frames = frames
        tracks = _version(self._root, "trajs_*")
        if tracks is None:
            raise FormatError(f"the folder {self._root} holds no folder trajs_*")
        self._tracks = tracks
        self._occluders = _version(self._root, "occluders_*")
        files = self._tracks.glob(f"{split or '*'}/*/*/*/trajs_at_*.npz")
        self._files = sorted(files, key=natural_order)
        if not self._files:
            raise FormatError(
                f"the folder {self._tracks} holds no {split or 'SPLIT'}/A/0000/left/trajs_at_0.npz"
            )

    def count(self) -> int:
        return len(self._files)

    def entries(self) -> Iterator[Entry]:
        """One entry a file of tracks."""
        for file in self._files:
            place = file.relative_to(self._tracks)
            start = place.stem.rpartition("_")[2]
            name = "_".join([*place.parent.parts, start])
            yield Entry(name, partial(self._load, file, name))

    def _load(self, file: Path, name: str) -> Clip:
        below = file.relative_to(self._tracks).parent
        start = file.stem.rpartition("_")[2]
        if not start.isdecimal() or int(start) > PICTURES - LENGTH:
            raise FormatError(f"{file} must be named trajs_at_0 to trajs_at_{PICTURES - LENGTH}")
        chosen = slice(int(start), int(start) + LENGTH)
        arrays = mapped_archive(file, ["trajs"], required=["trajs"])
        points = numbers(file, "trajs", arrays["trajs"], (LENGTH, "N", 2))
        xy = points.astype(np.float64).transpose(1, 0, 2)  # N T 2
        finite = np.asarray(np.isfinite(xy).all(axis=2))
        with naming(file):
            pictures = self._pictures(self._root / self._frames / below, chosen)
            objects = self._root / "object_index" / below
            index = self._pictures(objects, chosen, ".pfm") if objects.is_dir() else []
            extra: dict[str, Any] = {"occluders": self._occluder(below, start)}
            for key, way in (("forward_flow", "future"), ("backward_flow", "past")):
                flow = self._flow(below, way, chosen)
                if flow:
                    extra[key] = FrameMaps(LENGTH, partial(_flow_map, flow))
            return Clip(
                name,
                Video(PictureSource(pictures, Fraction(25), str(pictures[0].parent))),
                np.where(finite[..., None], xy, np.nan),
                finite,
                finite,
                masks=FrameMaps(LENGTH, partial(_object_map, index)) if index else None,
                extra=extra,
                files=[*pictures, *index],
            )

    def _pictures(self, folder: Path, chosen: slice, suffix: str | None = None) -> list[Path]:
        if suffix is None:
            return frame_files(folder, PICTURES, FIRST)[chosen]
        return [folder / f"{FIRST + t:04d}{suffix}" for t in range(PICTURES)][chosen]

    def _occluder(self, below: Path, start: str) -> Path | None:
        if self._occluders is None:
            return None
        path = self._occluders / below / f"occluder_at_{start}.npy"
        return path if path.is_file() else None

    def _flow(self, below: Path, way: str, chosen: slice) -> list[Path]:
        side = below.name
        folder = self._root / "optical_flow" / below.parent / f"into_{way}" / side
        if not folder.is_dir():
            return []
        stem = f"OpticalFlowInto{way.capitalize()}"
        every = [folder / f"{stem}_{FIRST + t:04d}_{side[0].upper()}.pfm" for t in range(PICTURES)]
        return every[chosen]


def _version(root: Path, pattern: str) -> Path | None:
    found = sorted(p for p in root.glob(pattern) if p.is_dir())
    if len(found) > 1:
        listed = ", ".join(p.name for p in found)
        raise FormatError(f"the folder {root} must hold one folder {pattern}, found {listed}")
    return found[0] if found else None


def read_occluders(path: PathLike) -> dict[int, NDArray[np.float64]]:
    """Objects to be put before another clip: each one's points, ``(M, 8, 2)`` pixels x, y.

    They are read without running code.

    Raises
    ------
    FormatError
        When the file is damaged or holds something else.
    """
    file = Path(path)
    occluders: dict[int, NDArray[np.float64]] = {}
    for key, value in read_pickled_dict(file).items():
        points = numbers(file, f"object {key}", value, (LENGTH, "M", 2))
        with naming(file):
            try:
                occluders[int(float(key))] = points.astype(np.float64).transpose(1, 0, 2)
            except ValueError as problem:
                raise FormatError(f"object {key!r} has no number") from problem
    return occluders


def _object_map(files: list[Path], frame: int) -> NDArray[np.int32]:
    values = read_pfm(files[frame])
    if values.ndim != 2:
        raise FormatError(f"{files[frame]} has shape {values.shape}, expected one channel")
    return np.round(values).astype(np.int32)


def _flow_map(files: list[Path], frame: int) -> NDArray[np.float32]:
    values = read_pfm(files[frame])
    if values.ndim != 3:
        raise FormatError(f"{files[frame]} has shape {values.shape}, expected three channels")
    return values[..., :2]
