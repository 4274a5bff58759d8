"""Closed smooth bodies from limbs: round cones blended together and meshed by surface nets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Limb:
    """A cone with round ends that belongs to a bone.

    Attributes
    ----------
    bone
        The bone that moves it.
    a, b
        Ends of its axis ``(x, y, z)``, with radii `ra` and `rb`, in metres.
    stretch
        Factors on the radii along x, y and z; 1 is round.
    """

    bone: str
    a: tuple[float, float, float]
    b: tuple[float, float, float]
    ra: float
    rb: float
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def distance(self, points: Floats) -> Floats:
        """Signed distance ``(N,)`` of points ``(N, 3)``, below 0 inside; inexact if stretched."""
        scale = np.array(self.stretch)
        p, a, b = points / scale, np.array(self.a) / scale, np.array(self.b) / scale
        axis = b - a
        along = np.clip((p - a) @ axis / max(float(axis @ axis), 1e-12), 0, 1)
        radius = self.ra + (self.rb - self.ra) * along
        return (np.linalg.norm(p - a - along[:, None] * axis, axis=1) - radius) * scale.min()

    def moved(self, bone: str, shift: Floats) -> Limb:
        """The same limb elsewhere."""
        a, b = np.array(self.a) + shift, np.array(self.b) + shift
        return Limb(bone, tuple(a), tuple(b), self.ra, self.rb, self.stretch)


def blended(limbs: Sequence[Limb], points: Floats, blend: float) -> Floats:
    """Distance ``(N,)`` to the smooth union of limbs."""
    total = np.zeros(len(points))
    least = np.full(len(points), np.inf)
    distances = [limb.distance(points) for limb in limbs]
    for d in distances:
        least = np.minimum(least, d)
    for d in distances:
        total += np.exp(-np.clip((d - least) / blend, 0, 50))
    return least - blend * np.log(total)


def owners(limbs: Sequence[Limb], points: Floats) -> Ints:
    """The nearest limb of each point ``(N,)``."""
    return np.stack([limb.distance(points) for limb in limbs]).argmin(0)


def body(limbs: Sequence[Limb], step: float, blend: float = 0.015) -> tuple[Floats, Ints]:
    """The blended limbs' surface: vertices ``(V, 3)`` and quads ``(F, 4)`` of sides near `step`."""
    ends = np.array([[limb.a, limb.b] for limb in limbs])
    fat = max(max(limb.ra, limb.rb) * max(limb.stretch) for limb in limbs) + 3 * step
    low, high = ends.min((0, 1)) - fat, ends.max((0, 1)) + fat
    counts = np.ceil((high - low) / step).astype(int) + 1
    # The sum of exp(-distance / blend), each limb only near itself: its logarithm is the union.
    total = np.full(counts, np.exp(-40.0))
    for limb in limbs:
        part = _around(limb, low, step, counts)
        axes = [low[k] + step * np.arange(counts[k])[part[k]] for k in range(3)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
        near = limb.distance(points.reshape(-1, 3)).reshape(points.shape[:3])
        total[part] += np.exp(np.clip(-near / blend, -40, 300 / len(limbs) + 40))
    verts, quads = surface_net(-blend * np.log(total))
    verts = low + step * verts
    verts -= _offset(limbs, verts, blend)  # onto the surface proper
    return verts, quads


def _around(limb: Limb, low: Floats, step: float, counts: Ints) -> tuple[slice, ...]:
    """The part of the grid about a limb."""
    fat = max(limb.ra, limb.rb) * np.array(limb.stretch) + 0.04
    ends = np.array([limb.a, limb.b])
    first = np.floor((ends.min(0) - fat - low) / step).astype(int).clip(0)
    last = np.ceil((ends.max(0) + fat - low) / step).astype(int) + 1
    return tuple(slice(i, min(j, n)) for i, j, n in zip(first, last, counts, strict=True))


def _offset(limbs: Sequence[Limb], verts: Floats, blend: float) -> Floats:
    value = blended(limbs, verts, blend)
    h = 1e-3
    slope = np.stack(
        [(blended(limbs, verts + h * e, blend) - value) / h for e in np.eye(3)], axis=1
    )
    length = np.maximum((slope**2).sum(1), 0.05)
    return np.clip(value / length, -0.02, 0.02)[:, None] * slope


def surface_net(field: Floats) -> tuple[Floats, Ints]:
    """The zero surface of a field (X, Y, Z), below 0 inside, in grid units.

    One vertex a cell that the surface crosses, at the mean of its edges' crossings (Gibson,
    1998); a quad about each edge that it crosses, counter-clockwise from outside.
    """
    inside = field < 0
    shape = np.array(field.shape) - 1
    corner = np.array(list(np.ndindex(2, 2, 2)))
    full = np.zeros(tuple(shape), np.int8)
    for i, j, k in corner:
        full += inside[i : i + shape[0], j : j + shape[1], k : k + shape[2]]
    cells = np.argwhere((full > 0) & (full < 8))
    value = field[tuple((cells[:, None] + corner).transpose(2, 0, 1))]  # N 8
    total, count = np.zeros((len(cells), 3)), np.zeros(len(cells))
    for a, start in enumerate(corner):
        for axis in np.flatnonzero(start == 0):
            b = a + (4, 2, 1)[axis]
            f0, f1 = value[:, a], value[:, b]
            crossed = (f0 < 0) != (f1 < 0)
            share = np.where(crossed, f0 / np.where(crossed, f0 - f1, 1), 0)
            total += crossed[:, None] * start + (crossed * share)[:, None] * np.eye(3)[axis]
            count += crossed
    number = np.full(tuple(shape), -1)
    number[tuple(cells.T)] = np.arange(len(cells))
    verts = cells + total / count[:, None]
    quads = []
    for side in range(3):
        u, v = (side + 1) % 3, (side + 2) % 3
        first = np.moveaxis(inside, side, 0)
        at = np.argwhere(np.moveaxis(first[:-1] != first[1:], 0, side))
        starts_inside = inside[tuple(at.T)]
        ring = []
        for du, dv in ((-1, -1), (0, -1), (0, 0), (-1, 0)):
            cell = at.copy()
            cell[:, u] += du
            cell[:, v] += dv
            ring.append(number[tuple(cell.T)])
        quad = np.stack(ring, 1)
        quads.append(np.where(starts_inside[:, None], quad, quad[:, ::-1]))
    return verts, np.concatenate(quads)
