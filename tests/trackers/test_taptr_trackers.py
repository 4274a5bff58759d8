"""TAPTR as a tracker, with random weights: its windows over a video, live, and support points."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from clips import clip, on_frame, spread
from torch import Tensor, nn
from torch.nn import functional as F

import pointtrack as pt
from pointtrack.errors import PointtrackError
from pointtrack.trackers.neural.budget import Shares
from pointtrack.trackers.neural.taptr import TaptrTracker
from pointtrack.trackers.neural.taptr_model import CornerPoints, TaptrModel, drawn_points

SCENE = clip(13, (64, 64), velocity=(0.8, -0.4), seed=1)
POINTS = spread(SCENE.size, 3, 2, 10)
QUERIES = np.concatenate([on_frame(POINTS[:3], 0), on_frame(POINTS[3:], 6)])

pytestmark = pytest.mark.filterwarnings("ignore:.*random weights")


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
def loaded(name: str = "taptr") -> Any:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tracker: Any = pt.load(name, "random", device="cpu", support=0, resolution=(64, 64))
    thinned(tracker._runner.model.network)
    return tracker


def with_support(count: int, published: bool = False) -> TaptrTracker:
    """The same network, among support points."""
    plain = loaded()
    network = plain._runner.model.network
    model = TaptrModel(network, "taptr", (64, 64), support=count, published=published)
    return TaptrTracker(plain.card, model, torch.device("cpu"), 0.5, published)


def network_answer(tracker: Any, queries: np.ndarray, frames: int = 13) -> np.ndarray:
    """Of the network by itself, which has the video's own size."""
    video = torch.from_numpy(np.moveaxis(SCENE.frames[:frames], -1, 1).copy()).float()[None] / 255
    with torch.inference_mode():
        return (
            tracker._runner.model.network(video, torch.from_numpy(queries)[None]).tracks[0].numpy()
        )


@pytest.mark.parametrize("name", ["taptr", "taptrv2"])
def test_a_video_is_gone_through_as_by_the_network(name: str) -> None:
    tracker = loaded(name)
    tracks = tracker.track(SCENE.frames, QUERIES, both_ways=False)
    later = np.arange(13) > QUERIES[:, :1]
    expected = network_answer(tracker, QUERIES)
    np.testing.assert_allclose(tracks.xy[later], expected[later], atol=0.01)
    assert np.isnan(tracks.xy[3:, :6]).all()
    np.testing.assert_array_equal(tracks.xy[3:, 6], POINTS[3:])


def test_backwards_is_the_video_played_backwards() -> None:
    tracker = loaded()
    late = on_frame(POINTS, 9)
    both = tracker.track(SCENE.frames, late)
    back = tracker.track(SCENE.frames[::-1].copy(), on_frame(POINTS, 3), both_ways=False)
    np.testing.assert_allclose(both.xy[:, :9], back.xy[:, ::-1][:, :9], atol=0.01)
    assert np.isfinite(both.xy).all()


def test_live_every_frame_is_the_videos_last() -> None:
    tracker = loaded()
    session = tracker.session()
    session.add(POINTS[:3])
    for number, frame in enumerate(SCENE.frames, start=1):
        now = session.step(frame)
        if number in (5, 8, 10, 13):
            expected = network_answer(tracker, QUERIES[:3], number)
            np.testing.assert_allclose(now.xy, expected[:, -1], atol=0.01)


@pytest.mark.parametrize("when", [2, 7])
def test_points_that_join_later_are_as_if_asked_for_then(when: int) -> None:
    """All of them at once: those that are there already would look at the new ones."""
    tracker = loaded("taptrv2")
    session = tracker.session()
    for number, frame in enumerate(SCENE.frames):
        if number == when:
            session.add(POINTS)
        now = session.step(frame)
    expected = network_answer(tracker, on_frame(POINTS, when))
    np.testing.assert_allclose(now.xy, expected[:, -1], atol=0.01)


def test_a_session_takes_points_up_removes_and_corrects_them() -> None:
    session = loaded().session()
    assert session.step(SCENE.frames[0]).ids.tolist() == []
    ids = session.add(POINTS[:3])
    np.testing.assert_array_equal(session.step(SCENE.frames[1]).xy, POINTS[:3])
    session.step(SCENE.frames[2])
    session.remove(ids[1])
    session.correct(ids[2], POINTS[4])
    session.add(POINTS[5])
    now = session.step(SCENE.frames[3])
    assert now.ids.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(now.xy[2], POINTS[5])
    for frame in SCENE.frames[4:]:
        now = session.step(frame)
    assert np.isfinite(now.xy).all()
    assert len(session._maps) == 8  # of 13 frames
    session.remove([0, 2, 3])
    assert session.step(SCENE.frames[5]).ids.tolist() == []


def test_no_frame_is_encoded_twice(monkeypatch) -> None:
    tracker, frames = loaded(), []
    own = tracker._runner.model.encode
    monkeypatch.setattr(
        tracker._runner.model, "encode", lambda part: (frames.append(len(part)), own(part))[1]
    )
    seen: list[tuple[int, int]] = []
    tracker.track(SCENE.frames, QUERIES, progress=lambda *done: seen.append(done))
    assert sum(frames) == 13
    assert seen[-1] == (26, 26)


def test_little_memory_means_groups(monkeypatch) -> None:
    tracker = loaded()
    monkeypatch.setattr(tracker._runner, "shares", Shares(16, 4, 3 * 8))
    with pytest.warns(UserWarning, match="6 points of taptr do not fit .* in 2 groups"):
        tracks = tracker.track(SCENE.frames, QUERIES, both_ways=False)
    first = network_answer(tracker, QUERIES[:3])
    np.testing.assert_allclose(tracks.xy[:3, 1:], first[:, 1:], atol=0.01)


# --- support points ----------------------------------------------------------------------------


def test_drawn_points_keep_their_distance_and_margin() -> None:
    known = np.array([[20.0, 20.0], [100.5, 30.0]], np.float32)
    xy, late = drawn_points(known, 200)
    every = np.concatenate([known, xy])
    apart = np.hypot(*(every[:, None] - every).transpose(2, 0, 1)) + 9 * np.eye(len(every))
    assert apart.min() >= 1
    assert xy.min() >= 16
    assert xy.max() <= 239
    assert late.min() == 0
    assert late.max() == 11
    again, _ = drawn_points(known, 200, repeated=True)
    np.testing.assert_array_equal(again[:2], known)
    np.testing.assert_array_equal(again[2:], xy[:198])
    np.testing.assert_array_equal(drawn_points(known, 1, repeated=True)[0], known[1:])
    # NumPy's old generator from seed 0: the first draws of the published evaluation.
    np.testing.assert_array_equal(xy[:2], [[188, 63], [133, 208]])


def test_support_fills_up_and_is_not_reported() -> None:
    tracker = with_support(20)
    tracks = tracker.track(SCENE.frames, QUERIES, both_ways=False)
    assert tracks.xy.shape == (6, 13, 2)
    model = tracker._runner.model
    asked = torch.from_numpy(QUERIES)
    support = model.support(asked, 0, 12)
    assert support.shape == (14, 3)
    every = np.concatenate([QUERIES, support.numpy()]).astype(np.float32)
    expected = network_answer(tracker, every)[:6]
    # Support here begins with the first query, which is at 0.
    later = np.arange(13) > QUERIES[:, :1]
    np.testing.assert_allclose(tracks.xy[later], expected[later], atol=0.01)
    assert model.support(torch.zeros(30, 3), 0, 12).shape == (0, 3)
    assert model.support(asked, 5, 7)[:, 0].unique().tolist() == [5, 6, 7]


def test_points_of_different_frames_may_be_tracked_apart() -> None:
    apart = with_support(9, published=True)
    tracks = apart.track(SCENE.frames, QUERIES)
    alone = apart.track(SCENE.frames, QUERIES[3:])
    np.testing.assert_allclose(tracks.xy[3:], alone.xy, atol=0.01)
    together = with_support(9).track(SCENE.frames, QUERIES)
    assert np.abs(together.xy[3:] - alone.xy).max() > 0.01


# --- options -----------------------------------------------------------------------------------


def test_corners_stay_where_the_published_evaluation_puts_them() -> None:
    convention = with_support(0, published=True)._runner.model.convention
    assert isinstance(convention, CornerPoints)
    ends = np.array([[0, 0], [127, 95]], np.float32)
    np.testing.assert_allclose(convention.to_network(ends, (128, 96)), [[0, 0], [63, 63]])
    np.testing.assert_allclose(convention.to_video(ends[:1], (128, 96)), [[0, 0]])
    picture = np.zeros((1, 4, 4, 3), np.uint8)
    assert convention.prepare(picture + 255, torch.device("cpu")).max() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": (60, 64)}, "multiples of 32"),
        ({"support": -1}, "support of taptr must be at least 0"),
        ({"gap": -1}, "gap of taptr must be at least 0"),
        ({"threshold": 2}, "threshold of taptr is from 0 to 1"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PointtrackError, match=message):
        pt.load("taptr", "random", **options)
