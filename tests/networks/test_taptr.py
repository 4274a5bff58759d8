"""TAPTR and TAPTRv2 with random weights: windows, states, and what is computed another way."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks import build, taptr_decoder
from pointtrack.networks.taptr import Taptr
from pointtrack.networks.taptr_decoder import (
    Comparison,
    Frames,
    KeyAwareAttention,
    Masks,
    SelfAttention,
    logit,
)

SIZE = (32, 32)
QUERIES = torch.tensor([[[0, 5.0, 20.5], [3, 9.2, 30.0], [9, 25.0, 8.0], [0, 2.0, 12.0]]])
BOTH = ["taptr", "taptrv2"]


class Pooled(nn.Module):
    """In place of the ResNet: means of pixels, in as many channels."""

    def forward(self, frames: Tensor) -> list[Tensor]:
        return [
            F.avg_pool2d(frames, 4 << level).repeat(1, 700, 1, 1)[:, : 256 << level]
            for level in range(4)
        ]


def thinned(network: Any) -> Any:
    """With one layer of each kind, and next to no backbone: much faster, and the same paths."""
    network.encoder.backbone = Pooled()
    network.encoder.layers = network.encoder.layers[:1]
    network.decoder.layers = network.decoder.layers[:1]
    return network.requires_grad_(False)


@functools.lru_cache
def network_of(variant: str) -> Taptr:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return thinned(build(variant))


def clip(frames: int, seed: int = 0, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.rand(1, frames, 3, *size, generator=torch.Generator().manual_seed(seed))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- windows -----------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", BOTH)
def test_windows_one_by_one_are_the_whole(variant: str) -> None:
    network, video = network_of(variant), clip(14)
    whole = network(video, QUERIES)
    state, tracks = network.begin(QUERIES, SIZE), torch.zeros(1, 4, 14, 2)
    assert network.starts(14) == [0, 4, 6]
    for start in network.starts(14):
        frames = network.frames(network.encode(video[:, start : start + 8]), SIZE)
        known, state = network.advance(state, frames, start)
        tracks[:, :, start : start + 8] = network.output(known, SIZE).tracks
    torch.testing.assert_close(tracks, whole.tracks, rtol=0, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 3])
def test_a_short_clip_is_one_whose_last_frame_stands_still(frames: int) -> None:
    network, video = network_of("taptr"), clip(frames)
    found = network(video, QUERIES[:, :1])
    still = torch.cat([video, video[:, -1:].expand(-1, 8 - frames, -1, -1, -1)], dim=1)
    wanted = network(still, QUERIES[:, :1])
    torch.testing.assert_close(found.tracks, wanted.tracks[:, :, :frames], rtol=0, atol=1e-4)


def test_before_its_query_a_point_is_where_it_was_put() -> None:
    found = network_of("taptrv2")(clip(12), QUERIES)
    put = QUERIES[0, :, None, 1:].expand(-1, 12, -1)
    early = torch.arange(12) <= QUERIES[0, :, :1]
    torch.testing.assert_close(found.tracks[0][early], put[early], rtol=0, atol=1e-3)
    assert (found.visibility_logit[0][early] == 1).all()
    assert (found.class_logits[0][~early][:, 1] != 1).all()


@pytest.mark.parametrize("variant", BOTH)
def test_points_that_come_later_change_nothing_before(variant: str) -> None:
    network, video = network_of(variant), clip(8)
    late = torch.tensor([[[5, 16.0, 16.0]]])
    alone = network(video, QUERIES[:, :2])
    both = network(video, torch.cat([QUERIES[:, :2], late], dim=1))
    torch.testing.assert_close(  # in the first layer; deeper ones look back in time
        both.tracks[:, :2, :1], alone.tracks[:, :, :1], rtol=0, atol=1e-4
    )
    beyond = torch.tensor([[[40, 16.0, 16.0]]])
    never = network(video, torch.cat([QUERIES[:, :2], beyond], dim=1))
    torch.testing.assert_close(never.tracks[:, :2], alone.tracks, rtol=0, atol=1e-4)


def test_nothing_to_track_needs_no_frame(monkeypatch) -> None:
    network = network_of("taptr")
    encoded: list[int] = []
    own = network.encode
    monkeypatch.setattr(
        network, "encode", lambda video: (encoded.append(video.shape[1]), own(video))[1]
    )
    found = network(clip(24), torch.tensor([[[17, 9.0, 9.0]]]))
    assert sum(encoded) == 12  # from frame 12 on, where the first window with a frame after 17 is
    assert found.tracks.shape == (1, 1, 24, 2)


def test_content_is_handed_on_only_every_so_often() -> None:
    network = network_of("taptr")
    assert [network.gap(frames) for frames in (8, 24, 47, 48, 100)] == [1, 1, 1, 2, 4]
    frames = network.frames(network.encode(clip(8)), SIZE)
    begun = network.begin(QUERIES[:, :1], SIZE)
    _, told = network.advance(begun, frames, 0)
    _, quiet = network.advance(begun, frames, 0, hand_on=False)
    assert torch.equal(told.later.content[:, :, 0], told.window.content[:, :, -1])
    assert torch.equal(quiet.later.content[:, :, 0], quiet.first)
    assert torch.equal(quiet.later.box, told.later.box)


def test_a_window_has_no_more_frames_and_does_not_go_back() -> None:
    network = network_of("taptr")
    tokens = torch.zeros(1, 9, 85, 256)
    state = network.begin(QUERIES, SIZE, start=4)
    with pytest.raises(ValueError, match="a window has 8 frames, found 9"):
        network.advance(state, network.frames(tokens, SIZE), 4)
    with pytest.raises(ValueError, match="at frame 3 cannot follow that at 4"):
        network.advance(state, network.frames(tokens[:, :8], SIZE), 3)


@pytest.mark.parametrize("variant", BOTH)
def test_clips_of_a_batch_do_not_know_of_each_other(variant: str) -> None:
    network = network_of(variant)
    video = torch.cat([clip(9), clip(9, seed=1)])
    queries = torch.cat([QUERIES, QUERIES.flip(1)])
    both, second = network(video, queries), network(video[1:], queries[1:])
    torch.testing.assert_close(both.tracks[1:], second.tracks, rtol=0, atol=1e-4)


@pytest.mark.parametrize("variant", BOTH)
def test_axes_matter_only_where_sides_differ(variant: str, monkeypatch) -> None:
    network = network_of(variant)
    queries = QUERIES[:, :2]
    for size, alike in ((SIZE, True), ((32, 64), False)):
        video = clip(8, size=size)
        monkeypatch.setattr(network, "true_axes", False)
        published = network(video, queries).tracks
        monkeypatch.setattr(network, "true_axes", True)
        assert torch.equal(network(video, queries).tracks, published) is alike


@pytest.mark.parametrize("variant", BOTH)
def test_gradients_reach_every_parameter(variant: str) -> None:
    torch.manual_seed(0)
    network: Any = build(variant)
    answer = network(clip(9), QUERIES[:, :2])
    (answer.boxes.sum() + answer.class_logits.square().sum()).backward()
    missing = [name for name, tensor in network.named_parameters() if tensor.grad is None]
    assert not missing


# --- parts that are computed in another way than they are defined -------------------------------


def some_frames(seed: int = 0) -> Frames:
    sizes = [(12, 16), (6, 8), (3, 4), (2, 2)]
    return Frames(random(1, 2, sum(h * w for h, w in sizes), 256, seed=seed), sizes)


def maps_of(frames: Frames, layer: torch.nn.Linear, level: int) -> Tensor:
    """A level, projected: ``(T, C, h, w)``."""
    first = sum(h * w for h, w in frames.sizes[:level])
    height, width = frames.sizes[level]
    part = layer(frames.tokens[0, :, first : first + height * width])
    return part.mT.unflatten(-1, (height, width))


@torch.no_grad()
def test_comparison_is_that_with_projected_maps(monkeypatch) -> None:
    comparison, frames = Comparison(), some_frames()
    content, centre = random(1, 2, 5, 256, seed=1), 0.5 + 0.4 * random(1, 2, 5, 2, seed=2)
    found = comparison(comparison.templates(content), centre, frames)
    step = torch.arange(-3.0, 4)
    taps = torch.stack(torch.meshgrid(step, step, indexing="ij"), dim=-1).flatten(0, 1)  # x slow
    points = comparison.points(content)[0] / 16
    wanted = []
    for level, (height, width) in enumerate(frames.sizes):
        maps = maps_of(frames, comparison.maps[level], level)  # type: ignore[arg-type]
        costs = torch.einsum("tnc,tchw->tnhw", points, maps).flatten(0, 1)[:, None]
        xy = (centre[0] * torch.tensor([11.0, 15.0]))[:, :, None] / 2**level + taps
        grid = 2 * xy / torch.tensor([width - 1, height - 1]) - 1
        seen = F.grid_sample(
            costs, grid.flatten(0, 1)[:, None], padding_mode="border", align_corners=True
        )
        wanted.append(seen.view(2, 5, 49))
    torch.testing.assert_close(found[0], torch.cat(wanted, dim=-1), rtol=0, atol=1e-4)
    monkeypatch.setattr(taptr_decoder, "CHUNK", 1)
    parts = comparison(comparison.templates(content), centre, frames)
    torch.testing.assert_close(parts, found, rtol=0, atol=1e-5)


@torch.no_grad()
def test_key_aware_attention_is_that_with_projected_maps(monkeypatch) -> None:
    torch.manual_seed(1)
    attention, frames = KeyAwareAttention(), some_frames()
    x, centre = random(1, 2, 5, 256, seed=1), 0.5 + 0.4 * random(1, 2, 5, 2, seed=2)
    seen, scores, offsets = attention(x, centre, frames)
    keys, values = [], []
    for level, (height, width) in enumerate(frames.sizes):
        sides = torch.tensor([width, height])
        shifts = offsets[0].unflatten(3, (4, 4))[:, :, :, level] / sides  # T N heads P 2
        grid = 2 * (centre[0][:, :, None, None] + shifts) - 1
        for made, layer in ((keys, attention.key), (values, attention.value)):
            maps = maps_of(frames, layer, level)
            every = F.grid_sample(maps, grid.flatten(1, 3)[:, None], align_corners=False)
            every = every[:, :, 0].unflatten(2, (5, 8, 4)).unflatten(1, (8, 32))
            made.append(torch.einsum("thdnhp->tnhpd", every))
    key, value = torch.cat(keys, dim=3), torch.cat(values, dim=3)  # T N heads L*P D
    query = attention.query(x)[0].unflatten(-1, (8, 32))
    wanted = torch.einsum("tnhd,tnhkd->tnhk", query, key) / 32**0.5
    torch.testing.assert_close(scores[0], wanted, rtol=0, atol=1e-5)
    found = torch.einsum("tnhk,tnhkd->tnhd", wanted.softmax(-1), value).flatten(2)
    torch.testing.assert_close(seen[0], attention.output(found), rtol=0, atol=1e-5)
    monkeypatch.setattr(taptr_decoder, "CHUNK", 1)
    parts = attention(x, centre, frames)[0]
    torch.testing.assert_close(parts, seen, rtol=0, atol=1e-5)


@torch.no_grad()
def test_tracked_tokens_see_tracked_ones_only() -> None:
    attention = SelfAttention()
    x, where = random(1, 3, 6, 256), random(1, 3, 6, 256, seed=1)  # 3 frames, 6 points
    tracked = torch.arange(3)[:, None] >= torch.tensor([0, 2, 0, 1, 0, 5])
    masks = Masks.of(tracked[None])
    found = attention(x, where, masks.over_points)
    for frame in range(3):
        rows = tracked[frame].nonzero()[:, 0]
        alone = attention(x[:, frame : frame + 1, rows], where[:, frame : frame + 1, rows], None)
        torch.testing.assert_close(found[:, frame, rows], alone[:, 0], rtol=0, atol=1e-5)
    assert masks.over_time is not None
    assert masks.over_time.shape == (1, 6, 3, 3)
    assert Masks.of(torch.ones(1, 3, 6, dtype=torch.bool)) == (None, None)


def test_logits_do_not_leave_their_range() -> None:
    shares = torch.tensor([-0.5, 0, 0.0005, 0.25, 0.9995, 1, 3])
    found = logit(shares).sigmoid()
    wanted = torch.tensor([0.000999, 0.000999, 0.0009995, 0.25, 0.9990005, 0.999001, 0.999001])
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-6)
