"""Reading flow at points, its occlusion and uncertainty, and what stands behind it."""

from __future__ import annotations

import numpy as np
import pytest
from clips import clip, cover, spread
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import pointtrack as pt
from pointtrack.trackers.flow import (
    ConsistentFlow,
    DenseFlow,
    DisFlow,
    WorkingSize,
    bilinear,
    flow_source,
)


def slow_bilinear(picture: np.ndarray, x: float, y: float, outside: float | None) -> np.ndarray:
    """One point at a time, pixel by pixel."""
    height, width = picture.shape[:2]
    if outside is None:
        x, y = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    total = np.zeros(picture.shape[2:])
    for row in range(int(np.floor(y)), int(np.floor(y)) + 2):
        for column in range(int(np.floor(x)), int(np.floor(x)) + 2):
            here = 0 <= row < height and 0 <= column < width
            weight = (1 - abs(x - column)) * (1 - abs(y - row))
            if here:
                total = total + weight * picture[row, column].astype(np.float64)
            elif weight:
                assert outside is not None
                total = total + weight * outside
    return total


@st.composite
def pictures_and_points(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    tail = draw(st.sampled_from([(), (1,), (3,)]))
    picture = draw(
        arrays(np.float32, (height, width, *tail), elements=st.floats(-50, 50, width=32))
    )
    # Quarters are exact, and hit whole numbers and edges often.
    xy = draw(arrays(np.int64, (4, 2), elements=st.integers(-16, 36)))
    return picture, xy / 4


@settings(deadline=None)
@given(pictures_and_points(), st.sampled_from([0.0, 2.5, None]))
def test_bilinear_agrees_with_its_slow_twin(
    made: tuple[np.ndarray, np.ndarray], outside: float | None
) -> None:
    picture, xy = made
    expected = [slow_bilinear(picture, x, y, outside) for x, y in xy]
    np.testing.assert_allclose(bilinear(picture, xy, outside), expected, atol=1e-4)


def test_bilinear_outside_blends_with_zero_and_inside_repeats_the_edge() -> None:
    picture = np.array([[10.0, 20.0], [30.0, 40.0]])
    xy = np.array([[0, 0], [0.5, 0.5], [-0.5, 0], [-0.5, -0.5], [1.25, 1], [-1, 0], [1e9, -1e9]])
    np.testing.assert_allclose(bilinear(picture, xy), [10, 25, 5, 2.5, 30, 0, 0])
    repeated = [10, 25, 10, 10, 40, 10, 20]
    np.testing.assert_allclose(bilinear(picture, xy, outside=None), repeated)


def test_bilinear_reads_integers_and_no_points() -> None:
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert bilinear(picture, np.array([[1.5, 0.5]]))[0] == 3
    assert bilinear(picture, np.empty((0, 2))).shape == (0,)
    assert bilinear(np.zeros((2, 3, 4)), np.empty((0, 2))).shape == (0, 4)


def test_dense_flow_is_zero_beyond_the_picture() -> None:
    flow = np.full((4, 6, 2), (3, -1), np.float32)
    dense = DenseFlow(flow, np.full((4, 6), 0.5, np.float32), np.full((4, 6), 2, np.float32))
    step, occlusion, sigma = dense.sample(np.array([[2.5, 1.5], [5.5, 0], [-0.25, 2], [9, 9]]))
    np.testing.assert_allclose(step, [[3, -1], [1.5, -0.5], [2.25, -0.75], [0, 0]])
    np.testing.assert_allclose(occlusion, [0.5, 0.25, 0.375, 0])
    np.testing.assert_allclose(sigma, [2, 1, 1.5, 0])


# --- ConsistentFlow --------------------------------------------------------------------------


def consistent(forward: float, backward: float, left: np.ndarray, right: np.ndarray):
    """Flow along x that is the same everywhere."""
    there, back = (np.zeros((*left.shape, 2), np.float32) for _ in range(2))
    there[..., 0], back[..., 0] = forward, backward
    return ConsistentFlow(there, back, left, right)


def grey(shift: int, seed: int = 0) -> np.ndarray:
    return (
        clip(1, (60, 40), velocity=(0, 0), seed=seed)
        .frames[0, :, :, 1][:, 10 - shift : 50 - shift]
        .copy()
    )


def test_flows_that_agree_with_each_other_and_the_pictures_are_sure() -> None:
    step, occlusion, sigma = consistent(3, -3, grey(0), grey(3)).sample(np.array([[15.0, 20.0]]))
    np.testing.assert_allclose(step, [[3, 0]])
    np.testing.assert_allclose(occlusion, 0, atol=1e-6)
    np.testing.assert_allclose(sigma, 0.1, atol=2e-3)  # the floor


def test_flows_that_miss_are_less_sure_by_half_the_gap() -> None:
    flow = consistent(3, -2.5, grey(0), grey(3))
    _, occlusion, sigma = flow.sample(np.array([[15.0, 20.0]]))
    assert occlusion[0] == pytest.approx(0, abs=1e-6)  # 0.25 < 0.01 (9 + 6.25) + 0.5
    assert sigma[0] == pytest.approx(np.hypot(0.1, 0.25), abs=2e-3)


def test_flows_that_miss_by_far_are_occluded() -> None:
    _, occlusion, _ = consistent(3, 1, grey(0), grey(3)).sample(np.array([[15.0, 20.0]]))
    assert occlusion[0] == 1


def test_flows_that_agree_on_something_unlike_are_occluded_and_unsure() -> None:
    flow = consistent(3, -3, grey(0), grey(3, seed=8))
    _, occlusion, sigma = flow.sample(spread((40, 40), 5, 5, 8))
    assert np.median(occlusion) > 0.5
    assert np.median(sigma) > 3


def test_a_change_of_light_is_not_an_occlusion() -> None:
    lit = (grey(3) * 0.6 + 40).astype(np.uint8)
    _, occlusion, sigma = consistent(3, -3, grey(0), lit).sample(spread((40, 40), 5, 5, 8))
    assert occlusion.max() == 0
    assert sigma.max() < 0.5


def test_flow_at_the_edge_is_the_edges() -> None:
    step, _, _ = consistent(3, -3, grey(0), grey(3)).sample(np.array([[-0.5, -0.5], [39.5, 39.5]]))
    np.testing.assert_allclose(step, [[3, 0], [3, 0]])


# --- DisFlow, WorkingSize, flow_source -------------------------------------------------------


@pytest.mark.parametrize("preset", ["fast", "fine", "medium"])
def test_dis_finds_a_shift(preset: str) -> None:
    scene = clip(2, (96, 80), velocity=(2.5, -1.25), seed=3)
    source = DisFlow(preset)
    left, right = map(source.prepare, scene.frames)
    step, occlusion, _ = source.between(left, right).sample(spread((96, 80), 6, 6, 16))
    assert np.abs(step - [2.5, -1.25]).max() < 0.4
    assert occlusion.max() < 0.5


def test_dis_beginning_at_an_earlier_flow_changes_neither_it_nor_the_answer_much() -> None:
    scene = clip(3, (96, 80), velocity=(2.5, -1.25), seed=3)
    source = DisFlow("fine")
    one, two, three = map(source.prepare, scene.frames)
    earlier = source.between(one, two)
    kept = earlier.forward.copy(), earlier.backward.copy()
    step, _, _ = source.between(two, three, earlier).sample(spread((96, 80), 6, 6, 16))
    assert np.abs(step - [2.5, -1.25]).max() < 0.4
    np.testing.assert_array_equal(earlier.forward, kept[0])
    np.testing.assert_array_equal(earlier.backward, kept[1])


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (640, 1), (200, 8), (11, 30), (12, 12)])
@pytest.mark.parametrize("preset", ["fast", "fine", "medium"])
def test_dis_takes_pictures_of_any_size(preset: str, size: tuple[int, int]) -> None:
    source = DisFlow(preset)
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 256, (2, size[1], size[0]), np.uint8)
    flow = source.between(left, right)
    flow = source.between(left, right, flow)
    assert flow.forward.shape == flow.backward.shape == (size[1], size[0], 2)
    assert np.isfinite(flow.forward).all()
    assert np.abs(flow.forward).max() < 1000


def test_dis_does_not_remember_sizes() -> None:
    source = DisFlow("fast")
    left, right = map(source.prepare, clip(2, (160, 120), velocity=(3, 1), seed=3).frames)
    expected = source.between(left, right).forward
    source.between(left[:14, :14].copy(), right[:14, :14].copy())
    np.testing.assert_array_equal(source.between(left, right).forward, expected)


def test_dis_marks_what_a_board_covers() -> None:
    scene = clip(2, (128, 96), seed=3)
    covered = cover(scene, [(-60, -5, 40, 100), (-52, -5, 48, 100)])
    source = DisFlow("medium")
    left, right = map(source.prepare, covered.frames)
    y = np.linspace(20, 75, 12)
    _, hidden, _ = source.between(left, right).sample(np.column_stack([np.full(12, 44.0), y]))
    _, seen, _ = source.between(left, right).sample(np.column_stack([np.full(12, 90.0), y]))
    assert (hidden > 0.5).mean() >= 0.5
    assert seen.max() < 0.1


def test_working_size_shrinks_only_what_is_larger() -> None:
    working = WorkingSize(100)
    assert working.of((400, 200)) == (100, 50)
    assert working.of((100, 30)) == (100, 30)
    assert working.of((33, 99)) == (33, 99)
    assert working.of((5000, 3)) == (100, 1)  # never less than a pixel
    frame = np.zeros((200, 400, 3), np.uint8)
    assert working.shrink(frame).shape == (50, 100, 3)
    small = frame[:50, :80]
    assert working.shrink(small) is small


def test_working_size_averages() -> None:
    frame = np.zeros((32, 32, 3), np.uint8)
    frame[::2, ::2] = 200
    assert (WorkingSize(16).shrink(frame) == 50).all()


def test_working_size_has_a_least() -> None:
    with pytest.raises(pt.PointtrackError, match=r"longest, .* must be at least 16 px, found 15"):
        WorkingSize(15)


def test_flow_sources_by_name_or_as_given() -> None:
    own = DisFlow()
    assert flow_source(own) is own
    assert isinstance(flow_source("dis_fast"), DisFlow)
    with pytest.raises(pt.PointtrackError, match="dis_fast, dis_fine, dis_medium, found 'dis'"):
        flow_source("dis")
    with pytest.raises(pt.PointtrackError, match="fast, fine, medium, found 'slow'"):
        DisFlow("slow")


@pytest.mark.parametrize("model", ["flow_chain", "mft"])
def test_a_video_larger_than_the_working_size(model: str) -> None:
    scene = clip(8, (160, 120), velocity=(2.4, -1.2), seed=3)
    queries = np.column_stack([np.zeros(12), spread((160, 120), 4, 3, 40)])
    tracks = pt.track(scene.frames, queries, model=model, longest=64)
    error = np.linalg.norm(tracks.xy - scene.truth(queries), axis=-1)
    assert error.max() < 1.5
    np.testing.assert_array_equal(tracks.xy[:, 0], queries[:, 1:].astype(np.float32))
