"""Skeletons, forward and inverse kinematics, and skinning, in numpy.

A pose is the place of every bone's head ``(T, B, 3)`` and its rotation from the rest pose
``(T, B, 3, 3)``, both in the world.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Bones at rest: parents come before children; the root's parent is -1.

    Attributes
    ----------
    names, parents
        One a bone, B of each.
    head, tail
        ``(B, 3)`` in metres.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    head: Floats
    tail: Floats

    def __getitem__(self, name: str) -> int:
        """A bone's number."""
        return self.names.index(name)

    def length(self, name: str) -> float:
        """A bone's length."""
        return float(np.linalg.norm(self.tail[self[name]] - self.head[self[name]]))

    def along(self, name: str) -> Floats:
        """A bone's direction at rest ``(3,)``."""
        way = self.tail[self[name]] - self.head[self[name]]
        return way / np.linalg.norm(way)


@dataclass(frozen=True, eq=False)
class Motion:
    """Poses over time: heads ``(T, B, 3)`` and rotations from rest ``(T, B, 3, 3)``."""

    heads: Floats
    turns: Floats

    def ends(self, skeleton: Skeleton) -> Floats:
        """Where the bones end ``(T, B, 3)``."""
        way = skeleton.tail - skeleton.head
        return self.heads + np.einsum("tbij,bj->tbi", self.turns, way)


def skeleton(bones: Sequence[tuple[str, str | None, ArrayLike, ArrayLike]]) -> Skeleton:
    """A skeleton from (name, parent's name, head, tail)."""
    names = tuple(bone[0] for bone in bones)
    parents = tuple(-1 if bone[1] is None else names.index(bone[1]) for bone in bones)
    head, tail = (np.array([bone[k] for bone in bones], float) for k in (2, 3))
    return Skeleton(names, parents, head, tail)


def forward(rig: Skeleton, root: Floats, turns: Floats) -> Motion:
    """Forward kinematics from the root's place ``(T, 3)`` and all bones' world rotations."""
    heads = np.zeros((len(root), len(rig.names), 3))
    for b, parent in enumerate(rig.parents):
        if parent < 0:
            heads[:, b] = root
        else:
            way = rig.head[b] - rig.head[parent]
            heads[:, b] = heads[:, parent] + turns[:, parent] @ way
    return Motion(heads, turns)


def unit(vectors: Floats) -> Floats:
    """Vectors ``(..., 3)`` of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def basis(along: Floats, pole: Floats) -> Floats:
    """Frames ``(..., 3, 3)`` whose y axis is `along` and whose z axis leans to `pole`."""
    y = unit(along)
    x = unit(np.cross(y, pole))
    return np.stack([x, y, np.cross(x, y)], -1)


def aim(rest: Floats, rest_pole: Floats, along: Floats, pole: Floats) -> Floats:
    """Rotations ``(T, 3, 3)`` that take a rest direction to `along`, its pole towards `pole`."""
    return basis(along, pole) @ np.swapaxes(basis(rest, rest_pole), -1, -2)


def bend(start: Floats, goal: Floats, first: float, second: float, pole: Floats) -> Floats:
    """The middle joint ``(T, 3)`` of two bones from `start` to `goal`, bent towards `pole`.

    A goal out of reach is approached with a stretched limb.
    """
    way = goal - start
    far = np.linalg.norm(way, axis=-1, keepdims=True)
    reach = np.clip(far, abs(first - second) + 1e-4, (first + second) * 0.9995)
    ahead = way / np.maximum(far, 1e-9)
    along = (first**2 - second**2 + reach**2) / (2 * reach)
    aside = pole - ahead * (pole * ahead).sum(-1, keepdims=True)
    return start + ahead * along + unit(aside) * np.sqrt(np.maximum(first**2 - along**2, 0))


def rotation(axis: int, angle: ArrayLike) -> Floats:
    """Rotations ``(T, 3, 3)`` about x (0), y (1) or z (2) by angles ``(T,)``."""
    a = np.asarray(angle, float)
    out = np.broadcast_to(np.eye(3), (*a.shape, 3, 3)).copy()
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[..., i, i], out[..., i, j] = np.cos(a), -np.sin(a)
    out[..., j, i], out[..., j, j] = np.sin(a), np.cos(a)
    return out


def bone_weights(rig: Skeleton, verts: Floats, bones: Ints, quads: Ints, smooth: int = 5) -> Floats:
    """Skin weights ``(V, B)``: of a vertex's own bone, its parent and children, by distance.

    Parameters
    ----------
    bones
        ``(V,)`` the bone whose limb a vertex lies on.
    smooth
        How often the weights are averaged with the neighbours'.
    """
    count = len(rig.names)
    near = np.eye(count, dtype=bool)
    for b, parent in enumerate(rig.parents):
        if parent >= 0:
            near[b, parent] = near[parent, b] = True
    distance = np.stack(
        [_to_segment(verts, a, b) for a, b in zip(rig.head, rig.tail, strict=True)], 1
    )
    weight = np.where(near[bones], 1 / np.maximum(distance, 0.008) ** 4, 0)
    weight /= weight.sum(1, keepdims=True)
    edges = np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)])
    degree = np.bincount(edges.ravel(), minlength=len(verts))[:, None]
    for _ in range(smooth):
        total = np.zeros_like(weight)
        np.add.at(total, edges[:, 0], weight[edges[:, 1]])
        np.add.at(total, edges[:, 1], weight[edges[:, 0]])
        weight = 0.4 * weight + 0.6 * total / np.maximum(degree, 1)
    return weight / weight.sum(1, keepdims=True)


def _to_segment(points: Floats, a: Floats, b: Floats) -> Floats:
    axis = b - a
    share = np.clip((points - a) @ axis / max(float(axis @ axis), 1e-12), 0, 1)
    return np.linalg.norm(points - a - share[:, None] * axis, axis=1)


def skin(rig: Skeleton, verts: Floats, weights: Floats, motion: Motion) -> Floats:
    """Linear blend skinning: the vertices ``(T, V, 3)`` in every pose."""
    out = np.zeros((len(motion.heads), len(verts), 3))
    for b in range(len(rig.names)):
        moved = np.flatnonzero(weights[:, b] > 1e-4)
        if len(moved) == 0:
            continue
        local = (verts[moved] - rig.head[b]).T
        place = np.swapaxes(motion.turns[:, b] @ local, 1, 2) + motion.heads[:, b, None]
        out[:, moved] += weights[moved, b, None] * place
    kept = np.where(weights > 1e-4, weights, 0).sum(1)
    return out / kept[:, None]
