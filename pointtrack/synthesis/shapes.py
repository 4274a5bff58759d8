"""Outlines of things: how much of each texel a shape covers.

A mask is ``(S, S)`` float32 in [0, 1], nothing at the border. Shapes are given as functions
that are positive inside; dividing by their slope makes every edge one texel wide.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pointtrack.synthesis.motion import Array
from pointtrack.synthesis.textures import plane, spectral_noise

Maker = Callable[[np.random.Generator, int, torch.device], Tensor]
_REACH = 0.92  # shapes stay within this radius


def coverage(inside: Tensor) -> Tensor:
    """A function that is positive inside, sampled at texels, as a mask with soft edges."""
    down, across = torch.gradient(inside)
    slope = (down**2 + across**2).sqrt().clamp(min=1e-6)
    mask = (0.5 + inside / slope).clamp(0, 1)
    mask[[0, -1]] = 0
    mask[:, [0, -1]] = 0
    return mask


def _radial(table: Array, size: int, device: torch.device) -> Tensor:
    """Positive within a radius that depends on the direction: `table` goes round once."""
    x, y = plane(size, device)
    radius = (x * x + y * y).sqrt()
    place = (torch.atan2(y, x) / (2 * np.pi) + 0.5) * len(table)
    first = place.floor()
    values = torch.from_numpy(np.append(table, table[:2]).astype(np.float32)).to(device)
    index = first.long()
    return torch.lerp(values[index], values[index + 1], place - first) - radius


_ROUND = np.linspace(0, 2 * np.pi, 512, endpoint=False)


def blob(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    order = np.arange(1, 7)[:, None]
    height = rng.normal(0, 0.35, (6, 1)) / order
    table = 1 + (height * np.sin(order * _ROUND + rng.uniform(0, 6.3, (6, 1)))).sum(axis=0)
    table = np.maximum(table, 0.25)
    return _radial(_REACH * table / table.max(), size, device)


def polygon(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    count = int(rng.integers(3, 8))
    gap = rng.uniform(0.6, 1.4, count)
    angle = np.cumsum(gap / gap.sum()) * 2 * np.pi
    radius = _REACH * rng.uniform(0.55, 1, count)
    return _radial(_corners(angle, radius, rng.uniform(0, 6.3)), size, device)


def star(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    points = int(rng.integers(4, 9))
    angle = np.arange(1, 2 * points + 1) * np.pi / points
    radius = _REACH * np.where(np.arange(2 * points) % 2, rng.uniform(0.35, 0.7), 1)
    return _radial(_corners(angle, radius, rng.uniform(0, 6.3)), size, device)


def _corners(angle: Array, radius: Array, turn: float) -> Array:
    """The radius all round of a polygon about the origin, corners at angles up to 2 pi."""
    after = np.searchsorted(angle, _ROUND, side="right") % len(angle)
    before = after - 1
    one, two = radius[before], radius[after]
    to_one = (_ROUND - angle[before]) % (2 * np.pi)
    to_two = (angle[after] - _ROUND) % (2 * np.pi)
    table = one * two * np.sin(to_one + to_two)
    table /= np.maximum(one * np.sin(to_one) + two * np.sin(to_two), 1e-6)
    return np.roll(table, int(turn / (2 * np.pi) * len(table)))


def slab(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    """A rectangle with round corners, up to an ellipse."""
    x, y = plane(size, device)
    power = float(rng.choice([2, 4, 12]))
    flat = rng.uniform(0.35, 1)
    reach = _REACH * (0.8 if power > 2 else 1)
    return 1 - ((x / reach).abs() ** power + (y / (reach * flat)).abs() ** power)


def ragged(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    """Islands of noise: foliage, rags, clouds of dirt."""
    x, y = plane(size, device)
    noise = spectral_noise(rng, size, device, rng.uniform(1.5, 2.2))
    return 0.35 * noise + 0.75 - (x * x + y * y) / _REACH**2


def pierced(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    """A shape with holes."""
    makers = (blob, polygon, slab)
    inside = makers[rng.integers(len(makers))](rng, size, device)
    x, y = plane(size, device)
    for _ in range(int(rng.integers(1, 5))):
        cx, cy = rng.uniform(-0.5, 0.5, 2)
        hole = ((x - cx) ** 2 + (y - cy) ** 2).sqrt() - rng.uniform(0.1, 0.3)
        inside = torch.minimum(inside, hole)
    return inside


# -- thin things: widths are in texels, which are about a pixel -----------------------------


def stick(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    end = rng.uniform(0.75, 0.9) * np.array([[-1.0, rng.normal(0, 0.1)], [1, rng.normal(0, 0.1)]])
    return _lines(end[None], _width(rng, size), size, device)


def ring(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    x, y = plane(size, device)
    flat = rng.uniform(0.5, 1)
    radius = (x * x + (y / flat) ** 2).sqrt()
    return _width(rng, size) - (radius - rng.uniform(0.6, 0.85)).abs() * flat


def string(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    x = np.linspace(-0.85, 0.85, 25)
    order = np.arange(1, 4)[:, None]
    height = rng.normal(0, 0.35, (3, 1)) / order
    y = (height * np.sin(order * 2.5 * x + rng.uniform(0, 6.3, (3, 1)))).sum(axis=0)
    bends = np.stack([x, np.clip(y, -0.85, 0.85)], axis=1)
    return _lines(np.stack([bends[:-1], bends[1:]], axis=1), _width(rng, size), size, device)


def branches(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    """A bare tree."""
    segments = []
    front = [(np.array([0.0, 0.85]), -np.pi / 2, rng.uniform(0.5, 0.7))]
    for _ in range(4):
        grown = []
        for start, angle, length in front:
            end = start + length * np.array([np.cos(angle), np.sin(angle)])
            end = np.clip(end, -0.88, 0.88)
            segments.append([start, end])
            grown += [
                (end, angle + rng.normal(turn, 0.25), length * rng.uniform(0.55, 0.8))
                for turn in (-0.55, 0.55)
            ]
        front = grown
    return _lines(np.array(segments), _width(rng, size), size, device)


def fence(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    """Bars or a wire net."""
    x, y = plane(size, device)
    number = rng.uniform(2, 6)
    heading = float(rng.choice([0, np.pi / 4]))
    p = (np.cos(heading) * x + np.sin(heading) * y) * number
    q = (np.cos(heading) * y - np.sin(heading) * x) * number
    wall = (p - p.round()).abs()
    if rng.random() < 0.6:
        wall = torch.minimum(wall, (q - q.round()).abs())
    bars = rng.uniform(1, 2.5) * _width(rng, size) - wall / number
    return torch.minimum(bars, _REACH - torch.maximum(x.abs(), y.abs()))


def _width(rng: np.random.Generator, size: int) -> float:
    """Half the width of a thin thing of 2 to 5 texels."""
    return float(rng.uniform(2, 5)) / size


def _lines(segments: Array, width: float, size: int, device: torch.device) -> Tensor:
    """Positive within ``width`` of any segment; ``(K, 2, 2)``."""
    x, y = plane(size, device)
    nearest = torch.full((size, size), 9.0, device=device)
    for (x0, y0), (x1, y1) in segments.tolist():
        dx, dy = x1 - x0, y1 - y0
        along = ((x - x0) * dx + (y - y0) * dy) / max(dx * dx + dy * dy, 1e-9)
        along = along.clamp(0, 1)
        distance = (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2
        nearest = torch.minimum(nearest, distance)
    return width - nearest.sqrt()


def limb(rng: np.random.Generator, size: int, device: torch.device) -> Tensor:
    """An arm or leg along x, held at (-0.8, 0)."""
    x, y = plane(size, device)
    thick = rng.uniform(0.12, 0.24) * (1 - rng.uniform(0, 0.3) * x)
    return thick - ((x - x.clamp(-0.72, 0.72)) ** 2 + y**2).sqrt()


SOLID: tuple[Maker, ...] = (blob, polygon, star, slab, ragged, pierced)
THIN: tuple[Maker, ...] = (stick, ring, string, branches, fence)
NEAR: tuple[Maker, ...] = (ragged, pierced, fence, branches, string)
