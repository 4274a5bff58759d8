from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from miniature_sets import Recorder, moved, save, still

import pointtrack as pt
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.evaluation import Contender, Evaluation, Protocol, evaluate, evaluate_all

STARTS = [[40.0, 60.0], [100.0, 200.0], [128.5, 30.25]]


def run(examples: object, folder: Path, rules: Protocol | None = None) -> Evaluation:
    return evaluate("static", save(examples, folder / "set.pkl"), rules)


def test_still_points_are_tracked_perfectly_by_the_static_tracker(tmp_path: Path) -> None:
    found = run({"still": still(STARTS)}, tmp_path)
    assert found.mean["average_jaccard"] == 1
    assert found.mean["average_pts_within_thresh"] == 1
    assert found.mean["occlusion_accuracy"] == 1
    assert found.counts == {"videos": 1, "failed": 0, "frames": 5, "tracks": 3, "queries": 3}


def test_points_three_pixels_off_are_within_4_8_and_16(tmp_path: Path) -> None:
    mean = run({"shifted": moved(still(STARTS), (3, 0))}, tmp_path).mean
    assert [mean[f"pts_within_{x}"] for x in (1, 2, 4, 8, 16)] == [0, 0, 1, 1, 1]
    assert [mean[f"jaccard_{x}"] for x in (1, 2, 4, 8, 16)] == [0, 0, 1, 1, 1]
    assert mean["average_jaccard"] == pytest.approx(0.6)


def test_a_threshold_itself_is_too_far(tmp_path: Path) -> None:
    mean = run({"shifted": moved(still(STARTS), (0, 4))}, tmp_path).mean
    assert mean["pts_within_4"] == 0
    assert mean["pts_within_8"] == 1


@pytest.mark.parametrize("protocol", ["tapvid", "practical"])
def test_width_and_height_are_scaled_to_256_separately(tmp_path: Path, protocol: str) -> None:
    # 6 of 512 pixels are 3 of 256; 1.5 of 64 pixels are 6 of 256.
    rules = Protocol.named(protocol)
    wide = still([[100.0, 30.0]], size=(512, 64))
    along = run({"x": moved(wide, (6, 0))}, tmp_path, rules).mean
    across = run({"y": moved(wide, (0, 1.5))}, tmp_path, rules).mean
    assert [along[f"pts_within_{x}"] for x in (2, 4)] == [0, 1]
    assert [across[f"pts_within_{x}"] for x in (4, 8)] == [0, 1]


def test_occlusion_accuracy_and_false_positives(tmp_path: Path) -> None:
    one = still(STARTS)
    one["occluded"][:, 3:] = True  # of the frames 1 to 4, two are hidden, which static shows
    mean = run({"hidden": one}, tmp_path).mean
    assert mean["occlusion_accuracy"] == 0.5
    assert mean["average_jaccard"] == 0.5
    assert mean["average_pts_within_thresh"] == 1


def test_every_video_counts_once(tmp_path: Path) -> None:
    many = still(np.random.default_rng(0).uniform(20, 200, (50, 2)))
    found = run({"many": many, "one": moved(still([[9.0, 9.0]]), (50, 0))}, tmp_path)
    assert found.mean["average_jaccard"] == 0.5
    assert found.values("average_jaccard") == {"many": 1, "one": 0}
    assert found.interval("average_jaccard") == (0, 1)


def test_one_video_has_no_interval(tmp_path: Path) -> None:
    low, high = run({"still": still(STARTS)}, tmp_path).interval("average_jaccard")
    assert math.isnan(low)
    assert math.isnan(high)


def test_strided_asks_every_fifth_frame_where_a_point_is_visible(tmp_path: Path) -> None:
    one = still(STARTS, frames=11)
    one["occluded"][0, 5] = one["occluded"][1, :6] = True
    tracker = Recorder()
    found = evaluate(
        tracker, save([one], tmp_path / "set.pkl"), Protocol.named("tapvid", "strided")
    )
    (_, queries, both_ways), *rest = tracker.calls
    assert not rest
    assert both_ways
    assert queries.t.tolist() == [0, 0, 5, 10, 10, 10]
    assert queries.xy[:, 0].tolist() == [39.5, 128, 128, 39.5, 99.5, 128]
    assert found.counts["queries"] == 6


def test_strided_judges_frames_before_the_query_too(tmp_path: Path) -> None:
    one = moved(still([[40.0, 60.0]], frames=6), (50, 0))  # elsewhere from frame 1 on
    first = run([one], tmp_path).mean
    strided = run([one], tmp_path, Protocol.named("tapvid", "strided")).mean
    assert first["pts_within_16"] == 0
    # From frame 0 all five others are missed; from frame 5 only frame 0 is.
    assert strided["pts_within_16"] == pytest.approx(4 / 10)


def test_first_looks_forward_only_from_the_first_visible_frame(tmp_path: Path) -> None:
    one = still(STARTS)
    one["occluded"][1, :2] = True
    one["occluded"][2] = True  # never visible: not asked for
    tracker = Recorder()
    found = evaluate(tracker, save([one], tmp_path / "set.pkl"))
    _, queries, both_ways = tracker.calls[0]
    assert not both_ways
    assert queries.t.tolist() == [0, 2]
    assert found.videos[0].tracks == 3
    assert found.videos[0].queries == 2


def test_single_asks_for_one_point_at_a_time(tmp_path: Path) -> None:
    tracker = Recorder()
    path = save([still(STARTS)], tmp_path / "set.pkl")
    found = evaluate(tracker, path, Protocol.named("tapvid", single=True))
    assert [queries.xy.tolist() for _, queries, _ in tracker.calls] == [
        [[39.5, 59.5]],
        [[99.5, 199.5]],
        [[128, 29.75]],
    ]
    assert found.mean["average_jaccard"] == 1
    assert "one at a time" in found.protocol.describe()


def test_frames_without_annotation_count_nowhere(tmp_path: Path) -> None:
    xy = np.full((2, 6, 2), 50.0, np.float32)
    visible = np.ones((2, 6), bool)
    visible[0, 1] = False  # static shows it: one of three judged frames is wrong
    xy[0, 4:], xy[1, 1:] = np.nan, np.nan
    tracks = pt.Tracks(xy, visible, size=(64, 64))
    pt.write_video(tmp_path / "clip.mp4", np.zeros((6, 64, 64, 3), np.uint8))
    tracks.save(tmp_path / "clip.npz")
    found = evaluate("static", tmp_path)
    assert found.mean["occlusion_accuracy"] == pytest.approx(2 / 3)
    assert found.mean["average_jaccard"] == pytest.approx(2 / 3)
    assert math.isnan(found.mean["AJ_RD"])


def test_given_queries_are_asked_where_the_data_set_asks(tmp_path: Path) -> None:
    xy = np.full((1, 6, 2), 20.0)
    query = np.array([[3, 20.5, 20.0]])
    pt.write_video(tmp_path / "clip.mp4", np.zeros((6, 64, 64, 3), np.uint8))
    np.savez(tmp_path / "clip.npz", xy=xy, visible=np.ones((1, 6), bool), query=query)
    tracker = Recorder()
    found = evaluate(tracker, tmp_path, Protocol.named("practical", "given"))
    assert tracker.calls[0][1].txy.tolist() == [[3, 20.5, 20]]
    # Half a pixel of 64 is two of 256.
    assert [found.mean[f"pts_within_{x}"] for x in (2, 4)] == [0, 1]
    with pytest.raises(PointtrackError, match="asks no queries of its own"):
        evaluate(
            tracker,
            save([still(STARTS)], tmp_path / "set.pkl"),
            Protocol.named("tapvid", "given"),
        )


# -- keeping answers -----------------------------------------------------------------------


def test_a_second_run_tracks_only_what_is_missing(tmp_path: Path) -> None:
    path = save({"a": still(STARTS), "b": moved(still(STARTS), (3, 0))}, tmp_path / "set.pkl")
    first, again = Recorder(), Recorder()
    before = evaluate(first, path, out=tmp_path / "out")
    kept = sorted((tmp_path / "out" / "predictions" / "recorder" / "tapvid-first").iterdir())
    assert [file.name for file in kept] == ["a.npz", "b.npz"]
    kept[0].unlink()
    after = evaluate(again, path, out=tmp_path / "out")
    assert len(first.calls) == 2
    assert len(again.calls) == 1
    assert [video.resumed for video in after.videos] == [False, True]
    assert after.mean == pytest.approx(before.mean, nan_ok=True)
    assert after.videos[1].seconds == before.videos[1].seconds


def test_a_kept_answer_is_a_track_file(tmp_path: Path) -> None:
    path = save({"a": still(STARTS, size=(512, 320))}, tmp_path / "set.pkl")
    evaluate("static", path, out=tmp_path / "out")
    tracks = pt.Tracks.load(tmp_path / "out/predictions/static/tapvid-first/a.npz")
    assert tracks.size == (256, 256)
    original = tracks.resize((512, 320))
    assert np.allclose(original.xy[:, -1], np.array(STARTS) - 0.5, atol=1e-4)


@pytest.mark.parametrize("change", ["options", "data"])
def test_answers_made_otherwise_are_not_used(tmp_path: Path, change: str) -> None:
    path = save({"a": still(STARTS)}, tmp_path / "set.pkl")
    evaluate(Contender(Recorder(), options={"window": 21}), path, out=tmp_path / "out")
    window = 31 if change == "options" else 21
    if change == "data":
        save({"a": still(STARTS[:2])}, path)
    words = r"options \{'window': 21\} not \{'window': 31\}" if change == "options" else "queries"
    with pytest.raises(FormatError, match=words) as caught:
        evaluate(Contender(Recorder(), options={"window": window}), path, out=tmp_path / "out")
    assert "a.npz" in str(caught.value)


def test_protocols_keep_their_answers_apart(tmp_path: Path) -> None:
    path = save({"a": still(STARTS)}, tmp_path / "set.pkl")
    for rules in (Protocol.named("tapvid"), Protocol.named("tapvid", single=True)):
        evaluate(Recorder(), path, rules, out=tmp_path / "out")
    folders = sorted(p.name for p in (tmp_path / "out/predictions/recorder").iterdir())
    assert folders == ["tapvid-first", "tapvid-first-single"]


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    path = save({"../../evil": still(STARTS), "..": still(STARTS)}, tmp_path / "set.pkl")
    evaluate(Recorder(), path, out=tmp_path / "out")
    kept = list(tmp_path.rglob("*.npz"))
    assert len(kept) == 2
    folder = tmp_path / "out/predictions/recorder/tapvid-first"
    assert all(p.parent == folder for p in kept)


# -- what goes wrong -----------------------------------------------------------------------


def test_a_broken_video_is_named_and_the_others_are_evaluated(tmp_path: Path) -> None:
    broken = still(STARTS)
    del broken["points"]
    never = still(STARTS)
    never["occluded"][:] = True
    found = run({"a": still(STARTS), "b": broken, "c": never, "d": still(STARTS)}, tmp_path)
    assert [video.name for video in found.videos] == ["a", "d"]
    assert [failure.name for failure in found.failures] == ["b", "c"]
    assert "entry 'b': it lacks points" in found.failures[0].error
    assert "no track is visible" in found.failures[1].error


def test_a_tracker_that_fails_on_one_video_goes_on(tmp_path: Path) -> None:
    path = save({"a": still(STARTS), "b": still(STARTS)}, tmp_path / "set.pkl")
    weak, strong = Contender(Recorder(fail_at=0), "weak"), Contender(Recorder(), "strong")
    first, second = evaluate_all([weak, strong], path, out=tmp_path / "out")
    assert [video.name for video in first.videos] == ["b"]
    assert first.failures[0].error == "RuntimeError: out of memory"
    assert len(second.videos) == 2
    evaluate(weak, path, out=tmp_path / "out")
    assert len(list((tmp_path / "out/predictions/weak").rglob("*.npz"))) == 2


def test_nothing_evaluated_is_an_error_that_says_why(tmp_path: Path) -> None:
    path = save({"a": still(STARTS)}, tmp_path / "set.pkl")
    with pytest.raises(PointtrackError, match="the first, a: RuntimeError: out of memory"):
        evaluate(Recorder(fail_at=0), path)


def test_labels_must_differ(tmp_path: Path) -> None:
    path = save({"a": still(STARTS)}, tmp_path / "set.pkl")
    with pytest.raises(PointtrackError, match="different labels, found recorder, recorder"):
        evaluate_all([Contender(Recorder()), Contender(Recorder())], path)


def test_progress_ends_at_all_frames(tmp_path: Path) -> None:
    path = save({"a": still(STARTS), "b": still(STARTS, frames=7)}, tmp_path / "set.pkl")
    seen: list[tuple[int, int]] = []
    pair = [Contender(Recorder(), "one"), Contender(Recorder(), "two")]
    evaluate_all(pair, path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (24, 24)
    assert all(done <= total for done, total in seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
