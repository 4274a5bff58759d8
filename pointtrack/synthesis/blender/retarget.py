"""Lets generated people move as motion capture says: joints by name, feet on the ground."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.synthesis.blender.bvh import Capture, read_bvh
from pointtrack.synthesis.blender.gaits import leg_length
from pointtrack.synthesis.blender.rig import Motion, Skeleton, forward, rotation, unit

Floats = NDArray[np.float64]

# What joints are called in files of CMU (two conversions), Mixamo, Rokoko and others, without
# case, digits and marks; {s} stands for l or r, {side} for left or right.
NAMES: dict[str, tuple[str, ...]] = {
    "pelvis": ("hips", "hip", "pelvis", "root"),
    "spine": ("lowerback", "abdomen", "spine", "torso"),
    "chest": ("spine1", "chest", "spine2", "thorax", "upperback", "spine"),
    "neck": ("neck", "neck1"),
    "head": ("head",),
    "clavicle": ("{side}shoulder", "{s}collar", "{side}collar", "{s}clavicle", "{s}shoulder"),
    "arm": ("{side}arm", "{s}shldr", "{side}upperarm", "{s}humerus", "{s}upperarm"),
    "forearm": ("{side}forearm", "{s}forearm", "{side}lowerarm", "{s}radius", "{side}elbow"),
    "hand": ("{side}hand", "{s}hand", "{side}wrist", "{s}wrist"),
    "thigh": ("{side}upleg", "{s}thigh", "{side}upperleg", "{s}femur", "{side}hip"),
    "shin": ("{side}leg", "{s}shin", "{side}lowerleg", "{s}tibia", "{side}knee"),
    "foot": ("{side}foot", "{s}foot", "{side}ankle"),
}
_NEEDED = (
    "pelvis",
    "thigh.l",
    "shin.l",
    "thigh.r",
    "shin.r",
    "arm.l",
    "forearm.l",
    "arm.r",
    "forearm.r",
)
_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up


def joint_map(capture: Capture, rig: Skeleton) -> dict[str, int]:
    """Which joint of a capture moves a bone, for the bones that it has.

    Raises
    ------
    FormatError
        When a limb is missing.
    """
    plain = [re.sub(r"^.*:", "", name).lower() for name in capture.names]
    plain = [re.sub(r"[^a-z0-9]", "", name) for name in plain]
    found: dict[str, int] = {}
    for bone in rig.names:
        part, _, side = bone.partition(".")
        for name in NAMES.get(part, ()):
            word = name.format(s=side, side={"l": "left", "r": "right"}.get(side, ""))
            if word in plain and plain.index(word) not in found.values():
                found[bone] = plain.index(word)
                break
    if missing := [bone for bone in _NEEDED if bone not in found]:
        raise FormatError(f"no joint of the motion capture fits the bone {missing[0]!r}")
    return found


def _children(capture: Capture) -> list[int]:
    """The joint that a joint points to: its only child, or the middle one of several."""
    out = []
    for j in range(len(capture.names)):
        below = [k for k, parent in enumerate(capture.parents) if parent == j]
        out.append(below[len(below) // 2] if below else j)
    return out


def retarget(capture: Capture, rig: Skeleton) -> Motion:
    """The capture's motion on our figure, one pose a frame of the file.

    A bone takes its joint's turn from rest; where the two rest poses differ, it is first laid
    along the joint's own direction at rest. The way is scaled by the length of the legs.
    """
    joints, pose, rest = joint_map(capture, rig), capture.pose(), capture.rest @ _UP.T
    frames, target = len(capture.values), _children(capture)
    forward_ = _facing(rest, joints)
    straight = rotation(2, np.pi / 2 - np.arctan2(forward_[1], forward_[0]))
    back = straight @ _UP
    turns = np.broadcast_to(np.eye(3), (frames, len(rig.names), 3, 3)).copy()
    for b, name in enumerate(rig.names):
        if name not in joints:
            parent = rig.parents[b]
            turns[:, b] = turns[:, parent] if parent >= 0 else np.eye(3)
            continue
        joint = joints[name]
        world = back @ pose.turns[:, joint] @ back.T
        way = (rest[target[joint]] - rest[joint]) @ straight.T
        limb = name.partition(".")[0] in ("arm", "forearm", "hand", "thigh", "shin")
        lay = _between(rig.along(name), way) if limb and np.linalg.norm(way) > 1e-6 else np.eye(3)
        turns[:, b] = world @ lay
    joint = joints["pelvis"]
    legs = [
        np.linalg.norm(rest[joints[a]] - rest[target[joints[a]]]) for a in ("thigh.l", "shin.l")
    ]
    scale = leg_length(rig) / max(float(np.sum(legs)), 1e-9)
    root = pose.heads[:, joint] @ back.T * scale
    motion = forward(rig, root, turns)
    lowest = motion.ends(rig)[:, [rig["foot.l"], rig["foot.r"]], 2].min()
    root = root - np.r_[root[0, :2], lowest - rig.tail[rig["foot.l"], 2]]
    return forward(rig, root, turns)


def _facing(rest: Floats, joints: dict[str, int]) -> Floats:
    """Where the capture's figure looks at rest."""
    across = rest[joints["thigh.r"]] - rest[joints["thigh.l"]]
    return np.cross([0.0, 0, 1], across)


def _between(a: Floats, b: Floats) -> Floats:
    """The smallest rotation from direction a to b."""
    a, b = unit(a), unit(b)
    axis, cosine = np.cross(a, b), float(a @ b)
    if cosine < -0.9999:
        side = unit(np.cross(a, [1.0, 0, 0] if abs(a[0]) < 0.9 else [0, 1.0, 0]))
        return 2 * np.outer(side, side) - np.eye(3)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def perform_capture(
    path: Path,
    rig: Skeleton,
    frames: int,
    fps: float,
    rng: np.random.Generator,
    at: Floats,
) -> Motion:
    """A stretch of a capture at a place ``(2,)``, turned by chance, on the clip's frames."""
    capture = read_bvh(path)
    motion = retarget(capture, rig)
    count = len(motion.heads)
    # CMU's conversions begin with a frame in the T-pose.
    first = 1 if count > frames else 0
    need = frames / fps / capture.seconds
    start = first + rng.uniform(0, max(count - 1 - first - need, 0))
    times = np.minimum(start + np.arange(frames) / fps / capture.seconds, count - 1)
    low = np.floor(times).astype(int)
    high, share = np.minimum(low + 1, count - 1), (times - low)
    turns = _interpolated(motion.turns[low], motion.turns[high], share)
    root = motion.heads[low, 0] * (1 - share[:, None]) + motion.heads[high, 0] * share[:, None]
    turn = rotation(2, rng.uniform(0, 2 * np.pi))
    middle = root[:, :2].mean(0)
    root = (root - np.r_[middle, 0]) @ turn.T + np.r_[at, 0]
    return forward(rig, root, turn @ turns)


def _interpolated(a: Floats, b: Floats, share: Floats) -> Floats:
    """Rotations between two, by the nearest rotation to their mean."""
    mean = a * (1 - share[:, None, None, None]) + b * share[:, None, None, None]
    left, _, right = np.linalg.svd(mean)
    return left @ right
