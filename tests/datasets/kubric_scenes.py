"""Small scenes rendered by casting rays: turning boxes on a floor, seen by a moving camera."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.kubric import Scene

FOCAL = 35 / 32
FAR = 60.0  # a dome around everything


def quaternion(axis: NDArray, angle: NDArray) -> NDArray:
    """(4,) axis (3,) and angles (T,) to (T, 4)."""
    unit = np.asarray(axis, float) / np.linalg.norm(axis)
    return np.concatenate([np.cos(angle / 2)[:, None], np.sin(angle / 2)[:, None] * unit], axis=1)


def after(first: NDArray, then: NDArray) -> NDArray:
    """One rotation (4,) and then others (T, 4): (T, 4)."""
    w, v = then[:, :1], then[:, 1:]
    real = w * first[:1] - v @ first[1:, None]
    return np.concatenate([real, w * first[1:] + v * first[0] + np.cross(v, first[1:])], axis=1)


def turned(quaternions: NDArray, points: NDArray) -> NDArray:
    """Rotate points (..., 3) by quaternions (..., 4), by the formula with two cross products."""
    w, v = quaternions[..., :1], quaternions[..., 1:]
    twice = 2 * np.cross(v, points)
    return points + w * twice + np.cross(v, twice)


def inverse(quaternions: NDArray) -> NDArray:
    return quaternions * np.array([1.0, -1.0, -1.0, -1.0])


class Box(NamedTuple):
    centre: NDArray  # T 3
    rotation: NDArray  # T 4
    sides: NDArray  # 3

    def corners(self) -> NDArray:
        """T 8 3."""
        signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
        return turned(self.rotation[:, None], signs * self.sides) + self.centre[:, None]


class World(NamedTuple):
    """Boxes on the floor ``z = 0``, and a camera that looks along its own ``-z``."""

    boxes: list[Box]
    camera: NDArray  # T 3
    camera_rotation: NDArray  # T 4
    size: tuple[int, int]

    def directions(self, raster: NDArray) -> NDArray:
        """In the camera, (..., 3) of length 1 through places (..., 2)."""
        width, height = self.size
        x = (raster[..., 0] - width / 2) / (FOCAL * width)
        y = (raster[..., 1] - height / 2) / (FOCAL * width)
        ray = np.stack([x, -y, -np.ones_like(x)], axis=-1)
        return ray / np.linalg.norm(ray, axis=-1, keepdims=True)

    def places(self, t: int, points: NDArray) -> NDArray:
        """Raster places (..., 2) of points (..., 3) in the world."""
        width, height = self.size
        seen = turned(inverse(self.camera_rotation[t]), points - self.camera[t])
        flat = seen[..., :2] / -seen[..., 2:] * (1, -1)
        return flat * FOCAL * width + (width / 2, height / 2)

    def cast(self, t: int, towards: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """First hit of rays (P, 3) from the camera: distance, segment, normal, place in the box."""
        origin = self.camera[t]
        outward = np.sqrt(FAR**2 - (origin**2).sum() + (towards @ origin) ** 2)
        distance = outward - towards @ origin
        with np.errstate(divide="ignore"):
            floor = np.where(towards[:, 2] < 0, -origin[2] / towards[:, 2], np.inf)
        distance = np.minimum(distance, floor)
        segment = np.zeros(len(towards), np.uint8)
        normal = np.tile([0.0, 0.0, 1.0], (len(towards), 1))
        local = np.zeros_like(towards)
        for index, box in enumerate(self.boxes):
            back = inverse(box.rotation[t])
            start = turned(back, origin - box.centre[t])
            ray = turned(np.broadcast_to(back, (len(towards), 4)), towards)
            with np.errstate(divide="ignore"):
                planes = np.stack([(s * box.sides / 2 - start) / ray for s in (-1, 1)])
            enter, leave = planes.min(axis=0), planes.max(axis=0)  # P 3
            axis, hit = enter.argmax(axis=1), enter.max(axis=1)
            met = (hit < leave.min(axis=1)) & (hit > 0) & (hit < distance)
            side = -np.sign(ray[np.arange(len(ray)), axis])[:, None] * np.eye(3)[axis]
            facing = turned(np.broadcast_to(box.rotation[t], (len(ray), 4)), side)
            distance = np.where(met, hit, distance)
            segment = np.where(met, index + 1, segment).astype(np.uint8)
            normal = np.where(met[:, None], facing, normal)
            with np.errstate(invalid="ignore"):
                place = (start + hit[:, None] * ray) / box.sides
            local = np.where(met[:, None], place, local)
        return distance, segment, normal, local

    def render(self) -> Scene:
        width, height = self.size
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) + 0.5
        rays = self.directions(grid).reshape(-1, 3)
        frames = [
            self.cast(t, turned(np.broadcast_to(self.camera_rotation[t], (len(rays), 4)), rays))
            for t in range(len(self.camera))
        ]
        depth, segments, normals, local = (np.stack(part) for part in zip(*frames, strict=True))
        shape = (len(self.camera), height, width)
        return Scene(
            depth=depth.reshape(shape),
            segments=segments.reshape(shape),
            normals=normals.reshape(*shape, 3),
            object_coordinates=local.reshape(*shape, 3),
            boxes=np.stack([box.corners() for box in self.boxes]),
            rotations=np.stack([box.rotation for box in self.boxes]),
            camera_positions=self.camera,
            camera_rotations=self.camera_rotation,
        )


def turning_boxes(seed: int = 0, *, frames: int = 9, size: tuple[int, int] = (72, 48)) -> World:
    """Three boxes that turn and drift, one before another; the camera glides sideways."""
    random = np.random.default_rng(seed)
    time = np.arange(frames)
    boxes = []
    for centre in ([0.0, 0.0, 1.5], [1.2, 2.0, 1.2], [-1.5, 1.0, 1.0]):
        drift = random.uniform(-0.12, 0.12, 3) * (1, 1, 0)
        pose = random.normal(size=4)
        spin = quaternion(random.normal(size=3), random.uniform(0.1, 0.4) * time)
        rotation = after(pose / np.linalg.norm(pose), spin)
        boxes.append(Box(centre + time[:, None] * drift, rotation, random.uniform(1.0, 2.0, 3)))
    camera = np.array([-0.6, -7.0, 2.5]) + time[:, None] * np.array([0.15, 0.02, 0.0])
    pitch = quaternion(np.array([1, 0, 0]), np.full(frames, np.pi / 2 - 0.2))  # along +y, downward
    return World(boxes, camera, pitch, size)
