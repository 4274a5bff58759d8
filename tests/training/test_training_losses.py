"""Losses: what masks leave out, and values worked out by hand."""

from __future__ import annotations

import math

import torch

from pointtrack.networks.compact_matching import Match
from pointtrack.networks.compact_state import Answer
from pointtrack.training.losses import (
    TERMS,
    LossConfig,
    Parts,
    distance_loss,
    frame_losses,
    spread_loss,
    total,
)

CONFIG = LossConfig(decay=0.5, bend=1.0, far=10.0)
CPU = torch.device("cpu")


def answer(xy: torch.Tensor) -> Answer:
    turns, count = xy.shape[:2]
    flat = torch.zeros(turns, count)
    near = torch.zeros(count, 3, 2, 49)
    return Answer(xy, flat, flat, flat, xy[0], near)


def parts_of(xy, truth, visible, valid) -> Parts:
    parts = Parts.empty(CPU)
    found = Match(torch.zeros(len(truth), 4), xy[-1], torch.ones(len(truth)))
    frame_losses(parts, answer(xy), found, (2, 2), truth, visible, valid, CONFIG)
    return parts


def flags(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.bool)


def test_distance_loss_is_smooth_and_grows_slowly_from_afar() -> None:
    at = torch.tensor([0.0, 0.5, 1.0, 4.0, 10.0, 10.0 * math.e])
    found = distance_loss(at, 1.0, 10.0)
    torch.testing.assert_close(found, torch.tensor([0, 0.125, 0.5, 3.5, 9.5, 19.5]))
    for edge in (1.0, 10.0):
        near = torch.tensor([edge - 1e-3, edge + 1e-3], requires_grad=True)
        distance_loss(near, 1.0, 10.0).sum().backward()
        assert abs(near.grad[0] - near.grad[1]) < 5e-3


def test_spread_loss_is_least_at_half_the_mean_error() -> None:
    error = torch.full((601,), 3.0)
    spread = torch.linspace(-3, 3, 601)
    best = spread[spread_loss(error, spread).argmin()]
    assert abs(best.exp() - 1.5) < 0.02


def test_positions_of_visible_and_hidden_points_count_apart_and_by_iteration() -> None:
    truth = torch.zeros(2, 2)
    xy = torch.tensor([[[3.0, 4.0], [0.0, 2.0]], [[0.0, 2.0], [3.0, 0.0]]])  # K P 2
    parts = parts_of(xy, truth, flags(1, 0), flags(1, 1))
    # Iterations weigh 1/3 and 2/3; lengths 5 and 2, less half a pixel each.
    torch.testing.assert_close(parts["position"], torch.tensor((4.5 + 2 * 1.5) / 3))
    torch.testing.assert_close(parts["hidden"], torch.tensor((1.5 + 2 * 2.5) / 3))


def test_points_that_are_not_valid_count_nowhere() -> None:
    truth = torch.zeros(3, 2)
    xy = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0)) * 5
    kept = parts_of(xy[:, :2], truth[:2], flags(1, 0), flags(1, 1))
    with_more = parts_of(
        xy, truth + torch.tensor([[0], [0], [1e6]]), flags(1, 0, 0), flags(1, 1, 0)
    )
    for name in (*TERMS, *(f"{term}/count" for term in TERMS)):
        torch.testing.assert_close(with_more[name], kept[name])


def test_confidence_wants_points_that_are_seen_and_near() -> None:
    truth = torch.zeros(3, 2)
    xy = torch.tensor([[[7.9, 0.0], [8.1, 0.0], [0.0, 0.0]]])
    made = answer(xy)._replace(sure=torch.full((1, 3), 2.0))
    parts = Parts.empty(CPU)
    found = Match(torch.zeros(3, 4), truth, torch.ones(3))
    frame_losses(parts, made, found, (2, 2), truth, flags(1, 1, 0), flags(1, 1, 1), CONFIG)
    yes, no = -math.log(1 / (1 + math.exp(-2))), -math.log(1 - 1 / (1 + math.exp(-2)))
    torch.testing.assert_close(parts["confidence"], torch.tensor(yes + 2 * no))


def test_a_second_look_is_to_move_points_that_were_found_nearby_only() -> None:
    truth = torch.zeros(3, 2)
    xy = torch.tensor([[[2.0, 0.0], [23.0, 0.0], [25.0, 0.0]]])
    parts = Parts.empty(CPU)
    frame_losses(parts, answer(xy), None, (2, 2), truth, flags(1, 1, 1), flags(1, 1, 1), CONFIG)
    assert parts["position/count"] == parts["spread/count"] == 2
    assert parts["match/count"] == 0
    assert parts["confidence/count"] == parts["visibility/count"] == 3


def test_the_neighbourhood_counts_where_the_truth_lies_in_it() -> None:
    truth = torch.tensor([[0.0, 0.0], [20.0, 0.0], [30.0, 0.0], [0.0, -100.0]])
    parts = parts_of(torch.zeros(1, 4, 2), truth, flags(1, 1, 1, 1), flags(1, 1, 1, 1))
    # The strides see 12, 24 and 48 px far: all three the first point, two the second, one more.
    assert parts["near/count"] == 2 * (3 + 2 + 1)
    torch.testing.assert_close(parts["near"], 12 * torch.tensor(49.0).log())


def test_means_are_over_what_was_counted_and_nothing_gives_nothing() -> None:
    parts = Parts.empty(CPU)
    parts.add("position", torch.tensor([1.0, 5.0, 9.0]), flags(1, 1, 0))
    means = parts.means()
    assert means["position"] == 3
    assert all(means[name] == 0 for name in TERMS if name != "position")
    assert total(means, CONFIG) == CONFIG.position * 3
