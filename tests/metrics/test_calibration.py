"""Reliability of stated confidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_allclose

from pointtrack.errors import PointtrackError
from pointtrack.metrics import calibration_error, largest_gap, pool_groups, reliability

CONFIDENCE = arrays.arrays(np.float32, st.integers(0, 60), elements=st.floats(0, 1, width=32))


def test_groups_by_hand() -> None:
    groups = reliability([0.05, 0.1, 0.15, 0.95, 1.0], [False, True, False, True, True])
    assert groups["frames"].tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert_allclose(groups["confidence"][[0, 1, 9]], [0.05, 0.125, 0.975])
    assert_allclose(groups["share"][[0, 1, 9]], [0, 0.5, 1])
    assert np.isnan(groups["share"][2])
    assert calibration_error(groups) == pytest.approx((0.05 + 2 * 0.375 + 2 * 0.025) / 5)
    assert largest_gap(groups) == pytest.approx(0.375)
    assert largest_gap(groups, least=3) != largest_gap(groups, least=3)  # NaN: none so full


def test_only_what_counts_is_counted() -> None:
    groups = reliability([0.2, 0.9], [True, False], [True, False])
    assert groups["frames"].sum() == 1
    assert groups["share"][2] == 1


def test_a_true_confidence_has_no_gap() -> None:
    stated = np.random.default_rng(0).random(200_000)
    right = np.random.default_rng(1).random(200_000) < stated
    groups = reliability(stated, right)
    assert largest_gap(groups) < 0.02
    overconfident = reliability(np.sqrt(stated), right)
    assert largest_gap(overconfident) > 0.2


@given(CONFIDENCE, CONFIDENCE)
def test_pooling_videos_is_joining_them(one: np.ndarray, other: np.ndarray) -> None:
    parts = [reliability(c, c > 0.4) for c in (one, other)]
    joined = np.concatenate([one, other])
    whole = reliability(joined, joined > 0.4)
    pooled = pool_groups(parts)
    for name in whole:
        assert_allclose(pooled[name], whole[name], atol=1e-9)


@given(CONFIDENCE)
def test_every_value_is_in_the_group_that_its_edges_say(stated: np.ndarray) -> None:
    groups = reliability(stated, np.ones(stated.shape, bool))
    full = groups["frames"] > 0
    mean = groups["confidence"][full]
    assert groups["frames"].sum() == len(stated)
    assert (mean >= groups["lower"][full] - 1e-6).all()
    assert (mean <= groups["upper"][full] + 1e-6).all()


@pytest.mark.parametrize(
    ("stated", "right", "words"),
    [([0.5], [True, False], "one shape"), ([1.5], [True], "within 0 and 1")],
)
def test_wrong_input_is_named(stated: list[float], right: list[bool], words: str) -> None:
    with pytest.raises(PointtrackError, match=words):
        reliability(stated, right)
