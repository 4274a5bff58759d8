from __future__ import annotations

import numpy as np
import pytest

from pointtrack.synthesis.blender.choosing import (
    certain,
    choose_pixels,
    share_out,
    spread_over_frames,
)
from pointtrack.synthesis.blender.passes import FrameMaps


def maps(depth: np.ndarray, index: np.ndarray) -> FrameMaps:
    flat = np.zeros((*depth.shape, 3), np.float32)
    return FrameMaps(depth, flat, flat, index, flat[..., :2], flat[..., :2])


@pytest.mark.parametrize(("points", "frames"), [(256, 24), (256, 1), (1, 24), (7, 3), (100, 2)])
def test_all_points_begin_somewhere_in_the_clip(points: int, frames: int) -> None:
    counts = spread_over_frames(points, frames)
    assert sum(counts.values()) == points
    assert all(0 <= frame < frames and count > 0 for frame, count in counts.items())
    assert counts[0] == max(counts.values())


def test_half_of_the_points_begin_later() -> None:
    counts = spread_over_frames(256, 24)
    assert len(counts) == 6
    assert 120 <= counts[0] <= 140


def test_outlines_and_the_sky_are_not_certain() -> None:
    depth = np.full((12, 16), 5, np.float32)
    index = np.zeros((12, 16), np.uint16)
    index[:, 8:] = 1  # touches at the same depth
    depth[:, 12:] = np.inf
    sure = certain(maps(depth, index), focal=20)
    assert sure[5].tolist() == [False, *[True] * 6, False, False, *[True] * 2, *[False] * 5]
    assert not sure[0].any()
    assert not sure[-1].any()


def test_a_step_in_depth_of_one_object_is_an_outline_but_a_slope_is_none() -> None:
    index = np.ones((9, 30), np.uint16)
    slope = np.tile(np.linspace(5, 8, 30, dtype=np.float32), (9, 1))
    assert certain(maps(slope, index), focal=60)[1:-1, 1:-1].all()
    step = slope + (np.arange(30) >= 15) * np.float32(2)
    sure = certain(maps(step, index), focal=60)
    assert not sure[:, 14:16].any()
    assert sure[1:-1, 1:14].all()


def test_shares_are_even_but_small_things_take_no_more_than_a_tenth() -> None:
    assert share_out(90, [1000, 2000, 3000]) == [30, 30, 30]
    assert share_out(90, [10_000, 50, 10_000]) == [42, 5, 43]
    assert share_out(90, [20, 30]) == [2, 3]


def test_pixels_are_different_certain_and_balanced() -> None:
    index = np.zeros((100, 100), np.uint16)
    index[:20, :20] = 7
    sure = np.ones((100, 100), bool)
    sure[50] = False
    pixels = choose_pixels(np.random.default_rng(0), sure, index, 100)
    assert len(np.unique(pixels, axis=0)) == 100
    x, y = pixels.T
    assert sure[y, x].all()
    on_small = (index[y, x] == 7).mean()
    assert 0.25 < on_small < 0.45  # of 4 % of the picture


def test_fewer_pixels_where_there_are_not_enough() -> None:
    sure = np.zeros((10, 10), bool)
    sure[4, 5] = sure[2, 1] = True
    pixels = choose_pixels(np.random.default_rng(0), sure, np.zeros((10, 10), int), 9)
    assert sorted(map(tuple, pixels.tolist())) == [(1, 2), (5, 4)]
    none = choose_pixels(np.random.default_rng(0), ~np.ones_like(sure), np.zeros((10, 10), int), 9)
    assert none.shape == (0, 2)
