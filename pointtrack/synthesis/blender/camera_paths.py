"""Paths of a filming camera: where it stands and looks in every frame, in numpy.

The rules of PointOdyssey's cameras (Zheng et al., ICCV 2023): a start on a ring about the scene,
heights within limits by reflection, a distance that never falls below three quarters of the
first, and a look-at point that follows its subject slowly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rng = np.random.Generator

MOVES = ("tripod", "pan", "dolly", "orbit", "follow", "crane", "track")
NEAREST = 0.75  # of the first horizontal distance


@dataclass(frozen=True, eq=False)
class Shot:
    """A camera path: eye and look-at ``(T, 3)`` in metres, and the lens in mm (36 mm wide)."""

    move: str
    eye: Floats
    look: Floats
    lens: float


@dataclass(frozen=True)
class Limits:
    """Where a camera may be: a box, its heights, and the ring on which it starts."""

    low: tuple[float, float]
    high: tuple[float, float]
    heights: tuple[float, float] = (0.5, 3.0)
    ring: tuple[float, float] = (3.0, 6.0)
    lenses: tuple[float, float] = (26.0, 45.0)
    handheld: float = 1.0


def reflect(values: Floats, low: float, high: float) -> Floats:
    """Values folded back into ``[low, high]`` at its ends."""
    span = high - low
    folded = np.mod(values - low, 2 * span)
    return low + np.where(folded > span, 2 * span - folded, folded)


def smoothed(path: Floats, keep: float) -> Floats:
    """A path ``(T, 3)`` followed slowly: each frame keeps so much of the last one's place."""
    out = path.copy()
    for t in range(1, len(path)):
        out[t] = keep * out[t - 1] + (1 - keep) * path[t]
    return out


def shake(rng: Rng, frames: int, fps: float, amount: float) -> Floats:
    """The tremor of a hand ``(T, 3)`` in metres: slow sway and a little fast jitter."""
    t = np.arange(frames)[:, None, None] / fps
    rate = np.concatenate([rng.uniform(0.2, 0.9, (3, 3)), rng.uniform(1.5, 4, (2, 3))])
    weight = np.array([1, 1, 1, 0.16, 0.16])[:, None] * amount / 2
    return (weight * np.sin(2 * np.pi * rate * t + rng.uniform(0, 6.3, (5, 3)))).sum(1)


def ease(frames: int) -> Floats:
    """Progress from 0 to 1 in even steps with soft ends ``(T, 1)``."""
    s = np.linspace(0, 1, frames)[:, None] if frames > 1 else np.zeros((1, 1))
    return 0.7 * s + 0.3 * (3 * s**2 - 2 * s**3)


def draw_shot(
    rng: Rng, frames: int, fps: float, subject: Floats, limits: Limits, move: str | None = None
) -> Shot:
    """One camera path about a subject ``(T, 3)``.

    The path keeps the limits' box and heights; whether something stands in its way is for the
    caller to find out.
    """
    kind = move or str(rng.choice(MOVES, p=[0.08, 0.12, 0.18, 0.22, 0.16, 0.1, 0.14]))
    seconds = max(frames / fps, 0.5)
    centre = subject.mean(0)
    angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(*limits.ring)
    height = rng.uniform(*limits.heights)
    lens = rng.uniform(*limits.lenses)
    s = ease(frames)
    out = np.array([np.cos(angle), np.sin(angle)])
    side = np.array([-out[1], out[0]]) * rng.choice([-1, 1])
    eye = np.zeros((frames, 3))
    eye[:, :2], eye[:, 2] = centre[:2] + radius * out, height
    look = smoothed(subject, 0.9) + rng.normal(0, 0.08, 3) * radius * (1, 1, 0.3)
    speed = rng.uniform(0.25, 0.7) * seconds  # what a calm operator covers, in units of 1 m/s
    reach = speed * np.clip(radius / 4, 0.5, 2.5)
    if kind == "tripod":
        look = np.repeat(look.mean(0, keepdims=True), frames, 0)
    elif kind == "pan":
        sweep = side * radius * rng.uniform(0.15, 0.4) * min(seconds, 2)
        look[:, :2] = look.mean(0)[:2] + (s - 0.5) * sweep
    elif kind == "dolly":
        eye[:, :2] -= s * out * reach * rng.choice([-0.7, 1.0])
    elif kind == "orbit":
        turn = angle + s[:, 0] * rng.choice([-1, 1]) * reach / radius * 1.3
        eye[:, :2] = centre[:2] + radius * np.stack([np.cos(turn), np.sin(turn)], 1)
    elif kind == "follow":
        eye[:, :2] += smoothed(subject, 0.6)[:, :2] - subject[0, :2]
    elif kind == "crane":
        eye[:, 2:] += s * reach * rng.choice([-1, 1])
        eye[:, :2] += s * side * reach * 0.4
    else:  # track: sideways, looking ahead
        eye[:, :2] += (s - 0.5) * side * reach * 1.3
        look = np.repeat(look.mean(0, keepdims=True), frames, 0)
        look[:, :2] += (s - 0.5) * side * reach * rng.uniform(0.2, 0.9)
    eye = _keep_distance(eye, subject)
    held = rng.random() < 0.65 and kind != "tripod"
    amount = limits.handheld * (rng.uniform(0.01, 0.05) if held else 0.001)
    eye = eye + shake(rng, frames, fps, amount)
    look = look + shake(rng, frames, fps, amount * 1.3 * np.clip(radius / 4, 0.5, 3))
    eye[:, 2] = reflect(eye[:, 2], *limits.heights)
    eye[:, :2] = np.clip(eye[:, :2], limits.low, limits.high)
    return Shot(kind, eye, look, lens)


def _keep_distance(eye: Floats, subject: Floats) -> Floats:
    """Push the eye out to three quarters of its first horizontal distance."""
    out = eye[:, :2] - subject[:, :2]
    distance = np.linalg.norm(out, axis=1, keepdims=True)
    least = NEAREST * distance[0, 0]
    fixed = eye.copy()
    fixed[:, :2] = subject[:, :2] + out * np.maximum(1, least / np.maximum(distance, 1e-6))
    return fixed
