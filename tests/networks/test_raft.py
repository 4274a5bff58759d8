"""RAFT's parts against plain slow twins, and MFT's network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks import build, raft
from pointtrack.networks.blocks.upsampling import convex_upsample
from pointtrack.networks.raft import Correlations, padding_to_eight


def slow_volume(first: Tensor, second: Tensor, xy: Tensor, radius: int) -> Tensor:
    """As published: all pairs, pooled, read by grid_sample; ``(P, K, h, w)``."""
    pairs, height, width, channels = first.shape
    volume = torch.einsum("pijc,pklc->pijkl", first, second) / channels**0.5
    volume = volume.reshape(-1, 1, height, width)
    reach = torch.arange(-radius, radius + 1.0)
    offsets = torch.stack(torch.meshgrid(reach, reach, indexing="ij"), dim=-1)  # x slow
    found = []
    for level in range(4):
        at = xy.reshape(-1, 1, 1, 2) / 2**level + offsets
        grid = 2 * at / (torch.tensor(volume.shape[:1:-1]) - 1) - 1
        found.append(F.grid_sample(volume, grid, align_corners=True).flatten(1))
        volume = F.avg_pool2d(volume, 2)
    return torch.cat(found, dim=1).view(pairs, height, width, -1).permute(0, 3, 1, 2)


@pytest.mark.parametrize("largest", [0, 1 << 30])
def test_correlations_are_those_of_the_whole_volume(largest, monkeypatch) -> None:
    monkeypatch.setattr(raft, "LARGEST_VOLUME", largest)
    first, second = torch.randn(2, 2, 16, 19, 8)
    flow = torch.randn(2, 2, 16, 19) * 4
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(19.0), indexing="ij")
    xy = (flow + torch.stack([columns, rows])).permute(0, 2, 3, 1)
    wanted = slow_volume(first, second, xy, radius=3)
    found = Correlations(first, second, radius=3).around(flow)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_convex_upsampling_weighs_neighbours() -> None:
    values, weights = torch.randn(1, 2, 3, 4), torch.randn(1, 576, 3, 4)
    found = convex_upsample(values, weights)
    shares = (0.25 * weights).view(9, 8, 8, 3, 4).softmax(dim=0)
    padded = F.pad(values, (1, 1, 1, 1))
    for i, j, a, b in [(0, 0, 0, 0), (1, 2, 3, 5), (2, 3, 7, 7), (2, 0, 4, 1)]:
        around = padded[0, :, i : i + 3, j : j + 3].flatten(1)  # 2 9
        wanted = (around * shares[:, a, b, i, j]).sum(dim=1)
        torch.testing.assert_close(found[0, :, 8 * i + a, 8 * j + b], wanted)


@pytest.mark.parametrize("size", [(132, 178), (128, 136), (20, 300)])
def test_padding_is_even_and_comes_off_again(size) -> None:
    padding = padding_to_eight(*size)
    picture = torch.rand(1, 3, *size)
    padded = padding.pad(picture)
    assert padded.shape[2] % 8 == padded.shape[3] % 8 == 0
    assert min(padded.shape[2:]) >= 128
    assert 0 <= padding.right - padding.left <= 1
    torch.testing.assert_close(padding.crop(padded), picture)
    torch.testing.assert_close(padded[..., padding.top, 0], picture[..., 0, 0])


def test_pairs_do_not_know_of_each_other() -> None:
    network = build("raft_small")
    video = torch.rand(1, 3, 3, 128, 128) * 255
    with torch.inference_mode():
        together = network(video, 2)
        alone = network(video[:, 1:], 2)
    torch.testing.assert_close(together[:, 1:], alone, rtol=0, atol=1e-3)


def test_mft_gives_probabilities_and_deviations() -> None:
    network = build("mft")
    with torch.inference_mode():
        frames = network.encode(torch.rand(2, 3, 128, 136) * 255)
        found = network(frames.pick(slice(1)), frames.pick(slice(1, 2)), iterations=1)
    assert found.flow.shape == (1, 2, 128, 136)
    assert found.occlusion.shape == found.sigma.shape == (1, 128, 136)
    assert ((found.occlusion >= 0) & (found.occlusion <= 1) & (found.sigma > 0)).all()


def test_gradients_of_an_iteration_reach_the_encoders() -> None:
    network = build("raft_small")
    network(torch.rand(1, 2, 3, 128, 128) * 255, 2).mean().backward()
    missing = [name for name, tensor in network.named_parameters() if tensor.grad is None]
    assert not missing
