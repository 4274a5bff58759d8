"""Optical flow as a hint: between neighbouring frames, and from where points were asked for."""

from __future__ import annotations

import numpy as np
import pytest
from clips import clip, spread

from pointtrack.trackers import flow_hints
from pointtrack.trackers.flow_hints import FlowHints, video_flow

VELOCITY = np.array([1.5, -1.0], np.float32)
SCENE = clip(8, (96, 80), velocity=tuple(VELOCITY), seed=4)
POINTS = spread(SCENE.size, 3, 2, 24).astype(np.float32)


def shown(frames: int, **asked: np.ndarray) -> FlowHints:
    """Hints after some frames; ``at_2=xy``: points asked for on frame 2."""
    hints = FlowHints()
    for t in range(frames):
        hints.see(SCENE.frames[t])
        if f"at_{t}" in asked:
            hints.add(asked[f"at_{t}"])
    return hints


def test_flow_leads_straight_from_the_frame_that_points_were_asked_for_on() -> None:
    direct = shown(7, at_0=POINTS, at_2=POINTS).direct()
    expected = np.concatenate([POINTS + 6 * VELOCITY, POINTS + 4 * VELOCITY])
    np.testing.assert_allclose(direct[:, :2], expected, atol=0.5)
    assert (direct[:, 2] > 0.7).all()


def test_later_points_do_not_disturb_earlier_ones() -> None:
    alone = shown(7, at_0=POINTS).direct()
    joined = shown(7, **{f"at_{t}": POINTS for t in range(6)}).direct()
    np.testing.assert_array_equal(joined[: len(POINTS)], alone)
    with_flow = flow_hints._TEMPLATES * len(POINTS)
    assert (joined[:with_flow, 2] > 0).all()
    assert (joined[with_flow:, 2] == 0).all()


def test_a_frame_is_forgotten_with_its_last_point() -> None:
    hints = shown(5, at_0=POINTS, at_2=POINTS)
    expected = hints.direct()[-2:]
    hints.keep(np.arange(2 * len(POINTS)) >= 2 * len(POINTS) - 2)
    np.testing.assert_array_equal(hints.direct(), expected)
    assert len(hints._templates) == 1
    hints.keep(np.zeros(2, bool))
    assert not hints._templates
    hints.see(SCENE.frames[5])
    assert hints.direct().shape == (0, 3)


def test_the_flow_of_a_whole_video_is_what_a_stream_sees() -> None:
    near, straight = video_flow(SCENE.frames)
    hints = shown(5, at_0=POINTS)
    np.testing.assert_array_equal(near[3], hints.latest())
    middle = straight[:, 24:56, 24:72].reshape(7, -1, 4)
    steps = np.arange(1, 8)[:, None] * VELOCITY
    np.testing.assert_allclose(np.median(middle, axis=1), np.hstack([steps, -steps]), atol=0.5)


@pytest.mark.parametrize("frames", [0, 1])
def test_one_frame_has_no_flow(frames) -> None:
    assert [flow.shape for flow in video_flow(SCENE.frames[:frames])] == [(0, 80, 96, 4)] * 2


def test_flow_that_leads_to_something_else_is_not_confirmed() -> None:
    hints = shown(4, at_0=POINTS)
    direct = hints.direct()
    confirmed = hints.confirmed(direct)
    np.testing.assert_array_equal(confirmed[:, :2], direct[:, :2])
    np.testing.assert_allclose(confirmed[:, 2], direct[:, 2], rtol=0.1)
    hints = shown(1, at_0=POINTS)
    hints.see(np.full_like(SCENE.frames[0], 90))  # where nothing is, nothing moves
    direct = hints.direct()
    assert (direct[:, 2] > 0.5).any()
    assert (hints.confirmed(direct)[:, 2] < 0.5 * direct[:, 2]).all()


def test_a_plain_surface_is_confirmed() -> None:
    plain = np.full_like(SCENE.frames[0], 90)
    hints = FlowHints()
    hints.see(plain)
    hints.add(POINTS)
    hints.see(plain + 10)
    np.testing.assert_array_equal(hints.confirmed(hints.direct()), hints.direct())
