"""Where every pixel of one frame of a rendered clip is in all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.kubric.scene import Floats, Ints, Scene
from pointtrack.errors import PointtrackError, QueryError
from pointtrack.geometry import inside, pixel_to_raster, raster_to_pixel

_DEPTH_TOLERANCE = 1.01
_TO_OPENCV = np.array([1.0, -1.0, -1.0])  # from Blender's camera: y down, z forward

Space = Literal["camera", "query_camera"]


@dataclass(frozen=True, eq=False)
class DenseTracks:
    """Tracks of all pixels of one frame over T frames.

    Attributes
    ----------
    xy : ndarray
        ``(H, W, T, 2)`` float32, the centre of the top-left pixel at ``(0, 0)``. NaN behind the
        camera.
    visible : ndarray
        ``(H, W, T)`` bool.
    xyz : ndarray
        ``(H, W, T, 3)`` float32, metres: ``x`` right, ``y`` down, ``z`` forward.
    """

    xy: NDArray[np.float32]
    visible: NDArray[np.bool_]
    xyz: NDArray[np.float32]


def _bilinear(image: Floats, xy: Floats) -> Floats:
    """Read ``(H, W)`` at pixels ``(P, 2)``; the edge goes on outside of the picture."""
    last = np.array(image.shape[::-1]) - 1
    place = np.clip(xy, 0, last)
    low = np.minimum(place.astype(np.int64), np.maximum(last - 1, 0))
    (x, y), (right, below) = low.T, np.minimum(low + 1, last).T
    across, down = (place - low).T
    top = image[y, x] * (1 - across) + image[y, right] * across
    bottom = image[below, x] * (1 - across) + image[below, right] * across
    return top * (1 - down) + bottom * down


def _motion(scene: Scene, segment: int, source: int, target: int) -> tuple[Floats, Floats]:
    """Rotation and shift that carry a segment's points from one frame's world to another's."""
    if segment <= 0:
        return np.eye(3), np.zeros(3)
    axes, centre = scene.object_axes[segment - 1], scene.box_centres[segment - 1]
    turn = axes[target] @ axes[source].T
    return turn, centre[target] - turn @ centre[source]


def _carried(
    scene: Scene, world: Floats, parts: list[tuple[int, slice]], source: int, target: int
) -> Floats:
    """Points ``(P, 3)`` sorted by segment, in the world of another frame."""
    moved = np.empty_like(world)
    for segment, part in parts:
        turn, shift = _motion(scene, segment, source, target)
        moved[part] = world[part] @ turn.T + shift
    return moved


def _parts(segments: Ints) -> tuple[Ints, list[tuple[int, slice]]]:
    """Sort pixels by segment: the order, and where each segment then lies."""
    order = np.argsort(segments, kind="stable")
    names, first = np.unique(segments[order], return_index=True)
    ends = [*first[1:].tolist(), segments.size]
    return order, [
        (int(name), slice(int(start), end))
        for name, start, end in zip(names, first, ends, strict=True)
    ]


def dense_tracks(
    scene: Scene, frame: int = 0, *, stride: int = 1, space: Space = "camera"
) -> DenseTracks:
    """Follow every pixel of a frame by its segment's rigid motion.

    A point is visible where it is in the picture, in front of the camera, and at most 1.01
    times as deep as the picture is there, interpolated between pixels.

    Parameters
    ----------
    scene
        The clip. Normals and object coordinates are not used.
    frame
        The frame whose pixels are followed.
    stride
        Follow the pixels of every so many rows and columns only.
    space
        Whether ``xyz`` is in the camera of each frame or in that of ``frame`` throughout, where
        what stands still stays put.

    Returns
    -------
    DenseTracks
        H and W counted in strides.
    """
    if not 0 <= frame < scene.num_frames:
        raise QueryError(f"frame must lie in 0 to {scene.num_frames - 1}, found {frame}")
    if stride < 1:
        raise PointtrackError(f"stride must be at least 1, found {stride}")
    if space not in get_args(Space):
        raise PointtrackError(f"space must be 'camera' or 'query_camera', found {space!r}")
    width, height = scene.size
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    rays = scene.rays(pixel_to_raster(pixels.astype(np.float64)))  # H W 3
    taken = np.ix_(range(0, height, stride), range(0, width, stride))
    shape = rays[taken].shape[:2]
    order, parts = _parts(scene.segments[frame][taken].reshape(-1))
    start = (rays * scene.distances(scene.depth[frame])[..., None])[taken].reshape(-1, 3)[order]
    world = start @ scene.camera_axes[frame].T + scene.camera_positions[frame]
    count, frames = len(world), scene.num_frames
    xy = np.empty((count, frames, 2), np.float32)
    xyz = np.empty((count, frames, 3), np.float32)
    visible = np.empty((count, frames), np.bool_)
    for t in range(frames):
        moved = _carried(scene, world, parts, frame, t)
        camera = (moved - scene.camera_positions[t]) @ scene.camera_axes[t]
        depth = -camera[:, 2]
        place = np.where(depth[:, None] > 0, raster_to_pixel(scene.project(camera)), np.nan)
        buffer = -rays[..., 2] * scene.distances(scene.depth[t])  # H W, planar depth
        shown = np.flatnonzero(inside(place, scene.size))
        visible[:, t] = False
        nearest = _bilinear(buffer, place[shown])
        visible[shown, t] = depth[shown] <= _DEPTH_TOLERANCE * nearest
        if space == "query_camera":
            camera = (moved - scene.camera_positions[frame]) @ scene.camera_axes[frame]
        xy[:, t], xyz[:, t] = place, camera * _TO_OPENCV
    back = np.empty_like(order)
    back[order] = np.arange(count)
    return DenseTracks(
        xy[back].reshape(*shape, frames, 2),
        visible[back].reshape(*shape, frames),
        xyz[back].reshape(*shape, frames, 3),
    )
