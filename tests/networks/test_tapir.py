"""TAPIR and its causal kind: in parts against at once, sizes, gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pointtrack.networks import build, tapir
from pointtrack.networks.blocks.estimates import joined, of_points, refinement_sizes
from pointtrack.networks.blocks.mixer import MixerState
from pointtrack.networks.tapir import Features, Tapir

SIZE = (32, 40)
FRAMES = 3


@pytest.fixture(scope="module")
def network() -> Tapir:
    """The causal one, with small sizes; two levels for videos of 32 x 40."""
    torch.manual_seed(0)
    made = build("causal_tapir").requires_grad_(False)
    made.resolution = (32, 32)
    return made


@pytest.fixture(scope="module")
def clip() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    video = torch.rand(2, FRAMES, 3, *SIZE, generator=random) * 2 - 1
    places = torch.rand(2, 3, 2, generator=random) * torch.tensor([SIZE[1], SIZE[0]])
    times = torch.tensor([0.0, 2, 0.5]).expand(2, 3)
    return video, torch.cat([times[..., None], places], dim=-1)


def seen(network: Tapir, video: Tensor) -> list[Features]:
    return [network.encode(video, level) for level in network.levels(SIZE)]


def described(network: Tapir, maps: list[Features], queries: Tensor) -> list[Features]:
    return [network.describe(grid, queries, SIZE) for grid in maps]


@torch.inference_mode()
def stream(network: Tapir, video: Tensor, points: list[Features], states: list[MixerState]):
    """Positions frame by frame ``(B, N, T, 2)``, and the states after the last frame."""
    tracks = []
    for frame in video.split(1, dim=1):
        output, states = network.step(seen(network, frame), points, states, SIZE)
        tracks.append(output.tracks)
    return torch.cat(tracks, dim=2), states


@torch.inference_mode()
def test_frame_by_frame_is_the_same_as_all_at_once(network: Tapir, clip) -> None:
    video, queries = clip
    maps = seen(network, video)
    points = described(network, maps, queries)
    first = network.first_states(2, 3, levels=2)
    output, last = network.step(maps, points, first, SIZE)
    tracks, states = stream(network, video, points, first)
    torch.testing.assert_close(tracks, output.tracks, atol=1e-3, rtol=0)
    for one, other in zip(states, last, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


@torch.inference_mode()
def test_each_portion_overwrites_its_share_of_the_states(
    network: Tapir, clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, queries = clip
    maps = seen(network, video[:, :1])
    points = described(network, maps, queries * queries.new_tensor([0, 1, 1]))
    output, states = network.step(maps, points, network.first_states(2, 3, levels=2), SIZE)
    output, expected = network.step(maps, points, states, SIZE)
    monkeypatch.setattr(tapir, "PORTION", 2)
    found, after = network.step(maps, points, states, SIZE, overwrite=True)
    torch.testing.assert_close(found.tracks, output.tracks, atol=1e-3, rtol=0)
    for old, new, wanted in zip(states, after, expected, strict=True):
        torch.testing.assert_close(new, wanted, atol=1e-3, rtol=1e-3)
        assert new.inputs.data_ptr() == old.inputs.data_ptr()


@torch.inference_mode()
def test_a_point_added_later_is_a_point_of_a_video_that_begins_there(network: Tapir, clip) -> None:
    video, queries = clip
    old, new = queries[:, :2], queries[:, 2:].clone()
    new[..., 0] = 0
    begun = seen(network, video[:, :1])
    points, states = described(network, begun, old), network.first_states(2, 2, levels=2)
    _, states = stream(network, video[:, :1], points, states)

    there = described(network, seen(network, video[:, 1:2]), new)
    fresh = network.first_states(2, 1, levels=2)
    both = [joined(pair) for pair in zip(points, there, strict=True)]
    joint = [joined(pair, 2) for pair in zip(states, fresh, strict=True)]
    together, after = stream(network, video[:, 1:], both, joint)
    alone, _ = stream(network, video[:, 1:], there, fresh)
    others, _ = stream(network, video[:, 1:], points, states)
    torch.testing.assert_close(together[:, 2:], alone, atol=1e-3, rtol=0)
    torch.testing.assert_close(together[:, :2], others, atol=1e-3, rtol=0)
    # Taken away again, the others go on as if nothing had been.
    left = of_points(after[0], slice(0, 2), 2)
    assert left.inputs.shape[2] == 2


@torch.inference_mode()
@pytest.mark.parametrize("variant", ["tapir", "causal_tapir"])
def test_points_do_not_know_of_each_other(
    variant: str, clip, network: Tapir, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = network if variant == "causal_tapir" else build(variant)
    used.resolution = (32, 32)
    video, queries = clip
    whole = used(video, queries)
    monkeypatch.setattr(tapir, "PORTION", FRAMES)
    one = used(video[1:], queries[1:, 1:2])
    for value, wanted in zip(one[:3], whole[:3], strict=True):
        torch.testing.assert_close(value, wanted[1:, 1:2], atol=1e-3, rtol=1e-3)
    parts = used(video[:1], queries[:1])
    torch.testing.assert_close(parts.tracks, whole.tracks[:1], atol=1e-3, rtol=0)


@torch.inference_mode()
def test_a_video_without_points_is_no_error(network: Tapir, clip) -> None:
    video, queries = clip
    maps = seen(network, video[:, :1])
    points = described(network, maps, queries[:, :0])
    output, states = network.step(maps, points, network.first_states(2, 0, levels=2), SIZE)
    assert output.tracks.shape == (2, 0, 1, 2)
    assert states[0].inputs.shape[2] == 0
    assert network(video, queries[:, :0]).tracks.shape == (2, 0, FRAMES, 2)


@torch.inference_mode()
def test_a_track_sees_no_later_frame_when_causal(network: Tapir, clip) -> None:
    video, queries = clip
    queries = queries[:, :1]
    changed = video.clone()
    changed[:, 2:] = -changed[:, 2:]
    whole, other = (network(v[:1], queries[:1]).tracks for v in (video, changed))
    torch.testing.assert_close(whole[:, :, :2], other[:, :, :2], atol=1e-3, rtol=0)
    assert (whole[:, :, 2:] - other[:, :, 2:]).abs().max() > 1


def test_gradients_reach_every_parameter_through_all_steps() -> None:
    network = build("tapir").train()
    network.resolution = (32, 32)
    video, queries = torch.rand(1, 2, 3, 32, 32) * 2 - 1, torch.tensor([[[0.0, 9, 20]]])
    output = network(video, queries)
    loss = sum(step.tracks.sum() + step.occlusion_logit.sum() for step in output.steps)
    (loss + output.expected_dist_logit.sum()).backward()
    without = [name for name, value in network.named_parameters() if value.grad is None]
    assert not without
    assert network.matching.heatmap.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("video", "smallest", "wanted"),
    [
        ((256, 256), (256, 256), [(256, 256)]),
        ((96, 128), (256, 256), [(256, 256)]),
        ((128, 160), (64, 64), [(64, 64), (88, 96), (128, 160)]),
        ((72, 104), (96, 96), [(96, 96), (72, 104)]),
        ((384, 512), (256, 256), [(256, 256), (384, 512)]),
        ((64, 80), (64, 64), [(64, 64), (64, 80)]),
        ((259, 517), (256, 256), [(256, 256), (256, 360), (256, 512)]),
    ],
)
def test_sizes_go_from_the_smallest_to_the_videos_own(video, smallest, wanted) -> None:
    assert refinement_sizes(video, smallest) == wanted
