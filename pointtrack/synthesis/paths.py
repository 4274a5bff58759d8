"""How things and the camera move: lots drawn for curves.

Lengths are shares of the picture's shorter side, times are frames.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pointtrack.synthesis.config import ProceduralConfig
from pointtrack.synthesis.motion import Array, Camera, Curve, swinging


def random_camera(rng: np.random.Generator, config: ProceduralConfig) -> Camera:
    """A camera at rest, in the hand, panning, travelling, or all of it."""
    pace, anchor = config.camera, (config.frames - 1) / 2
    style = rng.choice(["still", "hand", "pan", "travel", "all"], p=[0.2, 0.25, 0.2, 0.2, 0.15])
    shake = rng.uniform(0.2, 1.5) * pace * (style in ("hand", "all"))
    pan, travel = style in ("pan", "all"), style in ("travel", "all", "hand")
    rest = np.zeros(3)
    slow = swinging(
        rng, rest, np.array([0.12, 0.25, 0.2]) * pan, 0.012 * pace, (24, 120), anchor, waves=1
    )
    quick = swinging(rng, rest, 0.006 * shake, 0.004 * shake, (4, 20), anchor, waves=2)
    reach = np.array([0.8, 0.4, 0.35]) * travel
    position = swinging(rng, rest, reach, 0.03 * pace, (24, 120), anchor, waves=1)
    zooms = rng.random() < 0.25
    zoom = swinging(rng, np.zeros(1), 0.25 * zooms * pace, 0.015, (30, 120), anchor, waves=1)
    return Camera(config.size, rng.uniform(0.9, 1.7), position, _sum(slow, quick), zoom)


def _sum(a: Curve, b: Curve) -> Curve:
    """Two curves with the same anchor, added."""
    return replace(
        a,
        value=a.value + b.value,
        velocity=a.velocity + b.velocity,
        amplitude=np.concatenate([a.amplitude, b.amplitude]),
        frequency=np.concatenate([a.frequency, b.frequency]),
        phase=np.concatenate([a.phase, b.phase]),
    )


def random_path(
    rng: np.random.Generator, place: Array, anchor: float, frames: int, pace: float, radius: float
) -> Curve:
    """How a thing moves in the picture: x, y in shares of the shorter side, and depth."""
    speed = pace * min(0.05, float(np.exp(rng.normal(math.log(0.012), 0.7))))
    curve = swinging(rng, np.zeros(3), np.array([0.35, 0.35, 1.2]), speed, (14, 70), anchor)
    style = rng.choice(["swing", "drift", "hop", "return"], p=[0.3, 0.3, 0.15, 0.25])
    heading = rng.uniform(0, 2 * np.pi)
    if style in ("drift", "hop"):
        velocity = speed * np.array([np.cos(heading), np.sin(heading), rng.normal(0, 0.3)])
        curve = replace(curve, velocity=velocity, amplitude=curve.amplitude * 0.3)
    if style == "hop":
        curve = replace(curve, hop=np.array([0, rng.uniform(0.08, 0.35) * min(1, pace), 0]))
    if style == "return":  # out over the nearest side and back
        side = 0 if rng.random() < 0.6 else 1
        out = math.copysign(1, place[side])
        period = max(12.0, frames * rng.uniform(0.5, 1.3))
        reach = min(0.5 * (radius + rng.uniform(0.4, 0.9)), 0.06 * pace * period / (2 * np.pi))
        curve.frequency[0, side] = 2 * np.pi / period
        curve.amplitude[0, side] = out * reach
        curve.phase[0, side] = -np.pi / 2 - curve.frequency[0, side] * anchor
    return curve


def random_turning(rng: np.random.Generator, anchor: float, pace: float) -> tuple[Curve, Curve]:
    """How a thing turns (about x, y, z) and stretches."""
    tumble = float(rng.choice([0.0, 0.25, 0.9], p=[0.35, 0.4, 0.25]))
    start = np.array([0.0, 0, rng.uniform(-3.1, 3.1)])
    reach = np.array([tumble / 2, tumble / 2, 0.4])
    angles = swinging(rng, start, reach, 0.05 * pace, (14, 70), anchor, waves=2)
    spin = rng.normal(0, 0.05) * pace if rng.random() < 0.4 else 0.0
    angles = replace(angles, velocity=np.array([0, 0, spin]))
    supple = np.array([0.2, 0.2, 0.25]) * (rng.random() < 0.5)
    stretch = swinging(rng, np.zeros(3), supple, 0.02 * pace, (14, 60), anchor)
    return angles, stretch
