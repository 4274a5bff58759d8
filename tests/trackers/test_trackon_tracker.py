"""Track-On2 as a tracker: its own memory frame by frame, guests, and weights in two files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import clip, on_frame, spread
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

import pointtrack as pt
from pointtrack.errors import PointtrackError, WeightsError
from pointtrack.networks.trackon import TrackOn2
from pointtrack.networks.trackon_backbone import CHANNELS, Maps

FRAMES = 104
SCENE = clip(FRAMES, (64, 32), velocity=(0.2, 0.1), seed=5)
POINTS = spread(SCENE.size, 4, 2, 6)
JOINS = (0, 0, 0, 9, 30, 31, 71, 90)  # the frame each point begins at

pytestmark = pytest.mark.filterwarnings("ignore:.*random weights")


class SmallBackbone(nn.Module):
    """In place of the real one: what a few pixels look like, which takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, CHANNELS, 8, stride=4, padding=2)

    def forward(self, frames: Tensor) -> Maps:
        fine = self.look(frames / 32 - 4)
        levels = [F.avg_pool2d(fine, 2**k).flatten(2).mT for k in range(4)]
        return Maps(torch.cat(levels, dim=1), levels[0])


def loaded(**options: Any) -> Any:
    torch.set_num_threads(1)
    options = {"resolution": (64, 32), "support": 2, "remembered": 24, **options}
    tracker: Any = pt.load("trackon2", "random", device="cpu", **options)
    network: TrackOn2 = tracker._runner.model.network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network.encoder = SmallBackbone()
    network.requires_grad_(False)
    for name, value in network.named_parameters():
        if "attention.output.weight" in name:
            value *= 0.3  # so that points stay different from each other
    return tracker


def followed(tracker: Any, chosen: list[int], frames: int = FRAMES) -> NDArray[np.float32]:
    """Tracks ``(N, T, 2)`` of a session that some of the points join at their frames."""
    session, rows = tracker.session(), []
    found = np.full((len(POINTS), frames, 2), np.nan, np.float32)
    for t, frame in enumerate(SCENE.frames[:frames]):
        fresh = [row for row in chosen if JOINS[row] == t]
        session.add(POINTS[fresh])
        rows += fresh
        now = session.step(frame)
        found[np.array(rows)[now.ids], t] = now.xy
    return found[chosen]


def queries(chosen: list[int]) -> NDArray[np.float32]:
    return np.concatenate([on_frame(POINTS[row : row + 1], JOINS[row]) for row in chosen])


def test_points_that_join_at_five_frames_get_the_tracks_of_the_batch_run() -> None:
    """Over more than a hundred frames."""
    tracker, everyone = loaded(), list(range(len(POINTS)))
    live = followed(tracker, everyone)
    batch = tracker.track(SCENE.frames, queries(everyone), both_ways=False)
    assert len({t for t in JOINS if t}) == 5
    np.testing.assert_array_equal(np.isnan(live), np.isnan(batch.xy))
    np.testing.assert_allclose(live, batch.xy, atol=1e-3)
    assert np.ptp(live[:, -1], axis=0).min() > 4  # points are at different places


@pytest.mark.parametrize("joining", ["beside", "apart"])
def test_points_that_join_leave_the_others_where_they_are(joining: str) -> None:
    tracker = loaded(joining=joining)
    with_guest = followed(tracker, [0, 1, 2, 3], 16)
    alone = followed(tracker, [0, 1, 2], 16)
    np.testing.assert_allclose(with_guest[:3], alone, atol=1e-3)


def test_removed_and_corrected_points_leave_the_others_where_they_are() -> None:
    tracker = loaded()
    runs = []
    for changed in (False, True):
        session = tracker.session()
        ids = session.add(POINTS[:4])
        for t, frame in enumerate(SCENE.frames[:8]):
            now = session.step(frame)
            if changed and t == 4:
                session.remove(ids[1])
                session.correct(ids[2], POINTS[6])
            runs.append(now)
    before, after = runs[:8], runs[8:]
    for t in range(8):
        kept = np.isin(before[t].ids, [0, 3])
        again = np.isin(after[t].ids, [0, 3])
        np.testing.assert_array_equal(before[t].xy[kept], after[t].xy[again])
    assert after[-1].ids.tolist() == [0, 2, 3]
    assert np.abs(after[5].xy[1] - before[5].xy[2]).max() > 1  # it has gone elsewhere


def test_memory_is_full_after_so_many_frames_and_no_larger() -> None:
    tracker = loaded(remembered=5)
    session = tracker.session()
    session.add(POINTS[:2])
    for frame in SCENE.frames[:9]:
        session.step(frame)
    state = session._streams._streams[0].state
    assert state.points.past.shape == (2 + 4, 5, CHANNELS)  # two, and the support
    assert state.points.age.tolist() == [5] * 6


def test_all_together_is_the_networks_own_run() -> None:
    tracker = loaded(warm_up=True, support=0)
    chosen, frames = [0, 1, 3], SCENE.frames[:14]
    found = tracker.track(frames, queries(chosen), both_ways=False)
    video = torch.from_numpy(np.moveaxis(frames, -1, 1).copy()).float()[None]
    asked = torch.from_numpy(queries(chosen) + np.float32([0, 0.5, 0.5]))[None]
    expected = tracker._runner.model.network(video, asked).tracks[0].numpy() - 0.5
    later = np.arange(14) > np.array([[JOINS[row]] for row in chosen])
    np.testing.assert_allclose(found.xy[later], expected[later], atol=1e-3)


def test_the_wrong_options_are_refused() -> None:
    with pytest.raises(PointtrackError, match="joining of trackon2 is apart or beside"):
        loaded(joining="inside")
    with pytest.raises(PointtrackError, match="remembered of trackon2 must be at least 1"):
        loaded(remembered=0)
    with pytest.raises(PointtrackError, match="multiples of 32"):
        loaded(resolution=(72, 32))


def test_a_transformer_needs_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="transformer of trackon2 goes with"):
        loaded(transformer=tmp_path / "model.safetensors")
