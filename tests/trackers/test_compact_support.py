"""Support points: what they say together of the point they are around."""

from __future__ import annotations

import numpy as np
import pytest
from clips import clip, on_frame, spread

import pointtrack as pt
from pointtrack.trackers.compact_support import EACH, Found, Support
from pointtrack.weights.calibration import Calibration

SIZE = (96, 64)
CURVES = Calibration((0.0, 0.9, 1.0), (0.0, 0.95, 1.0), (1.0,), (0.5,))
XY = np.array([[30, 20], [60.5, 40.25]], np.float32)


def _word(support: Support, xy: np.ndarray, flow: np.ndarray | None = None) -> Found:
    """All rows are at ``xy`` and sure of it; straight flow, if any, leads to ``flow``."""
    ones = np.ones(len(xy), np.float32)
    trust = np.full((len(xy), 1), 0.8 if flow is not None else 0.0, np.float32)
    straight = np.concatenate([xy if flow is None else flow, trust], axis=1)
    return support.agree(Found(xy, 0.9 * ones, ones), straight)


def test_rows_lie_in_pairs_around_their_point() -> None:
    support = Support(CURVES)
    rows = support.add(XY, SIZE).reshape(2, EACH, 2)
    np.testing.assert_array_equal(rows[:, 0], XY)
    np.testing.assert_allclose(rows.mean(axis=1), XY, atol=1e-5)
    shift = np.array([3, -2], np.float32)
    agreed = _word(support, rows.reshape(-1, 2) + shift)
    np.testing.assert_allclose(agreed.xy, XY + shift, atol=1e-4)
    np.testing.assert_allclose(agreed.sure, 0.95)  # what their curves say of five that agree
    np.testing.assert_allclose(agreed.radius, 0.5)


def test_most_outvote_a_point_that_is_lost() -> None:
    support = Support(CURVES)
    rows = support.add(XY, SIZE).reshape(2, 5, 2)
    rows[0, 0] += [25, 0]  # the point itself
    rows[1, 2] += [0, 17]  # one of the others
    agreed = _word(support, rows.reshape(-1, 2))
    np.testing.assert_allclose(agreed.xy, XY, atol=1e-4)


def test_the_point_itself_counts_where_nobody_agrees() -> None:
    support = Support(CURVES)
    rows = support.add(XY, SIZE).reshape(2, 5, 2)
    rows[:, 1:] += 20 * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    np.testing.assert_allclose(_word(support, rows.reshape(-1, 2)).xy, XY, atol=1e-4)


def test_flow_decides_where_the_rows_are_scattered_but_not_where_they_agree() -> None:
    support = Support(CURVES)
    rows = support.add(XY, SIZE)
    shift = np.array([12, 4], np.float32)
    scattered = rows.reshape(2, 5, 2).copy()
    scattered += 25 * np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
    agreed = _word(support, scattered.reshape(-1, 2), rows + shift)
    np.testing.assert_allclose(agreed.xy, XY + shift, atol=1e-4)
    assert (agreed.sure > 0.9).all()
    np.testing.assert_allclose(_word(support, rows, rows + shift).xy, XY, atol=1e-4)


def test_places_follow_a_surface_that_turns() -> None:
    support = Support(CURVES)
    start = support.add(XY[:1], SIZE) - XY[0]
    for step in range(1, 90):  # half a turn, and growing by half
        angle, scale = np.pi * step / 90, 1 + step / 180
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        agreed = _word(support, (XY[0] + start @ turn.T).astype(np.float32))
        np.testing.assert_allclose(agreed.xy, XY[:1], atol=0.05)


def test_support_points_stay_in_the_picture_and_go_with_their_point() -> None:
    support = Support(CURVES)
    corner = np.array([[0, 0], [95, 63], [40, 30]], np.float32)
    rows = support.add(corner, SIZE)
    assert (rows >= 0).all()
    assert (rows <= [95, 63]).all()
    np.testing.assert_allclose(_word(support, rows).xy, corner, atol=1e-4)
    kept = support.keep(np.array([False, True, False]))
    assert kept.tolist() == [False] * 5 + [True] * 5 + [False] * 5
    np.testing.assert_allclose(_word(support, rows[kept]).xy, corner[1:2], atol=1e-4)


@pytest.mark.filterwarnings("ignore:compact has random weights")
def test_points_have_support_of_their_own_in_whole_videos_only() -> None:
    scene = clip(6, (64, 48), velocity=(0.8, -0.4), seed=1)
    points = spread(scene.size, 3, 2, 10)
    alike = {"working": 64, "smooth": False, "together": False}
    tracker = pt.load("compact", "random", **alike)
    plain = pt.load("compact", "random", support=False, **alike)
    alone = tracker.track(scene.frames, on_frame(points[:1], 0))
    together = tracker.track(scene.frames, on_frame(points, 0))
    np.testing.assert_allclose(together.xy[:1], alone.xy, atol=0.05)
    with tracker.session() as session:
        session.add(points)
        for t, frame in enumerate(scene.frames):
            now = session.step(frame)
            expected = plain.track(scene.frames, on_frame(points, 0)).xy[:, t] if t == 5 else None
    np.testing.assert_allclose(now.xy, expected, atol=1e-4)


def test_nothing_is_seen_in_a_plain_picture() -> None:
    scene = clip(8, (160, 160), seed=5).frames
    scene[3:] = 110
    tracks = pt.load("compact", working=160).track(scene, on_frame(spread((160, 160), 3, 3, 50), 0))
    assert tracks.visible[:, :3].all()
    assert not tracks.visible[:, 3:].any()
