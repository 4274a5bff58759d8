"""The published networks as trackers, with random weights: how they are run, not how well."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from clips import clip, on_frame, spread

import pointtrack as pt
from pointtrack.geometry import pixel_to_raster, raster_to_pixel
from pointtrack.trackers.neural.budget import Shares
from pointtrack.trackers.registry import card_of

SCENE = clip(9, (64, 48), velocity=(0.8, -0.4), seed=1)
POINTS = spread(SCENE.size, 3, 2, 10)
QUERIES = np.concatenate([on_frame(POINTS[:3], 0), on_frame(POINTS[3:], 4)])

SMALL: dict[str, dict[str, Any]] = {
    "tapir": {"resolution": (32, 32)},
    "causal_tapir": {"resolution": (32, 32)},
    "locotrack_small": {"resolution": (32, 32)},
    "tapnet": {"resolution": (32, 32)},
    "cotracker1": {"resolution": (64, 32), "iterations": 1, "support": 2},
    "cotracker2": {"resolution": (64, 32), "iterations": 1, "support": 2},
    "cotracker3_online": {"resolution": (64, 32), "iterations": 1},
    "cotracker3_offline": {"resolution": (64, 32), "iterations": 1, "support": 2},
    "pips": {"resolution": (64, 64), "iterations": 1},
    "pips2": {"resolution": (128, 128), "iterations": 1},
    "raft_small": {"iterations": 1},
    "mft_raft": {"iterations": 1, "deltas": (1,)},
    "alltracker_tiny": {"resolution": (128, 128), "iterations": 1, "live": "frame"},
    "gmrw": {"resolution": (64, 64), "enlarge": 1},
    "dot": {"resolution": (64, 64), "iterations": 1, "points": 32},
}
STREAMED = ["causal_tapir", "cotracker2"]

pytestmark = pytest.mark.filterwarnings("ignore:.*random weights")


@functools.lru_cache(maxsize=2)  # tests of one model follow each other
def _loaded(name: str) -> pt.Tracker:
    torch.set_num_threads(1)
    return pt.load(name, "random", device="cpu", **SMALL[name])


@pytest.fixture(params=list(SMALL), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tracker(name: str) -> Any:
    return _loaded(name)


def test_a_track_passes_through_its_query_and_covers_the_video(tracker: Any) -> None:
    tracks = tracker.track(SCENE.frames, QUERIES)
    assert tracks.xy.shape == (6, 9, 2)
    assert np.isfinite(tracks.xy).all()
    np.testing.assert_array_equal(tracks.xy[3:, 4], POINTS[3:])
    assert tracks.visible[3:, 4].all()
    assert ((tracks.confidence >= 0) & (tracks.confidence <= 1)).all()


def test_frames_before_a_query_are_unknown_when_only_followed_forwards(tracker: Any) -> None:
    tracks = tracker.track(SCENE.frames, QUERIES, both_ways=False)
    assert np.isnan(tracks.xy[3:, :4]).all()
    assert not tracks.visible[3:, :4].any()
    assert np.isfinite(tracks.xy[3:, 4:]).all()
    assert np.isfinite(tracks.xy[:3]).all()


def test_a_session_takes_points_up_removes_and_corrects_them(tracker: Any) -> None:
    session = tracker.session()
    assert session.step(SCENE.frames[0]).ids.tolist() == []
    ids = session.add(POINTS[:3])
    np.testing.assert_array_equal(session.step(SCENE.frames[1]).xy, POINTS[:3])
    session.step(SCENE.frames[2])
    session.remove(ids[1])
    session.correct(ids[2], POINTS[4])
    session.add(POINTS[5])
    now = session.step(SCENE.frames[3])
    assert now.ids.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(now.xy[2], POINTS[5])
    assert np.isfinite(session.step(SCENE.frames[4]).xy).all()
    session.remove([0, 2, 3])
    assert session.step(SCENE.frames[5]).ids.tolist() == []


def test_every_network_has_a_card_with_its_size() -> None:
    for name in SMALL:
        card = card_of(name)
        assert card.network
        assert card.parameters > 0
        assert card.files


# --- the same as the networks by themselves ----------------------------------------------------


def whole(name: str, size: tuple[int, int], **options: Any) -> Any:
    return pt.load(name, "random", device="cpu", resolution=size, **options)


def as_video(low: float, high: float) -> torch.Tensor:
    frames = torch.from_numpy(np.moveaxis(SCENE.frames, -1, 1).copy()).float()[None]
    return frames * ((high - low) / 255) + low


@pytest.mark.parametrize("name", ["tapir", "locotrack_small", "tapnet"])
def test_matching_networks_get_raster_coordinates(name: str) -> None:
    tracker = whole(name, SCENE.size)
    queries = QUERIES.copy()
    queries[:, 1:] = pixel_to_raster(queries[:, 1:])
    asked = torch.from_numpy(queries)[None]
    network = tracker._runner.model.network
    more = {"levels": [(48, 64)]} if name.startswith("loco") else {}
    with torch.inference_mode():
        expected = network(as_video(-1, 1), asked, **more)
    tracks = tracker.track(SCENE.frames, QUERIES)
    away = np.arange(9) != QUERIES[:, :1]
    found = raster_to_pixel(expected.tracks[0].numpy())
    np.testing.assert_allclose(tracks.xy[away], found[away], atol=0.02)


def test_cotracker3_online_sees_the_windows_it_was_made_for() -> None:
    long = clip(30, (64, 48), velocity=(0.5, 0.2), seed=3)
    queries = np.concatenate([on_frame(POINTS[:2], 0), on_frame(POINTS[2:4], 11)])
    tracker = whole("cotracker3_online", (64, 48), iterations=1, warm_up=True)
    frames = torch.from_numpy(np.moveaxis(long.frames, -1, 1).copy()).float()[None]
    with torch.inference_mode():
        asked = torch.from_numpy(queries)[None]
        expected = tracker._runner.model.network(frames, asked, 1)
    tracks = tracker.track(long.frames, queries, both_ways=False)
    after = np.arange(30) > queries[:, :1]
    np.testing.assert_allclose(tracks.xy[after], expected.tracks[0].numpy()[after], atol=0.02)


def test_a_session_of_windows_ends_where_the_windows_do() -> None:
    """At a window's last frame a session has seen what the whole video's run has."""
    long = clip(24, (64, 48), velocity=(0.5, 0.2), seed=3)
    tracker = whole("cotracker3_online", (64, 48), iterations=1)
    tracks = tracker.track(long.frames, on_frame(POINTS[:2], 0))
    session = tracker.session()
    session.add(POINTS[:2])
    last = [session.step(frame) for frame in long.frames][-1]
    np.testing.assert_allclose(last.xy, tracks.xy[:, -1], atol=0.02)
    assert len(session._window.maps) == 16  # of 24 frames


# --- causal TAPIR -------------------------------------------------------------------------------


def test_a_point_added_later_has_the_track_it_is_given_when_known_from_the_start() -> None:
    tracker = _loaded("causal_tapir")
    session = tracker.session()
    session.add(POINTS[:2])
    found = []
    for t, frame in enumerate(SCENE.frames):
        if t == 7:
            session.add(POINTS[5])
        found.append(session.step(frame))
    tracks = tracker.track(
        SCENE.frames, np.concatenate([on_frame(POINTS[:2], 0), on_frame(POINTS[5:], 7)])
    )
    np.testing.assert_allclose(found[8].xy, tracks.xy[:, 8], atol=1e-3)
    np.testing.assert_allclose(found[8].confidence, tracks.confidence[:, 8], atol=1e-4)


def test_points_do_not_see_each_other_and_removing_one_changes_nothing() -> None:
    tracker = _loaded("causal_tapir")
    alone, among = tracker.session(), tracker.session()
    alone.add(POINTS[1])
    among.add(POINTS[:3])
    for t, frame in enumerate(SCENE.frames[:5]):
        if t == 2:
            among.remove(0)
        one, many = alone.step(frame), among.step(frame)
        row = many.ids.tolist().index(1)
        np.testing.assert_allclose(many.xy[row], one.xy[0], atol=1e-3)


def test_warming_up_changes_tracks_of_later_queries_only() -> None:
    cold = _loaded("causal_tapir").track(SCENE.frames, QUERIES, both_ways=False)
    warm = whole("causal_tapir", (32, 32), warm_up=True).track(
        SCENE.frames, QUERIES, both_ways=False
    )
    np.testing.assert_allclose(warm.xy[:3], cold.xy[:3], atol=1e-3)
    assert np.abs(warm.xy[3:, 5:] - cold.xy[3:, 5:]).max() > 0.01


def test_a_point_is_found_by_what_it_looks_like_in_another_video() -> None:
    tracker: Any = _loaded("causal_tapir")
    late = np.concatenate([on_frame(POINTS[:1], 3), on_frame(POINTS[1:2], 0)])
    looks = tracker.describe(SCENE.frames, late)
    placed, found = tracker.session(), tracker.session(keep=True)
    placed.add(POINTS[1])
    ids = found.add_described(looks)
    for t, frame in enumerate(SCENE.frames[:4]):
        known, seen = placed.step(frame), found.step(frame)
        assert seen.ids.tolist() == ids == [0, 1]
        if t > 0:  # the same point, which has been told and found in the same frame
            np.testing.assert_allclose(seen.xy[1], known.xy[0], atol=1e-3)
    assert found.tracks().xy.shape == (2, 4, 2)
    with pytest.raises(pt.QueryError, match="described at 1 sizes, this session works at 2"):
        whole("causal_tapir", (64, 320)).session().add_described(looks)


# --- frames and memory --------------------------------------------------------------------------


def counted(tracker: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    runner, seen = tracker._runner, [0]
    encode = runner.encode

    def counting(frames: list) -> list:
        seen[0] += len(frames)
        return encode(frames)

    monkeypatch.setattr(runner, "encode", counting)
    return seen


@pytest.mark.parametrize("name", ["tapir", "causal_tapir", "cotracker3_online", "pips2"])
def test_each_frame_is_encoded_once_both_ways(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = _loaded(name)
    seen = counted(tracker, monkeypatch)
    tracker.track(SCENE.frames, QUERIES)
    assert seen[0] == len(SCENE.frames)


@pytest.mark.parametrize("name", ["tapir", "cotracker3_offline"])
def test_longer_videos_are_windows_of_encoded_frames(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker: Any = pt.load(name, "random", device="cpu", window=5, overlap=2, live=4, **SMALL[name])
    seen = counted(tracker, monkeypatch)
    tracks = tracker.track(SCENE.frames, on_frame(POINTS, 0))
    assert np.isfinite(tracks.xy).all()
    assert seen[0] == len(SCENE.frames)


def test_portions_of_points_have_the_tracks_they_have_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("tapir", "causal_tapir"):
        tracker: Any = _loaded(name)
        together = tracker.track(SCENE.frames, QUERIES)
        monkeypatch.setattr(tracker._runner, "shares", Shares(300, 2, 2))
        apart = tracker.track(SCENE.frames, QUERIES)
        monkeypatch.undo()
        np.testing.assert_allclose(apart.xy, together.xy, atol=1e-3)


@pytest.mark.parametrize("name", STREAMED)
def test_a_live_session_holds_no_more_as_time_goes_on(name: str) -> None:
    session: Any = _loaded(name).session()
    session.add(POINTS[:2])
    sizes = []
    for t in range(18):  # windows are of 8 frames
        session.step(SCENE.frames[t % 9])
        sizes.append(_tensor_bytes(session))
    assert max(sizes[9:]) <= max(sizes[:9])


def _tensor_bytes(thing: Any) -> int:
    if isinstance(thing, torch.Tensor):
        return thing.numel() * 4
    if isinstance(thing, dict):
        return sum(_tensor_bytes(value) for value in thing.values())
    if isinstance(thing, list | tuple):
        return sum(_tensor_bytes(value) for value in thing)
    inside = type(thing).__module__.startswith("pointtrack.trackers")
    return _tensor_bytes(vars(thing)) if inside and hasattr(thing, "__dict__") else 0


def test_points_that_see_each_other_are_not_split_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracker: Any = _loaded("cotracker2")
    monkeypatch.setattr(tracker._runner, "shares", Shares(300, 2, 24))  # three points
    with pytest.warns(UserWarning, match="6 points of cotracker2 .* in 2 groups that do not see"):
        tracks = tracker.track(SCENE.frames, on_frame(POINTS, 0))
    assert np.isfinite(tracks.xy).all()


@pytest.mark.parametrize("name", ["tapir", "causal_tapir", "cotracker2"])
def test_progress_counts_up_to_all_there_is(name: str) -> None:
    seen: list[tuple[int, int]] = []
    _loaded(name).track(SCENE.frames, QUERIES, progress=lambda *at: seen.append(at))
    assert seen[-1][0] == seen[-1][1]
    assert len(seen) > 2


# --- what cannot be ------------------------------------------------------------------------------


def test_too_little_memory_is_said_before_any_work() -> None:
    with pytest.raises(pt.PointtrackError, match=r"2 MB of memory are too little for tapnet"):
        pt.load("tapnet", "random", device="cpu", memory="2MB")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "cuda:77"}, "no device 'cuda:77' here; there are: cpu"),
        ({"device": "gpu"}, "no device 'gpu'"),
        ({"precision": "float16", "device": "cpu"}, "float16 needs a GPU"),
        ({"resolution": (30, 32)}, r"resolution of tapnet is .*multiples of 8"),
        ({"memory": "lots"}, "memory is such as '4GB'"),
        ({"threshold": 1.5}, "threshold of tapnet is from 0 to 1"),
        ({"window": 4, "overlap": 4}, "windows need"),
        ({"windows": 4}, r"no option of tapnet 'windows' \(did you mean window"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(pt.PointtrackError, match=words):
        pt.load("tapnet", "random", **options)


def test_flow_trackers_take_a_networks_flow_with_its_weights() -> None:
    tracker = pt.load("flow_chain", "random", flow="raft_small", device="cpu", longest=64)
    tracks = tracker.track(SCENE.frames[:3], on_frame(POINTS, 0))
    assert np.isfinite(tracks.xy).all()
    with pytest.raises(pt.WeightsError, match="raft_small needs weights"):
        pt.load("mft", flow="raft_small")
    with pytest.raises(pt.WeightsError, match="mft learns nothing"):
        pt.load("mft", "official")
