"""The indoor stage: a furnished room with window light, people, a pet, and things that fall."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender import furniture, paint, prints
from pointtrack.synthesis.blender.breeds import PETS
from pointtrack.synthesis.blender.camera_paths import Limits
from pointtrack.synthesis.blender.cast import Plan, cast_animals, cast_people, throw_toys
from pointtrack.synthesis.blender.cloth import drape, gusts
from pointtrack.synthesis.blender.config import BlenderConfig
from pointtrack.synthesis.blender.fog import FogLaw
from pointtrack.synthesis.blender.furnishing import furnish
from pointtrack.synthesis.blender.lighting import flicker, lamp, plain_world
from pointtrack.synthesis.blender.materials import plain, textured
from pointtrack.synthesis.blender.solids import (
    Solid,
    box,
    cylinder,
    join,
    moved,
    sheet,
)
from pointtrack.synthesis.blender.weather import add_weather
from pointtrack.synthesis.blender.workshop import Workshop

Rng = np.random.Generator
FLOORS = (paint.wood, paint.parquet, paint.tiles, paint.carpet, paint.terrazzo, paint.concrete)
WALLS = (paint.plaster, paint.plaster, paint.wallpaper, paint.bricks, paint.stripes, paint.concrete)


def stage_indoor(shop: Workshop, config: BlenderConfig) -> tuple[Limits, FogLaw | None]:
    """A room 4.5 to 7 m wide; the cameras stay inside."""
    rng = shop.rng
    room = np.array([rng.uniform(4.6, 6.8), rng.uniform(4.4, 6.2), rng.uniform(2.5, 3.0)])
    plan = Plan(
        (-room[0] / 2 + 0.01, -room[1] / 2 + 0.01), (room[0] / 2 - 0.01, room[1] / 2 - 0.01)
    )
    walls = _shell(shop, room)
    pieces = furnish(shop, room, plan)
    _pictures(shop, room)
    _curtains(shop, room)
    _light(shop, room)
    toys = throw_toys(shop, plan, [*walls, *pieces], int(rng.integers(3, 7)), 0.16)
    cast_people(shop, plan, int(rng.integers(1, 4)), config.motions)
    if rng.random() < 0.55:
        cast_animals(shop, plan, 1, PETS, ("walk", "trot"))
    shop.notes["toys"] = len(toys)
    margin = 0.35
    fog = add_weather(shop, config, -np.r_[room[:2] / 2, 0], np.r_[room[:2] / 2, room[2]], 0.06)
    return (
        Limits(
            (-room[0] / 2 + margin, -room[1] / 2 + margin),
            (room[0] / 2 - margin, room[1] / 2 - margin),
            (0.6, room[2] - 0.4),
            (1.8, 4.2),
            (20.0, 32.0),
            0.8,
        ),
        fog,
    )


def _shell(shop: Workshop, room: NDArray[np.float64]) -> list[Any]:
    """Floor, ceiling, four walls (one with a window), skirting boards."""
    rng, (x, y, z) = shop.rng, room
    floor = textured(
        FLOORS[rng.integers(len(FLOORS))](rng),
        rng.uniform(0.45, 0.9),
        rng.uniform(0.25, 0.8),
        bump=0.002,
        turn=rng.choice([0, np.pi / 2]),
    )
    paper = WALLS[rng.integers(len(WALLS))](rng)
    scale = rng.uniform(0.7, 1.2)
    second = paint.plaster(rng) if rng.random() < 0.5 else paper
    walls = [textured(p, scale, 0.85, bump=0.002) for p in (paper, second)]
    made = [shop.add(moved(box((x, y, 0.1)), (0, 0, -0.1)), floor, "floor", instance=0)]
    top = moved(box((x, y, 0.1)), (0, 0, z))
    shop.add(
        top, textured(paint.plaster(rng, np.array([0.9, 0.89, 0.86])), 1), "ceiling", instance=0
    )
    thick = 0.12
    for k, (width, at, turn) in enumerate(
        (
            (x, (0, y / 2 + thick / 2, 0), 0.0),
            (x, (0, -y / 2 - thick / 2, 0), np.pi),
            (y, (x / 2 + thick / 2, 0, 0), -np.pi / 2),
            (y, (-x / 2 - thick / 2, 0, 0), np.pi / 2),
        )
    ):
        panel = _window_wall(width, z, thick) if k == 3 else box((width, thick, z))
        made.append(shop.add(panel, walls[k % 2], f"wall{k}", at, turn, instance=0, smooth=False))
        board = moved(box((width, 0.02, 0.09), 0.005), (0, -thick / 2 - 0.01, 0))
        shop.add(board, plain((0.85, 0.83, 0.79), 0.4), f"skirting{k}", at, turn, instance=0)
    frame = _window_frame(room)
    shop.add(
        frame,
        plain((0.88, 0.87, 0.84), 0.4),
        "window",
        (-x / 2 - thick / 2, 0, 0),
        np.pi / 2,
        instance=0,
    )
    return made


WINDOW = (1.9, 0.9, 2.15)  # width, sill, head


def _window_wall(width: float, height: float, thick: float) -> Solid:
    """A wall with an opening in its middle."""
    w, low, high = WINDOW
    side = (width - w) / 2
    return join(
        [
            moved(box((side, thick, height)), (-(w + side) / 2, 0, 0)),
            moved(box((side, thick, height)), ((w + side) / 2, 0, 0)),
            box((w, thick, low)),
            moved(box((w, thick, height - high)), (0, 0, high)),
        ]
    )


def _window_frame(room: NDArray[np.float64]) -> Solid:
    w, low, high = WINDOW
    parts = [
        moved(box((0.05, 0.08, high - low)), (s * w / 2 * f, 0, low))
        for s in (-1, 1)
        for f in (0.33, 1)
    ]
    parts += [moved(box((w, 0.08, 0.05)), (0, 0, z)) for z in (low, high - 0.05)]
    return join([*parts, moved(box((w + 0.1, 0.2, 0.03)), (0, -0.08, low - 0.02))])


def _pictures(shop: Workshop, room: NDArray[np.float64]) -> None:
    """Framed pictures on the walls."""
    rng, (x, y, _) = shop.rng, room
    for side in range(3):
        width = x if side < 2 else y
        places = np.sort(rng.uniform(-0.42, 0.42, int(rng.integers(1, 4)))) * width
        for k, along in enumerate(places):
            if k and along - places[k - 1] < 0.95:
                continue
            w, h = rng.uniform(0.35, 0.85, 2)
            at, turn = (
                ((along, y / 2 - 0.002), 0.0),
                ((along, -y / 2 + 0.002), np.pi),
                ((x / 2 - 0.002, along), -np.pi / 2),
            )[side]
            picture = prints.PICTURES[rng.integers(3)](rng)
            border = plain(paint.colour(rng, (0, 0.4), (0.1, 0.8)), 0.4)
            shop.add(
                furniture.frame(w, h),
                [textured(picture, 1.0, 0.5), border],
                "picture",
                (*at, rng.uniform(1.5, 1.75)),
                turn,
                smooth=False,
            )


def _curtains(shop: Workshop, room: NDArray[np.float64]) -> None:
    """Cloth that hangs beside the window and moves in the draught."""
    rng = shop.rng
    if rng.random() < 0.25:
        return
    picture = paint.CLOTHS[rng.integers(len(paint.CLOTHS))](rng)
    look = textured(picture, rng.uniform(0.8, 1.6), 0.95)
    w, _, high = WINDOW
    for sign in (-1, 1):
        rows, columns = 26, 24
        hang = sheet((0.85, 2.0), (columns - 1, rows - 1))
        verts = np.zeros_like(hang.verts)
        folds = 0.055 * np.sin(np.arange(columns) * 1.35)
        verts[:, 0] = -room[0] / 2 + 0.14 + np.tile(folds, rows)
        verts[:, 1] = sign * (w / 2 + 0.02) + hang.verts[:, 0] * 0.72
        verts[:, 2] = high + 0.15 - 2.0 + (hang.verts[:, 1] + 1.0)
        pinned = np.zeros((rows, columns), bool)
        pinned[-1] = True
        path = drape(
            verts,
            (rows, columns),
            pinned.ravel(),
            shop.frames,
            shop.fps,
            10,
            gusts(rng, 7.0),
            substeps=4,
        )
        path[..., 0] = np.maximum(path[..., 0], -room[0] / 2 + 0.03)
        path[..., 2] = np.maximum(path[..., 2], 0.02)
        cloth = shop.add(Solid(path[0], hang.faces, hang.uv, hang.slot), look, "curtain")
        shop.deform(cloth, path)
    rail = moved(cylinder(0.015, w + 1.4, 10), (0, 0, 0))
    bar = shop.add(
        rail,
        plain((0.2, 0.15, 0.1), 0.4),
        "rail",
        (-room[0] / 2 + 0.12, -(w + 1.4) / 2, high + 0.16),
        instance=0,
    )
    bar.rotation_euler = (-np.pi / 2, 0, 0)


def _light(shop: Workshop, room: NDArray[np.float64]) -> None:
    """Daylight through the window, or an evening under lamps."""
    rng, (x, _, z) = shop.rng, room
    w, low, high = WINDOW
    middle = (-x / 2 - 0.25, 0, (low + high) / 2)
    day = rng.random() < 0.7
    shop.notes["light"] = "day" if day else "evening"
    if day:
        lamp("AREA", rng.uniform(90, 190), (0.86, 0.93, 1.0), middle, (0, 0, 1.0), (w, high - low))
        plain_world((0.72, 0.84, 1.0), rng.uniform(0.9, 1.4))
        if rng.random() < 0.6:
            height = rng.uniform(0.35, 0.8)
            lamp(
                "SUN",
                rng.uniform(2.5, 5),
                (1, 0.87, 0.68),
                (-5, rng.uniform(-3, 3), 5 * height),
                size=0.02,
            )
    else:
        plain_world((0.1, 0.14, 0.28), 0.5)
    warm = np.array([1.0, rng.uniform(0.75, 0.95), rng.uniform(0.5, 0.9)])
    fill = lamp(
        "AREA",
        rng.uniform(35, 70) * (1 if day else 2.8),
        warm,
        (*rng.uniform(-0.8, 0.8, 2), z - 0.06),
        (0, 0, 0),
        rng.uniform(0.5, 1.6),
    )
    if rng.random() < 0.25:
        flicker(fill, rng, shop.frames, 0.3)
    if not day and rng.random() < 0.6:
        lamp(
            "AREA",
            40,
            paint.colour(rng, (0.4, 0.9), (0.9, 1)),
            (*rng.uniform(-1.8, 1.8, 2), 1.9),
            (0, 0, 0.8),
            0.4,
        )
