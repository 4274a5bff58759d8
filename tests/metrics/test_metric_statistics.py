from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointtrack.errors import PointtrackError
from pointtrack.metrics import bootstrap_interval, mean_over_videos

NAN = float("nan")


def test_nan_is_left_out_of_its_own_metric_and_counted() -> None:
    videos = [{"a": 0.2, "b": 1.0}, {"a": NAN, "b": 0.0}, {"a": 0.4, "b": 0.5}]
    with pytest.warns(RuntimeWarning, match=r"3 videos, because NaN: a \(1\)"):
        result = mean_over_videos(videos)
    assert result.mean == pytest.approx({"a": 0.3, "b": 0.5})
    assert result.used == {"a": 2, "b": 3}
    assert result.left_out == {"a": 1, "b": 0}


def test_strict_lets_nan_through_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = mean_over_videos([{"a": 0.2}, {"a": NAN}], strict=True)
    assert np.isnan(result.mean["a"])
    assert result.left_out == {"a": 0}


def test_a_metric_that_no_video_has_is_nan() -> None:
    with pytest.warns(RuntimeWarning):
        result = mean_over_videos([{"a": NAN}, {"a": NAN}])
    assert np.isnan(result.mean["a"])
    assert result.used == {"a": 0}


def test_videos_with_different_metrics_are_refused() -> None:
    with pytest.raises(PointtrackError, match="video 1 and video 0 have different metrics: b"):
        mean_over_videos([{"a": 1.0}, {"a": 1.0, "b": 1.0}])
    with pytest.raises(PointtrackError, match="at least one video"):
        mean_over_videos([])


values = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(values, st.integers(0, 5))
def test_interval_lies_within_the_values_and_repeats(sample: list[float], seed: int) -> None:
    low, high = bootstrap_interval(sample, resamples=200, seed=seed)
    assert min(sample) - 1e-12 <= low <= high <= max(sample) + 1e-12
    assert (low, high) == bootstrap_interval([*sample, NAN], resamples=200, seed=seed)


def test_interval_of_the_mean_has_the_width_that_theory_gives() -> None:
    sample = np.random.default_rng(3).normal(size=400)
    low, high = bootstrap_interval(sample)
    half = 1.96 * sample.std() / np.sqrt(sample.size)
    assert low == pytest.approx(sample.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(sample.mean() + half, abs=0.1 * half)
    narrow_low, narrow_high = bootstrap_interval(sample, confidence=0.5)
    assert low < narrow_low < narrow_high < high


def test_interval_of_nothing_is_nan() -> None:
    assert np.isnan(bootstrap_interval([NAN])).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"confidence": 1.0}, "confidence"), ({"resamples": 0}, "resamples")],
)
def test_wrong_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(PointtrackError, match=message):
        bootstrap_interval([1.0, 2.0], **arguments)
