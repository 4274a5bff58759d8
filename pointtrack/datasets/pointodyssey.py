"""PointOdyssey: long synthetic videos with exact tracks, depth, masks and cameras.

Zheng et al., "PointOdyssey: A Large-Scale Synthetic Dataset for Long-Term Point Tracking",
ICCV 2023. The layout, also that of what pointtrack's own Blender generator writes::

    {train,val,test}/SEQUENCE/
        rgbs/rgb_00000.jpg ...
        depths/depth_00000.png ...   16 bit: value / 65535 * 1000 metres along the optical axis
        masks/mask_00000.png ...     instances as colours of a palette, 0 background
        normals/normal_00000.jpg ... not read
        flows/forward_00000.png, backward_00001.png ...   pointtrack's own addition, as KITTI's
        anno.npz                     in other builds annot.npz or annotations.npz

Arrays of the annotation; T frames, N points:

==============  ===========  ===========================================================
``trajs_2d``    (T, N, 2)    x, y in pixels; may be infinite or NaN
``trajs_3d``    (T, N, 3)    in the world, optional
``visibs``      (T, N)       1 visible
``valids``      (T, N)       1 usable
``intrinsics``  (T, 3, 3)    in pixels, optional
``extrinsics``  (T, 4, 4)    from the world to the camera (x right, y down, z forward), optional
``instances``   (N,)         the instance a point is on; pointtrack's own addition
==============  ===========  ===========================================================

Older builds have one array ``visibilities`` for both flags: 1 visible, 0 occluded, 2 invalid.

**Coordinates** are raster: the principal point is (W / 2, H / 2) and the centre of the top-left
pixel (0.5, 0.5), so half a pixel is taken off. The published readers take them for pixel
indices. They may be stored as float16, whose steps are half a pixel from x = 512 on; nothing
can be done about that here.

**Points** that are not finite are not valid and have no position; others keep theirs even where
they are not valid, as the published protocol looks at those, too.

**The camera** is tried on visible points. Builds of v1.0 have other axes and a mirrored u; that
is put right. When neither fits, a clip has no camera. ``clip.extra["camera"]`` says
``"standard"``, ``"v1.0"``, ``"none"`` or ``"does not fit"``. Where they are there, it has
``"instances"``, too, and ``"forward_flow"`` and ``"backward_flow"``: one map ``(H, W, 2)`` a
frame, to the next and to the previous one, NaN where unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.camera import Camera
from pointtrack.datasets.arrays import archive_header, mapped_archive, numbers
from pointtrack.datasets.clip import Clip, Dataset, Entry, FrameMaps, unreadable
from pointtrack.datasets.picture_maps import frame_files, read_depth, read_flow, read_labels
from pointtrack.datasets.stored import folder_at, naming
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import PathLike
from pointtrack.formats.pointodyssey import ANNOTATION_NAMES, DEPTH_RANGE, FPS, decode_visibility
from pointtrack.geometry import Size, raster_to_pixel
from pointtrack.video import Video
from pointtrack.video.pictures import PictureSource, natural_order

SPLITS = ("train", "val", "test")
_FLAGS = ("visibs", "valids", "visibilities")
_ARRAYS = ("trajs_2d", *_FLAGS, "trajs_3d", "intrinsics", "extrinsics", "instances")
_FITS = 8.0  # pixels; float16 cameras and points are that far off
_TRIED = 4000  # points at most that a camera is tried on


class PointOdysseyDataset(Dataset):
    """PointOdyssey's sequences; see the module.

    Parameters
    ----------
    path
        The folder with the splits, or with sequences, or one sequence.
    split
        ``"train"``, ``"val"`` or ``"test"``; default: all that are there.
    window
        Cut sequences into clips of so many frames; what is left at the end is left out.
        Default: a sequence is one clip, of up to thousands of frames and points.
    cache
        Where compressed annotations are unpacked, once, so that later only what a clip needs
        is read. Default: ``POINTTRACK_CACHE`` where set, else they are read into memory.

    Raises
    ------
    FormatError
        When there is no sequence, or the split is missing or unknown.
    """

    def __init__(
        self,
        path: PathLike,
        split: str | None = None,
        *,
        window: int | None = None,
        cache: PathLike | None = None,
    ):
        root = folder_at(path)
        self.name = root.resolve().name if split is None else f"{root.resolve().name}-{split}"
        if window is not None and window < 1:
            raise PointtrackError(f"window must be at least 1, found {window}")
        if split is not None:
            if split not in SPLITS:
                raise FormatError(f"there is no split {split!r}; there are: {', '.join(SPLITS)}")
            root = folder_at(root / split)
        self._folders = _sequences(root)
        if not self._folders:
            raise FormatError(
                f"the folder {root} holds no sequence: expected SEQUENCE/{ANNOTATION_NAMES[0]}"
            )
        self._window, self._cache = window, cache

    def count(self) -> int | None:
        return len(self._folders) if self._window is None else None

    def entries(self) -> Iterator[Entry]:
        """One entry a sequence, or one a window."""
        names = [folder.resolve().name for folder in self._folders]
        for folder, name in zip(self._folders, names, strict=True):
            if names.count(name) > 1:
                name = f"{folder.resolve().parent.name}_{name}"
            if self._window is None:
                yield Entry(name, partial(read_sequence, folder, name, cache=self._cache))
            else:
                yield from self._windows(folder, name, self._window)

    def _windows(self, folder: Path, name: str, window: int) -> Iterator[Entry]:
        try:
            header = archive_header(find_annotation(folder), "trajs_2d")
            total = header[0][0] if header and header[0] else 0
        except PointtrackError as problem:
            yield Entry(name, unreadable(problem))
            return
        if not total:  # reading will say what is wrong
            yield Entry(name, partial(read_sequence, folder, name, cache=self._cache))
        for start in range(0, total - window + 1, window):
            title, frames = f"{name}_{start:05d}", range(start, start + window)
            yield Entry(title, partial(read_sequence, folder, title, frames, cache=self._cache))


def _sequences(root: Path) -> list[Path]:
    if _is_sequence(root):
        return [root]
    split = [root / name for name in SPLITS if (root / name).is_dir()]
    found: list[Path] = []
    for parent in split or [root]:
        found += sorted((p for p in parent.iterdir() if _is_sequence(p)), key=natural_order)
    return found


def _is_sequence(folder: Path) -> bool:
    if folder.name.startswith(".") or not folder.is_dir():
        return False
    return (folder / "rgbs").is_dir() or any((folder / n).is_file() for n in ANNOTATION_NAMES)


def find_annotation(folder: Path) -> Path:
    """The annotation of a sequence, or a `FormatError` that says under which names it may be."""
    for name in ANNOTATION_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise FormatError(f"{folder} has no annotation: expected {' or '.join(ANNOTATION_NAMES)}")


def read_sequence(
    folder: PathLike, name: str, frames: range | None = None, *, cache: PathLike | None = None
) -> Clip:
    """Read one sequence, or a part of its frames.

    Parameters
    ----------
    folder
        The sequence.
    name
        The clip's name.
    frames
        Which frames, in ascending order; default: all. Arrays stored without compression, or
        in the cache, are read for these frames only.
    cache
        As in `PointOdysseyDataset`.

    Raises
    ------
    FormatError
        When a file is missing or damaged; the message names it.
    """
    place = Path(folder)
    path = find_annotation(place)
    annotation = _Annotation.read(path, frames, cache)
    chosen, total = annotation.frames, annotation.total
    with naming(path):
        rgbs = _chosen_files(place / "rgbs", total, chosen)
        video = Video(PictureSource(rgbs, Fraction(FPS, chosen.step), str(place)))
        depths = _chosen_files(place / "depths", total, chosen, optional=True)
        masks = _chosen_files(place / "masks", total, chosen, optional=True)
        camera, convention = annotation.camera(video.width)
        extra: dict[str, Any] = {"camera": convention}
        if annotation.instances is not None:
            extra["instances"] = annotation.instances
        flows: list[Path] = []
        if (place / "flows").is_dir() and chosen.step == 1:
            for way, end in (("forward", total - 1), ("backward", 0)):
                every = [place / "flows" / f"{way}_{t:05d}.png" for t in chosen]
                flows += [f for t, f in zip(chosen, every, strict=True) if t != end]
                load = partial(_flow, every, end - chosen.start, video.size)
                extra[f"{way}_flow"] = FrameMaps(len(every), load)
        return Clip(
            name,
            video,
            np.asarray(raster_to_pixel(annotation.raster), np.float64),
            annotation.visible,
            annotation.valid,
            xyz=annotation.xyz,
            depth=FrameMaps(len(depths), partial(_depth, depths)) if depths else None,
            masks=FrameMaps(len(masks), partial(_labels, masks)) if masks else None,
            camera=camera,
            extra=extra,
            files=[*rgbs, *depths, *masks, *flows],
        )


def _chosen_files(folder: Path, total: int, chosen: range, optional: bool = False) -> list[Path]:
    if optional and not folder.is_dir():
        return []
    files = frame_files(folder, total)
    return [files[t] for t in chosen]


def _depth(files: list[Path], frame: int) -> NDArray[np.float32]:
    return read_depth(files[frame], DEPTH_RANGE)


def _labels(files: list[Path], frame: int) -> NDArray[np.int32]:
    return read_labels(files[frame])


def _flow(files: list[Path], end: int, size: Size, frame: int) -> NDArray[np.float32]:
    if frame == end:  # from where there is no next or previous frame
        return np.full((size[1], size[0], 2), np.nan, np.float32)
    return read_flow(files[frame])


# --- The annotation --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Annotation:
    """What ``anno.npz`` says of some frames; positions are raster."""

    total: int  # frames of the whole sequence
    frames: range
    raster: NDArray[np.float64]  # N T 2
    visible: NDArray[np.bool_]  # N T
    valid: NDArray[np.bool_]  # N T
    xyz: NDArray[np.floating] | None  # N T 3, as stored: by far the largest array
    intrinsics: NDArray[np.floating] | None  # T 3 3
    extrinsics: NDArray[np.floating] | None  # T 4 4
    instances: NDArray[np.int64] | None  # N

    @classmethod
    def read(cls, path: Path, frames: range | None, cache: PathLike | None) -> _Annotation:
        arrays = mapped_archive(path, _ARRAYS, cache, required=["trajs_2d"])
        points = numbers(path, "trajs_2d", arrays["trajs_2d"], ("T", "N", 2))
        total, count = points.shape[:2]
        chosen = range(total) if frames is None else frames
        if not chosen or chosen.step < 1 or chosen[0] < 0 or chosen[-1] >= total:
            raise FormatError(f"{path} has frames 0 to {total - 1}, asked for {chosen}")
        part = slice(chosen.start, chosen.stop, chosen.step)

        def taken(name: str, *shape: int | str) -> NDArray[Any] | None:
            if name not in arrays:
                return None
            return numbers(path, name, arrays[name], (total, *shape))[part]

        raster = points[part].astype(np.float64).transpose(1, 0, 2)  # N T 2
        visible, valid = _flags(path, arrays, (total, count), part)
        finite = np.isfinite(raster).all(axis=2)
        raster[~finite] = np.nan
        valid = valid & finite
        xyz, instances = taken("trajs_3d", count, 3), None
        if "instances" in arrays:
            named = numbers(path, "instances", arrays["instances"], (count,))
            instances = named.astype(np.int64)
        return cls(
            total,
            chosen,
            raster,
            visible & valid,
            valid,
            None if xyz is None else xyz.transpose(1, 0, 2),
            taken("intrinsics", 3, 3),
            taken("extrinsics", 4, 4),
            instances,
        )

    def camera(self, width: int) -> tuple[Camera | None, str]:
        """The camera in pointtrack's own convention, and which one the file has."""
        if self.intrinsics is None or self.extrinsics is None:
            return None, "none"
        stored = self.intrinsics.astype(np.float64), self.extrinsics.astype(np.float64)
        if not all(np.isfinite(matrices).all() for matrices in stored):
            return None, "does not fit"
        for convention, inner, outer in (
            ("standard", *stored),
            ("v1.0", *_from_first_version(*stored, width)),
        ):
            if self._fits(Camera(inner, outer)):
                moved = inner.copy()
                moved[:, :2, 2] = raster_to_pixel(inner[:, :2, 2])
                return Camera(moved, outer), convention
        return None, "does not fit"

    def _fits(self, raster_camera: Camera) -> bool:
        """Whether points in the world are seen where their tracks are."""
        if self.xyz is None:
            return True
        misses: list[NDArray[np.float64]] = []
        for t in np.linspace(0, len(self.frames) - 1, 8).astype(int):
            rows = np.flatnonzero(self.visible[:, t])[: _TRIED // 8]
            rows = rows[np.isfinite(self.xyz[rows, t]).all(axis=1)]
            place, depth = raster_camera.project(self.xyz[rows, t], t)
            miss = np.linalg.norm(place - self.raster[rows, t], axis=-1)
            misses.append(np.where(depth > 0, miss, np.inf))
        every = np.concatenate(misses)
        return not len(every) or float(np.median(every)) < _FITS


def _flags(
    path: Path, arrays: dict[str, NDArray[Any]], shape: tuple[int, int], part: slice
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Visible and valid, ``(N, T)`` each, from either coding."""
    names = [name for name in ("visibs", "visibilities") if name in arrays]
    if not names:
        raise FormatError(f"{path} lacks visibs and visibilities; found {', '.join(arrays)}")
    seen = numbers(path, names[0], arrays[names[0]], shape)[part].T
    with naming(f"{path}: {names[0]}"):
        visible, valid = decode_visibility(seen)
    if names[0] == "visibs" and "valids" in arrays:
        good = numbers(path, "valids", arrays["valids"], shape)[part].T
        if not np.isin(good, (0, 1)).all():
            raise FormatError(f"{path}: valids must be 0 or 1, found other numbers")
        valid = valid & (good == 1)
    return visible, valid


def _from_first_version(
    intrinsics: NDArray[np.float64], extrinsics: NDArray[np.float64], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """v1.0's matrices in the axes of later versions: y up in the world, u from the left."""
    turn = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], np.float64)
    mirror = np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1]], np.float64)
    return mirror @ intrinsics, np.diag([-1.0, -1.0, -1.0, 1.0]) @ extrinsics @ turn
