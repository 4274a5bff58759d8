"""The outdoor stage: land under a sky, with plants, buildings, people, animals, rolling things."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender import buildings, paint, plants, prints
from pointtrack.synthesis.blender.breeds import ALL, PETS
from pointtrack.synthesis.blender.camera_paths import Limits
from pointtrack.synthesis.blender.cast import Plan, cast_animals, cast_people, throw_toys
from pointtrack.synthesis.blender.cloth import drape, gusts
from pointtrack.synthesis.blender.config import BlenderConfig
from pointtrack.synthesis.blender.fog import FogLaw
from pointtrack.synthesis.blender.footfalls import Ground
from pointtrack.synthesis.blender.lighting import PANORAMAS, file_world, sky_world
from pointtrack.synthesis.blender.materials import plain, textured
from pointtrack.synthesis.blender.models import find_files
from pointtrack.synthesis.blender.skies import paint_sky
from pointtrack.synthesis.blender.solids import Solid, box, cylinder, join, moved, sheet, with_slot
from pointtrack.synthesis.blender.weather import add_weather
from pointtrack.synthesis.blender.workshop import Workshop

Rng = np.random.Generator
PLACES = ("meadow", "park", "street", "farm", "wood", "desert")
GROUNDS = {
    "meadow": (paint.grass, 0.35),
    "park": (paint.grass, 0.45),
    "street": (paint.asphalt, 0.35),
    "farm": (paint.soil, 0.5),
    "wood": (paint.litter, 0.5),
    "desert": (paint.soil, 0.3),
}


def relief(rng: Rng, amount: float) -> Ground:
    """Gentle hills: heights of places, about 0 in the middle, rising far away."""
    wave = rng.normal(0, 1, (7, 2)) * np.geomspace(0.05, 0.4, 7)[:, None]
    phase, weight = rng.uniform(0, 6.3, 7), amount / np.geomspace(1, 7, 7)

    def ground(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        xy = np.stack([np.asarray(x, float), np.asarray(y, float)], -1)
        far = np.clip((np.linalg.norm(xy, axis=-1) - 10) / 25, 0, 1) ** 2
        return (weight * np.sin(xy @ wave.T + phase)).sum(-1) * (1 + 3 * far) + 1.2 * amount * far

    return ground


def stage_outdoor(shop: Workshop, config: BlenderConfig) -> tuple[Limits, FogLaw | None]:
    """A place 14 m wide in a wide land."""
    rng = shop.rng
    place = str(rng.choice(PLACES))
    shop.notes["place"] = place
    ground = relief(rng, 0.0 if place == "street" else rng.uniform(0.03, 0.22))
    land, tone = _land(shop, place, ground)
    if config.hdris:
        files = find_files(config.hdris, PANORAMAS, "panorama")
        path = files[rng.integers(len(files))]
        file_world(path, rng.uniform(0, 6.3))
        shop.notes["sky"] = path.name
    else:
        sky = paint_sky(rng, tone)
        sky_world(sky)
        shop.notes["sky"] = sky.kind
    plan = Plan((-7.0, -7.0), (7.0, 7.0))
    _surroundings(shop, place, ground)
    things = _things(shop, place, plan, ground)
    throw_toys(shop, plan, [land, *things], int(rng.integers(3, 7)), 0.3, (0.4, 2.2), 1.6)
    wild = place in ("farm", "wood", "desert", "meadow")
    people = int(rng.integers(0, 3)) if wild else int(rng.integers(1, 5))
    cast_people(shop, plan, people, config.motions, ground, 0.3)
    beasts = int(rng.integers(1, 4)) if wild or people == 0 else int(rng.integers(0, 3))
    cast_animals(shop, plan, beasts, ALL if wild else PETS, ("walk", "trot", "gallop"), ground)
    low, high = np.array([-40.0, -40.0, -3.0]), np.array([40.0, 40.0, 9.0])
    fog = add_weather(shop, config, low, high, 0.045)
    return Limits((-11, -11), (11, 11), (0.6, 2.8), (2.7, 5.4), (26.0, 46.0)), fog


def _land(shop: Workshop, place: str, ground: Ground) -> tuple[Any, NDArray[np.float64]]:
    """The ground: fine near the middle, coarse to its edge, with a path or a pavement."""
    rng = shop.rng
    painter, scale = GROUNDS[place]
    picture = painter(rng)
    steps = np.sinh(np.linspace(-4.3, 4.3, 91)) * 2.4
    x, y = np.meshgrid(steps, steps)
    flat = sheet((1, 1), (90, 90))
    verts = np.stack([x.ravel(), y.ravel(), ground(x, y).ravel()], 1)
    uv = verts[flat.faces][..., :2]
    mesh = Solid(verts, flat.faces, uv, flat.slot.copy())
    second = (paint.paving if place in ("street", "park") else paint.soil)(rng)
    centres = verts[flat.faces].mean(1)
    wander = 1.2 * np.sin(0.25 * centres[:, 0] + rng.uniform(0, 6)) + rng.uniform(-2.5, 2.5)
    if place == "street":
        mesh.slot[np.abs(centres[:, 1]) > 3.4] = 1
    elif rng.random() < 0.5:
        mesh.slot[np.abs(centres[:, 1] - wander) < 0.8] = 1
    looks = [textured(picture, scale, 0.95, bump=0.012), textured(second, 0.5, 0.9, bump=0.015)]
    land = shop.add(mesh, looks, "ground", instance=0)
    return land, picture.reshape(-1, 3).mean(0).astype(float)


def _at(ground: Ground, x: float, y: float, sink: float = 0.03) -> tuple[float, float, float]:
    return x, y, float(ground(np.array(x), np.array(y))) - sink


def _surroundings(shop: Workshop, place: str, ground: Ground) -> None:
    """What stands around at 8 to 35 m: trees, houses, bushes, rocks."""
    rng = shop.rng
    bark = textured(paint.bark(rng), 1.0, 0.95, bump=0.01)
    greens = [textured(paint.foliage(rng), 1.0, 0.6) for _ in range(3)]
    if place == "wood" or rng.random() < 0.5:
        kinds = [plants.conifer, plants.tree]
    else:
        kinds = [plants.tree]
    shapes = [kinds[k % len(kinds)](rng, rng.uniform(4, 9)) for k in range(3)]
    count = {"meadow": 9, "park": 14, "street": 8, "farm": 8, "wood": 34, "desert": 2}[place]
    for k in range(count):
        angle = 2.4 * k + rng.uniform(-0.5, 0.5)
        far = rng.uniform(7.5 if place == "wood" else 9, 30)
        x, y = far * np.cos(angle), far * np.sin(angle)
        if place == "street" and abs(y) < 4.2:
            y = np.sign(y + 1e-9) * rng.uniform(4.6, 6.5)
        mesh = moved(shapes[k % 3], scale=rng.uniform(0.75, 1.25))
        shop.add(
            mesh,
            [greens[k % 3], bark],
            "far tree",
            _at(ground, x, y, 0.1),
            rng.uniform(0, 6),
            smooth=False,
        )
    if place in ("street", "farm", "park"):
        _houses(shop, place, ground)
    stone = textured(
        paint.concrete(rng) if rng.random() < 0.5 else paint.soil(rng), 0.8, 0.9, bump=0.02
    )
    for _ in range({"desert": 16, "meadow": 6, "wood": 8}.get(place, 2)):
        angle, far = rng.uniform(0, 6.3), rng.uniform(6.5, 22)
        at = _at(ground, far * np.cos(angle), far * np.sin(angle), 0.1)
        shop.add(plants.rock(rng, rng.uniform(0.6, 2.4)), stone, "rock", at)


def _houses(shop: Workshop, place: str, ground: Ground) -> None:
    rng = shop.rng
    rows = [(-1, 9.0), (1, 9.0)] if place == "street" else [(1, 15.0)]
    for sign, far in rows:
        x = -24.0
        while x < 24:
            width, depth = rng.uniform(6, 10), rng.uniform(5, 8)
            storeys = int(rng.integers(1, 4)) if place == "street" else 1
            walls = (paint.bricks, paint.plaster, paint.plaster, paint.concrete)[rng.integers(4)](
                rng
            )
            looks = [
                textured(walls, 0.5, 0.9, bump=0.005),
                textured(paint.bricks(rng, 12, 6), 0.6, 0.9, bump=0.01),
                plain(paint.colour(rng, (0.0, 0.5), (0.3, 0.95)), 0.6),
                plain((0.12, 0.16, 0.2), 0.08),
            ]
            mesh = buildings.house(rng, width, depth, storeys)
            turn = 0.0 if sign > 0 else np.pi
            at = _at(ground, x + width / 2, sign * (far + depth / 2), 0.3)
            if place == "street" or rng.random() < 0.5:
                shop.add(mesh, looks, "house", at, turn, smooth=False)
            x += width + (rng.uniform(0.0, 2.0) if place == "street" else rng.uniform(6, 14))


def _things(shop: Workshop, place: str, plan: Plan, ground: Ground) -> list[Any]:
    """What stands in the middle: things to hide behind and to look at."""
    rng = shop.rng
    made: list[Any] = []
    menu = {
        "meadow": ("bush", "rock", "tree", "fence", "tufts", "tufts"),
        "park": ("bench", "tree", "bush", "post", "flag", "sign", "bench"),
        "street": ("post", "bench", "sign", "barrel", "crates", "post", "flag"),
        "farm": ("fence", "barrel", "crates", "line", "tufts", "bush", "fence"),
        "wood": ("tree", "tree", "bush", "rock", "tufts", "log"),
        "desert": ("rock", "rock", "tufts", "crates", "barrel", "flag"),
    }[place]
    if place in ("meadow", "wood", "farm", "park", "desert"):
        made_tufts = rng.uniform(-8, 8, ({"meadow": 500, "wood": 250}.get(place, 120), 2))
        places = np.c_[made_tufts, ground(*made_tufts.T)]
        blades = plants.tufts(rng, places, rng.uniform(0.1, 0.3))
        look = textured(paint.foliage(rng, 0.12 if place == "desert" else 0.24), 1.0, 0.7)
        shop.add(blades, look, "grass", instance=0, smooth=False)
    for _ in range(int(rng.integers(5, 10))):
        made += _thing(shop, str(menu[rng.integers(len(menu))]), plan, ground)
    return made


def _thing(shop: Workshop, kind: str, plan: Plan, ground: Ground) -> list[Any]:
    """One thing on free ground; returns what toys may bounce on."""
    rng = shop.rng
    radius = {"tree": 0.3, "bush": 0.6, "rock": 0.6, "fence": 1.4, "line": 1.5}.get(kind, 0.5)
    at = plan.spot(rng, radius + 0.2, 0.85)
    if at is None:
        return []
    turn = rng.uniform(0, 2 * np.pi)
    wide = 2 * radius
    plan.taken.append((at, np.array([wide, 0.4 if kind in ("fence", "line") else wide]) / 2, turn))
    spot = _at(ground, *at)
    wood = textured(paint.wood(rng, 1), 1.0, 0.8, bump=0.003)
    iron = plain(paint.colour(rng, (0.0, 0.5), (0.08, 0.5)), 0.4, 0.6)
    if kind == "tree":
        mesh = plants.tree(rng, rng.uniform(2.6, 4.5))
        obj = shop.add(
            mesh,
            [
                textured(paint.foliage(rng), 1.0, 0.6),
                textured(paint.bark(rng), 1.5, 0.95, bump=0.01),
            ],
            "tree",
            spot,
            smooth=False,
        )
        shop.deform(obj, plants.swayed(mesh, rng, shop.frames, shop.fps, rng.uniform(0.03, 0.12)))
        return []
    if kind == "bush":
        mesh = plants.bush(rng, rng.uniform(0.6, 1.3))
        obj = shop.add(
            mesh, [textured(paint.foliage(rng), 1.2, 0.6), wood], "bush", spot, smooth=False
        )
        shop.deform(obj, plants.swayed(mesh, rng, shop.frames, shop.fps, rng.uniform(0.02, 0.06)))
        return []
    if kind == "tufts":
        spots = rng.normal(0, 0.35, (30, 2))
        blades = plants.tufts(rng, np.c_[spots, np.zeros(30)], rng.uniform(0.35, 0.7))
        obj = shop.add(
            blades, textured(paint.foliage(rng), 1.0, 0.7), "tall grass", spot, smooth=False
        )
        shop.deform(obj, plants.swayed(blades, rng, shop.frames, shop.fps, 0.08))
        return []
    if kind in ("flag", "line"):
        _washing(shop, spot, turn, kind)
        return []
    if kind == "rock":
        mesh, looks = (
            plants.rock(rng, rng.uniform(0.5, 1.1)),
            [textured(paint.concrete(rng), 1.0, 0.9, bump=0.02)],
        )
    elif kind == "fence":
        mesh, looks = buildings.fence(rng, 2.6, rng.uniform(0.8, 1.2)), [wood]
    elif kind == "bench":
        mesh, looks = buildings.bench(rng), [wood, iron]
    elif kind == "post":
        mesh, looks = (
            buildings.street_lamp(rng, rng.uniform(2.6, 3.4)),
            [iron, plain((1, 0.93, 0.8), 0.3)],
        )
    elif kind == "sign":
        mesh, looks = (
            buildings.signpost(rng),
            [textured(prints.PICTURES[rng.integers(3)](rng), 1.4, 0.5), iron],
        )
    elif kind == "barrel":
        mesh, looks = (
            buildings.barrel(rng, rng.uniform(0.7, 1.0)),
            [textured(shop.texture(), 1.0, 0.6), iron],
        )
    elif kind == "log":
        mesh, looks = (
            moved(cylinder(0.2, 2.0, 18), (0, 0, 0.18), tilt=[[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
            [textured(paint.bark(rng), 1.5, 0.95, bump=0.02)],
        )
    else:
        parts: list[Solid] = []
        for k in range(int(rng.integers(1, 4))):
            side = rng.uniform(0.35, 0.6)
            parts.append(
                with_slot(
                    moved(
                        box((side, side, side), 0.012),
                        (rng.uniform(-0.2, 0.2), 0, 0.0 if k == 0 else parts[-1].verts[:, 2].max()),
                        rng.uniform(-0.4, 0.4),
                    ),
                    k,
                )
            )
        mesh, looks = (
            join(parts),
            [textured(shop.texture(), 1.5, 0.7) for _ in parts],
        )
    obj = shop.add(mesh, looks, kind, spot, turn, smooth=kind in ("rock", "barrel", "post", "log"))
    if kind in ("rock", "barrel", "crates"):
        shop.watch(np.array(spot) + np.array([0, 0, 0.5]), 0.3)
    return [obj]


def _washing(shop: Workshop, spot: tuple[float, float, float], turn: float, kind: str) -> None:
    """Cloth in the wind: a flag on a pole, or sheets on a line between two posts."""
    rng = shop.rng
    rows, columns = 22, 30
    c, s = np.cos(turn), np.sin(turn)
    grey = plain((0.55, 0.55, 0.53), 0.4, 0.5)
    high = rng.uniform(1.9, 2.5)
    size = (
        (rng.uniform(1.0, 1.5), rng.uniform(0.7, 1.0))
        if kind == "flag"
        else (rng.uniform(1.2, 1.9), rng.uniform(0.8, 1.3))
    )
    hang = sheet(size, (columns - 1, rows - 1))
    verts = np.c_[
        hang.verts[:, 0], 0.02 * np.sin(9 * hang.verts[:, 0]), hang.verts[:, 1] + high - size[1] / 2
    ]
    pinned = np.zeros((rows, columns), bool)
    if kind == "flag":
        verts[:, 0] += size[0] / 2 + 0.04
        pinned[:, 0] = True
        shop.add(cylinder(0.03, high + 0.25, 14), grey, "pole", spot)
    else:
        pinned[-1] = True
        posts = [moved(cylinder(0.035, high + 0.08, 14), (x, 0, 0)) for x in (-1.2, 1.2)]
        line = moved(
            cylinder(0.006, 2.4, 6), (-1.2, 0, high), tilt=[[0, 0, 1], [0, 1, 0], [-1, 0, 0]]
        )
        shop.add(join([*posts, line]), grey, "line", spot, turn)
    verts = verts @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) + np.array(spot)
    wind = gusts(rng, rng.uniform(14, 26))
    path = drape(
        verts, (rows, columns), pinned.ravel(), shop.frames, shop.fps, 14, wind, substeps=5
    )
    picture = paint.CLOTHS[rng.integers(len(paint.CLOTHS))](rng)
    cloth = shop.add(
        Solid(path[0], hang.faces, hang.uv, hang.slot),
        textured(picture, rng.uniform(0.8, 1.5), 0.9),
        kind,
    )
    shop.deform(cloth, path)
    shop.watch(path.mean(1), 0.7)
