"""Encoders: what is done in place outside training changes nothing."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks import encoders
from pointtrack.networks.blocks.encoders import (
    Bottleneck,
    FlowEncoder,
    PointEncoder,
    ResidualBlock,
)


def frames(count: int = 3, height: int = 48, width: int = 64) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0)) * 255


def plain_norm(x: Tensor) -> Tensor:
    mean = x.mean(dim=(2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=(2, 3), keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kind", [ResidualBlock, Bottleneck])
def test_block_is_convolutions_beside_a_shortcut(kind, stride, normed) -> None:
    block = kind(16, 16 * stride, stride, normed)
    norm = plain_norm if normed else (lambda x: x)
    x = torch.randn(2, 16, 8, 10)
    y = x
    for layer in (block.first, block.second, getattr(block, "third", None)):
        y = y if layer is None else F.relu(norm(layer(y)))
    shortcut = x if stride == 1 else norm(block.shortcut(x))
    with torch.no_grad():
        found = block(x.clone())
    torch.testing.assert_close(found, F.relu(shortcut + y), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "encoder",
    [
        PointEncoder(4),
        PointEncoder(8),
        FlowEncoder((64, 96, 128), 32, ResidualBlock, normed=True),
        FlowEncoder((32, 64, 96), 32, Bottleneck, normed=False),
    ],
)
def test_training_inference_and_chunks_agree(encoder: nn.Module, monkeypatch) -> None:
    video = frames()
    before = video.clone()
    training = encoder(video)
    with torch.inference_mode():
        whole = encoder(video)
        monkeypatch.setattr(encoders, "PIXELS_AT_ONCE", 1)
        single = encoder(video)
    assert torch.equal(video, before)
    assert training.requires_grad
    torch.testing.assert_close(whole, training.detach(), rtol=0, atol=1e-4)
    torch.testing.assert_close(single, whole, rtol=0, atol=1e-4)


def test_a_flat_picture_stays_finite() -> None:
    with torch.inference_mode():
        assert PointEncoder(4)(torch.full((1, 3, 64, 64), 80)).isfinite().all()


def test_features_have_the_size_of_the_stride() -> None:
    with torch.inference_mode():
        assert PointEncoder(8)(frames(2, 72, 104)).shape == (2, 9, 13, 128)
