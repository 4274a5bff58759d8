"""Pseudo-labels: what is drawn, what is written, what goes wrong, and training on them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from odd_teachers import FailingTeacher, MovingTeacher

import pointtrack as pt
from pointtrack.datasets import FolderDataset
from pointtrack.errors import PointtrackError
from pointtrack.training.clips import ClipConfig
from pointtrack.training.excerpts import (
    Excerpt,
    ExcerptConfig,
    draw_excerpt,
    find_cut,
    find_videos,
)
from pointtrack.training.feeding import make_loader
from pointtrack.training.points import PointConfig, choose_points
from pointtrack.training.processes import Group
from pointtrack.training.pseudo_clips import Job, Labeller, PseudoConfig, Store
from pointtrack.training.pseudo_labels import Report, label_videos
from pointtrack.training.pseudo_source import PseudoLabels, PseudoLabelSource, cotracker3_truth
from pointtrack.training.run_config import DataConfig, PartConfig, RunConfig, make, read_config
from pointtrack.training.sample import Rejected, collate
from pointtrack.training.teachers import LabelConfig, Teacher, draw_queries

SIZE = (64, 48)


def frames(count: int = 12, seed: int = 0) -> NDArray[np.uint8]:
    """A texture that moves by (-2, -1) pixels a frame."""
    width, height = SIZE
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (height + count, width + 2 * count, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 1.2)
    lowest, highest = float(soft.min()), float(soft.max())
    texture = ((soft - lowest) / (highest - lowest) * 255).astype(np.uint8)
    return np.stack([texture[i : i + height, 2 * i : 2 * i + width] for i in range(count)])


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    folder = tmp_path / "stock"
    folder.mkdir()
    for number in range(6):
        pt.write_video(folder / f"take {number}.mp4", frames(seed=number), crf=8)
    (folder / "broken.mp4").write_bytes((folder / "take 0.mp4").read_bytes()[:900])
    return folder


def settings(place: Path, store: Store = "png", **changes: Any) -> PseudoConfig:
    teacher = MovingTeacher("static", occluded=True, log=str(place / "log.txt"))
    small = PseudoConfig(
        (teacher,),
        ExcerptConfig((8, 8), step=1, size=SIZE),
        LabelConfig(points=16, query_frames=2),
        store=store,
    )
    return replace(small, **changes)


def calls(place: Path) -> list[str]:
    return (place / "log.txt").read_text().split()


def manifest(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.written, report.there, len(report.rejected), len(report.failed)


# --- what is drawn -----------------------------------------------------------------------------


def test_an_excerpt_keeps_its_step_and_lies_in_the_picture(stock: Path) -> None:
    config = ExcerptConfig((3, 4), step=3, size=(32, 16))
    drawn = [
        draw_excerpt(str(stock / "take 0.mp4"), config, np.random.default_rng(seed))
        for seed in range(60)
    ]
    steps = {int(step) for one in drawn for step in np.diff(one.frames)}
    assert steps == {1, 2, 3}
    assert {len(one.frames) for one in drawn} == {3, 4}
    assert all(0 <= t < 12 for one in drawn for t in one.frames)
    assert all(0 <= one.corner[0] <= 32 and 0 <= one.corner[1] <= 32 for one in drawn)
    assert len({one.corner for one in drawn}) > 40


def test_a_step_is_taken_only_where_one_more_would_fit(stock: Path) -> None:
    config = ExcerptConfig((6, 6), step=3, size=SIZE)  # 12 frames: two fit, so one is taken
    for seed in range(20):
        drawn = draw_excerpt(str(stock / "take 0.mp4"), config, np.random.default_rng(seed))
        assert set(np.diff(drawn.frames)) == {1}


def test_a_short_video_is_played_back_and_forth_and_a_small_one_enlarged(stock: Path) -> None:
    path = str(stock / "take 1.mp4")
    drawn = draw_excerpt(path, ExcerptConfig((30, 30), size=(100, 90)), np.random.default_rng(0))
    assert set(np.diff(drawn.frames)) == {1, 0, -1}
    assert drawn.resized == (120, 90)
    with drawn.open() as video:
        assert (len(video), video.size) == (30, (100, 90))
        whole = video.to_numpy()
        np.testing.assert_array_equal(whole[29], video[29])
    same = drawn.frames.index(drawn.frames[0], 1)  # seen again on the way back
    np.testing.assert_array_equal(whole[0], whole[same])


def test_a_crop_is_what_the_video_shows_there(stock: Path) -> None:
    path = stock / "take 2.mp4"
    excerpt = Excerpt(str(path), (9, 6, 3), SIZE, (5, 7), (20, 10))
    with excerpt.open() as video, pt.open_video(path) as whole:
        np.testing.assert_array_equal(video.to_numpy(), whole.to_numpy()[9:2:-3, 7:17, 5:25])


def test_videos_that_are_too_short_are_rejected(stock: Path) -> None:
    config = ExcerptConfig((8, 8), shortest=13, size=SIZE)
    with pytest.raises(Rejected, match="fewer than 13 frames"):
        draw_excerpt(str(stock / "take 0.mp4"), config, np.random.default_rng(0))


def test_a_cut_is_found_and_motion_is_not_one() -> None:
    one = frames(6)
    other = (frames(6, seed=1) * 0.3).astype(np.uint8)
    both = np.concatenate([one, other])
    assert find_cut(one, 0.4) is None
    assert find_cut(both, 0.4) == 6
    assert find_cut(both, 1.0) is None


def test_queries_are_of_the_first_quarter_and_few_of_them_reject() -> None:
    video = pt.open_video(frames(12))
    rng = np.random.default_rng(0)
    queries = draw_queries(video, LabelConfig(points=24, query_frames=4), rng)
    assert len(queries) == 24
    assert set(queries.t) == {0, 1, 2, 3}
    with pytest.raises(Rejected, match="fewer than 24 SIFT points"):
        draw_queries(pt.open_video(np.zeros((12, 48, 64, 3), np.uint8)), LabelConfig(24), rng)


def test_videos_are_found_in_folders_lists_and_globs(stock: Path) -> None:
    listed = stock / "list.txt"
    listed.write_text("# mine\ntake 3.mp4\n\nnot there.mp4\n")
    assert len(find_videos([stock])) == 7
    assert find_videos([listed]) == [str(stock / "take 3.mp4"), str(stock / "not there.mp4")]
    assert len(find_videos([str(stock / "take*"), stock / "take 0.mp4"])) == 6
    with pytest.raises(PointtrackError, match="there is no video"):
        find_videos([stock / "none"])
    empty = stock / "empty"
    empty.mkdir()
    with pytest.raises(PointtrackError, match="holds no video"):
        find_videos([empty])


def test_a_teacher_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PointtrackError, match="no option 'windw'"):
        Teacher.make("klt", {"windw": 3})
    with pytest.raises(PointtrackError, match="no weights at"):
        Teacher.make("compact", {"weights": str(tmp_path / "none.safetensors")})
    with pytest.raises(PointtrackError, match="occluded of the teacher klt must be"):
        Teacher.make("klt", {"occluded": 1})
    assert Teacher("klt").occluded is False
    assert Teacher("cotracker3_online").occluded is True


# --- labelling ---------------------------------------------------------------------------------


@pytest.mark.parametrize("store", ["mp4", "png", "none"])
def test_labels_follow_the_video_however_it_is_stored(
    stock: Path, tmp_path: Path, store: Store
) -> None:
    config = settings(tmp_path, store, teachers=(Teacher("klt"),))
    report = label_videos([str(stock / "take 4.mp4")], tmp_path / "labels", config)
    assert counts(report) == (1, 0, 0, 0)
    source = PseudoLabelSource(tmp_path / "labels", ClipConfig(8))
    take = source.draw(0, np.random.default_rng(0))
    assert take.video.shape == (8, SIZE[1], SIZE[0], 3)
    (clip,) = PseudoLabels(tmp_path / "labels")
    assert clip.queries is not None
    t = clip.queries.t.astype(int)
    assert not clip.valid[np.arange(8) < t[:, None]].any()
    moved = clip.xy - (clip.xy[np.arange(16), t][:, None])
    later = np.arange(8) - t[:, None]
    off = np.abs(moved - later[..., None] * np.array([-2, -1])).max(axis=2)[clip.visible]
    assert np.median(off) < 0.3
    if store != "none":
        (same,) = FolderDataset(tmp_path / "labels")
        np.testing.assert_array_equal(same.xy, clip.xy)
        np.testing.assert_array_equal(same.valid, clip.valid)


def test_hidden_points_are_labels_only_of_teachers_that_know_them(
    stock: Path, tmp_path: Path
) -> None:
    for occluded in (True, False):
        config = settings(tmp_path)
        config = replace(config, teachers=(replace(config.teachers[0], occluded=occluded),))
        out = tmp_path / f"labels {occluded}"
        label_videos([str(stock / "take 0.mp4")], out, config)
        (clip,) = PseudoLabels(out)
        assert (clip.valid & ~clip.visible).any() == occluded


def test_a_run_goes_on_where_it_stopped(stock: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "labels", settings(tmp_path)
    videos = find_videos([stock])
    assert counts(label_videos(videos[:4], out, config)) == (3, 0, 0, 1)
    before = {path: path.stat().st_mtime_ns for path in out.glob("take*/tracks.npz")}
    with (out / "manifest.jsonl").open("a") as torn:
        torn.write('{"name": "ta')
    seen: list[tuple[int, int]] = []
    report = label_videos(videos, out, config, progress=lambda *now: seen.append(now))
    assert counts(report) == (3, 3, 0, 1)
    assert seen == [(3, 7), (4, 7), (5, 7), (6, 7), (7, 7)]
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert len(calls(tmp_path)) == 6
    more = label_videos(videos[1:3], out, replace(config, per_video=2))
    assert counts(more) == (2, 2, 0, 0)
    with pytest.raises(PointtrackError, match="with seed 0, not 1"):
        label_videos(videos, out, replace(config, seed=1))


def test_the_same_seed_gives_the_same_labels_whatever_else_is_labelled(
    stock: Path, tmp_path: Path
) -> None:
    videos = find_videos([stock])[1:]
    config = settings(tmp_path)
    label_videos(videos[:3], tmp_path / "a", config)
    label_videos(videos[2:0:-1], tmp_path / "b", config)
    for path in (tmp_path / "b").glob("take*/tracks.npz"):
        assert path.read_bytes() == (tmp_path / "a" / path.parent.name / path.name).read_bytes()


def test_what_is_wrong_with_a_clip_is_told_and_stops_no_other(stock: Path, tmp_path: Path) -> None:
    pt.write_video(stock / "grey.mp4", np.full((12, 48, 64, 3), 128, np.uint8))
    config = settings(tmp_path)
    report = label_videos(find_videos([stock]), tmp_path / "labels", config)
    assert counts(report) == (6, 0, 1, 1)
    assert "broken.mp4" in report.failed[0].reason
    assert "SIFT" in report.rejected[0].reason
    lines = manifest(tmp_path / "labels")
    assert sorted(line["status"] for line in lines) == ["failed", "rejected", *["written"] * 6]
    again = label_videos(find_videos([stock]), tmp_path / "labels", config)
    assert counts(again) == (0, 6, 1, 1)
    assert not list((tmp_path / "labels").glob(".*"))


def test_a_teacher_that_fails_is_an_outcome(stock: Path, tmp_path: Path) -> None:
    config = settings(tmp_path, teachers=(FailingTeacher("static"),))
    report = label_videos([str(stock / "take 0.mp4")], tmp_path / "labels", config)
    assert report.failed[0].reason == "RuntimeError: no luck"


def test_a_clip_that_kills_every_worker_is_given_up(stock: Path, tmp_path: Path) -> None:
    job = Job(str(stock / "take 0.mp4"), 0)
    attempts = tmp_path / "attempts"
    attempts.mkdir()
    (attempts / job.name).write_bytes(b"...")  # as three workers leave it
    outcome = Labeller(settings(tmp_path), tmp_path, attempts=attempts)(job)
    assert (outcome.status, outcome.teacher) == ("failed", "")
    assert "killed 3 times" in outcome.reason


def test_several_workers_without_ray_are_one_sentence(
    stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(PointtrackError, match=r"pip install 'pointtrack\[scale\]'"):
        label_videos([str(stock)], tmp_path / "labels", settings(tmp_path), workers=2)


@pytest.mark.slow
def test_two_workers_one_killed_one_clip_broken(
    stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray.data")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    out, deadly = tmp_path / "labels", tmp_path / "deadly"
    deadly.touch()
    config = settings(tmp_path)
    teacher = MovingTeacher("static", log=str(tmp_path / "log.txt"), deadly=str(deadly))
    report = label_videos(
        find_videos([stock]), out, replace(config, teachers=(teacher,)), workers=2
    )
    assert counts(report) == (6, 0, 0, 1)
    assert report.failed[0].video.endswith("broken.mp4")
    assert not deadly.exists()
    assert len(calls(tmp_path)) == 7  # six clips, and the one that was begun by the killed worker
    assert len(set(calls(tmp_path))) >= 2
    lines = manifest(out)
    assert sorted(line["status"] for line in lines) == ["failed", *["written"] * 6]
    assert len({line["name"] for line in lines}) == 7
    assert len(list(out.glob("take*/tracks.npz"))) == 6
    assert not list(out.glob(".*"))


# --- training on them --------------------------------------------------------------------------


def test_labels_that_are_not_wanted_are_masked(stock: Path, tmp_path: Path) -> None:
    config = settings(tmp_path)
    both = replace(config, labels=replace(config.labels, both_ways=True))
    label_videos([str(stock / "take 0.mp4")], tmp_path / "labels", both)
    rng = np.random.default_rng(0)

    def valid(**wanted: Any) -> NDArray[np.bool_]:
        return PseudoLabelSource(tmp_path / "labels", ClipConfig(8), **wanted).draw(0, rng).valid

    (clip,) = PseudoLabels(tmp_path / "labels")
    assert clip.queries is not None
    later = np.arange(8) - clip.queries.t[:, None]
    assert valid(before_query=True).all()
    np.testing.assert_array_equal(valid(), later >= 0)
    sure = (later >= 0) & clip.visible & (0.9**later >= 0.8)
    np.testing.assert_array_equal(valid(least_confidence=0.8), sure)


def test_cotracker3_is_told_what_counts(stock: Path, tmp_path: Path) -> None:
    config = settings(tmp_path)
    label_videos([str(stock / "take 0.mp4")], tmp_path / "labels", config)
    take = PseudoLabelSource(tmp_path / "labels", ClipConfig(8)).draw(0, np.random.default_rng(0))
    points = PointConfig(16, query="first")
    sample = choose_points(take, points, np.random.default_rng(0))
    batch = collate([sample])
    truth = cotracker3_truth(batch, 0, online=True)
    asked = batch.queries[0, :, 0]
    assert truth.tracks.shape == (8, 16, 2)
    frame = torch.arange(8)[:, None]
    assert (truth.valid.bool() == ((frame >= asked) & batch.valid[0].T)).all()
    assert (truth.visible <= truth.valid).all()
    moved = truth.tracks - batch.queries[0, :, 1:]
    there = truth.valid.bool()
    expected = (frame - asked)[..., None] * torch.tensor([-2.0, -1.0])
    torch.testing.assert_close(moved[there], expected[there], atol=1e-3, rtol=0)
    broken = batch._replace(xy=torch.full_like(batch.xy, torch.nan))
    assert not cotracker3_truth(broken, 0, online=False).valid.any()
    assert torch.isfinite(cotracker3_truth(broken, 0, online=False).tracks).all()


def test_a_run_takes_labels_by_name(stock: Path, tmp_path: Path) -> None:
    label_videos([str(stock / "take 0.mp4")], tmp_path / "labels", settings(tmp_path))
    part = {"labels": str(tmp_path / "labels"), "reverse": 0.0}
    data = {"frames": 6, "size": [64, 48], "points": 8, "batch": 2, "workers": 0, "parts": [part]}
    config = make(RunConfig, {"data": data})
    assert isinstance(config.data, DataConfig)
    assert isinstance(config.data.parts[0], PartConfig)
    batch = next(make_loader(config, Group()).forever())
    assert batch.video.shape == (2, 6, 3, 48, 64)


def test_the_settings_for_fine_tuning_can_be_read() -> None:
    config = read_config(Path(__file__).parents[2] / "configs" / "pseudo.toml")
    assert config.data.parts[0].labels == "labels"
    assert (config.loss.visibility, config.loss.confidence) == (0, 0)
