"""Kinds of four-legged animals by their proportions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Breed:
    """Proportions of an animal, in units of its height at the back.

    Attributes
    ----------
    kind
        Its name; `height` in metres.
    length
        From shoulder to hip; `deep` and `wide` the trunk's half depth and width.
    leg
        Radius of the upper legs; `thin` that of the lower ones.
    neck, raised
        Length of the neck and its angle above the level, in radians.
    head, snout
        Radius of the skull and length of the muzzle; `ears` their length, `hanging` or not.
    tail, tail_angle
        Length of the tail and its angle above the level at its root; `bushy` its radius.
    hoofed
        Whether it has hooves and a mane rather than paws.
    coats
        Patterns that it may have; see `coats.py`.
    """

    kind: str
    height: float
    length: float = 0.95
    deep: float = 0.22
    wide: float = 0.17
    leg: float = 0.1
    thin: float = 0.042
    neck: float = 0.32
    raised: float = 0.8
    head: float = 0.12
    snout: float = 0.2
    ears: float = 0.13
    hanging: bool = False
    tail: float = 0.55
    tail_angle: float = 0.5
    bushy: float = 0.035
    hoofed: bool = False
    coats: tuple[str, ...] = ("plain", "patches", "saddle")


BREEDS: tuple[Breed, ...] = (
    Breed("dog", 0.56, coats=("plain", "patches", "saddle", "dots")),
    Breed("hound", 0.62, 1.0, 0.2, 0.14, 0.09, 0.036, 0.4, 0.7, 0.105, 0.25, 0.16, True, 0.6, 0.7),
    Breed(
        "terrier",
        0.32,
        1.15,
        0.27,
        0.22,
        0.12,
        0.065,
        0.26,
        0.9,
        0.18,
        0.2,
        0.16,
        False,
        0.4,
        1.1,
        0.05,
    ),
    Breed(
        "cat",
        0.29,
        1.25,
        0.23,
        0.17,
        0.095,
        0.046,
        0.2,
        0.6,
        0.155,
        0.09,
        0.14,
        False,
        1.0,
        0.5,
        0.04,
        coats=("tabby", "plain", "patches"),
    ),
    Breed(
        "leopard",
        0.72,
        1.3,
        0.22,
        0.17,
        0.1,
        0.05,
        0.25,
        0.4,
        0.13,
        0.12,
        0.07,
        False,
        1.0,
        0.0,
        0.035,
        coats=("rosettes", "stripes"),
    ),
    Breed(
        "fox",
        0.4,
        1.15,
        0.2,
        0.16,
        0.085,
        0.04,
        0.25,
        0.6,
        0.13,
        0.2,
        0.15,
        False,
        0.85,
        -0.3,
        0.085,
        coats=("saddle", "plain"),
    ),
    Breed(
        "horse",
        1.55,
        0.85,
        0.21,
        0.165,
        0.095,
        0.035,
        0.5,
        0.95,
        0.105,
        0.27,
        0.1,
        False,
        0.55,
        -1.0,
        0.05,
        True,
        ("plain", "patches", "stripes", "dots"),
    ),
    Breed(
        "cow",
        1.35,
        1.0,
        0.27,
        0.21,
        0.1,
        0.042,
        0.35,
        0.35,
        0.13,
        0.25,
        0.13,
        True,
        0.6,
        -1.3,
        0.022,
        True,
        ("patches", "plain"),
    ),
    Breed(
        "sheep",
        0.7,
        0.9,
        0.3,
        0.26,
        0.1,
        0.045,
        0.28,
        0.7,
        0.13,
        0.2,
        0.14,
        True,
        0.25,
        -0.9,
        0.05,
        True,
        ("wool",),
    ),
    Breed(
        "deer",
        1.0,
        0.85,
        0.19,
        0.14,
        0.08,
        0.027,
        0.45,
        1.1,
        0.095,
        0.19,
        0.16,
        False,
        0.16,
        0.2,
        0.04,
        True,
        ("dots", "plain"),
    ),
)

PETS = ("dog", "hound", "terrier", "cat")

ALL = tuple(breed.kind for breed in BREEDS)


def draw_breed(rng: np.random.Generator, kinds: tuple[str, ...]) -> Breed:
    """One of some kinds of `BREEDS`, its proportions varied a little."""
    fitting = [breed for breed in BREEDS if breed.kind in kinds]
    breed = fitting[rng.integers(len(fitting))]
    return replace(
        breed,
        height=float(breed.height * rng.uniform(0.88, 1.12)),
        length=float(breed.length * rng.uniform(0.94, 1.06)),
        deep=float(breed.deep * rng.uniform(0.92, 1.1)),
        wide=float(breed.wide * rng.uniform(0.92, 1.1)),
        raised=float(breed.raised + rng.uniform(-0.12, 0.12)),
    )
