from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from takes import blobs, misses, noise_take

from pointtrack.errors import PointtrackError
from pointtrack.geometry import inside
from pointtrack.training.drift import bend, damped_steps, following_crop, signal
from pointtrack.training.recipes import RECIPES
from pointtrack.training.sample import Take
from pointtrack.training.spatial import SpatialConfig, move, plan_warp
from pointtrack.training.warp import (
    Warp,
    mirror_x,
    mirror_y,
    scaling,
    swapping,
    translation,
    turning,
    warp_take,
    well_inside,
)

SIZE = (120, 90)
EACH = {
    "resize": (SpatialConfig(), (96, 60)),
    "enlarge": (SpatialConfig(), (150, 180)),
    "drift": (SpatialConfig(drift=1, reference=SIZE, pad=(0, 9), crop_drift=3), SIZE),
    "fit": (SpatialConfig(drift=1, reference=SIZE, fit=1.2, crop_drift=3), (80, 80)),
    "follow": (SpatialConfig(follow=1), (80, 70)),
    "crop": (SpatialConfig(crop=1), (80, 70)),
    "roll": (SpatialConfig(roll=1, reference=(256, 256)), SIZE),
    "homography": (SpatialConfig(homography=1, strength=0.6), SIZE),
    "flip_x": (SpatialConfig(flip_x=1), SIZE),
    "flip_y": (SpatialConfig(flip_y=1), SIZE),
    "transpose": (SpatialConfig(transpose=1), (90, 120)),
    "all": (
        SpatialConfig(
            drift=1, reference=(256, 256), roll=1, homography=1, transpose=1, flip_x=1, flip_y=1,
            pad=(0, 20), strength=0.5,
        ),
        SIZE,
    ),
}  # fmt: skip
REACH = {"enlarge": 15}  # between 4 and 7.5 deviations of a blob


def warp_of(matrix: np.ndarray, take: Take, size: tuple[int, int] | None = None) -> Warp:
    return Warp(np.stack([matrix] * len(take.video)), take.size, size or take.size)


@pytest.mark.parametrize("name", EACH)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=6, deadline=None)
def test_points_move_with_their_pixels(name: str, seed: int) -> None:
    config, size = EACH[name]
    moved = move(blobs(seed), config, size, np.random.default_rng(seed))
    assert moved.size == size
    gaps = misses(moved, REACH.get(name, 10))
    if len(gaps) >= 10:
        assert np.quantile(np.linalg.norm(gaps, axis=1), 0.9) < 0.05
        assert np.linalg.norm(gaps.mean(axis=0)) < 0.03  # half a pixel forgotten would be more


@pytest.mark.parametrize("name", EACH)
def test_points_that_move_with_their_pixels_are_many(name: str) -> None:
    config, size = EACH[name]
    found = [
        len(misses(move(blobs(s), config, size, np.random.default_rng(s)), REACH.get(name, 10)))
        for s in range(4)
    ]
    assert sum(found) > 60


def test_half_a_pixel_off_would_be_noticed() -> None:
    take = blobs(0)
    moved = move(take, SpatialConfig(), (96, 60), np.random.default_rng(0))
    off = replace(moved, xy=moved.xy + np.float32([0.1, 0]))
    assert np.linalg.norm(misses(off, 10).mean(axis=0)) > 0.08


@pytest.mark.parametrize("matrix", [mirror_x((40, 30)), mirror_y((40, 30))])
def test_mirrored_twice_is_unchanged(matrix: np.ndarray) -> None:
    take = noise_take(3)
    once = warp_take(take, warp_of(matrix, take))
    twice = warp_take(once, warp_of(matrix, once))
    assert not np.array_equal(once.video, take.video)
    assert np.array_equal(twice.video, take.video)
    assert np.allclose(twice.xy, take.xy, atol=1e-5)
    assert np.array_equal(twice.visible, take.visible)


def test_a_mirror_takes_pixel_x_to_width_minus_1_minus_x() -> None:
    take = noise_take(1)
    mirrored = warp_take(take, warp_of(mirror_x(take.size), take))
    assert np.array_equal(mirrored.video, take.video[:, :, ::-1])
    assert np.allclose(mirrored.xy[..., 0], 39 - take.xy[..., 0], atol=1e-5)
    assert np.allclose(mirrored.xy[..., 1], take.xy[..., 1], atol=1e-5)


def test_a_transposed_picture_has_rows_as_columns() -> None:
    take = noise_take(1)
    swapped = warp_take(take, warp_of(swapping(), take, (30, 40)))
    assert np.array_equal(swapped.video, take.video.transpose(0, 2, 1, 3))
    assert np.allclose(swapped.xy, take.xy[..., ::-1], atol=1e-5)


def test_a_crop_is_a_part_of_the_picture() -> None:
    take = noise_take(1)
    cropped = warp_take(take, warp_of(translation(-7, -4), take, (20, 15)))
    assert np.array_equal(cropped.video, take.video[:, 4:19, 7:27])


def test_no_change_costs_no_copy() -> None:
    take = noise_take(1)
    assert move(take, SpatialConfig(), take.size, np.random.default_rng(0)).video is take.video


def test_shrinking_averages_rather_than_skips() -> None:
    """A checkerboard of single pixels becomes grey; taking every fourth pixel keeps it."""
    board = np.indices((64, 64)).sum(axis=0) % 2 * 255
    video = board.astype(np.uint8)[None, ..., None].repeat(3, axis=3)
    none = np.zeros((0, 1), bool)
    take = Take("board", video, np.zeros((0, 1, 2), np.float32), none, none)
    small = warp_take(take, warp_of(scaling(0.25, 0.25), take, (16, 16)))
    assert small.video.min() > 120
    assert small.video.max() < 135


def test_what_leaves_the_source_or_the_output_is_not_visible() -> None:
    take = noise_take(5, points=200)
    wrong = replace(take, visible=take.valid.copy())  # as some annotations have it
    moved = warp_take(wrong, warp_of(translation(10, 0), take))
    expected = inside(take.xy, take.size) & inside(moved.xy, take.size)
    assert np.array_equal(moved.visible, expected)
    assert 0 < moved.visible.sum() < inside(take.xy, take.size).sum()
    assert moved.valid.all()


def test_what_was_hidden_stays_hidden() -> None:
    take = blobs(1)
    hidden = replace(take, visible=take.visible & (np.arange(len(take)) % 2 == 0)[:, None])
    moved = move(hidden, EACH["drift"][0], SIZE, np.random.default_rng(0))
    assert moved.visible.any()
    assert not moved.visible[1::2].any()


@pytest.mark.parametrize(
    ("border", "x", "expected"),
    [
        (0.0, -0.5, True), (0.0, -0.51, False), (0.0, 39.5, True), (0.0, 39.51, False),
        (0.5, 0.0, True), (0.5, -0.01, False), (0.5, 39.0, True), (0.5, 39.01, False),
        (1.5, 1.0, True), (1.5, 0.99, False), (1.5, 38.0, True), (1.5, 38.01, False),
    ],
)  # fmt: skip
def test_borders_of_the_published_rules(border: float, x: float, expected: bool) -> None:
    assert bool(well_inside(np.array([x, 15.0]), (40, 30), border)) is expected


def test_a_place_that_is_nowhere_is_not_in_the_picture() -> None:
    assert not well_inside(np.array([np.nan, 3.0]), (40, 30), 0.5)


def test_points_beyond_the_horizon_are_not_valid() -> None:
    take = noise_take(2)
    matrix = np.array([[1, 0, 0], [0, 1, 0], [-1 / 20, 0, 1.0]])  # the horizon is at x = 20
    moved = warp_take(take, warp_of(matrix, take))
    assert not moved.valid[take.xy[..., 0] > 20].any()
    assert moved.valid[take.xy[..., 0] < 19].all()
    assert np.isnan(moved.xy[~moved.valid]).all()


def test_rolling_brings_points_back_on_the_other_side() -> None:
    take = noise_take(0, frames=1)
    around = np.asarray(take.size) + 2 * 10
    for shift in ([0, 0], [around[0], 0], [-around[0], 3 * around[1]]):
        warp = Warp(np.eye(3)[None], take.size, take.size, border=10, shift=np.array([shift]))
        moved = warp_take(take, warp)
        assert np.array_equal(moved.video, take.video)
        assert np.allclose(moved.xy, take.xy, atol=1e-4)


def test_a_shift_beyond_the_border_comes_in_from_the_other_side() -> None:
    take = noise_take(0, frames=1)
    warp = Warp(np.eye(3)[None], take.size, take.size, border=10, shift=np.array([[35, 0]]))
    moved = warp_take(take, warp)
    # Columns 25 to 39 of the source went out on the right and are back from column 0 on.
    assert np.array_equal(moved.video[0, :, :15], take.video[0, :, 25:])
    there = take.visible[:, 0] & (take.xy[:, 0, 0] >= 25)
    assert np.allclose(moved.xy[there, 0, 0], take.xy[there, 0, 0] - 25, atol=1e-4)
    assert moved.visible[there].all()


def test_turning_keeps_the_centre_and_turns_x_up() -> None:
    turned = turning(90, (20, 15)) @ np.array([[20, 15, 1], [30, 15, 1]]).T
    assert np.allclose(turned[:2].T, [[20, 15], [20, 5]])


def test_drift_is_smooth_and_stays_in_the_picture() -> None:
    config = SpatialConfig(drift=1, reference=(128, 96), crop_drift=4, pad=(0, 10))
    take = noise_take(0, size=(128, 96), frames=30)
    for seed in range(10):
        warp = plan_warp(take, config, (128, 96), np.random.default_rng(seed))
        scales = warp.matrices[:, [0, 1], [0, 1]]
        assert (np.abs(np.diff(scales, axis=0)) < 0.13).all()
        # The padded picture covers the crop: its corners stay outside.
        inverse = np.linalg.inv(warp.matrices)
        low, high = inverse[:, :2, 2], inverse @ np.array([128, 96, 1.0])
        assert (low >= -10.001).all()
        assert (high[:, :2] <= np.array([138.001, 106.001])).all()


def test_steps_are_bounded_and_go_on() -> None:
    steps = damped_steps(2, 4000, 3.0, 0.8, np.random.default_rng(0))
    assert (steps[0] == 0).all()
    assert np.abs(steps).max() <= 3
    assert 0.75 < np.corrcoef(steps[1:-1, 0], steps[2:, 0])[0, 1] < 0.85


def test_a_following_crop_has_its_point_in_the_middle_until_the_edge() -> None:
    path = np.column_stack([np.linspace(0, 200, 41), np.full(41, 50.0)])
    corners = following_crop(path, np.array([200.0, 100.0]), (60, 40))
    middle = (path[:, 0] > 35) & (path[:, 0] < 165)
    assert np.allclose(corners[middle, 0] + 30, path[middle, 0])
    assert corners[:, 0].min() == 0
    assert corners[:, 0].max() == 140
    assert (corners[:, 1] == 30).all()


def test_the_followed_point_stays_in_the_crop() -> None:
    take = noise_take(0, size=(200, 150), frames=20, points=1)
    path = np.column_stack([np.linspace(20, 180, 20), 75 + 40 * np.sin(np.arange(20) / 3)])
    flags = np.ones((1, 20), bool)
    lively = replace(take, xy=path[None].astype(np.float32), visible=flags, valid=flags)
    moved = move(lively, SpatialConfig(follow=1), (60, 60), np.random.default_rng(0))
    assert moved.visible.all()
    assert np.abs(moved.xy[0, 5:15] - 29.5).max() < 12


def test_corners_of_a_bent_picture_never_cross() -> None:
    for seed in range(20):
        matrices = bend((100, 80), 30, 2.0, np.random.default_rng(seed))
        corners = np.array([[0, 0, 1], [100, 0, 1], [100, 80, 1], [0, 80, 1.0]])
        moved = np.einsum("tij,cj->tci", matrices, corners)
        share = moved[..., :2] / moved[..., 2:] / [100, 80]
        assert (np.abs(share - corners[:, :2] / [100, 80]) <= 0.3 + 1e-9).all()
        assert np.allclose(matrices[0], np.eye(3))


def test_signals_begin_at_rest() -> None:
    values = signal(30, 10, (5, 5), 200, np.random.default_rng(0))
    assert values[0] == 0
    assert 5 < np.abs(values).max() < 2 * 5 * 40


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_lots_give_the_same_take(name: str) -> None:
    config = RECIPES[name][0].spatial
    results = [move(blobs(1), config, (96, 96), np.random.default_rng(5)) for _ in range(2)]
    assert np.array_equal(results[0].video, results[1].video)
    assert np.array_equal(results[0].xy, results[1].xy, equal_nan=True)
    assert results[0].size == (96, 96)


@pytest.mark.parametrize(
    "wrong",
    [
        {"drift": 1.5}, {"pad": (5, 2)}, {"pad": (0.5, 2)}, {"scale": (0, 1)}, {"fill": "white"},
        {"reference": (0, 3)}, {"strength": -1}, {"border": float("nan")}, {"scale": 3},
    ],
)  # fmt: skip
def test_settings_out_of_range_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(PointtrackError, match=next(iter(wrong))):
        SpatialConfig(**wrong)  # type: ignore[arg-type]
