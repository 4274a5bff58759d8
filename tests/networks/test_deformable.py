"""Multi-scale deformable attention against a plain slow twin."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.blocks import deformable
from pointtrack.networks.blocks.deformable import DeformableAttention, attend, corners

SIZES = [(6, 9), (3, 5), (1, 2)]
TOKENS = sum(height * width for height, width in SIZES)
HEADS, POINTS = 2, 3
PLACE = st.one_of(st.floats(-3, 11, width=32), st.integers(-2, 10).map(float))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def as_grid(xy: Tensor, height: int, width: int) -> Tensor:
    """Indices of a map as grid_sample wants them."""
    return (2 * xy + 1) / torch.tensor([width, height]) - 1


def slow_attend(values: Tensor, xy: Tensor, weights: Tensor) -> Tensor:
    """Head by head and level by level, with PyTorch's grid_sample."""
    batch, queries = xy.shape[:2]
    found = values.new_zeros(batch, queries, HEADS, values.shape[-1])
    first = 0
    for level, (height, width) in enumerate(SIZES):
        part = values[:, first : first + height * width]
        first += height * width
        for head in range(HEADS):
            image = part[:, :, head].mT.unflatten(-1, (height, width))  # B D h w
            grid = as_grid(xy[:, :, head, level], height, width)  # B Q P 2
            seen = F.grid_sample(image, grid, align_corners=False)  # B D Q P
            found[:, :, head] += torch.einsum("bdqp,bqp->bqd", seen, weights[:, :, head, level])
    return found


def slow_layer(layer: DeformableAttention, query: Tensor, at: Tensor, memory: Tensor) -> Tensor:
    offsets = layer.offsets(query).view(*query.shape[:2], HEADS, len(SIZES), POINTS, 2)
    sides = torch.tensor([(width, height) for height, width in SIZES])[:, None]
    xy = at[:, :, None, None, None] * sides + offsets - 0.5
    weights = layer.weights(query).view(*query.shape[:2], HEADS, -1).softmax(-1)
    weights = weights.view(*query.shape[:2], HEADS, len(SIZES), POINTS)
    values = layer.value(memory).view(*memory.shape[:2], HEADS, -1)
    return layer.output(slow_attend(values, xy, weights).flatten(-2))


def problem(queries: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    """Values, places (many of them outside), weights."""
    xy = 1 + 4 * random(batch, queries, HEADS, len(SIZES), POINTS, 2, seed=1)
    weights = random(batch, queries, HEADS, len(SIZES), POINTS, seed=2)
    return random(batch, TOKENS, HEADS, 4), xy, weights


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(PLACE, PLACE), min_size=1, max_size=4))
def test_four_pixels_make_a_place(places) -> None:
    xy = torch.tensor(places).expand(1, 1, HEADS, len(SIZES), -1, 2)
    found = corners(xy, SIZES)
    maps = random(TOKENS, 3)
    seen = (maps[found.index.long()] * found.weight[..., None]).sum(3)[0, 0]  # heads L*P D
    first, wanted = 0, []
    for height, width in SIZES:
        image = maps[first : first + height * width].T.unflatten(1, (height, width))
        grid = as_grid(xy[0, 0, :1, 0], height, width)
        wanted.append(F.grid_sample(image[None], grid[None], align_corners=False)[0, :, 0].T)
        first += height * width
    for head in range(HEADS):
        torch.testing.assert_close(seen[head], torch.cat(wanted), rtol=0, atol=1e-5)


def test_places_very_far_away_see_nothing() -> None:
    far = torch.tensor([[1e9, 0.5], [-1e9, 0.5], [0.5, 3e37], [float("inf"), 1]])
    found = corners(far.expand(1, 1, HEADS, len(SIZES), -1, 2), SIZES)
    assert (found.weight == 0).all()
    assert ((found.index >= 0) & (found.index < TOKENS)).all()


@pytest.mark.parametrize("queries", [0, 1, 7])
def test_sums_are_those_of_single_samples(queries: int) -> None:
    values, xy, weights = problem(queries)
    found = attend(values, SIZES, xy, weights)
    torch.testing.assert_close(found, slow_attend(values, xy, weights), rtol=0, atol=1e-5)


def test_portions_are_the_whole(monkeypatch) -> None:
    values, xy, weights = problem(7)
    whole = attend(values, SIZES, xy, weights)
    monkeypatch.setattr(deformable, "CORNERS", 150)
    torch.testing.assert_close(attend(values, SIZES, xy, weights), whole, rtol=0, atol=1e-6)


def test_gradients_are_those_of_single_samples() -> None:
    given = [value.requires_grad_() for value in problem(5)]
    wanted = torch.autograd.grad(slow_attend(*given).square().sum(), given)
    found = torch.autograd.grad(attend(given[0], SIZES, *given[1:]).square().sum(), given)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("first", [True, False])
def test_a_layer_may_sum_before_it_projects(first: bool, monkeypatch) -> None:
    monkeypatch.setattr(deformable, "few", lambda query, memory: first)
    layer = DeformableAttention(8, HEADS, len(SIZES), POINTS)
    torch.nn.init.normal_(layer.value.bias)
    query, memory = random(2, 5, 8), random(2, TOKENS, 8, seed=1)
    reference = 0.5 + 0.6 * random(2, 5, 2, seed=2)
    found = layer(query, reference, memory, SIZES)
    wanted = slow_layer(layer, query, reference, memory)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
