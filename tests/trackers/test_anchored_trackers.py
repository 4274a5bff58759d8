"""AllTracker and GMRW as trackers, with random weights: how they are run, not how well."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from clips import clip, on_frame, spread

import pointtrack as pt
from pointtrack.errors import PointtrackError
from pointtrack.networks import alltracker as network
from pointtrack.video import open_video

SCENE = clip(18, (64, 48), velocity=(0.8, -0.4), seed=1)
POINTS = spread(SCENE.size, 3, 2, 10)

pytestmark = pytest.mark.filterwarnings("ignore:.*random weights")


@functools.lru_cache(maxsize=4)
def loaded(name: str, **options: Any) -> Any:
    torch.set_num_threads(1)
    small: dict[str, Any] = {"resolution": (64, 64), "enlarge": 1}
    if name == "alltracker_tiny":
        small = {"resolution": (128, 128), "iterations": 1}
    return pt.load(name, "random", device="cpu", **small, **options)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames AllTracker has encoded."""
    counts: list[int] = []
    whole = network.AllTracker.encode

    def counting(self: Any, frames: torch.Tensor) -> torch.Tensor:
        counts.append(len(frames))
        return whole(self, frames)

    monkeypatch.setattr(network.AllTracker, "encode", counting)
    return counts


def test_points_of_several_frames_share_the_encoder(encoded: list[int]) -> None:
    queries = np.concatenate([on_frame(POINTS[:2], 0), on_frame(POINTS[2:4], 3)])
    tracks = loaded("alltracker_tiny").track(SCENE.frames[:6], queries, both_ways=False)
    assert sum(encoded) == 6
    alone = loaded("alltracker_tiny").track(SCENE.frames[:6], queries[2:], both_ways=False)
    np.testing.assert_allclose(tracks.xy[2:], alone.xy, atol=1e-4)


def test_alltracker_is_the_network_on_the_prepared_frames() -> None:
    tracker = loaded("alltracker_tiny")
    tracks = tracker.track(SCENE.frames, on_frame(POINTS, 0))
    model = tracker._runner.model
    with torch.inference_mode():
        frames = model.convention.prepare(list(SCENE.frames), torch.device("cpu"))
        maps = model.network.encode(frames)
        xy = torch.from_numpy(model.convention.to_network(POINTS, SCENE.size))
        parts = [model.network.read(found, xy).flow for _, found in model.network.follow(maps, 1)]
    there = (xy + torch.cat(parts)).numpy().swapaxes(0, 1)
    wanted = model.convention.to_video(there, SCENE.size)
    np.testing.assert_allclose(tracks.xy[:, 1:], wanted[:, 1:], atol=1e-3)


def test_dense_tracks_are_those_of_the_points() -> None:
    tracker = loaded("alltracker_tiny")
    frames = SCENE.frames[:5]
    latest = {found.t: found for found in tracker.dense(open_video(frames), 2)}
    assert sorted(latest) == [0, 1, 3, 4]
    x, y = np.array([[20, 10], [40, 30]]).T
    rows = np.column_stack([np.full(2, 2), x, y]).astype(np.float32)
    tracks = tracker.track(frames, rows)
    for t, found in latest.items():
        assert found.xy.shape == (48, 64, 2)
        assert found.visible.shape == found.confidence.shape == (48, 64)
        # Between pixels of the working size, a picture is read in another place than a point.
        np.testing.assert_allclose(found.xy[y, x], tracks.xy[:, t], atol=0.5)


@pytest.mark.parametrize("live", ["window", "frame"])
def test_a_sessions_points_do_not_disturb_each_other(live: str) -> None:
    tracker = loaded("alltracker_tiny", live=live)

    def steps(late: bool) -> np.ndarray:
        session = tracker.session()
        session.add(POINTS[:2])
        found = []
        for number, frame in enumerate(SCENE.frames[:4]):
            if late and number == 2:
                session.add(POINTS[2:4])
            found.append(session.step(frame).xy[:2])
        return np.stack(found)

    np.testing.assert_allclose(steps(late=True), steps(late=False), atol=1e-4)


def test_a_window_that_is_full_is_what_the_next_one_builds_on() -> None:
    """At the 16th frame a session knows what the whole clip gives; so it does at the 18th."""
    tracker = loaded("alltracker_tiny")
    whole = tracker.track(SCENE.frames, on_frame(POINTS[:2], 0))
    session = tracker.session()
    session.add(POINTS[:2])
    for frame in SCENE.frames:
        now = session.step(frame)
    np.testing.assert_allclose(now.xy, whole.xy[:, -1], atol=1e-3)


def test_gmrw_sees_each_pair_of_frames_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = loaded("gmrw")
    pairs = []
    whole = tracker._runner.model.pair
    monkeypatch.setattr(
        tracker._runner.model, "pair", lambda *maps: pairs.append(1) or whole(*maps)
    )
    queries = np.concatenate([on_frame(POINTS[:2], 0), on_frame(POINTS[2:4], 3)])
    tracker.track(SCENE.frames[:6], queries)
    assert len(pairs) == 5


def test_gmrw_session_goes_where_the_track_goes() -> None:
    for mode in ("chain", "direct"):
        tracker = loaded("gmrw", mode=mode)
        tracks = tracker.track(SCENE.frames[:5], on_frame(POINTS, 0))
        session = tracker.session()
        session.add(POINTS)
        for t, frame in enumerate(SCENE.frames[:5]):
            np.testing.assert_allclose(session.step(frame).xy, tracks.xy[:, t], atol=1e-3)


def test_options_are_checked() -> None:
    for name, options, message in (
        ("alltracker", {"overlaps": "some"}, "overlaps of alltracker is auto or first or last"),
        ("alltracker", {"resolution": (100, 128)}, "multiples of 64"),
        ("gmrw", {"mode": "some"}, "mode of gmrw is chain or direct"),
        ("gmrw", {"temperature": -1.0}, "must not be negative"),
    ):
        with pytest.raises(PointtrackError, match=message):
            pt.load(name, "random", **options)
