"""What every tracker's session promises, whatever the method."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from clips import clip, spread

import pointtrack as pt

MODELS = [card.name for card in pt.models() if card.parameters == 0]
INDEPENDENT = ["klt", "flow_chain", "mft", "static"]  # points that do not see each other

SCENE = clip(12, (64, 48), velocity=(0.8, -0.4), seed=1)
POINTS = spread(SCENE.size, 3, 2, 16)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return request.param


def run(session: pt.Session, frames: Any = SCENE.frames) -> list[pt.Step]:
    return [session.step(frame) for frame in frames]


def test_points_added_before_the_first_frame_begin_on_it(model: str) -> None:
    session = pt.load(model).session()
    ids = session.add(POINTS)
    now = session.step(SCENE.frames[0])
    assert ids == list(range(len(POINTS)))
    assert now.frame == 0
    np.testing.assert_array_equal(now.ids, ids)
    np.testing.assert_array_equal(now.xy, POINTS)
    assert now.visible.all()
    np.testing.assert_array_equal(now.confidence, 1)


def test_points_added_later_begin_on_the_next_frame_exactly_there(model: str) -> None:
    session = pt.load(model).session()
    session.add(POINTS[0])
    for frame in SCENE.frames[:4]:
        assert session.step(frame).ids.tolist() == [0]
    late = session.add(POINTS[1:3])
    now = session.step(SCENE.frames[4])
    assert now.frame == 4
    assert late == [1, 2]
    assert now.ids.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(now.xy[1:], POINTS[1:3])


def test_steps_have_the_promised_shapes_and_types(model: str) -> None:
    session = pt.load(model).session()
    for t, frame in enumerate(SCENE.frames[:6]):
        if t == 2:
            session.add(POINTS[:4])
        now = session.step(frame)
        count = 4 if t >= 2 else 0
        assert (now.ids.dtype, now.ids.shape) == (np.int64, (count,))
        assert (now.xy.dtype, now.xy.shape) == (np.float32, (count, 2))
        assert (now.visible.dtype, now.visible.shape) == (bool, (count,))
        assert (now.confidence.dtype, now.confidence.shape) == (np.float32, (count,))
        assert np.isfinite(now.xy).all()
        assert ((now.confidence >= 0) & (now.confidence <= 1)).all()


def test_ids_stay_ascending_and_are_never_used_again(model: str) -> None:
    session = pt.load(model).session()
    session.add(POINTS[:3])
    session.step(SCENE.frames[0])
    session.correct(0, POINTS[0])
    session.remove(1)
    session.remove(session.add(POINTS[4]))  # never seen at all
    assert session.add(POINTS[5]) == [4]
    for frame in SCENE.frames[1:4]:
        assert session.step(frame).ids.tolist() == [0, 2, 4]


def test_a_removed_point_is_gone_and_the_others_keep_their_places(model: str) -> None:
    session, alone = pt.load(model).session(), pt.load(model).session()
    for each in (session, alone):
        each.add(POINTS[:3])
        run(each, SCENE.frames[:3])
    session.remove([0, 2])
    now, whole = session.step(SCENE.frames[3]), alone.step(SCENE.frames[3])
    assert now.ids.tolist() == [1]
    np.testing.assert_allclose(now.xy[0], whole.xy[1], atol=0.05)
    session.remove(np.array([1]))
    assert session.step(SCENE.frames[4]).ids.tolist() == []


def test_a_correction_moves_the_point_and_what_follows_goes_on_from_there(model: str) -> None:
    session, fresh = pt.load(model).session(), pt.load(model).session()
    session.add(POINTS[:2])
    run(session, SCENE.frames[:4])
    wanted = POINTS[3]
    session.correct(0, wanted)
    fresh.add(wanted)
    fresh.step(SCENE.frames[3])
    for frame in SCENE.frames[4:]:
        now, expected = session.step(frame), fresh.step(frame)
        assert now.ids.tolist() == [0, 1]
        np.testing.assert_allclose(now.xy[0], expected.xy[0], atol=0.1)


def test_of_two_corrections_on_one_frame_the_last_counts(model: str) -> None:
    twice, once = pt.load(model).session(), pt.load(model).session()
    for session in (twice, once):
        session.add(POINTS[:2])
        run(session, SCENE.frames[:3])
    twice.correct(0, POINTS[4])
    twice.correct(0, POINTS[3])
    once.correct(0, POINTS[3])
    for frame in SCENE.frames[3:6]:
        np.testing.assert_array_equal(twice.step(frame).xy, once.step(frame).xy)


def test_correcting_a_waiting_point_changes_where_it_begins(model: str) -> None:
    session = pt.load(model).session()
    session.add(POINTS[:2])
    session.correct(1, POINTS[5])
    np.testing.assert_array_equal(session.step(SCENE.frames[0]).xy, POINTS[[0, 5]])


def test_no_points_at_all_is_fine(model: str) -> None:
    session = pt.load(model).session()
    assert session.add([]) == []
    assert session.add(np.empty((0, 2))) == []
    session.remove([])
    assert [len(now.ids) for now in run(session, SCENE.frames[:3])] == [0, 0, 0]


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((48, 64, 3), np.float32),
        np.zeros((47, 64, 3), np.uint8),
        np.zeros((0, 64, 3), np.uint8),
        "frame.png",
        None,
    ],
    ids=["grey", "rgba", "float", "another size", "empty", "path", "none"],
)
def test_a_wrong_frame_is_one_error_and_leaves_the_session_as_it_was(
    model: str, frame: Any
) -> None:
    session, other = pt.load(model).session(), pt.load(model).session()
    for each in (session, other):
        each.add(POINTS[:2])
        run(each, SCENE.frames[:2])
    with pytest.raises(pt.PointtrackError, match="frame"):
        session.step(frame)
    now, expected = session.step(SCENE.frames[2]), other.step(SCENE.frames[2])
    assert now.frame == 2
    np.testing.assert_array_equal(now.xy, expected.xy)


def test_a_wrong_first_frame_does_not_fix_the_size(model: str) -> None:
    session = pt.load(model).session()
    session.add(POINTS[:1])
    with pytest.raises(pt.PointtrackError, match="uint8"):
        session.step(np.zeros((9, 9, 3)))
    assert session.step(SCENE.frames[0]).frame == 0


def test_a_waiting_point_outside_stays_an_error_until_it_is_put_right(model: str) -> None:
    session = pt.load(model).session()
    ids = session.add([[5, 5], [64, 5]])
    for _ in range(2):
        with pytest.raises(pt.QueryError, match=r"64, 5.*64x48"):
            session.step(SCENE.frames[0])
    session.correct(ids[1], [63.5, 5])
    now = session.step(SCENE.frames[0])
    assert now.frame == 0
    np.testing.assert_array_equal(now.xy, [[5, 5], [63.5, 5]])


@pytest.mark.parametrize(
    "points",
    [[[-0.6, 5]], [[5, 47.6]], [[np.nan, 5]], [[np.inf, 5]], [[1, 2, 3]], "ab", [["a", "b"]]],
)
def test_a_point_that_cannot_be_added_adds_nothing(model: str, points: Any) -> None:
    session = pt.load(model).session()
    session.add(POINTS[:1])
    session.step(SCENE.frames[0])
    with pytest.raises(pt.QueryError):
        session.add(points)
    with pytest.raises(pt.QueryError):
        session.correct(0, points)
    assert session.step(SCENE.frames[1]).ids.tolist() == [0]
    assert session.add(POINTS[1]) == [1]


def test_unknown_ids_are_errors_that_change_nothing(model: str) -> None:
    session = pt.load(model).session()
    session.add(POINTS[:2])
    session.step(SCENE.frames[0])
    for ids in ([0, 7], -1, 0.5, "0", [[0.0]]):
        with pytest.raises(pt.QueryError):
            session.remove(ids)  # type: ignore[arg-type]
    with pytest.raises(pt.QueryError, match="no point 7"):
        session.correct(7, POINTS[0])
    with pytest.raises(pt.QueryError, match="one position"):
        session.correct(0, POINTS[:2])
    assert session.step(SCENE.frames[1]).ids.tolist() == [0, 1]
    session.remove(0)
    with pytest.raises(pt.QueryError, match="no point 0"):
        session.remove(0)


@pytest.mark.parametrize("model", INDEPENDENT)
def test_other_points_do_not_disturb_a_track(model: str) -> None:
    alone, busy = pt.load(model).session(), pt.load(model).session()
    alone.add(POINTS[:2])
    busy.add(POINTS[:2])
    for t, frame in enumerate(SCENE.frames):
        if t == 1:
            busy.add(POINTS[2:4])
        if t == 3:
            busy.correct(2, POINTS[4])
            busy.add(POINTS[5])
        if t == 7:
            busy.remove(3)
        expected, now = alone.step(frame), busy.step(frame)
        np.testing.assert_array_equal(now.xy[:2], expected.xy)
        np.testing.assert_array_equal(now.visible[:2], expected.visible)
        np.testing.assert_array_equal(now.confidence[:2], expected.confidence)


def test_a_camera_may_write_all_frames_into_one_array(model: str) -> None:
    session, other = pt.load(model).session(), pt.load(model).session()
    buffer = np.empty_like(SCENE.frames[0])
    session.add(POINTS[:3])
    other.add(POINTS[:3])
    for t, frame in enumerate(SCENE.frames):
        buffer[:] = frame
        now, expected = session.step(buffer), other.step(frame)
        np.testing.assert_array_equal(now.xy, expected.xy)
        buffer[:] = 0
        if t == 4:
            session.correct(1, POINTS[5])
            other.correct(1, POINTS[5])


def test_a_step_belongs_to_the_caller(model: str) -> None:
    session, other = pt.load(model).session(), pt.load(model).session()
    session.add(POINTS[:3])
    other.add(POINTS[:3])
    for frame in SCENE.frames[:5]:
        now, expected = session.step(frame), other.step(frame)
        np.testing.assert_array_equal(now.xy, expected.xy)
        now.xy[:], now.ids[:], now.visible[:], now.confidence[:] = -1, -1, False, 0


def test_history_is_only_kept_when_asked_for(model: str) -> None:
    session = pt.load(model).session()
    session.add(POINTS[:1])
    session.step(SCENE.frames[0])
    for ask in (session.tracks, session.refine):
        with pytest.raises(pt.PointtrackError, match="keep=True"):
            ask()


def test_two_sessions_of_one_tracker_do_not_meet(model: str) -> None:
    tracker = pt.load(model)
    expected = []
    for frames in (SCENE.frames, SCENE.frames[::-1]):
        with tracker.session() as session:
            session.add(POINTS)
            expected.append([now.xy for now in run(session, frames)])
    first, second = tracker.session(), tracker.session()
    first.add(POINTS)
    second.add(POINTS)
    for t, frame in enumerate(SCENE.frames):
        np.testing.assert_array_equal(first.step(frame).xy, expected[0][t])
        np.testing.assert_array_equal(second.step(SCENE.frames[-1 - t]).xy, expected[1][t])


def deep_bytes(thing: Any, seen: set[int]) -> int:
    """Bytes of all arrays, and 8 for every other leaf, that can be reached from an object."""
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        base = thing if thing.base is None else thing.base
        if id(base) in seen and base is not thing:
            return 0
        seen.add(id(base))
        return base.nbytes if isinstance(base, np.ndarray) else thing.nbytes
    if isinstance(thing, dict):
        parts: Any = [*thing.keys(), *thing.values()]
    elif isinstance(thing, (list, tuple, set, frozenset, deque)):
        parts = thing
    elif hasattr(thing, "__dict__") and not isinstance(thing, type):
        parts = vars(thing).values()
    else:
        return 8
    return 8 + sum(deep_bytes(part, seen) for part in parts)


def test_a_sessions_memory_does_not_grow(model: str) -> None:
    session = pt.load(model).session()
    frames = [*SCENE.frames, *SCENE.frames[-2:0:-1]]  # there and back, without a jump
    sizes = {}
    ids: list[int] = []
    for t in range(200):
        if t % 10 == 0:  # points come and go
            session.remove(ids)
            ids = session.add(POINTS)
        session.step(frames[t % len(frames)])
        if t in (99, 199):
            sizes[t] = deep_bytes(session, set())
    assert sizes[99] >= 8 * len(POINTS)  # the walk has seen something: the positions
    assert sizes[199] <= 1.02 * sizes[99]


def test_deep_bytes_sees_a_leak() -> None:
    session = pt.load("klt").session(keep=True)
    session.add(POINTS)
    run(session, SCENE.frames[:4])
    before = deep_bytes(session, set())
    run(session, SCENE.frames[4:8])
    assert deep_bytes(session, set()) >= before + 4 * 17 * len(POINTS)
