"""Points fixed to the surfaces of a scene: chosen where they are seen, followed, and hidden.

A point is a place on a triangle of an object (its corners and barycentric weights), so its path
does not depend on rendered pixels. It is visible when a ray from the camera meets it first, and
when more than half its light comes through the fog.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.camera import Camera
from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size, inside
from pointtrack.synthesis.blender.fog import FogLaw
from pointtrack.synthesis.blender.lenses import eye, rays

if TYPE_CHECKING:  # only there is Blender needed
    from pointtrack.synthesis.blender.surfaces import Stage, Surface

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LEAST_LIGHT = 0.5  # through fog; below it a point counts as hidden
_STEEPEST = 0.2  # cosine between a query's normal and the way to the eye, at least
_SLACK = 1e-4  # of a distance: float32 of Blender's rays


class MaterialPoint(NamedTuple):
    """A point fixed to a surface, and where it was chosen.

    `corners` are vertex numbers (3,), `weights` barycentric (3,); `front` is whether the
    triangle turned its face (not its back) to the camera then.
    """

    name: str
    face: int
    corners: NDArray[np.int32]
    weights: FloatArray
    front: bool
    instance: int
    view: int
    frame: int
    pixel: FloatArray


@dataclass(frozen=True, eq=False)
class Paths:
    """Where N points are in T frames, and V views of them.

    Attributes
    ----------
    xyz
        ``(N, T, 3)``, Blender's world; NaN where the object is not there.
    xy
        ``(V, N, T, 2)``, pixels, centre of the top-left one at (0, 0); NaN behind the camera.
    visible, unhidden
        ``(V, N, T)``: seen; and the same if there were no fog.
    """

    xyz: FloatArray
    xy: FloatArray
    visible: BoolArray
    unhidden: BoolArray


def pin(
    stage: Stage, cameras: Sequence[Camera], view: int, frame: int, pixels: FloatArray
) -> list[MaterialPoint | None]:
    """Fix points to the surfaces that are seen at pixels ``(N, 2)`` of a view.

    None where nothing is seen there, or at so small an angle that the place is not certain.
    The stage must be at the frame.
    """
    start, ways = rays(cameras[view], frame, pixels)
    hits = stage.cast(start, ways)
    found: list[MaterialPoint | None] = []
    for ray, (name, face) in enumerate(zip(hits.name, hits.face, strict=True)):
        if not name:
            found.append(None)
            continue
        surface = stage.surfaces[name]
        corners = surface.faces[face]
        point, facing = _meet(start, ways[ray], surface.vertices[corners])
        if abs(facing) < _STEEPEST:
            found.append(None)
            continue
        found.append(
            MaterialPoint(
                name, int(face), corners, point, facing < 0, surface.instance, view, frame,
                pixels[ray],
            )
        )  # fmt: skip
    return found


def _meet(start: FloatArray, way: FloatArray, triangle: FloatArray) -> tuple[FloatArray, float]:
    """Barycentric weights (3,) of a ray in a triangle's plane; cosine of normal and ray.

    In double precision, as the ray's own hit has the accuracy of Blender's float32.
    """
    a, b, c = triangle
    u, v = np.linalg.solve(np.stack([b - a, c - a, -way], 1), start - a)[:2]
    normal = np.cross(b - a, c - a)
    return np.array([1 - u - v, u, v]), float(normal @ way / np.linalg.norm(normal))


class Follower:
    """Follows points through frames that are set one after the other."""

    def __init__(self, points: Sequence[MaterialPoint]):
        self.points = points
        self._polygons: dict[str, NDArray[np.int32]] = {}
        self._closed: dict[str, bool] = {}
        self._groups = {
            name: np.array([i for i, point in enumerate(points) if point.name == name])
            for name in {point.name for point in points}
        }

    def positions(self, stage: Stage) -> FloatArray:
        """Where the points are ``(N, 3)``; NaN where their object is not there."""
        xyz = np.full((len(self.points), 3), np.nan)
        for name, members in self._groups.items():
            surface = stage.surfaces.get(name)
            if surface is not None:
                self._check_topology(name, surface)
                corners = np.stack([self.points[i].corners for i in members])  # M 3
                weights = np.stack([self.points[i].weights for i in members])
                xyz[members] = (weights[..., None] * surface.vertices[corners]).sum(1)
        return xyz

    def uncovered(self, stage: Stage, start: FloatArray, xyz: FloatArray) -> BoolArray:
        """Whether a ray from the eye ``(3,)`` meets each point ``(N, 3)`` first."""
        seen = np.zeros(len(xyz), bool)
        there = np.flatnonzero(np.isfinite(xyz).all(1))
        ways = xyz[there] - start
        far = np.linalg.norm(ways, axis=1)
        ways /= far[:, None]
        hits = stage.cast(start, ways)
        for ray, i in enumerate(there):
            point = self.points[int(i)]
            surface = stage.surfaces[point.name]
            a, b, c = surface.vertices[point.corners]
            front = np.cross(b - a, c - a) @ ways[ray] < 0
            if self._closed[point.name] and front != point.front:
                continue  # from within: its own object is in the way, be it as thin as paper
            itself = hits.distance[ray] >= far[ray] * (1 - _SLACK)
            seen[i] = itself or (
                hits.name[ray] == point.name
                and hits.distance[ray] > 0.99 * far[ray]
                and np.isin(surface.faces[hits.face[ray]], point.corners).any()
            )
        return seen

    def _check_topology(self, name: str, surface: Surface) -> None:
        if name not in self._polygons:
            self._polygons[name] = surface.polygons
            self._closed[name] = is_closed(surface.faces)
        elif surface.polygons is not self._polygons[name] and not np.array_equal(
            surface.polygons, self._polygons[name]
        ):
            raise PointtrackError(f"the faces of {name} change with time; it cannot be tracked")


def seen_at_once(
    stage: Stage, camera: Camera, points: Sequence[MaterialPoint]
) -> list[MaterialPoint]:
    """Those points that can be seen at the frame of their choice, at which the stage must be.

    All should; a ray that slips between two triangles may have fixed one to what lies behind.
    """
    if not points:
        return []
    follower = Follower(points)
    xyz = follower.positions(stage)
    seen = follower.uncovered(stage, eye(camera, points[0].frame), xyz)
    return [point for point, clear in zip(points, seen, strict=True) if clear]


def is_closed(faces: NDArray[np.integer]) -> bool:
    """Whether triangles ``(F, 3)`` bound a solid: every edge belongs to two of them."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


def follow(
    stage: Stage,
    points: Sequence[MaterialPoint],
    cameras: Sequence[Camera],
    size: Size,
    near: float,
    fog: FogLaw | None,
) -> Paths:
    """Follow points through all frames, in all views."""
    views, frames, count = len(cameras), len(cameras[0]), len(points)
    xyz = np.full((count, frames, 3), np.nan)
    xy = np.full((views, count, frames, 2), np.nan)
    visible = np.zeros((views, count, frames), bool)
    unhidden = visible.copy()
    follower = Follower(points)
    for t in range(frames):
        stage.set_frame(t)
        xyz[:, t] = follower.positions(stage)
        for view, camera in enumerate(cameras):
            pixels, depth = camera.project(xyz[:, t], t)
            ahead = depth > near
            xy[view, ahead, t] = pixels[ahead]
            within = np.flatnonzero(ahead & inside(pixels, size))
            start = eye(camera, t)
            masked = np.full((count, 3), np.nan)
            masked[within] = xyz[within, t]
            unhidden[view, :, t] = follower.uncovered(stage, start, masked)
            light = np.ones(count)
            if fog is not None:
                light[within] = fog.transmittance(start, xyz[within, t])
            visible[view, :, t] = unhidden[view, :, t] & (light > LEAST_LIGHT)
    return Paths(xyz, xy, visible, unhidden)
