"""A rendered clip's truth as MOVi stores it, and the way from its pixels into space and back.

World and camera are Blender's: the camera looks along ``-z`` with ``y`` up. Positions in the
picture are *raster* inside this package (the centre of the top-left pixel is ``(0.5, 0.5)``),
as in Kubric; what it hands out is in pointtrack's own convention.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import FormatError
from pointtrack.geometry import Size

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

RIM = 0.95  # a pixel lies behind its neighbour when the neighbour's distance is below this share

# Corners in the order of ``bboxes_3d``: x, y, z of (-0.5, 0.5), z fastest.
_CORNERS = np.stack(np.meshgrid(*[[-0.5, 0.5]] * 3, indexing="ij"), axis=-1).reshape(8, 3)


def rotation_matrices(quaternions: ArrayLike) -> Floats:
    """Turn quaternions ``(..., 4)`` ``(w, x, y, z)`` of any length into ``(..., 3, 3)``."""
    given = np.asarray(quaternions, np.float64)
    w, x, y, z = np.moveaxis(given / np.linalg.norm(given, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def decode_distances(values: NDArray[Any], depth_range: tuple[float, float] | None) -> Floats:
    """Metres from the camera; in uint16 they are coded from one end of a range to the other."""
    if values.dtype != np.uint16 or depth_range is None:
        return values.astype(np.float64)
    near, far = (float(bound) for bound in depth_range)
    return near + values * ((far - near) / 65535)


@dataclass(frozen=True, eq=False, repr=False)
class Scene:
    """Depth, segments, surfaces, object poses and cameras of T frames.

    Arrays may be given as MOVi stores them, coded in uint16 (see each for the code), or as
    floating-point numbers that mean themselves. Only the pixels that are asked for are decoded.

    Attributes
    ----------
    depth : ndarray
        ``(T, H, W)`` or ``(T, H, W, 1)``, *distance from the camera's centre* in metres, not
        planar depth. Code: from ``depth_range[0]`` to ``depth_range[1]``.
    segments : ndarray
        ``(T, H, W)`` or ``(T, H, W, 1)`` integers: 0 background, ``k`` the object ``k - 1``.
    normals : ndarray
        ``(T, H, W, 3)``, in the world. Code: -1 to 1.
    object_coordinates : ndarray
        ``(T, H, W, 3)``, where each pixel's surface point lies in its object's box, -0.5 to
        0.5 along each side. Code: from -0.5 to 0.5.
    boxes : ndarray
        ``(K, T, 8, 3)``, each object's box: corners in the world, in the order of
        ``bboxes_3d``, ``x``, ``y``, ``z`` of (-0.5, 0.5) with ``z`` fastest.
    rotations : ndarray
        ``(K, T, 4)`` ``(w, x, y, z)``, each object's rotation.
    camera_positions, camera_rotations : ndarray
        ``(T, 3)`` and ``(T, 4)`` ``(w, x, y, z)``, camera to world.
    depth_range : tuple of float, optional
        Of a depth in uint16, metres.
    focal_length, sensor_width : float
        In millimetres.
    published_aspect : bool
        Take ``H / W`` for ``W / H`` in the vertical focal length, as the published extractor
        does. They only differ for pictures that are not square, and MOVi's all are.

    Raises
    ------
    FormatError
        When shapes do not fit together; the message names the array.
    """

    depth: NDArray[Any]
    segments: NDArray[np.integer[Any]]
    normals: NDArray[Any]
    object_coordinates: NDArray[Any]
    boxes: NDArray[np.floating[Any]]
    rotations: NDArray[np.floating[Any]]
    camera_positions: NDArray[np.floating[Any]]
    camera_rotations: NDArray[np.floating[Any]]
    depth_range: tuple[float, float] | None = None
    focal_length: float = 35.0
    sensor_width: float = 32.0
    published_aspect: bool = False

    def __post_init__(self) -> None:
        depth = np.asarray(self.depth)
        if depth.ndim not in (3, 4) or 0 in depth.shape or depth.shape[3:] not in ((), (1,)):
            raise FormatError(f"depth has shape {depth.shape}, expected (T, H, W)")
        shape = depth.shape[:3]
        segments = np.asarray(self.segments)
        if segments.shape not in (shape, (*shape, 1)) or segments.dtype.kind not in "iu":
            raise FormatError(
                f"segments are {segments.dtype} of shape {segments.shape}, expected integers "
                f"of shape {shape}"
            )
        frames, num_objects = len(depth), len(np.asarray(self.boxes))
        expected = {
            "normals": (*shape, 3),
            "object_coordinates": (*shape, 3),
            "boxes": (num_objects, frames, 8, 3),
            "rotations": (num_objects, frames, 4),
            "camera_positions": (frames, 3),
            "camera_rotations": (frames, 4),
        }
        for name, wanted in expected.items():
            value = np.asarray(getattr(self, name))
            if value.shape != wanted:
                raise FormatError(f"{name} has shape {value.shape}, expected {wanted}")
            object.__setattr__(self, name, value)
        if segments.max() > num_objects:
            raise FormatError(
                f"segments name object {segments.max()}, but boxes has {num_objects} objects"
            )
        if depth.dtype == np.uint16 and self.depth_range is None:
            raise FormatError("depth is uint16, which needs depth_range; found None")
        object.__setattr__(self, "depth", depth.reshape(shape))
        object.__setattr__(self, "segments", segments.reshape(shape))

    def __repr__(self) -> str:
        width, height = self.size
        return f"Scene({len(self.boxes)} objects, {self.num_frames} frames, {width}x{height})"

    # --- Sizes -------------------------------------------------------------------------------

    @property
    def num_frames(self) -> int:
        """T."""
        return int(self.depth.shape[0])

    @property
    def size(self) -> Size:
        """``(width, height)`` of the pictures."""
        return int(self.depth.shape[2]), int(self.depth.shape[1])

    # --- What the arrays say -----------------------------------------------------------------

    def distances(self, values: NDArray[Any]) -> Floats:
        """Decode values of `depth`: metres from the camera."""
        return decode_distances(values, self.depth_range)

    @staticmethod
    def decode_normals(values: NDArray[Any]) -> Floats:
        """Decode values of `normals`, ``(..., 3)``."""
        return values / 65535 * 2 - 1 if values.dtype == np.uint16 else values.astype(np.float64)

    @staticmethod
    def decode_coordinates(values: NDArray[Any]) -> Floats:
        """Decode values of `object_coordinates`, ``(..., 3)``."""
        return values / 65535 - 0.5 if values.dtype == np.uint16 else values.astype(np.float64)

    def without_rims(self) -> Scene:
        """The scene with -1 for the segment of every pixel that has an occluder beside it.

        That is one of the 8 pixels around it, at less than 0.95 of its distance. No point is
        drawn there, and such a pixel confirms no point of its former segment. This is the first
        half of the published ``snap_to_occluder``.
        """
        padded = np.pad(self.depth, ((0, 0), (1, 1), (1, 1)), mode="edge")
        rows = np.minimum(np.minimum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
        nearest = np.minimum(np.minimum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
        rim = self.distances(nearest) < RIM * self.distances(self.depth)
        return replace(self, segments=np.where(rim, -1, self.segments.astype(np.int32)))

    # --- Cameras -----------------------------------------------------------------------------

    @cached_property
    def intrinsics(self) -> Floats:
        """``(3, 3)``, from the camera to the picture with its sides 1 long, as Kubric has it."""
        width, height = self.size
        aspect = height / width if self.published_aspect else width / height
        focal = self.focal_length / self.sensor_width
        return np.array([[focal, 0, -0.5], [0, -focal * aspect, -0.5], [0, 0, -1]])

    @cached_property
    def camera_axes(self) -> Floats:
        """``(T, 3, 3)``, camera to world rotations."""
        return rotation_matrices(self.camera_rotations)

    @cached_property
    def camera_to_world(self) -> Floats:
        """``(T, 4, 4)``."""
        matrices = np.tile(np.eye(4), (self.num_frames, 1, 1))
        matrices[:, :3, :3] = self.camera_axes
        matrices[:, :3, 3] = self.camera_positions
        return matrices

    def rays(self, raster: NDArray[np.floating[Any]]) -> Floats:
        """Directions ``(..., 3)`` of length 1 in the camera through places ``(..., 2)``."""
        inverse = np.linalg.inv(self.intrinsics)
        places = np.asarray(raster, np.float64) / self.size
        directions = places @ inverse[:, :2].T + inverse[:, 2]
        return directions / np.linalg.norm(directions, axis=-1, keepdims=True)

    def project(self, camera: Floats) -> Floats:
        """Places ``(..., 2)``, raster, of points ``(..., 3)`` in the camera.

        What is behind the camera (``z > 0``) is mirrored.
        """
        homogeneous = camera @ self.intrinsics.T
        with np.errstate(divide="ignore", invalid="ignore"):
            return homogeneous[..., :2] / homogeneous[..., 2:] * self.size

    # --- Objects -----------------------------------------------------------------------------

    @cached_property
    def object_axes(self) -> Floats:
        """``(K, T, 3, 3)``, object to world rotations."""
        return rotation_matrices(self.rotations)

    @cached_property
    def box_centres(self) -> Floats:
        """``(K, T, 3)``, in the world."""
        return np.asarray(self.boxes, np.float64).mean(axis=2)

    @cached_property
    def box_sides(self) -> Floats:
        """``(K, T, 3, 3)``: in its rows, what a whole side of the box adds in the world.

        With `box_centres` the least-squares map of the eight corners of the unit box to those
        of `boxes`; corners of a cube are orthogonal, so that it is a difference of sums.
        """
        return np.einsum("cs,ktcd->ktsd", _CORNERS, np.asarray(self.boxes, np.float64)) / 2
