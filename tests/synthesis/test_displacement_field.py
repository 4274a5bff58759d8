from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from pointtrack.synthesis.deform import NODES, STEEPEST, Field, random_field, steepness

TIMES = np.arange(7.0)


def points(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(1)
    moment = torch.from_numpy(rng.integers(0, len(TIMES), count))
    return moment, torch.from_numpy(rng.uniform(-1.3, 1.3, (count, 2)))


@pytest.mark.parametrize("seed", range(6))
def test_the_inverse_of_a_field_is_exact(seed: int) -> None:
    lattice = random_field(np.random.default_rng(seed), TIMES, 1.0)
    assert lattice.shape == (len(TIMES), 2, NODES, NODES)
    assert 0.01 < steepness(lattice) <= STEEPEST + 1e-9
    field = Field(torch.from_numpy(lattice))
    moment, v = points(2000)
    u = v + field(moment, v)
    solved = field.invert(moment, u)
    assert (solved - v).abs().max() < 1e-9
    assert (v - u).abs().max() > 0.01  # it bends at all


def test_the_steepest_field_of_kinks_is_inverted_too() -> None:
    rough = np.random.default_rng(0).normal(size=(len(TIMES), 2, NODES, NODES))
    lattice = torch.from_numpy(rough * 0.9 / steepness(rough))
    field = Field(lattice)
    moment, u = points(500)
    v = field.invert(moment, u)
    assert (v + field(moment, v) - u).abs().max() < 1e-6


def test_points_and_pixels_see_the_same_field() -> None:
    lattice = torch.from_numpy(random_field(np.random.default_rng(3), TIMES, 1.0))
    moment, v = points(200)
    drawn = torch.stack(
        [
            functional.grid_sample(
                lattice[m : m + 1], p[None, None, None], padding_mode="border", align_corners=True
            )[0, :, 0, 0]
            for m, p in zip(moment.tolist(), v, strict=True)
        ]
    )
    assert torch.allclose(Field(lattice)(moment, v), drawn, atol=1e-12)
