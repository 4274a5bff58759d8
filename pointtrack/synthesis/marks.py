"""Textures that are drawn: overlapping leaves, invented writing, strokes and scratches.

OpenCV draws on the CPU; the result goes to the device.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.synthesis.colours import Palette

_SHIFT = 4  # OpenCV's fixed-point bits, for positions finer than a pixel


def leaves(rng: np.random.Generator, size: int, palette: Palette, device: torch.device) -> Tensor:
    """Things of all sizes that cover each other: the statistics of photographs."""
    canvas = _filled(size, palette[0])
    count = int(rng.integers(60, 400))
    radius = size * np.clip(0.02 * rng.pareto(1.4, count) + 0.015, 0, 0.25)
    radius = np.sort(radius)[::-1] if rng.random() < 0.5 else radius
    centre = rng.uniform(0, size, (count, 2))
    ratio, angle = rng.uniform(0.25, 1, count), rng.uniform(0, np.pi, count)
    colour = _colours(rng, palette, count)
    corners = int(rng.choice([3, 4, 4, 12]))
    ring = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    axes = radius[:, None] * np.stack([np.ones(count), ratio], axis=1)  # count 2
    local = np.stack([np.cos(ring), np.sin(ring)], axis=1)[None] * axes[:, None]
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x = centre[:, :1] + local[..., 0] * cos - local[..., 1] * sin
    y = centre[:, 1:] + local[..., 0] * sin + local[..., 1] * cos
    outlines = _fixed(np.stack([x, y], axis=2))
    for i in range(count):
        cv2.fillConvexPoly(canvas, outlines[i], colour[i], cv2.LINE_AA, _SHIFT)
    return _tensor(canvas, device)


def glyphs(rng: np.random.Generator, size: int, palette: Palette, device: torch.device) -> Tensor:
    """Lines of writing in an alphabet that does not exist: posters, packs, screens."""
    canvas = _filled(size, palette[-1])
    alphabet = [_letter(rng) for _ in range(12)]
    y = float(rng.uniform(0, 6))
    while y < size:
        height = float(rng.uniform(7, max(9, size / 6)))
        colour = _colour(palette[int(rng.integers(0, len(palette) - 1))])
        if rng.random() < 0.2:  # a bar or picture between the lines
            edge = np.sort(rng.uniform(0, size, 2)).astype(int)
            cv2.rectangle(canvas, (edge[0], int(y)), (edge[1], int(y + height)), colour, -1)
            y += height * 1.3
            continue
        x = float(rng.uniform(0, 12))
        width = max(1, round(height / 9))
        stop = rng.uniform(0.5, 1) * size
        while x < stop:
            if rng.random() > 0.17:
                for line in alphabet[int(rng.integers(len(alphabet)))]:
                    place = _fixed(line * (height * 0.6, height) + (x, y))
                    cv2.polylines(canvas, [place], False, colour, width, cv2.LINE_AA, _SHIFT)
            x += height * 0.85
        y += height * 1.6
    return _tensor(canvas, device)


def strokes(rng: np.random.Generator, size: int, palette: Palette, device: torch.device) -> Tensor:
    """Many strokes roughly one way: grass, hair, brush work, scratches."""
    canvas = _filled(size, palette[int(rng.integers(len(palette)))])
    count = int(rng.integers(80, 500))
    heading = rng.uniform(0, np.pi) + rng.normal(0, rng.choice([0.1, 0.4, 3]), count)
    length = size * rng.uniform(0.03, 0.25) * rng.uniform(0.5, 1.5, count)
    start = rng.uniform(-0.1 * size, 1.1 * size, (count, 2))
    step = length[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    bow = rng.normal(0, 0.12, (count, 1)) * step[:, ::-1] * (1, -1)
    lines = _fixed(np.stack([start, start + step / 2 + bow, start + step], axis=1))
    colour = _colours(rng, palette, count)
    width = rng.integers(1, max(2, size // 60) + 1, count)
    for i in range(count):
        cv2.polylines(canvas, [lines[i]], False, colour[i], int(width[i]), cv2.LINE_AA, _SHIFT)
    return _tensor(canvas, device)


def _letter(rng: np.random.Generator) -> list[NDArray[np.float64]]:
    """One to three strokes between the places of a 3 x 4 lattice, in [0, 1]^2."""
    return [
        np.stack([rng.integers(0, 3, count) / 2, rng.integers(0, 4, count) / 3], axis=1)
        for count in rng.integers(2, 5, int(rng.integers(1, 4)))
    ]


def _filled(size: int, colour: NDArray[np.float32]) -> NDArray[np.uint8]:
    canvas = np.empty((size, size, 3), np.uint8)
    canvas[:] = (colour * 255).astype(np.uint8)
    return canvas


def _colour(colour: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple((colour * 255).astype(float).tolist())


def _colours(rng: np.random.Generator, palette: Palette, count: int) -> list[tuple[float, ...]]:
    """Random mixtures of a palette's colours, a little lighter or darker each."""
    first, second = palette[rng.integers(0, len(palette), (2, count))]
    part = rng.random((count, 1))
    mixed = (first + (second - first) * part) * rng.uniform(0.75, 1.2, (count, 1))
    return [tuple(row) for row in np.clip(mixed * 255, 0, 255).tolist()]


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


def _tensor(canvas: NDArray[np.uint8], device: torch.device) -> Tensor:
    image = torch.from_numpy(canvas).to(device).permute(2, 0, 1)
    return image.contiguous().float() / 255
