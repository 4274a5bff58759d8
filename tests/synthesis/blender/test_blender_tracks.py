from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from pointtrack.camera import Camera
from pointtrack.errors import PointtrackError
from pointtrack.synthesis.blender.fog import FogLaw
from pointtrack.synthesis.blender.lenses import extrinsics, intrinsics
from pointtrack.synthesis.blender.tracks import MaterialPoint, follow, is_closed, pin

SIZE = (64, 48)
FRAMES = 4
CUBE = np.array(
    [
        (0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4),
        (2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5),
    ]
)  # fmt: skip
CORNERS = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)], float) - 0.5


@dataclass(eq=False)
class Mesh:
    vertices: np.ndarray
    faces: np.ndarray
    instance: int = 0

    @property
    def polygons(self) -> np.ndarray:
        return self.faces


@dataclass
class Hits:
    distance: np.ndarray
    name: list[str]
    face: np.ndarray


class Numpy:
    """A stage without Blender: a wall at z = -6, a cube in front of it that moves to the right."""

    def __init__(self) -> None:
        self.grow = False
        self.set_frame(0)

    def set_frame(self, frame: int) -> None:
        wall = np.array([(-50, -50, -6), (50, -50, -6), (50, 50, -6), (-50, 50, -6)], float)
        faces = CUBE[: 11 if self.grow and frame == 2 else 12]
        self.surfaces = {
            "wall": Mesh(wall, np.array([(0, 1, 2), (0, 2, 3)])),
            "cube": Mesh(CORNERS + np.array((0.5 * frame - 1, 0, -4)), faces, 3),
        }

    def cast(self, eye: np.ndarray, ways: np.ndarray) -> Hits:
        """Möller and Trumbore's test of every ray with every triangle."""
        hits = Hits(np.full(len(ways), np.inf), [""] * len(ways), np.full(len(ways), -1))
        for name, mesh in self.surfaces.items():
            for face, (a, b, c) in enumerate(mesh.vertices[mesh.faces]):
                for ray, way in enumerate(ways):
                    matrix = np.stack([b - a, c - a, -way], 1)
                    if abs(np.linalg.det(matrix)) < 1e-12:
                        continue
                    u, v, far = np.linalg.solve(matrix, eye - a)
                    inside = min(u, v, 1 - u - v) > -1e-9
                    if inside and 1e-6 < far < hits.distance[ray]:
                        hits.distance[ray], hits.name[ray], hits.face[ray] = far, name, face
        return hits


def cameras() -> list[Camera]:
    inner = np.tile(intrinsics(36, 36, "HORIZONTAL", SIZE), (FRAMES, 1, 1))
    return [Camera(inner, np.tile(extrinsics(np.eye(4)), (FRAMES, 1, 1)))]


def pinned(stage: Numpy, *pixels: tuple[float, float], frame: int = 0) -> list[MaterialPoint]:
    stage.set_frame(frame)
    found = pin(stage, cameras(), 0, frame, np.array(pixels, float))  # type: ignore[arg-type]
    assert all(point is not None for point in found)
    return [point for point in found if point is not None]


def test_a_point_on_a_moving_cube_moves_with_it() -> None:
    stage = Numpy()
    # The front face lies at a depth of 3.5 and moves by 0.5 a frame: 64 * 0.5 / 3.5 pixels.
    points = pinned(stage, (13.0, 23.5))
    assert points[0].name == "cube"
    assert points[0].instance == 3
    paths = follow(stage, points, cameras(), SIZE, 0.1, None)  # type: ignore[arg-type]
    assert np.allclose(paths.xy[0, 0, :, 0], 13 + 64 * 0.5 / 3.5 * np.arange(FRAMES))
    assert np.allclose(paths.xy[0, 0, :, 1], 23.5)
    assert paths.visible.all()
    assert np.allclose(paths.xyz[0, :, 2], -3.5)


def test_a_point_on_the_wall_is_hidden_while_the_cube_is_before_it() -> None:
    stage = Numpy()
    points = pinned(stage, (31.5, 23.5), (2.0, 40.0))
    assert [point.name for point in points] == ["wall", "wall"]
    paths = follow(stage, points, cameras(), SIZE, 0.1, None)  # type: ignore[arg-type]
    assert np.allclose(paths.xy[0, :, :, 0], [[31.5] * FRAMES, [2.0] * FRAMES])
    # The cube's middle is at x = -1, -0.5, 0, 0.5, its front half as wide again as 0.5 / 3.5.
    assert paths.visible[0].tolist() == [[True, False, False, False], [True] * 4]


def test_a_solids_far_side_is_hidden_by_itself() -> None:
    stage = Numpy()
    front = pinned(stage, (31.5, 23.5), frame=2)[0]
    back_face = next(f for f, corners in enumerate(CUBE) if (CORNERS[corners][:, 2] == -0.5).all())
    back = front._replace(face=back_face, corners=CUBE[back_face], front=False)
    paths = follow(stage, [front, back], cameras(), SIZE, 0.1, None)  # type: ignore[arg-type]
    assert paths.visible[0, 0].all()
    assert not paths.visible[0, 1].any()


def test_fog_hides_what_is_far() -> None:
    stage = Numpy()
    points = pinned(stage, (13.0, 23.5), (50.0, 10.0))
    fog = FogLaw(np.log(2) / 5, (-99, -99, -99), (99, 99, 99))  # half the light at 5
    paths = follow(stage, points, cameras(), SIZE, 0.1, fog)  # type: ignore[arg-type]
    assert paths.visible[0].all(1).tolist() == [True, False]
    assert paths.unhidden.all()


def test_a_point_outside_the_picture_has_a_position_but_is_not_seen() -> None:
    stage = Numpy()
    points = pinned(stage, (62.0, 23.5))
    turned = cameras()[0].extrinsics.copy()
    turned[2:, 0, 3] += 3  # the world moves right
    turned[3, 2, 3] -= 20  # and behind
    view = [Camera(cameras()[0].intrinsics, turned)]
    paths = follow(stage, points, view, SIZE, 0.1, None)  # type: ignore[arg-type]
    assert paths.visible[0, 0].tolist() == [True, True, False, False]
    assert paths.xy[0, 0, 2, 0] > 63.5
    assert np.isnan(paths.xy[0, 0, 3]).all()
    assert np.isfinite(paths.xyz).all()


def test_nothing_is_pinned_where_a_surface_is_seen_at_a_sharp_angle_or_nothing_is_seen() -> None:
    stage = Numpy()
    del stage.surfaces["wall"]
    stage.surfaces["cube"].vertices += (1.0, -0.52, 0)  # its top is just below the eye
    found = pin(stage, cameras(), 0, 0, np.array([(31.5, 23.82), (31.5, 2)]))  # type: ignore[arg-type]
    assert found == [None, None]


def test_a_mesh_whose_faces_change_cannot_be_tracked() -> None:
    stage = Numpy()
    points = pinned(stage, (13.0, 23.5))
    stage.grow = True
    with pytest.raises(PointtrackError, match="the faces of cube change"):
        follow(stage, points, cameras(), SIZE, 0.1, None)  # type: ignore[arg-type]


def test_a_cube_is_closed_and_without_a_face_it_is_not() -> None:
    assert is_closed(CUBE)
    assert not is_closed(CUBE[:-1])
