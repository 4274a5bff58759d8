"""Furniture and things of a household, built from parts in numpy.

Everything stands on z = 0 about the origin and looks to -y. Faces of slot 0 carry the main
material, 1 the second one, 2 the third.
"""

from __future__ import annotations

import numpy as np

from pointtrack.synthesis.blender.solids import (
    Solid,
    ball,
    box,
    cylinder,
    join,
    lathe,
    lump,
    moved,
    sheet,
    solid,
    span_uv,
    tube,
    with_slot,
)

Rng = np.random.Generator


def table(rng: Rng, size: tuple[float, float, float]) -> Solid:
    """A top on four legs or a foot; size is (x, y, height)."""
    x, y, h = size
    parts = [moved(box((x, y, 0.04), 0.008), (0, 0, h - 0.04))]
    if rng.random() < 0.25:
        parts += [cylinder(0.05, h - 0.04), cylinder(0.28 * min(x, y) + 0.1, 0.03)]
        return join([parts[0], *(with_slot(p, 1) for p in parts[1:])])
    thick = rng.uniform(0.035, 0.07)
    round_ = rng.random() < 0.4
    for i in (-1, 1):
        for j in (-1, 1):
            at = (i * (x / 2 - thick), j * (y / 2 - thick), 0)
            leg = cylinder(thick / 2, h - 0.04, 12) if round_ else box((thick, thick, h - 0.04))
            parts.append(with_slot(moved(leg, at), 1))
    return join(parts)


def chair(rng: Rng) -> Solid:
    """A chair with a seat at 0.45 m."""
    w, d, h = 0.44, 0.44, 0.45
    back = rng.uniform(0.36, 0.55)
    parts = [moved(box((w, d, 0.035), 0.01), (0, 0, h - 0.035))]
    t = rng.uniform(0.03, 0.045)
    for i in (-1, 1):
        parts.append(with_slot(moved(box((t, t, h - 0.035)), (i * (w / 2 - t), -d / 2 + t, 0)), 1))
        parts.append(with_slot(moved(box((t, t, h + back)), (i * (w / 2 - t), d / 2 - t, 0)), 1))
    if rng.random() < 0.5:
        parts.append(
            moved(box((w - 0.06, 0.025, back * 0.5), 0.01), (0, d / 2 - t, h + back * 0.45))
        )
    else:
        for k in range(4):
            x = (k - 1.5) * (w - 0.1) / 4
            parts.append(moved(box((0.035, 0.02, back - 0.04)), (x, d / 2 - t, h)))
        parts.append(
            with_slot(moved(box((w - 0.04, 0.03, 0.05), 0.01), (0, d / 2 - t, h + back - 0.05)), 1)
        )
    return join(parts)


def sofa(rng: Rng, width: float) -> Solid:
    """A padded bench with a back, arms, and loose cushions of slot 1."""
    soft = 0.05
    parts = [
        box((width, 0.85, 0.2), soft),
        moved(box((width, 0.22, 0.5), 0.07), (0, 0.32, 0.3)),
        moved(box((0.2, 0.85, 0.46), 0.07), (-width / 2 + 0.1, 0, 0.12)),
        moved(box((0.2, 0.85, 0.46), 0.07), (width / 2 - 0.1, 0, 0.12)),
    ]
    seats = max(1, round((width - 0.4) / 0.65))
    each = (width - 0.4) / seats
    for k in range(seats):
        x = -width / 2 + 0.2 + (k + 0.5) * each
        parts.append(moved(box((each - 0.01, 0.62, 0.22), 0.06), (x, -0.1, 0.2)))
    for k in range(int(rng.integers(1, 4))):
        x = rng.uniform(-width / 2 + 0.35, width / 2 - 0.35)
        pillow = moved(lump(rng, (0.42, 0.16, 0.4), 0.06, 2), (x, 0.1, 0.6))
        parts.append(with_slot(pillow, 1 + k % 2))
    return join(parts)


def shelf(rng: Rng, size: tuple[float, float, float], boards: int) -> Solid:
    """An open case with boards; (width, depth, height)."""
    x, y, h = size
    t = 0.025
    parts = [
        moved(box((t, y, h)), (-x / 2 + t / 2, 0, 0)),
        moved(box((t, y, h)), (x / 2 - t / 2, 0, 0)),
        with_slot(moved(box((x - 2 * t, 0.01, h)), (0, y / 2 - 0.01, 0)), 1),
    ]
    for k in range(boards + 1):
        parts.append(moved(box((x - 2 * t, y - 0.01, t)), (0, 0, k * (h - t) / boards)))
    return join(parts)


def board_heights(height: float, boards: int) -> list[float]:
    """Where things stand in a shelf."""
    return [k * (height - 0.025) / boards + 0.025 for k in range(boards)]


def cabinet(rng: Rng, size: tuple[float, float, float]) -> Solid:
    """A closed case with doors (slot 1) and knobs (slot 2)."""
    x, y, h = size
    parts = [moved(box((x, y, h - 0.08), 0.01), (0, 0, 0.08))]
    columns, rows = max(1, round(x / 0.45)), int(rng.integers(1, 4))
    for i in range(columns):
        for j in range(rows):
            w, k = x / columns, (h - 0.1) / rows
            at = np.array([-x / 2 + (i + 0.5) * w, -y / 2 - 0.008, 0.1 + j * k])
            parts.append(with_slot(moved(box((w - 0.02, 0.016, k - 0.02), 0.005), at), 1))
            knob = moved(
                ball(0.014, 10), at + np.array([0.35 * w * (1 if i % 2 else -1), -0.02, k * 0.5])
            )
            parts.append(with_slot(knob, 2))
    for i in (-1, 1):
        for j in (-1, 1):
            foot = moved(box((0.04, 0.04, 0.08)), (i * (x / 2 - 0.04), j * (y / 2 - 0.04), 0))
            parts.append(with_slot(foot, 2))
    return join(parts)


def floor_lamp(rng: Rng, height: float) -> Solid:
    """A foot, a pole (slot 1) and a shade (slot 0)."""
    r = rng.uniform(0.14, 0.22)
    shade = lathe([(r, height - 0.26), (r * rng.uniform(0.5, 1.0), height)], 24)
    pole = join([cylinder(0.14, 0.025), cylinder(0.012, height - 0.1, 10)])
    return join([shade, with_slot(pole, 1)])


def table_lamp(rng: Rng) -> Solid:
    """A turned foot (slot 1) and a shade (slot 0)."""
    h, r = rng.uniform(0.35, 0.55), rng.uniform(0.1, 0.16)
    z = np.linspace(0, h - 0.16, 14)
    swell = 0.04 + 0.03 * np.sin(z / h * rng.uniform(4, 11) + rng.uniform(0, 6))
    foot = lathe(np.stack([swell, z], 1), 20)
    shade = lathe([(r, h - 0.18), (r * rng.uniform(0.55, 1), h)], 24)
    return join([shade, with_slot(foot, 1)])


def vase(rng: Rng, height: float) -> Solid:
    """A turned vessel."""
    z = np.linspace(0, 1, 24)
    a, b = rng.uniform(0.5, 1.2), rng.uniform(2.5, 6)
    r = 0.22 + 0.14 * np.sin(b * z + a) + 0.05 * np.cos(9 * z)
    outside = np.stack([r * height, z * height], 1)
    inside = np.array([[outside[-1, 0] * 0.85, height], [outside[-1, 0] * 0.7, height * 0.6]])
    return lathe(np.concatenate([outside, inside]), 32)


def mug(rng: Rng) -> Solid:
    """A mug with a handle."""
    r, h = rng.uniform(0.036, 0.048), rng.uniform(0.08, 0.11)
    cup = lathe([(r * 0.9, 0), (r, 0.01), (r, h), (r * 0.9, h), (r * 0.85, 0.015)], 24)
    angle = np.linspace(-1.4, 1.4, 9)
    ring = np.stack([r + 0.028 * np.cos(angle), 0 * angle, h / 2 + 0.03 * np.sin(angle)], 1)
    return join([cup, tube(ring, 0.006, 8)])


def book(size: tuple[float, float, float]) -> Solid:
    """Pages (slot 1) in a cover (slot 0) with a spine to -y; (thickness x, depth y, height)."""
    t, d, h = size
    cover = 0.003
    parts = [
        moved(box((cover, d, h)), (-t / 2 + cover / 2, 0, 0)),
        moved(box((cover, d, h)), (t / 2 - cover / 2, 0, 0)),
        moved(box((t, cover, h)), (0, -d / 2, 0)),
        with_slot(moved(box((t - 2 * cover, d - 0.008, h - 0.01)), (0, 0, 0.005)), 1),
    ]
    return join(parts)


def frame(width: float, height: float) -> Solid:
    """A picture (slot 0, its picture spanned once) in a frame (slot 1), its back at y = 0."""
    t = 0.03
    canvas = span_uv(_panel(width, height))
    parts = [canvas]
    for sign in (-1, 1):
        parts.append(
            with_slot(
                moved(
                    box((t, 0.035, height + 2 * t), 0.006),
                    (sign * (width + t) / 2, -0.018, -height / 2 - t),
                ),
                1,
            )
        )
        z = height / 2 if sign > 0 else -height / 2 - t
        parts.append(with_slot(moved(box((width, 0.035, t), 0.006), (0, -0.018, z)), 1))
    return join(parts)


def _panel(width: float, height: float) -> Solid:

    flat = sheet((width, height), (1, 1))
    verts = flat.verts[:, [0, 2, 1]] + (0, -0.012, 0)
    return Solid(verts, flat.faces, flat.uv, flat.slot)


def plant(rng: Rng, height: float) -> Solid:
    """A potted plant: pot (slot 1), soil (slot 2), leaves (slot 0)."""
    r = 0.16 * height + 0.05
    pot = lathe(
        [(r * 0.7, 0), (r, 0.3 * height), (r * 0.88, 0.3 * height), (r * 0.85, 0.24 * height)], 24
    )
    soil = moved(cylinder(r * 0.84, 0.02), (0, 0, 0.24 * height))
    parts = [with_slot(pot, 1), with_slot(soil, 2)]
    for k in range(int(rng.integers(14, 26))):
        parts.append(_leaf(rng, 0.25 * height, 0.75 * height, k * 2.4))
    return join(parts)


def _leaf(rng: Rng, start: float, length: float, turn: float) -> Solid:
    """A long bent leaf from the middle outwards, a little thick."""
    s = np.linspace(0, 1, 7)
    reach = rng.uniform(0.3, 0.75) * length
    rise = length * rng.uniform(0.6, 1.0)
    x, z = reach * s**1.3, start + rise * (s - 0.55 * s**2.5)
    wide = length * rng.uniform(0.05, 0.1) * np.sin(np.pi * np.clip(s, 0.04, 0.99)) ** 0.8
    verts = np.concatenate(
        [np.c_[x, wide, z], np.c_[x, -wide, z], np.c_[x, 0 * wide, z - 0.3 * wide]]
    )
    n, i = len(s), np.arange(len(s) - 1)
    faces = np.concatenate(
        [
            np.stack([i, i + 1, n * 2 + i + 1, n * 2 + i], 1),
            np.stack([2 * n + i, 2 * n + i + 1, n + i + 1, n + i], 1),
        ]
    )

    return moved(solid(verts, faces), turn=turn + rng.uniform(-0.4, 0.4))
