"""Falling and thrown rigid bodies: Blender's simulation stepped once and kept as key frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Euler
from numpy.typing import NDArray

from pointtrack.synthesis.blender.workshop import Workshop

_RELEASE = 3  # the simulation's frame from which thrown bodies are free


@dataclass(frozen=True, eq=False)
class Thrown:
    """A body in free motion: velocity in m/s, spin in radians a second about x, y, z."""

    obj: Any
    mass: float = 1.0
    velocity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    spin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shape: str = "CONVEX_HULL"


@dataclass(frozen=True)
class Kick:
    """A burst of force that pushes bodies away from a place for three frames."""

    frame: int
    at: tuple[float, float, float]
    strength: float


def simulate(
    shop: Workshop,
    bodies: Sequence[Thrown],
    colliders: Sequence[Any],
    warm: int = 0,
    kicks: Sequence[Kick] = (),
) -> NDArray[np.float64]:
    """Let bodies fall on colliders, and key their motion.

    Parameters
    ----------
    warm
        Frames that are simulated before the clip begins.
    kicks
        Bursts of force, at frames of the clip (PointOdyssey's force fields).

    Returns
    -------
    ndarray
        ``(bodies, T, 4, 4)`` world matrices.
    """
    scene = bpy.context.scene
    keep = scene.frame_start, scene.frame_end
    frames = _RELEASE + warm + shop.frames
    scene.frame_start, scene.frame_end = 1, frames
    bpy.ops.rigidbody.world_add()
    world = scene.rigidbody_world
    world.collection = bpy.data.collections.new("bodies")
    world.substeps_per_frame, world.solver_iterations = 12, 20
    world.point_cache.frame_start, world.point_cache.frame_end = 1, frames
    for obj in colliders:
        _join(world, obj, "PASSIVE", "MESH", 1.0)
    for body in bodies:
        _join(world, body.obj, "ACTIVE", body.shape, body.mass)
        _throw(body, shop.fps)
    fields = [_burst(kick, warm) for kick in kicks]
    poses = np.zeros((len(bodies), shop.frames, 4, 4))
    for frame in range(1, frames + 1):
        scene.frame_set(frame)
        if frame > _RELEASE + warm:
            graph = bpy.context.evaluated_depsgraph_get()
            for k, body in enumerate(bodies):
                pose = body.obj.evaluated_get(graph).matrix_world
                poses[k, frame - _RELEASE - warm - 1] = np.array(pose)
    _clear(world, fields)
    scene.frame_start, scene.frame_end = keep
    for body, path in zip(bodies, poses, strict=True):
        body.obj.animation_data_clear()
        shop.animate(body.obj, path)
    return poses


def _join(world: Any, obj: Any, kind: str, shape: str, mass: float) -> None:
    world.collection.objects.link(obj)
    if obj.rigid_body is None:
        bpy.context.view_layer.objects.active = obj
        bpy.ops.rigidbody.object_add()
    body = obj.rigid_body
    body.type, body.collision_shape, body.mass = kind, shape, mass
    body.friction, body.restitution = 0.6, 0.45
    body.use_margin, body.collision_margin = True, 0.002
    body.linear_damping, body.angular_damping = 0.02, 0.05


def _throw(body: Thrown, fps: int) -> None:
    """Carry the body along its velocity until its release, so that it keeps it."""
    obj, start = body.obj, np.array(body.obj.location)
    turn = np.array(obj.rotation_euler)
    for frame in (1, 2, 3):
        past = (frame - _RELEASE) / fps
        obj.location = start + past * np.array(body.velocity)
        step = Euler((past * np.array(body.spin)).tolist()).to_matrix()
        obj.rotation_euler = (step @ Euler(turn.tolist()).to_matrix()).to_euler()
        obj.keyframe_insert("location", frame=frame)
        obj.keyframe_insert("rotation_euler", frame=frame)
    obj.rigid_body.kinematic = True
    obj.rigid_body.keyframe_insert("kinematic", frame=1)
    obj.rigid_body.kinematic = False
    obj.rigid_body.keyframe_insert("kinematic", frame=_RELEASE)


def _burst(kick: Kick, warm: int) -> Any:
    field = bpy.data.objects.new("burst", None)
    bpy.context.scene.collection.objects.link(field)
    field.location = kick.at
    bpy.context.view_layer.objects.active = field
    bpy.ops.object.select_all(action="DESELECT")
    field.select_set(True)
    bpy.ops.object.forcefield_toggle()
    field.field.type, field.field.falloff_power = "FORCE", 1.0
    start = _RELEASE + warm + kick.frame
    for frame, strength in (
        (1, 0.0),
        (start, 0.0),
        (start + 1, kick.strength),
        (start + 3, kick.strength),
        (start + 4, 0.0),
    ):
        field.field.strength = strength
        field.field.keyframe_insert("strength", frame=frame)
    return field


def _clear(world: Any, fields: list[Any]) -> None:
    """Take the simulation away; the objects stay."""
    members = list(world.collection.objects)
    for obj in members:
        bpy.context.view_layer.objects.active = obj
        bpy.ops.rigidbody.object_remove()
    for obj in fields:
        bpy.data.objects.remove(obj)
    bpy.ops.rigidbody.world_remove()
