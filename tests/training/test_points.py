from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from takes import noise_take

from pointtrack.errors import PointtrackError
from pointtrack.training.points import (
    PointConfig,
    Where,
    calm,
    choose_points,
    eligible,
    farthest_points,
    within_reach,
)
from pointtrack.training.sample import Rejected, Take


def take_of(visible: list[str], size: tuple[int, int] = (40, 30)) -> Take:
    """Tracks at rest, row n at x = n; ``"110"`` is seen in the first two of three frames."""
    flags = np.array([[c == "1" for c in row] for row in visible])
    take = noise_take(0, size, flags.shape[1], 1)
    xy = np.zeros((*flags.shape, 2), np.float32)
    xy[..., 0] = np.arange(len(flags))[:, None]
    return replace(take, xy=xy, visible=flags, valid=np.ones_like(flags))


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("anywhere", [0, 1, 2, 3, 4]),
        ("first", [0, 3, 4]),
        ("first-or-middle", [0, 1, 3, 4]),
        ("first-two", [3, 4]),
    ],
)
def test_who_may_be_chosen(where: Where, rows: list[int]) -> None:
    take = take_of(["10000", "00100", "00010", "11010", "11111", "00000"])
    assert np.flatnonzero(eligible(take.visible, where)).tolist() == rows
    chosen = choose_points(take, PointConfig(40, where=where), np.random.default_rng(0))
    assert np.unique(chosen.xy[:, 0, 0]).tolist() == rows


def test_two_frames_and_the_root_of_all_are_needed() -> None:
    visible = take_of(["1" * k + "0" * (16 - k) for k in (1, 2, 3, 4, 5)]).visible
    assert eligible(visible, "first-two").tolist() == [False, False, False, True, True]


def test_a_point_is_asked_for_where_it_is_first_seen() -> None:
    take = take_of(["0110", "0001", "1000"])
    chosen = choose_points(take, PointConfig(30, query="first"), np.random.default_rng(0))
    first = {0: 1, 1: 3, 2: 0}
    assert all(first[int(x)] == t for t, x in chosen.queries[:, :2])


def test_random_queries_cover_all_frames_in_which_a_point_is_seen() -> None:
    take = take_of(["011010"])
    chosen = choose_points(take, PointConfig(600), np.random.default_rng(0))
    frames, counts = np.unique(chosen.queries[:, 0], return_counts=True)
    assert frames.tolist() == [1, 2, 4]
    assert counts.min() > 150


def test_queries_lie_on_their_tracks() -> None:
    chosen = choose_points(noise_take(0, points=50), PointConfig(20), np.random.default_rng(3))
    rows, t = np.arange(20), chosen.queries[:, 0].astype(int)
    assert np.array_equal(chosen.queries[:, 1:], chosen.xy[rows, t])
    assert chosen.visible[rows, t].all()


def test_no_point_twice_while_there_are_enough() -> None:
    take = take_of(["11"] * 25)
    chosen = choose_points(take, PointConfig(25), np.random.default_rng(0))
    assert sorted(chosen.xy[:, 0, 0]) == list(range(25))
    more = choose_points(take, PointConfig(30), np.random.default_rng(0))
    assert set(more.xy[:, 0, 0]) == set(range(25))


def test_every_point_is_chosen_as_often_as_any_other() -> None:
    take = take_of(["11"] * 10)
    counts = np.zeros(10)
    for seed in range(400):
        chosen = choose_points(take, PointConfig(3), np.random.default_rng(seed))
        counts[chosen.xy[:, 0, 0].astype(int)] += 1
    assert counts.min() > 80
    assert counts.max() < 160


def test_too_few_points_are_rejected_with_the_rule() -> None:
    take = take_of(["0111"] * 9)
    with pytest.raises(Rejected) as caught:
        choose_points(take, PointConfig(4, where="first"), np.random.default_rng(0))
    assert caught.value.reason == "too few points visible in the first frame"
    with pytest.raises(Rejected):
        choose_points(take, PointConfig(4, least=10), np.random.default_rng(0))
    assert len(choose_points(take, PointConfig(4, least=9), np.random.default_rng(0))) == 4


def test_jumps_are_left_out_and_the_reason_says_so() -> None:
    take = take_of(["1" * 8] * 4)
    xy = take.xy.copy()
    xy[1, 4:, 0] += 20  # half the width in one frame
    xy[2, :, 0] = np.linspace(0, 35, 8)  # quick but steady
    jumpy = replace(take, xy=xy)
    config = PointConfig(20, speed=0.4, acceleration=0.3, jerk=0.1)
    assert calm(jumpy.xy, jumpy.valid, jumpy.size, config).tolist() == [True, False, True, True]
    chosen = choose_points(jumpy, config, np.random.default_rng(0))
    assert 1 not in chosen.xy[:, 0, 0]
    with pytest.raises(Rejected) as caught:
        choose_points(jumpy, replace(config, speed=0.0, least=4), np.random.default_rng(0))
    assert caught.value.reason == "too few points that move smoothly"


def test_a_jump_over_frames_that_are_not_valid_does_not_count() -> None:
    take = take_of(["1" * 6])
    xy, valid = take.xy.copy(), take.valid.copy()
    xy[0, 2:4], valid[0, 2:4] = np.nan, False
    xy[0, 4:] += 30
    config = PointConfig(speed=0.1, acceleration=0.1, jerk=0.1)
    assert calm(xy, valid, take.size, config).all()


def test_positions_far_outside_are_not_valid() -> None:
    xy = np.array([[[-19.9, 5], [-20.1, 5], [59, 29], [59.1, 29], [3, 50.0]]], np.float32)
    assert within_reach(xy, (40, 30), 0.5).tolist() == [[True, False, True, False, False]]


def test_farthest_points_cover_what_random_ones_miss() -> None:
    rng = np.random.default_rng(0)
    crowd = rng.normal(0, 0.01, (500, 2))
    corners = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1.0]])
    chosen = farthest_points(np.concatenate([crowd, corners]), 5, rng)
    assert set(chosen) >= {500, 501, 502, 503}


def test_farthest_points_are_never_the_same_row() -> None:
    chosen = farthest_points(np.zeros((6, 4)), 6, np.random.default_rng(1))
    assert sorted(chosen) == [0, 1, 2, 3, 4, 5]


def test_spread_points_are_far_from_each_other() -> None:
    take = noise_take(0, (100, 100), frames=4, points=300)
    still = replace(take, xy=np.repeat(take.xy[:, :1], 4, axis=1), visible=take.valid)

    def nearest(config: PointConfig) -> float:
        xy = choose_points(still, config, np.random.default_rng(0)).xy[:, 0]
        gaps = np.linalg.norm(xy[:, None] - xy[None], axis=2) + 1e9 * np.eye(len(xy))
        return float(gaps.min())

    assert nearest(PointConfig(20, pick="spread")) > 10
    assert nearest(PointConfig(20, pick="random")) < 10


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"where": "middle"}, {"query": "last"}, {"reach": -1}, {"jerk": "low"}]
)
def test_settings_out_of_range_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(PointtrackError, match=next(iter(wrong))):
        PointConfig(**wrong)  # type: ignore[arg-type]
