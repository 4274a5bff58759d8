"""Winograd's convolution against the plain one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from pointtrack.networks.blocks import winograd
from pointtrack.networks.blocks.convolution import FAST_CHANNELS, SameConv2d


@settings(max_examples=25, deadline=None)
@given(
    tile=st.sampled_from([(2, 2), (4, 2), (2, 4), (4, 4)]),
    frames=st.integers(1, 3),
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_any_size_is_convolved_as_by_the_plain_sum(
    tile: winograd.Tile, frames: int, height: int, width: int, inputs: int, outputs: int, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    maps = torch.randn(frames, height, width, inputs, generator=random, dtype=torch.float64)
    weight = torch.randn(outputs, inputs, 3, 3, generator=random, dtype=torch.float64)
    found = winograd.convolve(maps, winograd.transformed(weight, tile))
    wanted = F.conv2d(maps.permute(0, 3, 1, 2), weight, padding=1).permute(0, 2, 3, 1)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = torch.randn(2, 21, 9, 3)
    kernel = winograd.transformed(torch.randn(4, 3, 3, 3), (4, 2))
    whole = winograd.convolve(maps, kernel)
    monkeypatch.setattr(winograd, "STRIP", 1)
    torch.testing.assert_close(winograd.convolve(maps, kernel), whole)


@torch.no_grad()
@pytest.mark.parametrize(("tile", "most"), [((2, 2), 5e-7), ((4, 2), 8e-7), ((4, 4), 1.5e-6)])
def test_rounding_is_small_beside_the_values(tile: winograd.Tile, most: float) -> None:
    random = torch.Generator().manual_seed(0)
    maps = torch.randn(1, 32, 32, 128, generator=random).relu()
    weight = torch.randn(128, 128, 3, 3, generator=random) / (9 * 128) ** 0.5
    found = winograd.convolve(maps, winograd.transformed(weight, tile))
    wanted = F.conv2d(maps.permute(0, 3, 1, 2).double(), weight.double(), padding=1)
    error = found - wanted.permute(0, 2, 3, 1)
    assert error.square().mean().sqrt() < most
    assert wanted.std() > 0.5


def plain(conv: SameConv2d, maps: torch.Tensor) -> torch.Tensor:
    found = F.conv2d(maps.permute(0, 3, 1, 2), conv.weight, conv.bias, padding=1)
    return found.permute(0, 2, 3, 1)


def test_wide_convolutions_are_fast_without_gradients_only(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    convolve = winograd.convolve
    monkeypatch.setattr(
        winograd, "convolve", lambda *given: (ran.append(True), convolve(*given))[1]
    )
    conv, maps = SameConv2d(FAST_CHANNELS, FAST_CHANNELS, 3), torch.randn(1, 9, 7, FAST_CHANNELS)
    slow = conv(maps)
    assert not ran
    with torch.no_grad():
        fast = conv(maps)
    assert ran
    torch.testing.assert_close(fast, slow.detach(), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_changed_weight_is_noticed() -> None:
    conv, maps = SameConv2d(FAST_CHANNELS, FAST_CHANNELS, 3), torch.randn(1, 8, 8, FAST_CHANNELS)
    conv(maps)
    conv.weight.mul_(2)
    torch.testing.assert_close(conv(maps), plain(conv, maps), atol=1e-4, rtol=1e-4)
    conv.load_state_dict(SameConv2d(FAST_CHANNELS, FAST_CHANNELS, 3).state_dict())
    torch.testing.assert_close(conv(maps), plain(conv, maps), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (1, 2), (3, 2), (7, 2), (5, 4), (2, 2)])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_padding_is_that_of_tensorflow(kernel: int, stride: int, size: tuple[int, int]) -> None:
    conv = SameConv2d(2, 3, kernel, stride)
    found = conv(torch.randn(1, *size, 2))
    assert found.shape == (1, -(-size[0] // stride), -(-size[1] // stride), 3)
    # The output's first cell sees as much of the padding as there is before it.
    maps = torch.zeros(1, *size, 2)
    maps[0, 0, 0] = 1
    total = max((found.shape[1] - 1) * stride + kernel - size[0], 0)
    total_x = max((found.shape[2] - 1) * stride + kernel - size[1], 0)
    wanted = conv.weight[:, :, total // 2, total_x // 2].sum(1) + conv.bias
    torch.testing.assert_close(conv(maps)[0, 0, 0], wanted)
