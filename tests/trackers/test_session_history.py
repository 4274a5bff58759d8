"""`tracks` and `refine` of a session that keeps its history, with numbers worked by hand."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import pointtrack as pt
from pointtrack.trackers.session import Estimate, Flags, Points, Session

BLANK = np.zeros((20, 40, 3), np.uint8)
NAN = np.nan


class Rightwards(Session):
    """Every point moves by one pixel a frame, is seen on even frames, and is half sure."""

    def _start(self, frame: np.ndarray) -> None:
        pass

    def _begin(self, xy: Points) -> None:
        pass

    def _keep(self, rows: Flags) -> None:
        pass

    def _advance(self, frame: np.ndarray) -> Estimate:
        xy, visible, confidence = self._now
        seen = np.full_like(visible, self.frame % 2 == 0)
        return xy + np.float32([1, 0]), seen, np.full_like(confidence, 0.5) * seen


def test_tracks_are_what_was_reported() -> None:
    session = Rightwards(keep=True)
    session.add([[3, 4]])
    session.step(BLANK)
    session.add([[10, 9]])
    session.step(BLANK)
    session.step(BLANK)
    session.remove(0)
    session.step(BLANK)
    tracks = session.tracks(fps=30)
    assert (tracks.size, tracks.fps, tracks.names) == ((40, 20), 30, ("0", "1"))
    np.testing.assert_array_equal(tracks.xy[..., 0], [[3, 4, 5, NAN], [NAN, 10, 11, 12]])
    np.testing.assert_array_equal(tracks.xy[..., 1], [[4, 4, 4, NAN], [NAN, 9, 9, 9]])
    np.testing.assert_array_equal(tracks.visible, [[1, 0, 1, 0], [0, 1, 1, 0]])
    np.testing.assert_array_equal(tracks.confidence, [[1, 0, 0.5, 0], [0, 1, 0.5, 0]])
    assert tracks.queries is not None
    np.testing.assert_array_equal(tracks.queries.txy, [[0, 3, 4], [1, 10, 9]])


def test_corrections_are_reported_from_the_next_frame_on() -> None:
    session = Rightwards(keep=True)
    session.add([[0, 5]])
    for _ in range(5):
        session.step(BLANK)
    session.correct(0, [8, 9])
    session.step(BLANK)
    tracks = session.tracks()
    np.testing.assert_array_equal(tracks.xy[0, :, 0], [0, 1, 2, 3, 4, 9])
    np.testing.assert_array_equal(tracks.xy[0, :, 1], [5, 5, 5, 5, 5, 9])
    assert tracks.queries is not None
    np.testing.assert_array_equal(tracks.queries.txy, [[0, 0, 5], [4, 8, 9]])


def test_refine_spreads_the_jump_over_the_frames_since_the_observation_before() -> None:
    session = Rightwards(keep=True)
    session.add([[0, 5], [20, 3]])
    for _ in range(5):
        session.step(BLANK)
    session.correct(0, [8, 9])  # was reported at (4, 5): a jump of (4, 4) over four frames
    session.step(BLANK)
    session.step(BLANK)
    session.correct(0, [9, 9])  # was reported at (10, 9): a jump of (-1, 0) over two
    session.step(BLANK)
    refined = session.refine(fps=Fraction(30000, 1001))
    np.testing.assert_allclose(refined.xy[0, :, 0], [0, 2, 4, 6, 8, 8.5, 9, 10], atol=1e-6)
    np.testing.assert_allclose(refined.xy[0, :, 1], [5, 6, 7, 8, 9, 9, 9, 9], atol=1e-6)
    np.testing.assert_array_equal(refined.visible[0], [1, 0, 1, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(refined.confidence[0], [1, 0, 0.5, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(refined.xy[1], session.tracks().xy[1])
    assert refined.fps == Fraction(30000, 1001)


def test_a_correction_on_an_odd_frame_is_seen_there() -> None:
    session = Rightwards(keep=True)
    session.add([[0, 5]])
    for _ in range(4):
        session.step(BLANK)
    session.correct(0, [3, 5])
    assert not session.tracks().visible[0, 3]
    refined = session.refine()
    assert refined.visible[0, 3]
    assert refined.confidence[0, 3] == 1


def test_a_correction_on_the_first_frame_replaces_the_query() -> None:
    session = Rightwards(keep=True)
    session.add([[0, 5]])
    session.step(BLANK)
    session.correct(0, [2, 6])
    session.correct(0, [3, 7])
    session.step(BLANK)
    refined = session.refine()
    np.testing.assert_array_equal(session.tracks().xy[0], [[0, 5], [4, 7]])
    np.testing.assert_array_equal(refined.xy[0], [[3, 7], [4, 7]])
    assert refined.queries is not None
    np.testing.assert_array_equal(refined.queries.txy, [[0, 3, 7]])


def test_points_never_seen_have_no_row_and_the_others_are_named_by_their_ids() -> None:
    session = Rightwards(keep=True)
    session.add([[1, 1], [2, 2], [3, 3]])
    session.remove(1)
    session.step(BLANK)
    tracks = session.tracks()
    assert tracks.names == ("0", "2")
    np.testing.assert_array_equal(tracks.xy[:, 0], [[1, 1], [3, 3]])
    assert tracks.queries is not None
    assert tracks.queries.names == ("0", "2")
    session.correct(2, [7, 7])
    np.testing.assert_array_equal(session.refine().xy[1, 0], [7, 7])


def test_a_session_without_points_or_steps_has_empty_tracks() -> None:
    session = Rightwards(keep=True)
    assert session.tracks().xy.shape == (0, 0, 2)
    session.step(BLANK)
    assert session.refine().xy.shape == (0, 1, 2)


def test_a_wrong_rate_is_an_error() -> None:
    session = Rightwards(keep=True)
    for fps in (0, -1, float("nan")):
        with pytest.raises(pt.PointtrackError, match="fps"):
            session.tracks(fps)


def test_a_closed_session_has_no_points_but_its_history() -> None:
    with Rightwards(keep=True) as session:
        session.add([[1, 1]])
        session.step(BLANK)
        session.add([[2, 2]])
    assert len(session.step(BLANK).ids) == 0
    np.testing.assert_array_equal(session.tracks().xy[:, 0], [[1, 1]])
