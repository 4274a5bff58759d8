"""Sets of whole scenes: EgoPoints, DriveTrack, DAVIS, TAPVid-3D."""

from __future__ import annotations

from pathlib import Path

import benchmark_copies as copies
import numpy as np
import pytest
from numpy.testing import assert_allclose

from pointtrack.datasets.davis import DavisDataset, FullDavisDataset
from pointtrack.datasets.drivetrack import DriveTrackDataset
from pointtrack.datasets.egopoints import EgoPointsDataset
from pointtrack.datasets.tapvid3d import TapVid3dDataset
from pointtrack.errors import FormatError

# -- EgoPoints -----------------------------------------------------------------------------


def test_egopoints_keeps_its_five_flags(tmp_path: Path) -> None:
    clip, _ = EgoPointsDataset(copies.egopoints(tmp_path))
    assert clip.name == "P01_1"
    assert clip.xy[1, 4].tolist() == [24, 7]
    assert np.isnan(clip.xy[1, 2:4]).all()
    assert clip.visible[1].tolist() == [True, True, False, False, True, True]
    assert clip.valid.all()
    assert clip.extra["out_of_view"][1].tolist() == [False, False, True, True, False, False]
    assert clip.extra["occluded"][2].tolist() == [False] * 4 + [True] * 2
    assert clip.queries is not None
    assert clip.queries.txy.tolist() == [[0, 10, 7], [0, 20, 7], [0, 30, 7]]


def test_k_epic_may_lack_flags(tmp_path: Path) -> None:
    root = copies.egopoints(tmp_path, ("P01_1",))
    path = root / "P01_1" / "annot.npz"
    with np.load(path) as archive:
        kept = {name: archive[name] for name in ("trajs_2d", "valids", "visibs")}
    kept["visibs"][3, 0] = 0
    np.savez(path, **kept)
    (clip,) = EgoPointsDataset(root)
    assert clip.valid[1].tolist() == [True, True, False, False, True, True]
    assert clip.extra["occluded"][0].tolist() == [False, False, False, True, False, False]
    assert not clip.extra["out_of_view"].any()


def test_broken_egopoints_are_named(tmp_path: Path) -> None:
    root = copies.egopoints(tmp_path)
    (root / "P01_1" / "rgbs" / "frame_0000000003.jpg").unlink()
    path = root / "P02_1" / "annot.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    np.savez(path, **{**arrays, "visibs": arrays["visibs"][:4]})
    first, second = EgoPointsDataset(root).check()
    assert "P01_1/annot.npz: points cover 6 frames, expected the video's 5" in first.message
    assert second.message == f"{path}: visibs has shape (4, 3), expected (6, 3)"
    path.write_bytes(path.read_bytes()[:300])
    assert "P02_1/annot.npz is not an archive" in list(EgoPointsDataset(root).check())[1].message
    path.unlink()
    assert str(path) in list(EgoPointsDataset(root).check())[1].message


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"holds no SEQUENCE/annot\.npz"):
        EgoPointsDataset(tmp_path)
    with pytest.raises(FormatError, match="does not exist"):
        EgoPointsDataset(tmp_path / "nowhere")


# -- DriveTrack ------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [True, False])
def test_drivetrack_drops_unknown_tracks_and_reads_frames_in_any_order(
    tmp_path: Path, compressed: bool
) -> None:
    (clip,) = DriveTrackDataset(copies.drivetrack(tmp_path, compressed))
    assert clip.xy[:, 3].tolist() == [[12.5, 12.5], [3, 12.5]]
    assert clip.visible[1].tolist() == [True, True, True, False, True]
    assert [int(clip.video[t][0, 0, 0]) for t in (3, 1, 2, 4, 0)] == [30, 10, 20, 40, 0]
    assert clip.video.size == (64, 48)
    assert clip.video.to_numpy().shape == (5, 48, 64, 3)


def test_broken_drivetrack_is_named(tmp_path: Path) -> None:
    copies.drivetrack(tmp_path)
    np.savez(tmp_path / "segment_1.npz", tracks=np.zeros((1, 5, 2)), visibles=np.ones((1, 5)))
    np.savez(
        tmp_path / "segment_2.npz",
        video=np.zeros((5, 4, 4), np.uint8),
        tracks=np.zeros((1, 5, 2)),
        visibles=np.ones((1, 5)),
    )
    (tmp_path / "segment_3.npz").write_bytes((tmp_path / "segment_0.npz").read_bytes()[:500])
    problems = list(DriveTrackDataset(tmp_path).check())
    assert [p.name for p in problems] == ["segment_1", "segment_2", "segment_3"]
    assert "it lacks video; found tracks, visibles" in problems[0].message
    assert "array of shape (5, 4, 4), expected uint8 (T, H, W, 3)" in problems[1].message


# -- DAVIS ---------------------------------------------------------------------------------


def test_davis_has_masks_and_no_tracks(tmp_path: Path) -> None:
    bear, car = DavisDataset(copies.davis(tmp_path / "DAVIS").parent)
    assert (bear.name, car.name) == ("bear", "car")
    assert len(bear) == 0
    assert len(bear.video) == 4
    assert bear.masks is not None
    assert set(np.unique(bear.masks[1]).tolist()) == {0, 1, 2}


def test_full_davis_puts_the_points_on_the_large_videos(tmp_path: Path) -> None:
    root = copies.davis(tmp_path, "Full-Resolution")
    copies.tapvid_davis(tmp_path / "tapvid_davis.pkl")
    bear, _ = FullDavisDataset(root)
    assert bear.video.size == (64, 48)
    assert bear.xy[:, 0].tolist() == [[31.5, 23.5], [-0.5, -0.5]]


def test_full_davis_names_what_does_not_fit(tmp_path: Path) -> None:
    root = copies.davis(tmp_path, "Full-Resolution")
    path = copies.tapvid_davis(tmp_path / "tapvid_davis.pkl", ("bear", "soapbox"), frames=5)
    first, second = FullDavisDataset(root).check()
    assert f"{path}, entry 'bear': points cover 5 frames, expected the video's 4" in first.message
    assert f"there is no folder {root}/JPEGImages/Full-Resolution/soapbox" in second.message
    with pytest.raises(FormatError, match=r"there is no folder .*480p"):
        FullDavisDataset(root, resolution="480p")


def test_check_of_davis_names_masks_and_broken_pictures(tmp_path: Path) -> None:
    root = copies.davis(tmp_path)
    (root / "Annotations/480p/bear/00002.png").unlink()
    picture = root / "JPEGImages/480p/car/00001.jpg"
    picture.write_bytes(picture.read_bytes()[:40])
    shallow = [p.message for p in DavisDataset(root).check()]
    assert shallow == [f"there is no file {root}/Annotations/480p/bear/00002.png"]
    deep = [p.message for p in DavisDataset(root).check(deep=True)]
    assert len(deep) == 2
    assert str(picture) in deep[1]
    with pytest.raises(FormatError, match=r"test\.txt"):
        DavisDataset(root, split="test")


@pytest.mark.parametrize("number", [0, 2, 3])
def test_check_of_davis_names_frames_that_are_missing(tmp_path: Path, number: int) -> None:
    root = copies.davis(tmp_path, names=("bear",))
    gone = root / f"JPEGImages/480p/bear/{number:05d}.jpg"
    gone.unlink()
    (problem,) = DavisDataset(root).check()
    assert str(gone) in problem.message


# -- TAPVid-3D -------------------------------------------------------------------------------


def test_tapvid3d_projects_its_points(tmp_path: Path) -> None:
    clips = list(TapVid3dDataset(copies.tapvid3d(tmp_path)))
    assert [clip.name for clip in clips] == ["adt/scene_0", "pstudio/scene_0"]
    for clip in clips:
        # u = fx X / Z + cx in TAP-Vid's pixels, half a pixel more than ours.
        assert_allclose(clip.xy[0, 0], [32 - 0.5, 24 - 0.5])
        assert_allclose(clip.xy[1, 1], [50 * 0.4 / 4 + 31.5, -60 * 0.25 / 4 + 23.5], atol=1e-5)
        assert np.isnan(clip.xy[1, 3]).all()
        assert clip.visible.tolist() == [[True] * 4, [True] * 3 + [False]]
        assert_allclose(clip.xyz[0], [[0, 0, 2]] * 4, atol=1e-6)  # still in the world
        assert_allclose(clip.camera.to_camera(clip.xyz[:, 2], 2)[0], [-0.2, 0, 2], atol=1e-6)
        assert_allclose(clip.queries.txy, [[0, 31.5, 23.5], [0, 37.75, 19.75]])
        assert clip.video[2][0, 0, 0] == pytest.approx(20, abs=3)


def test_tapvid3d_without_extrinsics_stays_in_the_camera(tmp_path: Path) -> None:
    clip = next(iter(TapVid3dDataset(copies.tapvid3d(tmp_path, extrinsics=False))))
    assert_allclose(clip.xyz[0, 2], [-0.2, 0, 2], atol=1e-6)
    assert_allclose(clip.xy[0, 2], [32 - 50 * 0.1 - 0.5, 23.5], atol=1e-5)


def test_broken_tapvid3d_is_named(tmp_path: Path) -> None:
    root = copies.tapvid3d(tmp_path)
    path = root / "adt" / "scene_0.npz"
    with np.load(path, allow_pickle=True) as archive:
        arrays = dict(archive)
    np.savez(path, **{**arrays, "visibility": arrays["visibility"][:, :1]})
    (problem,) = TapVid3dDataset(root).check()
    assert problem.message == f"{path}: visibility has shape (4, 1), expected (4, 2)"
    arrays["images_jpeg_bytes"] = np.array([b"no picture"] * 4, object)
    np.savez(path, **arrays)
    (problem,) = TapVid3dDataset(root).check()
    assert "frame 0 is not a picture" in problem.message


def test_tapvid3d_pictures_that_would_run_code_are_refused(tmp_path: Path) -> None:
    root = copies.tapvid3d(tmp_path)
    path = root / "adt" / "scene_0.npz"
    with np.load(path, allow_pickle=True) as archive:
        arrays = dict(archive)
    arrays["images_jpeg_bytes"] = np.array([print] * 4, object)
    np.savez(path, **arrays)
    (problem,) = TapVid3dDataset(root).check()
    assert "nothing was run" in problem.message
