"""DOT's parts against plain slow twins, and the tiled correlations it reads."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from pointtrack.networks import build
from pointtrack.networks.blocks.correlation import local_correlation
from pointtrack.networks.blocks.tiled_correlation import TiledCorrelation
from pointtrack.networks.dot import densify, motion_boundaries, nearest


def test_every_cell_takes_the_nearest_point() -> None:
    points = torch.rand(50, 2)
    found = nearest(points, (7, 9))
    for i in range(7):
        for j in range(9):
            apart = (points - torch.tensor([j / 8, i / 6])).norm(dim=1)
            assert apart[found[i, j]] == apart.min()


def test_many_points_are_compared_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    points = torch.rand(50, 2)
    wanted = nearest(points, (7, 9))
    monkeypatch.setattr("pointtrack.networks.dot._AT_ONCE", 120)
    assert torch.equal(nearest(points, (7, 9)), wanted)


def test_densified_motion_counts_in_cells_and_only_seen_points_count() -> None:
    source = torch.tensor([[0.2, 0.5, 1.0], [0.8, 0.5, 1.0], [0.5, 0.5, 0.0]])
    target = torch.tensor([[0.3, 0.5, 1.0], [0.8, 0.25, 0.0], [0.9, 0.9, 1.0]])
    flow, visible = densify(source, target, (5, 11))
    torch.testing.assert_close(flow[:, 2, 2], torch.tensor([1.0, 0.0]))  # a tenth of 10 steps
    torch.testing.assert_close(flow[:, 2, 8], torch.tensor([0.0, -1.0]))
    assert visible[2, 2] == 1
    assert visible[2, 8] == 0
    index = nearest(source[:2, :2], (5, 11))
    again = densify(source, target, (5, 11), index)
    torch.testing.assert_close(again, (flow, visible))


def test_without_a_seen_point_nothing_moves_and_nothing_is_visible() -> None:
    flow, visible = densify(torch.rand(3, 3) * torch.tensor([1, 1, 0]), torch.rand(3, 3), (4, 6))
    assert flow.shape == (2, 4, 6)
    assert not flow.any()
    assert not visible.any()


def test_boundaries_lie_where_motion_changes() -> None:
    flow = torch.zeros(2, 2, 40, 60)
    flow[0, 0, :, 30:] = 5  # the right half moves
    flow[1, 1, 20:] = 3  # the lower half
    found = motion_boundaries(flow)
    assert found[0, :, 29:31].all()
    assert not found[0, :, :24].any()
    assert not found[0, :, 37:].any()
    assert found[1, 19:21].all()
    assert not found[1, :14].any()


@pytest.mark.parametrize("size", [(16, 24), (13, 19), (5, 9)])
@pytest.mark.parametrize("apart", [1, 2, 8])
def test_tiles_compare_as_cells_do_one_by_one(size: tuple[int, int], apart: int) -> None:
    random = torch.Generator().manual_seed(apart)
    pairs, (height, width) = 2, size
    templates = torch.randn(pairs, height, width, 6, generator=random)
    maps = torch.randn(pairs, -(-height // apart), -(-width // apart), 6, generator=random)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    xy = torch.stack([columns, rows], dim=-1) / apart + torch.tensor([1.3, -0.6])
    xy = xy.expand(pairs, -1, -1, -1).clone()
    xy[0, 2, 3] += 40  # cells that leave their tile, and the picture
    xy[1, 1, 1] -= 7.4
    xy[:, :, width // 2 :] += 4
    found = TiledCorrelation(templates, radius=3).around(maps, xy, apart)
    pair = torch.arange(pairs).repeat_interleave(height * width)
    wanted = local_correlation(
        maps,
        pair[:, None],
        xy.reshape(-1, 1, 2),
        templates.reshape(-1, 1, 6),
        3,
        "zeros",
        "xy",
    )[:, 0, ..., 0]
    torch.testing.assert_close(found.flatten(0, 2), wanted, rtol=0, atol=1e-5)


def test_tiled_correlations_have_gradients() -> None:
    templates = torch.randn(1, 8, 8, 4, requires_grad=True)
    maps = torch.randn(1, 8, 8, 4, requires_grad=True)
    xy = torch.rand(1, 8, 8, 2) * 20
    TiledCorrelation(templates, 2).around(maps, xy, 1).square().sum().backward()
    assert templates.grad is not None
    assert maps.grad is not None
    assert templates.grad.abs().sum() > 0
    assert maps.grad.abs().sum() > 0


def test_pairs_do_not_know_of_each_other() -> None:
    network = build("dot")
    frames = F.interpolate(torch.rand(3, 3, 8, 8) * 255, (64, 72), mode="bicubic")
    flow, visible = torch.randn(2, 2, 16, 18), torch.rand(2, 16, 18).round()
    with torch.inference_mode():
        source, target = network.encode_source(frames[:2]), network.encode(frames[1:])
        both = network(source, target, flow, visible, 1)
        one = slice(1, 2)
        alone = network(source.pick(one), target[one], flow[one], visible[one], 1)
    assert both[0].shape == (2, 2, 64, 72)
    assert both[1].shape == (2, 64, 72)
    for together, single in zip(both, alone, strict=True):
        torch.testing.assert_close(together[one], single, rtol=0, atol=1e-3)


def test_gradients_of_an_iteration_reach_everything() -> None:
    network = build("dot")
    frames = torch.rand(2, 3, 64, 64) * 255
    source, target = network.encode_source(frames[:1]), network.encode(frames[1:])
    flow, seen = network(source, target, torch.zeros(1, 2, 16, 16), torch.ones(1, 16, 16), 1)
    (flow.mean() + seen.mean()).backward()
    missing = [name for name, tensor in network.named_parameters() if tensor.grad is None]
    assert not missing
