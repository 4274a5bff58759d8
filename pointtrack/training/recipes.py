"""Augmentation recipes of the published methods by name, and their use on a take.

Where a recipe states lengths in pixels, they hold for the size it was published at (its
`reference`) and are scaled to the size trained at.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.training.photometric import PhotometricConfig, recolour
from pointtrack.training.points import PointConfig
from pointtrack.training.sample import Take
from pointtrack.training.spatial import SpatialConfig, move


@dataclass(frozen=True)
class AugmentConfig:
    """What is done to takes.

    Attributes
    ----------
    spatial
        How they are moved about.
    photometric
        How their looks are changed; after moving, when there are fewer pixels.
    """

    spatial: SpatialConfig = field(default_factory=SpatialConfig)
    photometric: PhotometricConfig = field(default_factory=PhotometricConfig)


def augment(take: Take, config: AugmentConfig, size: Size, rng: np.random.Generator) -> Take:
    """Augment a take and bring it to a (width, height).

    Whatever the settings, the result has the size asked for, and points outside are not
    visible. The take given is left as it is.
    """
    return recolour(move(take, config.spatial, size, rng), config.photometric, rng)


_COTRACKER = AugmentConfig(
    SpatialConfig(drift=1.0, flip_x=0.5, flip_y=0.5, border=0.5),
    PhotometricConfig(erase=1.0, jitter=0.25, each_frame=True, blur=0.25),
)
_DRIFTING_FAR = SpatialConfig(
    drift=1.0,
    pad=(0, 99),
    scale=(0.25, 2.0),
    scale_drift=0.2,
    crop_drift=50.0,
    flip_x=0.5,
    flip_y=0.5,
    border=0.5,
)
_TAPIR = PhotometricConfig(
    jitter=0.8,
    brightness=0.0,
    offset=32 / 255,
    contrast=0.4,
    saturation=0.4,
    hue=0.2,
    grey=0.2,
)

_PLAIN = AugmentConfig(
    SpatialConfig(
        reference=(256, 256),
        drift=0.5,
        pad=(0, 0),
        scale=(0.9, 1.5),
        scale_drift=0.03,
        scale_inertia=0.8,
        crop_drift=6.0,
        flip_x=0.5,
        transpose=0.2,
    ),
    replace(
        _TAPIR,
        reference=(256, 256),
        jitter=0.6,
        grey=0.1,
        fade=0.3,
        blur=0.2,
        blur_deviation=(0.3, 1.2),
        noise=0.3,
        noise_deviation=(1.0, 5.0),
        compress=0.3,
        quality=(35, 90),
    ),
)

RECIPES: dict[str, tuple[AugmentConfig, PointConfig]] = {
    "none": (AugmentConfig(), PointConfig()),
    "cotracker": (_COTRACKER, PointConfig(where="first-or-middle", query="first")),
    "pips": (
        AugmentConfig(
            _DRIFTING_FAR,
            PhotometricConfig(
                erase=1.0,
                erase_frame=0.9,
                replace=1.0,
                replace_frame=0.9,
                replace_count=(1, 20),
                jitter=0.5,
                blur=0.5,
                each_frame=True,
            ),
        ),
        PointConfig(where="first", query="first"),
    ),
    "pips2": (
        AugmentConfig(
            SpatialConfig(
                drift=0.7,
                fit=1.15,
                pad=(0, 64),
                scale=(0.25, 1.5),
                scale_drift=0.1,
                scale_inertia=0.9,
                crop_drift=20.0,
                crop=0.5,
                flip_x=0.5,
                flip_y=0.5,
                border=1.5,
            ),
            PhotometricConfig(
                erase=0.2,
                erase_frame=0.2,
                erase_side=(20, 300),
                jitter=0.4,
                hue=0.05,
                saturation=0.1,
                channels=0.4,
                gamma=0.4,
                blur=0.1,
                motion_blur=0.06,
                sharpen=0.08,
                noise=0.16,
                compress=0.24,
            ),
        ),
        PointConfig(
            where="first-two",
            query="first",
            pick="spread",
            reach=0.125,
            speed=0.4,
            acceleration=0.3,
            jerk=0.1,
        ),
    ),
    "alltracker": (
        AugmentConfig(
            replace(_DRIFTING_FAR, drift=0.2, pad=(10, 100), follow=1.0, transpose=0.5),
            _COTRACKER.photometric,
        ),
        PointConfig(where="first", query="first"),
    ),
    "tapir": (
        AugmentConfig(SpatialConfig(reference=(256, 256)), _TAPIR),
        PointConfig(),
    ),
    "plain": (_PLAIN, PointConfig()),
    "close": (
        replace(_PLAIN, spatial=replace(_PLAIN.spatial, drift=0.8, scale=(0.9, 2.0))),
        PointConfig(),
    ),
    "tapnext": (
        AugmentConfig(SpatialConfig(reference=(256, 256), roll=0.8, homography=0.8)),
        PointConfig(),
    ),
}


def recipe(name: str, points: int = 256) -> tuple[AugmentConfig, PointConfig]:
    """A recipe by name: what is done to takes, and how ``points`` points are then chosen.

    Parameters
    ----------
    name
        ``"none"``; ``"cotracker"`` (Kubric); ``"pips"`` (FlyingThings++); ``"pips2"``
        (PointOdyssey; without CLAHE and emboss); ``"alltracker"``; ``"tapir"`` (colour only);
        ``"plain"`` (ours: texture often fades, as real walls and skies have little);
        ``"close"`` (the same, mostly enlarged, as small videos are where they are tracked);
        ``"tapnext"`` (TAPNext++, long clips).

    Raises
    ------
    PointtrackError
        When there is no such recipe.
    """
    if name not in RECIPES:
        raise PointtrackError(f"there is no recipe {name!r}; there are: {', '.join(RECIPES)}")
    augmentation, chosen = RECIPES[name]
    return augmentation, replace(chosen, count=points)
