from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubric_scenes import turning_boxes

from pointtrack.datasets.kubric import (
    Scene,
    Window,
    allocate,
    draw_pixels,
    random_window,
    sample_tracks,
)
from pointtrack.errors import PointtrackError

SCENE = turning_boxes(frames=8).render()
seeds = st.integers(0, 2**32 - 1)


def flat(segments: np.ndarray) -> Scene:
    """A scene of which only the segments matter."""
    return replace(SCENE, segments=segments)


def test_allocation_by_hand() -> None:
    # Smallest first: 0 of 0; 12 wanted, 3 allowed; 15, 12; 16.5, which rounds to 16; the rest.
    np.testing.assert_array_equal(allocate([30, 0, 7, 400, 55], 48, 0.4), [12, 0, 3, 17, 16])
    np.testing.assert_array_equal(allocate([25, 1000], 7, 0.1), [2, 5])  # 2.5 rounds to 2
    np.testing.assert_array_equal(allocate([], 7), [])


@given(st.lists(st.integers(0, 5000), max_size=12), st.integers(1, 600), st.floats(0.01, 1))
def test_allocation_gives_no_more_than_there_is(
    counts: list[int], total: int, fraction: float
) -> None:
    given_points = allocate(counts, total, fraction)
    caps = np.array([round(fraction * count) for count in counts])
    assert given_points.sum() <= total
    assert (given_points <= caps).all()
    assert (given_points >= 0).all()
    if caps.sum() <= total:
        np.testing.assert_array_equal(given_points, caps)
    elif (given_points < caps).any():  # none is cut short while points are left over
        assert given_points.sum() == total


@given(st.permutations([4, 90, 300, 1000, 2000]))
def test_allocation_does_not_depend_on_the_order(counts: list[int]) -> None:
    given_points = dict(zip(counts, allocate(counts, 100).tolist(), strict=True))
    assert given_points == {4: 0, 90: 9, 300: 30, 1000: 30, 2000: 31}


@given(seeds, st.integers(1, 5), st.booleans())
def test_drawn_pixels_lie_on_one_grid_in_the_window(seed: int, stride: int, cut: bool) -> None:
    window = Window(11, 7, 60, 44) if cut else None
    drawn = draw_pixels(SCENE, 100, np.random.default_rng(seed), window=window, stride=stride)
    assert drawn.shape == (100, 3)
    assert (drawn % stride == drawn[0] % stride).all()
    low, high = ((0, 7, 11), (8, 44, 60)) if cut else ((0, 0, 0), (8, 48, 72))
    assert ((drawn >= low) & (drawn < high)).all()


@given(seeds)
def test_every_segment_gets_what_is_allocated_to_it(seed: int) -> None:
    drawn = draw_pixels(SCENE, 80, np.random.default_rng(seed), max_fraction=0.5)
    first = drawn.min(axis=0) % 4
    candidates = SCENE.segments[first[0] :: 4, first[1] :: 4, first[2] :: 4]
    wanted = allocate(np.bincount(candidates.reshape(-1)), 80, 0.5)
    assert wanted.sum() == 80
    segment = SCENE.segments[tuple(drawn.T)]
    np.testing.assert_array_equal(np.bincount(segment), wanted)
    assert (np.diff(segment.astype(int)) >= 0).all()
    assert (np.diff(drawn[segment == 0, 0]) >= 0).all()  # the background by frame


def test_every_candidate_of_a_segment_is_as_likely_as_another() -> None:
    segments = np.zeros(SCENE.segments.shape, np.uint8)
    segments[:, :16, :16] = 1
    random = np.random.default_rng(0)
    drawn = [draw_pixels(flat(segments), 64, random, max_fraction=0.5) for _ in range(300)]
    places = np.concatenate(drawn)
    chosen = places[segments[tuple(places.T)] == 1]
    # Over all grid starts: 16 x 16 pixels of each frame, all equally likely.
    for axis, bins in ((0, 8), (1, 16), (2, 16)):
        counts = np.bincount(chosen[:, axis], minlength=bins)
        assert len(counts) == bins
        assert counts.min() > 0.5 * len(chosen) / bins


def test_a_grid_start_is_random_in_time_and_place() -> None:
    random = np.random.default_rng(3)
    starts = {tuple(draw_pixels(SCENE, 2, random)[0] % 4) for _ in range(400)}
    assert len(starts) > 50  # of 64


def test_too_few_points_are_filled_up_with_the_last_but_one() -> None:
    segments = np.full(SCENE.segments.shape, -1)
    segments[:, 20:28, 20:28] = 1  # 4 or more grid points in two frames
    drawn = draw_pixels(flat(segments), 20, np.random.default_rng(0), max_fraction=0.7)
    taken = round(0.7 * 8)
    np.testing.assert_array_equal(drawn[taken:], np.tile(drawn[taken - 2], (20 - taken, 1)))
    alone = draw_pixels(flat(segments), 3, np.random.default_rng(0), max_fraction=0.1)
    np.testing.assert_array_equal(alone, np.tile(alone[0], (3, 1)))


def test_segments_from_a_number_on_and_rims_are_left_out() -> None:
    drawn = draw_pixels(SCENE, 200, np.random.default_rng(0), max_segments=2)
    assert set(SCENE.segments[tuple(drawn.T)]) == {0, 1}
    rimless = SCENE.without_rims()
    drawn = draw_pixels(rimless, 500, np.random.default_rng(0), stride=1)
    assert (rimless.segments[tuple(drawn.T)] >= 0).all()
    np.testing.assert_array_equal(rimless.segments[tuple(drawn.T)], SCENE.segments[tuple(drawn.T)])


def test_nothing_to_draw_is_refused() -> None:
    nothing = flat(np.full(SCENE.segments.shape, -1))
    with pytest.raises(PointtrackError, match="no point can be drawn: 0 candidates"):
        draw_pixels(nothing, 10, np.random.default_rng(0))
    with pytest.raises(PointtrackError, match=r"at most 0\.0001 of each"):
        draw_pixels(SCENE, 10, np.random.default_rng(0), max_fraction=1e-4)
    with pytest.raises(PointtrackError, match="must be positive"):
        draw_pixels(SCENE, 0, np.random.default_rng(0))
    for window in (Window(0, 0, 73, 48), Window(5, 5, 5, 9), Window(-1, 0, 9, 9)):
        with pytest.raises(PointtrackError, match="window must lie in the picture of 72x48"):
            draw_pixels(SCENE, 10, np.random.default_rng(0), window=window)


@given(seeds)
def test_random_windows_have_the_shape_that_is_asked_for(seed: int) -> None:
    random = np.random.default_rng(seed)
    window = random_window(random, (320, 200), aspect=(0.5, 1.5), area=(0.2, 0.6))
    window.check((320, 200))
    width, height = window.size
    assert 0.48 < width / height < 1.53
    assert 0.19 < width * height / (320 * 200) < 0.61


def test_a_window_that_cannot_fit_is_the_whole_picture() -> None:
    random = np.random.default_rng(0)
    assert random_window(random, (100, 10), aspect=(1, 1), area=(0.9, 1)) == (0, 0, 100, 10)
    places = {random_window(random, (64, 64))[:2] for _ in range(50)}
    assert len(places) > 20


def test_a_seed_gives_the_same_tracks_again_and_another_seed_others() -> None:
    first, again, other = (
        sample_tracks(SCENE, 50, np.random.default_rng(seed), snap_to_occluder=True)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.queries, again.queries)
    np.testing.assert_array_equal(first.xy, again.xy)
    assert not np.array_equal(first.queries, other.queries)
