"""Houses, walls, fences and street furniture in numpy, standing on z = 0."""

from __future__ import annotations

import numpy as np

from pointtrack.synthesis.blender.solids import (
    Solid,
    box,
    cylinder,
    join,
    lathe,
    moved,
    solid,
    with_slot,
)

Rng = np.random.Generator


def house(rng: Rng, width: float, depth: float, storeys: int) -> Solid:
    """Walls (slot 0), roof (1), frames and doors (2), panes (3); its front looks to -y."""
    high = 2.8 * storeys
    parts = [box((width, depth, high))]
    rise, over = width * rng.uniform(0.18, 0.4), 0.25
    x, y = width / 2 + over, depth / 2 + over
    if rng.random() < 0.7:
        verts = [(-x, -y, 0), (x, -y, 0), (x, y, 0), (-x, y, 0), (0, -y, rise), (0, y, rise)]
        faces = [[0, 4, 5, 3], [1, 2, 5, 4], [0, 1, 4, -1], [2, 3, 5, -1], [0, 3, 2, 1]]
        parts.append(with_slot(moved(solid(verts, faces), (0, 0, high)), 1))
    else:
        parts.append(with_slot(moved(box((2 * x, 2 * y, 0.25)), (0, 0, high)), 1))
    columns = max(2, int(width / 1.9))
    for side in (0, 1):
        span, gap = (width, depth / 2) if side == 0 else (depth, width / 2)
        count = columns if side == 0 else max(1, int(depth / 2.2))
        for level in range(storeys):
            for k in range(count):
                at = ((k + 0.5) / count - 0.5) * span
                door = side == 0 and level == 0 and k == count // 2
                for sign in (-1, 1):
                    turn = (0 if sign < 0 else np.pi) + side * np.pi / 2
                    place = (at, -gap, 2.8 * level + (0 if door else 0.9))
                    parts += [moved(p, turn=turn) for p in _opening(place, door)]
    return join(parts)


def _opening(at: tuple[float, float, float], door: bool) -> list[Solid]:
    """A window or a door on a wall that looks to -y."""
    w, h = (0.95, 2.1) if door else (1.0, 1.35)
    x, y, z = at
    rim = with_slot(moved(box((w + 0.16, 0.1, h + 0.16)), (x, y - 0.02, z - 0.08)), 2)
    parts = [rim]
    if door:
        parts.append(with_slot(moved(box((w, 0.05, h)), (x, y - 0.06, z)), 1))
        return parts
    for i in (-1, 1):
        for j in (0, 1):
            pane = box((w / 2 - 0.04, 0.03, h / 2 - 0.04))
            parts.append(
                with_slot(moved(pane, (x + i * w / 4, y - 0.065, z + 0.02 + j * h / 2)), 3)
            )
    parts.append(with_slot(moved(box((w + 0.3, 0.18, 0.06)), (x, y - 0.07, z - 0.1)), 2))
    return parts


def fence(rng: Rng, length: float, height: float) -> Solid:
    """Pales and rails along x."""
    parts = [moved(box((length, 0.03, 0.07)), (0, 0.03, f * height)) for f in (0.25, 0.75)]
    step, wide = rng.uniform(0.13, 0.3), rng.uniform(0.06, 0.1)
    pointed = rng.random() < 0.5
    for k in range(int(length / step)):
        x = -length / 2 + (k + 0.5) * step
        tall = height * (1 + 0.03 * rng.normal())
        parts.append(moved(box((wide, 0.02, tall)), (x, 0, 0)))
        if pointed:
            tip = [
                (-wide / 2, -0.01, 0),
                (wide / 2, -0.01, 0),
                (wide / 2, 0.01, 0),
                (-wide / 2, 0.01, 0),
                (0, 0, wide * 0.7),
            ]
            faces = [[0, 1, 4, -1], [1, 2, 4, -1], [2, 3, 4, -1], [3, 0, 4, -1], [0, 3, 2, 1]]
            parts.append(moved(solid(tip, faces), (x, 0, tall)))
    return join(parts)


def bench(rng: Rng) -> Solid:
    """A park bench: boards (slot 0) on iron feet (slot 1)."""
    parts = [moved(box((1.7, 0.1, 0.04), 0.008), (0, -0.2 + 0.13 * k, 0.44)) for k in range(4)]
    parts += [moved(box((1.7, 0.035, 0.11), 0.008), (0, 0.26, 0.58 + 0.16 * k)) for k in range(2)]
    for x in (-0.65, 0.65):
        parts.append(with_slot(moved(box((0.05, 0.46, 0.44)), (x, 0, 0)), 1))
        parts.append(with_slot(moved(box((0.05, 0.04, 0.84)), (x, 0.29, 0)), 1))
    return join(parts)


def street_lamp(rng: Rng, height: float) -> Solid:
    """A post (slot 0) with a lantern (slot 1)."""
    r = rng.uniform(0.035, 0.06)
    post = lathe(
        [(2.2 * r, 0), (2.0 * r, 0.25), (r, 0.4), (0.8 * r, height), (1.6 * r, height + 0.03)], 16
    )
    lantern = lathe([(0.1, height + 0.03), (0.17, height + 0.35), (0.03, height + 0.48)], 12)
    return join([post, with_slot(lantern, 1)])


def barrel(rng: Rng, height: float) -> Solid:
    """A bulged barrel or bin with hoops (slot 1)."""
    z = np.linspace(0, height, 9)
    r = height * (0.28 + rng.uniform(0.0, 0.08) * np.sin(np.pi * z / height))
    parts = [lathe(np.stack([r, z], 1), 28)]
    for k in (1, 4, 7):
        hoop = lathe(
            [
                (r[k], z[k] - 0.02),
                (r[k] + 0.008, z[k] - 0.02),
                (r[k] + 0.008, z[k] + 0.02),
                (r[k], z[k] + 0.02),
            ],
            28,
        )
        parts.append(with_slot(hoop, 1))
    return join(parts)


def signpost(rng: Rng) -> Solid:
    """A pole (slot 1) with a board (slot 0)."""
    w, h = rng.uniform(0.5, 0.9), rng.uniform(0.35, 0.6)
    pole = with_slot(cylinder(0.035, 2.0, 14), 1)
    return join([pole, moved(box((w, 0.03, h), 0.006), (0, -0.05, 1.9 - h))])
