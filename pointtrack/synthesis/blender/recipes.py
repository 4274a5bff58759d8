"""What is drawn from a clip's seed about its pictures: shutter, exposure, noise, compression.

Pure NumPy and OpenCV. What belongs to the scene itself (fog, smoke, the lens's focus) is drawn
where the scene is staged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.synthesis.blender.config import BlenderConfig

_STREAM = 101  # keeps these numbers apart from others drawn from the same seed


@dataclass(frozen=True)
class Recipe:
    """How the pictures of one clip are taken.

    Attributes
    ----------
    shutter
        Share of a frame's time that the shutter is open, around the frame's instant; 0 is none.
    stops
        One a frame: how much brighter than the scene's own exposure, as a power of two.
    shot, read
        Sensor noise, standard deviations of grey levels: at full light, and in the dark.
    quality
        JPEG quality of a lossy copy on the way, or None.
    """

    shutter: float
    stops: tuple[float, ...]
    shot: float
    read: float
    quality: int | None


def draw_recipe(config: BlenderConfig, seed: int) -> Recipe:
    """Draw one; every number is drawn whether used or not, so that one chance moves no other."""
    rng = np.random.default_rng((seed, _STREAM))
    with_blur, with_stops, with_noise, with_loss = rng.random(4) < (
        config.motion_blur, config.exposure, config.noise, config.compression,
    )  # fmt: skip
    shutter = rng.uniform(0.25, 0.8)
    swing, turns, phase = rng.uniform(0.2, 0.7), rng.uniform(0.3, 1.5), rng.uniform(0, 2 * np.pi)
    shot, read, quality = rng.uniform(1, 5), rng.uniform(0.5, 2.5), int(rng.integers(35, 85))
    time = np.arange(config.frames) / max(config.frames, 24)
    stops = swing * np.sin(2 * np.pi * turns * time + phase) if with_stops else 0 * time
    return Recipe(
        shutter=float(shutter) if with_blur else 0.0,
        stops=tuple(float(stop) for stop in stops),
        shot=float(shot) if with_noise else 0.0,
        read=float(read) if with_noise else 0.0,
        quality=quality if with_loss else None,
    )


def develop(
    picture: NDArray[np.uint8], recipe: Recipe, seed: int, view: int, frame: int
) -> NDArray[np.uint8]:
    """Add a recipe's noise and compression to a finished picture ``(H, W, 3)`` uint8 RGB."""
    if recipe.shot or recipe.read:
        rng = np.random.default_rng((seed, _STREAM, view, frame))
        light = picture.astype(np.float32)
        spread = np.sqrt(recipe.read**2 + recipe.shot**2 * light / 255)
        noisy = light + spread * rng.standard_normal(picture.shape, np.float32)
        picture = np.clip(np.round(noisy), 0, 255).astype(np.uint8)
    if recipe.quality is not None:
        done, data = cv2.imencode(".jpg", picture[..., ::-1], _quality(recipe.quality))
        if not done:
            raise FormatError("OpenCV cannot encode a frame as JPEG")
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1]
    return np.ascontiguousarray(picture)


def _quality(quality: int) -> list[Any]:
    return [cv2.IMWRITE_JPEG_QUALITY, quality]
