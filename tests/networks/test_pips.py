"""PIPs and PIPs++ with random weights: windows, and points that do not know of each other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pointtrack.networks import build
from pointtrack.networks.pips import restart
from pointtrack.networks.pips2 import TimeBlock, spans

LOGITS = st.lists(st.floats(-6, 6, width=32), min_size=8, max_size=8)


def slow_restart(logits: list[float]) -> int:
    limit = 0.9
    while True:
        for frame in range(7, 1, -1):
            if torch.tensor(logits[frame]).sigmoid() > limit:
                return frame
        limit -= 0.02


@settings(deadline=None)
@given(st.lists(LOGITS, min_size=1, max_size=4))
def test_restart_is_the_latest_surely_visible_frame(rows: list[list[float]]) -> None:
    found = restart(torch.tensor(rows))
    assert found.tolist() == [slow_restart(row) for row in rows]


def test_restart_never_fails_on_points_surely_hidden() -> None:
    assert restart(torch.full((1, 8), -200.0)).tolist() == [7]


@pytest.mark.parametrize(
    ("num_frames", "window", "wanted"),
    [
        (20, 128, [(0, 20)]),
        (20, 8, [(0, 8), (7, 15), (12, 20)]),
        (8, 8, [(0, 8)]),
        (15, 8, [(0, 8), (7, 15)]),
    ],
)
def test_spans_share_a_frame_and_end_with_the_clip(num_frames, window, wanted) -> None:
    assert spans(num_frames, window) == wanted


@pytest.mark.parametrize("variant", ["pips", "pips2"])
def test_a_point_alone_is_the_same_as_among_others(variant: str) -> None:
    network = build(variant)
    video = torch.rand(1, 11, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 255
    queries = torch.tensor([[[0, 30.0, 40.0], [2, 90.0, 70.0], [10, 64.0, 64.0]]])
    with torch.inference_mode():
        together = network(video, queries, 1).tracks
        alone = network(video, queries[:, 1:2], 1).tracks
    torch.testing.assert_close(together[:, 1:2], alone, rtol=0, atol=1e-2)
    for n, start in enumerate((0, 2, 10)):
        wanted = queries[0, n, 1:].expand(start + 1, 2)
        torch.testing.assert_close(together[0, n, : start + 1], wanted)


def test_time_block_pads_new_channels_on_both_sides() -> None:
    block = TimeBlock(2, 4, opens=True)
    torch.nn.init.zeros_(block.second.weight)
    torch.nn.init.zeros_(block.second.bias)
    x = torch.randn(1, 2, 1, 5)
    found = block(x)
    torch.testing.assert_close(found[:, 1:3], x)
    assert (found[:, [0, 3]] == 0).all()
