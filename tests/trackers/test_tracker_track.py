"""`Tracker.track`, `refine` and `track_many`: what every method shares over a whole video."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import clip, on_frame, spread

import pointtrack as pt
from pointtrack.trackers.base import Paths, blend

MODELS = [card.name for card in pt.models() if card.parameters == 0]
SCENE = clip(10, (64, 48), velocity=(0.8, -0.4), seed=1)
POINTS = spread(SCENE.size, 3, 2, 16)


@pytest.fixture(params=MODELS)
def tracker(request: pytest.FixtureRequest) -> pt.Tracker:
    return pt.load(request.param)


def by_hand(tracker: pt.Tracker, queries: np.ndarray, frames: np.ndarray) -> pt.Tracks:
    session = tracker.session(keep=True)
    for t, frame in enumerate(frames):
        now = queries[queries[:, 0] == t]
        if len(now):
            session.add(now[:, 1:])
        session.step(frame)
    return session.tracks()


def test_forward_is_what_a_session_reports(tracker: pt.Tracker) -> None:
    queries = np.concatenate([on_frame(POINTS[:3], 0), on_frame(POINTS[3:], 4)])
    tracks = tracker.track(SCENE.frames, queries, both_ways=False)
    expected = by_hand(tracker, queries, SCENE.frames)
    np.testing.assert_array_equal(tracks.xy, expected.xy)
    np.testing.assert_array_equal(tracks.visible, expected.visible)
    np.testing.assert_array_equal(tracks.confidence, expected.confidence)


def test_one_way_knows_nothing_before_the_query(tracker: pt.Tracker) -> None:
    queries = [(0, 20, 20), (3, 30, 20), (9, 40, 20)]
    tracks = tracker.track(SCENE.frames, queries, both_ways=False)
    for row, start in enumerate((0, 3, 9)):
        assert np.isnan(tracks.xy[row, :start]).all()
        assert np.isfinite(tracks.xy[row, start:]).all()
        assert not tracks.visible[row, :start].any()
        assert not tracks.confidence[row, :start].any()


def test_both_ways_is_a_session_on_the_reversed_video_before_the_query(
    tracker: pt.Tracker,
) -> None:
    last = len(SCENE.frames) - 1
    queries = on_frame(POINTS, 4)
    tracks = tracker.track(SCENE.frames, queries)
    backwards = by_hand(tracker, on_frame(POINTS, 0), SCENE.frames[4::-1])
    forwards = by_hand(tracker, on_frame(POINTS, 0), SCENE.frames[4:])
    np.testing.assert_array_equal(tracks.xy[:, :5], backwards.xy[:, ::-1])
    np.testing.assert_array_equal(tracks.xy[:, 4:], forwards.xy)
    np.testing.assert_array_equal(tracks.confidence[:, :5], backwards.confidence[:, ::-1])
    assert tracks.num_frames == last + 1


@pytest.mark.parametrize("both_ways", [True, False])
def test_a_track_passes_exactly_through_every_observation(
    tracker: pt.Tracker, both_ways: bool
) -> None:
    txy = np.array([[7, 25, 22], [2, 20, 24], [4, 23.5, 21.25], [3, 40, 30]], np.float32)
    queries = pt.Queries(txy, np.array([0, 0, 0, 1]))
    tracks = tracker.track(SCENE.frames, queries, both_ways=both_ways)
    for t, x, y in txy[:3]:
        np.testing.assert_array_equal(tracks.xy[0, int(t)], [x, y])
        assert tracks.visible[0, int(t)]
        assert tracks.confidence[0, int(t)] == 1
    np.testing.assert_array_equal(tracks.xy[1, 3], [40, 30])
    assert np.isfinite(tracks.xy[0, 2:]).all()
    assert np.isfinite(tracks.xy[:, 0]).all() == both_ways


def test_between_observations_both_directions_count_by_time_and_confidence() -> None:
    tracks = pt.load("static").track(
        np.zeros((5, 48, 64, 3), np.uint8),
        pt.Queries(np.array([[0, 10, 10], [4, 20, 30]]), np.array([0, 0])),
    )
    np.testing.assert_allclose(tracks.xy[0, :, 0], [10, 12.5, 15, 17.5, 20], atol=1e-5)
    np.testing.assert_allclose(tracks.xy[0, :, 1], [10, 15, 20, 25, 30], atol=1e-5)
    assert tracks.visible.all()


def test_of_two_observations_on_one_frame_the_last_counts(tracker: pt.Tracker) -> None:
    first = pt.Queries(np.array([[2, 20, 24]], np.float32))
    put_right = first.corrected(0, 2, [30, 20])
    tracks = tracker.track(SCENE.frames, put_right)
    expected = tracker.track(SCENE.frames, [(2, 30, 20)])
    np.testing.assert_allclose(tracks.xy, expected.xy, atol=0.05)


def test_blend_against_numbers_worked_by_hand() -> None:
    ahead, back = Paths.empty(2, 6), Paths.empty(2, 6)
    ahead.xy[0, 1:] = [[1, 0], [2, 0], [3, 0], [4, 0], [5, 0]]
    ahead.visible[0, 1:] = [True, True, False, True, True]
    ahead.confidence[0, 1:] = [1, 0.8, 0.3, 1, 0.6]
    back.xy[0, :5] = [[9, 9], [11, 10], [12, 10], [13, 10], [4, 0]]
    back.visible[0, :5] = [True, False, False, True, True]
    back.confidence[0, :5] = [0.4, 0.2, 0.2, 0.9, 1]
    queries = pt.Queries(
        np.array([[1, 1, 0], [4, 4, 0], [0, 7, 7]], np.float32), np.array([0, 0, 1])
    )
    ahead.xy[1], ahead.visible[1], ahead.confidence[1] = 7, True, 1
    done = blend(ahead, back, queries)
    # Frame 2, a third of the way: backwards weighs 1/3 x 0.201, forwards 2/3 x 0.801.
    two = (0.201 / 3) / (0.201 / 3 + 2 * 0.801 / 3)
    # Frame 3, two thirds of the way: backwards weighs 2/3 x 0.901, forwards 1/3 x 0.301.
    three = (2 * 0.901 / 3) / (2 * 0.901 / 3 + 0.301 / 3)
    expected = [[9, 9], [1, 0], [2 + 10 * two, 10 * two], [3 + 10 * three, 10 * three], [4, 0]]
    np.testing.assert_allclose(done.xy[0], [*expected, [5, 0]], rtol=1e-6)
    np.testing.assert_array_equal(done.visible[0], [True, True, True, True, True, True])
    np.testing.assert_allclose(done.confidence[0], [0.4, 1, 0.8, 0.9, 1, 0.6])
    np.testing.assert_array_equal(done.xy[1], ahead.xy[1])


def test_blend_with_no_confidence_on_either_side_counts_by_time_alone() -> None:
    ahead, back = Paths.empty(1, 5), Paths.empty(1, 5)
    ahead.xy[0], back.xy[0] = 0, 8
    queries = pt.Queries(np.array([[0, 0, 0], [4, 8, 8]], np.float32), np.array([0, 0]))
    done = blend(ahead, back, queries)
    np.testing.assert_allclose(done.xy[0, 1:4, 0], [2, 4, 6], rtol=1e-6)


@pytest.mark.parametrize("both_ways", [True, False])
def test_progress_ends_when_all_is_done(tracker: pt.Tracker, both_ways: bool) -> None:
    calls: list[tuple[int, int]] = []
    queries = pt.Queries(
        np.array([[2, 20, 20], [6, 22, 20], [5, 30, 30]], np.float32), np.array([0, 0, 1])
    )
    tracker.track(
        SCENE.frames,
        queries,
        both_ways=both_ways,
        progress=lambda done, total: calls.append((done, total)),
    )
    totals = {total for _, total in calls}
    assert len(totals) == 1
    assert [done for done, _ in calls] == list(range(1, totals.pop() + 1))


def test_backwards_goes_no_further_than_the_first_observation_when_that_is_enough() -> None:
    calls: list[int] = []
    queries = pt.Queries(np.array([[5, 20, 20], [8, 22, 20]], np.float32), np.array([0, 0]))
    pt.load("static").track(
        SCENE.frames, queries, both_ways=False, progress=lambda done, total: calls.append(total)
    )
    assert calls[0] == 5 + 4  # frames 5 to 9 forwards, 8 to 5 backwards


@pytest.mark.parametrize("frames", [1, 2])
def test_very_short_videos(tracker: pt.Tracker, frames: int) -> None:
    tracks = tracker.track(SCENE.frames[:frames], on_frame(POINTS, frames - 1))
    assert tracks.xy.shape == (len(POINTS), frames, 2)
    np.testing.assert_array_equal(tracks.xy[:, frames - 1], POINTS)
    assert np.isfinite(tracks.xy).all()


def test_the_answer_knows_its_video_and_its_queries(tracker: pt.Tracker) -> None:
    video = pt.open_video(SCENE.frames, fps=12)
    queries = pt.points(POINTS[:2], frame=3, names=("left", "right"))
    tracks = tracker.track(video, queries)
    assert (tracks.size, tracks.fps, tracks.names) == ((64, 48), 12, ("left", "right"))
    assert tracks.queries is queries
    np.testing.assert_allclose(tracks.times, np.arange(10) / 12)


@pytest.mark.parametrize("query", [(10, 5, 5), (0, 64, 5), (0, np.nan, 5), (-1, 5, 5)])
def test_a_query_outside_is_one_error(tracker: pt.Tracker, query: tuple) -> None:
    with pytest.raises(pt.QueryError):
        tracker.track(SCENE.frames, [query])


# --- refine and track_many -------------------------------------------------------------------


def test_refine_changes_only_corrected_points(tracker: pt.Tracker) -> None:
    queries = pt.Queries(on_frame(POINTS[:3], 2))
    tracks = tracker.track(SCENE.frames, queries)
    corrected = queries.corrected(1, t=7, xy=POINTS[4])
    refined = tracker.refine(SCENE.frames, tracks, corrected)
    for point in (0, 2):
        np.testing.assert_array_equal(refined.xy[point], tracks.xy[point])
        np.testing.assert_array_equal(refined.confidence[point], tracks.confidence[point])
    np.testing.assert_array_equal(refined.xy[1, 2], POINTS[1])
    np.testing.assert_array_equal(refined.xy[1, 7], POINTS[4])
    assert not np.array_equal(refined.xy[1, 9], tracks.xy[1, 9])
    assert refined.queries is corrected


def test_refine_without_a_change_is_the_same_answer(tracker: pt.Tracker) -> None:
    queries = pt.Queries(on_frame(POINTS[:3], 2))
    tracks = tracker.track(SCENE.frames, queries)
    assert tracker.refine(SCENE.frames, tracks, queries) is tracks


def test_refine_keeps_to_the_direction_of_the_earlier_answer() -> None:
    tracker = pt.load("static")
    queries = pt.Queries(np.array([[0, 20, 20], [3, 30, 20]], np.float32))
    corrected = queries.corrected(0, 5, [22, 20]).corrected(1, 7, [33, 20])
    for both_ways in (True, False):
        tracks = tracker.track(SCENE.frames, queries, both_ways=both_ways)
        refined = tracker.refine(SCENE.frames, tracks, corrected)
        np.testing.assert_array_equal(refined.known, tracks.known)


def test_refine_refuses_tracks_of_something_else() -> None:
    tracker = pt.load("static")
    queries = pt.Queries(on_frame(POINTS[:2], 0))
    tracks = tracker.track(SCENE.frames, queries)
    corrected = queries.corrected(1, 3, [5, 5])
    with pytest.raises(pt.QueryError, match="same points"):
        tracker.refine(SCENE.frames, tracks, pt.Queries(on_frame(POINTS[:3], 0)))
    with pytest.raises(pt.PointtrackError, match="8"):
        tracker.refine(SCENE.frames[:8], tracks, corrected)
    with pytest.raises(pt.PointtrackError, match="begin at frame 2"):
        tracker.refine(SCENE.frames, tracks.clip(2, 9), corrected)
    with pytest.raises(pt.PointtrackError, match="40"):
        tracker.refine(SCENE.frames[:, :, :40], tracks, corrected)


def test_track_many_goes_from_video_to_video(tracker: pt.Tracker, tmp_path: Path) -> None:
    other = clip(4, (40, 32), seed=2).frames
    path = tmp_path / "other.mkv"
    pt.write_video(path, other)
    answers = list(tracker.track_many([SCENE.frames[:3], path], pt.grid(2)))
    assert answers[0][0] is not answers[1][0]
    assert answers[1][0] == path
    assert [tracks.xy.shape for _, tracks in answers] == [(4, 3, 2), (4, 4, 2)]
    assert [tracks.size for _, tracks in answers] == [(64, 48), (40, 32)]


def test_track_many_asks_for_a_grid_of_20_and_takes_one_video_at_a_time() -> None:
    taken = []

    def videos():
        for name in "ab":
            taken.append(name)
            yield SCENE.frames[:2]

    answers = pt.load("static").track_many(videos())
    assert taken == []
    _, tracks = next(answers)
    assert (len(tracks), taken) == (400, ["a"])
