"""mft and flow_chain on a flow that is exactly known: what is left is their own arithmetic."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

import numpy as np
import pytest
from clips import Clip, clip, number_of, numbered, on_frame, spread

import pointtrack as pt
from pointtrack.trackers.flow_chain import FlowChainTracker
from pointtrack.trackers.mft import MftTracker, chain, select


@dataclass(eq=False)
class Seen:
    """A prepared frame; weak references tell how long it is held."""

    number: int


@dataclass
class ExactFlow:
    scene: Clip
    left: Seen
    right: Seen

    def sample(self, xy):
        end = self.scene.move(xy, self.left.number, self.right.number)
        hidden = np.zeros(len(xy))
        if self.scene.boxes is not None:
            for frame, points in ((self.left, xy), (self.right, end)):
                box = self.scene.boxes[frame.number]
                hidden += ((points > box[:2]) & (points < box[2:])).all(axis=1)
        return end - xy, np.minimum(hidden, 1), np.full(len(xy), 0.5)


@dataclass
class ExactSource:
    """Knows the motion of a numbered clip; writes down what it is asked."""

    scene: Clip
    asked: list[tuple[int, int]] = field(default_factory=list)
    likes: dict[tuple[int, int], tuple[int, int] | None] = field(default_factory=dict)
    prepared: list[weakref.ref] = field(default_factory=list)

    def prepare(self, frame: np.ndarray) -> Seen:
        seen = Seen(number_of(frame))
        self.prepared.append(weakref.ref(seen))
        return seen

    def between(self, left: Seen, right: Seen, like: object = None) -> ExactFlow:
        assert like is None or isinstance(like, ExactFlow)
        self.asked.append((left.number, right.number))
        begun = None if like is None else (like.left.number, like.right.number)
        self.likes[self.asked[-1]] = begun
        return ExactFlow(self.scene, left, right)

    def held(self) -> int:
        return sum(ref() is not None for ref in self.prepared)


def scene(frames: int, **motion: float) -> Clip:
    given = {"velocity": (0.31, -0.17), "turn": 0.004, "zoom": 1.001} | motion
    return numbered(clip(frames, (96, 64), **given))


TRACKERS = {"mft": MftTracker, "flow_chain": FlowChainTracker}


@pytest.mark.parametrize("name", TRACKERS)
def test_an_exact_flow_gives_exact_tracks(name: str) -> None:
    known = scene(60)
    queries = np.concatenate([on_frame(spread((96, 64), 4, 3, 20), t) for t in (0, 17, 59)])
    tracks = TRACKERS[name](flow=ExactSource(known)).track(known.frames, queries)
    np.testing.assert_allclose(tracks.xy, known.truth(queries), atol=2e-3)


@pytest.mark.parametrize("name", TRACKERS)
def test_an_exact_flow_at_a_smaller_working_size(name: str) -> None:
    known = scene(20, velocity=(0, 0), turn=0, zoom=1)
    queries = on_frame(spread((96, 64), 4, 3, 20), 5)
    tracks = TRACKERS[name](flow=ExactSource(known), longest=33).track(known.frames, queries)
    np.testing.assert_allclose(tracks.xy, known.truth(queries), atol=1e-4)


@pytest.mark.parametrize("name", TRACKERS)
def test_no_flow_is_asked_for_twice_and_frames_are_prepared_once(name: str) -> None:
    known = scene(50)
    source = ExactSource(known)
    queries = np.concatenate([on_frame(spread((96, 64), 2, 2, 20), t) for t in (0, 3, 11)])
    TRACKERS[name](flow=source).track(known.frames, queries, both_ways=False)
    assert len(set(source.asked)) == len(source.asked)
    assert len(source.prepared) == 50


def test_mft_asks_for_the_intervals_of_the_paper() -> None:
    known = scene(45)
    source = ExactSource(known)
    MftTracker(flow=source).track(known.frames, [(2, 40, 30)], both_ways=False)
    for t in range(3, 45):
        left = {a for a, b in source.asked if b == t}
        assert left == {2} | {t - d for d in (1, 2, 4, 8, 16, 32) if t - d > 2}


def test_where_mft_begins_a_search_does_not_depend_on_points_added_later() -> None:
    known = scene(45)
    alone, busy = ExactSource(known), ExactSource(known)
    MftTracker(flow=alone).track(known.frames, [(2, 40, 30)], both_ways=False)
    queries = [(t, 40, 30) for t in (2, 3, 6, 7, 20, 21)]
    MftTracker(flow=busy).track(known.frames, queries, both_ways=False)
    assert len(alone.likes) < len(busy.likes)
    assert {pair: busy.likes[pair] for pair in alone.likes} == alone.likes
    assert alone.likes[40, 41] == (39, 40)  # the same distance, one frame earlier
    assert alone.likes[2, 41] == (2, 40)  # the nearest there is to a distance of 39


def test_flow_chain_asks_only_for_neighbours_and_only_when_there_are_points() -> None:
    known = scene(8)
    source = ExactSource(known)
    with FlowChainTracker(flow=source).session() as session:
        for t, frame in enumerate(known.frames):
            if t == 3:
                session.add([[40, 30]])
            session.step(frame)
    assert source.asked == [(t - 1, t) for t in range(4, 8)]


def test_mft_holds_only_the_frames_it_may_need() -> None:
    known = scene(60)
    source = ExactSource(known)
    with MftTracker(flow=source, deltas=(1, 2, 4, 8), templates=3).session() as session:
        most = 0
        for t, frame in enumerate(known.frames):
            if t % 5 == 0:
                session.add([[40, 30]])
            session.step(frame)
            most = max(most, source.held())
    # Eight back, the newest, three query frames, and what the newest flow began at.
    assert most <= 8 + 1 + 3 + 1


def test_flow_chain_holds_two_frames() -> None:
    known = scene(20)
    source = ExactSource(known)
    with FlowChainTracker(flow=source).session() as session:
        session.add([[40, 30]])
        for frame in known.frames:
            session.step(frame)
            assert source.held() <= 2


@pytest.mark.parametrize(
    ("deltas", "templates"), [((1, 2, 4), 0), ((2, 5), 1), ((4,), 0), ((3, 7), 2)]
)
def test_mft_goes_on_without_the_query_frames_it_has_forgotten(
    deltas: tuple[int, ...], templates: int
) -> None:
    known = scene(30)
    queries = np.concatenate([on_frame(spread((96, 64), 2, 2, 24), t) for t in (0, 1, 2, 7)])
    tracker = MftTracker(flow=ExactSource(known), deltas=deltas, templates=templates)
    tracks = tracker.track(known.frames, queries, both_ways=False)
    truth = known.truth(queries)
    after = tracks.known
    assert after.sum() == sum(30 - t for t in (0, 1, 2, 7)) * 4
    np.testing.assert_allclose(tracks.xy[after], truth[after], atol=2e-3)


def test_mft_steps_over_an_occlusion_and_flow_chain_does_not() -> None:
    known = scene(24, turn=0, zoom=1)
    boxes = np.full((24, 4), -9.0)
    boxes[8:14] = (-99, -99, 199, 199)
    known = Clip(known.frames, known.matrix, known.shift, boxes)
    queries = on_frame(spread((96, 64), 3, 2, 24), 0)
    tracks = MftTracker(flow=ExactSource(known)).track(known.frames, queries)
    expected = np.array([not 8 <= t < 14 for t in range(24)])
    np.testing.assert_array_equal(tracks.visible, np.tile(expected, (6, 1)))
    np.testing.assert_allclose(tracks.xy, known.truth(queries), atol=1e-3)
    assert (tracks.confidence[:, 8:14] == 0).all()
    tracks = FlowChainTracker(flow=ExactSource(known)).track(known.frames, queries)
    np.testing.assert_array_equal(tracks.visible, np.tile(np.arange(24) < 8, (6, 1)))


# --- chain and select, by hand ---------------------------------------------------------------


class Given:
    def __init__(self, flow, occlusion, sigma) -> None:
        self.answer = np.array(flow, float), np.array(occlusion), np.array(sigma)

    def sample(self, xy):
        return self.answer


def test_chain_adds_flows_and_variances_and_keeps_the_worst_occlusion() -> None:
    left = np.array([[10, 20, 0.1, 3], [5, 5, 0.4, 0]])
    out = chain(left, Given([[1, -2], [0.5, 0]], [0.3, 0.2], [4.0, 2.0]))
    np.testing.assert_allclose(out, [[11, 18, 0.3, 5], [5.5, 5, 0.4, 2]], rtol=1e-6)
    assert out.dtype == np.float32


def candidate(x: float, occlusion: float, sigma: float) -> list[float]:
    return [x, 5, occlusion, sigma]


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([candidate(1, 0, 3), candidate(2, 0, 2), candidate(3, 0, 4)], 1),  # the surest
        ([candidate(1, 0, 3), candidate(2, 0.03, 2), candidate(3, 0, 4)], 0),  # not occluded
        ([candidate(1, 0, 2), candidate(2, 0, 2), candidate(3, 0, 2)], 0),  # first of equals
        ([candidate(1, 0.5, 9), candidate(2, 0.9, 2), candidate(3, 0.03, 1)], 0),  # all occluded
        ([candidate(np.nan, 0, 0), candidate(2, 0.9, 2), candidate(3, 0.9, 1)], 1),  # none there
        ([candidate(np.nan, 0, 0), candidate(2, 0.9, 2), candidate(3, 0, 7)], 2),
    ],
)
def test_select(rows: list, chosen: int) -> None:
    got = select(np.array(rows, np.float32)[:, None], (20, 10))
    assert got[0, 0] == rows[chosen][0]


def test_select_falls_back_on_the_candidate_asked_for() -> None:
    rows = [candidate(1, 0.5, 1), candidate(2, 0.9, 9), candidate(3, 0.6, 2)]
    assert select(np.array(rows, np.float32)[:, None], (20, 10), fallback=1)[0, 0] == 2
    rows[2] = candidate(3, 0, 50)
    assert select(np.array(rows, np.float32)[:, None], (20, 10), fallback=1)[0, 0] == 3
    rows = [candidate(1, 0.5, 1), candidate(np.nan, 0, 0), candidate(3, 0.6, 2)]
    assert select(np.array(rows, np.float32)[:, None], (20, 10), fallback=1)[0, 0] == 1


def test_what_has_left_the_picture_is_occluded() -> None:
    x = np.array([-0.01, 0, 19.99, 20, 5, 5], np.float32)
    y = np.array([5, 5, 5, 5, -1, 10], np.float32)
    rows = np.stack([x, y, np.zeros(6, np.float32), np.ones(6, np.float32)], axis=1)
    np.testing.assert_array_equal(select(rows[None], (20, 10))[:, 2], [1, 0, 0, 1, 1, 1])


def test_models_take_an_own_flow_source_by_name_of_the_model() -> None:
    known = scene(6)
    for name in TRACKERS:
        source = ExactSource(known)
        pt.load(name, flow=source).track(known.frames, [(0, 40, 30)])
        assert source.asked
