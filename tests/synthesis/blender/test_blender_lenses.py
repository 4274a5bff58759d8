from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointtrack.camera import Camera
from pointtrack.errors import PointtrackError
from pointtrack.synthesis.blender.lenses import (
    TO_OBJ,
    extrinsics,
    eye,
    intrinsics,
    rays,
    to_pointodyssey,
)

SIZE = (64, 48)


def rotation(seed: int) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turn * np.linalg.det(turn)


def camera(seed: int = 0) -> Camera:
    """One frame of a Blender camera somewhere, turned somehow."""
    pose = np.eye(4)
    pose[:3, :3] = rotation(seed)
    pose[:3, 3] = np.random.default_rng(seed).uniform(-5, 5, 3)
    return Camera(intrinsics(35, 36, "HORIZONTAL", SIZE)[None], extrinsics(pose)[None])


def test_the_lens_looks_at_the_middle_of_the_picture() -> None:
    view = Camera(intrinsics(36, 36, "AUTO", SIZE)[None], extrinsics(np.eye(4))[None])
    ahead = np.array([[0, 0, -2.0], [1.0, 0, -2], [0, 1.0, -2]])  # Blender: along -z, y up
    pixels, depth = view.project(ahead, 0)
    assert np.allclose(depth, 2)
    assert np.allclose(pixels, [[31.5, 23.5], [63.5, 23.5], [31.5, -8.5]])


@pytest.mark.parametrize(
    ("fit", "size", "side"),
    [
        ("AUTO", (64, 48), 64),
        ("AUTO", (48, 64), 64),
        ("HORIZONTAL", (48, 64), 48),
        ("VERTICAL", (64, 48), 48),
    ],
)
def test_the_sensor_spans_the_side_it_is_fitted_to(
    fit: str, size: tuple[int, int], side: int
) -> None:
    assert intrinsics(18, 36, fit, size)[0, 0] == side / 2


def test_an_unknown_fit_is_named() -> None:
    with pytest.raises(PointtrackError, match="found 'DIAGONAL'"):
        intrinsics(35, 36, "DIAGONAL", SIZE)


@given(st.integers(0, 1000), st.floats(0, 63), st.floats(0, 47), st.floats(0.1, 100))
def test_a_ray_leads_to_what_is_projected_onto_its_pixel(
    seed: int, x: float, y: float, far: float
) -> None:
    view = camera(seed)
    start, ways = rays(view, 0, np.array([[x, y]]))
    assert np.allclose(start, eye(view, 0))
    pixels, depth = view.project(start + far * ways, 0)
    assert np.allclose(pixels, [[x, y]], atol=1e-6)
    assert depth > 0


def test_pointodysseys_matrices_project_its_points_to_raster_coordinates() -> None:
    view = camera(3)
    start, ways = rays(view, 0, np.array([[10.0, 20.0], [0, 0]]))
    world = start + 4 * ways
    inner, outer = to_pointodyssey(view)
    seen = (outer[0] @ np.c_[world @ TO_OBJ.T, np.ones(2)].T)[:3]
    raster = (inner[0] @ (seen / seen[2]))[:2].T
    assert np.allclose(raster, [[10.5, 20.5], [0.5, 0.5]])
    assert np.allclose(inner[0, :2, 2], (32, 24))


def test_up_is_y_in_pointodysseys_world() -> None:
    assert np.array_equal(TO_OBJ @ (0, 0, 1), (0, 1, 0))
    assert np.isclose(np.linalg.det(TO_OBJ), 1)
