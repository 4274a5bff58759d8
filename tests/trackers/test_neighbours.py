"""Finished tracks moved towards where the points around them say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths
from pointtrack.trackers.neighbours import with_neighbours

FRAMES = 8


def _grid(step: float = 10.0) -> np.ndarray:
    """Places about ``step`` apart, no two at the same distance from a third."""
    y, x = np.mgrid[40:120:step, 40:120:step]
    places = np.column_stack([x.ravel(), y.ravel()])
    return places + np.random.default_rng(0).uniform(-0.2, 0.2, places.shape) * step


def _affine(points: np.ndarray, seed: int) -> np.ndarray:
    """Points of a surface that moves, turns and grows, ``(N, T, 2)``."""
    rng = np.random.default_rng(seed)
    bend, shift = rng.normal(0, 0.02, (2, 2)), rng.normal(0, 2, 2)
    middle = points.mean(axis=0)
    return np.stack(
        [points + t * (shift + (points - middle) @ bend) for t in range(FRAMES)], axis=1
    )


def _paths(xy: np.ndarray, visible: np.ndarray | None = None) -> Paths:
    shown = np.ones(xy.shape[:2], bool) if visible is None else visible
    return Paths(xy.astype(np.float32), shown, np.where(shown, 0.9, 0.1).astype(np.float32))


def _asked(xy: np.ndarray, frame: int = 0) -> Queries:
    return Queries(np.column_stack([np.full(len(xy), frame), xy[:, frame]]))


def _noisy(xy: np.ndarray, seed: int, frame: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.5, xy.shape)
    noise[:, frame] = 0
    return xy + noise


def _off(paths: Paths, xy: np.ndarray) -> float:
    return float(np.linalg.norm(paths.xy - xy, axis=2).mean())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0, 3, FRAMES - 1]))
def test_errors_of_points_on_one_surface_become_smaller(seed: int, frame: int) -> None:
    xy = _affine(_grid(), seed)
    paths = _paths(_noisy(xy, seed, frame))
    better = with_neighbours(paths, _asked(xy, frame), 1.0)
    assert _off(better, xy) < 0.8 * _off(paths, xy)
    np.testing.assert_array_equal(better.xy[:, frame], paths.xy[:, frame])
    assert np.linalg.norm(better.xy - paths.xy, axis=2).max() < 2


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_exact_tracks_of_one_surface_stay(seed: int) -> None:
    xy = _affine(_grid(), seed)
    same = with_neighbours(_paths(xy), _asked(xy), 1.0)
    # Maps are held back a little from bending, and so points at the edge of it.
    assert np.linalg.norm(same.xy - xy, axis=2).max() < 0.25


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 4.0))
def test_lengths_are_in_units_of_the_picture(seed: int, unit: float) -> None:
    xy = _affine(_grid(), seed)
    noisy = _noisy(xy, seed)
    once = with_neighbours(_paths(noisy), _asked(xy), 1.0)
    larger = with_neighbours(_paths(unit * noisy), _asked(unit * xy), unit)
    np.testing.assert_allclose(larger.xy, unit * once.xy, atol=0.02 * unit)


def test_points_of_another_surface_have_no_say() -> None:
    points = _grid(5.0)
    xy = np.repeat(points[:, None], FRAMES, axis=1)
    time = np.arange(FRAMES)[:, None]
    front = np.arange(len(points)) % 3 == 0
    xy[front] += 4.0 * time * np.array([1.0, 0.0])
    noisy = _noisy(xy, 1)
    better = with_neighbours(_paths(noisy), _asked(xy), 1.0)
    late = slice(3, None)  # at first the two are too near to be told apart
    for which in (front, ~front):
        before = np.linalg.norm((noisy - xy)[which, late], axis=2).mean()
        after = np.linalg.norm((better.xy - xy)[which, late], axis=2).mean()
        assert after < 0.85 * before


def test_a_point_alone_and_one_that_is_lost_stay() -> None:
    xy = _affine(_grid(), 3)
    xy = np.concatenate([xy, 400 + xy[:1]])
    wrong = xy.copy()
    wrong[20, 4:] += [30, 5]  # lost there
    same = with_neighbours(_paths(wrong), _asked(xy), 1.0)
    np.testing.assert_array_equal(same.xy[20, 4:], wrong[20, 4:].astype(np.float32))
    np.testing.assert_array_equal(same.xy[-1], wrong[-1].astype(np.float32))


def test_hidden_points_are_neither_moved_nor_asked() -> None:
    xy = _affine(_grid(), 4)
    noisy = _noisy(xy, 4)
    visible = np.ones(xy.shape[:2], bool)
    visible[::2, 5:] = False
    astray = noisy.copy()
    astray[::2, 5:] += 1.0
    blank = noisy.copy()
    blank[::2, 5:] = np.nan
    one, other = (
        with_neighbours(_paths(some, visible), _asked(xy), 1.0) for some in (astray, blank)
    )
    np.testing.assert_array_equal(one.xy[::2, 5:], astray[::2, 5:].astype(np.float32))
    assert np.isnan(other.xy[::2, 5:]).all()
    np.testing.assert_array_equal(one.xy[1::2], other.xy[1::2])


def test_corrected_points_stay_where_they_are() -> None:
    xy = _affine(_grid(), 5)
    noisy = _noisy(xy, 5)
    rows = np.column_stack([np.zeros(len(xy)), xy[:, 0]])
    corrected = np.concatenate([rows, [[4, *xy[7, 4]]]])
    queries = Queries(corrected, np.append(np.arange(len(xy)), 7))
    better = with_neighbours(_paths(noisy), queries, 1.0)
    np.testing.assert_array_equal(better.xy[7], noisy[7].astype(np.float32))
    assert (better.xy[8] != noisy[8].astype(np.float32)).any()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_points_are_no_trouble(count: int) -> None:
    xy = _affine(_grid()[:count], 6)
    paths = _paths(xy)
    np.testing.assert_allclose(with_neighbours(paths, _asked(xy), 1.0).xy, paths.xy, atol=0.2)
