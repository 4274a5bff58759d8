"""Blender materials from pictures or plain colours."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray


def to_image(picture: NDArray[np.floating], name: str) -> Any:
    """A picture (H, W, 3) in [0, 1] as a Blender image that lives in memory."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new(name, width, height)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = picture[::-1]  # Blender's first row is the lowest
    image.pixels.foreach_set(rgba.ravel())
    return image


def textured(
    picture: NDArray[np.floating],
    repeats: float = 1.0,
    roughness: float = 0.7,
    metallic: float = 0.0,
    bump: float = 0.0,
    turn: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    name: str = "painted",
) -> Any:
    """A material that shows a picture `repeats` times a unit of the texture coordinates.

    `bump` is the height in metres that white stands above black.
    """
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    tree = material.node_tree
    shader = tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metallic
    shader.inputs["Specular IOR Level"].default_value = 0.3
    source, place = tree.nodes.new("ShaderNodeUVMap"), tree.nodes.new("ShaderNodeMapping")
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = to_image(picture, name)
    place.inputs["Scale"].default_value = (repeats, repeats, 1)
    place.inputs["Rotation"].default_value = (0, 0, turn)
    place.inputs["Location"].default_value = (*shift, 0)
    tree.links.new(source.outputs["UV"], place.inputs["Vector"])
    tree.links.new(place.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    if bump > 0:
        relief = tree.nodes.new("ShaderNodeBump")
        relief.inputs["Distance"].default_value = bump
        relief.inputs["Strength"].default_value = 0.7
        tree.links.new(texture.outputs["Color"], relief.inputs["Height"])
        tree.links.new(relief.outputs["Normal"], shader.inputs["Normal"])
    return material


def plain(
    shade: NDArray[np.floating] | tuple[float, float, float],
    roughness: float = 0.6,
    metallic: float = 0.0,
    glow: float = 0.0,
    name: str = "plain",
) -> Any:
    """One sRGB colour; `glow` is its own light."""
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    linear = (*np.power(np.asarray(shade, float), 2.2), 1.0)
    shader.inputs["Base Color"].default_value = linear
    shader.inputs["Roughness"].default_value = roughness
    shader.inputs["Metallic"].default_value = metallic
    if glow > 0:
        shader.inputs["Emission Color"].default_value = linear
        shader.inputs["Emission Strength"].default_value = glow
    return material
