"""Furniture along the walls and in the middle of a room, with what stands on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender import furniture, paint, prints
from pointtrack.synthesis.blender.cast import Plan
from pointtrack.synthesis.blender.lighting import flicker, lamp
from pointtrack.synthesis.blender.materials import plain, textured
from pointtrack.synthesis.blender.solids import (
    Solid,
    box,
    cylinder,
    join,
    moved,
    span_uv,
    with_slot,
)
from pointtrack.synthesis.blender.workshop import Workshop

Rng = np.random.Generator


def _finish(rng: Rng) -> Any:
    """A material for furniture: wood mostly, else lacquer or a stone."""
    kind = rng.random()
    if kind < 0.6:
        return textured(
            paint.wood(rng, int(rng.integers(1, 4))),
            rng.uniform(0.7, 1.4),
            rng.uniform(0.3, 0.6),
            bump=0.001,
        )
    if kind < 0.8:
        return textured(paint.plaster(rng, paint.colour(rng)), 1.5, rng.uniform(0.25, 0.6))
    return textured(paint.marble(rng), 1.2, 0.3)


def _fabric(rng: Rng) -> Any:
    return textured(
        paint.CLOTHS[rng.integers(len(paint.CLOTHS))](rng), rng.uniform(1.2, 2.6), 0.95, bump=0.003
    )


def furnish(shop: Workshop, room: NDArray[np.float64], plan: Plan) -> list[Any]:
    """Pieces along the walls, a group in the middle, a rug."""
    rng = shop.rng
    wood, cloth = _finish(rng), _fabric(rng)
    metal = plain(paint.colour(rng, (0.0, 0.3), (0.1, 0.7)), 0.3, 0.8)
    made: list[Any] = []
    if rng.random() < 0.75:
        size = rng.uniform((1.6, 1.2), (2.8, 2.0))
        mat = span_uv(moved(box((*size, 0.012)), (0, 0, 0)))
        picture = prints.rug(rng) if rng.random() < 0.7 else paint.CLOTHS[rng.integers(6)](rng)
        shop.add(
            mat,
            textured(picture, 1.0, 1.0, bump=0.004),
            "rug",
            (*rng.uniform(-0.6, 0.6, 2), 0.002),
            rng.uniform(-0.3, 0.3),
            instance=0,
        )
    order = rng.permutation(
        ["shelf", "sofa", "cabinet", "desk", "plant", "lamp", "cabinet", "shelf", "plant"]
    )
    for kind in order[: rng.integers(5, 9)]:
        made += _along_wall(shop, plan, room, str(kind), wood, cloth, metal)
    if rng.random() < 0.6:
        made += _table_group(shop, plan, wood, cloth, metal)
    for _ in range(int(rng.integers(0, 3))):
        made += _pile(shop, plan)
    return made


def _wall_spot(
    rng: Rng, plan: Plan, room: NDArray[np.float64], width: float, depth: float
) -> tuple[NDArray[np.float64], float] | None:
    """A free place against a wall, facing the room."""
    for _ in range(12):
        side = rng.integers(3)
        half = (room[0] if side < 2 else room[1]) / 2 - width / 2 - 0.1
        if half <= 0:
            continue
        along = rng.uniform(-half, half)
        gap = depth / 2 + 0.03
        at, turn = (
            (np.array([along, room[1] / 2 - gap]), 0.0),
            (np.array([along, -room[1] / 2 + gap]), np.pi),
            (np.array([room[0] / 2 - gap, along]), -np.pi / 2),
        )[side]
        if plan.take(at, width, depth, turn):
            return at, turn
    return None


def _along_wall(
    shop: Workshop,
    plan: Plan,
    room: NDArray[np.float64],
    kind: str,
    wood: Any,
    cloth: Any,
    metal: Any,
) -> list[Any]:
    """One piece of furniture with what stands on it."""
    rng = shop.rng
    width, depth = {
        "shelf": (rng.uniform(0.8, 1.5), 0.3),
        "sofa": (rng.uniform(1.5, 2.2), 0.88),
        "cabinet": (rng.uniform(0.8, 1.5), 0.45),
        "desk": (rng.uniform(1.1, 1.5), 0.62),
        "plant": (0.55, 0.55),
        "lamp": (0.4, 0.4),
    }[kind]
    spot = _wall_spot(rng, plan, room, width, depth)
    if spot is None:
        return []
    at, turn = np.r_[spot[0], 0.0], spot[1]
    if kind == "shelf":
        boards, height = int(rng.integers(3, 6)), rng.uniform(1.2, 2.1)
        piece = shop.add(
            furniture.shelf(rng, (width, depth, height), boards),
            [wood, _finish(rng)],
            "shelf",
            at,
            turn,
            smooth=False,
        )
        for level in furniture.board_heights(height, boards):
            _row_of_books(shop, at, turn, level, width - 0.1, height / boards - 0.05)
        return [piece]
    if kind == "sofa":
        return [
            shop.add(
                furniture.sofa(rng, width), [cloth, _fabric(rng), _fabric(rng)], "sofa", at, turn
            )
        ]
    if kind == "plant":
        height = rng.uniform(0.7, 1.4)
        looks = [
            textured(paint.foliage(rng), 3, 0.5),
            textured(paint.CLOTHS[rng.integers(6)](rng), 2, 0.5),
            plain((0.2, 0.13, 0.08), 1),
        ]
        return [shop.add(furniture.plant(rng, height), looks, "plant", at, turn)]
    if kind == "lamp":
        shade = plain(np.array([1.0, 0.85, 0.62]), 0.8, glow=2.0)
        height = rng.uniform(1.4, 1.7)
        light = lamp(
            "POINT",
            rng.uniform(15, 50),
            (1, 0.78, 0.5),
            at + np.array([0, 0, height + 0.1]),
            size=0.1,
        )
        if rng.random() < 0.4:
            flicker(light, rng, shop.frames)
        return [shop.add(furniture.floor_lamp(rng, height), [shade, metal], "lamp", at, turn)]
    if kind == "desk":
        height = 0.74
        piece = shop.add(
            furniture.table(rng, (width, depth, height)),
            [wood, metal],
            "desk",
            at,
            turn,
            smooth=False,
        )
    else:
        height = rng.uniform(0.6, 1.1)
        piece = shop.add(
            furniture.cabinet(rng, (width, depth, height)),
            [wood, _finish(rng), metal],
            "cabinet",
            at,
            turn,
        )
    _clutter(
        shop, at + np.array([0, 0, height]), turn, width * 0.8, depth * 0.5, int(rng.integers(2, 6))
    )
    return [piece]


def _row_of_books(
    shop: Workshop, at: NDArray[np.float64], turn: float, level: float, width: float, room: float
) -> None:
    """Books side by side on a board, as one instance of few materials."""
    rng = shop.rng
    if rng.random() < 0.25:
        _clutter(shop, at + np.array([0, 0, level]), turn, width * 0.8, 0.05, 2)
        return
    parts, x = [], -width / 2
    end = width / 2 - rng.uniform(0, 0.35) * width
    while x < end:
        thick, high = rng.uniform(0.02, 0.055), rng.uniform(0.6, 0.95) * min(room, 0.32)
        volume = furniture.book((thick, rng.uniform(0.13, 0.2), high))
        cover = int(rng.integers(4))
        parts.append(
            moved(
                Solid(
                    volume.verts,
                    volume.faces,
                    volume.uv + rng.uniform(0, 1, 2),
                    np.where(volume.slot == 1, 4, cover),
                ),
                (x + thick / 2, 0, 0),
            )
        )
        x += thick + 0.002
    covers = [textured(prints.cover(rng), 3.0, 0.6) for _ in range(2)] + [
        textured(paint.stripes(rng), 4, 0.6),
        plain(paint.colour(rng), 0.6),
    ]
    shop.add(
        join(parts),
        [*covers, plain((0.9, 0.87, 0.78), 0.9)],
        "books",
        at + np.array([0, 0, level]),
        turn,
        smooth=False,
    )


def _clutter(
    shop: Workshop, at: NDArray[np.float64], turn: float, width: float, depth: float, count: int
) -> None:
    """Small things on a surface, side by side."""
    rng = shop.rng
    c, s = np.cos(turn), np.sin(turn)
    for k in range(count):
        u = ((k + 0.5) / count - 0.5) * width
        v = rng.uniform(-0.5, 0.5) * depth
        place = at + np.array([c * u - s * v, s * u + c * v, 0])
        kind = rng.integers(5)
        look: Any = textured(shop.texture(), 4, rng.uniform(0.2, 0.8))
        size = min(width / count * 0.8, 0.22)
        if kind == 0:
            shop.add(
                furniture.vase(rng, rng.uniform(0.15, 0.3) * min(1, size / 0.15)),
                look,
                "vase",
                place,
            )
        elif kind == 1:
            shop.add(furniture.mug(rng), look, "mug", place, rng.uniform(0, 6))
        elif kind == 2:
            pile = [
                moved(
                    box((size, size * 0.75, 0.03), 0.003), (0, 0, 0.03 * j), rng.uniform(-0.3, 0.3)
                )
                for j in range(int(rng.integers(1, 4)))
            ]
            shop.add(
                join(pile),
                textured(prints.cover(rng), 3, 0.6),
                "papers",
                place,
                rng.uniform(-0.4, 0.4),
                smooth=False,
            )
        elif kind == 3 and size > 0.15:
            shop.add(
                furniture.table_lamp(rng),
                [plain((1, 0.88, 0.7), 0.8, glow=1.2), look],
                "table lamp",
                place,
            )
        else:
            shop.add(
                box(rng.uniform(0.4, 1, 3) * size, 0.006), look, "box", place, rng.uniform(0, 6)
            )


def _table_group(shop: Workshop, plan: Plan, wood: Any, cloth: Any, metal: Any) -> list[Any]:
    """A table away from the walls, with chairs and things on it."""
    rng = shop.rng
    size = (rng.uniform(0.9, 1.5), rng.uniform(0.7, 0.9), 0.74)
    at = np.r_[rng.uniform(-1, 1, 2), 0.0]
    turn = rng.choice([0, np.pi / 2]) + rng.uniform(-0.15, 0.15)
    if not plan.take(at[:2], size[0] + 0.7, size[1] + 1.0, turn):
        return []
    made = [shop.add(furniture.table(rng, size), [wood, metal], "table", at, turn, smooth=False)]
    _clutter(
        shop,
        at + np.array([0, 0, size[2]]),
        turn,
        size[0] * 0.8,
        size[1] * 0.4,
        int(rng.integers(3, 6)),
    )
    shape, seat = furniture.chair(rng), _finish(rng)
    c, s = np.cos(turn), np.sin(turn)
    for sign in (-1, 1):
        if rng.random() < 0.75:
            u, v = rng.uniform(-0.2, 0.2), sign * (size[1] / 2 + 0.1)
            place = at + np.array([c * u - s * v, s * u + c * v, 0])
            facing = turn + (0 if sign > 0 else np.pi) + rng.uniform(-0.3, 0.3)
            made.append(shop.add(shape, [seat, wood], "chair", place, facing, smooth=False))
    shop.watch(at + np.array([0, 0, 0.8]), 0.4)
    return made


def _pile(shop: Workshop, plan: Plan) -> list[Any]:
    """A stack of boxes, or a tall post or plant that hides what is behind it."""
    rng = shop.rng
    at = rng.uniform(plan.low, plan.high) * 0.7
    if not plan.take(at, 0.5, 0.5, 0.0):
        return []
    if rng.random() < 0.3:
        post = cylinder(rng.uniform(0.05, 0.11), 2.45, 20)
        return [shop.add(post, textured(shop.texture(), 1.2, 0.5), "post", (*at, 0))]
    parts, z = [], 0.0
    for k in range(int(rng.integers(1, 4))):
        side = rng.uniform(0.25, 0.48) * (1 - 0.15 * k)
        high = rng.uniform(0.2, 0.4)
        parts.append(
            with_slot(
                moved(box((side, side * 0.8, high), 0.01), (0, 0, z), rng.uniform(-0.4, 0.4)), k
            )
        )
        z += high
    looks = [textured(shop.texture(), 2.0, 0.7) for _ in parts]
    return [shop.add(join(parts), looks, "boxes", (*at, 0), rng.uniform(0, 6))]
