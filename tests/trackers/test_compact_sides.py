"""Rows of points in a picture and in its mirror image."""

from __future__ import annotations

import numpy as np
import pytest
from clips import clip, spread

from pointtrack.trackers.compact_follower import Follower
from pointtrack.trackers.compact_sides import Sides
from pointtrack.trackers.compact_support import Found

SIZE = (64, 48)
MIRRORED = (False, True, True)
PLACES = np.arange(18, dtype=np.float32).reshape(9, 2)  # of three groups


class Guided:
    """A network that believes the camera's hint where there is one, and flow elsewhere."""

    def __init__(self) -> None:
        self.seen: list[np.ndarray] = []

    def encode(self, frame: np.ndarray) -> np.ndarray:
        self.seen.append(frame)
        return frame

    def begin(self, features: np.ndarray, xy: np.ndarray) -> np.ndarray:
        return xy.copy()

    def step(
        self,
        state: np.ndarray,
        features: np.ndarray,
        flow: np.ndarray,
        direct: np.ndarray,
        camera: np.ndarray,
        careful: bool = False,
    ) -> tuple[np.ndarray, Found]:
        column, row = np.rint(state).astype(int).T
        led = state + flow[row, column, :2]
        state = np.where(camera[:, 2:] > 0, camera[:, :2], led)
        state = np.where(direct[:, 2:] > 0, direct[:, :2], state)
        return state, Found(state, state[:, 0] / 100, state[:, 1])

    def chances(self, state: np.ndarray) -> np.ndarray:
        return state / 100

    def pick(self, state: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return state[rows]

    def keep(self, state: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return state[rows]

    def append(self, state: np.ndarray | None, fresh: np.ndarray) -> np.ndarray:
        return fresh if state is None else np.concatenate([state, fresh])

    def put(self, state: np.ndarray, rows: np.ndarray, other: np.ndarray) -> np.ndarray:
        state = state.copy()
        state[rows] = other
        return state


def _begun() -> tuple[Sides, list, list]:
    sides = Sides(Guided(), MIRRORED)
    features = sides.encode(np.zeros((*SIZE[::-1], 3), np.uint8))
    return sides, features, sides.begin(features, PLACES)


def _mirrored(xy: np.ndarray) -> np.ndarray:
    return np.column_stack([SIZE[0] - 1 - xy[:, 0], xy[:, 1]]).astype(np.float32)


def _unled() -> np.ndarray:
    return np.zeros((len(PLACES), 3), np.float32)


def test_one_side_is_the_mirror_image() -> None:
    sides, _, (here, there) = _begun()
    frame = np.random.default_rng(0).integers(0, 255, (*SIZE[::-1], 3), np.uint8)
    sides.encode(frame)
    seen = sides._follower.seen
    np.testing.assert_array_equal(seen[-2], frame)
    np.testing.assert_array_equal(seen[-1], frame[:, ::-1])
    np.testing.assert_array_equal(here, PLACES[::3])
    other = PLACES.reshape(3, 3, 2)[:, 1:].reshape(-1, 2)
    np.testing.assert_array_equal(there, np.column_stack([63 - other[:, 0], other[:, 1]]))


def test_rows_go_where_flow_leads_in_the_picture() -> None:
    sides, features, state = _begun()
    _, x = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
    flow = np.stack([0.1 * x, 2 + 0.05 * x, 0 * x, 0 * x], axis=2)  # not its own mirror image
    state, found = sides.step(state, features, flow, _unled(), _unled())
    expected = PLACES + flow[PLACES[:, 1].astype(int), PLACES[:, 0].astype(int), :2]
    np.testing.assert_allclose(found.xy, expected, atol=1e-5)
    again, _ = sides.step(state, features, 0 * flow, _unled(), _unled())
    np.testing.assert_allclose(again[0], state[0])


@pytest.mark.parametrize("which", [0, 1])
def test_rows_go_where_a_hint_leads_in_the_picture(which: int) -> None:
    sides, features, state = _begun()
    hints = [_unled(), _unled()]
    hints[which][[1, 3, 8]] = [[5, 6, 1], [40, 2, 1], [63, 47, 1]]
    flow = np.zeros((*SIZE[::-1], 4), np.float32)
    _, found = sides.step(state, features, flow, *hints)
    expected = PLACES.copy()
    expected[[1, 3, 8]] = [[5, 6], [40, 2], [63, 47]]
    np.testing.assert_allclose(found.xy, expected)
    assert len(found.sure) == len(found.radius) == len(PLACES)


def test_groups_are_kept_joined_and_put_in_place() -> None:
    sides, features, state = _begun()
    rows = np.repeat([True, False, True], 3)
    kept = sides.keep(state, rows)
    flow = np.zeros((*SIZE[::-1], 4), np.float32)

    def places(state: list) -> np.ndarray:
        none = np.zeros((len(state[0]) * 3, 3), np.float32)
        return sides.step(state, features, flow, none, none)[1].xy

    np.testing.assert_allclose(places(kept), PLACES[rows])
    both = sides.append(kept, sides.begin(features, PLACES[3:6] + 1))
    np.testing.assert_allclose(places(both), np.concatenate([PLACES[rows], PLACES[3:6] + 1]))
    fresh = sides.begin(features, PLACES[:3] + 20)
    put = sides.put(both, np.array([1]), fresh)
    np.testing.assert_allclose(places(put)[3:6], PLACES[:3] + 20)
    np.testing.assert_allclose(places(put)[:3], PLACES[:3])
    np.testing.assert_array_equal(sides.first(put, np.array([1, 2])), [[20, 21], [7, 8]])
    np.testing.assert_array_equal(sides.append(None, fresh)[1], fresh[1])


@pytest.mark.filterwarnings("ignore:compact has random weights")
def test_what_the_network_says_of_a_side_is_what_it_says_of_the_mirrored_video() -> None:
    scene = clip(3, SIZE, velocity=(1.5, -0.5), seed=3)
    points = spread(SIZE, 3, 2, 12).astype(np.float32)
    follower = Follower("random", "cpu", "float32")
    sides = Sides(follower, (False, True))
    pairs = np.repeat(points, 2, axis=0)
    state = sides.begin(sides.encode(scene.frames[0]), pairs)
    flow = np.zeros((*SIZE[::-1], 4), np.float32)
    flow[..., 0], flow[..., 2] = 1.5, -1.5
    unled = np.zeros((len(pairs), 3), np.float32)
    _, found = sides.step(state, sides.encode(scene.frames[1]), flow, unled, unled)
    mirrored = np.ascontiguousarray(scene.frames[:, :, ::-1])
    for video, at, way in ((scene.frames, 0, 1), (mirrored, 1, -1)):
        places = points if way > 0 else _mirrored(points)
        own = follower.begin(follower.encode(video[0]), places)
        turned = np.ascontiguousarray(way * flow)
        _, alone = follower.step(own, follower.encode(video[1]), turned, unled[::2], unled[::2])
        xy = alone.xy if way > 0 else _mirrored(alone.xy)
        np.testing.assert_allclose(found.xy[at::2], xy, atol=1e-3)
        np.testing.assert_allclose(found.sure[at::2], alone.sure, atol=1e-4)
