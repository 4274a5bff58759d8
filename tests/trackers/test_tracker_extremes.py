"""Pictures with next to nothing in them: every tracker answers, and never with a cv2.error."""

from __future__ import annotations

import numpy as np
import pytest
from clips import clip

import pointtrack as pt

MODELS = [card.name for card in pt.models() if card.parameters == 0]
SIZES = [(1, 1), (2, 1), (5, 4), (9, 9), (12, 12), (16, 16), (200, 8), (8, 200), (300, 1), (1, 300)]


def noise(size: tuple[int, int], frames: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (frames, size[1], size[0], 3), np.uint8)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("model", MODELS)
def test_tiny_and_narrow_pictures(model: str, size: tuple[int, int]) -> None:
    corner, middle = np.array(size) - 0.5, (np.array(size) - 1) / 2
    tracks = pt.track(noise(size), [(0, -0.5, -0.5), (0, *corner), (2, *middle)], model=model)
    assert np.isfinite(tracks.xy).all()
    assert np.isfinite(tracks.confidence).all()


@pytest.mark.parametrize("size", [(5, 4), (40, 9), (96, 64)], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("model", MODELS)
def test_a_still_picture_keeps_every_point_still(model: str, size: tuple[int, int]) -> None:
    frames = np.repeat(clip(1, size, seed=4).frames, 8, axis=0)
    right, bottom = size[0] - 0.5, size[1] - 0.5
    points = [(-0.5, -0.5), (right, bottom), (-0.5, bottom / 2), (right / 2, -0.5)]
    points += [(right / 2, bottom / 2), (1.25, 1.5)]
    tracks = pt.track(frames, [(3, x, y) for x, y in points], model=model)
    np.testing.assert_allclose(tracks.xy, np.repeat(tracks.xy[:, 3:4], 8, axis=1), atol=0.02)
    # MFT counts what lies beyond the centre of the first pixel as outside.
    assert tracks.visible[4:].all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", MODELS)
def test_a_video_without_any_texture(model: str) -> None:
    frames = np.full((8, 48, 64, 3), 128, np.uint8)
    tracks = pt.track(frames, pt.grid(4, frame=2), model=model)
    np.testing.assert_allclose(tracks.xy, np.repeat(tracks.xy[:, 2:3], 8, axis=1), atol=1e-3)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", MODELS)
def test_a_cut_to_black_and_back(model: str) -> None:
    frames = np.repeat(clip(1, (64, 48), seed=4).frames, 9, axis=0)
    frames[3:6] = 0
    tracks = pt.track(frames, pt.grid(3), model=model)
    assert np.isfinite(tracks.xy).all()
    if model in ("klt", "mft", "flow_chain"):
        assert not tracks.visible[:, 3:6].any()
    if model in ("klt", "mft"):
        assert tracks.visible[:, 6:].all()
        np.testing.assert_allclose(tracks.xy[:, 8], tracks.xy[:, 0], atol=0.2)


@pytest.mark.parametrize("model", MODELS)
def test_points_that_leave_the_picture_are_not_visible(model: str) -> None:
    scene = clip(16, (64, 48), velocity=(3, 0), seed=6)
    tracks = pt.track(scene.frames, [(0, 40.0, 24.0)], model=model, both_ways=False)
    assert np.isfinite(tracks.xy).all()
    if model != "static":
        assert tracks.visible[0, :4].all()
        assert not tracks.visible[0, 10:].any()  # from frame 8 on it is outside


@pytest.mark.parametrize("model", ["flow_chain", "mft"])
def test_a_small_video_leaves_no_trace_in_the_tracker(model: str) -> None:
    tracker, fresh = pt.load(model), pt.load(model)
    scene = clip(4, (96, 80), velocity=(1, 0.5), seed=2)
    tracker.track(noise((14, 13)), [(0, 5, 5)])
    tracks, expected = (t.track(scene.frames, pt.grid(4)) for t in (tracker, fresh))
    np.testing.assert_array_equal(tracks.xy, expected.xy)
