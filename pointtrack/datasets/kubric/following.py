"""Where chosen pixels of a rendered clip are in every frame, and whether they can be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.datasets.kubric.sampling import (
    MAX_FRACTION,
    MAX_SEGMENTS,
    STRIDE,
    Window,
    draw_pixels,
)
from pointtrack.datasets.kubric.scene import RIM, Flags, Floats, Ints, Scene
from pointtrack.errors import QueryError
from pointtrack.geometry import Size, pixel_to_raster, raster_to_pixel

_DEPTH_TOLERANCE = 0.99  # of a point's own distance; anything nearer hides it
_ROUGH = 0.05  # change of a normal from one pixel to the next
_DIAGONAL = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])


@dataclass(frozen=True, eq=False)
class SceneTracks:
    """True tracks of Q points over T frames, in the pixels of the clip they are made for.

    Attributes
    ----------
    queries : ndarray
        ``(Q, 3)`` float32 ``(t, x, y)``, the centre of the top-left pixel at ``(0, 0)``. Every
        point is visible in its query's frame.
    xy : ndarray
        ``(Q, T, 2)`` float32, the same pixels.
    visible : ndarray
        ``(Q, T)`` bool.
    xyz : ndarray
        ``(Q, T, 3)`` float32, metres in the camera of each frame: ``x`` right, ``y`` down,
        ``z`` forward, as in TAPVid-3D.
    segment : ndarray
        ``(Q,)`` int64: 0 background, ``k`` the object ``k - 1``.
    """

    queries: NDArray[np.float32]
    xy: NDArray[np.float32]
    visible: NDArray[np.bool_]
    xyz: NDArray[np.float32]
    segment: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of tracks, Q."""
        return len(self.xy)

    @property
    def relative_distance(self) -> NDArray[np.float32]:
        """``(Q, T)``, distance from the camera over that in the query's frame (1 there)."""
        distance = np.linalg.norm(self.xyz, axis=-1)  # Q T
        start = self.queries[:, 0].astype(np.int64)
        return distance / distance[np.arange(len(self)), start][:, None]


def _centres(pixels: Ints) -> NDArray[np.floating[Any]]:
    """Raster places ``(Q, 2)`` of the centres of pixels ``(Q, 3)``."""
    return pixel_to_raster(pixels[:, :0:-1].astype(np.float64))


def _checked(scene: Scene, pixels: ArrayLike) -> Ints:
    places = np.asarray(pixels)
    if places.ndim != 2 or places.shape[1] != 3 or places.dtype.kind not in "iu":
        raise QueryError(
            f"pixels must be integers (Q, 3) (frame, row, column), found {places.dtype} "
            f"{places.shape}"
        )
    limit = scene.depth.shape
    if ((places < 0) | (places >= limit)).any():
        raise QueryError(f"pixels must lie in a clip of (T, H, W) = {limit}, found one outside")
    return places.astype(np.int64)


# --- Space -----------------------------------------------------------------------------------


def _world(scene: Scene, pixels: Ints, segment: Ints) -> Floats:
    """Where each pixel's surface point is in every frame, ``(Q, T, 3)``."""
    t, row, column = pixels.T
    seen = scene.rays(_centres(pixels)) * scene.distances(scene.depth[t, row, column])[:, None]
    still = np.einsum("qij,qj->qi", scene.camera_axes[t], seen) + scene.camera_positions[t]
    world = np.repeat(still[:, None], scene.num_frames, axis=1)  # Q T 3
    moving = np.flatnonzero(segment > 0)
    owner = segment[moving] - 1
    local = scene.decode_coordinates(scene.object_coordinates[tuple(pixels[moving].T)])
    offset = np.einsum("qs,qtsd->qtd", local, scene.box_sides[owner])
    world[moving] = scene.box_centres[owner] + offset
    return world


# --- Occlusion -------------------------------------------------------------------------------


def _hidden_in_picture(scene: Scene, raster: Floats, distance: Floats, segment: Ints) -> Flags:
    """Something nearer covers the point, or its segment is not where it ought to be."""
    corner = np.floor(raster_to_pixel(raster))  # Q T 2
    last = np.array(scene.size) - 1
    with np.errstate(invalid="ignore"):
        low = np.clip(np.nan_to_num(corner), 0, last).astype(np.int64)
        high = np.clip(np.nan_to_num(corner + 1), 0, last).astype(np.int64)
    frame = np.arange(scene.num_frames)
    deepest = np.zeros(distance.shape, scene.depth.dtype)
    confirmed = np.zeros(distance.shape, np.bool_)
    for rows in (low[..., 1], high[..., 1]):
        for columns in (low[..., 0], high[..., 0]):
            deepest = np.maximum(deepest, scene.depth[frame, rows, columns])
            confirmed |= scene.segments[frame, rows, columns] == segment[:, None]
    return (scene.distances(deepest) < _DEPTH_TOLERANCE * distance) | ~confirmed


def _rough(scene: Scene, pixels: Ints, normal: Floats) -> Flags:
    """Whether more than two of a pixel's diagonal neighbours have another normal, ``(Q,)``."""
    t = pixels[:, 0]
    place = pixels[:, None, 1:] + _DIAGONAL  # Q 4 2
    size = np.array(scene.depth.shape[1:])
    inside = ((place >= 0) & (place < size)).all(axis=-1)
    row, column = np.moveaxis(np.clip(place, 0, size - 1), -1, 0)
    around = scene.decode_normals(scene.normals[t[:, None], row, column])
    around = np.where(inside[..., None], around, 0)  # no normal outside of the picture
    change = np.linalg.norm(around - normal[:, None], axis=-1)  # Q 4
    return (change > _ROUGH).sum(axis=1) > 2


def _facing_away(scene: Scene, pixels: Ints, segment: Ints, world: Floats) -> Flags:
    """An object's surface is turned from the camera, ``(Q, T)``.

    Never where the normal cannot be trusted: it is rough, or turned away where it was seen.
    """
    away = np.zeros(world.shape[:2], np.bool_)
    moving = np.flatnonzero(segment > 0)
    places, owner = pixels[moving], segment[moving] - 1
    normal = scene.decode_normals(scene.normals[tuple(places.T)])  # M 3
    axes = scene.object_axes[owner]  # M T 3 3
    start = places[:, 0]
    local = np.einsum("qkj,qk->qj", axes[np.arange(len(moving)), start], normal)
    turned = np.einsum("qtij,qj->qti", axes, local)
    facing = np.einsum("qti,qti->qt", turned, world[moving] - scene.camera_positions)
    untrusted = _rough(scene, places, normal) | (facing[np.arange(len(moving)), start] > 0)
    away[moving] = (facing > 0) & ~untrusted[:, None]
    return away


def _outside(raster: Floats, window: Window) -> Flags:
    """Outside of the window; its very edge is inside. NaN is outside."""
    inside: Flags = np.all((raster >= window[:2]) & (raster <= window[2:]), axis=-1)
    return ~inside


# --- Tracks ----------------------------------------------------------------------------------


def _to_clip(raster: NDArray[np.floating[Any]], window: Window, size: Size) -> NDArray[np.float32]:
    """Raster places in the scene to pixels of its window resized to ``size``."""
    inside = (raster - window[:2]) / window.size * size
    return raster_to_pixel(inside).astype(np.float32)


def follow_pixels(
    scene: Scene,
    pixels: ArrayLike,
    *,
    window: Window | None = None,
    size: Size | None = None,
) -> SceneTracks:
    """Follow the surface points seen at some pixels through the whole clip.

    A point of the background stands still; one of an object moves with the object's box. It is
    hidden where any of this holds: it is behind the camera; all four pixels around it are
    nearer than 0.99 of its distance; none of them shows its segment; it is outside of the
    window; or it belongs to an object and its surface faces away.

    Parameters
    ----------
    scene
        The clip.
    pixels
        ``(Q, 3)`` integers ``(frame, row, column)``; none on a pixel whose segment is -1.
    window
        The part of the picture that is cut out; default: all of it.
    size
        ``(width, height)`` to which it is then resized; default: that of the scene.

    Returns
    -------
    SceneTracks
        In the pixels of the cut and resized clip.

    Raises
    ------
    QueryError
        When a pixel lies outside of the clip or belongs to no segment.
    """
    places = _checked(scene, pixels)
    part = Window.whole(scene.size) if window is None else window
    part.check(scene.size)
    segment = scene.segments[tuple(places.T)].astype(np.int64)  # Q
    if (segment < 0).any():
        raise QueryError(f"pixel {places[segment.argmin()].tolist()} belongs to no segment")
    world = _world(scene, places, segment)
    camera = np.einsum("tji,qtj->qti", scene.camera_axes, world - scene.camera_positions)
    raster = scene.project(camera)  # Q T 2
    distance = np.linalg.norm(camera, axis=-1)
    hidden = (camera[..., 2] > 0) | _hidden_in_picture(scene, raster, distance, segment)
    hidden |= _outside(raster, part) | _facing_away(scene, places, segment, world)
    clip = scene.size if size is None else size
    queries = np.concatenate([places[:, :1], _to_clip(_centres(places), part, clip)], axis=1)
    xyz = (camera * (1, -1, -1)).astype(np.float32)  # Blender's camera to OpenCV's
    return SceneTracks(
        queries.astype(np.float32), _to_clip(raster, part, clip), ~hidden, xyz, segment
    )


def _jitter(scene: Scene, pixels: Ints, window: Window, rng: np.random.Generator) -> Ints:
    """Move half of the pixels to a random neighbour, where that is behind them."""
    moved = pixels.copy()
    moved[:, 1:] += rng.integers(-1, 2, size=(len(pixels), 2))
    low, high = (window.top, window.left), (window.bottom - 1, window.right - 1)
    moved[:, 1:] = np.clip(moved[:, 1:], low, high)
    own, there = (scene.distances(scene.depth[tuple(p.T)]) for p in (pixels, moved))
    swap = (own < RIM * there) & (rng.random(len(pixels)) < 0.5)
    return np.where(swap[:, None], moved, pixels)


def sample_tracks(
    scene: Scene,
    num: int,
    rng: np.random.Generator,
    *,
    window: Window | None = None,
    size: Size | None = None,
    stride: int = STRIDE,
    max_segments: int = MAX_SEGMENTS,
    max_fraction: float = MAX_FRACTION,
    snap_to_occluder: bool = False,
) -> SceneTracks:
    """Draw points of a clip and follow them: :func:`draw_pixels`, then :func:`follow_pixels`.

    Parameters
    ----------
    scene, num, rng, window, stride, max_segments, max_fraction
        As in :func:`pointtrack.datasets.kubric.draw_pixels`.
    size
        As in :func:`follow_pixels`.
    snap_to_occluder
        Teach that a query beside an occluder means the occluder: no point is drawn on a
        hidden surface's rim (`Scene.without_rims`), and a query on an occluder is moved, half
        of the time, to a random neighbouring pixel when that shows something farther away. Its
        track is still the occluder's, so it passes up to a pixel beside the query.

    Returns
    -------
    SceneTracks
        ``num`` tracks.
    """
    part = Window.whole(scene.size) if window is None else window
    rimless = scene.without_rims() if snap_to_occluder else scene
    pixels = draw_pixels(
        rimless,
        num,
        rng,
        window=part,
        stride=stride,
        max_segments=max_segments,
        max_fraction=max_fraction,
    )
    tracks = follow_pixels(rimless, pixels, window=part, size=size)
    if not snap_to_occluder:
        return tracks
    asked = _centres(_jitter(scene, pixels, part, rng))
    place = _to_clip(asked, part, scene.size if size is None else size)
    return replace(tracks, queries=np.concatenate([tracks.queries[:, :1], place], axis=1))
