"""Positions and logits from cost volumes, against plain loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pointtrack.networks.blocks import matching
from pointtrack.networks.blocks.matching import CostVolumeHead, on_grid, put_queries, soft_argmax


def slow_soft_argmax(logits: Tensor, temperature: float) -> Tensor:
    """One picture ``(h, w)``, by the definition: a softmax over all, then its window."""
    height, width = logits.shape
    weight = torch.softmax(temperature * logits.flatten(), 0).view(height, width)
    best = int(logits.flatten().argmax())
    top, left = divmod(best, width)
    total, at = 0.0, torch.zeros(2)
    for row in range(height):
        for column in range(width):
            if (row - top) ** 2 + (column - left) ** 2 < 25:
                total += float(weight[row, column])
                at += weight[row, column] * torch.tensor([column + 0.5, row + 0.5])
    return at / max(total, 1e-12)


@pytest.mark.parametrize("size", [(8, 8), (3, 17), (12, 5), (1, 1)])
def test_soft_argmax_is_the_windows_mean(size: tuple[int, int]) -> None:
    logits = torch.randn(20, *size, generator=torch.Generator().manual_seed(0))
    wanted = torch.stack([slow_soft_argmax(picture, 3.0) for picture in logits])
    torch.testing.assert_close(soft_argmax(logits, 3.0), wanted)


def test_of_equal_cells_the_first_is_the_best() -> None:
    logits = torch.full((1, 20, 20), -100.0)
    logits[0, 3, 2] = logits[0, 3, 15] = 1.0
    assert soft_argmax(logits, 20.0).tolist() == [[2.5, 3.5]]


def test_large_logits_do_not_overflow() -> None:
    assert soft_argmax(torch.full((1, 4, 4), 1e4), 20.0).isfinite().all()


def test_positions_have_gradients() -> None:
    logits = torch.randn(2, 6, 6, requires_grad=True)
    soft_argmax(logits, 1.0).sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


def test_portions_of_points_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    head = CostVolumeHead(2, 10.0, strided_relu=True).requires_grad_(False)
    maps, templates = torch.randn(2, 3, 8, 6, 5), torch.randn(2, 7, 5)
    whole = head.match(maps, templates)
    monkeypatch.setattr(matching, "PORTION", 2)
    torch.testing.assert_close(head.match(maps, templates), whole)


def test_queries_go_from_pixels_to_indices() -> None:
    maps = torch.zeros(1, 1, 4, 8, 3)  # of a picture of 32 x 64: stride 8
    queries = torch.tensor([[[5.0, 4.0, 4.0], [2.0, 64.0, 32.0]]])
    assert on_grid(queries, (32, 64), maps).tolist() == [[[5.0, 0.0, 0.0], [2.0, 7.5, 3.5]]]


def test_a_track_passes_through_its_query_at_the_nearest_even_frame() -> None:
    queries = torch.tensor([[[2.0, 9.0, 8.0], [0.5, 7.0, 6.0], [1.5, 5.0, 4.0]]])
    put = put_queries(torch.zeros(1, 3, 4, 2), queries)
    frames = put.abs().sum(-1)[0].nonzero().tolist()
    assert frames == [[0, 2], [1, 0], [2, 2]]
    assert put[0, 1, 0].tolist() == [7.0, 6.0]
