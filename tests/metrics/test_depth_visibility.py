from __future__ import annotations

import numpy as np
import pytest

from pointtrack.errors import PointtrackError
from pointtrack.metrics import camera_from_blender, depth_buffer_visibility, project_points


@pytest.mark.parametrize(
    ("uv", "z", "code"),
    [
        ((2.5, 2.5), 10.0, 1),
        ((2.5, 2.5), 10.6, 0),  # behind the surface
        ((2.5, 2.5), 9.0, 0),  # well before it: not on it
        ((2.5, 2.5), 10.4, 0),  # 4 % behind
        ((2.5, 2.5), 10.3, 1),  # 3 % behind still passes
        ((2.5, 2.5), 9.53, 1),  # 5 % before still passes
        ((2.5, 2.5), 9.51, 0),
        ((3.5, 2.5), 10.0, 0),  # half of the neighbours belong to something far
        ((7.0, 7.0), 100.0, 1),
        ((7.9, 7.9), 100.0, 1),  # the last pixel reaches to the edge
        ((8.0, 2.0), 100.0, 0),
        ((-0.1, 2.0), 10.0, 0),
        ((2.5, 2.5), -10.0, 2),
        ((9.5, 2.5), -10.0, 0),
        ((2.5, 2.5), 1001.0, 2),
        ((np.nan, np.nan), 0.0, 0),
    ],
)
def test_depth_rule(uv: tuple[float, float], z: float, code: int) -> None:
    depth = np.full((8, 8), 100.0)
    depth[:, :4] = 10
    assert depth_buffer_visibility([uv], [z], depth)[0] == code


def test_depth_rule_takes_the_median_at_a_corner() -> None:
    depth = np.full((2, 2), 10.0)
    depth[1, 1] = 100
    found = depth_buffer_visibility([[0.5, 0.5]] * 2, [10.0, 50.0], depth)
    np.testing.assert_array_equal(found, [1, 0])


def test_no_points_are_no_codes() -> None:
    assert depth_buffer_visibility(np.zeros((0, 2)), np.zeros(0), np.ones((2, 2))).shape == (0,)


def test_shapes_are_checked() -> None:
    with pytest.raises(PointtrackError, match="expected uv"):
        depth_buffer_visibility(np.zeros((3, 2)), np.zeros(2), np.ones((2, 2)))


def test_a_point_before_an_unturned_camera_projects_to_the_principal_point() -> None:
    extrinsics = camera_from_blender(np.eye(4))
    intrinsics = [[100, 0, 48], [0, 100, 27], [0, 0, 1]]
    # Blender's camera looks along its -z, which is an OBJ file's -y.
    uv, z = project_points([[0, -5.0, 0], [1, -5.0, 0], [0, -5.0, -1]], intrinsics, extrinsics)
    np.testing.assert_allclose(z, 5)
    np.testing.assert_allclose(uv, [[48, 27], [68, 27], [48, 7]])
