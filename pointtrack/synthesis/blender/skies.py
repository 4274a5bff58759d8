"""Panoramas of the sky in numpy: (H, 2H, 3), top row zenith, bottom row nadir."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.paint import Picture, Rng, colour, mixed, noise


@dataclass(frozen=True, eq=False)
class Sky:
    """A sky with the light that belongs to it.

    Attributes
    ----------
    panorama
        What is seen, and the light from all around.
    sun
        Towards the sun, ``(3,)``; `sun_colour` ``(3,)`` and `sun_power` in W/m².
    """

    kind: str
    panorama: Picture
    sun: NDArray[np.float64]
    sun_colour: tuple[float, float, float]
    sun_power: float
    strength: float


def paint_sky(rng: Rng, ground: NDArray[np.float64]) -> Sky:
    """A clear, cloudy, overcast or evening sky above a ground of a mean colour (3,)."""
    kind = str(rng.choice(["clear", "cloudy", "overcast", "evening"], p=[0.25, 0.35, 0.2, 0.2]))
    zenith, horizon, cloud, sun, power, strength, height = {
        "clear": ((0.22, 0.42, 0.74), (0.72, 0.82, 0.92), 0.15, (1, 0.95, 0.86), 4.0, 0.9, 50),
        "cloudy": ((0.26, 0.45, 0.72), (0.76, 0.83, 0.9), 0.75, (1, 0.95, 0.88), 3.2, 0.95, 45),
        "overcast": ((0.66, 0.7, 0.74), (0.86, 0.88, 0.9), 0.5, (0.95, 0.97, 1), 1.3, 1.35, 60),
        "evening": ((0.25, 0.3, 0.55), (0.95, 0.68, 0.45), 0.5, (1, 0.72, 0.46), 4.2, 1.05, 24),
    }[kind]
    rows = 512
    up = np.sin(np.linspace(np.pi / 2, -np.pi / 2, rows))[:, None, None]
    shade = np.clip(1 - up, 0, 1) ** 2.2
    image = np.array(zenith) * (1 - shade) + np.array(horizon) * shade
    image = np.repeat(image, 2 * rows, 1)
    image = _clouds(rng, image, up, cloud, kind)
    image = _far_land(rng, image, np.array(horizon), ground)
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation = np.radians(height * rng.uniform(0.75, 1.2))
    direction = np.array(
        [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    return Sky(kind, image.astype(np.float32), direction, sun, power, strength)


def paint_studio(rng: Rng) -> Picture:
    """A backdrop of two colours with soft blotches, bright panels above."""
    rows = 256
    low, high = colour(rng, (0.1, 0.8), (0.1, 0.8)), colour(rng, (0.1, 0.7), (0.4, 1.0))
    up = np.repeat(np.linspace(1, 0, rows)[:, None], 2 * rows, 1).astype(np.float32)
    field = cv2.resize(noise(rng, 256, 3, 1.4), (2 * rows, rows))
    image = mixed(low, high, np.clip(0.5 + 1.4 * (up - 0.5), 0, 1) + 0.22 * field)
    for _ in range(int(rng.integers(1, 5))):
        x, y = int(rng.integers(2 * rows)), int(rng.integers(10, 90))
        cv2.rectangle(image, (x, y), (x + int(rng.integers(20, 80)), y + 25), (1.0, 1.0, 1.0), -1)
    return image


def _clouds(
    rng: Rng, image: NDArray[np.float64], up: NDArray[np.float64], cover: float, kind: str
) -> NDArray[np.float64]:
    """Clouds on a plane above, so that they shrink towards the horizon."""
    rows = len(image)
    field = noise(rng, 512, 5, 1.0, 1.3)
    lon = np.linspace(-np.pi, np.pi, 2 * rows)[None]
    lift = np.maximum(up[:, :, 0], 0.03)
    reach = np.sqrt(np.maximum(1 - lift**2, 0)) / lift * 60
    x, y = reach * np.cos(lon), reach * np.sin(lon)
    mapped = cv2.remap(
        field, (x % 511).astype(np.float32), (y % 511).astype(np.float32), cv2.INTER_LINEAR
    )
    threshold = 1.2 - 1.5 * cover
    density = np.clip((mapped - threshold) / 1.1, 0, 1) * np.clip(up[:, :, 0] * 6, 0, 1)
    white = np.array([1.0, 0.98, 0.96]) if kind != "evening" else np.array([1.0, 0.75, 0.62])
    grey = white * (0.9 - 0.25 * np.clip((mapped - threshold - 0.6) / 2, 0, 1))[..., None]
    return image * (1 - 0.9 * density[..., None]) + grey * 0.9 * density[..., None]


def _far_land(
    rng: Rng,
    image: NDArray[np.float64],
    horizon: NDArray[np.float64],
    ground: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Ridges of hills or woods fading into the haze, and the ground below the horizon."""
    rows, columns = image.shape[:2]
    lat = np.linspace(np.pi / 2, -np.pi / 2, rows)[:, None]
    far = np.array(colorsys.hsv_to_rgb(rng.uniform(0.25, 0.6), 0.3, 0.4))
    for k, (height, haze) in enumerate(((0.11, 0.7), (0.07, 0.5), (0.045, 0.25))):
        line = noise(rng, columns, 6 + 10 * k, 0.6)[0]
        ridge = height * (0.55 + 0.3 * line) * rng.uniform(0.5, 1.4)
        tone = far * (1 - haze) + horizon * haze
        texture = 1 + 0.08 * noise(rng, columns, 60, 0.5)[:rows]
        image = np.where((lat < ridge)[..., None], tone * texture[..., None], image)
    return np.where((lat < -0.005)[..., None], 0.8 * ground + 0.2 * horizon, image)
