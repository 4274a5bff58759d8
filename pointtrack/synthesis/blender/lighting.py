"""Lights and the world around a Blender scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import ArrayLike

from pointtrack.synthesis.blender.materials import to_image
from pointtrack.synthesis.blender.paint import Picture
from pointtrack.synthesis.blender.skies import Sky
from pointtrack.synthesis.blender.workshop import straighten

PANORAMAS = (".hdr", ".exr")


def lamp(
    kind: str,
    power: float,
    shade: ArrayLike,
    at: ArrayLike,
    aim: ArrayLike = (0, 0, 0),
    size: float | tuple[float, float] = 1.0,
) -> Any:
    """A SUN (W/m², size in radians), AREA or POINT light (W, size in metres) towards a point."""
    light = bpy.data.lights.new(kind.lower(), kind)
    light.energy, light.color = power, np.asarray(shade, float).tolist()
    if kind == "SUN":
        light.angle = size
    elif kind == "AREA":
        if isinstance(size, tuple):
            light.shape, light.size, light.size_y = "RECTANGLE", *size
        else:
            light.size = size
    else:
        light.shadow_soft_size = size
    obj = bpy.data.objects.new(kind.lower(), light)
    obj.location = at
    way = Vector(np.asarray(aim, float) - np.asarray(at, float))
    obj.rotation_euler = way.to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(obj)
    return obj


def flicker(light: Any, rng: np.random.Generator, frames: int, depth: float = 0.25) -> None:
    """Let a light dim and brighten slowly by up to a share of its power."""
    power, rate, phase = light.data.energy, rng.uniform(0.5, 2.0, 3), rng.uniform(0, 6.3, 3)
    for frame in range(frames):
        beat = np.sin(rate * frame * 0.26 + phase).mean()
        light.data.energy = power * (1 + depth * float(beat))
        light.data.keyframe_insert("energy", frame=frame)
    straighten(light.data)


def plain_world(shade: ArrayLike, strength: float) -> None:
    """The same light from all sides."""
    _, background = _world()
    background.inputs["Color"].default_value = (*np.asarray(shade, float), 1)
    background.inputs["Strength"].default_value = strength


def panorama_world(panorama: Picture, strength: float) -> None:
    """A painted panorama all around."""
    tree, background = _world()
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    texture.image = to_image(panorama, "panorama")
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    background.inputs["Strength"].default_value = strength


def sky_world(sky: Sky) -> None:
    """A painted panorama all around, and its sun."""
    panorama_world(sky.panorama, sky.strength)
    lamp(
        "SUN", sky.sun_power, sky.sun_colour, sky.sun * 50, size=0.02 if sky.sun_power > 2 else 0.3
    )


def file_world(path: Path, turn: float, strength: float = 1.0) -> None:
    """A panorama from a file, turned about the vertical (radians)."""
    tree, background = _world()
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    texture.image = bpy.data.images.load(str(path))
    place, source = tree.nodes.new("ShaderNodeMapping"), tree.nodes.new("ShaderNodeTexCoord")
    place.inputs["Rotation"].default_value = (0, 0, turn)
    tree.links.new(source.outputs["Generated"], place.inputs["Vector"])
    tree.links.new(place.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    background.inputs["Strength"].default_value = strength


def _world() -> tuple[Any, Any]:
    world = bpy.data.worlds.new("world")
    world.use_nodes = True
    bpy.context.scene.world = world
    return world.node_tree, world.node_tree.nodes["Background"]
