from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointtrack.errors import PointtrackError
from pointtrack.metrics import badja_hits, badja_pck, jhmdb_distances, jhmdb_pck, resized_mask_areas


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(0, 1000))
@example(336, 100, 0)  # where float32 rounds an index down that whole numbers do not
def test_mask_areas_are_those_of_torch(height: int, width: int, seed: int) -> None:
    masks = (np.random.default_rng(seed).random((2, height, width)) < 0.5).astype(np.uint8)
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(masks)[:, None].float(), size=(320, 512), mode="nearest"
    )
    np.testing.assert_array_equal(resized_mask_areas(masks), resized.sum(dim=(1, 2, 3)).numpy())


def badja_example() -> tuple[np.ndarray, ...]:
    """Two joints over three frames, source of 64 x 40, mask of 160 x 160 at 512 x 320."""
    masks = np.zeros((3, 40, 64), np.uint8)
    masks[:, :20, :20] = 255  # the root of its area is 160, a fifth of that 32
    truth = np.full((2, 3, 2), 10.0)  # (80, 80) there
    answer = np.full((2, 3, 2), 80.0)
    answer[0, 0], answer[0, 1], answer[1, 1] = (500, 300), (111.9, 80), (80, 112)
    visible = np.array([[1, 1, 0], [1, 1, 1]])
    return truth, visible, answer, masks


def test_badja_by_hand() -> None:
    hit, scored = badja_hits(*badja_example())
    np.testing.assert_array_equal(scored, [[False, True, False], [False, True, True]])
    np.testing.assert_array_equal(hit, [[False, True, False], [False, False, True]])
    assert badja_pck(*badja_example())["pck"] == pytest.approx(100 * 2 / 3)


def test_badja_without_a_visible_joint_is_nan() -> None:
    truth, visible, answer, masks = badja_example()
    assert np.isnan(badja_pck(truth, np.zeros_like(visible), answer, masks)["pck"])


def test_badja_with_too_few_masks_is_refused() -> None:
    truth, visible, answer, masks = badja_example()
    with pytest.raises(PointtrackError, match="expected 3 masks"):
        badja_hits(truth, visible, answer, masks[:2])


def jhmdb_example() -> tuple[np.ndarray, np.ndarray]:
    """Three joints over two frames, the last starting just outside; box of 30 x 40, scale 30."""
    truth = np.array([[[10, 10], [10, 10]], [[40, 50], [40, 50]], [[100, 5], [60, 90]]], float)
    answer = truth.copy()
    answer[0, 1, 0] += 3  # 0.1
    answer[1, 1, 1] += 10.5  # 0.35
    return truth, answer


def test_jhmdb_by_hand() -> None:
    distances = jhmdb_distances(*jhmdb_example(), (100, 100))
    np.testing.assert_allclose(distances, [[0, 0.1], [0, 0.35], [np.nan, np.nan]])
    scores = jhmdb_pck([distances])
    # 3 / 30 is within 0.1, edge included; the dropped joint is not averaged.
    assert scores["PCK@0.1"] == 75
    assert scores["PCK@0.3"] == 75
    assert scores["PCK@0.4"] == 100


def test_jhmdb_pools_frames_by_joint_before_averaging_joints() -> None:
    one = np.array([[0.0], [np.nan]])
    two = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    assert jhmdb_pck([one, two])["PCK@0.5"] == pytest.approx(100 * (1 / 4 + 2 / 3) / 2)
    with pytest.raises(PointtrackError, match="same number of joints"):
        jhmdb_pck([one, np.zeros((3, 1))])
    assert np.isnan(jhmdb_pck([np.full((2, 2), np.nan)])["PCK@0.5"])


def test_jhmdb_box_keeps_the_published_fill_values() -> None:
    truth = np.full((2, 1, 2), -40.0)
    truth[0, 0], truth[1, 0] = (5, 5), (-5, 5)
    truth = np.concatenate([truth, np.full((2, 1, 2), -40.0)], axis=1)
    distances = jhmdb_distances(truth, truth + np.array([39, 0]), (100, 100))
    # One joint is left, at -40; the fill of -1 stretches its box to 39 x 39.
    assert distances[0, 1] == pytest.approx(39 / (0.6 * 39 * np.sqrt(2)))
