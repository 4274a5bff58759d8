"""Sets of joints and heads: BADJA, JHMDB, Horse-10, CroHD."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import benchmark_copies as copies
import numpy as np
import pytest

from pointtrack.datasets.badja import JOINTS, BadjaDataset
from pointtrack.datasets.crohd import CrohdDataset
from pointtrack.datasets.horse10 import Horse10Dataset
from pointtrack.datasets.jhmdb import JhmdbDataset
from pointtrack.errors import FormatError

# -- BADJA ---------------------------------------------------------------------------------


def test_badja_joints_are_x_y_between_the_first_and_last_annotated_frame(tmp_path: Path) -> None:
    bear, dog = BadjaDataset(copies.badja(tmp_path))
    assert (bear.name, dog.name) == ("bear", "dog")  # and cat_jump is left out
    assert len(bear.video) == 5
    assert bear.video[0][0, 0, 0] == pytest.approx(20, abs=3)  # frame 2
    assert len(bear) == len(JOINTS) == 20
    assert bear.xy[0, 0].tolist() == [11, 22]  # the file has y, x
    assert bear.xy[0, 4].tolist() == [15, 23]
    assert np.isnan(bear.xy[0, 1:4]).all()
    assert bear.valid[0].tolist() == [True, False, False, False, True]
    assert bear.visible[0].tolist() == [True, False, False, False, True]
    assert bear.visible[-1].tolist() == [False] * 4 + [True]
    assert bear.xy[-1, 0].tolist() == [60, 30]  # hidden, but annotated


def test_badja_asks_for_every_joint_in_the_first_frame(tmp_path: Path) -> None:
    bear = next(iter(BadjaDataset(copies.badja(tmp_path))))
    assert bear.queries is not None
    assert bear.queries.txy[0].tolist() == [0, 11, 22]
    assert bear.queries.txy[1].tolist() == [0, 0, 0]
    assert np.isnan(bear.xy[1]).all()


def test_badja_masks_are_those_of_the_frames(tmp_path: Path) -> None:
    bear = next(iter(BadjaDataset(copies.badja(tmp_path))))
    assert bear.masks is not None
    assert len(bear.masks) == 5
    assert bear.masks[3].shape == (48, 64)
    assert np.count_nonzero(bear.masks[3] == 1) == 32 * 48
    assert bear.masks[3][0, 63] == 2


def test_cleaned_badja_drops_what_lies_before_the_first_fair_frame(tmp_path: Path) -> None:
    (clip,) = BadjaDataset(copies.badja_cleaned(tmp_path))
    assert clip.visible.tolist() == [[True] * 4 + [False], [False] * 3 + [True] * 2]
    assert clip.xy[1, 3].tolist() == [23, 10]
    assert clip.masks is None


def test_check_of_badja_names_what_is_missing(tmp_path: Path) -> None:
    root = copies.badja(tmp_path)
    frames = root / "DAVIS/JPEGImages/Full-Resolution/bear"
    (frames / "00006.jpg").unlink()
    mask = root / "DAVIS/Annotations/Full-Resolution/dog/00003.png"
    mask.unlink()
    text = "\n".join(f"{p.name}: {p.message}" for p in BadjaDataset(root).check())
    assert f"bear: there is no file {frames}/00006.jpg" in text
    assert f"dog: there is no file {mask}" in text
    assert f"badja: there is no file {root}/joint_annotations/horsejump-low.json" in text


def test_broken_badja_annotations_are_named(tmp_path: Path) -> None:
    root = copies.badja(tmp_path)
    file = root / "joint_annotations" / "bear.json"
    rows = json.loads(file.read_text())
    rows[1]["joints"] = rows[1]["joints"][:20]
    file.write_text(json.dumps(rows))
    with pytest.raises(FormatError, match=r"bear\.json: joints .* have shape \(20, 2\)"):
        next(iter(BadjaDataset(root)))
    file.write_text(json.dumps(rows)[:-30])
    with pytest.raises(FormatError, match=r"bear\.json is not JSON"):
        next(iter(BadjaDataset(root)))
    with pytest.raises(FormatError, match="holds no joint_annotations"):
        BadjaDataset(root / "DAVIS")


# -- JHMDB ---------------------------------------------------------------------------------


def test_jhmdb_reads_the_test_clips_of_split_1(tmp_path: Path) -> None:
    one, two = JhmdbDataset(copies.jhmdb(tmp_path))
    assert (one.name, two.name) == ("wave/one", "wave/two")
    assert one.xy.shape == (15, 4, 2)  # the fifth picture has no joints
    assert one.xy[2, 0].tolist() == [8 + 3.0, 20]  # half a pixel less than in the file
    assert one.xy[2, 3].tolist() == [8 + 6.0, 20]
    assert one.queries is not None
    assert one.queries.txy[2].tolist() == [0, 11, 20]
    assert not one.visible[14].any()
    assert one.visible[13].tolist() == [True, True, True, True]


def test_broken_jhmdb_is_named(tmp_path: Path) -> None:
    from scipy.io import savemat

    root = copies.jhmdb(tmp_path)
    place = root / "joint_positions" / "wave"
    savemat(place / "one" / "joint_positions.mat", {"pos_img": np.zeros((2, 13, 4))})
    (place / "two" / "joint_positions.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    messages = [p.message for p in JhmdbDataset(root).check()]
    assert len(messages) == 2
    assert "one/joint_positions.mat" in messages[0]
    assert "pos_img has shape (2, 13, 4), expected (2, 15, T)" in messages[0]
    assert "two/joint_positions.mat is not a MATLAB file of joints" in messages[1]


def test_jhmdb_names_pictures_that_are_missing(tmp_path: Path) -> None:
    root = copies.jhmdb(tmp_path)
    gone = [root / "Rename_Images" / "wave" / "two" / f"{n:05d}.png" for n in (2, 4)]
    for path in gone:
        path.unlink()
    found = [(p.name, p.message) for p in JhmdbDataset(root).check()]
    assert found == [("wave/two", f"there is no file {path}") for path in gone]
    (root / "splits" / "wave_test_split1.txt").write_text("")
    (problem,) = JhmdbDataset(root).check()
    assert "wave_test_split1.txt is not a split of JHMDB: it names no test clip" in problem.message


# -- Horse-10 --------------------------------------------------------------------------------


def test_horse10_finds_its_pictures_under_someone_elses_path(tmp_path: Path) -> None:
    (clip,) = Horse10Dataset(copies.horse10(tmp_path))
    assert clip.xy[0].tolist() == [[10, 5], [11, 5], [12, 5]]
    assert clip.visible.tolist() == [[True] * 3, [True, False, True], [True] * 3]
    assert clip.video[2][0, 0].tolist() == [20, 40, 40]


def test_broken_horse10_is_named(tmp_path: Path) -> None:
    root = copies.horse10(tmp_path)
    gone = root / "labeled-data" / "Sample1" / "img0001.png"
    gone.unlink()
    messages = [p.message for p in Horse10Dataset(root).check()]
    assert any("img0001.png" in message for message in messages)
    file = root / "seq_annotation.pkl"
    rows = pickle.loads(file.read_bytes())
    rows["Sample1"][1]["keypoints"] = np.zeros((1, 3, 3))
    file.write_bytes(pickle.dumps(rows))
    (problem,) = Horse10Dataset(root).check()
    assert "entry 'Sample1': frame 1 has keypoints of shape (1, 3, 3)" in problem.message
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(FormatError, match=r"seq_annotation\.pkl"):
        Horse10Dataset(root)


# -- CroHD ---------------------------------------------------------------------------------


def test_crohd_points_are_the_centres_of_boxes(tmp_path: Path) -> None:
    (clip,) = CrohdDataset(copies.crohd(tmp_path))
    assert clip.name == "HT21-01_00000"
    assert len(clip) == 2  # head 9 is to be ignored
    assert clip.xy[0, :2].tolist() == [[12.5, 23.5], [13.5, 23.5]]
    assert clip.visible[1].tolist() == [True, False, True, True, True]
    assert clip.valid.all()


def test_crohd_is_cut_into_chunks(tmp_path: Path) -> None:
    first, second = CrohdDataset(copies.crohd(tmp_path), chunk=3)
    assert (len(first.video), len(second.video)) == (3, 2)
    assert second.name == "HT21-01_00003"
    assert second.xy[0, 0].tolist() == [15.5, 23.5]
    assert second.video[0][0, 0, 0] == pytest.approx(30, abs=3)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_crohd_names_pictures_that_are_missing(tmp_path: Path, number: int) -> None:
    root = copies.crohd(tmp_path)
    gone = root / "train" / "HT21-01" / "img1" / f"{number:06d}.jpg"
    gone.unlink()
    (problem,) = CrohdDataset(root).check()
    assert str(gone) in problem.message


def test_broken_crohd_is_named(tmp_path: Path) -> None:
    root = copies.crohd(tmp_path)
    path = root / "train" / "HT21-01" / "gt" / "gt.txt"
    path.write_text("1,1,10,20,5,7\n")
    (problem,) = CrohdDataset(root).check()
    assert f"{path} is not a list of boxes: line 1 has 6 columns, expected 9" in problem.message
    path.write_text("")
    (problem,) = CrohdDataset(root).check()
    assert "it holds no box" in problem.message
    with pytest.raises(FormatError, match="holds no SEQUENCE/gt"):
        CrohdDataset(root / "train" / "HT21-01" / "img1")
