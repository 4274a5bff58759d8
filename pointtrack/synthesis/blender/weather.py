"""Fog and smoke in a Blender scene."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.config import BlenderConfig
from pointtrack.synthesis.blender.fog import FogLaw
from pointtrack.synthesis.blender.solids import box
from pointtrack.synthesis.blender.workshop import Workshop, straighten


def add_weather(
    shop: Workshop,
    config: BlenderConfig,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    extinction: float,
) -> FogLaw | None:
    """Fog in a box of air, and drifting smoke, by the config's chances.

    Smoke is thin (its opacity stays below a third), so that what is behind it remains visible;
    the fog's law is returned, since tracks need it.
    """
    rng = shop.rng
    foggy, smoky, share = (
        rng.random() < config.fog,
        rng.random() < config.smoke,
        rng.uniform(0.4, 1),
    )
    spot = rng.uniform(low * 0.5, high * 0.5)
    seed = rng.uniform(-50, 50, 3)
    if smoky:
        _smoke(shop, spot, seed, float(high[2] - low[2]))
        shop.notes["smoke"] = True
    if not foggy:
        return None
    corners = [float(v) for v in low - 0.01], [float(v) for v in high + 0.01]
    law = FogLaw(float(extinction * share), (*corners[0],), (*corners[1],))  # type: ignore[arg-type]
    block = box(np.array(law.high) - np.array(law.low))
    middle = (np.array(law.low) + np.array(law.high)) / 2
    air = bpy.data.materials.new("fog")
    air.use_nodes = True
    tree = air.node_tree
    tree.nodes.clear()
    volume, out = (
        tree.nodes.new("ShaderNodeVolumePrincipled"),
        tree.nodes.new("ShaderNodeOutputMaterial"),
    )
    volume.inputs["Density"].default_value = law.extinction
    volume.inputs["Color"].default_value = (0.85, 0.88, 0.92, 1)
    tree.links.new(volume.outputs["Volume"], out.inputs["Volume"])
    _unseen(block, air, "fog", (middle[0], middle[1], law.low[2]))
    shop.notes["fog"] = law.extinction
    return law


def _smoke(
    shop: Workshop, spot: NDArray[np.float64], seed: NDArray[np.float64], tall: float
) -> None:
    """A drifting cloud of noise within a box of a metre or two."""
    size = np.array([1.6, 1.6, min(1.8, tall * 0.7)])
    material = bpy.data.materials.new("smoke")
    material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    nodes = tree.nodes
    volume, out = nodes.new("ShaderNodeVolumePrincipled"), nodes.new("ShaderNodeOutputMaterial")
    source, place = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeMapping")
    noise, ramp = nodes.new("ShaderNodeTexNoise"), nodes.new("ShaderNodeMapRange")
    noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = 1.8, 2.0
    ramp.inputs["From Min"].default_value, ramp.inputs["From Max"].default_value = 0.5, 0.75
    ramp.inputs["To Max"].default_value = 0.55
    tree.links.new(source.outputs["Object"], place.inputs["Vector"])
    tree.links.new(place.outputs["Vector"], noise.inputs["Vector"])
    tree.links.new(noise.outputs[0], ramp.inputs["Value"])
    tree.links.new(ramp.outputs["Result"], volume.inputs["Density"])
    tree.links.new(volume.outputs["Volume"], out.inputs["Volume"])
    volume.inputs["Color"].default_value = (0.8, 0.8, 0.82, 1)
    shift = place.inputs["Location"]
    for frame in (0, max(shop.frames - 1, 1)):
        shift.default_value = (seed + np.array([0.1, 0.2, -0.5]) * frame / shop.fps).tolist()
        shift.keyframe_insert("default_value", frame=frame)
    straighten(tree)
    _unseen(box(size), material, "smoke", (spot[0], spot[1], 0.05))


def _unseen(block: Any, material: Any, name: str, at: tuple[float, float, float]) -> None:
    """A volume's box: rendered, but met by no ray that is cast for tracks or cameras."""
    mesh = bpy.data.meshes.new(name)
    faces = [face[face >= 0].tolist() for face in block.faces]
    mesh.from_pydata(block.verts.tolist(), [], faces)
    mesh.materials.append(material)
    obj = bpy.data.objects.new(name, mesh)
    obj.location = at
    obj.hide_viewport = True  # `Scene.ray_cast` sees the viewport's objects
    bpy.context.scene.collection.objects.link(obj)
