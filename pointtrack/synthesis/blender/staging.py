"""Stages a scene in an empty Blender file: sets, cast, light, weather and cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from pointtrack.synthesis.blender.abstract import stage_abstract
from pointtrack.synthesis.blender.config import BlenderConfig
from pointtrack.synthesis.blender.filming import choose_cameras
from pointtrack.synthesis.blender.fog import FogLaw
from pointtrack.synthesis.blender.indoor import stage_indoor
from pointtrack.synthesis.blender.models import MODELS, PICTURES, find_files
from pointtrack.synthesis.blender.outdoor import stage_outdoor
from pointtrack.synthesis.blender.workshop import Workshop

STAGES = {"abstract": stage_abstract, "indoor": stage_indoor, "outdoor": stage_outdoor}


@dataclass(frozen=True, eq=False)
class Staged:
    """What was staged.

    Attributes
    ----------
    cameras
        One animated camera object a view.
    tracked
        Instance number (from 1, each object's `pass_index`) to the instance's objects.
    backdrop
        Mesh objects that are no instance but carry tracks: ground, walls.
    fog
        The haze, when there is one.
    notes
        What the cast is, for the manifest.
    """

    cameras: list[Any]
    tracked: dict[int, list[Any]]
    backdrop: list[Any]
    fog: FogLaw | None
    notes: dict[str, Any]


def stage(config: BlenderConfig, seed: int) -> Staged:
    """Build the scene of a seed in the open, empty Blender file.

    The same config and seed give the same scene; frames 0 to ``config.frames - 1`` may be set
    in any order, and every mesh keeps its topology.
    """
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 0, config.frames - 1
    scene.render.fps = config.fps
    content, lens = (np.random.default_rng((seed, k)) for k in range(2))
    shop = Workshop(content, config.frames, config.fps)
    if config.textures:
        shop.pictures = find_files(config.textures, PICTURES, "picture")
    if config.meshes:
        shop.models = find_files(config.meshes, MODELS, "model")
    limits, fog = STAGES[config.preset](shop, config)
    aspect = config.size[0] / config.size[1]
    cameras = choose_cameras(shop, config.views, limits, aspect, lens, config.depth_of_field)
    scene.camera = cameras[0]
    scene.frame_set(0)
    shop.notes["preset"] = config.preset
    return Staged(cameras, shop.tracked, shop.backdrop, fog, shop.notes)
