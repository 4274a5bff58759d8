from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from pointtrack.datasets.dynamic_replica import COTRACKER, DynamicReplicaDataset, Selection
from pointtrack.errors import FormatError, PointtrackError

FRAMES, POINTS, SIZE = 6, 30, (40, 24)
TURN = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]])  # world to PyTorch3D's camera, as columns


def truth(seed: int = 0) -> dict[str, np.ndarray]:
    """Points before a camera in PyTorch3D's axes: x left, y up, z forward, points as rows."""
    rng = np.random.default_rng(seed)
    seen = rng.uniform([-2, -1, 2], [2, 1, 4], (FRAMES, POINTS, 3))
    focal = 1.5 * SIZE[0] / 2
    x = SIZE[0] / 2 - focal * seen[..., 0] / seen[..., 2]
    y = SIZE[1] / 2 - focal * seen[..., 1] / seen[..., 2]
    world = (seen - [0.1, 0, 0]) @ TURN.T  # seen = world @ R + T
    return {
        "traj_2d": np.stack([x, y, seen[..., 2]], axis=-1).astype(np.float32),
        "traj_3d_world": world.astype(np.float32),
        "verts_inds_vis": rng.uniform(size=(FRAMES, POINTS)) < 0.8,
    }


def picture(t: int) -> np.ndarray:
    return np.random.default_rng(t).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)


def rows(name: str, frames: int = FRAMES) -> list[dict[str, Any]]:
    viewpoint = {
        "R": TURN.tolist(),
        "T": [0.1, 0.0, 0.0],
        "focal_length": [1.5, 1.5 * SIZE[0] / SIZE[1]],
        "principal_point": [0.0, 0.0],
        "intrinsics_format": "ndc_norm_minmax_bounds",
    }
    return [
        {
            "sequence_name": name,
            "frame_number": t,
            "frame_timestamp": t / 30,
            "camera_name": side,
            "image": {"path": f"{name}_{side}/images/{t:04d}.png", "size": list(SIZE[::-1])},
            "depth": {"path": f"{name}_{side}/depths/{t:04d}.geometric.png"},
            "viewpoint": viewpoint,
            "trajectories": {"path": f"{name}_{side}/trajectories/{t:06d}.pth"},
        }
        for side in ("right", "left")
        for t in reversed(range(frames))
    ]


def write_annotations(folder: Path, content: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"frame_annotations_{folder.name}.jgz"
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    return path


def write_sequence(folder: Path, name: str) -> Path:
    place = folder / f"{name}_left"
    for kind in ("images", "depths", "trajectories"):
        (place / kind).mkdir(parents=True)
    arrays = truth()
    for t in range(FRAMES):
        cv2.imwrite(str(place / f"images/{t:04d}.png"), picture(t)[..., ::-1])
        depth = np.full(SIZE[::-1], 2.5 + t, np.float16)
        depth[0, 0] = 0
        cv2.imwrite(str(place / f"depths/{t:04d}.geometric.png"), depth.view(np.uint16))
        content = {key: torch.from_numpy(value[t]) for key, value in arrays.items()}
        content["img"] = torch.from_numpy(picture(t))
        content["instances"] = torch.arange(POINTS, dtype=torch.float32)
        torch.save(content, place / f"trajectories/{t:06d}.pth")
    return place


def write(root: Path, *names: str) -> Path:
    write_annotations(root, [row for name in names for row in rows(name)])
    for name in names:
        write_sequence(root, name)
    return root


def expected() -> tuple[np.ndarray, np.ndarray]:
    arrays = truth()
    xy = arrays["traj_2d"][..., :2].transpose(1, 0, 2).astype(np.float64)
    within = ((xy >= 0) & (xy <= (SIZE[0] - 1, SIZE[1] - 1))).all(axis=2)
    return xy, arrays["verts_inds_vis"].T & within


def test_the_left_cameras_tracks_in_pixels(tmp_path: Path) -> None:
    write(tmp_path / "valid", "b", "a")
    dataset = DynamicReplicaDataset(tmp_path)
    assert dataset.count() is None
    clips = list(dataset)
    assert dataset.count() == 2
    assert [clip.name for clip in clips] == ["a", "b"]
    xy, visible = expected()
    assert np.array_equal(clips[0].xy, xy)
    assert np.array_equal(clips[0].visible, visible)
    assert 0 < visible.sum() < truth()["verts_inds_vis"].sum()  # some lie outside
    assert np.array_equal(clips[0].video[4], picture(4))
    assert clips[0].extra["instances"].tolist() == list(range(POINTS))


def test_half_a_pixel_comes_off_where_the_files_are_said_to_be_raster(tmp_path: Path) -> None:
    (clip,) = DynamicReplicaDataset(write(tmp_path / "valid", "a"), convention="raster")
    assert np.allclose(clip.xy, expected()[0] - 0.5)
    assert clip.camera is not None
    assert clip.xyz is not None
    assert np.allclose(clip.camera.project(clip.xyz[:, 2], 2)[0], clip.xy[:, 2], atol=1e-3)
    wrong: Any = "index"
    with pytest.raises(FormatError, match="convention must be 'raster' or 'pixel'"):
        DynamicReplicaDataset(tmp_path / "valid", convention=wrong)


def test_the_camera_projects_the_points_to_their_tracks(tmp_path: Path) -> None:
    (clip,) = DynamicReplicaDataset(write(tmp_path / "valid", "a"))
    assert clip.camera is not None
    assert clip.xyz is not None
    for t in range(FRAMES):
        place, depth = clip.camera.project(clip.xyz[:, t], t)
        assert np.allclose(place, clip.xy[:, t], atol=1e-3)
        assert np.allclose(depth, truth()["traj_2d"][t, :, 2], atol=1e-4)
    assert clip.camera.intrinsics[0, 0].tolist() == [30, 0, 20]


def test_a_camera_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    write_sequence(tmp_path / "valid", "a")
    changed = rows("a")
    for row in changed:
        row["viewpoint"]["R"] = np.eye(3).tolist()
    write_annotations(tmp_path / "valid", changed)
    (clip,) = DynamicReplicaDataset(tmp_path)
    assert clip.camera is None


def test_depth_is_half_precision_in_sixteen_bits(tmp_path: Path) -> None:
    (clip,) = DynamicReplicaDataset(write(tmp_path / "valid", "a"))
    assert clip.depth is not None
    assert clip.depth[3][5, 5] == 5.5
    assert np.isinf(clip.depth[3][0, 0])


def test_pictures_beside_the_tracks_stand_in(tmp_path: Path) -> None:
    place = write(tmp_path / "valid", "a") / "a_left"
    for path in (place / "images").iterdir():
        path.unlink()
    (clip,) = DynamicReplicaDataset(tmp_path)
    assert np.array_equal(clip.video[3], picture(3))
    assert clip.video.size == SIZE


def test_older_pytorch_files(tmp_path: Path) -> None:
    place = write(tmp_path / "valid", "a") / "a_left" / "trajectories"
    for path in place.iterdir():
        content = torch.load(path, weights_only=True)
        torch.save(content, path, _use_new_zipfile_serialization=False)
    (clip,) = DynamicReplicaDataset(tmp_path)
    assert np.array_equal(clip.xy, expected()[0])


def test_first_part_some_tracks_and_often_visible(tmp_path: Path) -> None:
    write(tmp_path / "valid", "a")
    pick = Selection(frames=4, first_only=True, tracks=20, often=2)
    (clip,) = DynamicReplicaDataset(tmp_path, selection=pick)
    assert clip.name == "a_00000"
    assert len(clip.video) == 4
    assert (clip.visible.sum(axis=1) > 2).all()
    xy, visible = expected()
    row = [np.flatnonzero((xy[:, :4] == one).all(axis=(1, 2)))[0] for one in clip.xy]
    assert len(set(row)) == len(clip) <= 20
    left_out = set(range(POINTS)) - set(row)
    assert sum(visible[r, :4].sum() <= 2 for r in left_out) >= 20 - len(clip)
    (again,) = DynamicReplicaDataset(tmp_path, selection=pick)
    assert np.array_equal(again.xy, clip.xy)
    assert list(DynamicReplicaDataset(tmp_path, selection=COTRACKER)) == []  # shorter than 300


def test_cut_into_parts(tmp_path: Path) -> None:
    write(tmp_path / "valid", "a")
    dataset = DynamicReplicaDataset(tmp_path, selection=Selection(frames=3))
    first, second = dataset
    assert [first.name, second.name] == ["a_00000", "a_00003"]
    assert dataset.count() == 2
    assert np.array_equal(np.concatenate([first.xy, second.xy], axis=1), expected()[0])
    assert np.array_equal(second.video[0], picture(3))


def test_a_split_is_chosen(tmp_path: Path) -> None:
    write(tmp_path / "valid", "a")
    write(tmp_path / "train", "b")
    assert [c.name for c in DynamicReplicaDataset(tmp_path, "train")] == ["b"]
    assert [c.name for c in DynamicReplicaDataset(tmp_path / "valid")] == ["a"]
    with pytest.raises(FormatError, match="no split 'val'; there are: train, valid, test"):
        DynamicReplicaDataset(tmp_path, "val")
    with pytest.raises(FormatError, match=r"holds no frame_annotations_test\.jgz"):
        DynamicReplicaDataset(tmp_path, "test")
    with pytest.raises(PointtrackError, match="frames must be at least 1"):
        Selection(frames=0)


# --- Broken copies ---------------------------------------------------------------------------


def problems(root: Path, deep: bool = False) -> list[str]:
    return [problem.message for problem in DynamicReplicaDataset(root).check(deep)]


def test_a_whole_copy_has_no_problem(tmp_path: Path) -> None:
    write(tmp_path / "valid", "a")
    assert problems(tmp_path, deep=True) == []


@pytest.mark.parametrize("name", ["images/0002.png", "depths/0003.geometric.png"])
def test_a_missing_picture_is_named(tmp_path: Path, name: str) -> None:
    gone = write(tmp_path / "valid", "a") / "a_left" / name
    gone.unlink()
    assert problems(tmp_path, deep=True) == [f"there is no file {gone}"]


def test_missing_and_truncated_tracks_are_named(tmp_path: Path) -> None:
    root = write(tmp_path / "valid", "a", "b")
    gone, cut = (root / f"{name}_left/trajectories/000003.pth" for name in ("a", "b"))
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[:-300])
    first, second = problems(tmp_path)
    assert first == f"cannot read {gone}: no such file or directory"
    assert second.startswith(f"{cut} is not a PyTorch file of tensors")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"traj_2d": None}, "lacks traj_2d; found traj_3d_world"),
        ({"traj_2d": torch.zeros(4, 3)}, "traj_2d is float32 of shape (4, 3), expected"),
        ({"traj_2d": torch.zeros(POINTS)}, "traj_2d is float32 of shape (30,), expected"),
        ({"verts_inds_vis": torch.ones(3)}, "verts_inds_vis is float32 of shape (3,)"),
        ({"verts_inds_vis": [1, 2]}, "verts_inds_vis is a list, expected a tensor"),
        ({"traj_3d_world": torch.zeros(POINTS, 2)}, "expected numbers (30, 3)"),
    ],
)
def test_wrong_tensors_are_named(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    path = write(tmp_path / "valid", "a") / "a_left/trajectories/000002.pth"
    content = {**torch.load(path, weights_only=True), **changed}
    torch.save({k: v for k, v in content.items() if v is not None}, path)
    (message,) = problems(tmp_path)
    assert str(path) in message
    assert words in message


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    path = write(tmp_path / "valid", "a") / "a_left/trajectories/000002.pth"
    torch.save({"traj_2d": Evil()}, path)
    (message,) = problems(tmp_path)
    assert str(path) in message
    assert not (tmp_path / "made").exists()


def test_broken_annotations_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "valid", "a") / "frame_annotations_valid.jgz"
    path.write_bytes(path.read_bytes()[:-20])
    (message,) = problems(tmp_path)
    assert message.startswith(f"{path} is not a gzipped JSON list of frames")
    broken = rows("a")
    del broken[-2]["trajectories"]
    write_annotations(tmp_path / "valid", broken)
    (message,) = problems(tmp_path)
    assert "frame 10 of its list lacks or has a malformed 'trajectories'" in message
    write_annotations(tmp_path / "valid", {"a": 1})
    assert "it holds a dict" in problems(tmp_path)[0]
