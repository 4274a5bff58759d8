"""Generated people: a skeleton, one skinned body in clothes, face and hair, in numpy.

At rest a figure stands at the origin, faces +y, and holds its arms out and down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.implicit import Limb, body, owners
from pointtrack.synthesis.blender.rig import Skeleton, bone_weights, skeleton
from pointtrack.synthesis.blender.solids import Solid, ball, join, moved, solid, with_slot

Floats = NDArray[np.float64]
SLOTS = ("skin", "shirt", "trousers", "shoes", "hair", "white", "dark", "lips", "bag")
SIDES = (("l", -1.0), ("r", 1.0))


@dataclass(frozen=True)
class Build:
    """A figure's proportions and clothes.

    Attributes
    ----------
    height
        In metres; `girth` a factor on all radii; `shoulders` and `hips` on widths.
    sleeve, leg
        How far clothes reach down the arm and leg, from 0 to 1.
    hair
        ``"short"``, ``"long"``, ``"bun"``, ``"cap"`` or ``"bald"``.
    skirt, bag
        Whether there is one.
    """

    height: float = 1.75
    girth: float = 1.0
    shoulders: float = 1.0
    hips: float = 1.0
    sleeve: float = 0.9
    leg: float = 1.0
    hair: str = "short"
    skirt: bool = False
    bag: bool = False


@dataclass(frozen=True, eq=False)
class Figure:
    """A body to be posed: mesh at rest, skeleton and skin weights ``(V, B)``."""

    mesh: Solid
    rig: Skeleton
    weights: Floats
    slots: tuple[str, ...]


def draw_build(rng: np.random.Generator) -> Build:
    """Proportions and clothes by chance: children and adults, slim and stout."""
    child = rng.random() < 0.2
    return Build(
        height=float(
            rng.uniform(1.1, 1.45) if child else np.clip(rng.normal(1.71, 0.09), 1.5, 1.95)
        ),
        girth=float(np.clip(rng.normal(1.02, 0.1), 0.86, 1.3)),
        shoulders=float(rng.uniform(0.9, 1.1)),
        hips=float(rng.uniform(0.92, 1.12)),
        sleeve=float(rng.choice([0.22, 0.45, 0.95])),
        leg=float(rng.choice([0.4, 0.7, 1.0], p=[0.2, 0.1, 0.7])),
        hair=str(
            rng.choice(["short", "long", "bun", "cap", "bald"], p=[0.36, 0.26, 0.1, 0.2, 0.08])
        ),
        skirt=bool(rng.random() < 0.18),
        bag=bool(rng.random() < 0.25),
    )


def person_rig(build: Build) -> Skeleton:
    """20 bones, in proportion to the height."""
    h = build.height
    shoulder, hip = 0.108 * h * build.shoulders, 0.052 * h * build.hips
    bones: list[tuple[str, str | None, tuple[float, ...], tuple[float, ...]]] = [
        ("pelvis", None, (0, 0, 0.53 * h), (0, 0, 0.59 * h)),
        ("spine", "pelvis", (0, 0, 0.59 * h), (0, 0, 0.70 * h)),
        ("chest", "spine", (0, 0, 0.70 * h), (0, -0.01 * h, 0.825 * h)),
        ("neck", "chest", (0, -0.01 * h, 0.825 * h), (0, 0.005 * h, 0.875 * h)),
        ("head", "neck", (0, 0.005 * h, 0.875 * h), (0, 0.005 * h, h)),
    ]
    reach = np.array([0.62, 0.0, -0.785])
    for side, sign in SIDES:
        start = np.array([sign * shoulder, -0.005 * h, 0.812 * h])
        way = reach * (sign, 1, 1)
        elbow, wrist = start + 0.168 * h * way, start + 0.315 * h * way
        hand = wrist + 0.095 * h * way
        bones += [
            (f"clavicle.{side}", "chest", (sign * 0.02 * h, 0, 0.812 * h), tuple(start)),
            (f"arm.{side}", f"clavicle.{side}", tuple(start), tuple(elbow)),
            (f"forearm.{side}", f"arm.{side}", tuple(elbow), tuple(wrist)),
            (f"hand.{side}", f"forearm.{side}", tuple(wrist), tuple(hand)),
        ]
    for side, sign in SIDES:
        x = sign * hip
        bones += [
            (f"thigh.{side}", "pelvis", (x, 0, 0.515 * h), (x * 0.95, 0.004 * h, 0.283 * h)),
            (
                f"shin.{side}",
                f"thigh.{side}",
                (x * 0.95, 0.004 * h, 0.283 * h),
                (x * 0.9, -0.012 * h, 0.047 * h),
            ),
            (
                f"foot.{side}",
                f"shin.{side}",
                (x * 0.9, -0.012 * h, 0.047 * h),
                (x * 1.1, 0.085 * h, 0.012 * h),
            ),
        ]
    return skeleton(bones)


def person_limbs(build: Build, rig: Skeleton) -> list[Limb]:
    """The flesh and clothes about the bones."""
    h, g = build.height, build.girth
    k = h * g

    def bone(name: str, ra: float, rb: float, stretch=(1.0, 1.0, 1.0), start=0.0, end=1.0) -> Limb:  # type: ignore[no-untyped-def]
        a, b = rig.head[rig[name]], rig.tail[rig[name]]
        return Limb(
            name, tuple(a + start * (b - a)), tuple(a + end * (b - a)), ra * k, rb * k, stretch
        )

    wide = build.shoulders
    limbs = [
        Limb(
            "pelvis",
            (0, -0.01 * h, 0.515 * h),
            (0, -0.004 * h, 0.565 * h),
            0.07 * k,
            0.066 * k,
            (1.3 * build.hips, 0.98, 1),
        ),
        bone("spine", 0.068, 0.068, (1.18, 0.92, 1)),
        Limb(
            "chest",
            (0, 0, 0.70 * h),
            (0, -0.008 * h, 0.785 * h),
            0.072 * k,
            0.066 * k,
            (1.32 * wide, 0.92, 1),
        ),
        Limb(
            "chest",
            (-0.075 * h * wide, -0.008 * h, 0.808 * h),
            (0.075 * h * wide, -0.008 * h, 0.808 * h),
            0.034 * k,
            0.034 * k,
        ),
        bone("neck", 0.03, 0.028),
        Limb(
            "head",
            (0, 0.008 * h, 0.935 * h),
            (0, 0.004 * h, 0.95 * h),
            0.052 * h,
            0.052 * h,
            (0.86, 1.0, 1.0),
        ),
        Limb("head", (0, 0.018 * h, 0.905 * h), (0, 0.026 * h, 0.892 * h), 0.032 * h, 0.024 * h),
        Limb("head", (0, 0.062 * h, 0.932 * h), (0, 0.07 * h, 0.917 * h), 0.006 * h, 0.009 * h),
    ]
    for side, sign in SIDES:
        cloth = 1.14
        limbs += [
            bone(f"arm.{side}", 0.033 * cloth, 0.026 * cloth, end=min(build.sleeve * 2, 1)),
            bone(f"forearm.{side}", 0.026, 0.018),
            bone(f"hand.{side}", 0.016, 0.017, (0.8, 1.2, 1.0), 0.1, 0.7),
            bone(f"thigh.{side}", 0.053, 0.037, end=min(1.0, build.leg * 2)),
            bone(f"shin.{side}", 0.035, 0.024),
            Limb(
                f"shin.{side}",
                tuple(rig.head[rig[f"shin.{side}"]] + (0, -0.012 * h, -0.03 * h)),
                tuple(rig.head[rig[f"shin.{side}"]] + (0, -0.014 * h, -0.09 * h)),
                0.03 * k,
                0.026 * k,
            ),
            Limb(
                "head",
                (sign * 0.046 * h, 0, 0.932 * h),
                (sign * 0.048 * h, -0.002 * h, 0.918 * h),
                0.008 * h,
                0.006 * h,
            ),
        ]
        x = rig.tail[rig[f"shin.{side}"]][0]
        limbs += [
            Limb(
                f"foot.{side}",
                (x, -0.022 * h, 0.024 * h),
                (x * 1.1, 0.075 * h, 0.02 * h),
                0.023 * h,
                0.019 * h,
            ),
            bone(f"arm.{side}", 0.026, 0.026, start=0.4),
            bone(f"thigh.{side}", 0.036, 0.036, start=0.6),
        ]
        hand = rig.head[rig[f"hand.{side}"]]
        thumb = hand + np.array([sign * 0.012 * h, 0.022 * h, -0.025 * h])
        limbs.append(
            Limb(
                f"hand.{side}",
                tuple(hand + np.array([0, 0.01 * h, -0.008 * h])),
                tuple(thumb),
                0.008 * h,
                0.007 * h,
            )
        )
        if build.sleeve > 0.6:
            limbs.append(bone(f"forearm.{side}", 0.03, 0.024, end=(build.sleeve - 0.5) * 2))
        if build.leg > 0.6:
            limbs.append(
                bone(f"shin.{side}", 0.039, 0.034, end=min(1.0, (build.leg - 0.5) * 2 - 0.02))
            )
    return limbs + _hair(build) + _extras(build, k)


def _hair(build: Build) -> list[Limb]:
    """Hair or a cap, as limbs of the head."""
    h = build.height
    crown = (0, -0.006 * h, 0.952 * h)
    limbs = []
    if build.hair != "bald":
        limbs.append(
            Limb("head", crown, (0, -0.01 * h, 0.945 * h), 0.056 * h, 0.056 * h, (0.9, 1, 1))
        )
    if build.hair == "long":
        limbs.append(
            Limb(
                "head",
                (0, -0.035 * h, 0.93 * h),
                (0, -0.05 * h, 0.84 * h),
                0.042 * h,
                0.03 * h,
                (1.15, 0.7, 1),
            )
        )
    if build.hair == "bun":
        limbs.append(
            Limb("head", (0, -0.06 * h, 0.975 * h), (0, -0.066 * h, 0.98 * h), 0.026 * h, 0.022 * h)
        )
    if build.hair == "cap":
        limbs.append(
            Limb(
                "head",
                (0, 0.045 * h, 0.962 * h),
                (0, 0.085 * h, 0.957 * h),
                0.03 * h,
                0.02 * h,
                (1.3, 1, 0.22),
            )
        )
    return limbs


def _extras(build: Build, k: float) -> list[Limb]:
    """A skirt or a backpack."""
    h = build.height
    limbs = []
    if build.skirt:
        end = 0.30 * h
        limbs.append(
            Limb("pelvis", (0, 0, 0.55 * h), (0, 0, end), 0.062 * k, 0.098 * k, (1.2, 1.0, 1))
        )
    if build.bag:
        limbs.append(
            Limb(
                "chest",
                (0, -0.1 * h, 0.69 * h),
                (0, -0.1 * h, 0.78 * h),
                0.05 * h,
                0.045 * h,
                (1.4, 0.9, 1),
            )
        )
    return limbs


def make_person(build: Build, step: float = 0.017) -> Figure:
    """The body of a build, with one material slot a kind of surface (`SLOTS`)."""
    rig = person_rig(build)
    limbs = person_limbs(build, rig)
    verts, quads = body(limbs, step, 0.008)
    owner = owners(limbs, verts)
    bones = np.array([rig[limb.bone] for limb in limbs])[owner]
    weights = bone_weights(rig, verts, bones, quads)
    if build.skirt:
        weights = _hang_skirt(build, rig, verts, owner == _skirt_number(limbs), weights)
    mesh = solid(verts, quads)
    centres = verts[quads].mean(1)
    face_owner = owners(limbs, centres)
    slots = _dress(build, rig, limbs, centres, face_owner)
    mesh.slot[:] = slots
    face = _face(build)
    rigid = np.zeros((len(face.verts), len(rig.names)))
    rigid[:, rig["head"]] = 1
    return Figure(join([mesh, face]), rig, np.concatenate([weights, rigid]), SLOTS)


def _skirt_number(limbs: list[Limb]) -> int:
    return max(i for i, limb in enumerate(limbs) if limb.bone == "pelvis")


def _hang_skirt(
    build: Build, rig: Skeleton, verts: Floats, skirt: NDArray[np.bool_], weights: Floats
) -> Floats:
    """Let a skirt follow both thighs, more so near its hem."""
    h = build.height
    down = np.clip((0.53 - verts[:, 2] / h) / 0.2, 0, 1) * 0.85
    right = 1 / (1 + np.exp(-verts[:, 0] / (0.03 * h)))
    out = weights.copy()
    share = np.zeros_like(weights)
    share[:, rig["pelvis"]] = 1 - down
    share[:, rig["thigh.r"]], share[:, rig["thigh.l"]] = down * right, down * (1 - right)
    out[skirt] = share[skirt]
    return out


def _dress(
    build: Build, rig: Skeleton, limbs: list[Limb], centres: Floats, owner: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The material slot of every face."""
    h = build.height
    slot = np.zeros(len(centres), int)
    bone = np.array([limb.bone for limb in limbs])[owner]
    x, y, z = (centres / h).T
    number = {name: i for i, name in enumerate(SLOTS)}
    torso = np.isin(bone, ["pelvis", "spine", "chest", "clavicle.l", "clavicle.r"])
    slot[torso] = number["shirt"]
    slot[torso & (z < 0.565)] = number["trousers"]
    for side, _ in SIDES:
        for name, first, second, reach in (
            ("shirt", f"arm.{side}", f"forearm.{side}", build.sleeve),
            ("trousers", f"thigh.{side}", f"shin.{side}", build.leg),
        ):
            for k, part in enumerate((first, second)):
                a, b = rig.head[rig[part]], rig.tail[rig[part]]
                share = (centres - a) @ (b - a) / ((b - a) @ (b - a))
                slot[(bone == part) & (share + k < 2 * reach)] = number[name]
        slot[bone == f"foot.{side}"] = number["shoes"]
    head = bone == "head"
    line = 0.957 - 0.25 * np.maximum(-y - 0.0, 0) * 4 + 0.12 * np.maximum(y - 0.03, 0)
    slot[head & (z > np.maximum(line, 0.9 if build.hair != "long" else 0.8)) & (y < 0.075)] = (
        number["hair"]
    )
    if build.hair == "cap":
        slot[head & (z > 0.957) & (y > 0.02)] = number["hair"]
    if build.hair == "bald":
        slot[head] = number["skin"]
    slot[head & (z > 0.9) & (np.abs(x) > 0.047) & (z < 0.94)] = number["skin"]  # ears
    if build.skirt:
        slot[owner == _skirt_number(limbs)] = number["trousers"]
        slot[np.char.startswith(bone, "shin")] = number["skin"]
    if build.bag:
        slot[owner == len(limbs) - 1] = number["bag"]
    return slot


def _face(build: Build) -> Solid:
    """Eyes, brows and mouth."""
    h = build.height
    number = {name: i for i, name in enumerate(SLOTS)}
    parts = []
    for sign in (-1.0, 1.0):
        eye = (sign * 0.019 * h, 0.0495 * h, 0.938 * h)
        parts += [
            with_slot(moved(ball(0.0085 * h, 10), eye), number["white"]),
            with_slot(
                moved(ball(0.005 * h, 8), (eye[0], eye[1] + 0.0055 * h, eye[2])), number["dark"]
            ),
            with_slot(
                moved(
                    ball(1, 8),
                    (eye[0], eye[1] + 0.004 * h, eye[2] + 0.0125 * h),
                    scale=np.array([0.011, 0.004, 0.0028]) * h,
                ),
                number["hair"],
            ),
        ]
    mouth = moved(ball(1, 10), (0, 0.051 * h, 0.9 * h), scale=np.array([0.014, 0.006, 0.004]) * h)
    return join([*parts, with_slot(mouth, number["lips"])])
