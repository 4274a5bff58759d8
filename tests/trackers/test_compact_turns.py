"""Points of things that were out of sight while they turned, found again from all sides."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from clips import clip, on_frame, spread

import pointtrack as pt
from pointtrack.networks.compact_state import PointState
from pointtrack.trackers import compact_turns
from pointtrack.trackers.compact_follower import Follower
from pointtrack.trackers.compact_turns import Turns

SIZE = (160, 160)
SIDE = 160
_CENTRE = (np.array(SIZE, np.float32) - 1) / 2


def _turned(angle: float, size: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture that is hidden for a while and comes back turned; where its points are then."""
    picture = clip(1, SIZE, seed=5).frames[0]
    warp = cv2.getRotationMatrix2D(tuple(map(float, _CENTRE)), angle, size)
    after = cv2.warpAffine(picture, warp, SIZE, borderMode=cv2.BORDER_REFLECT_101)
    cover = clip(4, SIZE, velocity=(5, 3), seed=77).frames
    frames = [picture] * 3 + [*cover] + [after] * 9
    places = (np.column_stack([POINTS, np.ones(len(POINTS))]) @ warp.T).astype(np.float32)
    return np.stack(frames), places


POINTS = spread(SIZE, 4, 4, 50)


def off(xy: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.linalg.norm(xy - places, axis=-1)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(("angle", "size"), [(70, 1.0), (-85, 1.3)])
def test_points_are_found_again_though_they_have_turned(angle: float, size: float) -> None:
    frames, places = _turned(angle, size)
    found = {}
    for turns in (False, True):
        tracker = pt.load("compact", working=SIDE, turns=turns)
        tracks = tracker.track(frames, on_frame(POINTS, 0))
        found[turns] = (tracks.visible[:, -1] & (off(tracks.xy[:, -1], places) < 4)).sum()
    assert found[True] >= len(POINTS) // 2 > found[False]


def test_nothing_is_found_where_there_is_nothing() -> None:
    frames, _ = _turned(0, 1)
    frames[3:] = clip(len(frames) - 3, SIZE, velocity=(1, 2), seed=78).frames
    without, tracks = (
        pt.load("compact", working=SIDE, turns=turns).track(frames, on_frame(POINTS, 0))
        for turns in (False, True)
    )
    assert tracks.visible.sum() <= without.visible.sum() + 3


def _follower() -> Follower:
    return Follower("bundled", "cpu", "float32")


def _begun(follower: Follower, turns: Turns, picture: np.ndarray, xy: np.ndarray) -> PointState:
    turns.see(picture)
    turns.add(xy)
    return follower.begin(follower.encode(picture), xy)


def test_a_point_is_found_by_the_turn_that_it_made() -> None:
    follower = _follower()
    turns = Turns(follower)
    frames, places = _turned(-60, 1.0)
    state = _begun(follower, turns, frames[0], POINTS)
    rows = np.arange(1, len(POINTS))
    parts = turns.find(state.rows(slice(1, None)), follower.encode(frames[-1]), rows)
    points = np.concatenate([part.points for part in parts])
    xy = np.concatenate([part.found.xy for part in parts])
    made = np.concatenate([part.turns for part in parts])
    assert len(points) >= len(rows) // 2
    assert set(points) <= set(rows)
    right = off(xy, places[points]) < 4
    assert right.mean() > 0.8
    near = np.linalg.norm(made - _rotation(-60), axis=(1, 2)) < 0.6  # at most one step off
    assert near[right].mean() > 0.8
    for part in parts:
        np.testing.assert_array_equal(part.state.xy.numpy(), part.found.xy)


def _rotation(degrees: float) -> np.ndarray:
    """As OpenCV turns a picture: offsets before to offsets after."""
    return cv2.getRotationMatrix2D((0, 0), degrees, 1.0)[:, :2]


def test_pictures_and_points_are_remembered_up_to_a_number(monkeypatch) -> None:
    monkeypatch.setattr(compact_turns, "_PICTURES", 2)
    monkeypatch.setattr(compact_turns, "_POINTS", 5)
    follower = _follower()
    turns = Turns(follower)
    picture = _turned(0, 1)[0][0]
    states = [_begun(follower, turns, picture, POINTS[:4]) for _ in range(3)]
    features = follower.encode(picture)
    found = []
    for k, state in enumerate(states):  # all are where they were: the first turns of none
        parts = turns.find(state, features, np.arange(4 * k, 4 * k + 4))
        found.append(sum(len(part.points) for part in parts))
    assert found[0] >= 3
    assert found[1] <= 1  # there was room for one of them
    assert found[2] == 0  # this picture was not kept


def test_points_that_go_take_their_looks_with_them() -> None:
    follower = _follower()
    turns = Turns(follower)
    picture = _turned(0, 1)[0][0]
    state = _begun(follower, turns, picture, POINTS)
    features = follower.encode(picture)
    kept = np.arange(len(POINTS)) % 2 == 1
    turns.find(state.rows(slice(0, 1)), features, np.array([0]))
    turns.keep(kept)
    left = follower.keep(state, kept)
    parts = turns.find(left, features, np.arange(kept.sum()))
    for part in parts:
        assert (off(part.found.xy, POINTS[kept][part.points]) < 2).all()
    assert sum(len(part.points) for part in parts) >= kept.sum() // 2


def test_points_that_are_found_late_are_followed_back_to_where_they_came_into_sight() -> None:
    frames, places = _turned(70, 1.0)
    right = {}
    for fill in (False, True):
        seen: list[tuple[int, int]] = []
        tracker = pt.load("compact", working=SIDE, fill=fill)
        tracks = tracker.track(
            frames, on_frame(POINTS, 0), progress=lambda *both, seen=seen: seen.append(both)
        )
        good = off(tracks.xy, places[:, None]) < 4
        right[fill] = (tracks.visible & good)[:, 7:9].sum()
        assert seen[-1][0] == seen[-1][1] >= len(frames)
        assert seen == sorted(seen)
    assert right[False] == 0  # they come back on frame 7, and are looked for on frame 9
    assert right[True] >= len(POINTS) // 2
