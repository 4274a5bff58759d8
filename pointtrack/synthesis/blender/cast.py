"""Who plays where: a ground plan, people and animals on free ways, toys that fall."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender import prints
from pointtrack.synthesis.blender.animal_gaits import move, speed, stand
from pointtrack.synthesis.blender.breeds import draw_breed
from pointtrack.synthesis.blender.footfalls import Ground, Way, level, way_through
from pointtrack.synthesis.blender.gaits import GESTURES, gesture, leg_length, walk
from pointtrack.synthesis.blender.materials import textured
from pointtrack.synthesis.blender.models import find_files, load_model
from pointtrack.synthesis.blender.people import draw_build
from pointtrack.synthesis.blender.physics import Thrown, simulate
from pointtrack.synthesis.blender.retarget import perform_capture
from pointtrack.synthesis.blender.solids import ball, box, cylinder, lump
from pointtrack.synthesis.blender.wardrobe import animal, perform, person
from pointtrack.synthesis.blender.workshop import Workshop

Floats = NDArray[np.float64]


@dataclass
class Plan:
    """What stands where: a rectangle of ground and the rectangles that are taken in it.

    Attributes
    ----------
    low, high
        Corners (x, y) of the ground.
    taken
        (centre (2,), half sizes (2,), turn) of each.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    taken: list[tuple[Floats, Floats, float]] = field(default_factory=list)

    def clear(self, points: Floats, radius: float) -> bool:
        """Whether discs about points ``(N, 2)`` touch nothing and stay on the ground."""
        points = np.atleast_2d(points)
        if (points < np.array(self.low) + radius).any() or (
            points > np.array(self.high) - radius
        ).any():
            return False
        for centre, half, turn in self.taken:
            c, s = np.cos(turn), np.sin(turn)
            local = (points - centre) @ np.array([[c, -s], [s, c]])
            outside = np.maximum(np.abs(local) - half, 0)
            if (np.hypot(*outside.T) < radius).any():
                return False
        return True

    def take(self, at: Floats, width: float, depth: float, turn: float) -> bool:
        """Take a rectangle if it is free; says whether it was."""
        c, s = np.cos(turn), np.sin(turn)
        n = max(2, int(max(width, depth) / 0.2) + 1)
        u, v = np.meshgrid(np.linspace(-0.5, 0.5, n) * width, np.linspace(-0.5, 0.5, n) * depth)
        points = np.stack([c * u - s * v, s * u + c * v], -1).reshape(-1, 2) + at
        if not self.clear(points, 0.0):
            return False
        self.taken.append((np.array(at[:2], float), np.array([width, depth]) / 2, turn))
        return True

    def spot(self, rng: np.random.Generator, radius: float, spread: float = 0.8) -> Floats | None:
        """A free place nearer the middle, or None."""
        middle = (np.array(self.low) + self.high) / 2
        half = (np.array(self.high) - self.low) / 2
        for _ in range(60):
            at = middle + rng.uniform(-1, 1, 2) * half * spread
            if self.clear(at, radius):
                return at
        return None

    def way(
        self, rng: np.random.Generator, length: float, radius: float, spread: float = 0.75
    ) -> Way | None:
        """A free, gently bent way of a length, which is then taken; or None."""
        middle = (np.array(self.low) + self.high) / 2
        half = (np.array(self.high) - self.low) / 2
        for _ in range(120):
            centre = middle + rng.uniform(-1, 1, 2) * half * spread
            angle, bent = rng.uniform(0, 2 * np.pi), rng.uniform(-0.35, 0.35)
            ahead = np.array([np.cos(angle), np.sin(angle)])
            side = np.array([-ahead[1], ahead[0]])
            ends = centre - ahead * length / 2, centre + ahead * length / 2
            way = way_through([ends[0], centre + bent * side * length, ends[1]])
            points = way.at(np.linspace(0, way.length, 12))
            if self.clear(points, radius):
                for point in points[::2]:
                    self.taken.append((point, np.full(2, radius * 0.7), 0.0))
                return way
        return None


def cast_people(
    shop: Workshop,
    plan: Plan,
    count: int,
    motions: str | None,
    ground: Ground = level,
    run: float = 0.12,
) -> None:
    """People who walk, run or stand and gesture; with `motions`, moved by motion capture."""
    rng, seconds = shop.rng, shop.frames / shop.fps
    files = find_files(motions, (".bvh",), "motion capture") if motions else []
    for k in range(count):
        figure, looks = person(rng, draw_build(rng))
        rig, legs = figure.rig, leg_length(figure.rig)
        if files:
            at = plan.spot(rng, 0.5)
            if at is None:
                continue
            path = files[rng.integers(len(files))]
            motion = perform_capture(path, rig, shop.frames, shop.fps, rng, at)
            perform(shop, figure, looks, motion, f"person{k} {path.stem}")
            continue
        running = rng.random() < run
        pace = legs * (3.4 if running else rng.uniform(1.25, 1.75))
        way = plan.way(rng, pace * seconds, 0.38) if rng.random() < 0.68 else None
        if way is not None:
            s = np.linspace(0, way.length, shop.frames) + rng.uniform(0, 2)
            way = Way(way.points, way.arc + s[0])
            motion = walk(rig, way_from(way), s - s[0], rng, running, ground)
            perform(shop, figure, looks, motion, f"person{k} {'running' if running else 'walking'}")
            continue
        at = plan.spot(rng, 0.45)
        if at is None:
            continue
        plan.taken.append((at, np.full(2, 0.35), 0.0))
        place = np.r_[at, ground(at[None, 0], at[None, 1])]
        facing = np.arctan2(*(-at + rng.normal(0, 0.8, 2))[::-1]) + rng.normal(0, 0.5)
        act = str(rng.choice(GESTURES, p=[0.2, 0.16, 0.16, 0.12, 0.16, 0.14, 0.06]))
        motion = gesture(rig, place, float(facing), shop.frames, shop.fps, rng, act)
        perform(shop, figure, looks, motion, f"person{k} {act}")


def way_from(way: Way) -> Way:
    """The same way, its arc length counted from 0."""
    return Way(way.points, way.arc - way.arc[0])


def cast_animals(
    shop: Workshop,
    plan: Plan,
    count: int,
    kinds: tuple[str, ...],
    gaits: tuple[str, ...],
    ground: Ground = level,
) -> None:
    """Animals that go along free ways, or stand where there is none."""
    rng, seconds = shop.rng, shop.frames / shop.fps
    for k in range(count):
        breed = draw_breed(rng, kinds)
        figure, looks = animal(rng, breed)
        gait = str(rng.choice(gaits))
        length = speed(gait, breed.height) * rng.uniform(0.85, 1.15) * seconds
        radius = max(0.75 * breed.height * breed.length, 0.2)
        way = plan.way(rng, length, radius) if rng.random() < 0.75 else None
        if way is not None:
            s = np.linspace(0, way.length, shop.frames)
            motion = move(figure.rig, breed, way, s, gait, rng, ground)
            perform(shop, figure, looks, motion, f"{breed.kind}{k} {gait}")
            continue
        at = plan.spot(rng, radius)
        if at is not None:
            plan.taken.append((at, np.full(2, radius), 0.0))
            place = np.r_[at, ground(at[None, 0], at[None, 1])]
            motion = stand(
                figure.rig, breed, place, rng.uniform(0, 6.3), shop.frames, shop.fps, rng
            )
            perform(shop, figure, looks, motion, f"{breed.kind}{k} standing")


def toy(shop: Workshop, size: float, name: str) -> tuple[Any, str]:
    """A ball, box, drum or lump of about a size, about its own middle; and its collision shape."""
    rng = shop.rng
    if shop.models and rng.random() < 0.5:
        path = shop.models[rng.integers(len(shop.models))]
        model = load_model(path, size * rng.uniform(0.9, 1.4))
        model.name = f"{name} {path.stem}"
        shop.enlist(model, None)
        return model, "CONVEX_HULL"
    kind = rng.integers(5)
    if kind < 2:
        look = textured(prints.ball_print(rng), 1.0, rng.uniform(0.2, 0.8))
        return shop.add(ball(size / 2), look, f"{name} ball"), "SPHERE"
    look = textured(
        shop.texture(),
        rng.uniform(0.5, 1.2) / size,
        rng.uniform(0.2, 0.9),
        rng.choice([0, 0, 0, 0.7]),
    )
    if kind == 2:
        sides = size * rng.uniform(0.5, 1.1, 3)
        mesh = box(sides, 0.04 * size)
        mesh.verts[:, 2] -= sides[2] / 2
        return shop.add(mesh, look, f"{name} box"), "CONVEX_HULL"
    if kind == 3:
        height = size * rng.uniform(0.4, 1.3)
        mesh = cylinder(size * 0.42, height, 28, 0.03 * size)
        mesh.verts[:, 2] -= height / 2
        return shop.add(mesh, look, f"{name} drum"), "CONVEX_HULL"
    return shop.add(
        lump(rng, size * rng.uniform(0.6, 1.1, 3), 0.25), look, f"{name} lump"
    ), "CONVEX_HULL"


def throw_toys(
    shop: Workshop,
    plan: Plan,
    colliders: list[Any],
    count: int,
    size: float,
    height: tuple[float, float] = (0.3, 1.9),
    reach: float = 1.0,
) -> list[Any]:
    """Toys thrown or dropped, which bounce on the colliders during the clip."""
    rng = shop.rng
    bodies = []
    for k in range(count):
        at = plan.spot(rng, 0.35, 0.7)
        if at is None:
            continue
        obj, shape = toy(shop, size * rng.uniform(0.7, 1.6), f"toy{k}")
        obj.location = (*at, rng.uniform(*height))
        obj.rotation_euler = rng.uniform(0, 6.3, 3)
        aim = -at / max(float(np.linalg.norm(at)), 0.5) + rng.normal(0, 0.7, 2)
        velocity = (*(aim * rng.uniform(0.3, 1.8) * reach), rng.uniform(-0.5, 2.2))
        bodies.append(Thrown(obj, 0.4, velocity, tuple(rng.uniform(-6, 6, 3)), shape))
    if bodies:
        poses = simulate(shop, bodies, colliders, int(rng.integers(0, 8)))
        paths = poses[:, :, :3, 3]
        # Balls jump about: the camera looks at what lies between a ball and its mean place.
        calm = paths.mean(1, keepdims=True)
        for path in calm + 0.35 * (paths - calm):
            shop.watch(path, 0.5)
    return [body.obj for body in bodies]
