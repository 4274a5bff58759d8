"""Meshes in numpy: boxes, surfaces of revolution, tubes, balls, rocks, sheets.

Lengths are metres, z is up. Texture coordinates are metres too (a material says how often its
picture repeats a metre), save where a function says that they span the picture once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Solid:
    """A polygon mesh.

    Attributes
    ----------
    verts
        ``(V, 3)``.
    faces
        ``(F, 4)`` vertex numbers, counter-clockwise from outside; a triangle ends with -1.
    uv
        ``(F, 4, 2)`` texture coordinates of the corners.
    slot
        ``(F,)`` which of the object's materials a face has.
    """

    verts: Floats
    faces: Ints
    uv: Floats
    slot: Ints


def solid(verts: ArrayLike, faces: ArrayLike, uv: ArrayLike | None = None) -> Solid:
    """A mesh with one material; without `uv`, every face is projected along its main axis."""
    points, corners = np.asarray(verts, float), np.asarray(faces, int)
    if corners.shape[1] == 3:
        corners = np.c_[corners, np.full(len(corners), -1)]
    coordinates = box_uv(points, corners) if uv is None else np.asarray(uv, float)
    return Solid(points, corners, coordinates, np.zeros(len(corners), int))


def box_uv(verts: Floats, faces: Ints) -> Floats:
    """Texture coordinates ``(F, 4, 2)`` in metres, seen along each face's main axis."""
    corners = verts[faces]  # F 4 3
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(normal).argmax(1)
    across = np.array([[1, 2], [0, 2], [0, 1]])[axis]  # F 2
    uv = np.take_along_axis(corners, across[:, None, :].repeat(4, 1), 2)
    return uv + 0.37 * axis[:, None, None]


def with_slot(mesh: Solid, slot: int) -> Solid:
    """The same mesh with all faces of one of the object's materials."""
    return replace(mesh, slot=np.full(len(mesh.faces), slot))


def moved(
    mesh: Solid,
    at: ArrayLike = (0, 0, 0),
    turn: float = 0.0,
    scale: ArrayLike = 1.0,
    tilt: ArrayLike | None = None,
) -> Solid:
    """Scaled, tilted by a 3 x 3 rotation, turned about z (radians), then shifted."""
    verts = mesh.verts * np.asarray(scale, float)
    if tilt is not None:
        verts = verts @ np.asarray(tilt, float).T
    return replace(mesh, verts=verts @ about(2, turn).T + np.asarray(at, float))


def about(axis: int, angle: float) -> Floats:
    """Rotation matrix about x (0), y (1) or z (2)."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.eye(3)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
    return turn


def towards(direction: ArrayLike) -> Floats:
    """A rotation that takes +z to a direction."""
    z = np.asarray(direction, float)
    z = z / np.linalg.norm(z)
    side = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(z, side), z], 1)


def join(meshes: Sequence[Solid]) -> Solid:
    """Several meshes as one."""
    start = np.cumsum([0, *(len(mesh.verts) for mesh in meshes)])
    faces = [
        np.where(mesh.faces < 0, -1, mesh.faces + first)
        for mesh, first in zip(meshes, start, strict=False)
    ]
    return Solid(
        np.concatenate([mesh.verts for mesh in meshes]),
        np.concatenate(faces),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.slot for mesh in meshes]),
    )


def edge_uses(mesh: Solid) -> Ints:
    """How many faces use each edge: 2 everywhere on a closed mesh."""
    edges = []
    for face in mesh.faces:
        ring = face[face >= 0]
        edges.append(np.sort(np.stack([ring, np.roll(ring, -1)], 1), 1))
    return np.unique(np.concatenate(edges), axis=0, return_counts=True)[1]


def box(size: ArrayLike, bevel: float = 0.0) -> Solid:
    """A closed box that stands on z = 0, with cut edges when `bevel` is given."""
    x, y, z = np.asarray(size, float) / (2, 2, 1)
    if bevel <= 0:
        corners = np.array([[i, j, k] for k in (0, 1) for j in (-1, 1) for i in (-1, 1)])
        quads = [[0, 1, 5, 4], [3, 2, 6, 7], [2, 0, 4, 6], [1, 3, 7, 5], [4, 5, 7, 6], [2, 3, 1, 0]]
        return solid(corners * (x, y, z), quads)
    b = min(bevel, 0.45 * min(x * 2, y * 2, z))
    rings = [(b, 0.0), (0.0, b), (0.0, z - b), (b, z)]  # inset and height
    verts = [(0.0, 0.0, 0.0)]
    for inset, height in rings:
        i, j = x - inset, y - inset
        c = b * 0.7
        ring = [(-i + c, -j), (i - c, -j), (i, -j + c), (i, j - c)]
        ring += [(i - c, j), (-i + c, j), (-i, j - c), (-i, -j + c)]
        verts += [(*p, height) for p in ring]
    verts.append((0.0, 0.0, z))
    return solid(verts, _closed_rings(len(rings), 8))


def _closed_rings(rings: int, around: int) -> Ints:
    """Faces of rings of vertices after a first pole (0) and before a last one."""
    i = np.arange(around)
    j = (i + 1) % around
    faces = [np.stack([np.zeros_like(i), 1 + j, 1 + i, np.full_like(i, -1)], 1)]
    for r in range(rings - 1):
        a, b = 1 + r * around, 1 + (r + 1) * around
        faces.append(np.stack([a + i, a + j, b + j, b + i], 1))
    a = 1 + (rings - 1) * around
    top = np.full_like(i, 1 + rings * around)
    faces.append(np.stack([a + i, a + j, top, np.full_like(i, -1)], 1))
    return np.concatenate(faces)


def lathe(profile: ArrayLike, segments: int = 24) -> Solid:
    """A closed surface of revolution about z from (radius, z) pairs, lowest first."""
    rings = np.asarray(profile, float)
    angle = np.arange(segments) * 2 * np.pi / segments
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    body = [np.c_[circle * max(r, 1e-4), np.full(segments, z)] for r, z in rings]
    verts = np.concatenate([[[0, 0, rings[0, 1]]], *body, [[0, 0, rings[-1, 1]]]])
    faces = _closed_rings(len(rings), segments)
    arc = np.r_[0, np.cumsum(np.hypot(*np.diff(rings, axis=0).T))]
    width = 2 * np.pi * rings[:, 0].max()
    uv = box_uv(verts, faces)
    i = np.arange(segments)
    for r in range(len(rings) - 1):
        rows = slice(segments * (1 + r), segments * (2 + r))
        u = np.stack([i, i + 1, i + 1, i], 1) / segments * width
        v = np.broadcast_to([arc[r], arc[r], arc[r + 1], arc[r + 1]], (segments, 4))
        uv[rows] = np.stack([u, v], -1)
    return Solid(verts, faces, uv, np.zeros(len(faces), int))


def cylinder(radius: float, height: float, segments: int = 24, bevel: float = 0.004) -> Solid:
    """A closed cylinder that stands on z = 0."""
    b = min(bevel, 0.4 * radius, 0.4 * height)
    profile = [(radius - b, 0), (radius, b), (radius, height - b), (radius - b, height)]
    return lathe(profile, segments)


def ball(radius: float, segments: int = 32) -> Solid:
    """A closed ball about the origin whose texture coordinates span the picture once."""
    rings = segments // 2
    latitude = (np.arange(1, rings) / rings - 0.5) * np.pi
    mesh = lathe(radius * np.stack([np.cos(latitude), np.sin(latitude)], 1), segments)
    verts = mesh.verts.copy()
    verts[0], verts[-1] = (0, 0, -radius), (0, 0, radius)
    uv = np.zeros_like(mesh.uv)
    i = np.arange(segments)
    for r in range(rings):
        if r == 0:
            v, u = [0, 1, 1, 1], np.stack([i + 0.5, i + 1, i, i], 1)
        elif r == rings - 1:
            v, u = [r, r, r + 1, r + 1], np.stack([i, i + 1, i + 0.5, i], 1)
        else:
            v, u = [r, r, r + 1, r + 1], np.stack([i, i + 1, i + 1, i], 1)
        uv[r * segments : (r + 1) * segments, :, 0] = u / segments
        uv[r * segments : (r + 1) * segments, :, 1] = np.array(v) / rings
    return replace(mesh, verts=verts, uv=uv)


def tube(path: ArrayLike, radii: ArrayLike, segments: int = 10) -> Solid:
    """A closed tube along a path ``(K, 3)`` with a radius a point."""
    line = np.asarray(path, float)
    radius = np.broadcast_to(np.asarray(radii, float), len(line))
    forward = np.gradient(line, axis=0)
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    side = towards(forward[0])[:, 0]
    angle = np.arange(segments) * 2 * np.pi / segments
    verts = [line[0]]
    for at, ahead, r in zip(line, forward, radius, strict=True):
        side = side - ahead * (side @ ahead)  # carried along without twist
        side /= np.linalg.norm(side)
        up = np.cross(ahead, side)
        verts += list(at + r * (np.outer(np.cos(angle), side) + np.outer(np.sin(angle), up)))
    verts.append(line[-1])
    faces = _closed_rings(len(line), segments)
    arc = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    uv = box_uv(np.array(verts), faces)
    i, width = np.arange(segments), 2 * np.pi * radius.max()
    for k in range(len(line) - 1):
        u = np.stack([i, i + 1, i + 1, i], 1) / segments * width
        v = np.broadcast_to([arc[k], arc[k], arc[k + 1], arc[k + 1]], (segments, 4))
        uv[segments * (1 + k) : segments * (2 + k)] = np.stack([u, v], -1)
    return Solid(np.array(verts), faces, uv, np.zeros(len(faces), int))


def sheet(size: Sequence[float], steps: Sequence[int]) -> Solid:
    """A flat sheet in x, y about the origin, facing up; texture coordinates in metres."""
    n, m = steps
    u, v = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, m + 1))
    uv = np.stack([u.ravel(), v.ravel()], 1) * np.asarray(size, float)
    verts = np.c_[uv - np.asarray(size, float) / 2, np.zeros(len(uv))]
    first = (np.arange(m)[:, None] * (n + 1) + np.arange(n)).ravel()
    faces = np.stack([first, first + 1, first + n + 2, first + n + 1], 1)
    return Solid(verts, faces, uv[faces], np.zeros(len(faces), int))


def span_uv(mesh: Solid) -> Solid:
    """The same mesh with texture coordinates stretched to span the picture once."""
    low = mesh.uv.reshape(-1, 2).min(0)
    extent = mesh.uv.reshape(-1, 2).max(0) - low
    return replace(mesh, uv=(mesh.uv - low) / np.maximum(extent, 1e-9))


def icosphere(levels: int) -> tuple[Floats, Ints]:
    """Vertices on the unit sphere ``(V, 3)`` and triangles ``(F, 3)``."""
    g = (1 + 5**0.5) / 2
    verts = np.array([[s * a, t * b, 0] for s in (-1, 1) for t in (-1, 1) for a, b in [(1, g)]])
    verts = np.concatenate([np.roll(verts, k, 1) for k in range(3)])
    verts = verts / np.linalg.norm(verts, axis=1, keepdims=True)
    near = verts @ verts.T > 0.4
    faces = np.array(
        [
            (a, b, c)
            for a in range(12)
            for b in range(a + 1, 12)
            for c in range(b + 1, 12)
            if near[a, b] and near[b, c] and near[a, c]
        ]
    )
    outward = np.einsum(
        "fi,fi->f", np.cross(verts[faces[:, 0]], verts[faces[:, 1]]), verts[faces[:, 2]]
    )
    faces = np.where((outward < 0)[:, None], faces[:, ::-1], faces)
    for _ in range(levels):
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
        unique, number = np.unique(edges, axis=0, return_inverse=True)
        middle = verts[unique].mean(1)
        ab, bc, ca = number.reshape(3, -1) + len(verts)
        a, b, c = faces.T
        faces = np.concatenate(
            [np.stack(t, 1) for t in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
        )
        verts = np.concatenate([verts, middle / np.linalg.norm(middle, axis=1, keepdims=True)])
    return verts, faces


def lump(
    rng: np.random.Generator,
    size: ArrayLike,
    roughness: float = 0.2,
    levels: int = 3,
    waves: int = 12,
) -> Solid:
    """A closed rock or blob about the origin: a sphere displaced by random plane waves."""
    verts, faces = icosphere(levels)
    height = np.zeros(len(verts))
    for k in range(waves):
        pitch = 1.2 + 0.5 * k
        wave = rng.normal(0, 1, 3) * pitch
        height += rng.uniform(0.4, 1) * np.sin(verts @ wave + rng.uniform(0, 6.3)) / pitch
    radius = 1 + roughness * height / max(np.abs(height).max(), 1e-9)
    return solid(verts * radius[:, None] * np.asarray(size, float) / 2, faces)
