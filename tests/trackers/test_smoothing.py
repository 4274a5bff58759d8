"""Smoothing finished tracks: what moves, and what stays."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths
from pointtrack.trackers.smoothing import smoothed


def _paths(xy: np.ndarray, visible: np.ndarray | None = None) -> Paths:
    shown = np.isfinite(xy).all(2) if visible is None else visible
    return Paths(xy.astype(np.float32), shown, shown.astype(np.float32))


def _asked(count: int, frame: int = 0) -> Queries:
    rows = np.zeros((count, 3), np.float32)
    rows[:, 0] = frame
    return Queries(rows, np.arange(count), tuple(map(str, range(count))))


def test_jitter_becomes_less_and_the_query_stays() -> None:
    rng = np.random.default_rng(0)
    truth = np.stack([np.linspace(0, 30, 40), np.linspace(5, 9, 40)], -1)[None].repeat(20, 0)
    noisy = _paths(truth + rng.normal(0, 0.3, truth.shape))
    after = smoothed(noisy, _asked(20, frame=7), 2.0)
    assert np.abs(after.xy - truth).mean() < 0.7 * np.abs(noisy.xy - truth).mean()
    np.testing.assert_array_equal(after.xy[:, 7], noisy.xy[:, 7])
    np.testing.assert_array_equal(after.confidence, noisy.confidence)


def test_turns_hidden_points_and_unknown_places_stay() -> None:
    xy = np.zeros((3, 5, 2))
    xy[0, 2] = [9, 0]  # a jump, there and back
    xy[1, 2] = [0.3, 0]
    xy[2, 2] = [0.3, 0]
    xy[2, 3] = np.nan
    visible = np.isfinite(xy).all(2)
    visible[1, 3] = False
    before = _paths(xy, visible)
    after = smoothed(before, _asked(3), 1.0)
    np.testing.assert_array_equal(after.xy[:, 2:], before.xy[:, 2:])
    np.testing.assert_allclose(after.xy[1, 1], [0.06, 0], atol=1e-6)


@given(
    xy=arrays(np.float32, (2, 6, 2), elements=st.floats(-50, 50, width=32)),
    visible=arrays(np.bool_, (2, 6)),
    reach=st.floats(0, 5),
)
def test_nothing_moves_farther_than_allowed(xy, visible, reach) -> None:
    before = _paths(xy, visible)
    after = smoothed(before, _asked(2), reach)
    assert np.linalg.norm(after.xy - before.xy, axis=2).max() <= reach + 1e-4
    hidden = ~visible
    np.testing.assert_array_equal(after.xy[hidden], before.xy[hidden])


def test_videos_of_one_or_two_frames_are_left_alone() -> None:
    for frames in (1, 2):
        before = _paths(np.ones((1, frames, 2)))
        np.testing.assert_array_equal(smoothed(before, _asked(1), 1.0).xy, before.xy)
