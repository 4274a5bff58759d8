"""TAP-Net: the shift over time, and how far it reaches."""

from __future__ import annotations

import torch

from pointtrack.networks import build
from pointtrack.networks.tapnet import REACH, _shifted


def test_the_future_comes_first_and_the_past_last() -> None:
    frames = [torch.arange(8.0).view(1, 1, 1, 8) + 10 * number for number in range(1, 4)]
    assert _shifted(frames, 0).flatten().tolist() == [27, 11, 12, 13, 14, 15, 16, 0]
    assert _shifted(frames, 1).flatten().tolist() == [37, 21, 22, 23, 24, 25, 26, 10]
    assert _shifted(frames, 2).flatten().tolist() == [0, 31, 32, 33, 34, 35, 36, 20]


@torch.inference_mode()
def test_features_are_right_a_reach_away_from_a_cut() -> None:
    network = build("tapnet")
    video = torch.rand(1, 2 * REACH + 3, 3, 16, 16) * 2 - 1
    whole = network.encode(video)
    part = network.encode(video[:, 1:-1])
    torch.testing.assert_close(part[:, REACH:-REACH], whole[:, REACH + 1 : -REACH - 1])
    assert not torch.allclose(part[:, REACH - 1], whole[:, REACH])


@torch.inference_mode()
def test_clips_and_points_do_not_know_of_each_other() -> None:
    network = build("tapnet")
    video, queries = torch.rand(2, 3, 3, 27, 33) * 2 - 1, torch.rand(2, 4, 3) * 20
    whole = network(video, queries)
    one = network(video[1:], queries[1:, 2:3])
    torch.testing.assert_close(one.tracks, whole.tracks[1:, 2:3], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one.occlusion_logit, whole.occlusion_logit[1:, 2:3])
