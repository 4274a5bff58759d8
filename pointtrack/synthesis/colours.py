"""Palettes, and colouring by them."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Palette = NDArray[np.float32]  # K 3, in [0, 1]

_HUES = ((0.08, 0.04), (0.27, 0.05), (0.58, 0.05), (0.5, 0.3))  # mean and deviation


def random_palette(rng: np.random.Generator, count: int = 5) -> Palette:
    """Colours that go together: a few hues, mostly muted, dark to light."""
    # Warm earth and wood, foliage, sky and water, and the rest.
    centre, width = _HUES[int(rng.choice(len(_HUES), p=[0.4, 0.15, 0.2, 0.25]))]
    hue = rng.normal(centre, width)
    spread = rng.choice([0.02, 0.08, 0.3, 0.5], p=[0.35, 0.3, 0.2, 0.15])
    saturation = rng.beta(1.5, 3.2)
    low, high = np.sort(rng.uniform(0.05, 1, 2))
    if high - low < 0.3:
        low, high = max(0.05, high - 0.45), min(1.0, low + 0.45)
    values = np.linspace(low, high, count) + rng.normal(0, 0.05, count)
    rng.shuffle(values[1:-1])
    colours = [
        colorsys.hsv_to_rgb(
            (hue + rng.normal(0, spread)) % 1,
            float(np.clip(saturation + rng.normal(0, 0.12), 0, 1)),
            float(np.clip(value, 0, 1)),
        )
        for value in values
    ]
    return np.array(colours, np.float32)


def ramp(palette: Palette, value: Tensor) -> Tensor:
    """Colours along a palette: values in [0, 1] of shape ``(H, W)`` to ``(3, H, W)``."""
    colours = torch.from_numpy(palette).to(value.device)
    place = value.clamp(0, 1) * (len(palette) - 1)
    first = place.floor().clamp(max=len(palette) - 2)
    part = (place - first).flatten()
    index = first.long().flatten()
    flat = torch.lerp(colours.T[:, index], colours.T[:, index + 1], part)
    return flat.view(3, *value.shape)


def pick(palette: Palette, index: Tensor) -> Tensor:
    """Colours by whole number, counted round: ``(H, W)`` int64 to ``(3, H, W)``."""
    colours = torch.from_numpy(palette).to(index.device)
    return colours.T[:, (index % len(palette)).flatten()].view(3, *index.shape)
