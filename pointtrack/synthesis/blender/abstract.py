"""The abstract stage: many textured things in the air above a floor, as Kubric's."""

from __future__ import annotations

import numpy as np

from pointtrack.synthesis.blender import paint
from pointtrack.synthesis.blender.camera_paths import Limits
from pointtrack.synthesis.blender.config import BlenderConfig
from pointtrack.synthesis.blender.fog import FogLaw
from pointtrack.synthesis.blender.lighting import lamp, plain_world
from pointtrack.synthesis.blender.materials import textured
from pointtrack.synthesis.blender.solids import box, sheet
from pointtrack.synthesis.blender.workshop import Workshop


def stage_abstract(shop: Workshop, config: BlenderConfig) -> tuple[Limits, FogLaw | None]:
    """Textured things on a floor."""
    rng = shop.rng
    floor = textured(paint.ANYTHING[rng.integers(len(paint.ANYTHING))](rng), 0.5, name="floor")
    shop.add(sheet((30, 30), (2, 2)), floor, "floor", instance=0)
    for k in range(6):
        picture = paint.ANYTHING[rng.integers(len(paint.ANYTHING))](rng)
        at = (*rng.uniform(-2, 2, 2), 0.0)
        block = shop.add(box((0.6, 0.6, 0.6), 0.03), textured(picture, 1.6), f"box{k}", at)
        end = np.array(at) + (*rng.uniform(-1, 1, 2), rng.uniform(0, 1.5))
        poses = np.tile(np.eye(4), (shop.frames, 1, 1))
        poses[:, :3, 3] = np.linspace(at, end, shop.frames)
        shop.animate(block, poses)
        shop.subjects.append(poses[:, :3, 3] + (0, 0, 0.3))
    plain_world((0.7, 0.8, 1.0), 0.5)
    lamp("SUN", 3.0, (1, 0.95, 0.85), (5, -4, 8), size=0.05)
    return Limits((-9, -9), (9, 9)), None
