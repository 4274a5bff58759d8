"""CoTracker 1, 2 and 3 with random weights: states, chunks and short clips."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pointtrack.networks import build, cotracker3

ONLINE = ["cotracker3_online", "cotracker2", "cotracker1"]


def clip(num_frames: int) -> Tensor:
    return torch.rand(1, num_frames, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255


QUERIES = torch.tensor([[[0, 20.0, 30.5], [3, 9.2, 40.0], [9, 50.0, 8.0], [0, 2.0, 60.0]]])


@pytest.mark.parametrize("variant", ONLINE)
def test_windows_one_by_one_are_the_whole(variant: str) -> None:
    network, video = build(variant), clip(19)
    with torch.inference_mode():
        whole = network(video, QUERIES, 1)
        state, begin, tracks = network.begin(QUERIES), 0, torch.empty(1, 4, 0, 2)
        for end in network.ends(19):
            first = state.start
            answer, state = network.advance(state, network.encode(video[:, begin:end]), 1)
            tracks, begin = torch.cat([tracks[:, :, :first], answer.tracks], dim=2), end
    torch.testing.assert_close(tracks, whole.tracks, rtol=0, atol=1e-4)


@pytest.mark.parametrize("variant", [*ONLINE, "cotracker3_offline"])
def test_one_frame_is_enough(variant: str) -> None:
    network = build(variant)
    with torch.inference_mode():
        answer = network(clip(1), QUERIES[:, :1], 2)
    assert answer.tracks.shape == (1, 1, 1, 2)
    assert answer.tracks.isfinite().all()


@pytest.mark.parametrize("variant", ONLINE)
def test_a_window_takes_no_more_frames_than_it_has(variant: str) -> None:
    network = build(variant)
    with torch.inference_mode(), pytest.raises(ValueError, match="a window has"):
        network.advance(network.begin(QUERIES), network.encode(clip(17)), 1)


def test_the_state_does_not_grow() -> None:
    network, video = build("cotracker3_online"), clip(32)
    sizes = []
    with torch.inference_mode():
        state, begin = network.begin(QUERIES), 0
        for end in network.ends(32):
            _, state = network.advance(state, network.encode(video[:, begin:end]), 1)
            sizes.append(sum(t.numel() for t in (*state.patches, *state.maps, *state.overlap)))
            begin = end
    assert len(set(sizes)) == 1


def test_clips_of_a_batch_do_not_know_of_each_other() -> None:
    network = build("cotracker3_offline")
    video, queries = torch.cat([clip(4), clip(5)[:, 1:]]), QUERIES[:, :2].repeat(2, 1, 1)
    with torch.inference_mode():
        both = network(video, queries, 2)
        second = network(video[1:], queries[1:], 2)
    torch.testing.assert_close(both.tracks[1:], second.tracks, rtol=0, atol=1e-4)


def test_correlation_in_parts_is_the_whole(monkeypatch) -> None:
    network, video = build("cotracker3_offline"), clip(4)
    with torch.inference_mode():
        whole = network(video, QUERIES[:, :2], 2)
        monkeypatch.setattr(cotracker3, "TOKENS_AT_ONCE", 1)
        parts = network(video, QUERIES[:, :2], 2)
    torch.testing.assert_close(parts.tracks, whole.tracks, rtol=0, atol=1e-4)


def test_cotracker1_says_zero_before_a_points_first_window() -> None:
    network = build("cotracker1")
    queries = torch.tensor([[[0, 20.0, 30.0], [13, 9.0, 40.0]]])
    with torch.inference_mode():
        answer = network(clip(16), queries, 1)
    assert (answer.tracks[0, 1, :8] == 0).all()
    assert (answer.visibility_logit[0, 1, :8] == 0).all()
    assert (answer.tracks[0, 1, 8:] != 0).all()


def test_gradients_reach_every_parameter() -> None:
    network = build("cotracker3_online").train()
    answer = network(clip(17), QUERIES, 1)
    sum(value.mean() for value in answer).backward()
    missing = [name for name, tensor in network.named_parameters() if tensor.grad is None]
    assert not missing
