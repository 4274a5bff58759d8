"""Random ways for a crop, a scale or a picture to wander over the frames of a take."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size
from pointtrack.training.warp import Array, scaling, translation, turning

_SMALLEST, _LARGEST = 0.2, 2.0  # scales, whatever the drift
SPARE = 10  # pixels by which a scaled picture is larger than its crop, so that it can move
_CORNER = 0.3  # of a side: as far in as a homography moves a corner
_SMOOTH = np.array([0.25, 0.5, 0.25])
# TAPNext++'s signals: number of terms, greatest frequency band, in half turns over the take.
_LOW, _HIGH = (1.0, 4.0), (8.0, 16.0)


def damped_steps(
    count: int, frames: int, most: float, inertia: float, rng: np.random.Generator
) -> Array:
    """Changes a frame that go on for a while, ``(frames, count)``; the first is 0.

    The second is uniform in +-`most`; each later one keeps `inertia` of the one before and has
    the rest drawn anew.
    """
    steps = np.zeros((frames, count))
    for t in range(1, frames):
        fresh = rng.uniform(-most, most, count)
        steps[t] = fresh if t == 1 else inertia * steps[t - 1] + (1 - inertia) * fresh
    return steps


def drifting_scale(start: float, steps: Array, least: Array) -> Array:
    """Scales along x and y, ``(T, 2)``, that take these steps and are drawn to each other."""
    scales = np.empty_like(steps)
    now = np.full(2, start)
    for t, step in enumerate(steps):
        now = now + step
        now = np.clip((now + now.mean()) / 2, _SMALLEST, _LARGEST)
        scales[t] = np.maximum(now, least)
    return scales


def drifting_crop(sizes: Array, size: Size, centre: Array, steps: Array) -> Array:
    """Corners ``(T, 2)`` of crops that start around `centre` and take these steps.

    Parameters
    ----------
    sizes
        ``(T, 2)`` of the pictures that are cropped; crops stay inside.
    size
        (width, height) of the crop.
    """
    corners = np.empty_like(steps)
    corner = centre - np.asarray(size) / 2
    for t, step in enumerate(steps):
        corner = np.clip(corner + step, 0, np.maximum(sizes[t] - size, 0))
        corners[t] = corner
    return corners


def following_crop(path: Array, picture: Array, size: Size) -> Array:
    """Corners ``(T, 2)`` of crops around a path ``(T, 2)``, a little smoothed."""
    ends = np.pad(path, ((1, 1), (0, 0)), mode="edge")
    smooth = sum(weight * ends[i : i + len(path)] for i, weight in enumerate(_SMOOTH))
    room = np.maximum(picture - np.asarray(size), 0)
    return np.clip(smooth - np.asarray(size) / 2, 0, room)


def liveliest(
    xy: NDArray[np.floating], visible: NDArray[np.bool_], rng: np.random.Generator
) -> Array:
    """The path ``(T, 2)`` of one of the tracks that change their speed the most while visible.

    Where it is not visible it rests at its last place. Among N tracks, the 32 (or N / 32)
    with the greatest sum of accelerations are candidates.
    """
    second = np.linalg.norm(np.diff(np.nan_to_num(xy), n=2, axis=1), axis=2)
    seen = visible[:, 2:] & visible[:, 1:-1] & visible[:, :-2]
    lively = np.where(visible.any(axis=1), (second * seen).sum(axis=1), -1)
    best = np.argsort(-lively, kind="stable")[: max(len(xy) // 32, 32)]
    best = best[lively[best] >= 0]
    row = rng.choice(best)
    frames = np.arange(visible.shape[1])
    known = frames[visible[row]]
    last = known[np.maximum(np.searchsorted(known, frames, side="right") - 1, 0)]
    return np.asarray(xy[row, last], np.float64)


def signal(
    low: float, high: float, terms: tuple[int, int], frames: int, rng: np.random.Generator
) -> Array:
    """A sum of sines, slow and quick ones, that is 0 at the start; ``(T,)`` (TAPNext++).

    Parameters
    ----------
    low, high
        Greatest amplitude of a slow term and of a quick one.
    terms
        How many there are of each.
    """
    time = np.arange(frames) / frames
    total = np.zeros(frames)
    for most, band, count in ((low, _LOW, terms[0]), (high, _HIGH, terms[1])):
        amplitude = rng.uniform(0, most, count)[:, None]
        frequency = rng.uniform(*band, count)[:, None] * np.pi
        phase = rng.uniform(0, 2 * np.pi, count)[:, None]
        total += (amplitude * (np.sin(frequency * time + phase) - np.sin(phase))).sum(axis=0)
    return total


def roll(
    size: Size, frames: int, unit: float, strength: float, rng: np.random.Generator
) -> tuple[Array, NDArray[np.int64], int]:
    """Shifts and turns that carry points out of the picture and back in (TAPNext++).

    Returns
    -------
    ndarray, ndarray, int
        ``(T, 3, 3)`` turns about the centre; ``(T, 2)`` whole pixels to shift beforehand, with
        wrap-around; the width of the border that goes round with the picture.
    """
    width, height = size
    pixels = strength * unit
    across = signal(30 * pixels, 10 * pixels, (5, 5), frames, rng)
    down = signal(20 * pixels, 7 * pixels, (5, 5), frames, rng)
    degrees = signal(10 * strength, 5 * strength, (5, 5), frames, rng)
    turns = np.stack([turning(angle, (width / 2, height / 2)) for angle in degrees])
    border = math.ceil((math.hypot(width, height) - min(width, height)) / 2)
    return turns, np.round(np.column_stack([across, down])).astype(np.int64), border


def bend(size: Size, frames: int, strength: float, rng: np.random.Generator) -> Array:
    """Perspectives ``(T, 3, 3)`` that move each corner inwards on its own (TAPNext++)."""
    moves = [signal(0.05 * strength, 0.02 * strength, (3, 3), frames, rng) for _ in range(8)]
    inwards = _folded(np.abs(np.stack(moves, axis=1))).reshape(frames, 4, 2)  # T 4 2
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64)
    moved = corners + np.where(corners == 0, 1, -1) * inwards
    to_unit, back = scaling(1 / size[0], 1 / size[1]), scaling(*size)
    return np.stack([back @ _perspective(corners, places) @ to_unit for places in moved])


def _folded(values: Array) -> Array:
    """Values that are mirrored at 0 and at the corner's limit, so that corners never cross."""
    rest = np.mod(values, 2 * _CORNER)
    return np.minimum(rest, 2 * _CORNER - rest)


def _perspective(start: Array, end: Array) -> Array:
    """The homography that takes four points to four others."""
    rows, right = [], []
    for (x, y), (u, v) in zip(start, end, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(right)), 1).reshape(3, 3)


def pad_scale_crop(pad: tuple[float, float], scales: Array, corners: Array) -> Array:
    """``(T, 3, 3)``: pad, then scale, then crop at these corners."""
    return np.stack(
        [
            translation(-x, -y) @ scaling(*scale) @ translation(*pad)
            for (x, y), scale in zip(corners, scales, strict=True)
        ]
    )
