"""The meshes of a scene as Blender evaluates them at a frame, and rays against them.

Runs inside the worker, in Blender. The world is Blender's: right-handed, z up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_WITH_SURFACE = ("MESH", "CURVE", "SURFACE", "FONT", "META")


@dataclass(eq=False)
class Surface:
    """One object at one frame.

    Attributes
    ----------
    vertices
        ``(V, 3)`` in the world.
    faces
        ``(F, 3)``, triangles. A polygon that bends may be cut otherwise in another frame.
    polygons
        Vertex numbers of all polygons, each followed by -1.
    instance
        The object's `pass_index`.
    """

    vertices: FloatArray
    faces: NDArray[np.int32]
    polygons: NDArray[np.int32]
    instance: int

    def __post_init__(self) -> None:
        self.low, self.high = self.vertices.min(0), self.vertices.max(0)
        self._tree: Any = None

    @property
    def tree(self) -> Any:
        """For rays; built when first asked for."""
        if self._tree is None:
            self._tree = BVHTree.FromPolygons(
                self.vertices.tolist(), self.faces.tolist(), all_triangles=True
            )
        return self._tree


@dataclass(frozen=True, eq=False)
class Hits:
    """What N rays met first.

    Attributes
    ----------
    distance
        ``(N,)``, infinite where nothing was met.
    name
        The object's name, or "".
    face
        ``(N,)``, number of the triangle.
    """

    distance: FloatArray
    name: list[str]
    face: NDArray[np.int64]


class Stage:
    """The scene's surfaces at the current frame.

    Surfaces that have not moved since the frame before are kept, and their trees with them.
    """

    def __init__(self) -> None:
        self.surfaces: dict[str, Surface] = {}

    def set_frame(self, frame: int) -> None:
        """Move to a frame."""
        bpy.context.scene.frame_set(frame)
        before, self.surfaces = self.surfaces, {}
        for name, surface in _evaluate():
            old = before.get(name)
            kept = (
                old is not None
                and np.array_equal(old.vertices, surface.vertices)
                and np.array_equal(old.faces, surface.faces)
            )
            self.surfaces[name] = old if old is not None and kept else surface

    def cast(self, eye: FloatArray, ways: FloatArray) -> Hits:
        """Cast rays from a point ``(3,)`` along unit vectors ``(N, 3)``."""
        count = len(ways)
        nearest, names = np.full(count, np.inf), [""] * count
        faces = np.full(count, -1, np.int64)
        for name, surface in self.surfaces.items():
            for ray in np.flatnonzero(_meets_box(eye, ways, surface)):
                # What lies behind an earlier hit need not be found.
                most = min(nearest[ray], 1e30)
                _, _, face, distance = surface.tree.ray_cast(eye, ways[ray], most)
                if face is not None and distance < nearest[ray]:
                    nearest[ray], names[ray], faces[ray] = distance, name, face
        return Hits(nearest, names, faces)


def _meets_box(eye: FloatArray, ways: FloatArray, surface: Surface) -> NDArray[np.bool_]:
    margin = 1e-4 * (1 + np.abs(surface.high - surface.low).max())
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.stack(
            [(surface.low - margin - eye) / ways, (surface.high + margin - eye) / ways]
        )  # 2 N 3
    enter = np.nanmax(ends.min(0), 1)
    leave = np.nanmin(ends.max(0), 1)
    return (leave >= enter) & (leave >= 0)


def is_air(own: Any) -> bool:
    """Whether an object holds fog or smoke only, and has no surface that light meets."""
    outputs = [
        node
        for slot in own.material_slots
        if slot.material is not None and slot.material.node_tree is not None
        for node in slot.material.node_tree.nodes
        if node.type == "OUTPUT_MATERIAL" and node.is_active_output
    ]
    return bool(outputs) and all(
        node.inputs["Volume"].is_linked and not node.inputs["Surface"].is_linked for node in outputs
    )


def _evaluate() -> Iterator[tuple[str, Surface]]:
    graph = bpy.context.evaluated_depsgraph_get()
    for thing in graph.object_instances:
        evaluated = thing.object
        own = evaluated.original
        if evaluated.type not in _WITH_SURFACE or own.hide_render or not own.visible_camera:
            continue
        if is_air(own) or not thing.show_self:
            continue
        name = own.name
        if thing.is_instance:
            name += "/" + ".".join(map(str, thing.persistent_id))
        world = np.array(thing.matrix_world, np.float64)
        mesh = evaluated.to_mesh()
        if mesh is not None and len(mesh.polygons):
            vertices, faces, polygons = _arrays(mesh)
            placed = vertices @ world[:3, :3].T + world[:3, 3]
            yield name, Surface(placed, faces, polygons, own.pass_index)
        evaluated.to_mesh_clear()


def _arrays(mesh: Any) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]]:
    mesh.calc_loop_triangles()
    vertices = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", vertices.reshape(-1))
    faces = np.empty((len(mesh.loop_triangles), 3), np.int32)
    mesh.loop_triangles.foreach_get("vertices", faces.reshape(-1))
    loops = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", loops)
    starts = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_start", starts)
    return vertices, faces, np.insert(loops, np.append(starts[1:], len(loops)), -1)
