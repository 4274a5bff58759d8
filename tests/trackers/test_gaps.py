"""Gaps in tracks: which are found, and what comes into them from behind."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths
from pointtrack.trackers.gaps import Gap, fill_gaps, find_gaps, frames_within
from pointtrack.trackers.session import Session
from pointtrack.video import open_finite

FRAMES = 12
VIDEO = open_finite(np.arange(FRAMES, dtype=np.uint8)[:, None, None, None] * np.ones(3, np.uint8)
                    + np.zeros((1, 16, 16, 1), np.uint8))  # fmt: skip


class _Knowing(Session):
    """Moves each point by one pixel a frame of the video it passes; as sure as ``sure (T,)``."""

    stepped: list[int]

    def __init__(self, sure: np.ndarray, stepped: list[int]):
        super().__init__()
        self._sure, self._stepped = sure, stepped
        self._xy = np.empty((0, 2), np.float32)

    def _start(self, frame: np.ndarray) -> None:
        self._stepped.append(int(frame[0, 0, 0]))

    def _begin(self, xy: np.ndarray) -> None:
        self._xy = np.concatenate([self._xy, xy])

    def _keep(self, rows: np.ndarray) -> None:
        self._xy = self._xy[rows]

    def _advance(self, frame: np.ndarray):
        t = int(frame[0, 0, 0])
        way = t - self._stepped[-1]
        self._stepped.append(t)
        self._xy = self._xy + np.float32([way, 0])
        sure = np.full(len(self._xy), self._sure[t], np.float32)
        return self._xy.copy(), sure > 0.4, sure


def _asked(count: int, frame: int) -> Queries:
    rows = np.zeros((count, 3), np.float32)
    rows[:, 0] = frame
    return Queries(rows, np.arange(count), tuple(map(str, range(count))))


def _paths(visible: np.ndarray, sure: float = 0.9) -> Paths:
    """Tracks of points that are where the frame's number says while visible, and lost else."""
    x = np.where(visible, np.arange(visible.shape[1]), -50).astype(np.float32)
    xy = np.stack([x, np.zeros_like(x)], axis=2)
    confidence = np.where(visible, sure, 0.1).astype(np.float32)
    return Paths(xy, visible.copy(), confidence, np.ones_like(confidence))


def _filled(paths: Paths, gaps: list[Gap], sure: np.ndarray) -> tuple[Paths, list[int], int]:
    stepped: list[int] = []
    ticks = itertools.count()
    after = fill_gaps(
        paths, gaps, VIDEO, lambda: _Knowing(sure, stepped), lambda: next(ticks) and None
    )
    return after, stepped, next(ticks)


def _shown(*frames: int) -> np.ndarray:
    visible = np.zeros((1, FRAMES), bool)
    visible[0, list(frames)] = True
    return visible


def test_a_gap_is_filled_up_to_where_the_point_was_seen_last() -> None:
    before = _paths(_shown(0, 1, 2, 7, 8, 9, 10, 11))
    gaps = find_gaps(before, _asked(1, 0))
    assert gaps == [Gap(0, 2, 8)]
    after, stepped, ticks = _filled(before, gaps, np.full(FRAMES, 0.8))
    assert after.visible.all()
    np.testing.assert_allclose(after.xy[0, :, 0], np.arange(FRAMES))
    np.testing.assert_allclose(after.confidence[0, 3:7], 0.8)
    np.testing.assert_array_equal(after.confidence[0, 7:], before.confidence[0, 7:])
    assert stepped == [8, 7, 6, 5, 4, 3]  # no frame that is in no gap
    assert ticks == len(stepped) <= frames_within(gaps)


def test_it_ends_where_the_point_is_in_doubt() -> None:
    before = _paths(_shown(0, 1, 2, 8, 9, 10))
    sure = np.full(FRAMES, 0.8)
    sure[5] = 0.5  # visible, but not sure
    after, stepped, _ = _filled(before, find_gaps(before, _asked(1, 0)), sure)
    assert np.flatnonzero(after.visible[0]).tolist() == [0, 1, 2, 6, 7, 8, 9, 10]
    np.testing.assert_array_equal(after.xy[0, :6], before.xy[0, :6])
    assert stepped == [9, 8, 7, 6, 5]


def test_a_point_that_is_seen_once_or_vaguely_is_not_followed_back() -> None:
    once = _paths(_shown(0, 1, 6))
    vague = _paths(_shown(0, 1, 6, 7, 8), sure=0.55)
    for paths in (once, vague):
        assert find_gaps(paths, _asked(1, 0)) == []
    assert find_gaps(_paths(np.ones((2, FRAMES), bool)), _asked(2, 3)) == []
    assert find_gaps(_paths(_shown(4)[:, :1]), _asked(1, 0)) == []


def test_before_its_query_a_point_is_followed_forwards() -> None:
    before = _paths(_shown(0, 1, 2, 6, 7, 8, 9, 10, 11))
    asked = _asked(1, 8)
    assert find_gaps(before, asked, both_ways=False) == []
    gaps = find_gaps(before, asked)
    assert gaps == [Gap(0, 6, 1)]
    after, stepped, _ = _filled(before, gaps, np.full(FRAMES, 0.8))
    assert after.visible.all()
    assert stepped == [1, 2, 3, 4, 5]


def test_gaps_far_apart_are_filled_without_the_frames_between() -> None:
    before = _paths(_shown(0, 1, 3, 4, 5, 6, 7, 8, 10, 11))
    after, stepped, ticks = _filled(before, find_gaps(before, _asked(1, 0)), np.full(FRAMES, 0.8))
    assert after.visible.all()
    assert stepped == [11, 10, 9, 4, 3, 2]
    assert ticks == 6


def test_between_observations_nothing_is_changed() -> None:
    before = _paths(_shown(0, 1, 2, 6, 7, 8, 9, 10, 11))
    txy = np.float32([[0, 0, 0], [9, 0, 0]])
    assert find_gaps(before, Queries(txy, np.zeros(2, int), ("a",))) == []


@given(
    visible=arrays(np.bool_, (3, FRAMES)),
    sure=arrays(np.float32, FRAMES, elements=st.floats(0, 1, width=32)),
    frame=st.integers(0, FRAMES - 1),
)
def test_only_what_was_unseen_between_sights_is_changed(visible, sure, frame) -> None:
    visible[:, frame] = True
    before = _paths(visible)
    gaps = find_gaps(before, _asked(3, frame))
    after, _, ticks = _filled(before, gaps, sure)
    assert ticks <= frames_within(gaps)
    changed = after.visible & ~before.visible
    np.testing.assert_array_equal(after.visible | before.visible, after.visible)
    np.testing.assert_array_equal(after.xy[~changed], before.xy[~changed])
    np.testing.assert_array_equal(after.confidence[~changed], before.confidence[~changed])
    np.testing.assert_array_equal(after.radius[~changed], before.radius[~changed])
    inside = np.zeros_like(visible)
    for gap in gaps:
        low, high = sorted(gap[1:])
        inside[gap.point, low + 1 : high] = True
    assert not (changed & ~inside).any()
    assert (after.confidence[changed] > 0.6).all()


@pytest.mark.parametrize("given_radius", [True, False])
def test_the_tracks_that_came_in_stay_as_they_are(given_radius: bool) -> None:
    before = _paths(_shown(0, 1, 2, 7, 8, 9))
    if not given_radius:
        before.radius = None
    kept = before.xy.copy()
    after, _, _ = _filled(before, find_gaps(before, _asked(1, 0)), np.full(FRAMES, 0.8))
    np.testing.assert_array_equal(before.xy, kept)
    assert (after.radius is not None) == given_radius
