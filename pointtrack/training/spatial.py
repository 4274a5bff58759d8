"""Geometric augmentation of takes, by the rules of the published methods.

What happens to a take, in this order and each by chance:

1. it is rolled and turned, or bent by a perspective, or both (TAPNext++);
2. it is transposed;
3. it is padded, scaled and cropped, with scale and crop drifting over time (PIPs, CoTracker);
   or the crop follows a lively point (AllTracker); or it is cropped or resized as it is;
4. it is mirrored.

All of it is one matrix a frame and one interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from pointtrack.geometry import Size, pixel_to_raster
from pointtrack.training.checks import chance, interval, number, one_of, picture_size
from pointtrack.training.drift import (
    SPARE,
    bend,
    damped_steps,
    drifting_crop,
    drifting_scale,
    following_crop,
    liveliest,
    pad_scale_crop,
    roll,
)
from pointtrack.training.sample import Take
from pointtrack.training.warp import (
    Array,
    Fill,
    Warp,
    mirror_x,
    mirror_y,
    scaling,
    swapping,
    translation,
    warp_take,
)

_CHANCES = (
    "drift",
    "scale_inertia",
    "follow",
    "crop",
    "roll",
    "homography",
    "transpose",
    "flip_x",
    "flip_y",
)


@dataclass(frozen=True)
class SpatialConfig:
    """How takes are moved about. Lengths are in pixels of a picture of `reference` size.

    Attributes
    ----------
    reference
        (width, height) at which lengths are meant; elsewhere they are scaled by the root of
        the areas' ratio.
    drift
        How often a take is padded, scaled and cropped in a way that drifts.
    fit
        Bring the picture to this many times the output first, its aspect kept; 0: scales are
        relative to the picture as it is.
    pad
        Least and greatest border on each side.
    scale
        Least and greatest scale at the start; a picture is never smaller than its crop.
    scale_drift
        Greatest change of scale a frame.
    scale_inertia
        How much of the last frame's change of scale goes on, in [0, 1].
    crop_drift
        Greatest step of the crop a frame.
    follow
        How often, where it does not drift, the crop follows a point.
    crop
        How often, otherwise, a take is cropped where it is large enough, instead of resized.
    roll, homography
        How often a take is rolled and turned, and bent.
    strength
        A factor on how much these two do.
    transpose, flip_x, flip_y
        How often x and y are swapped, x and y are mirrored.
    fill
        What is beyond the picture after padding, turning and bending: ``"black"``, or its
        ``"edge"`` goes on.
    border
        Points less than this many pixels inside the output's outer edge count as not visible.
        CoTracker's rule is 0.5, PIPs++'s 1.5.

    Raises
    ------
    PointtrackError
        When a value is out of range; the message names it.
    """

    reference: Size = (512, 384)
    drift: float = 0.0
    fit: float = 0.0
    pad: tuple[int, int] = (0, 24)
    scale: tuple[float, float] = (0.75, 1.25)
    scale_drift: float = 0.05
    scale_inertia: float = 0.8
    crop_drift: float = 15.0
    follow: float = 0.0
    crop: float = 0.0
    roll: float = 0.0
    homography: float = 0.0
    strength: float = 1.0
    transpose: float = 0.0
    flip_x: float = 0.0
    flip_y: float = 0.0
    fill: Fill = "black"
    border: float = 0.0

    def __post_init__(self) -> None:
        picture_size("reference", self.reference)
        for name in _CHANCES:
            chance(name, getattr(self, name))
        for name in ("fit", "scale_drift", "crop_drift", "border"):
            number(name, getattr(self, name), 0)
        number("strength", self.strength, 0, 2)
        interval("pad", self.pad, 0, integers=True)
        interval("scale", self.scale, 0.05, 20)
        one_of("fill", self.fill, get_args(Fill))
        for name in ("reference", "pad", "scale"):
            object.__setattr__(self, name, tuple(getattr(self, name)))  # JSON gives lists

    def unit(self, size: Size) -> float:
        """What a pixel of the reference is in a picture of this size."""
        area, meant = size[0] * size[1], self.reference[0] * self.reference[1]
        return float((area / meant) ** 0.5)


def move(take: Take, config: SpatialConfig, size: Size, rng: np.random.Generator) -> Take:
    """Move a take about and bring it to ``size``; see `SpatialConfig`."""
    return warp_take(take, plan_warp(take, config, size, rng), config.border)


def plan_warp(take: Take, config: SpatialConfig, size: Size, rng: np.random.Generator) -> Warp:
    """Draw lots for where the pixels of a take go; no pixel is touched."""
    frames = len(take.video)
    warp = Warp(np.broadcast_to(np.eye(3), (frames, 3, 3)), take.size, take.size)
    if rng.random() < config.roll:
        turns, shift, border = roll(take.size, frames, config.unit(take.size), config.strength, rng)
        warp = replace(warp, matrices=turns, shift=shift, border=border, fill=config.fill)
    if rng.random() < config.homography:
        bent = bend(take.size, frames, config.strength, rng)
        warp = replace(warp, matrices=bent @ warp.matrices, fill=config.fill)
    if rng.random() < config.transpose:
        width, height = warp.size
        warp = replace(warp, matrices=swapping() @ warp.matrices, size=(height, width))
    warp = _fitted(take, warp, config, size, rng)
    if rng.random() < config.flip_x:
        warp = replace(warp, matrices=mirror_x(size) @ warp.matrices)
    if rng.random() < config.flip_y:
        warp = replace(warp, matrices=mirror_y(size) @ warp.matrices)
    return warp


def _fitted(
    take: Take, warp: Warp, config: SpatialConfig, size: Size, rng: np.random.Generator
) -> Warp:
    """The way on to the output's size."""
    if rng.random() < config.drift:
        way = _drifting(take, warp, config, size, rng)
        return replace(warp, matrices=way @ warp.matrices, size=size, fill=config.fill)
    if rng.random() < config.follow and take.visible.any():
        way = _following(take, warp, size, rng)
    elif rng.random() < config.crop and (np.asarray(warp.size) >= size).all():
        x, y = (int(rng.integers(0, a - b + 1)) for a, b in zip(warp.size, size, strict=True))
        way = translation(-x, -y)[None]
    else:
        way = scaling(*(np.asarray(size) / warp.size))[None]
    return replace(warp, matrices=way @ warp.matrices, size=size)


def _drifting(
    take: Take, warp: Warp, config: SpatialConfig, size: Size, rng: np.random.Generator
) -> Array:
    frames, unit = len(take.video), config.unit(size)
    first = _cover(warp.size, size) * config.fit if config.fit else 1.0
    left, top, right, bottom = rng.integers(config.pad[0], config.pad[1] + 1, 4) * unit / first
    padded = np.add(warp.size, (left + right, top + bottom))
    steps = damped_steps(2, frames, config.scale_drift, config.scale_inertia, rng)
    least = (np.asarray(size) + SPARE * unit) / (padded * first)
    scales = first * drifting_scale(rng.uniform(*config.scale), steps, least)
    centre = np.add(_centre(take, warp), (left, top)) * scales[0]
    walk = damped_steps(2, frames, config.crop_drift * unit, 0.8, rng)
    corners = drifting_crop(scales * padded, size, centre, walk)
    return pad_scale_crop((left, top), scales, corners)


def _following(take: Take, warp: Warp, size: Size, rng: np.random.Generator) -> Array:
    scale = max(_cover(warp.size, size), 1.0)
    path = liveliest(warp.points(take.xy)[0], take.visible, rng)
    picture = scale * np.asarray(warp.size)
    places = np.asarray(scale * pixel_to_raster(path), np.float64)
    corners = following_crop(places, picture, size)
    return pad_scale_crop((0, 0), np.full((len(path), 2), scale), corners)


def _cover(picture: Size, size: Size) -> float:
    """The least scale at which a picture is as large as `size` both ways."""
    return max(size[0] / picture[0], size[1] / picture[1])


def _centre(take: Take, warp: Warp) -> Array:
    """The mean of the points visible in the first frame, else the middle of the picture."""
    seen = take.visible[:, 0]
    if not seen.any():
        return np.asarray(warp.size) / 2
    places = pixel_to_raster(warp.points(take.xy[seen])[0][:, 0])
    return np.asarray(np.clip(places, 0, warp.size).mean(axis=0))
