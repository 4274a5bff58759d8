"""Networks with a memory, frame by frame: a small TAPNext with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from clips import clip, on_frame, spread
from numpy.typing import NDArray
from torch import nn

import pointtrack as pt
from pointtrack.geometry import pixel_to_raster, raster_to_pixel
from pointtrack.networks.tapnext import TapNext
from pointtrack.trackers.neural.budget import Shares
from pointtrack.trackers.neural.recurrent import Joining, RecurrentTracker
from pointtrack.trackers.neural.tapnext_models import TapNextModel, support_grid
from pointtrack.weights import PUBLISHED

SIZE = (48, 32)
LONG = clip(110, SIZE, velocity=(0.1, -0.05), seed=2)
SHORT = clip(9, SIZE, velocity=(0.8, -0.4), seed=1)
POINTS = spread(SIZE, 3, 2, 6)
ARRIVALS = (0, 7, 30, 31, 80)  # frames on which points come in
NEAR = 1e-3  # px
WAYS: tuple[Joining, ...] = ("apart", "beside")


def network() -> TapNext:
    torch.set_num_threads(1)
    torch.manual_seed(3)
    made = TapNext(width=48, depth=2, heads=4)
    for name, value in made.named_parameters():
        if value.ndim >= 2 and name.endswith("weight"):  # so that every part has a say
            nn.init.normal_(value, std=value[0].numel() ** -0.5)
    for value in (made.picture_positions, made.unknown, made.asked, made.followed):
        nn.init.normal_(value, std=0.5)
    for block in made.recurrent:
        nn.init.normal_(block.taps, std=0.5)
        nn.init.normal_(block.recurrence.decay, std=2)
    for head in (made.position_head, made.visibility_head):
        nn.init.normal_(head[-1].weight, std=0.25)
    return made.eval().requires_grad_(False)


NETWORK = network()


def tracker(joining: Joining = "apart", warm_up: bool = False, **options: Any) -> RecurrentTracker:
    model = TapNextModel(NETWORK, "tapnext", SIZE, **options)
    return RecurrentTracker(PUBLISHED["tapnext"], model, torch.device("cpu"), 1e9, warm_up, joining)


def arriving() -> NDArray[np.float32]:
    """One or two points for each of the arrivals."""
    parts = [on_frame(POINTS[[i, (i + 1) % 6]][: 1 + i % 2], t) for i, t in enumerate(ARRIVALS)]
    return np.concatenate(parts)


def followed(session: pt.Session, frames: Any, queries: NDArray) -> NDArray[np.float32]:
    """Tracks ``(N, T, 2)`` of queries, which the session is told of when their frame comes."""
    found = np.full((len(queries), len(frames), 2), np.nan, np.float32)
    rows: list[int] = []  # session id -> row
    for t, frame in enumerate(frames):
        fresh = np.flatnonzero(queries[:, 0] == t)
        session.add(queries[fresh, 1:])
        rows += fresh.tolist()
        now = session.step(frame)
        found[np.array(rows, int)[now.ids], t] = now.xy
    return found


@pytest.mark.parametrize("joining", WAYS)
def test_a_session_with_points_that_come_in_has_the_tracks_of_the_batch_run(
    joining: Joining,
) -> None:
    queries = arriving()
    live = followed(tracker(joining).session(), LONG.frames, queries)
    batch = tracker(joining).track(LONG.frames, queries, both_ways=False)
    np.testing.assert_allclose(live, batch.xy, atol=NEAR)
    assert np.ptp(batch.xy[:, 81:], axis=1).min() > 0.05  # tracks that do not move prove nothing


@pytest.mark.parametrize("joining", WAYS)
def test_points_that_come_go_or_are_corrected_leave_the_others_alone(joining: Joining) -> None:
    quiet, busy = tracker(joining).session(), tracker(joining).session()
    for session in (quiet, busy):
        session.add(POINTS[:3])
    for t, frame in enumerate(LONG.frames[:24]):
        if t in (4, 9, 12):
            busy.add(POINTS[3:5])
        if t == 14:
            busy.remove([0, 3])  # of the first points, and of the guests
        if t == 16:
            busy.correct(5, POINTS[0])
            busy.correct(1, POINTS[5])
        if t == 18:
            busy.remove([4, 7])
        one, many = quiet.step(frame), busy.step(frame)
        row = many.ids.tolist().index(2)
        np.testing.assert_allclose(many.xy[row], one.xy[2], atol=NEAR)
        np.testing.assert_allclose(many.confidence[row], one.confidence[2], atol=1e-4)
    assert many.ids.tolist() == [1, 2, 5, 6, 8]


def test_published_streams_do_depend_on_who_else_is_in_them() -> None:
    """What the other tests hold apart is not apart by itself."""
    queries = on_frame(POINTS[:3], 0)
    alone = tracker().track(SHORT.frames, queries[:1])
    among = tracker().track(SHORT.frames, queries)
    assert np.abs(among.xy[0, 1:] - alone.xy[0, 1:]).max() > 0.05


@pytest.mark.parametrize("joining", WAYS)
def test_a_corrected_point_goes_on_as_one_that_comes_in_there(joining: Joining) -> None:
    corrected, fresh = tracker(joining).session(), tracker(joining).session()
    for session in (corrected, fresh):
        session.add(POINTS[:2])
    for t, frame in enumerate(SHORT.frames):
        if t == 5:
            fresh.add(POINTS[4])
        one, other = corrected.step(frame), fresh.step(frame)
        if t == 5:
            corrected.correct(1, POINTS[4])
        if t > 5:
            np.testing.assert_allclose(one.xy[1], other.xy[2], atol=NEAR)


@pytest.mark.parametrize("joining", WAYS)
def test_memory_does_not_grow_with_time_nor_with_points_that_have_gone(joining: Joining) -> None:
    session: Any = tracker(joining).session()
    session.add(POINTS[:2])
    sizes = []
    for t in range(40):
        session.step(LONG.frames[t])
        session.correct(1, POINTS[3])  # anew at every frame
        sizes.append(_tensor_bytes(session))
    assert max(sizes[20:]) <= max(sizes[:5])
    session.remove([0, 1])
    assert _tensor_bytes(session._streams) == 0


def _tensor_bytes(thing: Any) -> int:
    if isinstance(thing, torch.Tensor):
        return thing.numel() * 4
    if isinstance(thing, list | tuple):
        return sum(_tensor_bytes(value) for value in thing)
    if "_runner" in (inside := getattr(thing, "__dict__", {})):
        inside = {name: value for name, value in inside.items() if name != "_runner"}
    ours = type(thing).__module__.startswith("pointtrack")
    return _tensor_bytes(list(inside.values())) if ours else 0


def test_all_points_known_from_the_start_are_what_the_network_makes_of_the_clip() -> None:
    queries = np.concatenate([on_frame(POINTS[:3], 0), on_frame(POINTS[3:], 4)])
    found = tracker(warm_up=True).track(SHORT.frames, queries, both_ways=False)
    scale = 256 / np.array(SIZE, np.float32)
    asked = np.column_stack([queries[:, 0], pixel_to_raster(queries[:, 1:]) * scale])
    video = torch.from_numpy(SHORT.frames).permute(0, 3, 1, 2)[None] / 127.5 - 1
    with torch.inference_mode():
        output = NETWORK(video, torch.from_numpy(asked)[None].float())
    expected = raster_to_pixel(output.tracks[0].numpy() / scale)
    after = np.arange(9) > queries[:, :1]
    np.testing.assert_allclose(found.xy[after], expected[after], atol=0.01)
    np.testing.assert_array_equal(
        found.visible[after], output.visibility_logit[0].numpy()[after] > 0
    )
    sure = output.visibility_logit[0].sigmoid() * output.certainty[0]
    np.testing.assert_allclose(found.confidence[after], sure.numpy()[after], atol=1e-4)
    cold = tracker().track(SHORT.frames, queries, both_ways=False)
    assert np.abs(cold.xy[3:, 5:] - found.xy[3:, 5:]).max() > 0.01


@pytest.mark.parametrize("warm_up", [False, True])
@pytest.mark.parametrize("joining", WAYS)
def test_frames_before_a_query_are_those_of_the_reversed_video(
    joining: Joining, warm_up: bool
) -> None:
    queries = np.concatenate([on_frame(POINTS[:1], 8), on_frame(POINTS[1:3], 5)])
    there = queries.copy()
    there[:, 0] = 8 - there[:, 0]
    both = tracker(joining, warm_up).track(SHORT.frames, queries)
    back = tracker(joining, warm_up).track(SHORT.frames[::-1].copy(), there, both_ways=False)
    before = np.arange(9) < queries[:, :1]
    np.testing.assert_allclose(both.xy[before], back.xy[:, ::-1][before], atol=NEAR)
    assert np.isfinite(both.xy).all()


def test_portions_for_little_memory_have_the_same_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries = np.concatenate([on_frame(POINTS[:2], t) for t in (0, 3, 5)])
    work: Any = tracker()
    together = work.track(SHORT.frames, queries)
    monkeypatch.setattr(work._runner, "shares", Shares(1, 1, 30))  # 24 patches and two points
    apart = work.track(SHORT.frames, queries)
    np.testing.assert_allclose(apart.xy, together.xy, atol=NEAR)
    monkeypatch.setattr(work._runner, "shares", Shares(1, 1, 1))
    with pytest.warns(UserWarning, match="2 points of tapnext .* groups that do not see each"):
        assert np.isfinite(work.track(SHORT.frames, queries).xy).all()


@pytest.mark.parametrize("joining", WAYS)
def test_supporting_points_are_not_reported(joining: Joining) -> None:
    queries = np.concatenate([on_frame(POINTS[:2], 0), on_frame(POINTS[2:4], 4)])
    with_support = tracker(joining, support=5)
    tracks = with_support.track(SHORT.frames, queries, both_ways=False)
    assert tracks.xy.shape == (4, 9, 2)
    live = followed(with_support.session(), SHORT.frames, queries)
    np.testing.assert_allclose(live, tracks.xy, atol=NEAR)
    bare = tracker(joining).track(SHORT.frames, queries, both_ways=False)
    assert np.abs(tracks.xy[:2, 1:] - bare.xy[:2, 1:]).max() > 0.01


def test_support_tiles_the_surroundings_and_stays_in_the_picture() -> None:
    query = torch.tensor([[3.0, 100.0, 90.0], [0.0, 1.0, 255.5]])
    grid = support_grid(query, 6, (300, 200))  # 3 columns, 2 rows
    assert grid.shape == (12, 3)
    assert grid[:, 0].tolist() == [3.0] * 6 + [0.0] * 6
    third = 32 / 3
    columns = [100 - third, 100, 100 + third]
    np.testing.assert_allclose(grid[:6, 1], columns * 2, atol=1e-4)
    np.testing.assert_allclose(grid[:6, 2], [82] * 3 + [98] * 3, atol=1e-4)
    assert grid[6:, 1].min() == 0
    np.testing.assert_allclose(grid[6:, 2].max(), 256 * 199 / 200, atol=1e-4)


def test_what_counts_as_visible_can_be_chosen() -> None:
    queries = on_frame(POINTS, 0)
    all_of_them = tracker(threshold=0.0).track(SHORT.frames, queries)
    none = tracker(threshold=1.0).track(SHORT.frames, queries)
    assert all_of_them.visible.all()
    assert not none.visible[:, 1:].any()
    sure = all_of_them.confidence[:, 1:]
    both = tracker(score="both", threshold=float(np.median(sure))).track(SHORT.frames, queries)
    np.testing.assert_array_equal(both.visible[:, 1:], sure > np.median(sure))


def test_observations_of_one_point_are_all_passed() -> None:
    one = pt.Queries(np.array([[2.0, 20, 10], [6, 24, 12]], np.float32), np.array([0, 0]), ("a",))
    tracks = tracker().track(SHORT.frames, one)
    np.testing.assert_array_equal(tracks.xy[0, [2, 6]], [[20, 10], [24, 12]])
    assert np.isfinite(tracks.xy).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"joining": "among"}, "joining of tapnext is apart or beside, found 'among'"),
        ({"score": "luck"}, "score of tapnext is visibility or both"),
        ({"numerics": "numpy"}, "numerics of tapnext is torch or jax"),
        ({"support": -1}, "support of tapnext must be at least 0"),
        ({"resolution": (252, 256)}, "resolution of tapnext is .*multiples of 8"),
    ],
)
def test_options_that_tapnext_does_not_have(options: dict[str, Any], words: str) -> None:
    with pytest.raises(pt.PointtrackError, match=words):
        pt.load("tapnext", "random", device="cpu", **options)
