from __future__ import annotations

import gzip
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tfrecords
from kubric_scenes import FAR, World, turning_boxes

from pointtrack.datasets.movi import MoviDataset, Sampling, read_scene
from pointtrack.datasets.tfrecord import Example, crc32c, find_records, read_record
from pointtrack.errors import FormatError

FRAMES, SIZE = 8, (32, 32)
FEW = Sampling(tracks=40)


@lru_cache(maxsize=1)
def world() -> tuple[World, Any]:
    made = turning_boxes(3, frames=FRAMES, size=SIZE)
    return made, made.render()


def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (FRAMES, *SIZE[::-1], 3), dtype=np.uint8)


def png(values: np.ndarray) -> bytes:
    bgr = values[..., ::-1] if values.ndim == 3 and values.shape[2] == 3 else values
    return cv2.imencode(".png", np.ascontiguousarray(bgr))[1].tobytes()


def coded(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.round((values - low) / (high - low) * 65535).astype(np.uint16)


def features() -> dict[str, Any]:
    """One clip as TFDS stores MOVi-E; lists that the reader passes over are left small."""
    _, scene = world()
    depth_range = (1.0, 2 * FAR)
    local = coded(np.clip(scene.object_coordinates, -0.5, 0.5), -0.5, 0.5)
    return {
        "metadata/video_name": [b"scene 7"],
        "metadata/depth_range": list(depth_range),
        "metadata/num_instances": [len(scene.boxes)],
        "background": [b"sky"],
        "camera/focal_length": [35.0],
        "camera/sensor_width": [32.0],
        "camera/positions": scene.camera_positions.reshape(-1).tolist(),
        "camera/quaternions": scene.camera_rotations.reshape(-1).tolist(),
        "instances/bboxes_3d": scene.boxes.reshape(-1).tolist(),
        "instances/quaternions": scene.rotations.reshape(-1).tolist(),
        "instances/bbox_frames/ragged_row_lengths_0": [1, 2, 3],
        "forward_flow": [1, 2, 3],
        "video": [png(p) for p in pictures()],
        "segmentations": [png(s.astype(np.uint8)) for s in scene.segments],
        "depth": [png(d) for d in coded(scene.depth, *depth_range)],
        "normal": [png(n) for n in coded(scene.normals, -1, 1)],
        "object_coordinates": [png(c) for c in local],
    }


def shard(
    folder: Path, *clips: dict[str, Any], place: str = "train.tfrecord-00000-of-00001"
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"movi_e-{place}"
    payloads = [tfrecords.example(clip) for clip in clips]
    return tfrecords.write(path, payloads, [crc32c(p) for p in payloads])


def write_set(root: Path) -> Path:
    folder = root / "movi_e" / "32x32" / "1.0.0"
    shard(folder, features(), features(), place="train.tfrecord-00000-of-00002")
    shard(folder, features(), place="train.tfrecord-00001-of-00002")
    shard(folder, features(), place="validation.tfrecord-00000-of-00001")
    splits = [
        {"name": "train", "shardLengths": ["2", "1"]},
        {"name": "validation", "shardLengths": ["1"]},
    ]
    (folder / "dataset_info.json").write_text(json.dumps({"splits": splits}))
    return folder


def write_scene(folder: Path) -> Path:
    """One scene as Kubric writes it: metres as TIFF, segments with a palette."""
    image = pytest.importorskip("PIL.Image")
    _, scene = world()
    folder.mkdir(parents=True)
    for t in range(FRAMES):
        rgba = np.dstack([pictures()[t][..., ::-1], np.full(SIZE[::-1], 255, np.uint8)])
        cv2.imwrite(str(folder / f"rgba_{t:05d}.png"), rgba)
        cv2.imwrite(str(folder / f"depth_{t:05d}.tiff"), scene.depth[t].astype(np.float32))
        for kind, values, low in (
            ("normal", scene.normals[t], -1.0),
            ("object_coordinates", np.clip(scene.object_coordinates[t], -0.5, 0.5), -0.5),
        ):
            (folder / f"{kind}_{t:05d}.png").write_bytes(png(coded(values, low, -low)))
        picture = image.fromarray(scene.segments[t].astype(np.uint8), mode="P")
        picture.putpalette([0, 0, 0, 200, 90, 10, 9, 9, 80, 1, 250, 3])
        picture.save(folder / f"segmentation_{t:05d}.png")
    instances = [
        {"bboxes_3d": box.tolist(), "quaternions": turn.tolist()}
        for box, turn in zip(scene.boxes, scene.rotations, strict=True)
    ]
    camera = {
        "focal_length": 35.0,
        "sensor_width": 32.0,
        "positions": scene.camera_positions.tolist(),
        "quaternions": scene.camera_rotations.tolist(),
    }
    meta = {"num_frames": FRAMES, "frame_rate": 12, "num_instances": len(instances)}
    content = {"metadata": meta, "camera": camera, "instances": instances}
    (folder / "metadata.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Any:
    shard(tmp_path, features())
    (found,) = MoviDataset(tmp_path, sampling=FEW)
    return found


def test_tracks_are_where_the_surface_is_seen(clip: Any) -> None:
    made, _ = world()
    known = np.isfinite(clip.xy).all(axis=2)
    for t in range(FRAMES):
        raster = made.places(t, clip.xyz[known[:, t], t])  # by the renderer's own formula
        assert np.allclose(clip.xy[known[:, t], t], raster - 0.5, atol=0.02)
    t, rows = clip.queries.t, np.arange(len(clip))
    # Points are drawn at pixels' centres, which are whole numbers.
    assert np.array_equal(clip.queries.xy, np.round(clip.queries.xy))
    assert np.allclose(clip.xy[rows, t], clip.queries.xy, atol=0.02)
    assert clip.visible[rows, t].all()
    assert 0.1 < clip.visible.mean() < 1


def test_the_camera_projects_the_points_to_their_tracks(clip: Any) -> None:
    for t in range(FRAMES):
        place, depth = clip.camera.project(clip.xyz[:, t], t)
        seen = clip.visible[:, t]
        assert np.allclose(place[seen], clip.xy[seen, t], atol=1e-3)
        assert (depth[seen] > 0).all()


def test_depth_is_along_the_axis_and_masks_are_instances(clip: Any) -> None:
    _, scene = world()
    for row, (t, (x, y)) in enumerate(zip(clip.queries.t, clip.queries.xy, strict=True)):
        _, depth = clip.camera.project(clip.xyz[row, t], t)
        assert clip.depth[t][int(y), int(x)] == pytest.approx(float(depth), abs=0.005)
    assert np.array_equal(np.stack(clip.masks[:]), scene.segments)
    assert np.array_equal(clip.video.to_numpy(), pictures())
    assert clip.video.fps == 12
    assert clip.extra["video_name"] == "scene 7"


def test_the_same_seed_draws_the_same_points(tmp_path: Path) -> None:
    shard(tmp_path, features())
    first, again, other = (
        next(iter(MoviDataset(tmp_path, sampling=Sampling(40, seed)))) for seed in (0, 0, 1)
    )
    assert np.array_equal(first.xy, again.xy, equal_nan=True)
    assert not np.array_equal(first.xy, other.xy, equal_nan=True)


def test_the_folders_of_tfds(tmp_path: Path) -> None:
    write_set(tmp_path)
    dataset = MoviDataset(tmp_path, "train", sampling=FEW)
    assert dataset.count() == 3
    names = [entry.name for entry in dataset.entries()]
    assert names == ["train_00000_0000", "train_00000_0001", "train_00001_0000"]
    assert MoviDataset(tmp_path).count() == 4
    assert list(dataset.check(deep=True)) == []
    with pytest.raises(FormatError, match="no split 'test'; there are: train, validation"):
        MoviDataset(tmp_path, "test")


def test_kubrics_own_output_gives_the_same(tmp_path: Path, clip: Any) -> None:
    scene = read_scene(write_scene(tmp_path / "scenes" / "0001"), clip.name, FEW)
    known = np.isfinite(clip.xy)
    assert np.array_equal(scene.queries.txy, clip.queries.txy)
    assert np.allclose(scene.xy[known], clip.xy[known], atol=0.02)  # depth is coded in the other
    assert (scene.visible == clip.visible).mean() > 0.98
    assert scene.masks is not None
    assert np.array_equal(scene.masks[3], clip.masks[3])
    assert np.array_equal(scene.video.to_numpy(), pictures())
    dataset = MoviDataset(tmp_path / "scenes", sampling=FEW)
    assert dataset.count() == 1
    assert [one.name for one in dataset] == ["0001"]
    assert list(dataset.check(deep=True)) == []


def test_a_file_written_by_tfds_itself(tmp_path: Path) -> None:
    """Two clips of 4 frames 20x16, by TFDS 4.9.10 with MOVi-F's features and made-up content."""
    path = tmp_path / "movi_f-train.tfrecord-00000-of-00001"
    packed = Path(__file__).with_name("movi_written_by_tfds.tfrecord.gz")
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    first, second = MoviDataset(tmp_path, sampling=FEW)
    assert (first.extra["video_name"], second.extra["video_name"]) == ("scene 0", "scene 1")
    assert first.video[3][5, 7].tolist() == [30, 5, 7]
    assert first.masks is not None
    assert first.depth is not None
    assert np.array_equal(first.masks[2] == 1, np.arange(20) + np.zeros((16, 1)) >= 12)
    ray = np.array([0.5 / 20, 0.5 / 20, 35 / 32])  # of the pixel beside the centre
    share = ray[2] / np.linalg.norm(ray)
    assert first.depth[1][8, 10] == pytest.approx((1 + 60100 * 8 / 65535) * share, rel=1e-5)
    assert first.camera is not None
    assert np.allclose(np.linalg.inv(first.camera.extrinsics)[:, 0, 3], [0, 0.1, 0.2, 0.3])
    features_read = [Example(read_record(path, r), "there") for r in find_records(path)]
    boxes = features_read[1].floats("instances/bboxes_3d").reshape(2, 4, 8, 3)
    assert boxes[1, 3, 1].tolist() == [0.5, 0.5, 1.5]
    flow = features_read[0].integers("forward_flow").reshape(4, 16, 20, 2)
    assert flow[2, 3, 4].tolist() == [5, 40004]


# --- Broken copies ---------------------------------------------------------------------------


def problems(root: Path, deep: bool = False) -> list[str]:
    return [problem.message for problem in MoviDataset(root, sampling=FEW).check(deep)]


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    gone = folder / "movi_e-train.tfrecord-00001-of-00002"
    gone.unlink()
    assert problems(tmp_path) == [f"there is no file {gone}"]


def test_a_shard_with_a_record_too_few(tmp_path: Path) -> None:
    folder = write_set(tmp_path)
    path = shard(folder, features(), place="train.tfrecord-00000-of-00002")
    assert problems(tmp_path) == [f"{path} holds 1 records, expected 2 by dataset_info.json"]


def test_a_truncated_shard_gives_what_is_whole(tmp_path: Path) -> None:
    path = shard(tmp_path, features(), features(), place="train.tfrecord-00000-of-00002")
    shard(tmp_path, features(), place="train.tfrecord-00001-of-00002")
    path.write_bytes(path.read_bytes()[:-100])
    assert problems(tmp_path) == [f"{path} is not a TFRecord file: it ends within record 1"]
    entries = list(MoviDataset(tmp_path, sampling=FEW).entries())
    assert [entry.name[-10:] for entry in entries] == ["00000_0000", "00000_0001", "00001_0000"]
    assert len(entries[2].load()) == 40


def test_a_flipped_bit_is_found_unless_nobody_looks(tmp_path: Path) -> None:
    path = shard(tmp_path, features())
    content = bytearray(path.read_bytes())
    content[content.index(b"scene 7")] ^= 32
    path.write_bytes(content)
    (message,) = problems(tmp_path)
    assert f"{path} is not a TFRecord file: the record at byte 12 does not match" in message
    (found,) = MoviDataset(tmp_path, sampling=FEW, verify=False)
    assert found.extra["video_name"] == "Scene 7"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"depth": []}, "depth has 0 frames, expected 8"),
        ({"video": []}, "video has no frames"),
        ({"normal": [b"no picture"] * FRAMES}, "normal 0 is not a picture that can be decoded"),
        ({"camera/positions": [1.0] * 5}, "camera/positions has 5 numbers, expected (8, 3)"),
        ({"camera/positions": [1.0] * 48}, "camera/positions has 48 numbers, expected (8, 3)"),
        ({"depth": [png(np.zeros((4, 4), np.uint16))] * FRAMES}, "segments are"),
        ({"instances/bboxes_3d": [0.0] * 192}, "rotations has shape (3, 8, 4), expected (1, 8, 4)"),
    ],
)
def test_wrong_features_are_named(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    path = shard(tmp_path, features(), {**features(), **changed}, features())
    (message,) = problems(tmp_path)
    assert f"{path}, record 1" in message
    assert words in message


def test_a_missing_feature_is_named(tmp_path: Path) -> None:
    path = shard(tmp_path, {k: v for k, v in features().items() if k != "depth"})
    (message,) = problems(tmp_path)
    assert message.startswith(f"{path}, record 0 lacks depth; found background, camera/focal")


@pytest.mark.parametrize("name", ["depth_00003.tiff", "segmentation_00000.png", "rgba_00005.png"])
def test_a_missing_file_of_a_scene_is_named(tmp_path: Path, name: str) -> None:
    gone = write_scene(tmp_path / "0001") / name
    gone.unlink()
    (message,) = problems(tmp_path)
    assert str(gone) in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("{}", "it lacks metadata/num_frames"),
        (
            '{"metadata": {"num_frames": 8}, "camera": {}, "instances": [{}]}',
            "it lacks bboxes_3d",
        ),
        (
            '{"metadata": {"num_frames": 8}, "camera": {}, "instances": [{"bboxes_3d": [1]}]}',
            "bboxes_3d has shape (1,), expected (8, 8, 3)",
        ),
    ],
)
def test_wrong_metadata_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = write_scene(tmp_path / "0001") / "metadata.json"
    path.write_text(text)
    (message,) = problems(tmp_path)
    assert str(path) in message
    assert words in message


def test_several_sets_are_not_mixed(tmp_path: Path) -> None:
    shard(tmp_path / "256x256", features())
    shard(tmp_path / "128x128", features())
    with pytest.raises(FormatError, match="holds 2 sets, choose one"):
        MoviDataset(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="holds no TFRecord shard"):
        MoviDataset(tmp_path / "empty")
