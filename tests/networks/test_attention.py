"""Attention, transformer and embeddings against plain slow twins."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.blocks import attention
from pointtrack.networks.blocks.attention import FeedForward, attend
from pointtrack.networks.blocks.embeddings import linear_frequencies, octaves, sine_table
from pointtrack.networks.blocks.steps import last
from pointtrack.networks.blocks.track_transformer import TrackTransformer

HEADS = 2


def slow_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """``(L, C)`` each."""
    width = query.shape[1] // HEADS
    parts = []
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        score = query[:, part] @ key[:, part].T / math.sqrt(width)
        score = score if bias is None else score + bias
        parts.append(score.softmax(dim=1) @ value[:, part])
    return torch.cat(parts, dim=1)


def test_attention_along_time_is_of_each_track_by_itself() -> None:
    query, key, value = torch.randn(3, 2, 4, 5, 8)
    found = attend(query, key, value, HEADS, "time")
    for b in range(2):
        for n in range(4):
            wanted = slow_attention(query[b, n], key[b, n], value[b, n], None)
            torch.testing.assert_close(found[b, n], wanted)


@pytest.mark.parametrize("biased", [False, True])
def test_attention_along_tracks_is_of_each_frame_by_itself(biased: bool) -> None:
    query, (key, value) = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 3, 5, 8)
    bias = torch.randn(2, 4, 3) if biased else None
    found = attend(query, key, value, HEADS, "tracks", bias)
    for b in range(2):
        for t in range(5):
            extra = None if bias is None else bias[b]
            wanted = slow_attention(query[b, :, t], key[b, :, t], value[b, :, t], extra)
            torch.testing.assert_close(found[b, :, t], wanted)


def test_feed_forward_in_parts_is_the_whole(monkeypatch) -> None:
    layers, x = FeedForward(8), torch.randn(2, 3, 5, 8)
    wanted = layers(x)
    monkeypatch.setattr(attention, "ROWS", 4)
    with torch.inference_mode():
        torch.testing.assert_close(layers(x), wanted)


def plain_transformer(network: TrackTransformer, tokens: Tensor) -> Tensor:
    """The page's wording: points and virtual tracks side by side in every time block."""
    points = network.entry(tokens)
    batch, num_points, num_frames, _ = points.shape
    virtual = network.virtual_tracks[None, :, None].expand(batch, -1, num_frames, -1)
    x = torch.cat([points, virtual], dim=1)
    stages = zip(network.time, network.gather, network.mix, network.spread, strict=True)
    for time, gather, mix, spread in stages:
        x = time(x, "time")
        points, virtual = x[:, :num_points], x[:, num_points:]
        virtual = mix(gather(virtual, points), "tracks")
        x = torch.cat([spread(points, virtual), virtual], dim=1)
    return network.exit(x[:, :num_points])


def test_track_transformer_is_the_plain_one() -> None:
    network, tokens = TrackTransformer(12, 4, depth=2), torch.randn(1, 3, 5, 12)
    with torch.inference_mode():
        wanted = plain_transformer(network, tokens)
        torch.testing.assert_close(network(tokens), wanted, rtol=0, atol=1e-4)
        everyone = torch.ones(1, 3, dtype=torch.bool)
        torch.testing.assert_close(network(tokens, everyone), wanted, rtol=0, atol=1e-4)


def test_points_still_to_come_do_not_change_the_others() -> None:
    network, tokens = TrackTransformer(12, 4, depth=2), torch.randn(1, 5, 4, 12)
    active = torch.tensor([[True, False, True, False, True]])
    with torch.inference_mode():
        masked = network(tokens, active)[:, active[0]]
        alone = network(tokens[:, active[0]])
    torch.testing.assert_close(masked, alone, rtol=0, atol=1e-4)


def test_no_active_point_at_all_stays_finite() -> None:
    network, tokens = TrackTransformer(12, 4, depth=2), torch.randn(1, 5, 4, 12)
    with torch.inference_mode():
        assert network(tokens, torch.zeros(1, 5, dtype=torch.bool)).isfinite().all()


def test_sine_table_holds_sines_then_cosines() -> None:
    table = sine_table(torch.arange(7), 6)
    for t in range(7):
        angles = [t / 10000 ** (k / 3) for k in range(3)]
        wanted = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        torch.testing.assert_close(table[t], torch.tensor(wanted))


def test_octaves_go_frequency_by_frequency() -> None:
    found = octaves(torch.tensor([0.3, -2.0]), 2)
    angles = torch.tensor([0.3, -2.0, 0.6, -4.0])
    wanted = torch.cat([torch.tensor([0.3, -2.0]), angles.sin(), angles.cos()])
    torch.testing.assert_close(found, wanted)


def test_linear_frequencies_alternate_sines_and_cosines() -> None:
    found = linear_frequencies(torch.tensor([0.01]), 3)
    wanted = [0, 1, *(f(0.01 * w) for w in (31.25, 62.5) for f in (math.sin, math.cos))]
    torch.testing.assert_close(found[0], torch.tensor(wanted))


def test_last_step_of_none_is_an_error() -> None:
    assert last(iter([1, 2, 3])) == 3
    with pytest.raises(ValueError, match="at least 1"):
        last([])


def test_gelu_is_the_fast_one() -> None:
    layers = FeedForward(4)
    x = torch.randn(3, 4)
    wanted = layers.narrow(F.gelu(layers.widen(x), approximate="tanh"))
    torch.testing.assert_close(layers(x), wanted)
