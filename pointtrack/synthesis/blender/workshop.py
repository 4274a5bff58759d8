"""Puts numpy meshes into a Blender scene and keeps the books of what was put there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import ArrayLike, NDArray

from pointtrack.synthesis.blender import paint
from pointtrack.synthesis.blender.models import load_picture
from pointtrack.synthesis.blender.paint import Picture
from pointtrack.synthesis.blender.solids import Solid


@dataclass
class Workshop:
    """A scene under construction.

    Attributes
    ----------
    rng
        Where all chance comes from.
    frames
        Length of the clip.
    tracked
        Instance number to its objects; `backdrop`: what carries tracks but is no instance.
    subjects, weights
        What the camera should look at: positions ``(T, 3)``, one a thing, and how much so.
    notes
        What was staged, for the manifest.
    pictures, models
        The user's files; half of all textures and of all toys are taken from them.
    """

    rng: np.random.Generator
    frames: int
    fps: int = 24
    tracked: dict[int, list[Any]] = field(default_factory=dict)
    backdrop: list[Any] = field(default_factory=list)
    subjects: list[NDArray[np.float64]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=lambda: {"cast": []})
    pictures: list[Path] = field(default_factory=list)
    models: list[Path] = field(default_factory=list)

    def texture(self) -> Picture:
        """Any texture, of the user's or painted."""
        if self.pictures and self.rng.random() < 0.5:
            return load_picture(self.pictures[self.rng.integers(len(self.pictures))])
        return paint.ANYTHING[self.rng.integers(len(paint.ANYTHING))](self.rng)

    def add(
        self,
        mesh: Solid,
        materials: Any | Sequence[Any],
        name: str,
        at: ArrayLike = (0, 0, 0),
        turn: float = 0.0,
        smooth: bool = True,
        instance: int | None = None,
    ) -> Any:
        """A new object. `instance` 0 is backdrop, None a new instance, else joins that one."""
        data = bpy.data.meshes.new(name)
        faces = [face[face >= 0].tolist() for face in mesh.faces]
        data.from_pydata(mesh.verts.tolist(), [], faces)
        uv = mesh.uv[mesh.faces >= 0]
        data.uv_layers.new(name="UVMap").data.foreach_set("uv", uv.astype(np.float32).ravel())
        data.polygons.foreach_set("material_index", mesh.slot.astype(np.int32))
        data.polygons.foreach_set("use_smooth", np.full(len(faces), smooth))
        for material in materials if isinstance(materials, (list, tuple)) else [materials]:
            data.materials.append(material)
        if smooth:
            data.set_sharp_from_angle(angle=0.7)
        obj = bpy.data.objects.new(name, data)
        obj.location, obj.rotation_euler = np.asarray(at, float), (0, 0, turn)
        bpy.context.scene.collection.objects.link(obj)
        self.enlist(obj, instance)
        return obj

    def watch(self, path: NDArray[np.float64], weight: float = 1.0) -> None:
        """Let the camera look at something: its places ``(T, 3)``, or one place ``(3,)``."""
        self.subjects.append(np.broadcast_to(np.asarray(path, float), (self.frames, 3)))
        self.weights.append(weight)

    def enlist(self, obj: Any, instance: int | None) -> None:
        """Give an object its instance number and write it into the books."""
        if instance == 0:
            self.backdrop.append(obj)
            return
        number = len(self.tracked) + 1 if instance is None else instance
        obj.pass_index = number
        if instance is None:
            self.notes["cast"].append(obj.name)
        self.tracked.setdefault(number, []).append(obj)

    def deform(self, obj: Any, verts: NDArray[np.floating]) -> None:
        """Move an object's vertices: ``(T, V, 3)``, one set a frame, straight in between."""
        for _ in verts:
            block = obj.shape_key_add(from_mix=False)
            block.interpolation = "KEY_LINEAR"
        keys = obj.data.shape_keys
        keys.use_relative = False
        for frame, (block, shape) in enumerate(zip(keys.key_blocks, verts, strict=True)):
            block.data.foreach_set("co", np.ascontiguousarray(shape, np.float32).ravel())
            keys.eval_time = block.frame
            keys.keyframe_insert("eval_time", frame=frame)
        straighten(keys)

    def animate(self, obj: Any, poses: NDArray[np.floating]) -> None:
        """Key an object's place and rotation from matrices ``(T, 4, 4)``."""
        obj.rotation_mode = "QUATERNION"
        last = None
        for frame, pose in enumerate(poses):
            place, turn, _ = Matrix(pose.tolist()).decompose()
            if last is not None:
                turn.make_compatible(last)
            last = turn
            obj.location, obj.rotation_quaternion = place, turn
            obj.keyframe_insert("location", frame=frame)
            obj.keyframe_insert("rotation_quaternion", frame=frame)
        straighten(obj)


def straighten(owner: Any) -> None:
    """Linear interpolation between the key frames of an object, key or light."""
    data = owner.animation_data
    for curve in data.action.layers[0].strips[0].channelbag(data.action_slot).fcurves:
        for point in curve.keyframe_points:
            point.interpolation = "LINEAR"
