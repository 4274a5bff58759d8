from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pointtrack.synthesis.blender.config import BlenderConfig
from pointtrack.synthesis.blender.recipes import Recipe, develop, draw_recipe

GREY = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[:, None], (48, 1, 3))
PLAIN = Recipe(0.0, (0.0,) * 4, 0.0, 0.0, None)


def config(**chances: float) -> BlenderConfig:
    return BlenderConfig("abstract", frames=4, **chances)  # type: ignore[arg-type]


def test_without_chances_pictures_stay_as_they_are() -> None:
    assert draw_recipe(config(), 3) == PLAIN
    assert np.array_equal(develop(GREY, PLAIN, 3, 0, 0), GREY)


def test_one_effect_does_not_change_the_others() -> None:
    every = draw_recipe(config(motion_blur=1, exposure=1, noise=1, compression=1), 3)
    assert 0 < every.shutter < 1
    assert len(set(every.stops)) == 4
    assert draw_recipe(config(noise=1), 3) == replace(PLAIN, shot=every.shot, read=every.read)
    assert draw_recipe(config(motion_blur=1), 3) == replace(PLAIN, shutter=every.shutter)
    assert draw_recipe(config(compression=1), 3) == replace(PLAIN, quality=every.quality)


def test_a_chance_is_how_often() -> None:
    share = np.mean([draw_recipe(config(noise=0.3), seed).shot > 0 for seed in range(500)])
    assert share == pytest.approx(0.3, abs=0.06)


def test_noise_differs_by_frame_and_view_but_not_by_run() -> None:
    recipe = replace(PLAIN, shot=4.0, read=1.0)
    first = develop(GREY, recipe, 3, 0, 0)
    assert np.array_equal(first, develop(GREY, recipe, 3, 0, 0))
    for other in ((4, 0, 0), (3, 1, 0), (3, 0, 1)):
        assert not np.array_equal(first, develop(GREY, recipe, *other))
    error = first.astype(int) - GREY
    assert error[:, 30:34].std() == pytest.approx(np.sqrt(1 + 16 * 0.5), rel=0.1)


def test_compression_loses_a_little() -> None:
    noisy = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    lossy = develop(noisy, replace(PLAIN, quality=60), 3, 0, 0)
    assert lossy.shape == noisy.shape
    assert 1 < np.abs(lossy.astype(int) - noisy).mean() < 60
