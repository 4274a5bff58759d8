"""Sampling against plain slow twins: one pixel at a time, and PyTorch's grid_sample."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.blocks.correlation import local_correlation
from pointtrack.networks.blocks.sampling import bilinear, pyramid, trilinear, windows

COORDINATE = st.floats(-12, 20, width=32)
POINTS = st.lists(st.tuples(st.integers(0, 2), COORDINATE, COORDINATE), min_size=1, max_size=6)
SIZES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def some_maps(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.randn(3, height, width, channels, generator=torch.Generator().manual_seed(0))


def pixel(image: Tensor, x: int, y: int, outside: str) -> Tensor:
    height, width = image.shape[:2]
    if 0 <= x < width and 0 <= y < height:
        return image[y, x]
    if outside == "zeros":
        return torch.zeros_like(image[0, 0])
    return image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)]


def slow_bilinear(image: Tensor, x: float, y: float, outside: str) -> Tensor:
    left, top = math.floor(x), math.floor(y)
    total = torch.zeros_like(image[0, 0])
    for dx in (0, 1):
        for dy in (0, 1):
            weight = (1 - abs(x - left - dx)) * (1 - abs(y - top - dy))
            total = total + weight * pixel(image, left + dx, top + dy, outside)
    return total


@settings(deadline=None, max_examples=60)
@given(SIZES, POINTS, st.sampled_from(["edge", "zeros"]), st.sampled_from(["yx", "xy"]))
def test_windows_are_single_samples_side_by_side(size, points, outside, order) -> None:
    maps = some_maps(*size)
    which = torch.tensor([p[0] for p in points])
    xy = torch.tensor([p[1:] for p in points])
    found = windows(maps, which, xy, 2, outside, order)
    for n, (k, x, y) in enumerate(points):
        for i in range(5):
            for j in range(5):
                dx, dy = (i - 2, j - 2) if order == "xy" else (j - 2, i - 2)
                wanted = slow_bilinear(maps[k], x + dx, y + dy, outside)
                torch.testing.assert_close(found[n, i, j], wanted, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("outside", "mode"), [("edge", "border"), ("zeros", "zeros")])
def test_bilinear_is_grid_sample_with_aligned_corners(outside, mode) -> None:
    maps = some_maps(7, 5)
    xy = torch.rand(3, 40, 2, generator=torch.Generator().manual_seed(1)) * 14 - 4
    grid = 2 * xy / torch.tensor([4.0, 6.0]) - 1
    wanted = F.grid_sample(
        maps.permute(0, 3, 1, 2), grid[:, None], padding_mode=mode, align_corners=True
    )
    found = bilinear(maps, torch.arange(3)[:, None], xy, outside)
    torch.testing.assert_close(found, wanted[:, :, 0].mT, rtol=0, atol=1e-5)


def test_far_points_read_the_edge_or_nothing() -> None:
    maps = some_maps(4, 6)
    xy = torch.tensor([[-1e30, 2.0], [1e30, 1e30]])
    edge = bilinear(maps, torch.tensor([0, 1]), xy, "edge")
    torch.testing.assert_close(edge, torch.stack([maps[0, 2, 0], maps[1, 3, 5]]))
    assert (bilinear(maps, torch.tensor([0, 1]), xy, "zeros") == 0).all()


def test_trilinear_blends_two_frames_and_stops_at_the_ends() -> None:
    videos = torch.randn(2, 3, 4, 5, 6)
    xy = [1.25, 2.5]
    txy = torch.tensor([[[0.25, *xy], [-1.0, *xy], [9.0, *xy], [2.0, *xy]]] * 2)
    found = trilinear(videos, txy)
    for clip in (0, 1):
        frames = [slow_bilinear(videos[clip, t], *xy, "edge") for t in range(3)]
        wanted = [0.75 * frames[0] + 0.25 * frames[1], frames[0], frames[2], frames[2]]
        torch.testing.assert_close(found[clip], torch.stack(wanted))


@pytest.mark.parametrize("outside", ["edge", "zeros"])
@pytest.mark.parametrize("order", ["yx", "xy"])
@pytest.mark.parametrize("chunk", [1, 1 << 22])
def test_correlation_is_the_product_with_interpolated_windows(
    outside, order, chunk, monkeypatch
) -> None:
    monkeypatch.setattr("pointtrack.networks.blocks.correlation.CHUNK", chunk)
    maps = some_maps(8, 7, channels=16)
    which = torch.randint(0, 3, (4, 5))
    xy = torch.rand(4, 5, 2) * 12 - 2
    templates = torch.randn(4, 6, 16)
    found = local_correlation(maps, which, xy, templates, 3, outside, order)
    seen = windows(maps, which, xy, 3, outside, order)  # 4 5 7 7 16
    wanted = torch.einsum("pmijc,pkc->pmijk", seen, templates)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_correlation_of_no_track_is_empty() -> None:
    empty = local_correlation(
        some_maps(4, 4), torch.empty(0, 5).long(), torch.empty(0, 5, 2), torch.empty(0, 2, 3), 3
    )
    assert empty.shape == (0, 5, 7, 7, 2)


def test_gradients_reach_maps_and_coordinates() -> None:
    maps = some_maps(5, 6).double().requires_grad_()
    xy = torch.tensor([[1.3, 2.6], [4.9, 0.2]], dtype=torch.float64, requires_grad=True)
    which = torch.tensor([0, 2])
    assert torch.autograd.gradcheck(
        lambda m, p: windows(m, which, p, 1, "zeros", "xy"), (maps, xy), fast_mode=True
    )


def test_pyramid_halves_by_means_and_drops_odd_rests() -> None:
    levels = pyramid(some_maps(5, 6), 3)
    assert [tuple(level.shape) for level in levels] == [(3, 5, 6, 3), (3, 2, 3, 3), (3, 1, 1, 3)]
    torch.testing.assert_close(levels[1][1, 1, 2], levels[0][1, 2:4, 4:6].mean(dim=(0, 1)))
