"""Trees, bushes, tufts of grass and rocks in numpy, standing on z = 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.solids import Solid, join, lump, moved, solid, tube, with_slot

Floats = NDArray[np.float64]
Rng = np.random.Generator


def leaves(rng: Rng, centres: Floats, size: float) -> Solid:
    """A four-cornered bent leaf about each centre ``(N, 3)``, turned at random."""
    count = len(centres)
    along = rng.normal(0, 1, (count, 3))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, rng.normal(0, 1, (count, 3)))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(along, side)
    length = size * rng.uniform(0.7, 1.3, (count, 1))
    corners = [
        centres - along * length / 2,
        centres + side * length * 0.3 + up * length * 0.12,
        centres + along * length / 2,
        centres - side * length * 0.3 + up * length * 0.12,
    ]
    verts = np.stack(corners, 1).reshape(-1, 3)
    faces = np.arange(4 * count).reshape(count, 4)
    place = rng.uniform(0, 1, (count, 1, 2))
    uv = place + np.array([[0, 0], [0.06, 0.03], [0.12, 0], [0.06, -0.03]])
    return solid(verts, faces, uv)


def _crown(rng: Rng, centre: Floats, radius: Floats, count: int) -> Floats:
    """Places of leaves near the skin of an ellipsoid."""
    way = rng.normal(0, 1, (count, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    return centre + way * radius * rng.uniform(0.55, 1.05, (count, 1)) ** 0.5


def tree(rng: Rng, height: float) -> Solid:
    """A broad-leaved tree: bark (slot 1) and leaves (slot 0)."""
    bole = height * rng.uniform(0.25, 0.4)
    thick = height * rng.uniform(0.018, 0.03)
    z = np.linspace(-0.2, height * 0.75, 9)
    bent = np.cumsum(rng.normal(0, 0.012 * height, (9, 2)), 0) * (z > bole * 0.5)[:, None]
    trunk = tube(np.c_[bent, z], thick * np.linspace(1.25, 0.3, 9), 10)
    parts, centres = [with_slot(trunk, 1)], []
    for k in range(int(rng.integers(5, 9))):
        start = int(rng.integers(4, 8))
        angle = 2.4 * k + rng.uniform(-0.4, 0.4)
        reach = height * rng.uniform(0.14, 0.28)
        way = np.array([np.cos(angle), np.sin(angle), rng.uniform(0.3, 0.9)]) * reach
        s = np.linspace(0, 1, 5)[:, None]
        root = np.r_[bent[start], z[start]]
        path = root + s * way + np.array([0, 0, 0.1 * reach]) * s**2
        parts.append(with_slot(tube(path, thick * np.linspace(0.5, 0.12, 5), 6), 1))
        size = height * rng.uniform(0.14, 0.21) * np.array([1.2, 1.2, 0.85])
        centres.append(_crown(rng, path[-1], size, 330))
    centres.append(_crown(rng, np.r_[bent[-1], z[-1]], height * np.array([0.22, 0.22, 0.17]), 420))
    parts.append(leaves(rng, np.concatenate(centres), 0.055 * height * rng.uniform(0.7, 1.1)))
    return join(parts)


def conifer(rng: Rng, height: float) -> Solid:
    """A fir: bark (slot 1) and drooping whorls of needles (slot 0)."""
    z = np.linspace(-0.1, height, 8)
    parts = [
        with_slot(tube(np.c_[np.zeros((8, 2)), z], np.linspace(0.02, 0.003, 8) * height, 8), 1)
    ]
    count = 1900
    share = 1 - np.sqrt(rng.uniform(0, 1, count))
    level = np.floor(share * 16) / 16
    rise = height * (0.12 + 0.86 * level)
    reach = height * 0.26 * (1 - level) * rng.uniform(0.15, 1.0, count) ** 0.6
    angle = rng.uniform(0, 2 * np.pi, count)
    droop = -0.35 * reach + rng.normal(0, 0.008 * height, count)
    centres = np.c_[reach * np.cos(angle), reach * np.sin(angle), rise + droop]
    parts.append(leaves(rng, centres, 0.05 * height))
    return join(parts)


def bush(rng: Rng, height: float) -> Solid:
    """A round bush of twigs (slot 1) and leaves (slot 0)."""
    centres, parts = [], []
    for k in range(int(rng.integers(3, 6))):
        angle, reach = 2.4 * k, height * rng.uniform(0.1, 0.4)
        at = np.array(
            [np.cos(angle) * reach, np.sin(angle) * reach, height * rng.uniform(0.45, 0.65)]
        )
        parts.append(
            with_slot(tube(np.array([(0, 0, -0.05), at * 0.6, at]), [0.02, 0.012, 0.006], 6), 1)
        )
        centres.append(_crown(rng, at, height * np.array([0.36, 0.36, 0.36]), 220))
    spots = np.concatenate(centres)
    spots = spots[spots[:, 2] > 0.03]
    return join([*parts, leaves(rng, spots, 0.11 * height + 0.03)])


def tufts(rng: Rng, places: Floats, height: float) -> Solid:
    """Tufts of seven blades each at places ``(N, 3)``."""
    verts, faces, uv = [], [], []
    for k, at in enumerate(places):
        turn = rng.uniform(0, 2 * np.pi, 7)
        tall = height * rng.uniform(0.5, 1.3, 7)
        lean = tall * rng.uniform(0.15, 0.7, 7)
        root = at + np.c_[rng.normal(0, 0.03, (7, 2)), np.full(7, -0.02)]
        way = np.c_[np.cos(turn), np.sin(turn), 0 * turn]
        side = np.c_[-np.sin(turn), np.cos(turn), 0 * turn] * 0.007
        tip = root + way * lean[:, None] + np.c_[0 * turn, 0 * turn, tall]
        middle = root + way * 0.25 * lean[:, None] + np.c_[0 * turn, 0 * turn, 0.6 * tall]
        verts.append(np.stack([root - side, root + side, middle + side, middle - side, tip], 1))
        first = 35 * k + 5 * np.arange(7)[:, None]
        quads = first + np.array([[0, 1, 2, 3]])
        tops = np.c_[first + np.array([[3, 2, 4]]), np.full(7, -1)]
        faces.append(np.concatenate([quads, tops]))
        uv.append(np.repeat(rng.uniform(0, 1, (14, 1, 2)), 4, 1))
    return solid(np.concatenate(verts).reshape(-1, 3), np.concatenate(faces), np.concatenate(uv))


def rock(rng: Rng, size: float) -> Solid:
    """A boulder sunk a little into the ground."""
    sides = size * rng.uniform(0.6, 1.2, 3) * (1, 1, 0.75)
    return moved(lump(rng, sides, 0.28, 3, 18), (0, 0, sides[2] * 0.3), rng.uniform(0, 6))


def swayed(mesh: Solid, rng: Rng, frames: int, fps: float, amount: float) -> Floats:
    """Vertices ``(T, V, 3)`` of a plant in the wind: the higher the farther, leaves flutter."""
    t = np.arange(frames)[:, None] / fps
    height = np.maximum(mesh.verts[:, 2], 0)
    bend = amount * (height / max(height.max(), 1e-6)) ** 1.5
    loose = np.zeros(len(mesh.verts))
    loose[np.unique(mesh.faces[mesh.slot == 0])] = 1
    heading = rng.uniform(0, 2 * np.pi)
    beat = np.sin(2 * np.pi * rng.uniform(0.35, 0.7) * t + rng.uniform(0, 6)) + 0.5
    phase = mesh.verts @ rng.normal(0, 2.5, 3)
    flutter = 0.25 * amount * np.sin(2 * np.pi * 1.7 * t + phase) * loose
    move = bend * beat + flutter  # T V
    way = np.array([np.cos(heading), np.sin(heading), 0])
    out = mesh.verts + move[..., None] * way
    out[..., 2] -= 0.15 * np.abs(move)
    return out
