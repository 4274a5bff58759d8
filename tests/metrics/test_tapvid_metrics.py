from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_videos import Video, videos

from pointtrack.errors import PointtrackError, QueryError
from pointtrack.metrics import (
    alltracker_to_protocol,
    annotation_to_protocol,
    evaluated_frames,
    join_directions,
    protocol_to_annotation,
    queries_first,
    queries_strided,
    query_frames,
    tapvid_metrics,
    tapvid_metrics_per_track,
)
from pointtrack.metrics.tapvid import QueryMode

modes = st.sampled_from(["first", "strided"])


def slow_metrics(video: Video, mode: str, threshold: float) -> tuple[float, float, float]:
    """Occlusion accuracy, position accuracy and Jaccard, one frame at a time."""
    frames = agreeing = seen = near = hits = false = 0
    for n in range(len(video.gt_tracks)):
        start = int(video.query_points[n, 0])
        for t in range(video.gt_tracks.shape[1]):
            if t == start or (mode == "first" and t < start):
                continue
            visible, shown = not video.gt_occluded[n, t], not video.pred_occluded[n, t]
            dx, dy = video.pred_tracks[n, t] - video.gt_tracks[n, t]
            correct = dx * dx + dy * dy < threshold * threshold
            frames += 1
            agreeing += visible == shown
            seen += visible
            near += visible and correct
            hits += visible and shown and correct
            false += shown and (not visible or not correct)
    share = [(agreeing, frames), (near, seen), (hits, seen + false)]
    occlusion, points, jaccard = (a / b if b else float("nan") for a, b in share)
    return occlusion, points, jaccard


@given(videos(), modes)
def test_agrees_with_counting_frame_by_frame(video: Video, mode: QueryMode) -> None:
    scores = tapvid_metrics(*video, mode)
    slow = {x: slow_metrics(video, mode, x) for x in (1, 2, 4, 8, 16)}
    for x, (occlusion, points, jaccard) in slow.items():
        assert scores["occlusion_accuracy"] == pytest.approx(occlusion, nan_ok=True)
        assert scores[f"pts_within_{x}"] == pytest.approx(points, nan_ok=True)
        assert scores[f"jaccard_{x}"] == pytest.approx(jaccard, nan_ok=True)
    averages = np.mean(list(slow.values()), axis=0)
    assert scores["average_pts_within_thresh"] == pytest.approx(averages[1], nan_ok=True)
    assert scores["average_jaccard"] == pytest.approx(averages[2], nan_ok=True)


@given(videos(), modes)
def test_a_perfect_answer_scores_one(video: Video, mode: QueryMode) -> None:
    perfect = video._replace(pred_tracks=video.gt_tracks, pred_occluded=video.gt_occluded)
    scores = tapvid_metrics(*perfect, mode)
    assert all(np.isnan(value) or value == 1 for value in scores.values())
    evaluated = evaluated_frames(video.query_points, video.gt_occluded.shape[1], mode)
    assert np.isnan(scores["average_jaccard"]) == (not (evaluated & ~video.gt_occluded).any())


@given(videos(), modes)
def test_scores_are_shares_that_grow_with_the_threshold(video: Video, mode: QueryMode) -> None:
    scores = tapvid_metrics(*video, mode)
    assert all(np.isnan(value) or 0 <= value <= 1 for value in scores.values())
    for name in ("pts_within", "jaccard"):
        values = [scores[f"{name}_{x}"] for x in (1, 2, 4, 8, 16)]
        assert np.isnan(values).all() or (np.diff(values) >= 0).all()


@given(videos(), modes, st.randoms())
def test_the_order_of_tracks_does_not_matter(video: Video, mode: QueryMode, random) -> None:
    order = list(range(len(video.gt_tracks)))
    random.shuffle(order)
    shuffled = Video(*(array[order] for array in video))
    assert tapvid_metrics(*shuffled, mode) == pytest.approx(
        tapvid_metrics(*video, mode), nan_ok=True
    )
    by_track = tapvid_metrics_per_track(*video, mode)
    for name, value in tapvid_metrics_per_track(*shuffled, mode).items():
        np.testing.assert_array_equal(value, by_track[name][order])


@given(videos(), modes)
def test_a_track_alone_scores_what_it_scores_by_track(video: Video, mode: QueryMode) -> None:
    by_track = tapvid_metrics_per_track(*video, mode)
    for n in range(len(video.gt_tracks)):
        alone = tapvid_metrics(*(array[n : n + 1] for array in video), mode)
        found = {name: float(value[n]) for name, value in by_track.items()}
        assert found == pytest.approx(alone, nan_ok=True)


def worked_example() -> Video:
    """One track over six frames, asked for at frame 1."""
    truth = np.zeros((1, 6, 2))
    answer = truth.copy()
    answer[0, :, 0] = [90, 90, 0, 1, 3, 0]
    hidden = np.array([[False, False, False, False, False, True]])
    predicted_hidden = np.array([[True, True, False, False, True, False]])
    return Video(np.array([[1.0, 0.0, 0.0]]), truth, hidden, answer, predicted_hidden)


def test_worked_example_by_hand() -> None:
    scores = tapvid_metrics(*worked_example(), "first")
    # Frames 2 to 5: visibility is right on 2 and 3; errors 0, 1, 3 on the visible 2, 3, 4.
    assert scores["occlusion_accuracy"] == 2 / 4
    assert scores["pts_within_1"] == 1 / 3  # an error of 1 is not within 1
    assert scores["pts_within_2"] == 2 / 3
    assert scores["pts_within_4"] == 1
    # Hits: 1 of frame 2 at one pixel. False: frame 3 (too far) and frame 5 (hidden).
    assert scores["jaccard_1"] == 1 / (3 + 2)
    assert scores["jaccard_2"] == 2 / (3 + 1)
    assert scores["average_jaccard"] == pytest.approx((1 / 5 + 4 * 2 / 4) / 5)


def test_strided_mode_scores_the_frames_before_the_query() -> None:
    scores = tapvid_metrics(*worked_example(), "strided")
    assert scores["occlusion_accuracy"] == 2 / 5
    assert scores["pts_within_16"] == 3 / 4


def test_a_prediction_of_nan_is_never_near() -> None:
    video = worked_example()
    lost = video._replace(pred_tracks=np.full_like(video.pred_tracks, np.nan))
    scores = tapvid_metrics(*lost, "first")
    assert scores["average_pts_within_thresh"] == 0
    assert scores["average_jaccard"] == 0


def test_occlusion_accuracy_takes_another_denominator() -> None:
    scores = tapvid_metrics(*worked_example(), "first", oa_denominator=16)
    assert scores["occlusion_accuracy"] == 2 / 16
    assert (
        scores["average_jaccard"] == tapvid_metrics(*worked_example(), "first")["average_jaccard"]
    )


def test_other_thresholds_give_other_names() -> None:
    scores = tapvid_metrics(*worked_example(), "first", thresholds=(0.5, 3))
    assert scores["pts_within_0.5"] == 1 / 3
    assert scores["average_pts_within_thresh"] == pytest.approx((1 / 3 + 2 / 3) / 2)


def test_query_times_round_halves_to_even() -> None:
    times = np.array([0.5, 1.5, 2.5, 2.49, 3.5])
    queries = np.stack([times, times, times], axis=1)
    np.testing.assert_array_equal(query_frames(queries, 5), [0, 2, 2, 2, 4])


@pytest.mark.parametrize("time", [-1.0, 6.0, np.nan])
def test_a_query_outside_the_video_is_refused(time: float) -> None:
    with pytest.raises(QueryError, match="query times"):
        evaluated_frames(np.array([[time, 0, 0]]), 6, "first")


def test_wrong_arguments_are_refused() -> None:
    video = worked_example()
    with pytest.raises(PointtrackError, match="pred_tracks must have shape"):
        tapvid_metrics(*video._replace(pred_tracks=video.pred_tracks[:, :5]), "first")
    with pytest.raises(PointtrackError, match="booleans or 0 and 1"):
        tapvid_metrics(*video._replace(pred_occluded=np.full((1, 6), 0.3)), "first")
    with pytest.raises(QueryError, match="mode"):
        tapvid_metrics(*video, "last")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="expected 1 queries"):
        tapvid_metrics(*video._replace(query_points=np.zeros((2, 3))), "first")


@given(videos())
def test_first_queries_are_where_tracks_begin(video: Video) -> None:
    drawn = queries_first(video.gt_tracks, video.gt_occluded)
    assert set(drawn.trackgroup) == set(np.flatnonzero((~video.gt_occluded).any(axis=1)))
    for (t, y, x), track in zip(drawn.query_points, drawn.trackgroup, strict=True):
        visible = np.flatnonzero(~video.gt_occluded[track])
        assert t == visible[0]
        np.testing.assert_array_equal([x, y], video.gt_tracks[track, visible[0]])


@given(videos(), st.integers(1, 6))
def test_strided_queries_are_all_visible_sampled_frames(video: Video, stride: int) -> None:
    drawn = queries_strided(video.gt_tracks, video.gt_occluded, stride)
    wanted = [
        (t, n)
        for t in range(0, video.gt_occluded.shape[1], stride)
        for n in range(len(video.gt_occluded))
        if not video.gt_occluded[n, t]
    ]
    assert list(zip(drawn.query_points[:, 0], drawn.trackgroup, strict=True)) == wanted
    np.testing.assert_array_equal(drawn.tracks, video.gt_tracks[drawn.trackgroup])
    np.testing.assert_array_equal(drawn.occluded, video.gt_occluded[drawn.trackgroup])
    for (t, y, x), track in zip(drawn.query_points, drawn.tracks, strict=True):
        np.testing.assert_array_equal([x, y], track[int(t)])


def test_conventions_differ_by_a_pixel_at_the_right_edge() -> None:
    edge = np.array([[1.0, 0.5]])
    np.testing.assert_array_equal(annotation_to_protocol(edge), [[256, 128]])
    cotracker = annotation_to_protocol(edge, convention="align_corners")
    np.testing.assert_array_equal(cotracker, [[255, 127.5]])
    for convention in ("raster", "align_corners"):
        there = annotation_to_protocol(edge, (64, 48), convention)
        np.testing.assert_allclose(protocol_to_annotation(there, (64, 48), convention), edge)
    np.testing.assert_allclose(alltracker_to_protocol([[511.0, 383.0]]), [[255, 255]])
    with pytest.raises(PointtrackError, match="convention"):
        annotation_to_protocol(edge, convention="centre")  # type: ignore[arg-type]


def test_joining_directions_takes_the_backward_answer_before_the_query() -> None:
    queries = np.array([[0.0, 0, 0], [2.0, 0, 0]])
    forward, backward = np.full((2, 4, 2), 1.0), np.full((2, 4, 2), 2.0)
    joined = join_directions(queries, forward, backward)
    np.testing.assert_array_equal(joined[..., 0], [[1, 1, 1, 1], [2, 2, 1, 1]])
    flags = join_directions(queries, np.ones((2, 4), bool), np.zeros((2, 4), bool))
    np.testing.assert_array_equal(flags, joined[..., 0] == 1)
