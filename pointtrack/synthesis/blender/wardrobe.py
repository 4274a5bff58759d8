"""Dresses generated figures and puts them, in motion, into the scene."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender import coats, paint
from pointtrack.synthesis.blender.animals import make_animal
from pointtrack.synthesis.blender.breeds import Breed
from pointtrack.synthesis.blender.materials import plain, textured
from pointtrack.synthesis.blender.people import Build, Figure, make_person
from pointtrack.synthesis.blender.rig import Motion, skin
from pointtrack.synthesis.blender.workshop import Workshop

Rng = np.random.Generator


def person(rng: Rng, build: Build) -> tuple[Figure, list[Any]]:
    """A figure and the materials of its slots."""
    figure = make_person(build)
    skin_picture, _ = coats.skin_tone(rng)
    hair = coats.HAIRS[rng.integers(len(coats.HAIRS))]
    if build.hair == "cap":
        top: Any = textured(_cloth(rng), 5, 0.85)
    else:
        top = textured(coats.hairs(rng, paint.flat(hair), 0.25), 3, 0.6)
    below = paint.colour(rng, (0.1, 0.6), (0.12, 0.6))
    trousers = _cloth(rng) if build.skirt or rng.random() < 0.2 else coats.denim(rng, below)
    looks = {
        "skin": textured(skin_picture, 3, 0.55),
        "shirt": textured(_cloth(rng), rng.uniform(1.8, 4.0), 0.85, bump=0.002),
        "trousers": textured(trousers, rng.uniform(1.8, 3.0), 0.85, bump=0.002),
        "shoes": plain(paint.colour(rng, (0.0, 0.6), (0.06, 0.8)), 0.5),
        "hair": top,
        "white": plain((0.92, 0.92, 0.9), 0.3),
        "dark": plain((0.06, 0.04, 0.03), 0.2),
        "lips": plain((0.55, 0.25, 0.23), 0.5),
        "bag": textured(_cloth(rng), 2.5, 0.8),
    }
    return figure, [looks[slot] for slot in figure.slots]


def _cloth(rng: Rng) -> NDArray[np.float32]:
    if rng.random() < 0.12:  # some clothes have one colour
        return paint.plaster(rng, paint.colour(rng))
    return paint.CLOTHS[rng.integers(len(paint.CLOTHS))](rng)


def animal(rng: Rng, breed: Breed) -> tuple[Figure, list[Any]]:
    """An animal and the materials of its slots."""
    figure = make_animal(breed)
    base = coats.FURS[rng.integers(len(coats.FURS))] * rng.uniform(0.9, 1.1)
    kind = str(rng.choice(breed.coats))
    scale = 1.0 / breed.height * rng.uniform(0.8, 1.2)
    coat = textured(
        coats.fur(rng, kind, base), scale, 0.85, turn=rng.choice([0, np.pi / 2]) * (kind == "plain")
    )
    pale = coats.hairs(rng, paint.flat(np.clip(base * 0.5 + 0.42, 0, 1)))
    same = rng.random() < 0.5 or kind in ("stripes", "rosettes", "patches", "wool")
    socks = coats.hairs(rng, paint.flat(base * rng.choice([0.4, 1.0])))
    looks = {
        "coat": coat,
        "belly": coat if same else textured(pale, scale, 0.85),
        "socks": coat if rng.random() < 0.5 else textured(socks, scale, 0.85),
        "nose": plain((0.1, 0.08, 0.08), 0.4),
        "white": plain(np.array([0.35, 0.22, 0.1]) * rng.uniform(0.6, 1.6), 0.2),
        "dark": plain((0.03, 0.03, 0.03), 0.1),
        "mane": textured(coats.hairs(rng, paint.flat(base * 0.3), 0.3), 2, 0.8),
    }
    return figure, [looks[slot] for slot in figure.slots]


def perform(shop: Workshop, figure: Figure, looks: list[Any], motion: Motion, name: str) -> Any:
    """Put a figure into the scene, moving as told; its middle becomes a subject."""
    obj = shop.add(figure.mesh, looks, name)
    shop.deform(obj, skin(figure.rig, figure.mesh.verts, figure.weights, motion))
    middle = motion.heads[:, 2] * 0.6 + motion.heads[:, 0] * 0.4
    shop.watch(middle, 3.0)
    return obj
