"""Four-legged animals in motion: walk, trot, gallop along a way, or standing about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.animals import LEGS
from pointtrack.synthesis.blender.breeds import Breed
from pointtrack.synthesis.blender.footfalls import Gait, Ground, Steps, Way, level, tread
from pointtrack.synthesis.blender.rig import Motion, Skeleton, aim, bend, forward, rotation

Floats = NDArray[np.float64]
Rng = np.random.Generator

# Stride in heights, duty, phases (fl, fr, hl, hr), lift in heights.
GAITS: dict[str, tuple[float, float, tuple[float, float, float, float], float]] = {
    "walk": (1.35, 0.64, (0.25, 0.75, 0.0, 0.5), 0.1),
    "trot": (1.9, 0.46, (0.5, 0.0, 0.0, 0.5), 0.14),
    "gallop": (3.0, 0.3, (0.55, 0.68, 0.0, 0.12), 0.2),
}


def speed(gait: str, height: float) -> float:
    """A usual speed in m/s: strides a second fall with the root of the height."""
    rate = {"walk": 0.95, "trot": 1.45, "gallop": 1.6}[gait] / np.sqrt(max(height, 0.2))
    return GAITS[gait][0] * height * rate


def move(
    rig: Skeleton, breed: Breed, way: Way, s: Floats, gait: str, rng: Rng, ground: Ground = level
) -> Motion:
    """Go along a way in one of `GAITS`, the middle of the body at its arc lengths ``s (T,)``."""
    h, half = breed.height, breed.height * breed.length / 2
    stride, duty, phases, lift = GAITS[gait]
    rhythm = Gait(stride * h, duty, phases, lift * h)
    steps = []
    for k, (_, sign, front) in enumerate(LEGS):
        aside = sign * breed.wide * 0.5 * h
        steps.append(tread(way, s, rhythm, k, aside, half if front else -half, ground))
    turn = 2 * np.pi * s / (stride * h)
    fore, back = way.at(s + half), way.at(s - half)
    heading = np.unwrap(np.arctan2(*(fore - back).T[::-1]))
    place = np.c_[back, ground(*back.T)]
    rise = ground(*fore.T) - ground(*back.T)
    pitch = np.arctan2(rise, 2 * half)
    if gait == "gallop":
        pitch = pitch + 0.13 * np.sin(turn + 1.2)
        place[:, 2] += 0.05 * h * np.sin(turn)
        flex = 0.2 * np.sin(turn + 0.4)
    else:
        place[:, 2] += (0.012 if gait == "walk" else 0.03) * h * np.cos(2 * turn)
        flex = 0.02 * np.sin(2 * turn)
    place[:, 2] += rig.head[0, 2] - 0.02 * h
    yaw = 0.05 * np.sin(turn)
    nod = 0.07 * np.sin(2 * turn + 1) + rng.uniform(-0.25, 0.15)
    return _solve(rig, breed, place, heading, pitch, yaw, flex, nod, steps, duty, rng)


def stand(
    rig: Skeleton, breed: Breed, at: Floats, facing: float, frames: int, fps: float, rng: Rng
) -> Motion:
    """Stand, look around, lower and raise the head, wag the tail."""
    h, half = breed.height, breed.height * breed.length / 2
    t = np.arange(frames) / fps
    heading = np.full(frames, facing)
    ahead = np.array([np.cos(facing), np.sin(facing)])
    right = np.array([ahead[1], -ahead[0]])
    steps = []
    for _, sign, front in LEGS:
        xy = np.asarray(at, float)[:2] + ahead * (half if front else -half)
        sole = np.r_[xy + right * sign * breed.wide * 0.62 * h, at[2]]
        planted = np.ones(frames, bool)
        steps.append(
            Steps(np.repeat(sole[None], frames, 0), heading, np.full(frames, 0.3), planted)
        )
    place = np.repeat(np.r_[np.asarray(at, float)[:2] - ahead * half, at[2]][None], frames, 0)
    sway = np.sin(2 * np.pi * 0.5 * t + rng.uniform(0, 6))
    place[:, 2] += rig.head[0, 2] - 0.015 * h + 0.006 * h * sway
    grazing = rng.random() < 0.4
    nod = (-1.1 if grazing else 0.0) + 0.25 * np.sin(2 * np.pi * rng.uniform(0.2, 0.5) * t)
    yaw = 0.12 * np.sin(2 * np.pi * 0.3 * t + rng.uniform(0, 6))
    zero = np.zeros(frames)
    return _solve(rig, breed, place, heading, zero, yaw, zero, nod, steps, 1.0, rng, 2.5)


def _solve(
    rig: Skeleton,
    breed: Breed,
    place: Floats,
    heading: Floats,
    pitch: Floats,
    yaw: Floats,
    flex: Floats,
    nod: Floats,
    steps: list[Steps],
    duty: float,
    rng: Rng,
    look: float = 1.0,
) -> Motion:
    """Poses from the hips' place and angles and the feet's steps."""
    frames = len(place)
    t = np.arange(frames) / 24
    base = rotation(2, heading - np.pi / 2)
    turns = np.broadcast_to(np.eye(3), (frames, len(rig.names), 3, 3)).copy()
    trunk = base @ rotation(0, pitch)
    turns[:, rig["hips"]] = trunk @ rotation(2, -yaw) @ rotation(0, flex)
    turns[:, rig["spine"]] = trunk
    turns[:, rig["chest"]] = trunk @ rotation(2, yaw) @ rotation(0, -flex)
    around = look * 0.22 * np.sin(2 * np.pi * rng.uniform(0.3, 0.6) * t + rng.uniform(0, 6))
    turns[:, rig["neck"]] = base @ rotation(2, yaw + 0.6 * around) @ rotation(0, 0.4 * pitch + nod)
    turns[:, rig["head"]] = base @ rotation(2, yaw + around) @ rotation(0, 0.45 * nod)
    rate, phase = rng.uniform(0.8, 2.2), rng.uniform(0, 6)
    for k in range(3):
        wag = (0.18 + 0.16 * k) * np.sin(2 * np.pi * rate * t + phase - 0.7 * k)
        turns[:, rig[f"tail{k}"]] = base @ rotation(2, wag) @ rotation(0, -0.12 * k - 0.3 * flex)
    motion = forward(rig, place, turns)
    for (leg, _, front), step in zip(LEGS, steps, strict=True):
        _pose_leg(rig, breed, motion, base, leg, front, step, duty)
    return forward(rig, place, turns)


def _pose_leg(
    rig: Skeleton,
    breed: Breed,
    motion: Motion,
    base: Floats,
    leg: str,
    front: bool,
    step: Steps,
    duty: float,
) -> None:
    upper, lower, cannon, paw = (
        rig[f"{part}.{leg}"] for part in ("upper", "lower", "cannon", "paw")
    )
    hip = motion.heads[:, upper]
    ahead = base @ np.array([0, 1.0, 0])
    beats = [0, 0.15, 0.7 * duty, duty, duty + 0.3 * (1 - duty), 0.9, 1.01]
    roll = np.interp(step.phase, beats, [0.15, 0, 0, -0.45, -0.85, 0.1, 0.15])
    foot = rotation(2, step.heading - np.pi / 2)
    ankle = step.sole + foot @ np.array([0, 0, rig.head[paw, 2]])
    offset = ((ankle - hip) * ahead).sum(1) / (0.7 * breed.height)
    swing = np.clip((step.phase - duty) / max(1 - duty, 1e-6), 0, 1)
    curl = np.sin(np.pi * swing) * (1.0 if front else 0.35)
    tilt = np.clip(-0.55 * offset, -0.6, 0.6) - 0.9 * curl * (1 if front else -0.6)
    shank = foot @ rotation(0, -tilt if not front else -tilt * 0.9 - 0.0)
    rest = rig.head[cannon] - rig.tail[cannon]
    hock = ankle + shank @ rest
    pole = -ahead if front else ahead
    lengths = rig.length(f"upper.{leg}"), rig.length(f"lower.{leg}")
    knee = bend(hip, hock, *lengths, pole)
    rest_pole = np.array([0, -1.0 if front else 1.0, 0])
    motion.turns[:, upper] = aim(rig.along(f"upper.{leg}"), rest_pole, knee - hip, pole)
    motion.turns[:, lower] = aim(rig.along(f"lower.{leg}"), rest_pole, hock - knee, pole)
    middle = motion.heads[:, upper] + motion.turns[:, upper] @ (rig.tail[upper] - rig.head[upper])
    reached = middle + motion.turns[:, lower] @ (rig.tail[lower] - rig.head[lower])
    motion.turns[:, cannon] = aim(
        rig.along(f"cannon.{leg}"), np.array([0, 1.0, 0]), ankle - reached, ahead
    )
    motion.turns[:, paw] = foot @ rotation(0, roll)
