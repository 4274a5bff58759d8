"""Furs and skins in numpy: tileable pictures for people and animals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.paint import SIZE, Picture, Rng, flat, mixed, noise

Colour = NDArray[np.floating]
FURS = np.array(
    [
        [0.55, 0.36, 0.2],
        [0.24, 0.16, 0.1],
        [0.76, 0.6, 0.4],
        [0.85, 0.8, 0.72],
        [0.12, 0.11, 0.11],
        [0.62, 0.33, 0.14],
        [0.5, 0.48, 0.45],
    ]
)
SKINS = np.array(
    [
        [0.87, 0.68, 0.56],
        [0.8, 0.6, 0.46],
        [0.66, 0.46, 0.33],
        [0.5, 0.33, 0.23],
        [0.43, 0.29, 0.21],
        [0.92, 0.75, 0.66],
    ]
)
HAIRS = np.array(
    [
        [0.1, 0.07, 0.05],
        [0.25, 0.16, 0.09],
        [0.45, 0.3, 0.15],
        [0.78, 0.62, 0.36],
        [0.55, 0.53, 0.5],
        [0.5, 0.2, 0.1],
    ]
)


def hairs(rng: Rng, image: Picture, strength: float = 0.14) -> Picture:
    """Strands over a picture."""
    strands = noise(rng, SIZE, 26, 0.5, 0.3).T * 0.7 + noise(rng, SIZE, 60, 0.4) * 0.5
    return np.clip(image * (1 + strength * strands[..., None]), 0.01, 1).astype(np.float32)


def fur(rng: Rng, kind: str, base: Colour) -> Picture:
    """A coat; the picture is as wide as the animal is tall.

    Raises
    ------
    KeyError
        When there is no such kind of coat.
    """
    dark, pale = base * rng.uniform(0.12, 0.35), np.clip(base * 0.5 + 0.5, 0, 1)
    return hairs(rng, _PATTERNS[kind](rng, base, dark, pale))


def _plain(rng: Rng, base: Colour, dark: Colour, pale: Colour) -> Picture:
    return mixed(base * 0.75, base * 1.15, 0.5 + 0.3 * noise(rng, SIZE, 3, 1.0))


def _patches(rng: Rng, base: Colour, dark: Colour, pale: Colour) -> Picture:
    edge = noise(rng, SIZE, 3, 1.6) * 8 + 0.4 * noise(rng, SIZE, 30)
    ground = np.array([0.9, 0.87, 0.82])
    return mixed(ground, base * rng.choice([1.0, 0.35]), edge)


def _saddle(rng: Rng, base: Colour, dark: Colour, pale: Colour) -> Picture:
    return mixed(base, dark, 0.4 + 0.6 * noise(rng, SIZE, 3, 1.2))


def _spots(rng: Rng, count: int, radius: float) -> tuple[Picture, Picture]:
    """Distance to the nearest of scattered centres in units of a radius, and their angle."""
    centres = rng.uniform(0, SIZE, (count, 2))
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    best, angle = np.full((SIZE, SIZE), 1e9, np.float32), np.zeros((SIZE, SIZE), np.float32)
    for a, b in centres:
        dx = (x - a + SIZE / 2) % SIZE - SIZE / 2
        dy = (y - b + SIZE / 2) % SIZE - SIZE / 2
        d = np.hypot(dx, dy) / (radius * rng.uniform(0.6, 1.25))
        angle = np.where(d < best, np.arctan2(dy, dx) + a, angle)
        best = np.minimum(best, d)
    return best + 0.18 * noise(rng, SIZE, 14, 1.0), angle


def _dots(rng: Rng, base: Colour, dark: Colour, pale: Colour) -> Picture:
    distance, _ = _spots(rng, 90, 15)
    ground, ink = (base, np.array([0.92, 0.88, 0.8])) if rng.random() < 0.5 else (pale, dark)
    return mixed(ground, ink, (1 - distance) * 5)


def _rosettes(rng: Rng, base: Colour, dark: Colour, pale: Colour) -> Picture:
    distance, angle = _spots(rng, 75, 27)
    ring = (1 - np.abs(distance - 0.75) * 3.4) * (np.sin(3 * angle) > -0.75) * 4
    ground = np.array([0.8, 0.58, 0.3])
    image = mixed(ground, ground * 0.72, (0.75 - distance) * 4)
    return mixed(image, np.array([0.1, 0.07, 0.05]), ring)


def _stripes(rng: Rng, base: Colour, dark: Colour, pale: Colour) -> Picture:
    x = np.arange(SIZE)[None] / SIZE
    bend = noise(rng, SIZE, 3, 1.3) * 0.5 + noise(rng, SIZE, 8, 1.2) * 0.15
    wave = np.sin(2 * np.pi * 7 * x + 1.6 * bend)
    zebra = rng.random() < 0.5
    ground = np.array([0.93, 0.91, 0.87]) if zebra else np.array([0.82, 0.48, 0.18])
    return mixed(ground, np.array([0.08, 0.07, 0.06]), (wave - (0.0 if zebra else 0.35)) * 4)


def _tabby(rng: Rng, base: Colour, dark: Colour, pale: Colour) -> Picture:
    x = np.arange(SIZE)[None] / SIZE
    wave = np.sin(2 * np.pi * 8 * x + 1.5 * noise(rng, SIZE, 5, 1.0))
    return mixed(base * 1.1, dark, 0.45 * (wave + 0.4 * noise(rng, SIZE, 20)))


def _wool(rng: Rng, base: Colour, dark: Colour, pale: Colour) -> Picture:
    distance, _ = _spots(rng, 160, 24)
    ground = np.array([0.88, 0.85, 0.77]) * rng.choice([1.0, 1.0, 0.3])
    return mixed(ground, ground * 0.55, distance - 0.4)


_PATTERNS = {
    "plain": _plain,
    "patches": _patches,
    "saddle": _saddle,
    "dots": _dots,
    "rosettes": _rosettes,
    "stripes": _stripes,
    "tabby": _tabby,
    "wool": _wool,
}


def skin_tone(rng: Rng) -> tuple[Picture, NDArray[np.float64]]:
    """A person's skin, slightly blotched, and its mean colour (3,)."""
    tone = SKINS[rng.integers(len(SKINS))] * rng.uniform(0.93, 1.05)
    field = 0.05 * noise(rng, SIZE, 12, 0.6) + 0.03 * noise(rng, SIZE, 70, 0.3)
    return np.clip(flat(tone) * (1 + field[..., None]), 0, 1).astype(np.float32), tone


def denim(rng: Rng, base: Colour) -> Picture:
    """Woven cloth of one colour, worn in places, with seams and pockets' stitching."""
    field = 0.1 * noise(rng, SIZE, 4, 1.0) + 0.13 * noise(rng, SIZE, 90, 0.2, 0.5)
    image = flat(base) * (1 + field[..., None])
    image[:, 40:43] *= 0.7
    image[200:203] *= 0.75
    return np.clip(image, 0.01, 1).astype(np.float32)
