"""Grids that are tracked along with a user's points."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from clips import clip, on_frame, spread

import pointtrack as pt
from pointtrack.trackers.neural import cotracker_protocol as protocol
from pointtrack.weights import PUBLISHED

SCENE = clip(9, (64, 32), velocity=(0.8, -0.4), seed=1)
POINTS = spread(SCENE.size, 2, 1, 10)
QUERIES = np.concatenate([on_frame(POINTS[:1], 0), on_frame(POINTS[1:], 4)])

pytestmark = pytest.mark.filterwarnings("ignore:.*random weights")


@functools.lru_cache
def tracker_of(name: str, local: int, support: int = 2) -> Any:
    torch.manual_seed(0)  # networks with the same random weights
    torch.set_num_threads(1)
    options = {"resolution": (64, 32), "iterations": 1, "support": support, "local": local}
    return pt.load(name, "random", device="cpu", **options)


@pytest.mark.parametrize("name", ["cotracker3_offline", "cotracker2"])
def test_points_with_grids_of_their_own_do_not_see_each_other(name: str) -> None:
    tracker = tracker_of(name, 3)
    both = tracker.track(SCENE.frames, QUERIES, both_ways=False)
    for row, query in enumerate(QUERIES):
        begin = 0 if name == "cotracker3_offline" else int(query[0])
        alone = tracker.track(SCENE.frames, query[None], both_ways=False)
        if begin == 0:  # windows, where there are any, begin where the first point does
            np.testing.assert_allclose(both.xy[row], alone.xy[0], atol=1e-3)
    joint = tracker_of(name, 0).track(SCENE.frames, QUERIES, both_ways=False)
    assert np.nanmax(np.abs(joint.xy - both.xy)) > 1e-3


def test_one_point_is_tracked_as_for_the_papers_tables() -> None:
    tracker = tracker_of("cotracker3_offline", protocol.LOCAL_GRID, protocol.EVALUATION_GRID)
    query = torch.from_numpy(QUERIES[1]).float()
    found = tracker.track(SCENE.frames, QUERIES[1:])
    runner = tracker._runner
    maps = runner.encode(list(SCENE.frames))
    with torch.inference_mode():
        asked = protocol.single_point_queries(query, SCENE.size)
        answer = runner.model.network.track([level[None] for level in maps], asked, 1)
    wanted = answer.tracks[0, 0].numpy()
    wanted[4] = QUERIES[1, 1:]
    np.testing.assert_allclose(found.xy[0], wanted, atol=1e-3)


@pytest.mark.parametrize(("name", "side"), [("cotracker3_offline", 8), ("cotracker1", 6)])
def test_the_papers_way_is_part_of_the_card(name: str, side: int) -> None:
    assert PUBLISHED[name].protocol.alone == {"local": side}
