from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_videos import Video, videos

from pointtrack.errors import PointtrackError
from pointtrack.metrics import (
    average_jaccard_redetection,
    pool_events,
    redetection_events,
    redetection_scores,
)


def slow_events(video: Video, distance: float) -> list[tuple[int, int, int, float]]:
    """(frame, track, duration, Jaccard) by walking along every track."""
    events = []
    num_tracks, num_frames = video.gt_occluded.shape
    for n in range(num_tracks):
        longest = 0
        for start in range(1, num_frames):
            if video.gt_occluded[n, start] or not video.gt_occluded[n, start - 1]:
                continue
            duration = 0
            while duration < start and video.gt_occluded[n, start - 1 - duration]:
                duration += 1
            if duration <= longest:
                continue
            longest = duration
            hits = positives = false = 0
            for t in range(start, num_frames):
                visible, shown = not video.gt_occluded[n, t], not video.pred_occluded[n, t]
                error = np.linalg.norm(video.pred_tracks[n, t] - video.gt_tracks[n, t])
                positives += visible
                hits += visible and shown and error <= distance
                false += shown and (not visible or error > distance)
            events.append((start, n, duration, hits / (positives + false)))
    return sorted(events)


@given(videos(), st.sampled_from([1, 2, 4, 8, 16]))
def test_agrees_with_walking_along_every_track(video: Video, distance: int) -> None:
    events = redetection_events(*video[1:], distances=(distance,))
    found = zip(events.frame, events.track, events.duration, events.jaccard[:, 0], strict=True)
    slow = slow_events(video, distance)
    assert len(events.frame) == len(slow)
    for (frame, track, duration, score), wanted in zip(found, slow, strict=True):
        assert (frame, track, duration) == wanted[:3]
        assert score == pytest.approx(wanted[3])


@given(videos())
def test_a_perfect_answer_scores_one_or_has_no_event(video: Video) -> None:
    scores = average_jaccard_redetection(
        video.gt_tracks, video.gt_occluded, video.gt_tracks, video.gt_occluded
    )
    assert all(np.isnan(value) or value == 1 for value in scores.values())


@given(videos())
def test_scores_are_shares_that_grow_with_the_distance(video: Video) -> None:
    scores = average_jaccard_redetection(*video[1:])
    for shortest in (1, 4, 16, 64, 256):
        values = [scores[f"AJ_RD_D{x}_dmin{shortest}"] for x in (1, 2, 4, 8, 16)]
        assert np.isnan(values).all() or (np.diff(values) >= 0).all()
        assert np.isnan(values).all() or (min(values) >= 0 and max(values) <= 1)


def test_worked_example_by_hand() -> None:
    # Hidden for 1 frame, then for 1 again (no record), then for 2.
    hidden = np.array([[0, 1, 0, 1, 0, 1, 1, 0]], bool)
    truth = np.zeros((1, 8, 2))
    answer = truth.copy()
    answer[0, 7] = (0, 2)
    shown = np.zeros((1, 8), bool)
    shown[0, [2, 7]] = True
    events = redetection_events(truth, hidden, answer, ~shown, distances=(1, 2))
    np.testing.assert_array_equal(events.frame, [2, 7])
    np.testing.assert_array_equal(events.duration, [1, 2])
    # From frame 2: visible on 2, 4, 7; shown on 2 and 7; at distance 2 both are hits.
    np.testing.assert_allclose(events.jaccard, [[1 / 4, 2 / 3], [0 / 2, 1 / 1]])
    scores = redetection_scores(events, min_durations=(1, 2, 3))
    assert scores["AJ_RD_D1_dmin1"] == pytest.approx(1 / 8)
    assert scores["AJ_RD_dmin2"] == pytest.approx(1 / 2)
    assert np.isnan(scores["AJ_RD_dmin3"])
    assert scores["AJ_RD"] == pytest.approx(((1 / 8 + 5 / 6) / 2 + 1 / 2) / 2)


def test_a_point_hidden_from_the_start_has_an_event() -> None:
    hidden = np.array([[True, True, False]])
    tracks = np.zeros((1, 3, 2))
    events = redetection_events(tracks, hidden, tracks, hidden)
    np.testing.assert_array_equal(events.duration, [2])


@given(st.lists(videos(), min_size=1, max_size=3))
def test_pooled_scores_are_those_of_one_video_with_all_events(many: list[Video]) -> None:
    events = [redetection_events(*video[1:]) for video in many]
    pooled = redetection_scores(pool_events(events))
    scores = np.concatenate([e.jaccard for e in events])
    if len(scores):
        assert pooled["AJ_RD_dmin1"] == pytest.approx(scores.mean())
    else:
        assert np.isnan(pooled["AJ_RD"])


def test_events_at_different_distances_do_not_mix() -> None:
    tracks, hidden = np.zeros((1, 3, 2)), np.zeros((1, 3), bool)
    one = redetection_events(tracks, hidden, tracks, hidden, distances=(1,))
    two = redetection_events(tracks, hidden, tracks, hidden, distances=(2,))
    with pytest.raises(PointtrackError, match="different distances"):
        pool_events([one, two])
    with pytest.raises(PointtrackError, match="at least one"):
        pool_events([])
