"""Blender's camera as pointtrack's: intrinsics and pose, and PointOdyssey's axes of the world.

Pure NumPy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.camera import Camera
from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size, pixel_to_raster, raster_to_pixel

FloatArray = NDArray[np.float64]

# Blender's camera looks along -z with y up; ours along z with y down.
_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])

# PointOdyssey's world is that of OBJ files, y up; Blender's has z up: (x, y, z) -> (x, z, -y).
TO_OBJ = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def intrinsics(lens: float, sensor: float, fit: str, size: Size) -> FloatArray:
    """Camera matrix ``(3, 3)`` of a Blender camera, centre of the top-left pixel at (0, 0).

    Parameters
    ----------
    lens, sensor
        Focal length, and the sensor's width (height where `fit` is ``"VERTICAL"``), in mm.
    fit
        ``"AUTO"`` (the sensor's width spans the longer side), ``"HORIZONTAL"``, ``"VERTICAL"``.
    size
        (width, height) of the picture; pixels are square.
    """
    sides = {"AUTO": max(size), "HORIZONTAL": size[0], "VERTICAL": size[1]}
    if fit not in sides:
        raise PointtrackError(f"a sensor's fit is {', '.join(sides)}, found {fit!r}")
    focal = lens / sensor * sides[fit]
    x, y = raster_to_pixel(np.array(size) / 2)
    return np.array([[focal, 0, x], [0, focal, y], [0, 0, 1]])


def extrinsics(matrix_world: FloatArray) -> FloatArray:
    """From Blender's world to the camera ``(4, 4)``: x right, y down, z forward."""
    return _FLIP @ np.linalg.inv(np.asarray(matrix_world, np.float64))


def rays(camera: Camera, frame: int, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The eye ``(3,)`` and the directions ``(N, 3)``, of unit length, seen at pixels ``(N, 2)``."""
    pose = camera.extrinsics[frame]
    flat = np.c_[pixels, np.ones(len(pixels))] @ np.linalg.inv(camera.intrinsics[frame]).T
    ways = flat @ pose[:3, :3]
    return eye(camera, frame), ways / np.linalg.norm(ways, axis=1, keepdims=True)


def eye(camera: Camera, frame: int) -> FloatArray:
    """Where the camera is ``(3,)``."""
    pose = camera.extrinsics[frame]
    return -pose[:3, :3].T @ pose[:3, 3]


def to_pointodyssey(camera: Camera) -> tuple[FloatArray, FloatArray]:
    """Intrinsics in raster coordinates and extrinsics from the world of OBJ files."""
    inner = camera.intrinsics.copy()
    inner[:, :2, 2] = pixel_to_raster(inner[:, :2, 2])
    outer = camera.extrinsics.copy()
    outer[:, :3, :3] = outer[:, :3, :3] @ TO_OBJ.T
    return inner, outer
