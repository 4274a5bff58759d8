"""The compact tracker: weights, working sizes, and what its sessions promise.

Whether it tracks is a matter of its weights; here they are random.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import clip, on_frame, spread

import pointtrack as pt
from pointtrack.networks.blocks.bfloat16 import is_fast
from pointtrack.networks.compact import CompactConfig, CompactNetwork
from pointtrack.trackers.compact import working_size
from pointtrack.training.checkpoints import write_weights
from pointtrack.weights.calibration import Calibration, Curves
from pointtrack.weights.compact import BUNDLED, read_curves

SCENE = clip(8, (64, 48), velocity=(0.8, -0.4), seed=1)
SHIPPED = 12_000_000  # bytes that the weights may have at most
POINTS = spread(SCENE.size, 3, 2, 10)

pytestmark = pytest.mark.filterwarnings("ignore:compact has random weights")


@pytest.fixture(scope="module")
def tracker() -> pt.Tracker:
    torch.set_num_threads(1)
    return pt.load("compact", "random", working=64)


def test_it_has_weights_of_its_own_and_says_when_they_are_random() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tracks = pt.load("compact").track(SCENE.frames, on_frame(POINTS, 0))
    named = pt.load("compact", "bundled").track(SCENE.frames, on_frame(POINTS, 0))
    np.testing.assert_array_equal(tracks.xy, named.xy)
    with pytest.raises(pt.WeightsError, match="its weights are 'bundled'"):
        pt.load("compact", "official")
    with pytest.warns(UserWarning, match="random weights"):
        pt.load("compact", "random")


def test_the_card_knows_the_number_of_parameters() -> None:
    count = sum(p.numel() for p in CompactNetwork().parameters())
    assert pt.load("compact", "random").card.parameters == count


@pytest.mark.parametrize(
    ("size", "expected"),
    [((256, 256), (256, 256)), ((1920, 1080), (336, 192)), ((30, 4000), (16, 2960))],
)
def test_working_sizes_keep_the_area_and_about_the_shape(size, expected) -> None:
    assert working_size(size, 256) == expected


def test_a_track_begins_at_its_query_and_covers_the_video(tracker: pt.Tracker) -> None:
    tracks = tracker.track(SCENE.frames, on_frame(POINTS, 3))
    assert tracks.xy.shape == (len(POINTS), 8, 2)
    np.testing.assert_array_equal(tracks.xy[:, 3], POINTS)
    assert np.isfinite(tracks.xy).all()
    assert ((tracks.confidence >= 0) & (tracks.confidence <= 1)).all()


def test_points_do_not_see_each_other(tracker: pt.Tracker) -> None:
    alone = tracker.track(SCENE.frames, on_frame(POINTS[:1], 0))
    together = tracker.track(SCENE.frames, on_frame(POINTS, 0))
    np.testing.assert_allclose(together.xy[:1], alone.xy, atol=0.02)


def test_a_session_takes_points_up_removes_and_corrects_them(tracker: pt.Tracker) -> None:
    with tracker.session() as session:
        assert session.step(SCENE.frames[0]).ids.tolist() == []
        ids = session.add(POINTS[:3])
        session.step(SCENE.frames[1])
        session.step(SCENE.frames[2])
        session.remove(ids[1])
        session.correct(ids[2], POINTS[4])
        now = session.step(SCENE.frames[3])
        assert now.ids.tolist() == [0, 2]
        assert now.radius is not None
        assert now.radius.shape == (2,)
        assert (now.radius > 0).all()
        fresh = tracker.session()
        fresh.add(POINTS[4])
        fresh.step(SCENE.frames[2])
        np.testing.assert_allclose(now.xy[1], fresh.step(SCENE.frames[3]).xy[0], atol=0.02)
        session.remove([0, 2])
        assert session.step(SCENE.frames[4]).ids.tolist() == []


def test_positions_scale_with_the_video() -> None:
    # 64 x 48 stays, and the double is halved.
    tracker = pt.load("compact", "random", working=55, refine=False)
    double = SCENE.frames.repeat(2, axis=1).repeat(2, axis=2)
    small = tracker.track(SCENE.frames, on_frame(POINTS, 0))
    large = tracker.track(double, on_frame(POINTS * 2 + 0.5, 0))
    np.testing.assert_allclose(large.xy, small.xy * 2 + 0.5, atol=0.05)
    np.testing.assert_allclose(large.confidence, small.confidence, atol=0.01)


def test_weights_come_from_a_file_that_tells_its_sizes(tmp_path: Path) -> None:
    config = CompactConfig((8, 16, 16, 16), (1, 1, 1), channels=8, hidden=16, embedding=8)
    network = CompactNetwork(config)
    path = tmp_path / "small.safetensors"
    write_weights(path, network.state_dict(), {"model": json.dumps(config.to_dict())})
    tracks = pt.load("compact", path, working=64).track(SCENE.frames, on_frame(POINTS, 0))
    assert tracks.xy.shape == (len(POINTS), 8, 2)
    write_weights(path, network.state_dict(), {})
    with pytest.raises(pt.WeightsError, match="does not say which sizes"):
        pt.load("compact", path)
    with pytest.raises(pt.WeightsError, match=r"cannot read .*nowhere"):
        pt.load("compact", tmp_path / "nowhere.safetensors")
    path.write_bytes(b"{}")
    with pytest.raises(pt.WeightsError, match="not a safetensors file"):
        pt.load("compact", path)


def test_tensors_that_do_not_fit_are_named() -> None:
    tensors = CompactNetwork().state_dict()
    with pytest.raises(pt.WeightsError, match="lacks the tensor sharpness"):
        pt.load("compact", {k: v for k, v in tensors.items() if k != "sharpness"})
    with pytest.raises(pt.WeightsError, match="unknown tensor zebra"):
        pt.load("compact", {**tensors, "zebra": torch.zeros(1)})
    with pytest.raises(pt.WeightsError, match=r"turn has shape \(1,\), expected"):
        pt.load("compact", {**tensors, "turn": torch.zeros(1)})


@pytest.mark.parametrize("options", [{"working": 8}, {"iterations": -1}, {"threshold": 2.0}])
def test_options_out_of_range(options: dict) -> None:
    with pytest.raises(pt.PointtrackError, match=next(iter(options))):
        pt.load("compact", "random", **options)


def test_error_radii_keep_to_their_points_through_corrections(tracker: pt.Tracker) -> None:
    with tracker.session() as plain, tracker.session() as changed:
        for session in (plain, changed):
            session.add(POINTS[:3])
            session.step(SCENE.frames[0])
            session.step(SCENE.frames[1])
        changed.correct(0, POINTS[4])  # which puts its row behind the others
        wanted, found = plain.step(SCENE.frames[2]), changed.step(SCENE.frames[2])
    assert wanted.radius is not None
    assert found.radius is not None
    np.testing.assert_allclose(found.radius[1:], wanted.radius[1:], rtol=1e-4)
    assert found.radius[0] != wanted.radius[0]


def test_tracks_have_error_radii_which_are_zero_at_queries(tracker: pt.Tracker) -> None:
    tracks = tracker.track(SCENE.frames, on_frame(POINTS[:2], 1))
    assert tracks.radius is not None
    assert (tracks.radius[:, 1] == 0).all()
    assert (np.delete(tracks.radius, 1, axis=1) > 0).all()


def test_a_history_keeps_error_radii(tracker: pt.Tracker) -> None:
    with tracker.session(keep=True) as session:
        session.add(POINTS[:2])
        steps = [session.step(frame) for frame in SCENE.frames[:3]]
        tracks = session.tracks()
    assert tracks.radius is not None
    np.testing.assert_array_equal(tracks.radius, np.stack([now.radius for now in steps], axis=1))


def test_the_bundled_weights_are_small_calibrated_and_follow_a_texture() -> None:
    assert BUNDLED.stat().st_size < SHIPPED
    curves = read_curves("bundled")
    assert Calibration() not in (curves.live, curves.whole, curves.alone)
    scene = clip(8, (128, 96), velocity=(2.0, -1.0), seed=3)
    points = spread(scene.size, 4, 3, 24)
    tracks = pt.load("compact").track(scene.frames, on_frame(points, 0))
    truth = np.stack([scene.move(points, 0, t) for t in range(8)], axis=1)
    assert np.median(np.linalg.norm(tracks.xy - truth, axis=2)) < 1
    assert tracks.visible.mean() > 0.8


@pytest.mark.parametrize("feature", ["avx512_bf16", "amx_bf16", "sve_bf16", "avx2", None])
def test_half_precision_where_the_processor_multiplies_in_it(monkeypatch, feature) -> None:
    if feature is None:  # as in older versions of PyTorch
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        can = {"avx512_bf16": False, feature: True}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: can, raising=False)
    tracker = pt.load("compact")
    half = feature in ("avx512_bf16", "amx_bf16", "sve_bf16")
    assert is_fast(torch.device("cpu")) == half
    linear = tracker._follower.network.mix.weight.dtype
    assert linear == (torch.bfloat16 if half else torch.float32)
    named = pt.load("compact", precision="bfloat16" if half else "float32")
    queries = on_frame(POINTS, 0)
    found, same = (t.track(SCENE.frames[:4], queries) for t in (tracker, named))
    np.testing.assert_array_equal(found.xy, same.xy)


def test_half_precision_is_nearly_as_exact() -> None:
    single, half = (
        pt.load("compact", precision=p).track(SCENE.frames, on_frame(POINTS, 0))
        for p in ("float32", "bfloat16")
    )
    seen = single.visible & half.visible
    assert seen.mean() > 0.5
    assert np.linalg.norm(single.xy - half.xy, axis=2)[seen].max() < 0.5


def test_whole_videos_are_followed_with_one_move_more_unless_a_number_is_asked_for() -> None:
    def moves(**options: object) -> tuple[set[int], set[int]]:
        tracker = pt.load("compact", "random", working=64, **options)
        network, asked = tracker._follower.network, []
        follow = network.follow

        def counted(state, features, iterations=None, **more):
            asked.append(iterations or network.config.iterations)
            return follow(state, features, iterations, **more)

        network.follow = counted
        tracker.track(SCENE.frames, on_frame(POINTS, 0))
        whole, asked[:] = set(asked), []
        with tracker.session() as session:
            session.add(POINTS)
            for frame in SCENE.frames:
                session.step(frame)
        return whole, set(asked)

    assert moves() == ({3}, {2})
    assert moves(iterations=1) == ({1}, {1})
    assert moves(iterations=0) == ({3}, {3})
    assert moves(support=False) == ({2}, {2})


def test_live_streams_and_whole_videos_have_curves_of_their_own() -> None:
    quarter = Calibration((0.0, 1.0), (0.25, 0.25), (1.0,), (7.0,))
    tracker = pt.load("compact", "random", working=64)
    before = tracker.track(SCENE.frames, on_frame(POINTS, 0))

    def streamed() -> pt.Step:
        with tracker.session() as session:
            session.add(POINTS)
            return [session.step(frame) for frame in SCENE.frames][-1]

    plain, tracker.curves = streamed(), Curves(alone=quarter)
    now = streamed()
    np.testing.assert_array_equal(now.confidence, np.float32(0.25))
    np.testing.assert_allclose(now.radius, 7 * plain.radius, rtol=1e-5)
    np.testing.assert_array_equal(
        tracker.track(SCENE.frames, on_frame(POINTS, 0)).confidence, before.confidence
    )
    alone = pt.load("compact", "random", working=64, support=False)
    alone.curves = Curves(alone=quarter)
    tracks = alone.track(SCENE.frames, on_frame(POINTS, 0))
    np.testing.assert_array_equal(tracks.confidence[:, 1:], np.float32(0.25))
