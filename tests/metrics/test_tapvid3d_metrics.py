from __future__ import annotations

import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError, QueryError
from pointtrack.metrics import (
    TAPVID3D_SCALINGS,
    tapvid3d,
    tapvid3d_intrinsics,
    tapvid3d_metrics,
    tapvid3d_metrics_per_track,
    tapvid3d_total,
    tapvid_metrics,
)
from pointtrack.metrics.tapvid3d import Scaling

INTRINSICS = np.array([210.0, 190.0, 128.0, 140.0])
AHEAD = np.array([0.0, 0.0, 3.0])
FIXED = {1: 0.01, 2: 0.04, 4: 0.16, 8: 0.64, 16: 2.56}
scalings = st.sampled_from(TAPVID3D_SCALINGS)


class Space(NamedTuple):
    gt_tracks: NDArray  # N T 3
    gt_occluded: NDArray  # N T
    pred_tracks: NDArray  # N T 3
    pred_occluded: NDArray  # N T

    def score(self, scaling: Scaling, queries: NDArray, **options) -> dict[str, float]:
        return tapvid3d_metrics(*self, INTRINSICS, scaling=scaling, query_points=queries, **options)

    def by_track(self, scaling: Scaling, queries: NDArray, **options) -> dict[str, NDArray]:
        return tapvid3d_metrics_per_track(
            *self, INTRINSICS, scaling=scaling, query_points=queries, **options
        )


@st.composite
def spaces(draw: st.DrawFn) -> tuple[Space, NDArray]:
    """A few points, some a few centimetres apart for a while, and a prediction of its own size."""
    count, frames = draw(st.integers(1, 5)), draw(st.integers(1, 40))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start = random.normal(0, draw(st.sampled_from([0.03, 0.5])), (count, 1, 3)) + AHEAD
    truth = start + random.normal(0, 0.01, (count, frames, 3)).cumsum(axis=1)
    answer = draw(st.sampled_from([0.5, 1.0, 1.7])) * (
        truth + random.normal(0, 1, truth.shape) * random.choice([0, 0.01, 0.1, 0.5], (count, 1, 1))
    )
    hidden = random.random((count, frames)) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    lost = random.random((count, frames)) < 0.3
    queries = np.zeros((count, 3))
    queries[:, 0] = random.integers(0, frames, count)
    return Space(truth, hidden, answer, lost), queries


def slow_factor(space: Space, scaling: str, queries: NDArray, n: int, t: int) -> float:
    """What the prediction of one point is multiplied by."""
    truth, hidden, answer, lost = space
    start = queries[:, 0].astype(int)
    if scaling == "none":
        return 1.0
    if scaling == "reproduce_2d":
        return truth[n, t, 2] / answer[n, t, 2]
    if scaling in ("per_trajectory", "local_neighborhood"):
        return truth[n, start[n], 2] / answer[n, start[n], 2]
    chosen = [
        (i, k)
        for i in range(len(truth))
        for k in range(truth.shape[1])
        if not hidden[i, k] and not lost[i, k]
        if scaling != "median_on_queries" or k == start[i]
    ]
    average = np.mean if scaling == "mean" else np.median
    norms = [[float(np.sqrt((p[at] ** 2).sum())) for at in chosen] for p in (truth, answer)]
    return float(average(norms[0]) / average(norms[1])) if chosen else float("nan")


def slow_metrics(space: Space, scaling: str, queries: NDArray, fixed: bool) -> dict[str, float]:
    """Every point of every group, one after the other."""
    truth, hidden, answer, lost = space
    count, frames = hidden.shape
    totals: dict[str, float] = {}
    for i in range(count):
        group = [(i, t) for t in range(frames)]
        if scaling == "local_neighborhood":
            group = [
                (n, t)
                for n in range(count)
                for t in range(frames)
                if ((truth[n, t] - truth[i, t]) ** 2).sum() < 0.05**2
            ]
        seen = sum(not hidden[at] for at in group)
        weight = 1.0
        if scaling == "local_neighborhood":
            weight = (~hidden[i]).sum() / max(1, seen)
        for n, t in group:
            scale = slow_factor(space, scaling, queries, i, t)
            error = np.sqrt(((answer[n, t] * scale - truth[n, t]) ** 2).sum())
            row = {"all": 1, "agree": hidden[n, t] == lost[n, t], "seen": not hidden[n, t]}
            row["shown"] = not lost[n, t]
            for x in FIXED:
                pixel = truth[n, t, 2] / np.sqrt(INTRINSICS[0] * INTRINSICS[1])
                near = error < (FIXED[x] if fixed else x * pixel) and not hidden[n, t]
                row[f"near {x}"], row[f"hit {x}"] = near, near and not lost[n, t]
            for name, value in row.items():
                totals[name] = totals.get(name, 0.0) + weight * value

    def share(a: float, b: float) -> float:
        return a / b if b else float("nan")

    scores = {"occlusion_accuracy": share(totals["agree"], totals["all"])}
    for x in FIXED:
        hit = totals[f"hit {x}"]
        scores[f"pts_within_{x}"] = share(totals[f"near {x}"], totals["seen"])
        scores[f"jaccard_{x}"] = share(hit, totals["seen"] + totals["shown"] - hit)
    scores["average_jaccard"] = np.mean([scores[f"jaccard_{x}"] for x in FIXED])
    scores["average_pts_within_thresh"] = np.mean([scores[f"pts_within_{x}"] for x in FIXED])
    return scores


@settings(max_examples=60, deadline=None)
@given(spaces(), scalings, st.booleans())
def test_agrees_with_counting_point_by_point(
    given_space: tuple[Space, NDArray], scaling: Scaling, fixed: bool
) -> None:
    space, queries = given_space
    found = space.score(scaling, queries, fixed_thresholds=fixed)
    assert found == pytest.approx(slow_metrics(space, scaling, queries, fixed), nan_ok=True)


@given(spaces(), scalings)
def test_a_perfect_shape_of_any_size_scores_one(
    given_space: tuple[Space, NDArray], scaling: Scaling
) -> None:
    space, queries = given_space
    size = 1 if scaling == "none" else 4
    perfect = space._replace(pred_tracks=space.gt_tracks * size, pred_occluded=space.gt_occluded)
    start = queries[:, 0].astype(int)
    if scaling == "median_on_queries":  # which looks at nothing else
        flags = space.gt_occluded.copy()
        flags[np.arange(len(start)), start] = False
        perfect = perfect._replace(gt_occluded=flags, pred_occluded=flags)
    scores = perfect.score(scaling, queries)
    if scaling == "local_neighborhood" and not (~space.gt_occluded).any():
        assert np.isnan(scores["occlusion_accuracy"])
    else:
        assert scores["occlusion_accuracy"] == 1
    assert all(np.isnan(value) or value == pytest.approx(1) for value in scores.values())
    if (~perfect.gt_occluded).any():
        assert scores["average_jaccard"] == pytest.approx(1)


@given(spaces(), scalings)
def test_only_no_scaling_sees_the_size_of_the_prediction(
    given_space: tuple[Space, NDArray], scaling: Scaling
) -> None:
    space, queries = given_space
    grown = space._replace(pred_tracks=space.pred_tracks * 8)
    same = grown.score(scaling, queries) == pytest.approx(
        space.score(scaling, queries), nan_ok=True
    )
    if scaling != "none":
        assert same
    elif space.score(scaling, queries)["pts_within_16"] > 0:
        assert not same


@given(spaces(), scalings, st.booleans())
def test_frames_first_is_the_same_video(
    given_space: tuple[Space, NDArray], scaling: Scaling, fixed: bool
) -> None:
    space, queries = given_space
    turned = Space(*(np.swapaxes(array, 0, 1) for array in space))
    plain = space.by_track(scaling, queries, fixed_thresholds=fixed)
    found = turned.by_track(scaling, queries, fixed_thresholds=fixed, order="t n")
    for name, value in plain.items():
        np.testing.assert_array_equal(found[name], value)


@given(spaces(), st.sampled_from(["none", "reproduce_2d", "per_trajectory"]))
def test_a_track_alone_scores_what_it_scores_by_track(
    given_space: tuple[Space, NDArray], scaling: Scaling
) -> None:
    space, queries = given_space
    by_track = space.by_track(scaling, queries)
    for n in range(len(queries)):
        alone = Space(*(array[n : n + 1] for array in space)).score(scaling, queries[n : n + 1])
        assert {k: float(v[n]) for k, v in by_track.items()} == pytest.approx(alone, nan_ok=True)


def test_tracks_far_apart_have_no_neighbours() -> None:
    random = np.random.default_rng(1)
    truth = np.arange(6.0)[:, None, None] + random.normal(0, 0.01, (6, 20, 3)) + 2
    answer = truth + random.normal(0, 0.03, truth.shape)
    space = Space(truth, random.random((6, 20)) < 0.3, answer, random.random((6, 20)) < 0.3)
    queries = np.zeros((6, 3))
    alone, local = (
        space.by_track(scaling, queries) for scaling in ("per_trajectory", "local_neighborhood")
    )
    for name, value in alone.items():
        np.testing.assert_allclose(local[name], value)


def test_a_neighbour_is_scaled_with_the_other_tracks_factor() -> None:
    truth = np.tile([0.0, 0.0, 2.0], (2, 4, 1))
    truth[1, :, 0] = 0.04
    truth[1, 2:, 0] = 9.0  # near for two frames only
    answer = truth * np.array([1.0, 0.5])[:, None, None]
    seen = np.zeros((2, 4), bool)
    found = Space(truth, seen, answer, seen).by_track("local_neighborhood", np.zeros((2, 3)))
    # Own frames are right; the neighbour's two, scaled with the wrong factor, are far off.
    np.testing.assert_array_equal(found["pts_within_16"], [4 / 6, 4 / 6])


@pytest.mark.parametrize(("chunk", "block"), [(1, 1), (40, 3), (10**7, 64)])
def test_neighbourhoods_do_not_depend_on_how_they_are_cut(
    chunk: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(5)
    truth = random.normal(0, 0.05, (9, 1, 3)) + random.normal(0, 0.02, (9, 30, 3)) + AHEAD
    truth[3, 4:7] = np.nan  # never measured there
    space = Space(truth, random.random((9, 30)) < 0.3, truth * 1.1, random.random((9, 30)) < 0.3)
    queries = np.zeros((9, 3))
    whole = space.by_track("local_neighborhood", queries)
    monkeypatch.setattr(tapvid3d, "_CHUNK", chunk)
    monkeypatch.setattr(tapvid3d, "_BLOCK", block)
    for name, value in space.by_track("local_neighborhood", queries).items():
        np.testing.assert_array_equal(value, whole[name])


def test_frames_without_a_true_position_are_still_the_tracks_own() -> None:
    truth = np.tile(AHEAD, (1, 4, 1))
    truth[0, 3] = np.nan
    hidden = np.array([[False, False, False, True]])
    shown = np.zeros((1, 4), bool)
    scores = Space(truth, hidden, truth, shown).score("local_neighborhood", np.zeros((1, 3)))
    assert scores["occlusion_accuracy"] == 3 / 4
    assert scores["jaccard_1"] == 3 / 4


def test_memory_for_neighbourhoods_grows_with_the_points_not_with_pairs() -> None:
    random = np.random.default_rng(0)
    shape = (400, 50)
    truth = random.normal(0, 0.04, (*shape, 3)) + AHEAD  # everybody meets everybody
    none = np.zeros(shape, bool)
    queries = np.zeros((shape[0], 3))
    tracemalloc.start()
    try:
        tapvid3d_metrics(
            truth,
            none,
            truth,
            none,
            INTRINSICS,
            scaling="local_neighborhood",
            query_points=queries,
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    pairs = shape[0] ** 2 * shape[1] * 3 * 8  # all differences of positions at once
    assert peak < pairs / 2


def test_a_track_that_is_never_visible_does_not_count_in_its_neighbourhood() -> None:
    truth = np.tile([0.0, 0.0, 2.0], (2, 4, 1))
    hidden = np.array([[False] * 4, [True] * 4])
    space = Space(truth, hidden, truth, hidden)
    found = space.by_track("local_neighborhood", np.zeros((2, 3)))
    assert found["occlusion_accuracy"][0] == 1
    assert np.isnan(found["occlusion_accuracy"][1])
    assert space.score("local_neighborhood", np.zeros((2, 3)))["average_jaccard"] == 1


def test_thresholds_are_pixels_at_the_depth_of_the_true_point() -> None:
    truth = np.array([[[0.0, 0.0, 1.0], [0.0, 0.0, 4.0]]])
    answer = truth + np.array([0.015, 0, 0])  # 3 px at 1 m, 0.75 px at 4 m
    none = np.zeros((1, 2), bool)
    scores = tapvid3d_metrics(truth, none, answer, none, (200, 200, 0, 0), scaling="none")
    assert [scores[f"pts_within_{x}"] for x in (1, 2, 4)] == [0.5, 0.5, 1.0]
    fixed = tapvid3d_metrics(
        truth, none, answer, none, (200, 200, 0, 0), scaling="none", fixed_thresholds=True
    )
    assert [fixed[f"pts_within_{x}"] for x in (1, 2)] == [0.0, 1.0]


def test_the_frame_of_the_query_is_scored() -> None:
    space = Space(np.ones((1, 1, 3)), np.zeros((1, 1), bool), np.ones((1, 1, 3)), np.zeros((1, 1)))
    assert space.score("median", np.zeros((1, 3)))["average_jaccard"] == 1
    flat = tapvid_metrics(np.zeros((1, 3)), *(a[..., :2] for a in space), "first")
    assert np.isnan(flat["average_jaccard"])


def test_a_lost_prediction_is_never_near_and_scales_nothing() -> None:
    truth = np.random.default_rng(0).normal(0, 0.2, (3, 8, 3)) + AHEAD
    answer = truth * 2
    answer[0] = np.nan
    none = np.zeros((3, 8), bool)
    found = tapvid3d_metrics_per_track(truth, none, answer, none, INTRINSICS)
    np.testing.assert_array_equal(found["pts_within_1"][0], 0)
    assert (found["pts_within_4"][1:] > 0).any()


def test_intrinsics_go_to_a_shorter_side_of_256() -> None:
    found = tapvid3d_intrinsics([1000, 900, 640, 360], (1280, 720))
    np.testing.assert_allclose(found, np.array([1000, 900, 640, 360]) * 256 / 720)
    with pytest.raises(PointtrackError, match="intrinsics"):
        tapvid3d_intrinsics(np.eye(3), (1280, 720))


def test_sources_count_equally_and_what_is_missing_scores_zero() -> None:
    one, half = {"average_jaccard": 1.0}, {"average_jaccard": 0.5}
    table = tapvid3d_total({"adt": [one] * 8, "pstudio": [half, None]})
    assert table["adt"]["average_jaccard"] == 1
    assert table["pstudio"]["average_jaccard"] == 0.25
    assert table["total"]["average_jaccard"] == 0.625
    with pytest.raises(PointtrackError, match="at least one video"):
        tapvid3d_total({"adt": [None]})


def test_wrong_arguments_are_refused() -> None:
    points, flags = np.ones((2, 4, 3)), np.zeros((2, 4), bool)
    good = (points, flags, points, flags, INTRINSICS)
    with pytest.raises(QueryError, match="needs query_points"):
        tapvid3d_metrics(*good, scaling="per_trajectory")
    with pytest.raises(QueryError, match="expected 2 queries"):
        tapvid3d_metrics(*good, scaling="per_trajectory", query_points=np.zeros((3, 3)))
    with pytest.raises(PointtrackError, match="scaling must be one of"):
        tapvid3d_metrics(*good, scaling="per_track")  # type: ignore[arg-type]
    with pytest.raises(PointtrackError, match="order"):
        tapvid3d_metrics(*good, order="n,t")  # type: ignore[arg-type]
    with pytest.raises(PointtrackError, match=r"pred_tracks must have shape \(N, T, 3\)"):
        tapvid3d_metrics(points, flags, points[..., :2], flags, INTRINSICS)
    with pytest.raises(PointtrackError, match="one shape"):
        tapvid3d_metrics(points, flags, points[:, :3], flags, INTRINSICS)
    with pytest.raises(PointtrackError, match="gt_occluded must have shape"):
        tapvid3d_metrics(points, flags.T, points, flags, INTRINSICS)
