"""Every conversion has a hand-worked number, an inverse and a picture that moves with it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from pointtrack import geometry as g

sizes = st.tuples(st.integers(1, 8192), st.integers(1, 8192))
points = arrays(
    np.float64,
    st.tuples(st.integers(0, 5), st.just(2)),
    elements=st.floats(-1e4, 1e4) | st.just(np.nan),
)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (g.pixel_to_raster([0.0, 0.0]), (0.5, 0.5)),
        (g.pixel_to_raster([255.0, 10.25]), (255.5, 10.75)),
        (g.raster_to_pixel([0.5, 0.5]), (0, 0)),
        (g.raster_to_pixel([0.0, 256.0]), (-0.5, 255.5)),
        # 320 x 240: the outer edges are 0 and 1, the picture's middle is one half.
        (g.pixel_to_normalised([-0.5, 239.5], (320, 240)), (0, 1)),
        (g.pixel_to_normalised([159.5, 119.5], (320, 240)), (0.5, 0.5)),
        (g.pixel_to_normalised([0.0, 0.0], (320, 240)), (0.5 / 320, 0.5 / 240)),
        (g.normalised_to_pixel([0.25, 0.75], (320, 240)), (79.5, 179.5)),
        # Twice as large: pixel 0 becomes pixels 0 and 1, so its centre comes to lie between.
        (g.resize_points([0.0, 0.0], (320, 240), (640, 480)), (0.5, 0.5)),
        (g.resize_points([319.0, 239.0], (320, 240), (640, 480)), (638.5, 478.5)),
        (g.resize_points([-0.5, 239.5], (320, 240), (256, 256)), (-0.5, 255.5)),
        (g.resize_points([10.0, 10.0], (320, 240), (160, 480)), (4.75, 20.5)),
        # Corner centres stay corner centres.
        (g.resize_points_align_corners([319.0, 239.0], (320, 240), (512, 384)), (511, 383)),
        (g.resize_points_align_corners([0.0, 0.0], (320, 240), (512, 384)), (0, 0)),
        (g.resize_points_align_corners([50.0, 50.0], (101, 101), (201, 51)), (100, 25)),
        (g.resize_points_align_corners([0.0, 7.0], (1, 15), (33, 29)), (0, 14)),
        # Raster coordinates with y up: the top edge of 240 rows is at 240.
        (g.flip_y([0.5, 0.5], (320, 240)), (0.5, 239.5)),
        (g.flip_y([12.0, 240.0], (320, 240)), (12, 0)),
    ],
)
def test_hand_worked_numbers(found: NDArray[np.floating], expected: tuple[float, float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@given(points, sizes, sizes)
def test_there_and_back(xy: NDArray[np.float64], size: g.Size, other: g.Size) -> None:
    def same(back: NDArray[np.floating]) -> None:
        np.testing.assert_allclose(back, xy, rtol=1e-9, atol=1e-6)

    same(g.raster_to_pixel(g.pixel_to_raster(xy)))
    same(g.normalised_to_pixel(g.pixel_to_normalised(xy, size), size))
    same(g.resize_points(g.resize_points(xy, size, other), other, size))
    same(g.flip_y(g.flip_y(xy, size), size))
    if min(size) > 1 and min(other) > 1:
        resized = g.resize_points_align_corners(xy, size, other)
        same(g.resize_points_align_corners(resized, other, size))


@given(points, sizes, sizes, sizes)
def test_two_resizes_are_one(
    xy: NDArray[np.float64], size: g.Size, middle: g.Size, target: g.Size
) -> None:
    twice = g.resize_points(g.resize_points(xy, size, middle), middle, target)
    np.testing.assert_allclose(twice, g.resize_points(xy, size, target), rtol=1e-9, atol=1e-5)


@given(points, sizes, sizes)
def test_normalised_coordinates_do_not_change_in_a_resize(
    xy: NDArray[np.float64], size: g.Size, target: g.Size
) -> None:
    resized = g.resize_points(xy, size, target)
    before, after = g.pixel_to_normalised(xy, size), g.pixel_to_normalised(resized, target)
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("target", [(24, 16), (96, 64), (17, 29), (120, 31)])
def test_points_follow_the_pictures_that_opencv_resizes(target: g.Size) -> None:
    x, y = np.meshgrid(np.arange(48.0), np.arange(32.0))
    resized = cv2.resize(np.dstack([x, y]), target, interpolation=cv2.INTER_LINEAR)
    columns, rows = np.meshgrid(np.arange(float(target[0])), np.arange(float(target[1])))
    xy = g.resize_points(np.dstack([columns, rows]), target, (48, 32))
    inner = np.all((xy >= 0) & (xy <= (47, 31)), axis=-1)
    np.testing.assert_allclose(resized[inner], xy[inner], atol=1e-6)


@given(sizes)
def test_inside_includes_the_edges_only(size: g.Size) -> None:
    w, h = size
    corners = [(-0.5, -0.5), (w - 0.5, -0.5), (-0.5, h - 0.5), (w - 0.5, h - 0.5), (0, 0)]
    assert g.inside(np.array(corners, float), size).all()
    beyond = [(-0.6, 0), (0, -0.6), (w - 0.4, 0), (0, h - 0.4), (np.nan, 0), (0, np.nan)]
    assert not g.inside(np.array(beyond, float), size).any()
    assert g.inside([0, 0], size).shape == ()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2,), (0, 2), (3, 4, 2)])
def test_shape_and_floating_type_are_kept(kind: type, shape: tuple[int, ...]) -> None:
    xy = np.ones(shape, kind)
    for found in (
        g.pixel_to_raster(xy),
        g.raster_to_pixel(xy),
        g.pixel_to_normalised(xy, (4, 3)),
        g.normalised_to_pixel(xy, (4, 3)),
        g.resize_points(xy, (4, 3), (8, 9)),
        g.resize_points_align_corners(xy, (4, 3), (8, 9)),
        g.flip_y(xy, (4, 3)),
    ):
        assert (found.dtype, found.shape) == (kind, shape)
        assert not np.shares_memory(found, xy)
    assert np.array_equal(xy, np.ones(shape)), "the argument is left alone"


def test_integers_become_float32() -> None:
    assert g.pixel_to_raster(np.array([[1, 2]])).dtype == np.float32
    assert g.as_points([1, 2]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_points_have_two_coordinates(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"points must have shape \(\.\.\., 2\)"):
        g.pixel_to_raster(np.zeros(shape))
