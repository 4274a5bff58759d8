from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import pointtrack as pt
from pointtrack.datasets import open_dataset
from pointtrack.errors import FormatError

SIZE, FRAMES = (32, 24), 4


def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (FRAMES, 24, 32, 3), dtype=np.uint8)


def tracks(start: int = 0, count: int = FRAMES, size: tuple[int, int] = SIZE) -> pt.Tracks:
    xy = np.random.default_rng(1).uniform(2, 20, (2, count, 2)).astype(np.float32)
    xy[1, 0] = np.nan
    return pt.Tracks(xy, np.ones((2, count), bool), size=size, start=start)


def write_clip(path: Path) -> None:
    pt.write_video(path, frames())


def write_pictures(folder: Path) -> None:
    folder.mkdir()
    for number, frame in enumerate(frames()):
        cv2.imwrite(str(folder / f"{number:03d}.png"), frame[..., ::-1])


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".json", ".parquet"])
def test_video_with_a_track_file_beside_it(tmp_path: Path, suffix: str) -> None:
    write_clip(tmp_path / "swim.mp4")
    write_clip(tmp_path / "walk.mp4")
    for name in ("swim", "walk"):
        tracks().save(tmp_path / f"{name}{suffix}")
    clips = list(open_dataset(tmp_path))
    assert [clip.name for clip in clips] == ["swim", "walk"]
    known = tracks().known
    assert np.allclose(clips[0].xy[known], tracks().xy[known], atol=1e-3)
    assert np.array_equal(clips[0].valid, known)
    assert len(clips[0].video) == FRAMES


def test_folder_of_pictures_with_tracks_in_it_or_beside_it(tmp_path: Path) -> None:
    write_pictures(tmp_path / "take.1")
    write_pictures(tmp_path / "take.2")
    tracks().save(tmp_path / "take.1.npz")
    tracks().save(tmp_path / "take.2" / "truth.npz")
    clips = list(open_dataset(tmp_path))
    assert [clip.name for clip in clips] == ["take.1", "take.2"]
    assert np.array_equal(clips[1].video.to_numpy(), frames())


def test_one_folder_of_pictures_and_one_video_are_sets_of_one(tmp_path: Path) -> None:
    write_pictures(tmp_path / "take")
    tracks().save(tmp_path / "take" / "truth.npz")
    assert [clip.name for clip in open_dataset(tmp_path / "take")] == ["take"]
    write_clip(tmp_path / "swim.mp4")
    tracks().save(tmp_path / "swim.npz")
    assert [clip.name for clip in open_dataset(tmp_path / "swim.mp4")] == ["swim"]


def test_plain_archive_of_the_only_video(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mp4")
    xy = np.arange(2 * FRAMES * 2, dtype=np.float64).reshape(2, FRAMES, 2)
    visible = np.ones((2, FRAMES), bool)
    visible[1, :2] = False
    query = np.array([[0, *xy[0, 0]], [2, *xy[1, 2]]])
    np.savez(
        tmp_path / "truth.npz", xy=xy, visible=visible, query=query, size=np.array(SIZE), fps=25
    )
    clip = next(iter(open_dataset(tmp_path)))
    assert np.array_equal(clip.xy, xy)
    assert np.array_equal(clip.visible, visible)
    assert clip.queries is not None
    assert clip.queries.t.tolist() == [0, 2]


def test_frames_the_tracks_do_not_cover_are_not_valid(tmp_path: Path) -> None:
    write_clip(tmp_path / "swim.mp4")
    tracks(start=1, count=2).save(tmp_path / "swim.npz")
    clip = next(iter(open_dataset(tmp_path)))
    assert clip.valid.tolist() == [[False, True, True, False], [False, False, True, False]]


def test_a_video_without_tracks_is_named(tmp_path: Path) -> None:
    write_clip(tmp_path / "swim.mp4")
    write_clip(tmp_path / "walk.mp4")
    tracks().save(tmp_path / "swim.npz")
    tracks().save(tmp_path / "truth.npz")  # of which of the two?
    swim, walk = open_dataset(tmp_path).entries()
    assert swim.load().name == "swim"
    with pytest.raises(FormatError, match=r"walk\.mp4 has no track file: expected walk\.npz"):
        walk.load()


def test_two_track_files_are_named(tmp_path: Path) -> None:
    write_clip(tmp_path / "swim.mp4")
    tracks().save(tmp_path / "swim.npz")
    tracks().save(tmp_path / "swim.csv")
    with pytest.raises(FormatError, match=r"2 track files: .*swim\.csv, .*swim\.npz"):
        list(open_dataset(tmp_path))


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (tracks(count=6), "cover frames 0 to 5, but the video has frames 0 to 3"),
        (tracks(size=(64, 48)), r"of a 64x48 video, but .*swim\.mp4 is 32x24"),
    ],
)
def test_tracks_of_another_video_are_refused(tmp_path: Path, made: pt.Tracks, words: str) -> None:
    write_clip(tmp_path / "swim.mp4")
    made.save(tmp_path / "swim.npz")
    with pytest.raises(FormatError, match=words) as caught:
        list(open_dataset(tmp_path))
    assert "swim.npz" in str(caught.value)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    write_clip(tmp_path / "swim.mp4")
    np.savez(tmp_path / "swim.npz", xy=np.zeros((2, 9, 2)), visible=np.array(["a"]))
    with pytest.raises(FormatError, match=r"swim\.npz"):
        list(open_dataset(tmp_path))


def test_a_folder_without_videos_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(FormatError, match="holds no video"):
        open_dataset(tmp_path)


def test_folders_of_clips_as_the_generators_write_them(tmp_path: Path) -> None:
    for name in ("clip_000010", "clip_000002"):
        (tmp_path / name).mkdir()
        tracks().save(tmp_path / name / "tracks.npz")
    write_pictures(tmp_path / "clip_000002" / "frames")
    write_clip(tmp_path / "clip_000010" / "video.mp4")
    clips = list(open_dataset(tmp_path))
    assert [clip.name for clip in clips] == ["clip_000002", "clip_000010"]
    assert np.array_equal(clips[0].video.to_numpy(), frames())
    for name in ("clip_000002", "clip_000010"):  # and one of them alone
        assert [clip.name for clip in open_dataset(tmp_path / name)] == [name]


def test_a_clip_folder_with_two_track_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    write_clip(tmp_path / "one" / "video.mp4")
    for suffix in (".npz", ".csv"):
        tracks().save(tmp_path / "one" / f"tracks{suffix}")
    with pytest.raises(FormatError, match=r"video\.mp4 has 2 track files: .*tracks\.csv"):
        next(iter(open_dataset(tmp_path)))
