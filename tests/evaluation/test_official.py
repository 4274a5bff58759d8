"""The benchmarks' own numbers, on miniature copies and a tracker whose answers are known."""

from __future__ import annotations

import math
from pathlib import Path

import benchmark_copies as copies
import numpy as np
import pytest
from miniature_sets import Recorder
from rich.console import Console

from pointtrack.datasets import Clip, open_dataset
from pointtrack.errors import PointtrackError
from pointtrack.evaluation import Contender, Evaluation, Protocol, compare, evaluate
from pointtrack.evaluation.compare import comparison_table
from pointtrack.evaluation.official import BENCHMARKS
from pointtrack.evaluation.report import rows, to_dict, video_table
from pointtrack.evaluation.sets import open_set, protocol_for
from pointtrack.queries import QueryLike
from pointtrack.tracks import Tracks
from pointtrack.video import VideoLike, open_video

GIVEN = Protocol.named("practical", "given")


class Moving(Recorder):
    """Points go on by the same step every frame."""

    def __init__(self, step: tuple[float, float] = (0, 0)):
        super().__init__()
        self._step = np.asarray(step, np.float32)

    def track(self, video: VideoLike, queries: QueryLike, **how: object) -> Tracks:
        made = super().track(video, queries, **how)  # type: ignore[arg-type]
        moved = np.arange(made.num_frames)[:, None] * self._step
        return Tracks(made.xy + moved.astype(np.float32), made.visible, size=made.size)


def text_of(table: object) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def run(name: str, path: Path, step: tuple[float, float] = (0, 0), **rules: str) -> Evaluation:
    data = open_dataset(path, name)
    mode, protocol = rules.get("query_mode"), rules.get("protocol")
    return evaluate(Moving(step), data, protocol_for(data, protocol, mode))


# -- BADJA ---------------------------------------------------------------------------------


def test_badja_pck(tmp_path: Path) -> None:
    root = copies.badja(tmp_path)
    # Joint 8 moves by (1, 0.25) a frame, joint 36 is where it was; both count on the last frame.
    still = run("badja", root)
    assert still.benchmark == "badja"
    assert still.mean["PCK@0.2"] == 1  # 4 px of 64 are 32 of 512: 0.2 sqrt(512 * 320 / 2) is 57
    away = run("badja", root, (4, 0))
    assert away.mean["PCK@0.2"] == 0  # 12 and 16 px are 96 and 128 of 512
    assert run("badja", root, (2, 0)).mean["PCK@0.2"] == 0.5  # 4 and 8 px: 32 and 64


@pytest.mark.parametrize("protocol", ["tapvid", "practical", "cotracker"])
def test_badja_pck_is_the_same_at_any_input_size(tmp_path: Path, protocol: str) -> None:
    root = copies.badja(tmp_path)
    assert run("badja", root, protocol=protocol).mean["PCK@0.2"] == 1


def test_own_numbers_need_the_benchmarks_queries(tmp_path: Path) -> None:
    found = run("badja", copies.badja(tmp_path), query_mode="first")
    assert found.benchmark == ""
    assert "PCK@0.2" not in found.mean


def test_cleaned_badja_has_no_masks_and_no_pck(tmp_path: Path) -> None:
    data = open_dataset(copies.badja_cleaned(tmp_path), "badja")
    found = evaluate("static", data, Protocol.named("practical", "first"))
    assert found.mean["pts_within_16"] == 1


def test_a_missing_mask_fails_its_video_only(tmp_path: Path) -> None:
    root = copies.badja(tmp_path)
    mask = root / "DAVIS/Annotations/Full-Resolution/bear/00006.png"
    mask.unlink()
    found = run("badja", root)
    assert [v.name for v in found.videos] == ["dog"]
    assert str(mask) in found.failures[0].error


# -- JHMDB ---------------------------------------------------------------------------------


def test_jhmdb_is_pooled_over_joints_not_videos(tmp_path: Path) -> None:
    found = run("jhmdb", copies.jhmdb(tmp_path), (1, 0), protocol="practical")
    assert found.mean["PCK@0.1"] == 1
    assert found.pooled.keys() == {f"PCK@0.{i}" for i in (1, 2, 3, 4, 5)}
    # One video has an error, the other none, in half of the joints' frames.
    videos = [v.parts["distances"] for v in found.videos]
    assert videos[0].shape == (15, 4)
    assert np.isnan(videos[0][14]).all()  # it begins below the picture
    table = BENCHMARKS["jhmdb"].pool([{"distances": videos[0]}, {"distances": videos[1] + 0.15}])
    assert table["PCK@0.1"] == 0.5
    assert table["PCK@0.2"] == 1


def test_jhmdb_tables_and_json(tmp_path: Path) -> None:
    found = run("jhmdb", copies.jhmdb(tmp_path))
    assert "PCK@0.5" in text_of(video_table(found))
    content = to_dict(found)
    assert content["benchmark"] == "jhmdb"
    assert content["mean"]["PCK@0.5"] == 1
    assert "PCK@0.5" not in content["interval_95"]
    assert "average_jaccard" in content["interval_95"]
    assert {"PCK@0.1", "average_jaccard"} <= set(rows([found])[0])


# -- EgoPoints -----------------------------------------------------------------------------


def test_egopoints_numbers(tmp_path: Path) -> None:
    root = copies.egopoints(tmp_path)
    exact = run("egopoints", root, (1, 0)).mean
    assert exact["d_avg"] == pytest.approx(1)
    assert exact["median_l2"] == 0
    assert exact["re_id_d_avg"] == 1
    assert exact["out_of_view_accuracy"] == 0
    assert exact["in_view_accuracy"] == 1
    # Standing still is t px off, 4 t at 256: below 8 on frame 1 only, of 5 + 3 + 3 valid ones.
    still = run("egopoints", root).mean
    assert still["d_star_8"] == pytest.approx(3 / 11)
    assert still["median_l2"] > 4


# -- CroHD ---------------------------------------------------------------------------------


def test_crohd_numbers_are_of_the_heads_of_the_first_frame(tmp_path: Path) -> None:
    found = run("crohd", copies.crohd(tmp_path), (1, 0))
    # Head 1 moves by 1 px a frame, head 7 stands still: 4 to 16 px off at 256.
    assert found.benchmark == "crohd"
    assert found.mean["d_4"] == pytest.approx(4 / 8)
    assert found.mean["survival_16"] == 1
    assert found.mean["median_l2"] == pytest.approx(4)  # (0 + 8) / 2


# -- PointOdyssey, Dynamic Replica ---------------------------------------------------------


def test_pointodyssey_keeps_the_tracks_of_its_protocol(tmp_path: Path) -> None:
    data = open_set(["pointodyssey", str(copies.pointodyssey(tmp_path))])
    tracker = Moving((2, 0))
    found = evaluate(tracker, data, protocol_for(data, None, None))
    assert tracker.calls[0][1].txy.tolist() == [[0, 100, 100], [0, 140, 100], [0, 150, 100]]
    assert found.benchmark == "pointodyssey"
    assert found.videos[0].tracks == 3
    # 2 t px off: below 16 on frames 1 to 7 of 11, where the point is hidden, too.
    assert found.mean["d_16"] == pytest.approx(7 / 11)
    assert found.mean["d_avg"] == pytest.approx((0 + 0 + 1 + 3 + 7) / 11 / 5)
    assert found.mean["survival_16"] == pytest.approx(9 / 12)
    assert found.mean["survival_50"] == 1
    assert found.mean["median_l2"] == pytest.approx(11)


def test_pixels_are_shown_as_pixels_and_least_is_best(tmp_path: Path) -> None:
    data = open_set(["pointodyssey", str(copies.pointodyssey(tmp_path))])
    pair = [Contender(Moving((2, 0)), "fast"), Contender(Moving((0.5, 0)), "slow")]
    found = compare(pair, data, GIVEN)
    assert found.best("median_l2").label == "slow"
    assert found.best("d_avg").label == "slow"
    text = text_of(comparison_table(found))
    assert "MTE px" in text
    assert "11.00" in text
    assert "2.75" in text


def test_nothing_to_ask_is_said(tmp_path: Path) -> None:
    data = open_set(["pointodyssey", str(copies.pointodyssey(tmp_path, frames=6))])
    with pytest.raises(PointtrackError, match="no track is visible in frame 0 and in 8 frames"):
        evaluate(Moving(), data, GIVEN)


def test_dynamic_replica_is_asked_in_frame_0(tmp_path: Path) -> None:
    data = open_set(["dynamic-replica", str(copies.dynamic_replica(tmp_path))])
    tracker = Moving((0.01, 0))
    found = evaluate(tracker, data, protocol_for(data, None, None))
    assert found.benchmark == "dynamic-replica"
    assert tracker.calls[0][1].txy.tolist() == [[0, 10, 5], [0, 20, 10]]
    # 0.01 t of 31 px is 0.0823 t of 255: below 16 on frames 1 to 194 of 299.
    assert found.mean["accuracy_16"] == pytest.approx(194 / 299)
    assert found.mean["accuracy_occ_16"] == pytest.approx(194 / 200)
    assert found.mean["survival_50"] == 1


def test_dynamic_replica_draws_the_same_tracks_every_time() -> None:
    xy = np.random.default_rng(0).uniform(0, 30, (300, 12, 2))
    video = open_video(np.zeros((12, 32, 32, 3), np.uint8))
    clip = Clip("many", video, xy, np.ones((300, 12), bool))
    benchmark = BENCHMARKS["dynamic-replica"]
    one, other = benchmark.prepare(clip), benchmark.prepare(clip)
    assert len(one) == 256
    assert np.array_equal(one.xy, other.xy)


def test_metrics_in_percent_become_fractions(tmp_path: Path) -> None:
    for name in ("egopoints", "crohd"):
        make = getattr(copies, name)
        mean = run(name, make(tmp_path / name), (1, 0)).mean
        shares = [v for k, v in mean.items() if k != "median_l2" and not math.isnan(v)]
        assert max(shares) <= 1
