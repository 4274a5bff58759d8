"""Running a method that takes whole clips over long videos, with toy methods that are exact."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest
from clips import Clip, clip, number_of, numbered, on_frame, spread
from hypothesis import given
from hypothesis import strategies as st

import pointtrack as pt
from pointtrack.trackers.windowed import WindowedTracker, windows

CARD = pt.ModelCard("toy", "toy", "knows the motion", "none", "offline")


@dataclass
class Exact:
    """Knows the motion of a numbered clip, and writes down which frames it was shown."""

    scene: Clip
    seen: list[list[int]] = field(default_factory=list)
    asked: list[np.ndarray] = field(default_factory=list)

    def track_clip(self, frames, txy):
        numbers = [number_of(frame) for frame in frames]
        self.seen.append(numbers)
        self.asked.append(np.array(txy))
        assert txy.dtype == np.float32
        assert ((txy[:, 0] >= 0) & (txy[:, 0] < len(frames))).all()
        xy = np.array(
            [
                [self.scene.move([row[1:]], numbers[int(row[0])], n)[0] for n in numbers]
                for row in txy
            ]
        )
        return xy, self.visible(numbers, txy), np.full(xy.shape[:2], 0.75)

    def visible(self, numbers, txy):
        return np.ones((len(txy), len(numbers)), bool)


@dataclass
class Shifted(Exact):
    """Wrong by a constant that differs from window to window."""

    offset: float = 1.0

    def track_clip(self, frames, txy):
        _, visible, confidence = super().track_clip(frames, txy)
        first = self.scene.truth(np.array([[0, 20, 20]] * len(txy)))
        numbers = self.seen[-1]
        wrong = self.offset * (len({tuple(s) for s in self.seen}) % 2)
        return first[:, numbers] + [wrong, 0], visible, confidence


def scene(frames: int = 200) -> Clip:
    return numbered(clip(frames, (64, 48), velocity=(0.02, -0.01), turn=0.002))


def tracker(method, window: int = 24, overlap: int = 8, live: int = 8) -> WindowedTracker:
    return WindowedTracker(CARD, method, window, overlap, live)


LONG = scene()


@pytest.mark.parametrize("both_ways", [True, False])
def test_exact_answers_stay_exact_over_a_long_video(both_ways: bool) -> None:
    method = Exact(LONG)
    queries = np.concatenate([on_frame(spread((64, 48), 2, 2, 20), t) for t in (0, 3, 100, 199)])
    tracks = tracker(method).track(LONG.frames, queries, both_ways=both_ways)
    truth = LONG.truth(queries)
    wanted = (np.arange(200) >= queries[:, :1]) | both_ways
    np.testing.assert_array_equal(tracks.known, wanted)
    np.testing.assert_allclose(tracks.xy[wanted], truth[wanted], atol=2e-3)
    np.testing.assert_array_equal(tracks.visible, wanted)
    at = queries[:, 0].astype(int)
    np.testing.assert_array_equal(tracks.xy[np.arange(16), at], queries[:, 1:])
    np.testing.assert_array_equal(tracks.confidence[np.arange(16), at], 1)
    assert max(map(len, method.seen)) == 24


@pytest.mark.parametrize("both_ways", [True, False])
def test_several_observations_that_agree_give_the_same_exact_track(both_ways: bool) -> None:
    start = np.array([[30, 25, 20]])
    truth = LONG.truth(start)[0]
    times = [150, 30, 37, 90]
    txy = np.array([[t, *truth[t]] for t in times], np.float32)
    tracks = tracker(Exact(LONG)).track(
        LONG.frames, pt.Queries(txy, np.zeros(4, int)), both_ways=both_ways
    )
    since = 0 if both_ways else 30
    assert tracks.known[0].sum() == 200 - since
    np.testing.assert_allclose(tracks.xy[0, since:], truth[since:], atol=2e-3)


def test_observations_that_disagree_are_all_passed_through_and_blended_between() -> None:
    still = numbered(clip(60, (64, 48)))
    txy = np.array([[10, 20, 20], [50, 30, 20]], np.float32)
    tracks = tracker(Exact(still)).track(still.frames, pt.Queries(txy, np.zeros(2, int)))
    x = tracks.xy[0, :, 0]
    np.testing.assert_allclose(x[:11], 20, atol=1e-4)
    np.testing.assert_allclose(x[50:], 30, atol=1e-4)
    np.testing.assert_allclose(x[10:51], np.linspace(20, 30, 41), atol=0.01)


def test_of_two_observations_on_one_frame_the_last_counts() -> None:
    still = numbered(clip(60, (64, 48)))
    queries = pt.Queries(np.array([[30, 20, 20]], np.float32)).corrected(0, 30, [40, 10])
    tracks = tracker(Exact(still)).track(still.frames, queries)
    np.testing.assert_allclose(tracks.xy, np.tile(np.float32([40, 10]), (1, 60, 1)), atol=1e-4)


def test_windows_that_disagree_are_cross_faded() -> None:
    method = Shifted(scene(40))
    tracks = tracker(method).track(method.scene.frames, [(0, 20, 20)], both_ways=False)
    wrong = tracks.xy[0, :, 0] - method.scene.truth([[0, 20, 20]])[0, :, 0]
    assert [s[0] for s in method.seen] == [0, 16]
    np.testing.assert_allclose(wrong[1:16], 1, atol=1e-4)
    np.testing.assert_allclose(wrong[24:], 0, atol=1e-4)
    # Frames 16 to 23 are shared: the second window weighs 1/9 to 8/9.
    np.testing.assert_allclose(wrong[16:24], 1 - np.arange(1, 9) / 9, atol=1e-4)


@dataclass
class Counted:
    """A source of frames that counts how often each is decoded."""

    frames_: np.ndarray
    count: np.ndarray = field(init=False)
    name: str = "counted"
    fps: Fraction = Fraction(25)

    def __post_init__(self) -> None:
        self.count = np.zeros(len(self.frames_), int)
        self.size = (self.frames_.shape[2], self.frames_.shape[1])
        self.times = np.arange(len(self.frames_)) / 25

    def frame(self, index: int) -> np.ndarray:
        self.count[index] += 1
        return np.ascontiguousarray(self.frames_[index])

    def frames(self, wanted: range):
        return map(self.frame, wanted)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("window", "overlap"), [(24, 8), (24, 23), (24, 1), (300, 8), (200, 8)])
def test_forwards_every_frame_is_decoded_once(window: int, overlap: int) -> None:
    source = Counted(LONG.frames)
    tracker(Exact(LONG), window, overlap).track(pt.Video(source), [(0, 20, 20)], both_ways=False)
    assert (source.count == 1).all()


def test_windows_without_points_are_neither_decoded_nor_answered() -> None:
    source, method = Counted(LONG.frames), Exact(LONG)
    tracker(method).track(pt.Video(source), [(150, 20, 20)], both_ways=False)
    assert source.count[:128].sum() == 0
    assert (source.count[144:] == 1).all()
    assert all(numbers[-1] > 149 for numbers in method.seen)


def test_queries_on_the_first_frame_are_not_followed_backwards() -> None:
    method = Exact(LONG)
    tracker(method).track(LONG.frames, [(0, 20, 20), (0, 30, 30)], both_ways=True)
    starts = [numbers[0] for numbers in method.seen]
    assert starts == sorted(set(starts))


def test_backwards_goes_no_further_than_the_first_observation_when_that_is_enough() -> None:
    method = Exact(LONG)
    queries = pt.Queries(np.array([[90, 20, 20], [150, 20, 20]], np.float32), np.array([0, 0]))
    tracker(method).track(LONG.frames, queries, both_ways=False)
    assert min(numbers[-1] for numbers in method.seen) >= 90


def test_the_point_is_handed_over_where_it_was_seen() -> None:
    class Blinking(Exact):
        def visible(self, numbers, txy):
            return np.tile([n != 16 and n != 17 for n in numbers], (len(txy), 1))

    method = Blinking(scene(40))
    tracker(method).track(method.scene.frames, [(0, 20, 20)], both_ways=False)
    assert method.asked[1][0, 0] == 18 - 16  # the first that is seen of those shared


def test_backwards_the_point_is_handed_over_at_the_end_of_what_is_shared() -> None:
    method = Exact(scene(40))
    tracker(method).track(method.scene.frames, [(39, 20, 20)])
    assert [numbers[0] for numbers in method.seen] == [16, 16, 0]  # forwards, then backwards
    assert method.asked[2][0, 0] == 23


def test_tracking_a_reversed_video_gives_the_reversed_tracks() -> None:
    frames = 24 + 16 * 4  # windows fall on the same frames from either end
    known = scene(frames)
    mirrored = Clip(known.frames[::-1], known.matrix[::-1], known.shift[::-1])
    # The method reads the number off the frames, so it may know the motion as it was.
    query = np.array([[41, 22, 20]], np.float32)
    tracks = tracker(Exact(known)).track(known.frames, query)
    other = tracker(Exact(known)).track(mirrored.frames, [(frames - 1 - 41, 22, 20)])
    np.testing.assert_allclose(tracks.xy, other.xy[:, ::-1], atol=1e-3)


def test_only_one_window_of_frames_is_held() -> None:
    size = (160, 120)
    frame_bytes = size[0] * size[1] * 3
    still = numbered(clip(1, size))
    frames = np.broadcast_to(still.frames, (120, *still.frames.shape[1:]))

    class Still:
        def track_clip(self, frames, txy):
            shape = (len(txy), len(frames))
            return (
                np.tile(txy[:, None, 1:], (1, len(frames), 1)),
                np.ones(shape, bool),
                np.ones(shape),
            )

    for queries in ([(0, 20, 20)], [(119, 20, 20)]):
        tracemalloc.start()
        tracker(Still()).track(pt.Video(Counted(frames)), queries)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < (24 + 4) * frame_bytes


@pytest.mark.parametrize("frames", [1, 2, 23, 24, 25])
def test_videos_about_as_long_as_a_window(frames: int) -> None:
    known = scene(frames)
    queries = [(0, 20, 20), (frames - 1, 30, 30)]
    calls: list[tuple[int, int]] = []
    tracks = tracker(Exact(known)).track(
        known.frames, queries, progress=lambda done, total: calls.append((done, total))
    )
    np.testing.assert_allclose(tracks.xy, known.truth(queries), atol=1e-3)
    assert calls[-1][0] == calls[-1][1]


def test_progress_counts_the_frames_of_all_windows_both_ways() -> None:
    calls: list[tuple[int, int]] = []
    tracker(Exact(LONG)).track(
        LONG.frames, [(100, 20, 20)], progress=lambda done, total: calls.append((done, total))
    )
    # Windows begin at 0, 16, ..., 176: from 80 on they end after the query, to 96 before it.
    assert calls == [(24 * n, 24 * 14) for n in range(1, 15)]


class KltClips:
    """KLT as a method that takes whole clips."""

    def __init__(self) -> None:
        self.klt = pt.load("klt")

    def track_clip(self, frames, txy):
        tracks = self.klt.track(frames, txy)
        return tracks.xy, tracks.visible, tracks.confidence


def test_klt_by_windows_is_about_as_good_as_klt() -> None:
    moving = clip(60, (128, 96), velocity=(0.4, -0.2), turn=0.004, seed=3)
    queries = on_frame(spread((128, 96), 4, 3, 36), 20)
    truth = moving.truth(queries)
    error = {}
    for name, each in {"klt": pt.load("klt"), "windows": tracker(KltClips())}.items():
        tracks = each.track(moving.frames, queries)
        error[name] = np.linalg.norm(tracks.xy - truth, axis=-1).mean()
        assert tracks.visible.mean() > 0.97
    assert error["windows"] < 2 * error["klt"] + 0.05


# --- live ------------------------------------------------------------------------------------


@dataclass
class Hidden(Exact):
    """Sees a point only on the frame it was asked for."""

    def visible(self, numbers, txy):
        return np.arange(len(numbers)) == txy[:, :1]


@pytest.mark.parametrize("kind", [Exact, Hidden])
@pytest.mark.parametrize("live", [2, 5, 8])
def test_live_answers_of_an_exact_method_are_exact(kind: type[Exact], live: int) -> None:
    known, method = scene(40), kind(scene(40))
    session = tracker(method, live=live).session(keep=True)
    session.add([[20, 20]])
    for t, frame in enumerate(known.frames):
        if t == 7:
            session.add([[30, 25], [40, 20]])
        if t == 20:
            session.remove(1)
        session.step(frame)
    tracks = session.tracks()
    truth = known.truth([[0, 20, 20], [7, 30, 25], [7, 40, 20]])
    np.testing.assert_allclose(tracks.xy[tracks.known], truth[tracks.known], atol=2e-3)
    assert tracks.known.sum() == 40 + 13 + 33
    assert max(map(len, method.seen)) <= live


def test_live_correction_is_where_the_point_goes_on_from() -> None:
    known = scene(30)
    session = tracker(Exact(known)).session()
    session.add([[20, 20]])
    for frame in known.frames[:12]:
        session.step(frame)
    session.correct(0, [35, 28])
    truth = known.truth([[11, 35, 28]])
    for t in range(12, 30):
        now = session.step(known.frames[t])
        np.testing.assert_allclose(now.xy[0], truth[0, t], atol=1e-3)
        assert (now.xy.dtype, now.confidence.dtype) == (np.float32, np.float32)


def test_live_frames_may_all_come_in_one_array() -> None:
    known, method = scene(20), Exact(scene(20))
    session = tracker(method).session()
    session.add([[20, 20]])
    buffer = np.empty(known.frames.shape[1:], np.uint8)
    for frame in known.frames:
        buffer[:] = frame
        session.step(buffer)
    assert method.seen[-1] == list(range(12, 20))


def test_live_without_points_asks_nothing() -> None:
    method = Exact(scene(10))
    session = tracker(method).session()
    for frame in method.scene.frames:
        assert len(session.step(frame).ids) == 0
    assert method.seen == []


# --- windows ---------------------------------------------------------------------------------


@given(st.data())
def test_windows_cover_all_and_overlap_enough(data: st.DataObject) -> None:
    frames = data.draw(st.integers(1, 400))
    window = data.draw(st.integers(2, 60))
    overlap = data.draw(st.integers(1, window - 1))
    spans = windows(frames, window, overlap)
    assert spans[0].start == 0
    assert spans[-1].stop == frames
    assert {len(span) for span in spans} == {min(window, frames)}
    for one, two in itertools.pairwise(spans):
        assert one.start < two.start
        assert one.stop - two.start >= overlap


@pytest.mark.parametrize(
    ("window", "overlap", "live"), [(24, 24, 8), (24, 0, 8), (1, 1, 8), (24, 8, 1)]
)
def test_settings_out_of_range(window: int, overlap: int, live: int) -> None:
    with pytest.raises(pt.PointtrackError, match="found"):
        tracker(Exact(LONG), window, overlap, live)
