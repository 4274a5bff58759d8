from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_videos import Video, videos

from pointtrack.errors import PointtrackError
from pointtrack.metrics import (
    average_trajectory_error,
    cotracker_metrics,
    decode_visibility,
    egopoints_metrics,
    egopoints_visibility,
    full_sequence_tracks,
    median_per_track,
    pips2_metrics,
    returned_frames,
    surviving,
    trackon_metrics,
)

SIZE = (256, 256)


@given(videos())
def test_a_perfect_answer_scores_a_hundred(video: Video) -> None:
    truth = video.gt_tracks
    valid = np.ones_like(video.gt_occluded)
    scores = pips2_metrics(truth, truth, valid, (512, 384))
    assert scores["d_avg"] == pytest.approx(100, abs=1e-4)
    assert scores["survival_16"] == scores["survival_50"] == 100
    assert scores["median_l2"] == 0
    assert cotracker_metrics(truth, truth, valid, SIZE)["accuracy_vis"] == pytest.approx(100, 1e-4)
    assert trackon_metrics(truth, truth, valid, valid, SIZE)["d_vis_avg"] == pytest.approx(
        100, 1e-4
    )
    assert average_trajectory_error(truth, truth, valid)["ate_all"] == 0


@given(videos())
def test_survival_is_the_share_of_frames_before_the_first_failure(video: Video) -> None:
    distance = np.linalg.norm(video.pred_tracks - video.gt_tracks, axis=-1)
    mask = ~video.gt_occluded
    alive = surviving(distance, mask, 4)
    for row, far, counted in zip(alive, distance, mask, strict=True):
        failures = [t for t in range(len(far)) if counted[t] and far[t] > 4]
        wanted = failures[0] if failures else len(far)
        np.testing.assert_array_equal(row, np.arange(len(far)) < wanted)


@given(videos())
def test_shares_are_bounded(video: Video) -> None:
    mask = ~video.gt_occluded
    scores = cotracker_metrics(video.gt_tracks, video.pred_tracks, mask, SIZE)
    assert all(0 <= value <= 100 for value in scores.values())


@given(videos(), st.integers(2, 5))
def test_scaling_picture_and_tracks_together_changes_nothing(video: Video, factor: int) -> None:
    mask = np.ones_like(video.gt_occluded)
    scores = pips2_metrics(video.gt_tracks, video.pred_tracks, mask, SIZE)
    size = (SIZE[0] * factor, SIZE[1] * factor)
    larger = pips2_metrics(video.gt_tracks * factor, video.pred_tracks * factor, mask, size)
    assert larger == pytest.approx(scores)


def test_survival_counts_an_unknown_distance_as_lost() -> None:
    alive = surviving(np.array([[0, np.nan, 0]]), np.ones((1, 3)), 16)
    np.testing.assert_array_equal(alive, [[True, False, False]])


def test_frame_0_counts_for_the_median_but_not_for_d() -> None:
    truth = np.zeros((1, 4, 2))
    answer = truth.copy()
    answer[0, 1:, 0] = (1, 3, 20)
    valid = np.ones((1, 4))
    scores = pips2_metrics(truth, answer, valid, SIZE)
    assert scores["d_1"] == pytest.approx(0, abs=1e-4)
    assert scores["d_4"] == pytest.approx(100 * 2 / 3, abs=1e-4)
    assert scores["median_l2"] == 2  # of 0, 1, 3, 20
    assert scores["survival_16"] == 75
    assert scores["survival_50"] == 100


def test_a_predicted_nan_is_a_failure() -> None:
    truth = np.zeros((1, 3, 2))
    answer = truth.copy()
    answer[0, 1] = np.nan
    scores = pips2_metrics(truth, answer, np.ones((1, 3)), SIZE)
    assert scores["d_16"] == pytest.approx(50, abs=1e-4)
    assert scores["survival_50"] == pytest.approx(100 / 3)


def test_a_track_without_a_frame_has_no_median() -> None:
    medians = median_per_track(np.ones((2, 3)), np.array([[0, 0, 0], [0, 1, 0]]))
    np.testing.assert_array_equal(medians, [np.nan, 1])


def test_cotracker_scores_only_after_the_first_visible_frame() -> None:
    truth = np.zeros((2, 4, 2))
    answer = truth.copy()
    answer[0, :3, 0] = 9  # hidden, first visible, hidden; then right
    visible = np.array([[0, 1, 0, 1], [0, 0, 0, 0]])
    scores = cotracker_metrics(truth, answer, visible, SIZE)
    assert scores["accuracy_vis_8"] == pytest.approx(100, abs=1e-4)
    # Hidden: frame 2 of the first track, frames 1 to 3 of the one never visible.
    assert scores["accuracy_occ_8"] == pytest.approx(75, abs=1e-4)


def test_trajectory_error_by_group() -> None:
    truth = np.zeros((2, 8, 2))
    answer = truth.copy()
    answer[0, :, 0], answer[1, :, 1] = 2, 6
    visible = np.zeros((2, 8))
    visible[0, :4] = visible[1, :3] = 1
    scores = average_trajectory_error(truth, answer, visible)
    assert scores == pytest.approx({"ate_all": 4, "ate_vis": 2, "ate_occ": 6}, abs=1e-5)


def full_tracks(num_tracks: int, num_frames: int = 10) -> tuple[np.ndarray, ...]:
    tracks = np.full((num_tracks, num_frames, 2), 100.0)
    return tracks, np.ones((num_tracks, num_frames)), np.ones((num_tracks, num_frames))


def test_reader_drops_each_kind_of_bad_track() -> None:
    tracks, visible, valid = full_tracks(6)
    visible[1, 0] = 0  # not visible at the start
    visible[2, 2:5] = 0  # visible on 7 frames
    tracks[3, 5] = (700, 100)  # a step of 600
    tracks[4, 3] = np.inf  # unknown: becomes (0, 0), a step of 141
    tracks[5, 3] = (958.5, 100)  # beyond W - 2, and a step of 858
    kept = full_sequence_tracks(tracks, visible, valid)
    np.testing.assert_array_equal(kept.kept, [0, 4])
    np.testing.assert_array_equal(kept.tracks[1, 3], [0, 0])
    assert not kept.visible[1, 3]
    assert not kept.valid[1, 3]
    assert kept.valid.sum() == 19


def test_reader_keeps_the_border_and_clamps_far_outside() -> None:
    tracks, visible, valid = full_tracks(1, 16)
    tracks[0, 0], tracks[0, 1], tracks[0, 2] = (1, 1), (0.99, 1), (-300, 100)
    tracks[0, 3:] = (500, 400)
    tracks[0, 4], tracks[0, 5] = (958, 538), (958, 538.01)
    kept = full_sequence_tracks(tracks, visible, valid, max_step=1000)
    np.testing.assert_array_equal(kept.valid[0, :6], [True, False, False, True, True, False])
    np.testing.assert_array_equal(kept.tracks[0, 2], [-32, 100])
    assert tracks[0, 2, 0] == -300  # the caller's array is left alone


def test_reader_takes_tracks_evenly() -> None:
    kept = full_sequence_tracks(*full_tracks(10), max_tracks=4)
    np.testing.assert_array_equal(kept.kept, [0, 3, 6, 9])
    assert len(full_sequence_tracks(*full_tracks(3), max_tracks=4).kept) == 3
    nothing = full_sequence_tracks(*full_tracks(3, 4), max_tracks=4)
    assert nothing.tracks.shape == (0, 4, 2)


def test_old_annotation_codes() -> None:
    visible, valid = decode_visibility([[0, 1, 2]])
    np.testing.assert_array_equal(visible, [[False, True, False]])
    np.testing.assert_array_equal(valid, [[True, True, False]])
    with pytest.raises(PointtrackError, match="codes"):
        decode_visibility([[3]])


def egopoints_example() -> dict[str, np.ndarray]:
    """One track: seen, out of view, back (predicted right once, then 5 px off)."""
    truth = np.full((1, 5, 2), 100.0)
    answer = truth.copy()
    answer[0, 2] = (-1, 100)
    answer[0, 4] = (105, 100)
    valid = np.array([[1, 1, 0, 1, 1]])
    return {
        "gt_tracks": truth,
        "pred_tracks": answer,
        "pred_visible": np.array([[1, 1, 0, 1, 0]]),
        "visible": valid,
        "valid": valid,
        "visible_known": np.ones((1, 5)),
        "out_of_view": 1 - valid,
        "occluded": np.zeros((1, 5)),
    }


def test_egopoints_by_hand() -> None:
    scores = egopoints_metrics(**egopoints_example(), size=SIZE)
    assert scores["d_4"] == pytest.approx(100 * 2 / 3, abs=1e-4)
    assert scores["d_star_avg"] == pytest.approx(100, abs=1e-4)
    assert scores["visibility_accuracy"] == 80
    assert scores["out_of_view_accuracy"] == 100
    assert scores["in_view_accuracy"] == 100
    assert scores["re_id_d_4"] == 50
    assert scores["re_id_d_avg"] == pytest.approx((50 * 3 + 100 * 2) / 5)
    assert scores["re_id_published"] == 0


def test_egopoints_leaves_frame_0_out_of_both_views() -> None:
    example = egopoints_example()
    example["out_of_view"] = np.array([[1, 0, 1, 0, 0]])
    example["occluded"] = np.array([[1, 0, 0, 0, 0]])
    example["pred_tracks"][0, 3] = (300, 100)
    scores = egopoints_metrics(**example, size=SIZE)
    assert scores["out_of_view_accuracy"] == 100
    assert scores["in_view_accuracy"] == pytest.approx(100 * 2 / 3)


def test_egopoints_without_a_return_has_no_re_id_score() -> None:
    example = egopoints_example()
    example["out_of_view"] = np.zeros((1, 5))
    scores = egopoints_metrics(**example, size=SIZE)
    assert np.isnan(scores["re_id_d_avg"])
    assert np.isnan(scores["out_of_view_accuracy"])
    assert scores["re_id_published"] == 0


def test_returned_frames_are_valid_ones_after_being_away() -> None:
    valid = np.array([[1, 0, 1, 1, 0, 1], [1, 1, 1, 1, 1, 1]])
    away = np.array([[0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    found = returned_frames(valid, away)
    np.testing.assert_array_equal(found, [[0, 0, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0]])


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [
        ([True, False], [True, False]),
        ([0.5, 0.51], [False, True]),
        ([-0.1, 0.4], [False, True]),
        ([1, 0], [True, False]),
    ],
)
def test_egopoints_reads_flags_probabilities_and_logits(scores: list, wanted: list) -> None:
    np.testing.assert_array_equal(egopoints_visibility(scores), wanted)
