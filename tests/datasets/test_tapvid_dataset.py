from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pointtrack.datasets import TapVidDataset, open_dataset
from pointtrack.errors import FormatError, VideoError


def example(frames: int = 4, size: tuple[int, int] = (20, 10), seed: int = 0) -> dict[str, Any]:
    """One example as TAP-Vid-DAVIS stores it."""
    rng = np.random.default_rng(seed)
    return {
        "video": rng.integers(0, 256, (frames, size[1], size[0], 3), dtype=np.uint8),
        "points": rng.uniform(0, 1, (3, frames, 2)).astype(np.float32),
        "occluded": rng.uniform(size=(3, frames)) < 0.3,
    }


def jpegs(frames: int = 3) -> np.ndarray:
    """A video as TAP-Vid-Kinetics stores it: left half red, right half blue."""
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:, :16, 2] = 255  # OpenCV's order is BGR
    picture[:, 16:, 0] = 255
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    return np.array([data] * frames, dtype=object)


def save(content: Any, path: Path) -> Path:
    path.write_bytes(pickle.dumps(content))
    return path


def test_dict_of_raw_videos(tmp_path: Path) -> None:
    bear, camel = example(seed=1), example(5, seed=2)
    clips = list(open_dataset(save({"bear": bear, "camel": camel}, tmp_path / "davis.pkl")))
    assert [clip.name for clip in clips] == ["bear", "camel"]
    assert np.array_equal(clips[0].video.to_numpy(), bear["video"])
    assert np.array_equal(clips[1].visible, ~camel["occluded"])
    assert clips[1].valid.all()


def test_points_become_pixels_counted_from_the_first_ones_centre(tmp_path: Path) -> None:
    one = example()
    one["points"][0, :3] = [[0, 0], [1, 1], [0.5, 0.25]]
    clip = next(iter(open_dataset(save({"a": one}, tmp_path / "set.pkl"))))
    assert clip.xy.dtype == np.float64
    assert clip.xy[0, :3].tolist() == [[-0.5, -0.5], [19.5, 9.5], [9.5, 2.0]]


def test_list_of_jpeg_videos(tmp_path: Path) -> None:
    one = example(3)
    one["video"], one["points"] = jpegs(), one["points"].astype(np.float64)
    clip = next(iter(open_dataset(save([one], tmp_path / "0000_of_0010.pkl"))))
    assert clip.name == "0000_of_0010_0000"
    assert clip.video.size == (32, 16)
    frame = clip.video[2]
    assert frame[8, 4].tolist() == pytest.approx([255, 0, 0], abs=12)
    assert frame[8, 28].tolist() == pytest.approx([0, 0, 255], abs=12)


def test_splits_are_merged_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2):
        save({f"clip{number}": example()}, tmp_path / f"robotap_split{number}.pkl")
    assert [clip.name for clip in open_dataset(tmp_path)] == ["clip2", "clip10"]


def test_a_name_in_two_files_stays_unique(tmp_path: Path) -> None:
    for split in ("a", "b"):
        save({"clip": example()}, tmp_path / f"{split}.pkl")
    assert [clip.name for clip in open_dataset(tmp_path)] == ["clip", "b_clip"]


def test_unpacked_archive_with_the_pickle_one_level_down(tmp_path: Path) -> None:
    (tmp_path / "tapvid_davis").mkdir()
    save({"bear": example()}, tmp_path / "tapvid_davis" / "tapvid_davis.pkl")
    assert [clip.name for clip in open_dataset(tmp_path)] == ["bear"]


def test_reading_twice_gives_the_same_points(tmp_path: Path) -> None:
    dataset = open_dataset(save({"bear": example()}, tmp_path / "davis.pkl"))
    first, second = next(iter(dataset)), next(iter(dataset))
    assert np.array_equal(first.xy, second.xy)


def test_count_is_known_once_the_file_is_read(tmp_path: Path) -> None:
    dataset = open_dataset(save([example(), example()], tmp_path / "set.pkl"))
    assert dataset.count() is None
    next(iter(dataset.entries()))
    assert dataset.count() == 2


def without(key: str) -> dict[str, Any]:
    return {k: v for k, v in example().items() if k != key}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (without("points"), "lacks points; found video, occluded"),
        ([1, 2], "is a list, expected a dict"),
        ({**example(), "points": np.zeros((3, 5, 2))}, r"expected booleans of shape \(3, 5\)"),
        (
            {**example(), "points": np.zeros((3, 5, 2)), "occluded": np.zeros((3, 5))},
            "cover 5 frames, expected the video's 4",
        ),
        ({**example(), "points": np.zeros((3, 4))}, r"shape \(3, 4\), expected numbers"),
        ({**example(), "points": example()["points"] * 500}, "expected fractions of the picture"),
        ({**example(), "points": example()["points"] * np.nan}, "expected a position"),
        ({**example(), "video": np.zeros((4, 10, 20, 3))}, "float64 array, expected a uint8"),
        ({**example(), "video": [b"no picture"] * 4}, "frame 0 is not a picture"),
        ({**example(), "video": np.zeros((4, 10, 20), np.uint8)}, r"expected \(T, H, W, 3\)"),
    ],
)
def test_a_broken_entry_is_named_and_the_next_one_read(
    tmp_path: Path, broken: Any, words: str
) -> None:
    path = save({"good": example(), "bad": broken, "also": example()}, tmp_path / "set.pkl")
    entries = list(open_dataset(path).entries())
    with pytest.raises(FormatError, match=words) as caught:
        entries[1].load()
    assert f"{path}, entry 'bad'" in str(caught.value)
    assert entries[0].load().name == "good"
    assert entries[2].load().name == "also"


def test_a_later_jpeg_that_is_broken_is_named_when_it_is_asked_for(tmp_path: Path) -> None:
    video = jpegs()
    video[1] = b"\xff\xd8 cut off"
    clip = next(iter(open_dataset(save([{**example(3), "video": video}], tmp_path / "set.pkl"))))
    assert clip.video[2].shape == (16, 32, 3)
    with pytest.raises(VideoError, match="entry 0: frame 1 is not a picture"):
        clip.video[1]


def test_a_damaged_file_of_several_does_not_lose_the_others(tmp_path: Path) -> None:
    save({"bear": example()}, tmp_path / "b.pkl")
    (tmp_path / "a.pkl").write_bytes(b"not a pickle")
    broken, good = open_dataset(tmp_path).entries()
    with pytest.raises(FormatError, match=r"a\.pkl"):
        broken.load()
    assert good.load().name == "bear"


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    path = save({"bear": Evil()}, tmp_path / "evil.pkl")
    with pytest.raises(FormatError, match="could run code"):
        list(open_dataset(path))
    assert not (tmp_path / "made").exists()


def test_there_must_be_a_pickle(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no pickle"):
        TapVidDataset(tmp_path)
    with pytest.raises(FormatError, match="there is no data set"):
        open_dataset(tmp_path / "missing.pkl")
    with pytest.raises(FormatError, match=r"no data set format 'davis17'; there are: tapvid, "):
        open_dataset(tmp_path, format="davis17")


def test_missing_parts_are_named(tmp_path: Path) -> None:
    for name in ("robotap_split0.pkl", "robotap_split3.pkl", "0001_of_0003.pkl"):
        save({name: example()}, tmp_path / name)
    found = [problem.message for problem in TapVidDataset(tmp_path).check()]
    missing = ["0000_of_0003", "0002_of_0003", "robotap_split1", "robotap_split2", "robotap_split4"]
    assert found == [f"there is no file {tmp_path / name}.pkl" for name in missing]


def test_check_names_every_broken_entry(tmp_path: Path) -> None:
    short = {**example(), "occluded": np.zeros((1, 2), bool)}
    save({"good": example(), "short": short, "bad": {"points": 1}}, tmp_path / "set.pkl")
    (tmp_path / "cut.pkl").write_bytes((tmp_path / "set.pkl").read_bytes()[:-20])
    cut, first, second = TapVidDataset(tmp_path).check()
    assert "cut.pkl is not a pickle of plain data" in cut.message
    assert (first.name, second.name) == ("short", "bad")
    assert "entry 'short': occluded is bool of shape (1, 2), expected" in first.message
    assert "entry 'bad': it lacks video, occluded; found points" in second.message
