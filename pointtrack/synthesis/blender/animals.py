"""Generated four-legged animals by proportions: body, skeleton, skin weights, coats' slots.

At rest an animal stands at the origin and looks along +y. Front legs are "f", hind legs "h".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.breeds import Breed
from pointtrack.synthesis.blender.implicit import Limb, body, owners
from pointtrack.synthesis.blender.people import Figure
from pointtrack.synthesis.blender.rig import Skeleton, bone_weights, skeleton
from pointtrack.synthesis.blender.solids import ball, join, moved, solid, with_slot

Floats = NDArray[np.float64]
LEGS = (("fl", -1.0, True), ("fr", 1.0, True), ("hl", -1.0, False), ("hr", 1.0, False))
SLOTS = ("coat", "belly", "socks", "nose", "white", "dark", "mane")


def animal_rig(breed: Breed) -> Skeleton:
    """Trunk, neck, head, tail of three bones, and four legs of four bones."""
    h, half = breed.height, breed.height * breed.length / 2
    top = h * (1 - breed.deep)
    neck = np.array([0, np.cos(breed.raised), np.sin(breed.raised)]) * breed.neck * h
    poll = np.array([0, half + 0.08 * h, top + 0.06 * h]) + neck
    bones: list[tuple[str, str | None, Floats, Floats]] = [
        ("hips", None, np.array([0, -half, top]), np.array([0, -0.2 * half, top])),
        ("spine", "hips", np.array([0, -0.2 * half, top]), np.array([0, 0.45 * half, top])),
        ("chest", "spine", np.array([0, 0.45 * half, top]), np.array([0, half + 0.08 * h, top])),
        ("neck", "chest", np.array([0, half + 0.08 * h, top + 0.06 * h]), poll),
        (
            "head",
            "neck",
            poll,
            poll + np.array([0, 0.85 * breed.head + 0.78 * breed.snout, -0.3 * breed.snout]) * h,
        ),
    ]
    root = np.array([0, -half - 0.16 * h, top + 0.05 * h])
    way = np.array([0, -np.cos(breed.tail_angle), np.sin(breed.tail_angle)]) * breed.tail * h / 3
    for k in range(3):
        parent = "hips" if k == 0 else f"tail{k - 1}"
        bones.append((f"tail{k}", parent, root + k * way, root + (k + 1) * way))
    for leg, sign, front in LEGS:
        x = sign * breed.wide * 0.62 * h
        y = half if front else -half
        if front:
            joints = [
                (y, 0.72),
                (y - 0.09 * h, 0.46),
                (y + 0.005 * h, 0.2),
                (y, 0.05),
                (y + 0.07 * h, 0.02),
            ]
        else:
            joints = [
                (y, 0.72),
                (y + 0.10 * h, 0.46),
                (y - 0.12 * h, 0.26),
                (y - 0.08 * h, 0.05),
                (y, 0.02),
            ]
        ends = [np.array([x, a, b * h]) for a, b in joints]
        parts = ("upper", "lower", "cannon", "paw")
        for k, part in enumerate(parts):
            parent = ("chest" if front else "hips") if k == 0 else f"{parts[k - 1]}.{leg}"
            bones.append((f"{part}.{leg}", parent, ends[k], ends[k + 1]))
    return skeleton(bones)


def animal_limbs(breed: Breed, rig: Skeleton) -> list[Limb]:
    """The flesh about the bones."""
    h, half = breed.height, breed.height * breed.length / 2
    deep, wide = breed.deep * h, breed.wide * h
    flat = (wide / deep, 1.0, 1.0)
    top = h * (1 - breed.deep)

    def along(name: str, ra: float, rb: float, start: float = 0.0, end: float = 1.0) -> Limb:
        a, b = rig.head[rig[name]], rig.tail[rig[name]]
        return Limb(name, tuple(a + start * (b - a)), tuple(a + end * (b - a)), ra * h, rb * h)

    limbs = [
        Limb("hips", (0, -half, top), (0, -0.3 * half, top), 0.92 * deep, 0.88 * deep, flat),
        Limb(
            "spine",
            (0, -0.3 * half, top),
            (0, 0.4 * half, top - 0.04 * h),
            0.86 * deep,
            0.98 * deep,
            flat,
        ),
        Limb(
            "chest",
            (0, 0.4 * half, top - 0.04 * h),
            (0, half + 0.04 * h, top),
            deep,
            0.9 * deep,
            flat,
        ),
        along("neck", 0.62 * breed.deep + 0.02, max(0.62 * breed.head, 0.06), -0.1),
        Limb(
            "head",
            tuple(rig.head[rig["head"]] + (0, 0.01, 0)),
            tuple(rig.head[rig["head"]] + (0, 0.25 * breed.head * h, 0)),
            breed.head * h,
            0.92 * breed.head * h,
            (0.86, 1, 0.95),
        ),
        Limb(
            "head",
            tuple(rig.head[rig["head"]] + np.array([0, 0.5 * breed.head, -0.02]) * h),
            tuple(rig.tail[rig["head"]]),
            0.7 * breed.head * h,
            0.5 * breed.head * h,
        ),
    ]
    for k in range(3):
        thick = breed.bushy * (1.0, 1.15, 1.0)[k]
        limbs.append(along(f"tail{k}", thick, breed.bushy * (1.15, 1.0, 0.4)[k]))
    for leg, _, front in LEGS:
        big = breed.leg * (1.0 if front else 1.25)
        limbs += [
            along(f"upper.{leg}", big, 0.6 * breed.leg),
            along(f"lower.{leg}", 0.66 * breed.leg, breed.thin),
            along(f"cannon.{leg}", breed.thin, breed.thin * 0.92),
        ]
        paw = rig.head[rig[f"paw.{leg}"]]
        size = breed.thin * h * (1.12 if breed.hoofed else 1.25)
        limbs.append(
            Limb(
                f"paw.{leg}",
                (paw[0], paw[1], size * 0.8),
                (paw[0], paw[1] + 0.05 * h, size * 0.8),
                size,
                size * 0.9,
                (1.1, 1, 0.8),
            )
        )
    return limbs + _ears(breed, rig)


def _ears(breed: Breed, rig: Skeleton) -> list[Limb]:
    h, r = breed.height, breed.head * breed.height
    crown = rig.head[rig["head"]]
    limbs = []
    for sign in (-1.0, 1.0):
        root = crown + np.array([sign * 0.6 * r, -0.1 * r, 0.65 * r])
        way = (
            np.array([sign * 0.75, 0.1, -0.75])
            if breed.hanging
            else np.array([sign * 0.35, -0.1, 0.95])
        )
        tip = root + breed.ears * h * way
        limbs.append(Limb("head", tuple(root), tuple(tip), 0.34 * r, 0.16 * r, (1, 0.55, 1)))
    if breed.kind == "cow" or breed.kind == "deer":
        for sign in (-1.0, 1.0):
            root = crown + np.array([sign * 0.45 * r, 0, 0.85 * r])
            tip = root + np.array([sign * 0.13, -0.02, 0.1 if breed.kind == "cow" else 0.3]) * h
            limbs.append(Limb("head", tuple(root), tuple(tip), 0.022 * h, 0.012 * h))
    if breed.hoofed and breed.kind == "horse":
        a, b = rig.head[rig["neck"]], rig.tail[rig["neck"]]
        limbs.append(
            Limb(
                "neck",
                tuple(a + np.array([0, -0.1 * h, 0.1 * h])),
                tuple(b + np.array([0, -0.05 * h, 0.08 * h])),
                0.05 * h,
                0.04 * h,
                (0.5, 1, 1),
            )
        )
    return limbs


def make_animal(breed: Breed) -> Figure:
    """The body of a breed, with one material slot a kind of surface (`SLOTS`)."""
    rig = animal_rig(breed)
    limbs = animal_limbs(breed, rig)
    h = breed.height
    verts, quads = body(limbs, 0.024 * h + 0.001, 0.022 * h)
    bones = np.array([rig[limb.bone] for limb in limbs])[owners(limbs, verts)]
    weights = bone_weights(rig, verts, bones, quads, 6)
    mesh = solid(verts, quads)
    mesh.slot[:] = _coat(breed, rig, limbs, verts[quads].mean(1))
    r, crown = breed.head * h, rig.head[rig["head"]]
    parts = []
    for sign in (-1.0, 1.0):
        eye = crown + np.array([sign * 0.66, 0.72, 0.32]) * r
        parts.append(with_slot(moved(ball(0.17 * r, 10), eye), SLOTS.index("white")))
        parts.append(
            with_slot(
                moved(ball(0.135 * r, 8), eye + np.array([sign * 0.05, 0.07, 0]) * r),
                SLOTS.index("dark"),
            )
        )
    tip = rig.tail[rig["head"]] + np.array([0, 0.45, 0.1]) * r
    parts.append(with_slot(moved(ball(0.17 * r, 10), tip), SLOTS.index("nose")))
    face = join(parts)
    rigid = np.zeros((len(face.verts), len(rig.names)))
    rigid[:, rig["head"]] = 1
    return Figure(join([mesh, face]), rig, np.concatenate([weights, rigid]), SLOTS)


def _coat(breed: Breed, rig: Skeleton, limbs: list[Limb], centres: Floats) -> NDArray[np.int64]:
    """The material slot of every face."""
    h = breed.height
    owner = owners(limbs, centres)
    bone = np.array([limb.bone for limb in limbs])[owner]
    slot = np.zeros(len(centres), int)
    trunk = np.isin(bone, ["hips", "spine", "chest"])
    slot[trunk & (centres[:, 2] < h * (1 - 1.6 * breed.deep))] = SLOTS.index("belly")
    feet = np.char.startswith(bone, "paw")
    slot[feet | (np.char.startswith(bone, "cannon") & (centres[:, 2] < 0.12 * h))] = SLOTS.index(
        "socks"
    )
    if breed.hoofed:
        slot[feet] = SLOTS.index("nose")
        slot[np.char.startswith(bone, "tail")] = SLOTS.index("mane")
    if breed.kind == "horse":
        slot[owner == len(limbs) - 1] = SLOTS.index("mane")
    if breed.kind in ("cow", "deer"):
        slot[owner >= len(limbs) - 2] = SLOTS.index("nose")
    return slot
