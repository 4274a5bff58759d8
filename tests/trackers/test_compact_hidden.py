"""How the camera moved, and points that go on with it while they are hidden."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from clips import Clip, clip, cover, on_frame, spread
from hypothesis import given
from hypothesis import strategies as st

import pointtrack as pt
from pointtrack.trackers.camera_motion import CameraMotion
from pointtrack.trackers.compact_hidden import Hidden
from pointtrack.trackers.flow_hints import FlowHints

SIZE = (192, 160)
POINTS = spread(SIZE, 5, 4, 20)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def seen(frames: np.ndarray) -> CameraMotion:
    """The camera's motion between the last two of some frames."""
    hints, camera = FlowHints(), CameraMotion()
    for t, frame in enumerate(frames):
        hints.see(frame)
        camera.see(frame, hints.latest() if t else None)
    return camera


def test_it_follows_the_scene_and_not_what_passes_before_it() -> None:
    scene = clip(2, SIZE, velocity=(4, -3), turn=0.03, zoom=1.02, seed=3)
    boxes = np.array([[20, 30, 100, 130], [25, 36, 105, 136]])
    camera = seen(cover(scene, boxes).frames)
    error = np.linalg.norm(camera.move(POINTS) - scene.move(POINTS, 0, 1), axis=1)
    assert error.max() < 1.5  # under the board, too, where nothing says so
    assert 0.4 < camera.share < 0.95


@pytest.mark.parametrize("seed", [8, 9, 10])
def test_dark_places_have_a_say(seed: int) -> None:
    scene = clip(2, SIZE, velocity=(9, -7), seed=seed)
    board = np.tile([0, 0, 48, 160], (2, 1))  # bright, and it stands still
    frames = cover(scene, board).frames
    frames[:, :, 48:] = frames[:, :, 48:] // 8
    dark = POINTS[POINTS[:, 0] > 48]
    assert np.linalg.norm(seen(frames).move(dark) - dark - [9, -7], axis=1).max() < 0.7


def test_a_plain_picture_says_nothing() -> None:
    camera = seen(np.full((3, 160, 192, 3), 90, np.uint8))
    assert camera.share == 0
    np.testing.assert_array_equal(camera.move(POINTS), POINTS)
    assert len(camera.move(POINTS[:0])) == 0


def test_corners_are_those_of_the_picture_whatever_its_size() -> None:
    for side in (96, 256, 400):
        camera = seen(clip(2, (side, side), velocity=(2, 1), seed=4).frames)
        at = spread((side, side), 3, 3, 20)
        assert np.abs(camera.move(at) - at - [2, 1]).max() < 0.3


def test_plain_places_beside_bright_ones_do_no_harm() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:192, :192]
    for _ in range(80):
        patchwork = rng.uniform(0, 255) + rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y
        for _ in range(rng.integers(1, 6)):
            left, top, width, height = rng.integers(1, 180, 4)
            patchwork[top : top + height, left : left + width] = rng.uniform(0, 255)
        picture = np.clip(patchwork, 0, 255).astype(np.uint8)
        with np.errstate(all="raise"):
            CameraMotion().see(np.repeat(picture[..., None], 3, axis=2), None)


SURE, GONE, DOUBTED = (0.95, 0.95), (0.2, 0.5), (0.9, 0.3)


def hidden_rows(scene: Clip, chances: list[list[tuple[float, float]]], off: np.ndarray) -> Hidden:
    """Rows at the first `POINTS` that moved by ``off`` px a frame beside the scene."""
    rows, hints = Hidden(), FlowHints()
    at = POINTS[: len(off)]
    for t, frame in enumerate(scene.frames):
        hints.see(frame)
        rows.see(frame, hints.latest() if t else None)
        if t == 0:
            rows.add(at)
        elif t <= len(chances):
            rows.learn(scene.move(at, 0, t) + t * off[:, None], np.array(chances[t - 1]))
    return rows


def test_only_hidden_rows_that_went_with_the_camera_are_led() -> None:
    scene = clip(7, SIZE, velocity=(4, 2), seed=3)  # of the last frame nothing is learned
    often = [[SURE, SURE, SURE, GONE, SURE]] * 3
    last = [[GONE, SURE, DOUBTED, GONE, GONE]] * 2
    off = np.array([0.0, 0, 0, 0, 5])  # the last one goes its own way
    rows = hidden_rows(scene, [*often, *last], off)
    led = rows.lead()
    np.testing.assert_array_equal(led[:, 2], [1, 0, 0, 1, 0])
    expected = scene.move(POINTS[:5], 0, 5) + np.array([4, 2])
    assert np.abs(led[[0, 3], :2] - expected[[0, 3]]).max() < 0.7
    rows.put(np.array([0]), np.array([[7.0, 8.0]], np.float32))
    assert rows.lead()[0, 2] == 0
    rows.keep(np.array([False, False, False, True, False]))
    assert rows.lead().shape == (1, 3)
    assert rows.lead()[0, 2] == 1


@given(st.lists(st.sampled_from([SURE, GONE, DOUBTED]), min_size=1, max_size=6))
def test_rows_do_not_speak_of_each_other(words: list[tuple[float, float]]) -> None:
    frames = clip(2, (64, 64), velocity=(2, 1), seed=6).frames
    flow = _flow(frames)

    def run(which: slice) -> np.ndarray:
        rows = Hidden()
        rows.see(frames[0], None)
        rows.add(POINTS[: len(words)][which])
        rows.see(frames[1], flow)
        rows.learn(POINTS[: len(words)][which] + 1, np.array(words)[which])
        return rows.lead()

    for k in range(len(words)):
        np.testing.assert_array_equal(run(slice(None))[k], run(slice(k, k + 1))[0])


def _flow(frames: np.ndarray) -> np.ndarray:
    hints = FlowHints()
    for frame in frames:
        hints.see(frame)
    return hints.latest()


def test_a_point_goes_on_with_the_camera_behind_a_board_that_moves() -> None:
    scene = clip(14, SIZE, velocity=(4, 0), seed=12)
    start = np.array([[60.2, 70.4], [70.1, 90.3]])
    x = np.r_[-190, -190, np.full(10, 30) - 3 * np.arange(10), 350, 350.0]  # the other way
    boxes = np.column_stack([x, np.full(14, 20), x + 150, np.full(14, 140)])
    video = cover(scene, boxes, plain=True)
    tracks = pt.load("compact", working=SIZE[0]).track(video.frames, on_frame(start, 0))
    truth = video.truth(on_frame(start, 0))
    under = video.covered(truth)
    assert under[:, 2:12].all()
    assert not tracks.visible[under].any()
    assert np.linalg.norm(tracks.xy - truth, axis=2)[:, 2:12].max() < 6
    assert tracks.visible[:, -1].all()
    assert np.linalg.norm(tracks.xy - truth, axis=2)[:, -1].max() < 2
