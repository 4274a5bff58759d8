from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubric_scenes import quaternion, turned, turning_boxes

from pointtrack.datasets.kubric import Scene, follow_pixels
from pointtrack.datasets.kubric.scene import rotation_matrices
from pointtrack.errors import FormatError

SCENE = turning_boxes().render()
seeds = st.integers(0, 2**32 - 1)


def coded(scene: Scene) -> Scene:
    """The scene as MOVi stores it, in 16 bits."""
    low, high = float(scene.depth.min()), float(scene.depth.max())
    arrays = {
        "depth": (scene.depth - low) / (high - low),
        "normals": (scene.normals + 1) / 2,
        "object_coordinates": scene.object_coordinates + 0.5,
    }
    codes = {k: np.round(np.clip(v, 0, 1) * 65535).astype(np.uint16) for k, v in arrays.items()}
    codes["depth"] = codes["depth"][..., None]
    return replace(scene, **codes, segments=scene.segments[..., None], depth_range=(low, high))


@given(seeds, st.floats(0.1, 10))
def test_rotation_matrices_rotate_as_quaternions_do(seed: int, length: float) -> None:
    random = np.random.default_rng(seed)
    given_quaternions, points = random.normal(size=(4, 4)), random.normal(size=(4, 3))
    matrices = rotation_matrices(given_quaternions * length)
    unit = given_quaternions / np.linalg.norm(given_quaternions, axis=-1, keepdims=True)
    np.testing.assert_allclose(
        np.einsum("nij,nj->ni", matrices, points), turned(unit, points), atol=1e-12
    )


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    quarter = rotation_matrices(quaternion(np.array([0, 0, 1.0]), np.array([np.pi / 2])))[0]
    np.testing.assert_allclose(quarter @ [1, 0, 0], [0, 1, 0], atol=1e-15)


@pytest.mark.parametrize("published_aspect", [False, True])
@given(seeds)
def test_a_ray_projects_to_where_it_came_from(published_aspect: bool, seed: int) -> None:
    scene = replace(SCENE, published_aspect=published_aspect)
    random = np.random.default_rng(seed)
    places = random.uniform(-1, 1.5, (20, 2)) * scene.size
    along = random.uniform(0.1, 50, (20, 1))
    rays = scene.rays(places)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=-1), 1)
    assert (rays[:, 2] < 0).all()
    np.testing.assert_allclose(scene.project(rays * along), places, rtol=1e-9, atol=1e-9)


def test_pixels_are_square_unless_the_published_camera_is_asked_for() -> None:
    width, height = SCENE.size
    assert width != height
    for published, tall in ((False, 1.0), (True, (height / width) ** 2)):
        scene = replace(SCENE, published_aspect=published)
        right, up = scene.project(np.array([[0.1, 0, -1], [0, 0.1, -1.0]])) - (
            width / 2,
            height / 2,
        )
        assert right[0] == pytest.approx(0.1 * 35 / 32 * width)
        assert -up[1] == pytest.approx(right[0] * tall)


def test_camera_to_world_takes_the_rays_to_the_surfaces() -> None:
    world = turning_boxes()
    floor = np.argwhere((SCENE.segments[3] == 0) & (SCENE.depth[3] < 30))[::37]
    ray = SCENE.rays(floor[:, ::-1] + 0.5) * SCENE.depth[3][tuple(floor.T)][:, None]
    points = np.c_[ray, np.ones(len(ray))] @ SCENE.camera_to_world[3].T
    np.testing.assert_allclose(points[:, 2], 0, atol=1e-9)  # the floor
    np.testing.assert_allclose(world.places(3, points[:, :3]), floor[:, ::-1] + 0.5, atol=1e-9)


@given(seeds)
def test_box_map_is_the_least_squares_fit_of_the_corners(seed: int) -> None:
    random = np.random.default_rng(seed)
    noisy = SCENE.boxes + random.normal(0, 0.05, SCENE.boxes.shape)
    scene = replace(SCENE, boxes=noisy)
    unit = np.array([[x, y, z, 1] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    object_, frame = random.integers(3), random.integers(SCENE.num_frames)
    fitted = np.linalg.lstsq(unit, noisy[object_, frame], rcond=None)[0]  # 4 3
    np.testing.assert_allclose(scene.box_sides[object_, frame], fitted[:3], atol=1e-9)
    np.testing.assert_allclose(scene.box_centres[object_, frame], fitted[3], atol=1e-9)


@pytest.mark.parametrize("scene", [SCENE, coded(SCENE)], ids=["metres", "coded"])
def test_rims_are_the_pixels_beside_something_much_nearer(scene: Scene) -> None:
    depth, found = scene.distances(scene.depth), scene.without_rims().segments
    _, height, width = depth.shape
    for t, row, column in np.ndindex(2, height, width):
        around = depth[t, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2].min()
        rim = around < 0.95 * depth[t, row, column]
        assert found[t, row, column] == (-1 if rim else scene.segments[t, row, column])
    assert 0.05 < (found == -1).mean() < 0.4  # the floor's horizon too


def test_sixteen_bits_change_nothing_to_speak_of() -> None:
    pixels = np.argwhere(SCENE.segments >= 0)[::53]
    exact, stored = follow_pixels(SCENE, pixels), follow_pixels(coded(SCENE), pixels)
    assert np.abs(exact.xy - stored.xy).max() < 0.01
    assert (exact.visible == stored.visible).mean() > 0.995


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": SCENE.depth[0]}, "depth has shape"),
        ({"segments": SCENE.segments[:, :-1]}, "segments are uint8"),
        ({"segments": SCENE.segments.astype(float)}, "segments are float64"),
        ({"segments": SCENE.segments + np.uint8(1)}, "name object 4, but boxes has 3"),
        ({"normals": SCENE.normals[..., :2]}, "normals has shape"),
        ({"boxes": SCENE.boxes[:, :-1]}, "boxes has shape"),
        ({"camera_rotations": SCENE.camera_positions}, "camera_rotations has shape"),
        ({"depth": SCENE.depth.astype(np.uint16)}, "needs depth_range"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        replace(SCENE, **change)
