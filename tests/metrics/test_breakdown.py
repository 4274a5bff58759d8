from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_videos import Video, videos

from pointtrack.errors import PointtrackError
from pointtrack.metrics import (
    OCCLUSION_EDGES,
    TIME_EDGES,
    accuracy_by_group,
    accuracy_per_threshold,
    distance_from_query,
    last_occlusion_length,
    pool_groups,
    tapvid_metrics,
    time_since_query,
)
from pointtrack.metrics.tapvid import QueryMode

modes = st.sampled_from(["first", "strided"])


def slow_gap(hidden: np.ndarray, start: int, end: int) -> int:
    """Length of the last run of hidden frames that ended between the query and ``end``."""
    step = 1 if end > start else -1
    walked = [bool(hidden[t]) for t in range(start + step, end, step)]
    if hidden[end]:  # inside a run: look at the run before it
        while walked and walked[-1]:
            walked.pop()
    while walked and not walked[-1]:
        walked.pop()
    length = 0
    while walked and walked.pop():
        length += 1
    return length


@given(videos())
def test_last_occlusion_agrees_with_walking_back_to_the_query(video: Video) -> None:
    found = last_occlusion_length(video.query_points, video.gt_occluded)
    for n, hidden in enumerate(video.gt_occluded):
        start = int(video.query_points[n, 0])
        wanted = [0 if t == start else slow_gap(hidden, start, t) for t in range(len(hidden))]
        np.testing.assert_array_equal(found[n], wanted)


def test_last_occlusion_by_hand() -> None:
    hidden = np.array([[0, 1, 0, 0, 1, 1, 0, 1, 0]], bool)
    found = last_occlusion_length([[3.0, 0, 0]], hidden)
    np.testing.assert_array_equal(found, [[1, 0, 0, 0, 0, 0, 2, 2, 1]])


@given(videos(), modes)
def test_groups_together_are_the_whole(video: Video, mode: QueryMode) -> None:
    num_frames = video.gt_occluded.shape[1]
    scores = tapvid_metrics(*video, mode)
    for values, edges in (
        (time_since_query(video.query_points, num_frames), TIME_EDGES),
        (last_occlusion_length(video.query_points, video.gt_occluded), OCCLUSION_EDGES),
        (distance_from_query(video.query_points, video.gt_tracks), (0, 50, 100, np.inf)),
    ):
        groups = accuracy_by_group(*video, mode, values, edges)
        frames = groups["frames"]
        for name in ("pts_within_1", "pts_within_16", "average_pts_within_thresh"):
            inside = groups[name][frames > 0]
            assert ((inside >= 0) & (inside <= 1)).all()
            if frames.sum():
                total = (inside * frames[frames > 0]).sum() / frames.sum()
                assert total == pytest.approx(scores[name])
        np.testing.assert_array_equal(np.isnan(groups["pts_within_1"]), frames == 0)


@given(videos(), modes)
def test_curve_passes_through_the_metric(video: Video, mode: QueryMode) -> None:
    scores = tapvid_metrics(*video, mode)
    curve = accuracy_per_threshold(*video, mode, [16, 1, 4])
    wanted = [scores[f"pts_within_{x}"] for x in (16, 1, 4)]
    np.testing.assert_array_equal(curve, wanted)


def test_groups_by_hand() -> None:
    truth = np.zeros((1, 5, 2))
    answer = truth.copy()
    answer[0, 4, 0] = 3
    hidden = np.array([[0, 0, 1, 0, 0]], bool)
    shown_hidden = np.array([[0, 0, 0, 1, 0]], bool)
    video = Video(np.zeros((1, 3)), truth, hidden, answer, shown_hidden)
    lengths = last_occlusion_length(video.query_points, hidden)
    groups = accuracy_by_group(*video, "first", lengths, (0, 1, 2, np.inf), thresholds=(1, 4))
    np.testing.assert_array_equal(groups["frames"], [1, 2, 0])
    np.testing.assert_array_equal(groups["pts_within_1"], [1, 0.5, np.nan])
    np.testing.assert_array_equal(groups["average_pts_within_thresh"], [1, 0.75, np.nan])
    np.testing.assert_array_equal(groups["visible_recall"], [1, 0.5, np.nan])


@given(st.lists(videos(), min_size=1, max_size=3))
def test_pooled_groups_count_every_frame_once(many: list[Video]) -> None:
    parts = [
        accuracy_by_group(
            *video,
            "strided",
            time_since_query(video.query_points, video.gt_occluded.shape[1]),
            (0, 3, np.inf),
        )
        for video in many
    ]
    pooled = pool_groups(parts)
    for k in range(2):
        frames = sum(part["frames"][k] for part in parts)
        hits = sum(
            part["pts_within_4"][k] * part["frames"][k] for part in parts if part["frames"][k]
        )
        assert pooled["frames"][k] == frames
        assert pooled["pts_within_4"][k] == pytest.approx(
            hits / frames if frames else np.nan, nan_ok=True
        )


def test_nan_and_values_outside_the_edges_are_left_out() -> None:
    truth = np.zeros((1, 5, 2))
    flags = np.zeros((1, 5), bool)
    values = np.array([[0, np.nan, -1, 7, 1.0]])
    groups = accuracy_by_group(
        np.zeros((1, 3)), truth, flags, truth, flags, "first", values, (0, 2)
    )
    np.testing.assert_array_equal(groups["frames"], [1])


def test_wrong_groups_are_refused() -> None:
    truth, flags = np.zeros((1, 5, 2)), np.zeros((1, 5), bool)
    arrays = (np.zeros((1, 3)), truth, flags, truth, flags, "first")
    with pytest.raises(PointtrackError, match="values must have shape"):
        accuracy_by_group(*arrays, np.zeros((1, 4)), (0, 1))
    with pytest.raises(PointtrackError, match="increasing"):
        accuracy_by_group(*arrays, np.zeros((1, 5)), (1, 0))
    one = accuracy_by_group(*arrays, np.zeros((1, 5)), (0, 1))
    two = accuracy_by_group(*arrays, np.zeros((1, 5)), (0, 2))
    with pytest.raises(PointtrackError, match="different groups"):
        pool_groups([one, two])
