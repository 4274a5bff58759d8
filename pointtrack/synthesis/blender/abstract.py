"""The abstract stage: textured things that fall, fly and bend in coloured light, as Kubric's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender import furniture, paint, prints
from pointtrack.synthesis.blender.camera_paths import Limits
from pointtrack.synthesis.blender.cast import Plan, toy
from pointtrack.synthesis.blender.cloth import drape, gusts
from pointtrack.synthesis.blender.config import BlenderConfig
from pointtrack.synthesis.blender.fog import FogLaw
from pointtrack.synthesis.blender.lighting import flicker, lamp, panorama_world, sky_world
from pointtrack.synthesis.blender.materials import plain, textured
from pointtrack.synthesis.blender.physics import Kick, Thrown, simulate
from pointtrack.synthesis.blender.skies import paint_sky, paint_studio
from pointtrack.synthesis.blender.solids import (
    Solid,
    about,
    ball,
    box,
    cylinder,
    icosphere,
    moved,
    sheet,
    solid,
    span_uv,
    tube,
)
from pointtrack.synthesis.blender.weather import add_weather
from pointtrack.synthesis.blender.workshop import Workshop

Floats = NDArray[np.float64]
Rng = np.random.Generator


def stage_abstract(shop: Workshop, config: BlenderConfig) -> tuple[Limits, FogLaw | None]:
    """A floor, perhaps walls or a bowl of sky, and many things in motion."""
    rng = shop.rng
    floor = _set(shop)
    plan = Plan((-2.6, -2.6), (2.6, 2.6))
    blocks = _blocks(shop, plan, int(rng.integers(1, 5)))
    _falling(shop, [floor, *blocks], int(rng.integers(7, 14)))
    for k in range(int(rng.integers(1, 4))):
        _flyer(shop, k)
    for k in range(int(rng.integers(1, 4))):
        _blob(shop, plan, k)
    if rng.random() < 0.65:
        _cloth(shop)
    if rng.random() < 0.6:
        _ribbon(shop)
    if rng.random() < 0.5:
        _posts(shop, plan)
    _light(shop)
    fog = add_weather(shop, config, np.array([-9.0, -9, -0.5]), np.array([9.0, 9, 6]), 0.08)
    return Limits((-6.5, -6.5), (6.5, 6.5), (0.5, 3.2), (2.5, 4.6), (26.0, 40.0)), fog


def _anything(shop: Workshop, repeats: float, shine: bool = True) -> Any:
    """A material of any pattern and finish; now and then of one colour only."""
    rng = shop.rng
    metallic = 0.85 if shine and rng.random() < 0.12 else 0.0
    roughness = rng.uniform(0.15, 0.9)
    if rng.random() < 0.1:
        return plain(paint.colour(rng, (0.3, 0.9), (0.3, 0.95)), roughness, metallic)
    picture = shop.texture()
    return textured(picture, repeats, roughness, metallic, rng.choice([0.0, 0.004]))


def _set(shop: Workshop) -> Any:
    """Floor and, half the time, two walls at an angle or a curved backdrop."""
    rng = shop.rng
    floor = shop.add(
        moved(box((24, 24, 0.5)), (0, 0, -0.5)),
        _anything(shop, rng.uniform(0.3, 0.7), False),
        "floor",
        instance=0,
    )
    if rng.random() < 0.5:
        look = _anything(shop, rng.uniform(0.25, 0.6), False)
        turn, far = rng.uniform(0, 6.3), 7.5
        for k in range(int(rng.integers(1, 4))):
            angle = turn + k * np.pi / 2
            at = (far * np.cos(angle), far * np.sin(angle), 0)
            shop.add(box((0.3, 20, 6)), look, f"wall{k}", at, angle, instance=0, smooth=False)
    return floor


def _blocks(shop: Workshop, plan: Plan, count: int) -> list[Any]:
    """Things that rest: steps, drums, arches to bounce on and to hide behind."""
    rng, made = shop.rng, []
    for k in range(count):
        at = plan.spot(rng, 0.5)
        if at is None:
            continue
        plan.taken.append((at, np.full(2, 0.4), 0.0))
        high = rng.uniform(0.2, 1.1)
        if rng.random() < 0.4:
            mesh = cylinder(rng.uniform(0.25, 0.5), high, 32, 0.03)
        elif rng.random() < 0.3:
            mesh = furniture.vase(rng, rng.uniform(0.6, 1.0))
        else:
            mesh = box((*rng.uniform(0.4, 0.9, 2), high), 0.03)
        made.append(
            shop.add(
                mesh,
                _anything(shop, rng.uniform(0.8, 1.6)),
                f"block{k}",
                (*at, 0),
                rng.uniform(0, 6.3),
            )
        )
    return made


def _falling(shop: Workshop, colliders: list[Any], count: int) -> None:
    """Things dropped and thrown, pushed about by bursts of force."""
    rng, bodies = shop.rng, []
    places = rng.uniform((-2, -2, 0.4), (2, 2, 2.6), (count * 12, 3))
    chosen = [places[0]]
    for _ in range(count - 1):  # the farthest from all so far
        far = np.min([np.linalg.norm(places - p, axis=1) for p in chosen], 0)
        chosen.append(places[far.argmax()])
    for k, at in enumerate(chosen):
        obj, shape = toy(shop, rng.uniform(0.25, 0.7), f"toy{k}")
        obj.location, obj.rotation_euler = at, rng.uniform(0, 6.3, 3)
        velocity = (
            *(-at[:2] * rng.uniform(0.1, 1.1) + rng.normal(0, 0.6, 2)),
            rng.uniform(-1, 2.5),
        )
        bodies.append(Thrown(obj, 0.5, velocity, tuple(rng.uniform(-5, 5, 3)), shape))
    every = int(rng.integers(8, 16))
    kicks = [
        Kick(k, tuple(rng.uniform((-1.5, -1.5, -0.6), (1.5, 1.5, -0.2))), rng.uniform(15, 60))
        for k in range(int(rng.integers(2, 8)), shop.frames, every)
    ]
    poses = simulate(shop, bodies, colliders, int(rng.integers(0, 10)), kicks)
    centre = poses[:, :, :3, 3].mean(0)
    shop.watch(centre * (0.5, 0.5, 0.3) + (0, 0, 0.4), 3.0)
    calm = poses[:, :, :3, 3].mean(1)
    for place in calm[:3]:
        shop.watch(place, 0.6)


def _curve(rng: Rng, frames: int, fps: float, centre: Floats, reach: Floats, pace: float) -> Floats:
    """A smooth closed wander about a centre ``(T, 3)``."""
    t = np.arange(frames)[:, None] / fps
    rate = rng.uniform(0.3, 0.9, (2, 3)) * pace
    phase = rng.uniform(0, 6.3, (2, 3))
    return centre + reach * 0.5 * sum(np.sin(2 * np.pi * rate[k] * t + phase[k]) for k in (0, 1))


def _flyer(shop: Workshop, number: int) -> None:
    """A rigid thing that flies and turns on a smooth path."""
    rng = shop.rng
    kind = rng.integers(4)
    size = rng.uniform(0.35, 0.8)
    if kind == 0:
        mesh, look = ball(size / 2), textured(prints.ball_print(rng), 1.0, rng.uniform(0.2, 0.8))
    elif kind == 1:
        mesh = span_uv(moved(box((size * 1.4, size, 0.04), 0.01), (0, 0, -0.02)))
        look = textured(prints.PICTURES[rng.integers(3)](rng), 1.0, 0.5)
    elif kind == 2:
        angle = np.linspace(0, 2 * np.pi, 33)
        ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1) * size / 2
        mesh, look = tube(ring, size * 0.11, 14), _anything(shop, 1.2 / size)
    else:
        mesh, look = (
            moved(box(np.full(3, size * 0.8), 0.04), (0, 0, -size * 0.4)),
            _anything(shop, 1.0 / size),
        )
    path = _curve(
        rng,
        shop.frames,
        shop.fps,
        rng.uniform((-1.5, -1.5, 1.2), (1.5, 1.5, 2.2)),
        rng.uniform(0.5, 1.2, 3) * (1, 1, 0.5),
        1.0,
    )
    poses = np.tile(np.eye(4), (shop.frames, 1, 1))
    poses[:, :3, 3] = path
    spin, start = rng.uniform(-2.5, 2.5, 3), rng.uniform(0, 6.3, 3)
    for t in range(shop.frames):
        a = start + spin * t / shop.fps
        poses[t, :3, :3] = about(2, a[2]) @ about(1, a[1]) @ about(0, a[0])
    shop.animate(shop.add(mesh, look, f"flyer{number}"), poses)
    shop.watch(path)


def _blob(shop: Workshop, plan: Plan, number: int) -> None:
    """A soft ball that breathes, bends and wobbles."""
    rng = shop.rng
    at = plan.spot(rng, 0.5)
    if at is None:
        return
    verts, faces = icosphere(4)
    size = rng.uniform(0.3, 0.55)
    sides = size * rng.uniform(0.7, 1.4, 3)
    waves, t = rng.normal(0, 2.2, (5, 3)), np.arange(shop.frames)[:, None, None] / shop.fps
    beat = 2 * np.pi * rng.uniform(0.4, 1.3, 5)
    bulge = (
        np.sin(verts @ waves.T + beat * t + rng.uniform(0, 6, 5)) * rng.uniform(0.03, 0.1, 5)
    ).sum(-1)
    squash = 1 + 0.22 * np.sin(2 * np.pi * rng.uniform(0.6, 1.2) * t[:, 0] + rng.uniform(0, 6))
    shape = verts * (1 + bulge[..., None]) * sides
    shape[..., 2] *= squash
    shape[..., :2] /= np.sqrt(squash)[..., None]
    lean = 0.3 * np.sin(2 * np.pi * 0.7 * t[:, 0] + rng.uniform(0, 6))
    shape[..., 0] += lean * shape[..., 2]
    shape[..., 2] -= shape[..., 2].min(1, keepdims=True)
    hop = np.abs(np.sin(np.pi * rng.uniform(0.8, 1.4) * t[:, 0, 0] + rng.uniform(0, 6)))
    shape[..., 2] += rng.choice([0.0, 0.5]) * hop[:, None]
    shape[..., :2] += at
    mesh = solid(verts * sides, faces)
    obj = shop.add(
        Solid(shape[0], mesh.faces, mesh.uv, mesh.slot),
        _anything(shop, rng.uniform(0.8, 1.8), False),
        f"blob{number}",
    )
    shop.deform(obj, shape)
    shop.watch(shape.mean(1))


def _cloth(shop: Workshop) -> None:
    """A cloth that falls over a ball, or one that hangs and blows."""
    rng = shop.rng
    rows = columns = 34
    side = rng.uniform(1.3, 2.0)
    hang = sheet((side, side), (columns - 1, rows - 1))
    look = textured(paint.CLOTHS[rng.integers(len(paint.CLOTHS))](rng), rng.uniform(0.7, 1.4), 0.9)
    pinned = np.zeros((rows, columns), bool)
    at = np.r_[rng.uniform(-1.6, 1.6, 2), 0.0]
    if rng.random() < 0.5:
        radius = rng.uniform(0.3, 0.45)
        centre = at + np.array([0, 0, radius])
        prop = shop.add(
            ball(radius - 0.02), textured(prints.ball_print(rng), 1.0, 0.5), "prop", centre
        )
        prop.rotation_euler = rng.uniform(0, 6.3, 3)
        verts = hang.verts + centre + (0, 0, radius + rng.uniform(0.1, 0.35))
        path = drape(
            verts,
            (rows, columns),
            pinned.ravel(),
            shop.frames,
            shop.fps,
            int(rng.integers(0, 5)),
            balls=((tuple(centre), radius),),
            floor=0.012,
            substeps=5,
        )
    else:
        pinned[-1, :: columns - 1] = True
        pinned[-1, :3] = pinned[-1, -3:] = True
        verts = np.c_[hang.verts[:, 0] * 0.9, 0.05 * np.sin(7 * hang.verts[:, 0]), hang.verts[:, 1]]
        verts = (
            verts @ about(2, rng.uniform(0, 6.3)).T + at + (0, 0, side / 2 + rng.uniform(0.3, 0.9))
        )
        path = drape(
            verts,
            (rows, columns),
            pinned.ravel(),
            shop.frames,
            shop.fps,
            12,
            gusts(rng, rng.uniform(10, 24)),
            floor=0.01,
            substeps=5,
        )
    shop.deform(shop.add(Solid(path[0], hang.faces, hang.uv, hang.slot), look, "cloth"), path)
    shop.watch(path.mean(1))


def _ribbon(shop: Workshop) -> None:
    """A snake of changing bends that creeps through the air."""
    rng = shop.rng
    s = np.linspace(0, 1, 40)
    phase, rate = rng.uniform(0, 6.3, 3), rng.uniform(0.5, 1.2, 3)
    size = rng.uniform(0.25, 0.5)
    radii = rng.uniform(0.04, 0.1) * np.sin(np.pi * np.clip(s, 0.06, 0.94)) ** 0.4
    turn, at = about(2, rng.uniform(0, 6.3)), np.r_[rng.uniform(-1, 1, 2), rng.uniform(0.7, 1.8)]

    def shape(time: float) -> Solid:
        beat = 2 * np.pi * (rate * time) + phase
        line = np.stack(
            [
                (s - 0.5) * 2.4 + 0.8 * time - 0.4,
                size * np.sin(7 * s - beat[0]),
                0.7 * size * np.sin(5 * s - beat[1]),
            ],
            1,
        )
        return tube(line @ turn.T + at, radii, 12)

    shapes = [shape(t / shop.fps) for t in range(shop.frames)]
    obj = shop.add(
        shapes[0], textured(paint.stripes(rng), rng.uniform(1.2, 2.5), 0.5, turn=np.pi / 2), "snake"
    )
    path = np.stack([mesh.verts for mesh in shapes])
    shop.deform(obj, path)
    shop.watch(path.mean(1))


def _posts(shop: Workshop, plan: Plan) -> None:
    """Thin columns that things pass behind."""
    rng = shop.rng
    for k in range(int(rng.integers(1, 4))):
        at = plan.spot(rng, 0.2, 1.0)
        if at is not None:
            post = cylinder(rng.uniform(0.04, 0.1), rng.uniform(1.6, 3.0), 20)
            shop.add(post, textured(paint.stripes(rng), 1.2, 0.5, turn=0.4), f"post{k}", (*at, 0))


def _light(shop: Workshop) -> None:
    """A sky with its sun, or coloured lamps in the dark."""
    rng = shop.rng
    if rng.random() < 0.5:
        sky_world(paint_sky(rng, paint.colour(rng, (0.05, 0.3), (0.3, 0.6))))
        return
    panorama_world(paint_studio(rng), rng.uniform(0.35, 0.8))
    for k in range(int(rng.integers(2, 5))):
        angle, far = 2.1 * k + rng.uniform(0, 1), rng.uniform(2.5, 4.5)
        at = (far * np.cos(angle), far * np.sin(angle), rng.uniform(3, 5))
        shade = paint.colour(rng, (0.05, 0.6), (0.9, 1.0))
        light = lamp("AREA", rng.uniform(150, 380), shade, at, (0, 0, 0.5), rng.uniform(0.4, 2.0))
        if rng.random() < 0.2:
            flicker(light, rng, shop.frames)
