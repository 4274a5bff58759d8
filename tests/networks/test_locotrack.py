"""LocoTrack: points by themselves, attention over time, blended queries."""

from __future__ import annotations

import pytest
import torch

from pointtrack.networks import build, locotrack
from pointtrack.networks.blocks.sampling import windows
from pointtrack.networks.locotrack import LocoTrack, TimeTransformer, _motion, _windows

LEVELS = [(32, 32), (32, 48)]


@pytest.fixture(scope="module")
def network() -> LocoTrack:
    torch.manual_seed(0)
    return build("locotrack_small").requires_grad_(False)


@pytest.fixture(scope="module")
def clip() -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    video = torch.rand(2, 4, 3, 32, 48, generator=random) * 2 - 1
    queries = torch.rand(2, 4, 3, generator=random) * torch.tensor([3.0, 48, 32])
    return video, torch.cat([queries[..., :1].round(), queries[..., 1:]], dim=-1)


@torch.inference_mode()
def test_points_and_clips_do_not_know_of_each_other(
    network: LocoTrack, clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    video, queries = clip
    whole = network(video, queries, LEVELS)
    monkeypatch.setattr(locotrack, "PORTION", 4)
    monkeypatch.setattr(locotrack, "MATCHED", 2)
    one = network(video[1:], queries[1:, 2:4], LEVELS)
    for value, wanted in zip(one[:3], whole[:3], strict=True):
        torch.testing.assert_close(value, wanted[1:, 2:4], atol=1e-3, rtol=1e-3)
    assert network(video, queries[:, :0], LEVELS).tracks.shape == (2, 0, 4, 2)


@torch.inference_mode()
def test_one_frame_is_enough(network: LocoTrack, clip) -> None:
    video, queries = clip
    output = network(video[:, :1], queries * torch.tensor([0, 1, 1]), LEVELS)
    assert output.tracks.shape == (2, 4, 1, 2)
    assert output.tracks.isfinite().all()


def test_half_of_the_heads_look_back_and_half_ahead() -> None:
    bias = TimeTransformer(3, 3, 8, heads=4)._bias(torch.zeros(1, 5, 8))
    for head, slope in ((0, 24**-0.5), (1, 1 / 24), (2, 24**-0.5), (3, 1 / 24)):
        for now in range(5):
            for other in range(5):
                is_seen = other <= now if head < 2 else other >= now
                wanted = -slope * abs(now - other) if is_seen else -torch.inf
                assert bias[head, now, other] == pytest.approx(wanted)


def test_motion_is_from_the_next_frame_and_from_the_one_before() -> None:
    tracks = torch.tensor([[[[0.0, 0], [1, 10], [4, 40]]]])
    wanted = [[-1, -10, 0, 0], [-3, -30, 1, 10], [0, 0, 3, 30]]
    assert _motion(tracks)[0, 0].tolist() == wanted


def test_a_query_between_two_frames_blends_them() -> None:
    maps = torch.randn(1, 3, 6, 5, 2)
    at = torch.tensor([[[1.25, 2.0, 3.0]]])
    early, late = (
        windows(maps[0], torch.tensor([frame]), at[0, :, 1:], 3).flatten(1, 2) for frame in (1, 2)
    )
    torch.testing.assert_close(_windows(maps, at)[0], 0.75 * early + 0.25 * late)


def test_gradients_reach_every_parameter() -> None:
    network = build("locotrack_small").train()
    video, queries = torch.rand(1, 2, 3, 32, 32) * 2 - 1, torch.tensor([[[0.0, 9, 20]]])
    output = network(video, queries, [(32, 32)])
    sum(step.tracks.sum() + step.occlusion_logit.sum() for step in output.steps).backward()
    without = [name for name, value in network.named_parameters() if value.grad is None]
    assert not without
