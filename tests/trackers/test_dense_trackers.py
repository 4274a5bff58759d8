"""`track_dense`: chained flow and DOT, on clips whose motion is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import clip
from torch import Tensor

import pointtrack as pt
from pointtrack.errors import FormatError, PointtrackError, QueryError
from pointtrack.networks.raft import Encoded
from pointtrack.trackers.base import Progress
from pointtrack.trackers.dense import DenseFrame, dense_tracker
from pointtrack.trackers.dense.base import enlarged
from pointtrack.trackers.dense.boundaries import OpenCvFlow, Sampler
from pointtrack.trackers.dense.dot import DotTracker, Refiner
from pointtrack.trackers.static import StaticTracker
from pointtrack.video import Video
from pointtrack.weights import PUBLISHED

SCENE = clip(6, (96, 64), velocity=(1.5, -0.5), turn=0.01)


def truth(frame: int, t: int) -> np.ndarray:
    """Where the pixels of a frame are on another, ``(H, W, 2)``."""
    x, y = np.meshgrid(np.arange(96), np.arange(64))
    return SCENE.move(np.stack([x, y], axis=-1).reshape(-1, 2), frame, t).reshape(64, 96, 2)


def median_error(dense: pt.DenseTracks, t: int) -> float:
    xy, visible = dense.at(t)
    return float(np.median(np.hypot(*(xy - truth(dense.frame, t))[visible].T)))


@pytest.mark.parametrize("model", ["flow_chain", "mft"])
def test_chained_flow_follows_every_pixel_both_ways(model: str) -> None:
    dense = pt.track_dense(SCENE.frames, 2, model)
    assert dense.xy.shape == (6, 64, 96, 2)
    np.testing.assert_allclose(dense.flow(2), 0)
    assert dense.visible[2].all()
    assert (dense.confidence[2] == 1).all()
    for t in (0, 5):
        assert dense.visible[t].mean() > 0.7
        assert median_error(dense, t) < 0.35


def test_a_coarser_lattice_is_interpolated() -> None:
    dense = pt.track_dense(SCENE.frames, 0, "flow_chain", detail=32)
    assert dense.size == (96, 64)
    assert median_error(dense, 3) < 0.5


def test_a_dense_track_is_the_track_of_its_pixels() -> None:
    tracker = pt.load("flow_chain")
    dense = pt.track_dense(SCENE.frames, 0, "flow_chain")
    points = np.array([[30, 20], [70, 40]], np.float32)
    tracks = tracker.track(SCENE.frames, np.column_stack([[0, 0], points]))
    np.testing.assert_allclose(dense.points(points).xy, tracks.xy, atol=1e-3)


def test_forwards_only_leaves_the_frames_before_empty() -> None:
    dense = pt.track_dense(SCENE.frames, 3, "flow_chain", both_ways=False)
    assert np.isnan(dense.xy[:3]).all()
    assert not dense.visible[:3].any()
    assert not dense.confidence[:3].any()
    assert np.isfinite(dense.xy[3:]).all()


def test_the_folder_is_written_or_goes_with_the_result(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    dense = pt.track_dense(
        SCENE.frames,
        0,
        "flow_chain",
        out=tmp_path / "clip.dense",
        progress=lambda *at: done.append(at),
    )
    assert done == [(n, 6) for n in range(1, 7)]
    np.testing.assert_array_equal(pt.DenseTracks.load(tmp_path / "clip.dense").xy, dense.xy)
    passing = pt.track_dense(SCENE.frames, 0, "flow_chain")
    place = Path(str(passing.xy.filename))  # type: ignore[attr-defined]
    assert place.exists()
    del passing
    assert not place.exists()


def test_bad_input_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="frame 6 is not in array, which has frames 0 to 5"):
        pt.track_dense(SCENE.frames, 6)
    with pytest.raises(PointtrackError, match="klt follows single points"):
        pt.track_dense(SCENE.frames, 0, "klt")
    with pytest.raises(FormatError, match="does not exist"):
        pt.track_dense(SCENE.frames, 0, out=tmp_path / "nowhere" / "a.dense")
    with pytest.raises(PointtrackError, match="detail"):
        pt.track_dense(SCENE.frames, 0, "flow_chain", detail=3)


class Again:
    """Answers twice about a frame, and not at all about another."""

    def dense(
        self, video: Video, frame: int, both_ways: bool = True, progress: Progress | None = None
    ) -> Iterator[DenseFrame]:
        here = np.zeros((64, 96, 2), np.float32)
        flat = np.ones((64, 96), np.float32)
        for value in (1, 2):
            yield DenseFrame(1, here + value, flat > 0, flat)


def test_the_later_answer_counts_and_missing_ones_are_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pointtrack.trackers.dense.run.load", lambda *_, **__: Again())
    dense = pt.track_dense(SCENE.frames[:3])
    assert (dense.xy[1] == 2).all()
    assert np.isnan(dense.xy[2]).all()


def test_enlarging_keeps_the_outer_edges() -> None:
    flow = np.zeros((4, 6, 2), np.float32)
    flow[..., 0] = np.arange(6) * 0.5  # grows by half a pixel a pixel
    xy = enlarged(flow, (12, 8))
    moved = xy[..., 0] - np.arange(12)
    np.testing.assert_allclose(moved[:, 1:-1], np.tile(2 * (np.arange(1, 11) - 0.5) / 4, (8, 1)))
    np.testing.assert_allclose(xy[..., 1], np.arange(8)[:, None] + np.zeros(12))


# --- DOT -----------------------------------------------------------------------------------------


class Blunt:
    """In place of DOT's network: every cell goes where its nearest point does."""

    def encode(self, frames: Tensor) -> Tensor:
        return frames

    def encode_source(self, frames: Tensor, features: Tensor) -> Encoded:
        return Encoded(features, features, features)

    def __call__(
        self, source: Encoded, target: Tensor, flow: Tensor, seen: Tensor, iterations: int
    ) -> tuple[Tensor, Tensor]:
        size = source.features.shape[2:]
        # A step between cells is (W - 1) / (w - 1) pixels.
        scale = torch.tensor([(size[1] - 1) / (flow.shape[3] - 1)] * 2)
        scale[1] = (size[0] - 1) / (flow.shape[2] - 1)
        fine = torch.nn.functional.interpolate(flow, size)
        return fine * scale.view(1, 2, 1, 1), torch.nn.functional.interpolate(seen[:, None], size)[
            :, 0
        ]


def blunt_dot(tracker: pt.Tracker, points: int = 400, sources: int = 4) -> DotTracker:
    refiner = Refiner(Blunt(), torch.device("cpu"), (96, 64), 1)  # type: ignore[arg-type]
    return DotTracker(PUBLISHED["dot"], refiner, tracker, Sampler(OpenCvFlow()), points, sources)


def test_dot_connects_the_points_of_its_tracker() -> None:
    dot = blunt_dot(pt.load("klt"))
    assert dense_tracker(dot) is dot
    with_errors = {
        found.t: np.median(np.hypot(*(found.xy - truth(2, found.t))[found.visible].T))
        for found in dot.dense(pt.open_video(SCENE.frames), 2)
    }
    assert set(with_errors) == {0, 1, 3, 4, 5}
    assert max(with_errors.values()) < 0.4


def test_dot_reads_points_off_the_dense_tracks_of_their_frame() -> None:
    queries = np.array([[0, 30, 20], [0, 60.5, 40.25], [3, 50, 30]], np.float32)
    tracks = blunt_dot(pt.load("klt"), sources=1).track(SCENE.frames, queries)
    error = np.hypot(*(tracks.xy - SCENE.truth(queries)).transpose(2, 0, 1))
    assert error.max() < 0.8
    assert tracks.visible.all()
    np.testing.assert_array_equal(tracks.xy[2, 3], queries[2, 1:])


def test_a_session_of_dot_follows_points_added_at_several_frames() -> None:
    session = blunt_dot(pt.load("klt"), sources=2).session()
    queries = np.array([[0, 30, 20], [1, 50, 30], [2, 60, 40], [3, 40, 30]], np.float32)
    wanted = SCENE.truth(queries)
    for t, frame in enumerate(SCENE.frames):
        for row in np.flatnonzero(queries[:, 0] == t):
            session.add(queries[row, 1:])
        now = session.step(frame)
        error = np.hypot(*(now.xy - wanted[now.ids, t]).T)
        assert error.max() < 1.2
        assert len(session._held) <= 2  # the points of older frames have moved on
    session.remove(0)
    assert 0 not in session.step(SCENE.frames[5]).ids


def test_points_of_dot_that_are_removed_free_what_was_tracked_for_them() -> None:
    session = blunt_dot(pt.load("klt")).session()
    first = session.add([(30, 20)])
    session.step(SCENE.frames[0])
    session.add([(50, 30)])
    session.step(SCENE.frames[1])
    assert len(session._held) == 2
    session.remove(first)
    assert list(session._held) == [1]
    session.step(SCENE.frames[2])
    assert set(session._step.ids) <= set(session._held[1].ids)
    session.close()
    assert not session._held


def test_the_only_point_of_a_session_of_dot_may_be_corrected() -> None:
    session = blunt_dot(pt.load("klt")).session()
    point = session.add([(10, 10)])[0]
    for t in (0, 1):
        session.step(SCENE.frames[t])
    session.correct(point, (40, 30))
    wanted = SCENE.truth(np.array([[1, 40, 30]], np.float32))[0]
    for t in (2, 3):
        now = session.step(SCENE.frames[t])
        assert np.hypot(*(now.xy[0] - wanted[t])) < 1.2


def test_dot_forwards_only_is_the_same_from_the_queries_on() -> None:
    dot = blunt_dot(pt.load("klt"), sources=1)
    queries = np.array([[1, 30, 20], [3, 50, 30]], np.float32)
    both = dot.track(SCENE.frames, queries)
    done: list[tuple[int, int]] = []
    ahead = dot.track(SCENE.frames, queries, both_ways=False, progress=lambda *at: done.append(at))
    for row, t in enumerate((1, 3)):
        np.testing.assert_array_equal(ahead.xy[row, t:], both.xy[row, t:])
        assert np.isnan(ahead.xy[row, :t]).all()
    assert done[-1] == (5 + 3, 5 + 3)  # no frame before a query is looked at


def test_dot_answers_where_its_tracker_loses_everything() -> None:
    lost = blunt_dot(pt.load("klt"))
    black = np.zeros((3, 64, 96, 3), np.uint8)
    for found in lost.dense(pt.open_video(black), 0):
        assert np.isfinite(found.xy).all()


def test_dot_does_not_run_on_itself() -> None:
    with pytest.raises(PointtrackError, match="found dot itself"):
        blunt_dot(blunt_dot(StaticTracker()))


def test_half_of_the_points_lie_near_motion_boundaries() -> None:
    frame = SCENE.frames[0]
    moved = frame.copy()
    moved[:, 48:] = np.roll(frame, 5, axis=1)[:, 48:]
    points = Sampler(OpenCvFlow()).points(frame, moved, 200)
    assert points.shape == (200, 2)
    near = np.abs(points[:100, 0] - 48) < 20
    assert near.mean() > 0.5
    np.testing.assert_array_equal(points, Sampler(OpenCvFlow()).points(frame, moved, 200))
    anywhere = Sampler(OpenCvFlow()).points(frame, None, 50)
    assert (anywhere >= 0).all()
    assert (anywhere <= [95, 63]).all()
