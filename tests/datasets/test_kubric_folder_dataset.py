from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pointtrack.datasets.kubric_folder import KubricFolderDataset
from pointtrack.errors import FormatError

FRAMES, POINTS = 5, 4


def write_frames(folder: Path, count: int = FRAMES, suffix: str = ".png") -> None:
    folder.mkdir(parents=True)
    for t in range(count):
        cv2.imwrite(str(folder / f"{t:03d}{suffix}"), np.full((16, 20, 3), 40 * t, np.uint8))


def coordinates(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 16, (POINTS, FRAMES, 2)).astype(np.float32)


def cotracker(root: Path, name: str, **changed: Any) -> Path:
    """One sequence as CoTracker reads it."""
    write_frames(root / name / "frames")
    occluded = np.zeros((POINTS, FRAMES), bool)
    occluded[1, 3] = True
    content = {"coords": coordinates(), "visibility": occluded, **changed}
    np.save(root / name / f"{name}.npy", {k: v for k, v in content.items() if v is not None})
    return root / name / f"{name}.npy"


def exported(folder: Path, **changed: Any) -> Path:
    """One clip as AllTracker exports it."""
    write_frames(folder / "frames", suffix=".jpg")
    visible = np.ones((FRAMES, POINTS), np.float32)
    visible[3, 1] = 0
    valid = np.ones((FRAMES, POINTS), np.float32)
    valid[4, 2] = 0
    points = coordinates().transpose(1, 0, 2)
    content = {"point_xys": points, "point_visibs": visible, "point_xys_valid": valid, **changed}
    np.save(folder / "annot.npy", {k: v for k, v in content.items() if v is not None})
    return folder / "annot.npy"


def test_cotrackers_true_means_occluded_and_half_a_pixel_comes_off(tmp_path: Path) -> None:
    cotracker(tmp_path, "0001")
    cotracker(tmp_path, "0000")
    clips = list(KubricFolderDataset(tmp_path))
    assert [clip.name for clip in clips] == ["0000", "0001"]
    assert np.allclose(clips[0].xy, coordinates() - 0.5, atol=1e-6)
    assert np.argwhere(~clips[0].visible).tolist() == [[1, 3]]
    assert clips[0].valid.all()
    assert clips[0].video[2][0, 0].tolist() == [80, 80, 80]


def test_numbers_may_be_taken_for_pixel_indices(tmp_path: Path) -> None:
    cotracker(tmp_path, "0000")
    (clip,) = KubricFolderDataset(tmp_path / "0000", convention="pixel")
    assert np.array_equal(clip.xy, coordinates())
    wrong: Any = "index"
    with pytest.raises(FormatError, match="convention must be 'raster' or 'pixel', found 'index'"):
        KubricFolderDataset(tmp_path, convention=wrong)


def test_alltrackers_export_at_any_depth(tmp_path: Path) -> None:
    exported(tmp_path / "ce64" / "kub64" / "00" / "clip7")
    exported(tmp_path / "ce64" / "kub64" / "01" / "clip7")
    clips = list(KubricFolderDataset(tmp_path / "ce64" / "kub64"))
    assert [clip.name for clip in clips] == ["00_clip7", "01_clip7"]
    assert np.allclose(clips[0].xy, coordinates() - 0.5, atol=1e-6)
    assert np.argwhere(~clips[0].valid).tolist() == [[2, 4]]
    assert np.argwhere(~clips[0].visible).tolist() == [[1, 3], [2, 4]]


def test_frames_may_go_on_after_the_tracks(tmp_path: Path) -> None:
    cotracker(tmp_path, "a", coords=coordinates()[:, :3], visibility=np.zeros((POINTS, 3)))
    (clip,) = KubricFolderDataset(tmp_path)
    assert len(clip.video) == 3


def test_points_that_are_not_finite_have_no_position(tmp_path: Path) -> None:
    points = coordinates()
    points[2, 1, 0] = np.inf
    cotracker(tmp_path, "a", coords=points)
    (clip,) = KubricFolderDataset(tmp_path)
    assert np.isnan(clip.xy[2, 1]).all()
    assert not clip.valid[2, 1]


# --- Broken copies ---------------------------------------------------------------------------


def problems(root: Path, deep: bool = False) -> list[str]:
    return [problem.message for problem in KubricFolderDataset(root).check(deep)]


def test_a_whole_copy_has_no_problem(tmp_path: Path) -> None:
    cotracker(tmp_path / "one", "a")
    exported(tmp_path / "two" / "b")
    assert problems(tmp_path / "one", deep=True) == []
    assert problems(tmp_path / "two", deep=True) == []


def test_missing_frames_are_named(tmp_path: Path) -> None:
    frames = cotracker(tmp_path, "a").parent / "frames"
    gone = [frames / "001.png", frames / "004.png"]
    for path in gone:
        path.unlink()
    assert problems(tmp_path, deep=True) == [f"there is no file {path}" for path in gone]


def test_an_empty_frame_is_named(tmp_path: Path) -> None:
    frame = cotracker(tmp_path, "a").parent / "frames" / "003.png"
    frame.write_bytes(b"")
    assert problems(tmp_path, deep=True) == [f"{frame} is empty"]


def test_no_frames_and_no_annotation(tmp_path: Path) -> None:
    first, second = cotracker(tmp_path, "a"), cotracker(tmp_path, "b")
    first.unlink()
    for path in (second.parent / "frames").iterdir():
        path.unlink()
    assert problems(tmp_path) == [
        f"cannot read {first}: no such file or directory",
        f"the folder {second.parent / 'frames'} holds no pictures",
    ]


@pytest.mark.parametrize("cut", [0, 20, -30])
def test_a_truncated_pickle_is_named(tmp_path: Path, cut: int) -> None:
    path = cotracker(tmp_path, "a")
    path.write_bytes(path.read_bytes()[:cut])
    (message,) = problems(tmp_path)
    assert str(path) in message


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    path = cotracker(tmp_path / "set", "a", coords=Evil())
    (message,) = problems(tmp_path / "set")
    assert str(path) in message
    assert "could run code" in message
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"coords": None}, "lacks coords; found visibility"),
        ({"coords": np.zeros((POINTS, FRAMES))}, "coords is float64 of shape (4, 5), expected"),
        ({"coords": np.full((POINTS, FRAMES, 2), "a")}, "coords is <U1"),
        ({"visibility": np.zeros((FRAMES, POINTS))}, "expected numbers (4, 5)"),
        ({"visibility": np.full((POINTS, FRAMES), 0.3)}, "visibility must be 0 or 1"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    path = cotracker(tmp_path, "a", **changed)
    (message,) = problems(tmp_path)
    assert str(path) in message
    assert words in message


def test_an_array_in_the_place_of_a_dict(tmp_path: Path) -> None:
    path = exported(tmp_path / "a")
    np.save(path, np.zeros(3))
    assert problems(tmp_path) == [
        f"{path} is not a NumPy file of a dict: it holds a float64 array of shape (3,), "
        "expected a dict"
    ]


def test_there_must_be_a_clip(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no clip"):
        KubricFolderDataset(tmp_path)
