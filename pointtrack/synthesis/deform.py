"""Bending layers: displacement fields on a lattice, and their exact inverse.

A layer bends by ``u = v + d(v)``: `v` are the coordinates of its plane in [-1, 1], `u` those
of its texture. Rendering asks for `u` and is direct; following a point asks for `v` and
solves. `d` is *defined* as the bilinear interpolation of its lattice, constant beyond it, so
what is drawn and what is solved are the same function. Its slope is kept below one, which
makes the map one-to-one everywhere.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from pointtrack.synthesis.motion import Array, swinging

NODES = 25  # a side of the lattice
STEEPEST = 0.5  # bound on the slope of a field, far from the 1 where it would fold

_CONTROL = 4  # control points a side of a thin-plate spline


def random_field(rng: np.random.Generator, times: Array, strength: float) -> Array:
    """A displacement field at times ``(M,)``: ``(M, 2, NODES, NODES)``, channels (x, y)."""
    kinds = [_thin_plate, _wave, _bend, _twist]
    chosen = rng.choice(len(kinds), size=int(rng.integers(1, 3)), replace=False)
    field = np.sum([kinds[i](rng, times) for i in chosen], axis=0)
    slope = steepness(field)
    limit = STEEPEST * min(1.0, strength)
    return field if slope <= limit else field * (limit / slope)


def steepness(field: Array) -> float:
    """An upper bound on the Lipschitz constant of a field, over all times."""
    spacing = 2 / (field.shape[-1] - 1)
    across = np.sqrt((np.diff(field, axis=3) ** 2).sum(axis=1)).max() / spacing
    down = np.sqrt((np.diff(field, axis=2) ** 2).sum(axis=1)).max() / spacing
    return float(np.hypot(across, down))


def _nodes() -> tuple[Array, Array]:
    line = np.linspace(-1, 1, NODES)
    y, x = np.meshgrid(line, line, indexing="ij")
    return x, y


@lru_cache(maxsize=1)
def _spline_matrix() -> Array:
    """Values at the control points to values at the nodes: ``(NODES^2, _CONTROL^2)``."""
    line = np.linspace(-0.9, 0.9, _CONTROL)
    control = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    count = len(control)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(control, control)
    system[:count, count:] = np.column_stack([np.ones(count), control])
    system[count:, :count] = system[:count, count:].T
    nodes = np.stack(_nodes(), axis=-1).reshape(-1, 2)
    basis = np.column_stack([_kernel(nodes, control), np.ones(len(nodes)), nodes])
    return basis @ np.linalg.inv(system)[:, :count]


def _kernel(a: Array, b: Array) -> Array:
    squared = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    return squared * np.log(np.maximum(squared, 1e-12))


def _thin_plate(rng: np.random.Generator, times: Array) -> Array:
    count = _CONTROL**2
    curve = swinging(rng, np.zeros(2 * count), 0.25, 0.05, (16, 60))
    offsets = curve.at(times).reshape(len(times), 2, count)
    return (offsets @ _spline_matrix().T).reshape(len(times), 2, NODES, NODES)


def _wave(rng: np.random.Generator, times: Array) -> Array:
    """A wave that travels along one direction and shakes across it, as in a flag."""
    x, y = _nodes()
    heading = rng.uniform(0, 2 * np.pi)
    along = np.cos(heading) * x + np.sin(heading) * y
    number = rng.uniform(1.5, 5)
    angle = number * along - times[:, None, None] * rng.uniform(0.08, 0.4) + rng.uniform(0, 6)
    height = 0.5 / number * np.sin(angle)
    return np.stack([-np.sin(heading) * height, np.cos(heading) * height], axis=1)


def _bend(rng: np.random.Generator, times: Array) -> Array:
    x, y = _nodes()
    amount = swinging(rng, np.zeros(2), 0.5, 0.08, (12, 50)).at(times)  # M 2
    return amount[:, :, None, None] * np.stack([y**2, x**2])


def _twist(rng: np.random.Generator, times: Array) -> Array:
    x, y = _nodes()
    angle = swinging(rng, np.zeros(1), 0.7, 0.1, (12, 50)).at(times)[:, :, None]
    turn = angle * np.exp(-2 * (x**2 + y**2))  # M NODES NODES
    return np.stack(
        [x * np.cos(turn) - y * np.sin(turn) - x, x * np.sin(turn) + y * np.cos(turn) - y], axis=1
    )


class Field:
    """A displacement field over M moments, for points.

    Parameters
    ----------
    lattice
        ``(M, 2, G, G)`` float64.
    """

    def __init__(self, lattice: Tensor):
        slopes = torch.gradient(lattice, spacing=2 / (lattice.shape[-1] - 1), dim=(2, 3))
        joined = torch.cat([lattice, slopes[1], slopes[0]], dim=1)  # M 6 G G
        self._side = lattice.shape[-1]
        self._rows = joined.permute(0, 2, 3, 1).reshape(-1, 6).contiguous()

    def __call__(self, moment: Tensor, v: Tensor) -> Tensor:
        """Displacements ``(P, 2)`` at points ``v`` (P, 2) of moments (P,)."""
        return self._sample(moment, v)[:, :2]

    def invert(self, moment: Tensor, u: Tensor, tolerance: float = 1e-10) -> Tensor:
        """Solve ``v + d(v) = u`` for `v`: ``(P, 2)``.

        Newton's method with slopes averaged over lattice cells, which do not jump; where that
        has not converged, fixed-point steps, which must, as the slope is below one.
        """
        v = u - self(moment, u)
        for step in range(60):
            sample = self._sample(moment, v)
            error = v + sample[:, :2] - u
            if not (error.abs() >= tolerance).any():
                break
            v = v - (_solve(sample[:, 2:], error) if step < 12 else error)
        return v

    def _sample(self, moment: Tensor, v: Tensor) -> Tensor:
        side = self._side
        place = ((v + 1) * ((side - 1) / 2)).clamp(0, side - 1)
        corner = place.floor().clamp(max=side - 2)
        part = place - corner
        x, y = part[:, :1], part[:, 1:]
        column, row = corner.long().unbind(1)
        first = (moment * side + row) * side + column
        top = self._rows[first] * (1 - x) + self._rows[first + 1] * x
        bottom = self._rows[first + side] * (1 - x) + self._rows[first + side + 1] * x
        return top * (1 - y) + bottom * y


def _solve(slopes: Tensor, error: Tensor) -> Tensor:
    """``(I + slopes)^-1 error``; slopes (P, 4) are dx/dx, dy/dx, dx/dy, dy/dy."""
    a, c, b, d = (slopes[:, i] for i in range(4))
    a, d = a + 1, d + 1
    x, y = error[:, 0], error[:, 1]
    return torch.stack([d * x - b * y, a * y - c * x], dim=1) / (a * d - b * c)[:, None]
