"""Kubric's MOVi sets: rendered clips, whose tracks are made from depth, segments and poses.

Greff et al., "Kubric: A Scalable Dataset Generator", CVPR 2022. MOVi-E, panning MOVi-E and
MOVi-F; others of the family have the same features. Two layouts are read.

**TFDS**, as in ``gs://kubric-public/tfds``, without TensorFlow::

    movi_e/256x256/1.0.0/
        movi_e-train.tfrecord-00000-of-01024 ...
        dataset_info.json, features.json       only the former is read, and may be missing

**Kubric's own output**, one folder a scene::

    SCENE/rgba_00000.png, segmentation_00000.png, depth_00000.tiff, normal_00000.png,
          object_coordinates_00000.png, ..., metadata.json

Tracks come from `pointtrack.datasets.kubric`, drawn anew for each clip from the seed and the
clip's name alone; so the whole of a clip's depth, segments, normals and object coordinates is
decoded when it is loaded, its pictures are not. Stored positions are raster, what comes out is
in pointtrack's pixels.

`depth` is in metres along the optical axis (the files hold the distance from the camera's
centre), `masks` hold 0 for the background and ``k`` for instance ``k - 1``, `xyz` is in the
scene's metres, ``z`` up. `queries` are the pixels that the points were drawn at. Behind the
camera a point has no position. The 256x256 sets were made from 512x512 renderings by taking
every other pixel of depth and segments but averaging colours, which shifts one against the other by
a quarter of a pixel; that is left as it is.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.camera import Camera
from pointtrack.datasets.clip import Clip, Dataset, Entry, FrameMaps, Problem, unreadable
from pointtrack.datasets.kubric import Scene, SceneTracks, sample_tracks
from pointtrack.datasets.kubric.scene import decode_distances
from pointtrack.datasets.picture_maps import decode_labels, decode_values, read_labels, read_values
from pointtrack.datasets.pictures import EncodedSource
from pointtrack.datasets.stored import folder_at, naming, read_json
from pointtrack.datasets.tfrecord import Example, Record, find_records, read_record
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import PathLike
from pointtrack.geometry import pixel_to_raster
from pointtrack.queries import Queries
from pointtrack.video import Video
from pointtrack.video.pictures import PictureSource, natural_order

FPS = Fraction(12)
_SHARD = re.compile(r"(.+)-([^-.]+)\.tfrecord(?:-(\d+)-of-(\d+))?")
_LEVELS = 3  # folders between a set and its shards, at most: name, resolution, version
_TO_OPENCV = np.diag([1.0, -1.0, -1.0])  # from Blender's camera: y down, z forward


@dataclass(frozen=True)
class Sampling:
    """How a clip's points are drawn; see `pointtrack.datasets.kubric.draw_pixels`.

    Attributes
    ----------
    tracks
        How many; TAP-Net trains on 256, CoTracker's clips have 2,048.
    seed
        Another seed draws others.
    max_segments
        Segments from this number on get no point: 25, or 40 for LocoTrack.
    snap_to_occluder
        See `pointtrack.datasets.kubric.sample_tracks`.
    """

    tracks: int = 256
    seed: int = 0
    max_segments: int = 25
    snap_to_occluder: bool = False

    def draw(self, scene: Scene, name: str) -> SceneTracks:
        rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        return sample_tracks(
            scene,
            self.tracks,
            rng,
            max_segments=self.max_segments,
            snap_to_occluder=self.snap_to_occluder,
        )


class MoviDataset(Dataset):
    """A MOVi set in TFDS' files, or scenes as Kubric writes them; see the module.

    Parameters
    ----------
    path
        A folder with TFRecord shards in it or up to three levels below, a folder of scenes, or
        one scene.
    split
        ``"train"``, ``"validation"``, ``"test"``; default: all that are there. Scenes have none.
    sampling
        How points are drawn.
    verify
        Hold every TFRecord against its checksum.

    Raises
    ------
    FormatError
        When nothing is found, shards of several sets are, or the split is not there.
    """

    def __init__(
        self,
        path: PathLike,
        split: str | None = None,
        *,
        sampling: Sampling | None = None,
        verify: bool = True,
    ):
        root = folder_at(path)
        self.name = root.resolve().name if split is None else f"{root.resolve().name}-{split}"
        self._sampling = Sampling() if sampling is None else sampling
        self._verify = verify
        every = _shards(root)
        self._shards = [s for s in every if split in (None, s.split)]
        self._scenes = [] if every else _scenes(root)
        if every and not self._shards:
            there = ", ".join(sorted({s.split for s in every}))
            raise FormatError(f"the folder {root} has no split {split!r}; there are: {there}")
        if not self._shards and not self._scenes:
            raise FormatError(
                f"the folder {root} holds no TFRecord shard (NAME-SPLIT.tfrecord-00000-of-01024) "
                "and no scene (metadata.json with rgba_00000.png)"
            )
        if self._scenes and split is not None:
            raise FormatError(f"the scenes in {root} have no splits, asked for {split!r}")
        self._lengths = _shard_lengths(self._shards[0].path.parent) if self._shards else {}

    def count(self) -> int | None:
        if self._scenes:
            return len(self._scenes)
        lengths = [self._lengths.get((s.split, s.number)) for s in self._shards]
        return None if None in lengths else sum(n for n in lengths if n)

    def entries(self) -> Iterator[Entry]:
        """One entry a record or scene."""
        for folder in self._scenes:
            name = folder.resolve().name
            yield Entry(name, partial(read_scene, folder, name, self._sampling))
        for shard in self._shards:
            number = 0
            records = find_records(shard.path)
            while True:
                name = f"{shard.split}_{shard.number:05d}_{number:04d}"
                try:
                    record = next(records, None)
                except PointtrackError as problem:
                    yield Entry(name, unreadable(problem))
                    break
                if record is None:
                    break
                yield Entry(name, partial(self._load, shard.path, record, name))
                number += 1

    def _load(self, path: Path, record: Record, name: str) -> Clip:
        where = f"{path}, record {int(name.rpartition('_')[2])}"
        with naming(where):
            example = Example(read_record(path, record, self._verify), where)
            return _from_example(example, name, where, self._sampling)

    def gaps(self) -> Iterator[Problem]:
        """Shards that are missing or hold another number of records than is known of them."""
        there: dict[tuple[Path, str, int], set[int]] = {}
        for s in self._shards:
            if s.total is not None:
                stem = s.path.parent / s.path.name.partition("-of-")[0].rpartition("-")[0]
                there.setdefault((stem, s.split, s.total), set()).add(s.number)
        for (stem, _, total), found in there.items():
            for number in sorted(set(range(total)) - found):
                path = f"{stem}-{number:05d}-of-{total:05d}"
                yield Problem(self.name, f"there is no file {path}")
        for s in self._shards:
            wanted = self._lengths.get((s.split, s.number))
            try:
                held = sum(1 for _ in find_records(s.path))
            except PointtrackError:
                continue  # its entries say so
            if wanted not in (None, held):
                yield Problem(
                    self.name,
                    f"{s.path} holds {held} records, expected {wanted} by dataset_info.json",
                )


# --- What is there ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shard:
    path: Path
    split: str
    number: int
    total: int | None


def _shards(root: Path) -> list[_Shard]:
    for level in range(_LEVELS + 1):
        found = [
            (path, match)
            for path in root.glob("*/" * level + "*.tfrecord*")
            if (match := _SHARD.fullmatch(path.name)) and path.is_file()
        ]
        folders = sorted({path.parent for path, _ in found})
        if len(folders) > 1:
            listed = ", ".join(map(str, folders[:6]))
            raise FormatError(f"{root} holds {len(folders)} sets, choose one: {listed}")
        if found:
            shards = [
                _Shard(path, m[2], int(m[3] or 0), int(m[4]) if m[4] else None) for path, m in found
            ]
            return sorted(shards, key=lambda s: (s.split, s.number))
    return []


def _shard_lengths(folder: Path) -> dict[tuple[str, int], int]:
    """Records in each shard, by split and number, where ``dataset_info.json`` says."""
    path = folder / "dataset_info.json"
    if not path.is_file():
        return {}
    info = read_json(path)
    lengths: dict[tuple[str, int], int] = {}
    with naming(path):
        try:
            for split in info["splits"]:
                for number, length in enumerate(split.get("shardLengths", [])):
                    lengths[split["name"], number] = int(length)
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise FormatError("it has no list of splits with their shards' lengths") from problem
    return lengths


def _scenes(root: Path) -> list[Path]:
    if _is_scene(root):
        return [root]
    return sorted((p for p in root.iterdir() if _is_scene(p)), key=natural_order)


def _is_scene(folder: Path) -> bool:
    if folder.name.startswith(".") or not folder.is_dir():
        return False
    return (folder / "metadata.json").is_file() or (folder / "rgba_00000.png").is_file()


# --- TFDS ------------------------------------------------------------------------------------


def _from_example(example: Example, name: str, where: str, sampling: Sampling) -> Clip:
    pictures = example.bytes("video")
    if not pictures:
        raise FormatError(f"{where}: video has no frames")
    frames = len(pictures)

    def stack(feature: str, decode: Callable[[bytes, str], NDArray[Any]]) -> NDArray[Any]:
        coded = example.bytes(feature)
        if len(coded) != frames:
            raise FormatError(f"{where}: {feature} has {len(coded)} frames, expected {frames}")
        return _stacked([decode(c, f"{where}: {feature} {t}") for t, c in enumerate(coded)], where)

    def table(feature: str, *shape: int) -> NDArray[np.float64]:
        values = example.floats(feature).astype(np.float64)
        try:
            return values.reshape(shape)
        except ValueError as problem:
            raise FormatError(
                f"{where}: {feature} has {values.size} numbers, expected {shape}"
            ) from problem

    def number(feature: str) -> float:
        return float(table(feature, 1)[0])

    near, far = table("metadata/depth_range", 2)
    scene = Scene(
        depth=stack("depth", decode_values),
        segments=stack("segmentations", decode_labels),
        normals=stack("normal", decode_values),
        object_coordinates=stack("object_coordinates", decode_values),
        boxes=table("instances/bboxes_3d", -1, frames, 8, 3),
        rotations=table("instances/quaternions", -1, frames, 4),
        camera_positions=table("camera/positions", frames, 3),
        camera_rotations=table("camera/quaternions", frames, 4),
        depth_range=(float(near), float(far)),
        focal_length=number("camera/focal_length"),
        sensor_width=number("camera/sensor_width"),
    )
    video = Video(EncodedSource(pictures, where, FPS))
    extra = {"video_name": example.text("metadata/video_name")}
    return _clip(name, video, scene, sampling, extra)


def _stacked(maps: Sequence[NDArray[Any]], where: str) -> NDArray[Any]:
    shapes = {one.shape for one in maps}
    if len(shapes) > 1:
        raise FormatError(f"{where}: maps have the shapes {sorted(shapes)}, expected one")
    return np.stack(maps)


# --- Kubric's own output ---------------------------------------------------------------------


def read_scene(folder: PathLike, name: str, sampling: Sampling | None = None) -> Clip:
    """Read one scene as Kubric writes it.

    Raises
    ------
    FormatError
        When a file is missing or damaged; the message names it.
    """
    place = Path(folder)
    path = place / "metadata.json"
    meta = read_json(path)
    with naming(path):
        frames, camera, instances = _parts(meta)

        def files(kind: str, suffix: str = "png") -> list[Path]:
            return [place / f"{kind}_{t:05d}.{suffix}" for t in range(frames)]

        def table(owner: Any, key: str, *shape: int) -> NDArray[np.float64]:
            if not isinstance(owner, dict) or key not in owner:
                raise FormatError(f"it lacks {key}")
            try:
                values = np.asarray(owner[key], np.float64)
            except (TypeError, ValueError) as problem:
                raise FormatError(f"{key} holds something other than numbers") from problem
            if values.shape != shape:
                raise FormatError(f"{key} has shape {values.shape}, expected {shape}")
            return values

        def stack(kind: str) -> NDArray[Any]:
            return _stacked([read_values(f) for f in files(kind)], kind)

        boxes = [table(one, "bboxes_3d", frames, 8, 3) for one in instances]
        turns = [table(one, "quaternions", frames, 4) for one in instances]
        pictures = files("rgba")
        scene = Scene(
            depth=_stacked([read_values(f) for f in files("depth", "tiff")], "depth"),
            segments=_stacked([read_labels(f) for f in files("segmentation")], "segmentation"),
            normals=stack("normal"),
            object_coordinates=stack("object_coordinates"),
            boxes=np.reshape(boxes, (-1, frames, 8, 3)),
            rotations=np.reshape(turns, (-1, frames, 4)),
            camera_positions=table(camera, "positions", frames, 3),
            camera_rotations=table(camera, "quaternions", frames, 4),
            focal_length=float(table(camera, "focal_length")),
            sensor_width=float(table(camera, "sensor_width")),
        )
        rate = meta["metadata"].get("frame_rate", 12)
        fps = Fraction(rate) if isinstance(rate, int) and rate > 0 else FPS
        video = Video(PictureSource(pictures, fps, str(place)))
        return _clip(name, video, scene, sampling or Sampling(), {"video_name": name}, pictures)


def _parts(meta: Any) -> tuple[int, Any, list[Any]]:
    try:
        frames = meta["metadata"]["num_frames"]
        camera, instances = meta["camera"], meta["instances"]
    except (KeyError, TypeError) as problem:
        raise FormatError("it lacks metadata/num_frames, camera or instances") from problem
    if not isinstance(frames, int) or frames < 1 or not isinstance(instances, list):
        raise FormatError(f"it has num_frames {json.dumps(frames)[:40]} and no list of instances")
    return frames, camera, instances


# --- Both ------------------------------------------------------------------------------------


def _clip(
    name: str,
    video: Video,
    scene: Scene,
    sampling: Sampling,
    extra: dict[str, Any],
    files: Sequence[Path] = (),
) -> Clip:
    if video.size != scene.size:
        raise FormatError(f"the video is {video.size}, but its depth is {scene.size}")
    tracks = sampling.draw(scene, name)
    camera = scene_camera(scene)
    towards = np.linalg.inv(camera.extrinsics)  # T 4 4, to the world
    xyz = np.einsum("tij,qtj->qti", towards[:, :3, :3], tracks.xyz.astype(np.float64))
    front = tracks.xyz[..., 2:] > 0  # Q T 1
    return Clip(
        name,
        video,
        np.where(front, tracks.xy.astype(np.float64), np.nan),
        tracks.visible & front[..., 0],
        queries=Queries(tracks.queries),
        xyz=xyz + towards[:, :3, 3],
        depth=FrameMaps(scene.num_frames, _PlanarDepth(scene)),
        masks=FrameMaps(scene.num_frames, scene.segments.__getitem__),
        camera=camera,
        extra=extra,
        files=files,
    )


class _PlanarDepth:
    """Distances from the camera's centre as depths along its axis, when asked for."""

    def __init__(self, scene: Scene):
        self._depth, self._range = scene.depth, scene.depth_range  # and not the whole scene
        width, height = scene.size
        pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        rays = scene.rays(pixel_to_raster(pixels.astype(np.float64)))  # H W 3
        self._share = -rays[..., 2]

    def __call__(self, frame: int) -> NDArray[np.float32]:
        values = decode_distances(self._depth[frame], self._range)
        return (values * self._share).astype(np.float32)


def scene_camera(scene: Scene) -> Camera:
    """A scene's camera in pointtrack's own convention."""
    width, height = scene.size
    focal = scene.focal_length / scene.sensor_width * width
    inner = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    axes = np.einsum("ij,tkj->tik", _TO_OPENCV, scene.camera_axes)  # world to camera
    outer = np.tile(np.eye(4), (scene.num_frames, 1, 1))
    outer[:, :3, :3] = axes
    outer[:, :3, 3] = -np.einsum("tij,tj->ti", axes, scene.camera_positions)
    return Camera(np.tile(inner, (scene.num_frames, 1, 1)), outer)
