from __future__ import annotations

import pickle
from pathlib import Path

import benchmark_copies as copies
import numpy as np
import pytest
from numpy.testing import assert_allclose

from pointtrack.datasets import TapVidDataset
from pointtrack.datasets.csv_set import CsvDataset
from pointtrack.datasets.kinetics import KineticsDataset, build
from pointtrack.errors import FormatError


def test_clips_are_read_at_25_frames_a_second(tmp_path: Path) -> None:
    csv, folder = copies.kinetics(tmp_path)
    data = KineticsDataset(csv, folder)
    clips = list(data)
    assert [c.name for c in clips] == [f"video{i:06d}_{i:06d}_{i + 10:06d}" for i in range(3)]
    clip = clips[0]
    assert len(clip.video) == 10  # 20 frames at 50 a second
    assert clip.xy.shape == (2, 10, 2)
    greys = [int(clip.video[t].mean()) for t in range(10)]
    assert_allclose(greys, 10 * np.arange(10), atol=6)
    assert int(clip.video[4].mean()) == greys[4]  # back to an earlier frame
    assert clip.visible[0].tolist() == [True] * 3 + [False] + [True] * 6


def test_kinetics_points_are_half_a_pixel_less_than_other_sets(tmp_path: Path) -> None:
    csv, folder = copies.kinetics(tmp_path)
    clip = next(iter(KineticsDataset(csv, folder)))
    # 0.5 of 64 is 32 in TAP-Vid's pixels and 31.5 in ours; the published build takes 0.5 more.
    assert_allclose(clip.xy[0, 0], [31, 11])
    assert_allclose(clip.xy[0, 1], [31 + 0.064, 11])


def test_missing_clips_are_problems_of_the_set(tmp_path: Path) -> None:
    csv, folder = copies.kinetics(tmp_path)
    (problem,) = KineticsDataset(csv, folder).check()
    assert problem.message == "there is no clip video000003_000003_000013.mp4"


def test_pickles_hold_the_same_points_and_nearly_the_same_frames(tmp_path: Path) -> None:
    csv, folder = copies.kinetics(tmp_path)
    out = tmp_path / "built"
    report = build(csv, folder, out, shards=2)
    assert report.missing == ["video000003_000003_000013.mp4"]
    assert [p.name for p in report.written] == ["0000_of_0002.pkl", "0001_of_0002.pkl"]
    assert [len(pickle.loads(p.read_bytes())) for p in report.written] == [2, 1]
    example = pickle.loads(report.written[0].read_bytes())[0]
    assert example["points"].dtype == np.float64
    assert example["occluded"].dtype == bool
    assert all(isinstance(picture, bytes) for picture in example["video"])
    for built, direct in zip(TapVidDataset(out), KineticsDataset(csv, folder), strict=True):
        assert_allclose(built.xy, direct.xy)
        assert np.array_equal(built.visible, direct.visible)
        difference = built.video.to_numpy().astype(int) - direct.video.to_numpy()
        assert np.abs(difference).max() <= 4


def test_building_goes_on_where_it_stopped(tmp_path: Path) -> None:
    csv, folder = copies.kinetics(tmp_path)
    whole = tmp_path / "whole"
    build(csv, folder, whole, shards=3)
    out = tmp_path / "built"

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(csv, folder, out, shards=3, progress=stop)
    assert sorted(p.name for p in out.iterdir()) == ["0000_of_0003.pkl", "build.json"]
    report = build(csv, folder, out, shards=3)
    assert [p.name for p in report.kept] == ["0000_of_0003.pkl"]
    assert len(report.written) == 2
    for path in whole.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_building_over_other_clips_is_refused(tmp_path: Path) -> None:
    csv, folder = copies.kinetics(tmp_path)
    out = tmp_path / "built"
    build(csv, folder, out)
    next(folder.rglob("*.mp4")).unlink()
    with pytest.raises(FormatError, match="begun with another CSV or other clips"):
        build(csv, folder, out)


def test_a_broken_clip_is_named_and_left_out(tmp_path: Path) -> None:
    csv, folder = copies.kinetics(tmp_path)
    broken = sorted(folder.rglob("*.mp4"))[0]
    broken.write_bytes(b"not a video")
    report = build(csv, folder, tmp_path / "built", shards=1)
    assert [p.name for p in report.broken] == [broken.stem]
    assert str(broken) in report.broken[0].message
    assert len(pickle.loads(report.written[0].read_bytes())) == 2


def test_broken_rows_are_named(tmp_path: Path) -> None:
    csv, folder = copies.kinetics(tmp_path)
    rows = csv.read_text().splitlines()
    csv.write_text("\n".join([rows[0][: rows[0].rindex(",")], *rows[2:]]))
    with pytest.raises(
        FormatError, match="a row of video000000,0,10 has 749 numbers, expected 750"
    ):
        next(iter(KineticsDataset(csv, folder)))
    csv.write_text("id,from,to,1,2,0\n")
    with pytest.raises(FormatError, match="begins with 'id,from,to', expected YouTube id"):
        KineticsDataset(csv, folder)
    csv.write_text("\n".join(rows))
    (folder / "again").mkdir()
    path = sorted(folder.rglob("*.mp4"))[0]
    (folder / "again" / path.name).write_bytes(b"")
    with pytest.raises(FormatError, match="there are two clips"):
        KineticsDataset(csv, folder)


# -- the generic layout ----------------------------------------------------------------------


def generic(folder: Path, frames: int, annotated: int, hidden: int = 0) -> Path:
    copies.numbered_video(folder / "robot.mp4", frames)
    points = np.stack([np.arange(annotated) / annotated, np.full(annotated, 0.5)], axis=1)
    row = copies.csv_row("robot", points, np.arange(annotated) < hidden)
    (folder / "tracks.csv").write_text(f"{row}\n")
    return folder / "tracks.csv"


def test_csv_points_have_no_extra_half_pixel(tmp_path: Path) -> None:
    (clip,) = CsvDataset(generic(tmp_path, 8, 8, hidden=2))
    assert clip.name == "robot"
    assert_allclose(clip.xy[0, 4], [31.5, 23.5])
    assert clip.visible[0].tolist() == [False] * 2 + [True] * 6


def test_a_short_video_cuts_its_rows(tmp_path: Path) -> None:
    (clip,) = CsvDataset(generic(tmp_path, 5, 8))
    assert clip.xy.shape == (1, 5, 2)


def test_long_videos_are_cut_into_nearly_equal_parts(tmp_path: Path) -> None:
    path = generic(tmp_path, 11, 12)
    clips = list(CsvDataset(path, longest=4))
    assert [clip.name for clip in clips] == ["robot_00000", "robot_00003", "robot_00007"]
    assert [len(clip.video) for clip in clips] == [3, 4, 4]
    assert_allclose(clips[1].xy[0, 0], [3 / 12 * 64 - 0.5, 23.5], atol=1e-4)
    assert clips[2].video[0].mean() == pytest.approx(35, abs=4)


def test_a_missing_video_and_uneven_rows_are_named(tmp_path: Path) -> None:
    path = generic(tmp_path, 8, 8)
    (tmp_path / "robot.mp4").unlink()
    (problem,) = CsvDataset(path).check()
    assert problem.name == "robot"
    assert "robot.mp4" in problem.message
    path.write_text(path.read_text() + "robot,0.5,0.5,0\n")
    (problem,) = CsvDataset(path).check()
    assert "a row of robot has 3 numbers, expected 24" in problem.message
    path.write_text("robot,0.5,a,0\n")
    (problem,) = CsvDataset(path).check()
    assert "a row of robot: " in problem.message
