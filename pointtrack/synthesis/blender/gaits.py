"""People in motion: walking and running along a way, standing or sitting with gestures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.footfalls import Gait, Ground, Way, level, tread
from pointtrack.synthesis.blender.rig import (
    Motion,
    Skeleton,
    aim,
    bend,
    forward,
    rotation,
    unit,
)

Floats = NDArray[np.float64]
Rng = np.random.Generator
SIDES = (("l", -1.0), ("r", 1.0))
GESTURES = ("talk", "wave", "reach", "clap", "dance", "exercise", "idle")


@dataclass(frozen=True, eq=False)
class Score:
    """What a person does over T frames, from which a pose is solved.

    Attributes
    ----------
    pelvis, facing
        ``(T, 3)`` place and ``(T,)`` heading from +x, in the world.
    lean
        ``(T, 3)`` the torso's pitch forward, roll and yaw against the pelvis, in radians.
    nod
        ``(T, 3)`` the same for the head.
    ankles, toes
        Two of ``(T, 3)`` places in the world, and two ``(T, 2)`` of heading and pitch of the feet.
    wrists
        Two of ``(T, 3)`` places from the shoulder, in the torso's own axes.
    """

    pelvis: Floats
    facing: Floats
    lean: Floats
    nod: Floats
    ankles: tuple[Floats, Floats]
    toes: tuple[Floats, Floats]
    wrists: tuple[Floats, Floats]


def solve(rig: Skeleton, score: Score) -> Motion:
    """The poses of a score: forward kinematics of the trunk, inverse of the limbs."""
    frames, count = len(score.pelvis), len(rig.names)
    turns = np.broadcast_to(np.eye(3), (frames, count, 3, 3)).copy()
    base = rotation(2, score.facing - np.pi / 2)
    pitch, roll, yaw = score.lean.T
    for name, share in (("spine", 0.5), ("chest", 1.0)):
        bent = rotation(2, yaw * share) @ rotation(0, -pitch * share) @ rotation(1, roll * share)
        turns[:, rig[name]] = base @ bent
    hip_roll = rotation(1, -0.5 * roll) @ rotation(2, -0.4 * yaw)
    turns[:, rig["pelvis"]] = base @ hip_roll
    chest = turns[:, rig["chest"]]
    pitch, roll, yaw = score.nod.T
    head = base @ rotation(2, yaw) @ rotation(0, -pitch) @ rotation(1, roll)
    turns[:, rig["head"]] = head
    turns[:, rig["neck"]] = 0.5 * (chest + head)
    left, _, right = np.linalg.svd(turns[:, rig["neck"]])
    turns[:, rig["neck"]] = left @ right
    for side, _ in SIDES:
        turns[:, rig[f"clavicle.{side}"]] = chest
    motion = forward(rig, score.pelvis, turns)
    for k, (side, sign) in enumerate(SIDES):
        _leg(rig, motion, base, side, score.ankles[k], score.toes[k])
        _arm(rig, motion, chest, side, sign, score.wrists[k])
    return forward(rig, score.pelvis, turns)


def _leg(
    rig: Skeleton, motion: Motion, base: Floats, side: str, ankle: Floats, toe: Floats
) -> None:
    thigh, shin, foot = (rig[f"{part}.{side}"] for part in ("thigh", "shin", "foot"))
    pole = base @ np.array([0, 1.0, 0])
    lengths = rig.length(f"thigh.{side}"), rig.length(f"shin.{side}")
    hip = motion.heads[:, thigh]
    knee = bend(hip, ankle, *lengths, pole)
    rest = np.array([0, 1.0, 0])
    motion.turns[:, thigh] = aim(rig.along(f"thigh.{side}"), rest, knee - hip, pole)
    motion.turns[:, shin] = aim(rig.along(f"shin.{side}"), rest, ankle - knee, pole)
    motion.turns[:, foot] = rotation(2, toe[:, 0] - np.pi / 2) @ rotation(0, toe[:, 1])


def _arm(
    rig: Skeleton, motion: Motion, chest: Floats, side: str, sign: float, wrist: Floats
) -> None:
    upper, fore, hand = (rig[f"{part}.{side}"] for part in ("arm", "forearm", "hand"))
    shoulder = motion.heads[:, upper]
    goal = shoulder + np.einsum("tij,tj->ti", chest, wrist)
    pole = chest @ unit(np.array([0.45 * sign, -1.0, -0.35]))
    lengths = rig.length(f"arm.{side}"), rig.length(f"forearm.{side}")
    elbow = bend(shoulder, goal, *lengths, pole)
    rest = np.array([0.0, -1.0, 0.0])
    motion.turns[:, upper] = aim(rig.along(f"arm.{side}"), rest, elbow - shoulder, pole)
    motion.turns[:, fore] = aim(rig.along(f"forearm.{side}"), rest, goal - elbow, pole)
    motion.turns[:, hand] = motion.turns[:, fore]


def leg_length(rig: Skeleton) -> float:
    """From the hip joint to the ankle."""
    return rig.length("thigh.l") + rig.length("shin.l")


def _lowered(rig: Skeleton, pelvis: Floats, base: Floats, ankles: list[Floats]) -> Floats:
    """The pelvis no higher than the legs allow, smoothed over time."""
    reach = leg_length(rig) * 0.995
    drop = np.zeros(len(pelvis))
    for (side, _), ankle in zip(SIDES, ankles, strict=True):
        joint = rig.head[rig[f"thigh.{side}"]] - rig.head[0]
        hip = pelvis + base @ joint
        flat = ((hip - ankle)[:, :2] ** 2).sum(1)
        highest = ankle[:, 2] + np.sqrt(np.maximum(reach**2 - flat, 1e-4))
        drop = np.maximum(drop, hip[:, 2] - highest)
    kernel = np.array([1, 2, 3, 2, 1]) / 9
    padded = np.pad(drop, 2, mode="edge")
    soft = np.maximum(np.convolve(padded, kernel, "valid"), drop)
    out = pelvis.copy()
    out[:, 2] -= soft
    return out


def walk(
    rig: Skeleton,
    way: Way,
    s: Floats,
    rng: Rng,
    running: bool = False,
    ground: Ground = level,
    stride: float | None = None,
) -> Motion:
    """Walk or run along a way, at its arc lengths ``s (T,)``."""
    legs = leg_length(rig)
    pace = (2.6 if running else 1.62) * legs if stride is None else stride
    gait = Gait(pace, 0.4 if running else 0.62, (0.0, 0.5), (0.16 if running else 0.07) * legs)
    hip = abs(rig.head[rig["thigh.l"], 0])
    ankles, toes, planted = [], [], []
    for k, (side, sign) in enumerate(SIDES):
        steps = tread(way, s, gait, k, sign * hip * 0.85, 0.0, ground)
        ankle, toe = _ankle(rig, side, steps.sole, steps.heading, steps.phase, gait.duty, running)
        ankles.append(ankle)
        toes.append(toe)
        planted.append(steps.planted)
    turn = 2 * np.pi * s / pace
    heading, place = way.heading(s, 0.4), way.at(s)
    bounce = (0.045 if running else 0.018) * legs
    height = rig.head[0, 2] - (0.06 if running else 0.015) * legs
    lift = np.cos(2 * (turn - np.pi * (gait.duty + (0.45 if running else 0.0))))
    z = ground(place[:, 0], place[:, 1]) + height - bounce * lift * (-1 if not running else 1)
    sway = 0.02 * legs * np.sin(turn - np.pi * gait.duty)
    right = np.stack([np.sin(heading), -np.cos(heading)], 1)
    pelvis = np.c_[place - right * sway[:, None], z]
    base = rotation(2, heading - np.pi / 2)
    pelvis = _lowered(rig, pelvis, base, ankles)
    swing = np.cos(turn - np.pi * gait.duty)  # 1: left foot in front
    lean = np.zeros((len(s), 3))
    lean[:, 0] = (0.16 if running else 0.05) + 0.02 * np.cos(2 * turn)
    lean[:, 2] = (0.16 if running else 0.1) * swing
    nod = np.zeros((len(s), 3))
    nod[:, 0] = rng.uniform(-0.05, 0.15)
    nod[:, 2] = _drift(rng, len(s), 0.25)
    wrists = tuple(_swing_arm(rig, sign, -sign * swing, running, rng) for _, sign in SIDES)
    return solve(
        rig,
        Score(
            pelvis,
            heading,
            lean,
            nod,
            (ankles[0], ankles[1]),
            (toes[0], toes[1]),
            (wrists[0], wrists[1]),
        ),
    )


def _ankle(
    rig: Skeleton,
    side: str,
    sole: Floats,
    heading: Floats,
    phase: Floats,
    duty: float,
    running: bool,
) -> tuple[Floats, Floats]:
    """Where the ankle is, and the foot's heading and pitch, for a sole's place and phase."""
    kick = -0.95 if running else -0.65
    beats = [0, 0.12, 0.62 * duty / 0.62, duty, duty + 0.35 * (1 - duty), 0.92, 1]
    pitch = np.interp(phase, beats, [0.18, 0, 0, kick * 0.75, kick, 0.2, 0.18])
    foot = rig[f"foot.{side}"]
    ball = rig.tail[foot] * (0, 1, 0) * 0.8
    pivot = np.where((pitch < 0)[:, None], ball, rig.head[foot] * (0, 1, 0) - (0, 0.02, 0))
    from_pivot = np.array([0, rig.head[foot, 1], rig.head[foot, 2]]) - pivot
    lifted = np.einsum("tij,tj->ti", rotation(0, pitch), from_pivot) + pivot
    return sole + np.einsum("tij,tj->ti", rotation(2, heading - np.pi / 2), lifted), np.c_[
        heading, pitch
    ]


def _swing_arm(rig: Skeleton, sign: float, swing: Floats, running: bool, rng: Rng) -> Floats:
    """Wrists from the shoulder: `swing` 1 is in front."""
    arm = rig.length("arm.l") + rig.length("forearm.l")
    out = np.zeros((len(swing), 3))
    if running:
        out[:, 0] = sign * (0.12 - 0.1 * np.maximum(swing, 0)) * arm
        out[:, 1] = (0.3 + 0.42 * swing) * arm
        out[:, 2] = (-0.5 + 0.22 * swing) * arm
        return out
    wide = rng.uniform(0.5, 1.1)
    angle = 0.06 + 0.42 * wide * swing
    reach = arm * (0.965 - 0.03 * np.maximum(swing, 0))
    out[:, 0] = sign * 0.13 * arm
    out[:, 1], out[:, 2] = np.sin(angle) * reach, -np.cos(angle) * reach
    return out


def _drift(rng: Rng, frames: int, amount: float) -> Floats:
    """A slow smooth wander ``(T,)``."""
    t = np.arange(frames) / 24
    rate, phase = rng.uniform(0.15, 0.6, 3), rng.uniform(0, 6.3, 3)
    return amount * np.sin(2 * np.pi * rate * t[:, None] + phase).mean(1)


def gesture(
    rig: Skeleton,
    at: Floats,
    facing: float,
    frames: int,
    fps: float,
    rng: Rng,
    kind: str,
    seat: float | None = None,
) -> Motion:
    """Stand at a place ``(3,)``, or sit there on a seat of a height, and do one of `GESTURES`."""
    t = np.arange(frames) / fps
    beat = 2 * np.pi * rng.uniform(0.7, 1.1) * t + rng.uniform(0, 6.3)
    arm = rig.length("arm.l") + rig.length("forearm.l")
    scale = rig.head[0, 2] / 0.93
    heading = np.full(frames, facing)
    pelvis = np.repeat(np.asarray(at, float)[None], frames, 0)
    pelvis[:, 2] += rig.head[0, 2] if seat is None else seat + 0.1 * scale
    lean, nod = np.zeros((frames, 3)), np.zeros((frames, 3))
    shift = 0.03 * scale * np.sin(0.5 * beat)
    if seat is None:
        pelvis[:, 2] -= 0.03 * scale
        if kind == "dance":
            shift = 0.11 * scale * np.sin(beat)
            pelvis[:, 2] -= 0.06 * scale * (1 - np.cos(2 * beat)) / 2
            lean[:, 1], lean[:, 2] = 0.15 * np.sin(beat), 0.3 * np.sin(beat + 0.8)
        if kind == "exercise":
            pelvis[:, 2] -= 0.18 * scale * (1 - np.cos(beat)) / 2
            lean[:, 0] = 0.25 * (1 - np.cos(beat)) / 2
        pelvis[:, 0] += shift * np.sin(facing)
        pelvis[:, 1] -= shift * np.cos(facing)
    lean[:, 0] += 0.04 + _drift(rng, frames, 0.06)
    lean[:, 2] += _drift(rng, frames, 0.2)
    nod[:, 0] = 0.05 + _drift(rng, frames, 0.15)
    nod[:, 2] = _drift(rng, frames, 0.6)
    wrists = tuple(
        _gesturing_wrist(kind, sign, beat, arm, t, rng, seat is not None) for _, sign in SIDES
    )
    ankles, toes = [], []
    base = rotation(2, facing - np.pi / 2)
    for side, sign in SIDES:
        foot = rig.head[rig[f"foot.{side}"]].copy()
        foot[0] *= 1.5 if kind in ("dance", "exercise") else 1.2
        if seat is not None:
            foot[1] += rig.length("thigh.l") * 0.95
        place = np.asarray(at, float) + base @ foot
        ankles.append(np.repeat(place[None], frames, 0))
        toes.append(np.repeat([[facing - sign * 0.12, 0.0]], frames, 0))
    if seat is None:
        pelvis = _lowered(rig, pelvis, np.repeat(base[None], frames, 0), ankles)
    return solve(
        rig,
        Score(
            pelvis,
            heading,
            lean,
            nod,
            (ankles[0], ankles[1]),
            (toes[0], toes[1]),
            (wrists[0], wrists[1]),
        ),
    )


def _gesturing_wrist(
    kind: str, sign: float, beat: Floats, arm: float, t: Floats, rng: Rng, seated: bool
) -> Floats:
    """Wrists ``(T, 3)`` from the shoulder, in lengths of the arm and the torso's axes."""
    one = np.ones_like(t)
    rest = (0.16, 0.08, -0.94) if not seated else (0.06, 0.42, -0.6)
    out = np.stack([one * value for value in rest], 1)
    sway = rng.uniform(0, 6.3)
    if kind == "talk":
        out = np.stack(
            [
                0.05 + 0.16 * np.sin(beat * 1.3 + sway),
                0.5 + 0.13 * np.sin(beat + sway * 2),
                -0.42 + 0.22 * np.sin(1.6 * beat + sway),
            ],
            1,
        )
    elif kind == "wave" and sign > 0:
        out = np.stack(
            [0.38 + 0.26 * np.sin(2 * beat), 0.25 * one, 0.66 - 0.08 * np.cos(4 * beat)], 1
        )
    elif kind == "reach":
        share = (1 - np.cos(0.8 * beat + (sign < 0) * 1.2)) / 2
        out = out * (1 - share[:, None]) + share[:, None] * np.array(
            [0.1, 0.8, 0.35 if sign > 0 else -0.1]
        )
    elif kind == "clap":
        out = np.stack(
            [-0.4 + 0.2 * (1 + np.sin(2.4 * beat)), 0.62 * one, -0.25 + 0.05 * np.sin(beat)], 1
        )
    elif kind == "dance":
        out = np.stack(
            [
                0.45 + 0.2 * np.sin(beat),
                0.35 + 0.2 * np.sin(2 * beat + sign),
                0.1 + 0.5 * np.sin(beat + sign),
            ],
            1,
        )
    elif kind == "exercise":
        angle = np.pi * (0.1 + 0.8 * (1 - np.cos(beat)) / 2)
        out = 0.95 * np.stack([np.sin(angle), 0.1 * one, -np.cos(angle)], 1)
    out = out.copy()
    out[:, 0] *= sign
    return out * arm
