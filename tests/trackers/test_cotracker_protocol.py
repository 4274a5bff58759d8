"""Sizes, grids, directions and decisions of CoTracker's predictors."""

from __future__ import annotations

import numpy as np
import torch

from pointtrack.geometry import resize_points_align_corners
from pointtrack.trackers.neural import cotracker_protocol as protocol
from pointtrack.trackers.neural.cotracker_protocol import Scores


def test_points_go_where_the_pixels_go() -> None:
    source, target = (11, 7), (21, 13)
    ramp = torch.arange(11.0).expand(1, 1, 3, 7, 11)
    xy = torch.tensor([[10.0, 6.0], [3.0, 2.0], [0.0, 0.0]])
    moved = protocol.rescale(xy, source, target)
    np.testing.assert_allclose(moved, resize_points_align_corners(xy.numpy(), source, target))
    resized = protocol.resize(ramp, target)
    assert resized.shape == (1, 1, 3, 13, 21)
    column, row = moved.long().T
    torch.testing.assert_close(resized[0, 0, 0, row, column], xy[:, 0])
    there = protocol.rescale_queries(torch.tensor([[[5.0, 10.0, 6.0]]]), source, target)
    assert there.tolist() == [[[5.0, 20.0, 12.0]]]


def test_grid_has_a_margin_and_goes_row_by_row() -> None:
    points = protocol.grid(3, (128, 96))
    assert points[0].tolist() == [2, 2]
    assert points[2].tolist() == [126, 2]
    assert points[-1].tolist() == [126, 94]
    assert protocol.grid(1, (128, 96)).tolist() == [[64, 48]]
    around = protocol.grid(3, (50, 50), torch.tensor([10.0, 20.0]))
    torch.testing.assert_close(around[4], torch.tensor([10.0, 20.0]))


def test_grid_of_the_first_version_is_half_a_step_off_its_centre() -> None:
    around = protocol.grid_v1(6, (50, 50), torch.tensor([100.0, 100.0]))
    assert around[0].tolist() == [70, 70]
    assert around[-1].tolist() == [120, 120]
    assert protocol.grid_v1(2, (128, 96)).tolist() == [[2, 2], [126, 2], [2, 94], [126, 94]]


def test_only_points_on_the_mask_stay() -> None:
    mask = torch.zeros(48, 64, dtype=torch.uint8)
    mask[:, 32:] = 1
    kept = protocol.in_mask(protocol.grid(4, (128, 96)), mask, (128, 96))
    assert len(kept) == 8
    assert (kept[:, 0] >= 64).all()


def test_support_comes_last_and_on_the_first_frame() -> None:
    queries = torch.tensor([[[4.0, 1.0, 2.0]], [[5.0, 3.0, 4.0]]])
    joined = protocol.with_support(queries, protocol.grid(2, (128, 96)))
    assert joined.shape == (2, 5, 3)
    torch.testing.assert_close(joined[:, :1], queries)
    assert (joined[:, 1:, 0] == 0).all()
    assert protocol.single_point_queries(queries[0, 0], (512, 384)).shape == (1, 1 + 64 + 25, 3)


def ramp(offset: float) -> Scores:
    """Two points in four frames; x is the frame and the offset."""
    time = torch.arange(4.0) + offset
    tracks = torch.stack([time, time], dim=-1).expand(1, 2, 4, 2)
    return Scores(tracks, time.expand(1, 2, 4), time.expand(1, 2, 4))


def test_the_backward_run_has_the_say_before_the_query() -> None:
    queries = torch.tensor([[[0.0, 0, 0], [2.0, 0, 0]]])

    def track(maps: list[torch.Tensor], points: torch.Tensor) -> Scores:
        backwards = bool(maps[0][0, 0, 0, 0, 0] == 3)
        assert points[0, :, 0].tolist() == ([3, 1] if backwards else [0, 2])
        return ramp(100 if backwards else 0)

    maps = [torch.arange(4.0).view(1, 4, 1, 1, 1)]
    found = protocol.both_ways(track, maps, queries)
    assert found.visibility[0, 0].tolist() == [0, 1, 2, 3]
    assert found.visibility[0, 1].tolist() == [103, 102, 2, 3]
    assert found.tracks[0, 1, :, 0].tolist() == [103, 102, 2, 3]


def test_the_first_version_takes_the_backward_run_where_it_says_zero() -> None:
    forward = torch.tensor([[[[0.0, 0.0], [5.0, 0.0]]]]), torch.tensor([[[0.5, 0.9]]])
    backward = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([[[0.1, 0.2]]])
    tracks, visibility = protocol.filled_v1(forward, backward)
    assert tracks.tolist() == [[[[1, 2], [5, 4]]]]
    torch.testing.assert_close(visibility, torch.tensor([[[0.1, 0.9]]]))


def test_at_its_query_a_point_is_visible_where_it_was_put() -> None:
    found = Scores(torch.zeros(1, 1, 3, 2), torch.tensor([[[0.95, 0.1, 0.5]]]), torch.ones(1, 1, 3))
    tracks, visible = protocol.pinned(found, torch.tensor([[[1.0, 7.0, 8.0]]]))
    assert tracks[0, 0].tolist() == [[0, 0], [7, 8], [0, 0]]
    assert visible[0, 0].tolist() == [True, True, False]


def test_a_network_without_confidence_is_always_confident() -> None:
    tracks, logits = torch.zeros(1, 1, 2, 2), torch.tensor([[[0.0, 2.0]]])
    found = protocol.scores((tracks, logits))
    torch.testing.assert_close(found.score, logits.sigmoid())
    assert found.first(0).tracks.shape == (1, 0, 2, 2)
