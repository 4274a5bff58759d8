"""Refinement at full resolution: rough positions in, where the patch really is out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from clips import Clip, clip, cover, on_frame, spread

import pointtrack as pt
from pointtrack.trackers import compact_follower
from pointtrack.trackers.refinement import Refiner
from pointtrack.weights.calibration import Curves

SCALE = 3.0
SIZE = (240, 180)
POINTS = spread(SIZE, 4, 3, 45)


def refiner_at(scene: Clip, points: np.ndarray = POINTS) -> Refiner:
    refiner = Refiner(SCALE)
    refiner.see(scene.frames[0])
    refiner.add(points)
    return refiner


def off(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.hypot(*(found - truth).T)


def test_positions_a_working_pixel_off_become_exact_while_the_scene_turns_and_grows() -> None:
    scene = clip(6, SIZE, velocity=(2.3, -1.1), turn=0.04, zoom=1.02, seed=2)
    refiner, rng = refiner_at(scene), np.random.default_rng(0)
    for t in range(1, 6):
        truth = scene.move(POINTS, 0, t)
        rough = (truth + rng.uniform(-2, 2, truth.shape)).astype(np.float32)
        refiner.see(scene.frames[t])
        found = refiner.refine(rough, np.ones(len(POINTS), bool))
        assert np.median(off(rough, truth)) > 1
        assert off(found, truth).max() < 0.25


def test_only_the_rows_asked_for_are_moved() -> None:
    scene = clip(2, SIZE, seed=3)
    refiner = refiner_at(scene)
    refiner.see(scene.frames[1])
    rows = np.arange(len(POINTS)) % 2 == 0
    found = refiner.refine(POINTS + 1.5, rows)
    np.testing.assert_array_equal(found[~rows], POINTS[~rows] + np.float32(1.5))
    assert off(found[rows], POINTS[rows]).max() < 0.1


def test_what_is_covered_stays_where_the_network_says() -> None:
    scene = cover(clip(2, SIZE, seed=4), np.array([[0, 0, 0, 0], [-1, -1, *SIZE]]))
    refiner = refiner_at(scene)
    refiner.see(scene.frames[1])
    rough = POINTS + 1.5
    found = refiner.refine(rough, np.ones(len(POINTS), bool))
    assert (found == rough).all(axis=1).mean() > 0.8


def test_a_point_is_not_moved_farther_than_the_network_may_be_off() -> None:
    scene = clip(2, SIZE, seed=5, finest=20)
    refiner, rows = refiner_at(scene), np.ones(len(POINTS), bool)
    refiner.see(scene.frames[1])
    for away, right in ((3.5, True), (6.0, False)):
        rough = (POINTS + np.array([away, 0])).astype(np.float32)
        found = refiner.refine(rough, rows)
        assert (off(found, rough) <= 1.5 * SCALE + 1e-3).all()
        assert (np.median(off(found, POINTS)) < 0.1) == right


def test_points_are_forgotten() -> None:
    scene = clip(2, SIZE, seed=6)
    refiner = refiner_at(scene)
    rows = np.arange(len(POINTS)) >= 5
    refiner.keep(rows)
    refiner.see(scene.frames[1])
    found = refiner.refine(POINTS[rows] + 1, np.ones(rows.sum(), bool))
    assert off(found, POINTS[rows]).max() < 0.1


class Rough:
    """A network that is `offset` working pixels off."""

    offset = 0.6
    curves = Curves()

    def __init__(self, *_: object) -> None:
        pass

    def encode(self, frame: np.ndarray) -> np.ndarray:
        return frame

    def begin(self, features: np.ndarray, xy: np.ndarray) -> np.ndarray:
        return np.array(xy, np.float32)

    def keep(self, state: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return state[rows]

    def append(self, state: np.ndarray | None, fresh: np.ndarray) -> np.ndarray:
        return fresh if state is None else np.concatenate([state, fresh])

    def step(self, state: np.ndarray, features: np.ndarray, *flows: np.ndarray) -> tuple:
        sure = np.ones(len(state), np.float32)
        found = compact_follower.Found(state + self.offset, sure, 0 * sure)
        return state, found

    def chances(self, state: np.ndarray) -> np.ndarray:
        return np.ones((len(state), 2), np.float32)


@pytest.fixture
def rough(monkeypatch: pytest.MonkeyPatch) -> type[Rough]:
    monkeypatch.setattr(compact_follower, "Follower", Rough)
    return Rough


@pytest.mark.parametrize(("refine", "low", "high"), [(True, 0, 0.15), (False, 1.5, 4)])
def test_the_tracker_refines_large_videos(rough: object, refine, low, high) -> None:
    still = clip(4, SIZE, seed=7)
    tracks = pt.load("compact", "random", working=64, refine=refine).track(
        still.frames, on_frame(POINTS, 0)
    )
    error = off(tracks.xy[:, -1], POINTS)
    assert low <= np.median(error) <= high


def test_frames_as_small_as_the_network_sees_them_are_refined_too(rough: object) -> None:
    still = clip(3, SIZE, seed=8)
    tracker = pt.load("compact", "random", working=208)
    tracks = tracker.track(still.frames, on_frame(POINTS, 0))
    assert np.median(off(tracks.xy[:, -1], POINTS)) < 0.15


def test_a_live_session_takes_points_up_corrects_and_removes_them(rough: object) -> None:
    scene = clip(6, SIZE, seed=9)
    with pt.load("compact", "random", working=64).session() as session:
        first = session.add(POINTS[:4])
        session.step(scene.frames[0])
        more = session.add(POINTS[4:7])
        session.step(scene.frames[1])
        session.remove(first[1])
        session.correct(first[0], POINTS[8])
        now = session.step(scene.frames[2])
        assert now.ids.tolist() == [*[first[0]], *first[2:], *more]
        truth = POINTS[[8, 2, 3, 4, 5, 6]]
        assert np.median(off(now.xy, truth)) < 0.15


def test_grey_levels_of_light_do_not_matter() -> None:
    scene = clip(2, SIZE, seed=10)
    refiner = refiner_at(scene)
    refiner.see(cv2.convertScaleAbs(scene.frames[1], alpha=0.7, beta=20))
    found = refiner.refine(POINTS + 1.5, np.ones(len(POINTS), bool))
    assert np.median(off(found, POINTS)) < 0.1
