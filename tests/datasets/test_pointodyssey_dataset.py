from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pointtrack.camera import Camera
from pointtrack.datasets.arrays import mapped_archive
from pointtrack.datasets.pointodyssey import PointOdysseyDataset, read_sequence
from pointtrack.errors import FormatError, PointtrackError, VideoError
from pointtrack.synthesis.blender.passes import FrameMaps as RenderedMaps
from pointtrack.synthesis.blender.pointodyssey_format import Annotations, SequenceWriter

FRAMES, POINTS, SIZE = 6, 5, (40, 24)


def scene(seed: int = 0) -> dict[str, np.ndarray]:
    """Points in space before a camera that moves, projected to raster coordinates."""
    rng = np.random.default_rng(seed)
    xyz = rng.uniform([-1, -0.5, 3], [1, 0.5, 5], (FRAMES, POINTS, 3))
    inner = np.tile(np.array([[30.0, 0, 20], [0, 30.0, 12], [0, 0, 1]]), (FRAMES, 1, 1))
    outer = np.tile(np.eye(4), (FRAMES, 1, 1))
    outer[:, 0, 3] = 0.1 * np.arange(FRAMES)
    seen = xyz + outer[:, None, :3, 3]
    flat = seen[..., :2] / seen[..., 2:] * 30 + [20, 12]
    visible = rng.uniform(size=(FRAMES, POINTS)) < 0.7
    return {
        "trajs_2d": flat.astype(np.float32),
        "trajs_3d": xyz.astype(np.float32),
        "visibs": visible,
        "valids": np.ones((FRAMES, POINTS), bool),
        "intrinsics": inner,
        "extrinsics": outer,
    }


def write_pictures(folder: Path) -> None:
    rng = np.random.default_rng(1)
    for kind in ("rgbs", "depths", "masks"):
        (folder / kind).mkdir(parents=True)
    for t in range(FRAMES):
        rgb = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "rgbs" / f"rgb_{t:05d}.jpg"), rgb)
        depth = np.full((SIZE[1], SIZE[0]), 65535, np.uint16)
        depth[0, 0] = 65535 * (t + 1) // 1000
        cv2.imwrite(str(folder / "depths" / f"depth_{t:05d}.png"), depth)
        labels = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        labels[2, 3], labels[4, 5] = 1, 2 + t
        write_palette_png(folder / "masks" / f"mask_{t:05d}.png", labels)


def write_palette_png(path: Path, labels: np.ndarray) -> None:
    image = pytest.importorskip("PIL.Image")
    picture = image.fromarray(labels, mode="P")
    rng = np.random.default_rng(3)
    picture.putpalette([0, 0, 0, *rng.permutation(255 * 3).astype(np.uint8).tolist()])
    picture.save(path)


def write(folder: Path, name: str = "anno.npz", compressed: bool = False, **changed: Any) -> Path:
    write_pictures(folder)
    arrays = {**scene(), **changed}
    save = np.savez_compressed if compressed else np.savez
    save(folder / name, **{k: v for k, v in arrays.items() if v is not None})
    return folder


def test_half_a_pixel_is_taken_off_the_raster_coordinates(tmp_path: Path) -> None:
    write(tmp_path / "train" / "ani")
    (clip,) = PointOdysseyDataset(tmp_path)
    truth = scene()
    assert clip.name == "ani"
    assert np.allclose(clip.xy, truth["trajs_2d"].transpose(1, 0, 2) - 0.5, atol=1e-6)
    assert np.array_equal(clip.visible, truth["visibs"].T)
    assert clip.valid.all()
    assert float(clip.video.fps) == 30
    assert clip.video[3].shape == (24, 40, 3)


def test_the_camera_projects_the_points_to_their_tracks(tmp_path: Path) -> None:
    clip = read_sequence(write(tmp_path / "a"), "a")
    assert clip.extra["camera"] == "standard"
    assert clip.camera is not None
    assert clip.xyz is not None
    for t in range(FRAMES):
        place, depth = clip.camera.project(clip.xyz[:, t], t)
        assert np.allclose(place, clip.xy[:, t], atol=1e-4)
        assert (depth > 0).all()
    assert clip.camera.intrinsics[0, 0, 2] == SIZE[0] / 2 - 0.5


def test_depth_in_metres_and_masks_by_their_palette(tmp_path: Path) -> None:
    clip = read_sequence(write(tmp_path / "a"), "a")
    assert clip.depth is not None
    assert clip.masks is not None
    assert clip.depth[2][0, 0] == pytest.approx(3.0, abs=1000 / 65535)
    assert np.isinf(clip.depth[2][5, 5])
    labels = clip.masks[4]
    assert (labels[2, 3], labels[4, 5], labels[0, 0]) == (1, 6, 0)


@pytest.mark.parametrize("name", ["annot.npz", "annotations.npz"])
def test_older_names_and_one_array_of_codes(tmp_path: Path, name: str) -> None:
    codes = np.ones((FRAMES, POINTS), np.uint8)
    codes[1, 2], codes[3, 4] = 0, 2
    write(tmp_path / "a", name, visibs=None, valids=None, visibilities=codes)
    (clip,) = PointOdysseyDataset(tmp_path)
    assert not clip.visible[2, 1]
    assert clip.valid[2, 1]
    assert not clip.valid[4, 3]
    assert clip.visible.sum() == FRAMES * POINTS - 2


def test_points_that_are_not_finite_have_no_position(tmp_path: Path) -> None:
    points = scene()["trajs_2d"].astype(np.float16)
    points[2, 1] = (np.inf, 4)
    points[3, 1] = np.nan
    clip = read_sequence(write(tmp_path / "a", trajs_2d=points), "a")
    assert np.isnan(clip.xy[1, 2:4]).all()
    assert not clip.valid[1, 2:4].any()
    assert not clip.visible[1, 2:4].any()
    assert clip.valid.sum() == FRAMES * POINTS - 2
    assert np.allclose(clip.xy[0], scene()["trajs_2d"][:, 0] - 0.5, atol=0.02)


def test_first_versions_camera_is_put_right(tmp_path: Path) -> None:
    truth = scene()
    turn = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    flip = np.diag([-1.0, -1, -1, 1])
    # What becomes the right camera by flip @ E @ turn, with u from the right.
    mirrored = np.diag([-1.0, 1, 1, 1]) @ truth["extrinsics"]
    first = flip @ mirrored @ np.linalg.inv(turn)
    clip = read_sequence(write(tmp_path / "a", extrinsics=first), "a")
    assert clip.extra["camera"] == "v1.0"
    assert clip.camera is not None
    assert clip.xyz is not None
    place, _ = clip.camera.project(clip.xyz[:, 1], 1)
    assert np.allclose(place, clip.xy[:, 1], atol=1e-4)


def test_a_camera_that_does_not_fit_is_left_out(tmp_path: Path) -> None:
    wrong = scene()["extrinsics"] @ np.diag([1.0, -1, -1, 1])
    clip = read_sequence(write(tmp_path / "a", extrinsics=wrong), "a")
    assert clip.camera is None
    assert clip.extra["camera"] == "does not fit"


def test_a_split_is_chosen(tmp_path: Path) -> None:
    for split, name in (("train", "b"), ("train", "a"), ("test", "a")):
        write(tmp_path / split / name)
    assert [e.name for e in PointOdysseyDataset(tmp_path, "train").entries()] == ["a", "b"]
    names = [e.name for e in PointOdysseyDataset(tmp_path).entries()]
    assert names == ["train_a", "b", "test_a"]
    with pytest.raises(FormatError, match="there is no split 'dev'; there are: train, val, test"):
        PointOdysseyDataset(tmp_path, "dev")
    with pytest.raises(FormatError, match="val does not exist"):
        PointOdysseyDataset(tmp_path, "val")


def test_windows_hold_the_same_as_the_whole(tmp_path: Path) -> None:
    whole = read_sequence(write(tmp_path / "a"), "a")
    parts = list(PointOdysseyDataset(tmp_path, window=2))
    assert [part.name for part in parts] == ["a_00000", "a_00002", "a_00004"]
    assert np.array_equal(np.concatenate([p.xy for p in parts], axis=1), whole.xy)
    assert np.array_equal(parts[1].video[1], whole.video[3])
    assert whole.depth is not None
    assert parts[2].depth is not None
    assert np.array_equal(parts[2].depth[1], whole.depth[5])
    assert parts[1].camera is not None
    assert parts[1].camera.extrinsics[0, 0, 3] == pytest.approx(0.2)


def test_every_other_frame(tmp_path: Path) -> None:
    whole = read_sequence(write(tmp_path / "a"), "a")
    clip = read_sequence(tmp_path / "a", "a", range(1, 6, 2))
    assert np.array_equal(clip.xy, whole.xy[:, 1::2])
    assert np.array_equal(clip.video[2], whole.video[5])
    assert clip.video.fps == 15


def test_stored_arrays_are_mapped_and_compressed_ones_unpacked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POINTTRACK_CACHE", raising=False)
    plain = write(tmp_path / "plain") / "anno.npz"
    arrays = mapped_archive(plain, ["trajs_2d", "nothing"])
    assert list(arrays) == ["trajs_2d"]
    assert isinstance(arrays["trajs_2d"], np.memmap)
    packed = write(tmp_path / "packed", compressed=True) / "anno.npz"
    assert not isinstance(mapped_archive(packed, ["trajs_2d"])["trajs_2d"], np.memmap)
    before = sorted(packed.parent.rglob("*"))
    cache = tmp_path / "cache"
    first = mapped_archive(packed, ["trajs_2d"], cache)["trajs_2d"]
    assert isinstance(first, np.memmap)
    assert np.array_equal(first, arrays["trajs_2d"])
    (made,) = cache.rglob("*.npy")
    changed = made.stat().st_mtime_ns
    mapped_archive(packed, ["trajs_2d"], cache)
    assert made.stat().st_mtime_ns == changed
    assert sorted(packed.parent.rglob("*")) == before


def test_the_cache_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a", compressed=True)
    monkeypatch.setenv("POINTTRACK_CACHE", str(tmp_path / "cache"))
    (clip,) = PointOdysseyDataset(tmp_path / "a")
    assert np.allclose(clip.xy, scene()["trajs_2d"].transpose(1, 0, 2) - 0.5, atol=1e-6)
    assert {path.name for path in (tmp_path / "cache").rglob("*.npy")} >= {"trajs_2d.npy"}


def test_what_the_blender_generator_writes(tmp_path: Path) -> None:
    camera = Camera(
        np.tile(np.array([[30.0, 0, 19.5], [0, 30, 11.5], [0, 0, 1]]), (2, 1, 1)),
        np.tile(np.diag([1.0, -1, -1, 1]), (2, 1, 1)),  # looks down Blender's z axis
    )
    xyz = np.random.default_rng(0).uniform([-1, -0.5, -5], [1, 0.5, -3], (7, 2, 3))
    xy = np.stack([camera.project(xyz[:, t], t)[0] for t in range(2)], axis=1)
    xy[3, 1] = np.nan
    visible = np.ones((7, 2), bool)
    visible[2, 0] = False
    shape = SIZE[::-1]
    index = np.zeros(shape, np.uint16)
    index[4, 6] = 200
    flow = np.zeros((*shape, 2), np.float32)
    flow[5, 7] = (1.5, -0.25)
    depth = np.full(shape, 4.0, np.float32)
    depth[0, 0] = np.inf
    normal = np.zeros((*shape, 3), np.float32)
    maps = RenderedMaps(depth, normal, normal, index, flow, -flow)
    writer = SequenceWriter(tmp_path, "png")
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for t in range(2):
        writer.write_frame(t, picture, maps, last=t == 1)
    instance = np.arange(7, dtype=np.uint16)
    writer.write_annotations(Annotations(xy, xyz, visible, camera, instance, np.zeros((7, 4))))
    (clip,) = PointOdysseyDataset(tmp_path)
    assert np.allclose(clip.xy, xy, atol=1e-4, equal_nan=True)
    assert np.argwhere(~clip.visible).tolist() == [[2, 0], [3, 1]]
    assert np.argwhere(~clip.valid).tolist() == [[3, 1]]
    assert clip.extra["camera"] == "standard"
    assert clip.camera is not None
    assert clip.xyz is not None
    assert np.allclose(clip.camera.project(clip.xyz[:, 0], 0)[0], xy[:, 0], atol=1e-3)
    assert clip.depth is not None
    assert clip.masks is not None
    assert clip.depth[1][3, 3] == pytest.approx(4.0, abs=0.01)
    assert np.isinf(clip.depth[1][0, 0])
    assert (clip.masks[0][4, 6], clip.masks[0].sum()) == (200, 200)
    assert clip.extra["instances"].tolist() == list(range(7))
    assert clip.extra["forward_flow"][0][5, 7].tolist() == [1.5, -0.25]
    assert np.isnan(clip.extra["forward_flow"][0][0, 0]).all()
    assert np.isnan(clip.extra["forward_flow"][1]).all()
    assert clip.extra["backward_flow"][1][5, 7].tolist() == [-1.5, 0.25]
    assert np.array_equal(clip.video[1], picture)
    assert problems(tmp_path, deep=True) == []
    (tmp_path / "flows" / "backward_00001.png").unlink()
    assert problems(tmp_path) == [f"there is no file {tmp_path / 'flows/backward_00001.png'}"]


# --- Broken copies ---------------------------------------------------------------------------


def problems(root: Path, deep: bool = False) -> list[str]:
    return [problem.message for problem in PointOdysseyDataset(root).check(deep)]


def test_a_whole_copy_has_no_problem(tmp_path: Path) -> None:
    write(tmp_path / "val" / "a")
    assert problems(tmp_path, deep=True) == []


@pytest.mark.parametrize("missing", [0, 3, FRAMES - 1])
@pytest.mark.parametrize("kind", ["depths/depth_{:05d}.png", "masks/mask_{:05d}.png"])
def test_a_missing_map_is_named(tmp_path: Path, kind: str, missing: int) -> None:
    gone = write(tmp_path / "a") / kind.format(missing)
    gone.unlink()
    assert problems(tmp_path) == [f"there is no file {gone}"]


@pytest.mark.parametrize("missing", [2, FRAMES - 1])
def test_a_missing_frame_is_named_and_the_others_read(tmp_path: Path, missing: int) -> None:
    gone = write(tmp_path / "a") / f"rgbs/rgb_{missing:05d}.jpg"
    gone.unlink()
    assert problems(tmp_path, deep=True) == [f"there is no file {gone}"]
    (clip,) = PointOdysseyDataset(tmp_path)
    assert clip.video[missing - 1].shape == (24, 40, 3)
    with pytest.raises(VideoError, match=gone.name):
        clip.video[missing]


def test_a_missing_first_frame_is_named(tmp_path: Path) -> None:
    gone = write(tmp_path / "a") / "rgbs/rgb_00000.jpg"
    gone.unlink()
    (message,) = problems(tmp_path)
    assert f"cannot read {gone}" in message


def test_a_frame_too_many(tmp_path: Path) -> None:
    rgbs = write(tmp_path / "a") / "rgbs"
    shutil.copy(rgbs / "rgb_00000.jpg", rgbs / "rgb_00009.jpg")
    assert f"the folder {rgbs} holds 7 pictures, expected 6" in problems(tmp_path)[0]


def test_damaged_frames_are_found_by_a_deep_look(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    for name in ("rgbs/rgb_00002.jpg", "masks/mask_00001.png"):
        (folder / name).write_bytes(b"no picture")
    cv2.imwrite(str(folder / "depths/depth_00004.png"), np.zeros((9, 9), np.uint16))
    assert problems(tmp_path) == []
    found = problems(tmp_path, deep=True)
    expected = ["rgb_00002.jpg", "depth of frame 4 has shape (9, 9)", "mask_00001.png"]
    assert len(found) == 3
    assert all(words in message for message, words in zip(found, expected, strict=True))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_truncated_archive_is_named(tmp_path: Path, compressed: bool) -> None:
    path = write(tmp_path / "a", compressed=compressed) / "anno.npz"
    path.write_bytes(path.read_bytes()[:-200])
    (message,) = problems(tmp_path)
    assert message.startswith(f"{path} is not an archive of arrays")
    (entry,) = PointOdysseyDataset(tmp_path, window=2).entries()
    with pytest.raises(FormatError, match=r"anno\.npz is not an archive"):
        entry.load()


def test_an_array_cut_short_in_a_whole_archive(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    with zipfile.ZipFile(folder / "anno.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["trajs_2d.npy"] = members["trajs_2d.npy"][:-8]
    with zipfile.ZipFile(folder / "anno.npz", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert "trajs_2d.npy ends too early" in problems(tmp_path)[0]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"trajs_2d": None}, "lacks trajs_2d; found trajs_3d, visibs"),
        ({"visibs": None}, "lacks visibs and visibilities"),
        (
            {"trajs_2d": np.zeros((FRAMES, POINTS, 3))},
            f"trajs_2d is float64 of shape ({FRAMES}, {POINTS}, 3), expected numbers (T, N, 2)",
        ),
        ({"visibs": np.ones((FRAMES, 2))}, f"expected numbers ({FRAMES}, {POINTS})"),
        ({"visibs": np.full((FRAMES, POINTS), 7)}, "codes must be 0, 1 or 2"),
        ({"valids": np.full((FRAMES, POINTS), 2)}, "valids must be 0 or 1"),
        ({"intrinsics": np.eye(3)}, f"expected numbers ({FRAMES}, 3, 3)"),
        ({"trajs_3d": np.full((FRAMES, POINTS, 3), "a")}, "trajs_3d is <U1"),
        ({"trajs_2d": np.full((FRAMES, POINTS, 2), None)}, "holds objects"),
    ],
)
def test_wrong_arrays_are_named(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    path = write(tmp_path / "a", **changed) / "anno.npz"
    (message,) = problems(tmp_path)
    assert str(path) in message
    assert words in message


def test_a_sequence_without_annotation_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a")
    (write(tmp_path / "b") / "anno.npz").unlink()
    (message,) = problems(tmp_path)
    assert message == (
        f"{tmp_path / 'b'} has no annotation: expected anno.npz or annot.npz or annotations.npz"
    )


def test_there_must_be_a_sequence(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no sequence"):
        PointOdysseyDataset(tmp_path)
    with pytest.raises(PointtrackError, match="window must be at least 1"):
        PointOdysseyDataset(tmp_path, window=0)
