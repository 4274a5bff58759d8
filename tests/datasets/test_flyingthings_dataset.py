from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pointtrack.datasets.flyingthings import FlyingThingsDataset, read_occluders
from pointtrack.datasets.pfm import read_pfm
from pointtrack.errors import FormatError

SIZE = (20, 12)
BELOW = Path("TRAIN/A/0000/left")


def pfm(values: np.ndarray, little: bool = True) -> bytes:
    height, width = values.shape[:2]
    kind = b"PF" if values.ndim == 3 else b"Pf"
    head = kind + f"\n{width} {height}\n{-1.0 if little else 1.0}\n".encode()
    return head + values[::-1].astype("<f4" if little else ">f4").tobytes()


def tracks(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 12, (8, count, 2)).astype(np.float16)


def write(root: Path, version: str = "ad", occluders: bool = True) -> Path:
    for folder in (
        root / "frames_cleanpass_webp" / BELOW,
        root / "object_index" / BELOW,
        root / f"trajs_{version}" / BELOW,
        root / "occluders_al" / BELOW,
        *(root / f"optical_flow/TRAIN/A/0000/into_{way}/left" for way in ("future", "past")),
    ):
        folder.mkdir(parents=True, exist_ok=True)
    for t in range(6, 16):
        picture = np.full((*SIZE[::-1], 3), 15 * t, np.uint8)
        cv2.imwrite(str(root / "frames_cleanpass_webp" / BELOW / f"{t:04d}.webp"), picture)
        index = np.zeros(SIZE[::-1])
        index[1, 2] = t
        (root / "object_index" / BELOW / f"{t:04d}.pfm").write_bytes(pfm(index))
        for way in ("Future", "Past"):
            flow = np.zeros((*SIZE[::-1], 3))
            flow[3, 4] = (t, -t, 0)
            folder = root / f"optical_flow/TRAIN/A/0000/into_{way.lower()}/left"
            (folder / f"OpticalFlowInto{way}_{t:04d}_L.pfm").write_bytes(pfm(flow))
    for start in range(3):
        np.savez(root / f"trajs_{version}" / BELOW / f"trajs_at_{start}.npz", trajs=tracks())
        if occluders:
            content = {3: np.ones((8, 4, 2), np.float16), 17: np.zeros((8, 2, 2), np.float16)}
            path = root / "occluders_al" / BELOW / f"occluder_at_{start}.npy"
            np.save(path, np.array(content))
    return root


def test_tracks_are_pixel_indices_and_begin_at_their_picture(tmp_path: Path) -> None:
    clips = list(FlyingThingsDataset(write(tmp_path)))
    assert [clip.name for clip in clips] == [f"TRAIN_A_0000_left_{start}" for start in range(3)]
    assert np.array_equal(clips[1].xy, tracks().astype(np.float64).transpose(1, 0, 2))
    assert clips[1].visible.all()
    levels = [[int(frame.mean().round()) for frame in clip.video] for clip in clips]
    assert np.allclose(levels[0], [15 * t for t in range(6, 14)], atol=3)
    assert np.allclose(levels[2], [15 * t for t in range(8, 16)], atol=3)


def test_objects_and_flow(tmp_path: Path) -> None:
    clip = list(FlyingThingsDataset(write(tmp_path)))[1]
    assert clip.masks is not None
    assert clip.masks[0][1, 2] == 7
    assert clip.masks[0].sum() == 7  # the top row is the top row
    assert clip.extra["forward_flow"][3][3, 4].tolist() == [10, -10]
    assert clip.extra["backward_flow"][7][3, 4].tolist() == [14, -14]


def test_occluders(tmp_path: Path) -> None:
    clip = next(iter(FlyingThingsDataset(write(tmp_path))))
    found = read_occluders(clip.extra["occluders"])
    assert sorted(found) == [3, 17]
    assert found[3].shape == (4, 8, 2)


def test_what_is_not_there_is_not_needed(tmp_path: Path) -> None:
    write(tmp_path, "ae", occluders=False)
    for name in ("object_index", "optical_flow"):
        (tmp_path / name).rename(tmp_path / f"no_{name}")
    clip = next(iter(FlyingThingsDataset(tmp_path, "TRAIN")))
    assert clip.masks is None
    assert clip.extra == {"occluders": None}
    with pytest.raises(FormatError, match=r"holds no TEST/A/0000/left/trajs_at_0\.npz"):
        FlyingThingsDataset(tmp_path, "TEST")


# --- Broken copies ---------------------------------------------------------------------------


def problems(root: Path, deep: bool = False) -> list[str]:
    return [problem.message for problem in FlyingThingsDataset(root).check(deep)]


def test_a_whole_copy_has_no_problem(tmp_path: Path) -> None:
    assert problems(write(tmp_path), deep=True) == []


@pytest.mark.parametrize("number", [7, 11, 14])
def test_a_missing_frame_is_named_by_every_clip_with_it(tmp_path: Path, number: int) -> None:
    gone = write(tmp_path) / "frames_cleanpass_webp" / BELOW / f"{number:04d}.webp"
    gone.unlink()
    starts = [s for s in range(3) if 6 + s <= number < 14 + s]
    found = problems(tmp_path)
    assert len(found) == len(starts)
    assert all(str(gone) in message for message in found)


def test_a_missing_map_is_named(tmp_path: Path) -> None:
    gone = write(tmp_path) / "object_index" / BELOW / "0006.pfm"
    gone.unlink()
    assert problems(tmp_path, deep=True) == [f"there is no file {gone}"]


def test_a_truncated_map_is_found_by_a_deep_look(tmp_path: Path) -> None:
    path = write(tmp_path) / "object_index" / BELOW / "0006.pfm"
    path.write_bytes(path.read_bytes()[:-1])
    assert problems(tmp_path) == []
    assert problems(tmp_path, deep=True) == [
        f"{path} is not a portable float map: it holds 959 bytes of numbers, expected 960 for 20x12"
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"trajs": np.zeros((7, 3, 2))}, "trajs is float64 of shape (7, 3, 2), expected"),
        ({"tracks": np.zeros((8, 3, 2))}, "lacks trajs; found tracks"),
        ({"trajs": np.full((8, 3, 2), "a")}, "trajs is <U1"),
    ],
)
def test_wrong_tracks_are_named(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    path = write(tmp_path) / "trajs_ad" / BELOW / "trajs_at_1.npz"
    np.savez(path, **content)
    (message,) = problems(tmp_path)
    assert str(path) in message
    assert words in message


def test_truncated_tracks_are_named(tmp_path: Path) -> None:
    path = write(tmp_path) / "trajs_ad" / BELOW / "trajs_at_2.npz"
    path.write_bytes(path.read_bytes()[:-40])
    (message,) = problems(tmp_path)
    assert message.startswith(f"{path} is not an archive of arrays")


def test_wrong_occluders_are_named(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    path = tmp_path / "occluder_at_0.npy"
    for content, words in (
        ({1: np.zeros((8, 2))}, "object 1 is float64 of shape (8, 2)"),
        ({"chair": np.zeros((8, 3, 2))}, "object 'chair' has no number"),
        (np.zeros(3), "expected a dict"),
        ({1: Evil()}, "could run code"),
    ):
        np.save(path, np.array(content), allow_pickle=True)
        with pytest.raises(FormatError) as caught:
            read_occluders(path)
        assert str(path) in str(caught.value)
        assert words in str(caught.value)
    assert not (tmp_path / "made").exists()


def test_versions_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"holds no folder trajs_\*"):
        FlyingThingsDataset(tmp_path)
    write(tmp_path)
    write(tmp_path, "ae")
    with pytest.raises(FormatError, match=r"one folder trajs_\*, found trajs_ad, trajs_ae"):
        FlyingThingsDataset(tmp_path)


# --- Portable float maps ---------------------------------------------------------------------

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6)) | st.tuples(
    st.integers(1, 6), st.integers(1, 6), st.just(3)
)


@given(arrays.arrays(np.float32, SHAPES), st.booleans())
def test_maps_come_back(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, little: bool
) -> None:
    path = tmp_path_factory.mktemp("pfm") / "a.pfm"
    path.write_bytes(pfm(values, little))
    assert np.array_equal(read_pfm(path), values, equal_nan=True)


@given(st.data())
def test_cut_maps_are_named(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("pfm") / "a.pfm"
    whole = pfm(np.ones((3, 4), np.float32))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(FormatError, match=r"a\.pfm is not a portable float map"):
        read_pfm(path)


def test_a_huge_size_allocates_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.pfm").write_bytes(b"PF\n999999 999999\n-1\n1234")
    with pytest.raises(FormatError, match="it holds 4 bytes of numbers"):
        read_pfm(tmp_path / "a.pfm")
