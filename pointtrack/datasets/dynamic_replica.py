"""Dynamic Replica: rendered people and animals in scanned rooms, seen by a stereo camera.

Karaev et al., "DynamicStereo: Consistent Dynamic Depth from Stereo Videos", CVPR 2023. The
layout, of which the left camera is read::

    {train,valid,test}/
        frame_annotations_SPLIT.jgz     gzipped JSON: a list of {sequence_name, frame_number,
                                        camera_name, image {path}, depth {path,
                                        scale_adjustment}, viewpoint {R, T, focal_length,
                                        principal_point, intrinsics_format}, trajectories {path}}
        SEQUENCE_left/images/*.png
        SEQUENCE_left/depths/*.png      16 bit: a half-precision number in each pixel
        SEQUENCE_left/trajectories/000000.pth ...

A ``.pth`` is a PyTorch file, one a frame: ``traj_2d`` (N, 2 or 3) x, y in pixels,
``verts_inds_vis`` (N,), and where there ``traj_3d_world`` (N, 3), ``instances`` (N,) and the
picture again, ``img`` (H, W, 3). They are read without running code. The picture is taken from
there where its own file is missing.

As in the published readers a point is visible only within [0, W - 1] x [0, H - 1], and its
numbers are taken for pixel indices: (0, 0) is the centre of the top-left pixel. Whether the
renderer meant that is not documented; ``convention="raster"`` takes half a pixel off.

The camera is PyTorch3D's (x left, y up) turned to pointtrack's; it is left out where it does not
put the world's points within two pixels of their tracks. ``clip.extra["instances"]`` has each
point's instance.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointtrack.camera import Camera
from pointtrack.datasets.arrays import needed, numbers
from pointtrack.datasets.clip import Clip, Dataset, Entry, FrameMaps, unreadable
from pointtrack.datasets.picture_maps import read_values
from pointtrack.datasets.stored import folder_at, naming
from pointtrack.errors import FormatError, PointtrackError, VideoError
from pointtrack.files import PathLike
from pointtrack.formats.common import reading
from pointtrack.geometry import Size, raster_to_pixel
from pointtrack.video import Video
from pointtrack.video.pictures import PictureSource
from pointtrack.video.source import Frame, even_times, to_rgb

if TYPE_CHECKING:
    import torch

Convention = Literal["raster", "pixel"]
SPLITS = ("train", "valid", "test")
FPS = Fraction(30)
_FITS = 2.0  # pixels
_TRIED = 4000  # points at most that a camera is tried on


@dataclass(frozen=True)
class Selection:
    """Which frames and tracks of a sequence become clips.

    Attributes
    ----------
    frames
        Cut sequences into clips of so many frames, the rest left out; default: whole ones.
    first_only
        Only the first clip of each sequence.
    tracks
        Draw at most so many of the tracks; default: all.
    often
        Then keep those visible in more than so many frames.
    seed
        What the draw follows from, with the sequence's name.
    """

    frames: int | None = None
    first_only: bool = False
    tracks: int | None = None
    often: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("frames", "tracks"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PointtrackError(f"{name} must be at least 1, found {value}")


# What CoTracker evaluates on, of the valid split; its own draw of the tracks is not seeded.
COTRACKER = Selection(frames=300, first_only=True, tracks=256, often=10)


class DynamicReplicaDataset(Dataset):
    """The left camera's sequences; see the module.

    Parameters
    ----------
    path
        The folder with the splits, or that of one.
    split
        ``"train"``, ``"valid"`` or ``"test"``; default: all that are there.
    selection
        Which frames and tracks; `COTRACKER` for its evaluation. Default: all of them.
    convention
        How the files count pixels.

    Raises
    ------
    FormatError
        When there is no annotation, or the split is missing or unknown.
    """

    def __init__(
        self,
        path: PathLike,
        split: str | None = None,
        *,
        selection: Selection | None = None,
        convention: Convention = "pixel",
    ):
        root = folder_at(path)
        if convention not in get_args(Convention):
            raise FormatError(f"convention must be 'raster' or 'pixel', found {convention!r}")
        if split is not None and split not in SPLITS:
            raise FormatError(f"there is no split {split!r}; there are: {', '.join(SPLITS)}")
        self.name = root.resolve().name if split is None else f"{root.resolve().name}-{split}"
        wanted = SPLITS if split is None else (split,)
        self._files = [
            file
            for one in wanted
            for folder in (root, root / one)
            if (file := folder / f"frame_annotations_{one}.jgz").is_file()
        ]
        if not self._files:
            raise FormatError(
                f"the folder {root} holds no frame_annotations_{split or 'SPLIT'}.jgz, "
                "nor does a split in it"
            )
        self._selection = Selection() if selection is None else selection
        self._convention: Convention = convention
        self._read: dict[Path, dict[str, list[_Frame]]] = {}

    def count(self) -> int | None:
        """Known once the annotations have been read."""
        if len(self._read) < len(self._files):
            return None
        return sum(len(self._parts(s)) for one in self._read.values() for s in one.values())

    def entries(self) -> Iterator[Entry]:
        """One entry a sequence, or one a clip cut from it."""
        for file in self._files:
            try:
                if file not in self._read:
                    self._read[file] = _read_annotations(file)
            except PointtrackError as problem:
                yield Entry(file.stem, unreadable(problem))
                continue
            for name, frames in self._read[file].items():
                for part in self._parts(frames):
                    whole = len(part) == len(frames)
                    title = name if whole else f"{name}_{part.start:05d}"
                    chosen = frames[part.start : part.stop]
                    load = partial(_load, file, title, chosen, self._selection, self._convention)
                    yield Entry(title, load)

    def _parts(self, frames: Sequence[_Frame]) -> list[range]:
        length = self._selection.frames or len(frames)
        starts = range(0, len(frames) - length + 1, length)
        parts = [range(start, start + length) for start in starts]
        return parts[:1] if self._selection.first_only else parts


# --- The annotation --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """What is needed of one frame's annotation."""

    number: int
    picture: Path
    tracks: Path
    depth: Path | None
    depth_scale: float
    viewpoint: Any


def _read_annotations(file: Path) -> dict[str, list[_Frame]]:
    """The left camera's frames of each sequence, in order."""
    with reading(file, "a gzipped JSON list of frames"):
        with gzip.open(file, "rt", encoding="utf-8") as opened:
            rows = json.load(opened)
        if not isinstance(rows, list):
            raise FormatError(f"it holds a {type(rows).__name__}")
        sequences: dict[str, list[_Frame]] = {}
        for number, row in enumerate(rows):
            try:
                if row["camera_name"] == "left":
                    frame = _frame(file.parent, row)
                    sequences.setdefault(str(row["sequence_name"]), []).append(frame)
            except (KeyError, TypeError, ValueError, AttributeError) as problem:
                raise FormatError(
                    f"frame {number} of its list lacks or has a malformed {problem}"
                ) from problem
    return {name: sorted(f, key=lambda one: one.number) for name, f in sorted(sequences.items())}


def _frame(folder: Path, row: Any) -> _Frame:
    depth = row.get("depth") or {}
    return _Frame(
        int(row["frame_number"]),
        folder / row["image"]["path"],
        folder / row["trajectories"]["path"],
        folder / depth["path"] if depth.get("path") else None,
        float(depth.get("scale_adjustment") or 1.0),
        row.get("viewpoint"),
    )


# --- One clip --------------------------------------------------------------------------------


def _load(
    file: Path,
    name: str,
    frames: Sequence[_Frame],
    selection: Selection,
    convention: Convention,
) -> Clip:
    tracks = _Tracks.read(frames)
    with naming(f"{file}, sequence {name}"):
        separate = any(frame.picture.is_file() for frame in frames)
        pictures = [frame.picture for frame in frames] if separate else []
        name_of = str(frames[0].picture.parent)
        video = Video(PictureSource(pictures, FPS, name_of) if separate else _TensorSource(frames))
        width, height = video.size
        with np.errstate(invalid="ignore"):
            within = (tracks.xy >= 0) & (tracks.xy <= (width - 1, height - 1))
        finite = np.asarray(np.isfinite(tracks.xy).all(axis=2))  # N T
        tracks.visible &= within.all(axis=2) & finite
        tracks.xy[~finite] = np.nan
        rows = _chosen(tracks.visible, selection, name)
        camera = _camera(frames, tracks, video.size)
        if camera is not None and convention == "raster":
            inner = camera.intrinsics.copy()
            inner[:, :2, 2] = raster_to_pixel(inner[:, :2, 2])
            camera = Camera(inner, camera.extrinsics)
        xy = tracks.xy[rows]
        depths = [frame.depth for frame in frames if frame.depth is not None]
        has_depth = len(depths) == len(frames)
        extra = {} if tracks.instances is None else {"instances": tracks.instances[rows]}
        return Clip(
            name,
            video,
            np.asarray(raster_to_pixel(xy), np.float64) if convention == "raster" else xy,
            tracks.visible[rows],
            finite[rows],
            xyz=None if tracks.xyz is None else tracks.xyz[rows],
            depth=FrameMaps(len(frames), partial(_depth, frames)) if has_depth else None,
            camera=camera,
            extra=extra,
            files=[*pictures, *(depths if has_depth else [])],
        )


def _chosen(visible: NDArray[np.bool_], selection: Selection, name: str) -> NDArray[np.int64]:
    rows = np.arange(len(visible))
    if selection.tracks is not None and selection.tracks < len(rows):
        rng = np.random.default_rng([selection.seed, *name.encode()])
        rows = np.sort(rng.permutation(rows)[: selection.tracks])
    if selection.often:
        rows = rows[visible[rows].sum(axis=1) > selection.often]
    return rows


def _depth(frames: Sequence[_Frame], frame: int) -> NDArray[np.float32]:
    one = frames[frame]
    if one.depth is None:
        raise FormatError(f"frame {frame} has no depth")
    values = read_values(one.depth)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise FormatError(
            f"{one.depth} is {values.dtype} of shape {values.shape}, expected a grey 16-bit picture"
        )
    depth = values.view(np.float16).astype(np.float32) * np.float32(one.depth_scale)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(np.inf))


# --- Tracks ----------------------------------------------------------------------------------


@dataclass(eq=False)
class _Tracks:
    xy: NDArray[np.float64]  # N T 2
    visible: NDArray[np.bool_]  # N T
    xyz: NDArray[np.float64] | None  # N T 3
    instances: NDArray[np.int64] | None  # N

    @classmethod
    def read(cls, frames: Sequence[_Frame]) -> _Tracks:
        xy, visible, xyz = [], [], []
        instances: NDArray[np.int64] | None = None
        count: int | str = "N"
        for frame in frames:
            path = frame.tracks
            content = load_tensors(path)
            needed(path, content, ["traj_2d", "verts_inds_vis"])
            flat = _array(path, "traj_2d", content)
            columns = 3 if flat.shape[-1:] == (3,) else 2  # the third is depth
            points = numbers(path, "traj_2d", flat, (count, columns))[:, :2]
            count = len(points)
            shown = _array(path, "verts_inds_vis", content)
            xy.append(points)
            visible.append(numbers(path, "verts_inds_vis", shown, (count,)) != 0)
            if "traj_3d_world" in content:
                world = _array(path, "traj_3d_world", content)
                xyz.append(numbers(path, "traj_3d_world", world, (count, 3)))
            if instances is None and "instances" in content:
                named = _array(path, "instances", content)
                instances = numbers(path, "instances", named, (count,)).astype(np.int64)
        return cls(
            np.stack(xy, axis=1).astype(np.float64),
            np.stack(visible, axis=1),
            np.stack(xyz, axis=1).astype(np.float64) if len(xyz) == len(frames) else None,
            instances,
        )


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """A dict of tensors that was saved by PyTorch, read without running code.

    What is not used is not read where the file allows it.

    Raises
    ------
    FormatError
        When the file is damaged or holds something else.
    """
    import torch

    with reading(path, "a PyTorch file of tensors"):
        new = zipfile.is_zipfile(path)  # older files cannot be mapped into memory
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=new or None)
        if not isinstance(content, dict):
            raise FormatError(f"it holds a {type(content).__name__}, expected a dict")
        return content


def _array(path: Path, name: str, content: dict[str, Any]) -> NDArray[Any]:
    value = content[name]
    if not hasattr(value, "numpy"):
        raise FormatError(f"{path}: {name} is a {type(value).__name__}, expected a tensor")
    return value.numpy()


# --- Pictures and camera ---------------------------------------------------------------------


class _TensorSource:
    """Pictures kept beside the tracks, for copies without their own files."""

    def __init__(self, frames: Sequence[_Frame]):
        self.name = str(frames[0].tracks.parent)
        self._frames = frames
        first = self.frame(0)
        self.size = (first.shape[1], first.shape[0])
        self.fps = FPS
        self.times = even_times(len(frames), FPS)

    def frame(self, index: int) -> Frame:
        path = self._frames[index].tracks
        content = load_tensors(path)
        needed(path, content, ["img"])
        picture = to_rgb(_array(path, "img", content), str(path))
        if index and (picture.shape[1], picture.shape[0]) != self.size:
            raise VideoError(f"{path}: img is {picture.shape}, the first is {self.size}")
        return picture

    def frames(self, wanted: range) -> Iterator[Frame]:
        return map(self.frame, wanted)

    def close(self) -> None:
        """Nothing to release."""


def _camera(frames: Sequence[_Frame], tracks: _Tracks, size: Size) -> Camera | None:
    """The camera in the files' own pixels; None where there is none that fits."""
    if tracks.xyz is None:
        return None
    try:
        pairs = [_matrices(frame.viewpoint, size) for frame in frames]
        camera = Camera(np.stack([k for k, _ in pairs]), np.stack([e for _, e in pairs]))
    except (KeyError, TypeError, ValueError):
        return None
    misses = []
    for t in np.linspace(0, len(frames) - 1, 8).astype(int):
        rows = np.flatnonzero(tracks.visible[:, t])[: _TRIED // 8]
        place, depth = camera.project(tracks.xyz[rows, t], t)
        miss = np.linalg.norm(place - tracks.xy[rows, t], axis=-1)
        misses.append(np.where(depth > 0, miss, np.inf))
    every = np.concatenate(misses)
    return camera if not len(every) or float(np.median(every)) < _FITS else None


def _matrices(viewpoint: Any, size: Size) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Intrinsics and extrinsics of PyTorch3D's camera: x left, y up, points as rows."""
    sides = np.asarray(size, np.float64) / 2
    if viewpoint.get("intrinsics_format", "ndc_norm_minmax_bounds") == "ndc_isotropic":
        sides = np.full(2, sides.min())
    focal = np.asarray(viewpoint["focal_length"], np.float64) * sides
    centre = np.asarray(size) / 2 - np.asarray(viewpoint["principal_point"], np.float64) * sides
    inner = np.array([[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]])
    turn = np.diag([-1.0, -1.0, 1.0])
    outer = np.eye(4)
    outer[:3, :3] = turn @ np.asarray(viewpoint["R"], np.float64).T
    outer[:3, 3] = turn @ np.asarray(viewpoint["T"], np.float64)
    return inner, outer
