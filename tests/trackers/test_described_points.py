"""Points that are asked for by what they look like, of trackers that see a clip at once."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from clips import clip, on_frame, spread

import pointtrack as pt
from pointtrack.trackers.neural.features import joined

SCENE = clip(6, (64, 48), velocity=(0.8, -0.4), seed=1)
OTHER = clip(3, (64, 48), velocity=(-0.5, 0.3), seed=2)
POINTS = spread(SCENE.size, 3, 2, 10)

pytestmark = pytest.mark.filterwarnings("ignore:.*random weights")


@functools.lru_cache
def whole(name: str) -> Any:
    torch.set_num_threads(1)
    return pt.load(name, "random", device="cpu", resolution=(32, 32), live=4)


@pytest.fixture(params=["tapir", "locotrack_small"])
def tracker(request: pytest.FixtureRequest) -> Any:
    return whole(request.param)


def looks_of(tracker: Any) -> Any:
    late = np.concatenate([on_frame(POINTS[:1], 2), on_frame(POINTS[1:2], 0)])
    return tracker.describe(OTHER.frames, late)


def test_they_are_looked_for_in_the_last_frames_every_time(tracker: Any) -> None:
    looks = looks_of(tracker)
    session = tracker.session(keep=True)
    ids = session.add_described(looks)
    for t, frame in enumerate(SCENE.frames):
        now = session.step(frame)
        assert now.ids.tolist() == ids == [0, 1]
        last = [tracker._runner.encode([f]) for f in SCENE.frames[max(0, t - 3) : t + 1]]
        xy, visible, confidence = tracker._runner.find(joined(last), looks.features, SCENE.size)
        np.testing.assert_allclose(now.xy, xy[:, -1], atol=1e-4)
        np.testing.assert_array_equal(now.visible, visible[:, -1])
        np.testing.assert_allclose(now.confidence, confidence[:, -1], atol=1e-5)
    assert session.tracks().xy.shape == (2, 6, 2)


def test_a_description_is_the_same_whenever_it_is_asked_for(tracker: Any) -> None:
    together, alone = looks_of(tracker), tracker.describe(OTHER.frames, on_frame(POINTS[1:2], 0))
    for both, one in zip(together.features, alone.features, strict=True):
        for value, wanted in zip(both, one, strict=True):
            torch.testing.assert_close(value[:, 1:], wanted, atol=1e-5, rtol=1e-4)


def test_they_and_points_that_are_placed_do_not_disturb_each_other(tracker: Any) -> None:
    looks = looks_of(tracker)
    placed, found, both = (tracker.session() for _ in range(3))
    placed.add(POINTS[2:4])
    found.add_described(looks)
    assert both.add(POINTS[2:3]) == [0]
    assert both.add_described(looks) == [1, 2]
    assert both.add(POINTS[3:4]) == [3]
    for t, frame in enumerate(SCENE.frames):
        if t == 3:
            both.remove(1)
        among = both.step(frame)
        here, there = placed.step(frame), found.step(frame)
        wanted = np.concatenate([here.xy[:1], there.xy[1 if t >= 3 else 0 :], here.xy[1:]])
        assert among.ids.tolist() == ([0, 2, 3] if t >= 3 else [0, 1, 2, 3])
        np.testing.assert_allclose(among.xy, wanted, atol=1e-4)
    both.remove(2)
    assert both.step(SCENE.frames[0]).ids.tolist() == [0, 3]


def test_one_that_was_found_can_be_corrected(tracker: Any) -> None:
    session = tracker.session()
    first, second = session.add_described(looks_of(tracker))
    with pytest.raises(pt.QueryError, match="point 1 has not been looked for yet"):
        session.correct(second, POINTS[0])
    session.remove(first)
    assert session.step(SCENE.frames[0]).ids.tolist() == [second]
    session.correct(second, POINTS[0])
    told = tracker.session()
    told.add(POINTS[0])
    told.step(SCENE.frames[0])
    np.testing.assert_allclose(
        session.step(SCENE.frames[1]).xy, told.step(SCENE.frames[1]).xy, atol=1e-4
    )


def test_another_models_description_is_refused() -> None:
    looks = looks_of(whole("tapir"))
    with pytest.raises(pt.QueryError, match="described by tapir, not by locotrack_small"):
        whole("locotrack_small").session().add_described(looks)
