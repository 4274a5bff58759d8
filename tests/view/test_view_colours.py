from __future__ import annotations

import numpy as np
import pytest

from pointtrack.errors import PointtrackError
from pointtrack.view import colours


def test_oklab_round_trip_keeps_every_displayable_colour():
    rgb = np.random.default_rng(0).integers(0, 256, (500, 3))
    back = colours.oklab_to_rgb(colours.rgb_to_oklab(rgb))
    assert np.abs(back.astype(int) - rgb).max() <= 1


def test_oklab_of_white_and_black():
    np.testing.assert_allclose(colours.rgb_to_oklab([255, 255, 255]), [1, 0, 0], atol=1e-3)
    np.testing.assert_allclose(colours.rgb_to_oklab([0, 0, 0]), [0, 0, 0], atol=1e-9)


def test_colours_out_of_gamut_keep_lightness_and_hue():
    rgb = colours.oklch_to_rgb(0.7, 0.4, 140.0)
    lightness, a, b = colours.rgb_to_oklab(rgb)
    assert lightness == pytest.approx(0.7, abs=0.01)
    assert np.rad2deg(np.arctan2(b, a)) == pytest.approx(140, abs=1.5)


def test_position_map_is_smooth():
    uv = np.stack(np.meshgrid(np.linspace(0, 1, 200), np.linspace(0, 1, 200)), axis=-1)
    lab = colours.rgb_to_oklab(colours.position_map(uv))
    steps = np.concatenate(
        [np.linalg.norm(np.diff(lab, axis=axis), axis=-1).ravel() for axis in (0, 1)]
    )
    assert steps.max() < 0.04


def test_position_map_tells_the_corners_apart():
    lab = colours.rgb_to_oklab(colours.position_map([[0, 0], [1, 0], [0, 1], [1, 1]]))
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(4, 1)]
    assert apart.min() > 0.15


def test_by_position_spans_a_small_cluster_but_not_fully():
    cluster = np.array([[100, 100], [110, 100], [105, 110]], np.float32)
    spread = cluster * 3 - 200
    small = colours.rgb_to_oklab(colours.by_position(cluster, (640, 480)))
    large = colours.rgb_to_oklab(colours.by_position(spread * 4, (640, 480)))
    reach = [np.linalg.norm(c - c.mean(axis=0), axis=1).mean() for c in (small, large)]
    assert 0 < reach[0] < reach[1]


def test_by_position_of_one_point_and_of_unknown_ones():
    lone = colours.by_position([[5.0, 5.0]], (20, 20))
    assert lone.shape == (1, 3)
    assert np.ptp(lone) > 100  # a real colour, not grey
    assert colours.by_position([[np.nan, np.nan], [1, 2], [9, 8]], (20, 20)).dtype == np.uint8
    assert colours.by_position(np.full((2, 2), np.nan), (20, 20)).shape == (2, 3)
    assert colours.by_position(np.zeros((0, 2)), (20, 20)).shape == (0, 3)


def test_neighbours_by_identity_are_unlike():
    lab = colours.rgb_to_oklab(colours.by_identity(60))
    assert np.linalg.norm(np.diff(lab, axis=0), axis=1).min() > 0.15
    assert len(np.unique(colours.by_identity(60), axis=0)) == 60


def test_confidence_runs_from_warm_to_cold():
    low, high = colours.by_confidence([0.0, 1.0]).astype(int)
    assert low[0] > low[2] + 100
    assert high[2] > high[0] + 100
    assert (colours.by_confidence(np.nan) == colours.by_confidence(0)).all()


def test_colours_on_white_paper_have_contrast():
    lab = colours.rgb_to_oklab(colours.on_white(colours.by_identity(60)))
    assert lab[:, 0].max() < 0.72


def test_hex_code_and_palette():
    assert colours.hex_code([255, 0, 16]) == "#ff0010"
    assert colours.palette_colour(len(colours.PALETTE)) == colours.PALETTE[0]
    with pytest.raises(PointtrackError, match="-1"):
        colours.palette_colour(-1)
