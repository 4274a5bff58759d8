"""`Tracks`: what its fields become, selecting, joining, moving, comparing, tables."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointtrack.errors import FormatError, PointtrackError
from pointtrack.queries import Queries
from pointtrack.tracks import Tracks


def make(points: int = 4, frames: int = 6, start: int = 0, seed: int = 0) -> Tracks:
    """Random tracks of a 64 x 48 video; some positions are unknown, some hidden."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 48, (points, frames, 2)).astype(np.float32)
    xy[rng.random((points, frames)) < 0.2] = np.nan
    if points and frames:
        xy[:, 0] = rng.uniform(0, 48, (points, 2))
    visible = rng.random((points, frames)) < 0.7
    confidence = rng.random((points, frames)).astype(np.float32)
    rows = np.column_stack([np.full(points, start), np.nan_to_num(xy[:, 0])]) if frames else None
    return Tracks(
        xy,
        visible,
        confidence,
        size=(64, 48),
        fps=Fraction(30),
        start=start,
        names=tuple(f"p{i}" for i in range(points)),
        queries=Queries(rows, names=tuple(f"p{i}" for i in range(points))) if points else None,
    )


shapes = st.builds(
    make, st.integers(1, 5), st.integers(1, 6), st.integers(0, 3), st.integers(0, 99)
)


# -- fields --------------------------------------------------------------------------------


def test_defaults() -> None:
    tracks = Tracks([[[1, 2], [3, 4]]], [[True, False]])  # type: ignore[arg-type]
    assert (tracks.xy.dtype, tracks.visible.dtype) == (np.float32, bool)
    assert tracks.confidence.dtype == np.float32
    assert tracks.confidence.tolist() == [[1, 0]]
    assert (tracks.size, tracks.fps, tracks.start, tracks.names) == ((0, 0), 25, 0, ("0",))
    assert tracks.times.tolist() == [0, 0.04]
    assert (len(tracks), tracks.num_frames, tracks.frames) == (1, 2, range(2))
    assert tracks.queries is None
    assert repr(tracks) == "Tracks(1 points, 2 frames, 0x0, 25 fps)"


def test_unknown_positions_are_nan_hidden_and_without_confidence() -> None:
    xy = np.array([[[1, np.nan], [np.inf, 2], [3, 4]]])
    tracks = Tracks(xy, np.ones((1, 3)), np.array([[0.5, 0.5, np.nan]]))  # type: ignore[arg-type]
    assert np.isnan(tracks.xy[0, :2]).all()
    assert tracks.known.tolist() == tracks.visible.tolist() == [[False, False, True]]
    assert tracks.confidence.tolist() == [[0, 0, 0]]
    assert xy[0, 0, 0] == 1, "the argument is left alone"


def test_confidence_is_kept_within_zero_and_one() -> None:
    tracks = Tracks(np.zeros((1, 3, 2)), np.ones((1, 3)), np.array([[-1, 0.25, 7]]))  # type: ignore[arg-type]
    assert tracks.confidence.tolist() == [[0, 0.25, 1]]


def test_times_follow_start_and_rate() -> None:
    tracks = make(1, 3, start=6)
    np.testing.assert_allclose(tracks.times, [0.2, 7 / 30, 8 / 30])
    uneven = replace(tracks, times=[1, 2, 5])
    assert uneven.times.tolist() == [1, 2, 5]


def test_no_points_and_no_frames() -> None:
    for points, frames in ((0, 3), (2, 0), (0, 0)):
        tracks = Tracks(np.zeros((points, frames, 2)), np.zeros((points, frames)))  # type: ignore[arg-type]
        assert (len(tracks), tracks.num_frames) == (points, frames)
        assert tracks.allclose(tracks.select([]).select([]) if points == 0 else tracks)
    assert len(make(3).select([])) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"xy": np.zeros((4, 6))}, r"xy must have shape \(N, T, 2\), found \(4, 6\)"),
        ({"xy": np.zeros((4, 6, 3))}, r"found \(4, 6, 3\)"),
        ({"visible": np.zeros((6, 4))}, r"visible must have shape \(4, 6\), found \(6, 4\)"),
        ({"confidence": np.zeros(4)}, r"confidence must have shape \(4, 6\)"),
        ({"times": np.zeros(5)}, r"times must have shape \(6,\), found \(5,\)"),
        ({"names": ("a", "b")}, "there are 4 tracks but 2 names"),
        ({"fps": 0}, "fps must be a positive number, found 0"),
        ({"fps": float("nan")}, "fps must be a positive number"),
        ({"start": -1}, "frames count from 0, found a start at -1"),
        ({"queries": Queries([[0, 1, 2]])}, "there are 4 tracks but 1 queries"),  # type: ignore[arg-type]
    ],
)
def test_fields_that_do_not_fit(change: dict[str, object], words: str) -> None:
    with pytest.raises(PointtrackError, match=words):
        replace(make(), **change)  # type: ignore[arg-type]


def test_exact_rates_stay_exact() -> None:
    odd = Fraction(10_000_000, 333_667)
    assert replace(make(), fps=odd).fps == odd
    assert replace(make(), fps=23.976).fps == Fraction(2997, 125)


# -- selecting -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "rows"),
    [
        ([2, 0], [2, 0]),
        ([-1], [3]),
        (np.array([1], np.uint8), [1]),
        (slice(1, None), [1, 2, 3]),
        (slice(None, None, -2), [3, 1]),
        ([True, False, False, True], [0, 3]),
        (np.array([False, True, False, False]), [1]),
        (["p3", "p1"], [3, 1]),
        (np.array(["p2"], object), [2]),
        ("p2", [2]),
        (2, [2]),
        ([], []),
        ([1, 1], [1, 1]),
    ],
)
def test_select(points: object, rows: list[int]) -> None:
    tracks = make()
    chosen = tracks.select(points)  # type: ignore[arg-type]
    assert np.array_equal(chosen.xy, tracks.xy[rows], equal_nan=True)
    assert np.array_equal(chosen.visible, tracks.visible[rows])
    assert np.array_equal(chosen.confidence, tracks.confidence[rows])
    assert chosen.names == tuple(f"p{i}" for i in rows)
    assert (chosen.size, chosen.fps, chosen.frames) == (tracks.size, tracks.fps, tracks.frames)
    if len(set(rows)) == len(rows) > 0:
        assert chosen.queries is not None
        assert chosen.queries.names == chosen.names
        first = chosen.queries.xy[chosen.queries.first()]
        assert np.array_equal(first, tracks.xy[rows, 0])
    else:
        assert chosen.queries is None


def test_select_all_is_the_same() -> None:
    tracks = make()
    assert tracks.select() is tracks


def test_select_keeps_every_observation_of_a_point() -> None:
    rows = np.array([[0, 1, 1], [0, 2, 2], [3, 9, 9]], np.float32)
    queries = Queries(rows, np.array([0, 1, 0]))
    chosen = replace(make(2), queries=queries).select([1, 0]).queries
    assert chosen is not None
    assert chosen.point.tolist() == [1, 0, 1]
    assert np.array_equal(chosen.txy, rows)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([4], "there is no point 4; there are 4"),
        ([-5], "there is no point -5"),
        (["p1", "nose"], "there is no point named 'nose'"),
        ("nose", "there is no point named 'nose'"),
        ([True, False], r"a mask must have shape \(4,\), found \(2,\)"),
        ([0.5], "whole numbers or names"),
        ([[0, 1]], "whole numbers or names"),
    ],
)
def test_bad_selection(points: object, words: str) -> None:
    with pytest.raises(PointtrackError, match=words):
        make().select(points)  # type: ignore[arg-type]


def test_clip_and_at_count_frames_of_the_video() -> None:
    tracks = make(start=10)
    part = tracks.clip(12, 14)
    assert (part.start, part.num_frames, part.frames) == (12, 3, range(12, 15))
    assert np.array_equal(part.xy, tracks.xy[:, 2:5], equal_nan=True)
    assert np.array_equal(part.times, tracks.times[2:5])
    xy, visible = part.at(13)
    assert np.array_equal(xy, tracks.xy[:, 3], equal_nan=True)
    assert np.array_equal(visible, tracks.visible[:, 3])
    assert tracks.clip(10, 15).allclose(tracks)
    for first, last in ((9, 12), (12, 16), (14, 12)):
        with pytest.raises(PointtrackError, match="not within 10 to 15"):
            tracks.clip(first, last)
    for frame in (9, 16):
        with pytest.raises(PointtrackError, match=f"frame {frame} is not within 10 to 15"):
            tracks.at(frame)


# -- joining -------------------------------------------------------------------------------


@given(shapes, st.data())
def test_parts_join_to_the_whole(tracks: Tracks, data: st.DataObject) -> None:
    n = data.draw(st.integers(0, len(tracks)))
    parts = tracks.select(slice(n)), tracks.select(slice(n, None))
    joined = parts[0].join_points(parts[1])
    assert joined.allclose(tracks, 0, 0)
    if tracks.num_frames > 1:
        last = data.draw(st.integers(tracks.start, tracks.frames[-2]))
        before, after = tracks.clip(tracks.start, last), tracks.clip(last + 1, tracks.frames[-1])
        joined = before.join_frames(after)
        assert joined.allclose(tracks, 0, 0)
        assert np.array_equal(joined.times, tracks.times)


def test_join_points_makes_names_unique_and_joins_queries() -> None:
    one = replace(make(2), names=("a", "b"))
    other = replace(make(3, seed=1), names=("a", "c", "a"))
    joined = one.join_points(other)
    assert joined.names == ("a", "b", "a_2", "c", "a_3")
    assert joined.queries is not None
    assert joined.queries.point.tolist() == [0, 1, 2, 3, 4]
    assert joined.queries.names == joined.names
    assert one.join_points(replace(other, queries=None)).queries is None


def test_what_cannot_be_joined() -> None:
    tracks = make()
    for other, what in (
        (replace(tracks, size=(32, 48)), "size"),
        (make(start=1), "start"),
        (make(frames=5), "num_frames"),
    ):
        with pytest.raises(PointtrackError, match=f"tracks to join differ in {what}"):
            tracks.join_points(other)
    with pytest.raises(PointtrackError, match="the same point names"):
        tracks.join_frames(make(3, start=6))
    with pytest.raises(PointtrackError, match="differ in size"):
        tracks.join_frames(replace(make(start=6), size=(1, 1)))
    for start in (5, 7):
        with pytest.raises(PointtrackError, match=f"begins at frame {start}, expected 6"):
            tracks.join_frames(make(start=start))


# -- moving --------------------------------------------------------------------------------


def test_shift() -> None:
    tracks = make(start=2)
    moved = tracks.shift(3, xy=(10, -5.5))
    assert (moved.start, moved.frames) == (5, range(5, 11))
    np.testing.assert_allclose(moved.xy, tracks.xy + np.float32([10, -5.5]))
    np.testing.assert_allclose(moved.times, tracks.times + 0.1)
    assert moved.queries is not None
    assert tracks.queries is not None
    assert moved.queries.t.tolist() == [5] * 4
    np.testing.assert_allclose(moved.queries.xy, tracks.queries.xy + np.float32([10, -5.5]))
    assert moved.shift(-3, xy=(-10, 5.5)).allclose(tracks, 1e-5)
    with pytest.raises(PointtrackError, match="a shift by -3 frames would begin before frame 0"):
        tracks.shift(-3)


def test_shift_drops_queries_that_would_begin_before_the_video() -> None:
    tracks = make().clip(3, 5)
    moved = tracks.shift(-3)
    assert (moved.start, moved.queries) == (0, None)


def test_resize() -> None:
    tracks = make()
    resized = tracks.resize((128, 24))
    assert resized.size == (128, 24)
    np.testing.assert_allclose(resized.xy, (tracks.xy + 0.5) * [2, 0.5] - 0.5, rtol=1e-5)
    assert resized.queries is not None
    np.testing.assert_allclose(resized.queries.xy, resized.xy[:, 0], rtol=1e-5)
    assert resized.resize((64, 48)).allclose(tracks, 1e-4)
    assert resized.xy.dtype == np.float32
    with pytest.raises(PointtrackError, match="do not know the size of their video"):
        replace(tracks, size=(0, 0)).resize((10, 10))
    with pytest.raises(PointtrackError, match=r"a size is \(width, height\)"):
        tracks.resize((0, 10))


# -- comparing -----------------------------------------------------------------------------


def test_allclose() -> None:
    tracks = make()
    assert tracks.allclose(tracks)
    nudge = np.zeros_like(tracks.xy)
    nudge[0, 0, 0] = 0.01
    near = replace(tracks, xy=tracks.xy + nudge)
    assert not tracks.allclose(near)
    assert tracks.allclose(near, atol=0.02)
    doubt = replace(tracks, confidence=np.clip(tracks.confidence + 0.01, 0, 1))
    assert not tracks.allclose(doubt)
    assert tracks.allclose(doubt, confidence_atol=0.02)
    unknown = tracks.xy.copy()
    unknown[0, 0] = np.nan
    for other in (
        replace(tracks, xy=unknown),
        replace(tracks, visible=~tracks.visible),
        replace(tracks, names=tuple("abcd")),
        replace(tracks, size=(1, 1)),
        make(start=1),
        make(frames=5),
        make(points=3),
    ):
        assert not tracks.allclose(other)


# -- tables --------------------------------------------------------------------------------


def test_to_pandas() -> None:
    tracks = make(2, 3, start=4)
    table = tracks.to_pandas()
    columns = ["frame", "time", "point", "name", "x", "y", "visible", "confidence"]
    assert list(table.columns) == columns
    assert len(table) == tracks.known.sum()
    row = table[(table.point == 1) & (table.frame == 4)].iloc[0]
    assert (row["name"], row.x, row.y) == ("p1", tracks.xy[1, 0, 0], tracks.xy[1, 0, 1])
    assert row.time == pytest.approx(4 / 30)
    assert table.sort_values(["point", "frame"]).index.tolist() == list(range(len(table)))


@given(shapes, st.randoms(use_true_random=False))
def test_pandas_round_trip_in_any_order_of_rows(tracks: Tracks, random: object) -> None:
    tracks = tracks.shift(-tracks.start)
    table = tracks.to_pandas()
    order = list(range(len(table)))
    random.shuffle(order)  # type: ignore[attr-defined]
    back = Tracks.from_pandas(table.iloc[order], (64, 48), Fraction(30), tracks.num_frames)
    assert back.allclose(tracks, 0, 0)
    assert back.fps == 30


def test_from_pandas_with_the_least_it_needs() -> None:
    table = pd.DataFrame({"frame": [2, 0, 1], "name": ["b", "a", "b"], "x": [1, 2, 3], "y": 0.5})
    tracks = Tracks.from_pandas(table)
    assert tracks.names == ("b", "a"), "names keep the order of appearance"
    assert tracks.known.tolist() == [[False, True, True], [True, False, False]]
    assert np.array_equal(tracks.visible, tracks.known)
    assert tracks.confidence.tolist() == [[0, 1, 1], [1, 0, 0]]
    numbered = Tracks.from_pandas(table.assign(point=[7, 3, 7]).drop(columns="name"), num_frames=5)
    assert (numbered.names, numbered.num_frames) == (("3", "7"), 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": None}, "the table lacks x$"),
        ({"point": None, "y": None}, "the table lacks y, point or name"),
        ({"frame": [0, -1]}, "the table has a frame -1"),
        ({"frame": [0, 0.5]}, r"the table has a frame 0\.5"),
        ({"frame": [0, np.nan]}, "the table has a frame nan"),
        ({"frame": [0, 3]}, "a frame 3, expected less than 3"),
        ({"frame": [1, 1]}, "two rows for one point and frame"),
        ({"x": ["a", "b"]}, "the column x of the table must hold numbers"),
        ({"frame": ["a", "b"]}, "the column frame of the table must hold numbers"),
        ({"confidence": ["a", "b"]}, "the column confidence of the table must hold numbers"),
    ],
)
def test_bad_table(change: dict[str, object], words: str) -> None:
    table = pd.DataFrame({"frame": [0, 1], "point": [0, 0], "x": [1.0, 2.0], "y": [1.0, 2.0]})
    for column, values in change.items():
        table = table.drop(columns=column) if values is None else table.assign(**{column: values})
    with pytest.raises(FormatError, match=words):
        Tracks.from_pandas(table, num_frames=3)


def test_empty_table() -> None:
    with pytest.raises(FormatError, match="the table has no rows"):
        Tracks.from_pandas(pd.DataFrame({"frame": [], "point": [], "x": [], "y": []}))


def _with_radii(radius: object = ((1, 2, 3), (4, 5, 6))) -> Tracks:
    xy = np.zeros((2, 3, 2), np.float32)
    xy[1, 2] = np.nan
    return Tracks(xy, np.ones((2, 3), bool), size=(100, 50), radius=np.array(radius, np.float32))


def test_radii_follow_their_points_and_frames() -> None:
    tracks = _with_radii()
    nan = np.nan
    np.testing.assert_array_equal(tracks.radius, [[1, 2, 3], [4, 5, nan]])  # no place, no radius
    np.testing.assert_array_equal(tracks.select([1]).radius, [[4, 5, nan]])
    np.testing.assert_array_equal(tracks.clip(1, 2).radius, [[2, 3], [5, nan]])
    joined = tracks.clip(0, 0).join_frames(tracks.clip(1, 2))
    np.testing.assert_array_equal(joined.radius, tracks.radius)


def test_radii_grow_with_the_picture() -> None:
    np.testing.assert_allclose(_with_radii().resize((400, 50)).radius, [[2, 4, 6], [8, 10, np.nan]])


def test_radii_of_one_part_are_unknown_in_the_other() -> None:
    tracks = _with_radii()
    without = replace(tracks, radius=None)
    np.testing.assert_array_equal(tracks.join_points(without).radius[:2], tracks.radius)
    assert np.isnan(tracks.join_points(without).radius[2:]).all()
    assert without.join_points(without).radius is None


@pytest.mark.parametrize("value", [-1, np.inf])
def test_a_radius_that_cannot_be_is_unknown(value: float) -> None:
    assert np.isnan(_with_radii(((value, 2, 3), (4, 5, 6))).radius[0, 0])


def test_radii_must_fit() -> None:
    with pytest.raises(PointtrackError, match=r"radius must have shape \(2, 3\)"):
        _with_radii(((1, 2),))
