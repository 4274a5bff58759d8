"""PointOdyssey's rule of visibility: a point is seen when the depth buffer agrees with it.

Zheng et al., "PointOdyssey" (ICCV 2023), the generator for prepared scenes. A tolerance of
3 to 5 % of the depth makes the rule wrong at grazing angles, on thin parts and through fog; it
is here to read and to check data made that way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError
from pointtrack.metrics.arrays import Floats

OCCLUDED, VISIBLE, INVALID = 0, 1, 2


def camera_from_blender(rt_blender: ArrayLike) -> Floats:
    """OpenCV extrinsics for points of an OBJ file, from Blender's world-to-camera matrix.

    Parameters
    ----------
    rt_blender
        ``(4, 4)``, the inverse of the camera's ``matrix_world``.

    Returns
    -------
    ndarray
        ``(4, 4)``: OBJ axes are turned to Blender's, ``(x, y, z)`` to ``(x, -z, y)``, and the
        camera's ``y`` and ``z`` flipped to point down and forward.
    """
    obj_to_blender = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)
    return np.diag([1.0, -1.0, -1.0, 1.0]) @ np.asarray(rt_blender, np.float64) @ obj_to_blender


def project_points(
    points: ArrayLike, intrinsics: ArrayLike, extrinsics: ArrayLike
) -> tuple[Floats, Floats]:
    """Project ``(N, 3)`` points: picture positions ``(N, 2)`` and depths ``(N,)``.

    A point behind the camera comes out mirrored, with a negative depth.
    """
    world = np.asarray(points, np.float64)
    rt = np.asarray(extrinsics, np.float64)
    camera = world @ rt[:3, :3].T + rt[:3, 3]
    image = camera @ np.asarray(intrinsics, np.float64).T
    with np.errstate(divide="ignore", invalid="ignore"):
        return image[:, :2] / image[:, 2:], camera[:, 2]


def depth_buffer_visibility(
    uv: ArrayLike, z: ArrayLike, depth: ArrayLike, *, far: float = 1000.0
) -> NDArray[np.int64]:
    """Compare points with a depth buffer.

    Parameters
    ----------
    uv
        ``(N, 2)`` positions; a whole number is the place of a pixel of the buffer.
    z
        ``(N,)`` depths along the camera's axis.
    depth
        ``(H, W)`` depth buffer in the same unit.
    far
        Points beyond it, and behind the camera, are invalid.

    Returns
    -------
    ndarray
        ``(N,)`` codes: 1 visible, 0 occluded or outside the picture, 2 invalid. A point behind
        the camera is 2 only if its mirrored projection falls inside the picture.
    """
    place = np.asarray(uv, np.float64)
    deep = np.asarray(z, np.float64)
    buffer = np.asarray(depth, np.float64)
    if place.shape != (*deep.shape, 2) or deep.ndim != 1 or buffer.ndim != 2:
        raise PointtrackError(
            f"expected uv (N, 2), z (N,) and depth (H, W), found {place.shape}, {deep.shape} "
            f"and {buffer.shape}"
        )
    height, width = buffer.shape
    inside = np.all((place >= 0) & (place < (width, height)), axis=-1)
    low = np.floor(np.where(inside[:, None], place, 0)).astype(np.int64)
    high = np.ceil(np.where(inside[:, None], place, 0)).astype(np.int64)
    high = np.minimum(high, (width - 1, height - 1))
    columns = np.stack([low[:, 0], high[:, 0], low[:, 0], high[:, 0]])
    rows = np.stack([low[:, 1], low[:, 1], high[:, 1], high[:, 1]])
    # A whole number repeats its row or column, which moves neither extremes nor median.
    around = buffer[rows, columns]  # 4 N
    middle = np.median(around, axis=0)
    seen = (around.max(axis=0) >= 0.97 * deep) & (around.min(axis=0) <= 1.05 * deep)
    seen &= (0.95 * middle < deep) & (deep < 1.05 * middle)
    code = np.where(seen, VISIBLE, OCCLUDED)
    code = np.where((deep < 0) | (deep > far), INVALID, code)
    return np.where(inside, code, OCCLUDED).astype(np.int64)
