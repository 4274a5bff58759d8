"""Pictures and models from the user's folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.synthesis.blender.paint import SIZE, Picture

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
MODELS = (".glb", ".gltf", ".obj", ".ply", ".stl", ".fbx")


def find_files(folder: str, suffixes: tuple[str, ...], what: str) -> list[Path]:
    """The files of some suffixes in a folder and below it, by name.

    Raises
    ------
    PointtrackError
        When there is none.
    """
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in suffixes)
    if not found:
        raise PointtrackError(f"{folder} holds no {what} ({', '.join(suffixes)})")
    return found


def load_picture(path: Path) -> Picture:
    """A picture as a square texture.

    Raises
    ------
    PointtrackError
        When the file cannot be read.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise PointtrackError(f"{path} cannot be read as a picture")
    square = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return (square[..., ::-1] / 255).astype(np.float32)


def load_model(path: Path, size: float) -> Any:
    """A model as one mesh object about its middle, its longest side of a size in metres.

    Raises
    ------
    PointtrackError
        When the file cannot be read or holds no mesh.
    """
    before = set(bpy.data.objects)
    readers = {
        ".glb": bpy.ops.import_scene.gltf,
        ".gltf": bpy.ops.import_scene.gltf,
        ".obj": bpy.ops.wm.obj_import,
        ".ply": bpy.ops.wm.ply_import,
        ".stl": bpy.ops.wm.stl_import,
        ".fbx": bpy.ops.import_scene.fbx,
    }
    try:
        readers[path.suffix.lower()](filepath=str(path))
    except RuntimeError as problem:
        raise PointtrackError(f"{path} cannot be read as a model: {problem}") from problem
    new = [obj for obj in bpy.data.objects if obj not in before]
    meshes = [obj for obj in new if obj.type == "MESH" and len(obj.data.polygons)]
    if not meshes:
        raise PointtrackError(f"{path} holds no mesh")
    names = [obj.name for obj in new]  # joining removes objects
    whole = _joined(meshes)
    for name in names:
        if name != whole.name and name in bpy.data.objects:
            bpy.data.objects.remove(bpy.data.objects[name])
    corners = _vertices(whole)
    low, high = corners.min(0), corners.max(0)
    factor = size / max(float((high - low).max()), 1e-9)
    centred = (corners - (low + high) / 2) * factor
    whole.data.vertices.foreach_set("co", centred.astype(np.float32).ravel())
    whole.data.update()
    whole.matrix_world.identity()
    return whole


def _joined(meshes: list[Any]) -> Any:
    """Several mesh objects as one, in the world's axes and without a skeleton."""
    bpy.context.view_layer.update()
    bpy.ops.object.select_all(action="DESELECT")
    for obj in meshes:
        world = obj.matrix_world.copy()
        obj.parent = None
        obj.animation_data_clear()
        obj.modifiers.clear()
        obj.shape_key_clear()
        obj.data = obj.data.copy()
        obj.data.transform(world)
        obj.matrix_world.identity()
        obj.select_set(True)
    bpy.context.view_layer.objects.active = meshes[0]
    if len(meshes) > 1:
        bpy.ops.object.join()
    return meshes[0]


def _vertices(obj: Any) -> NDArray[np.float64]:
    flat = np.empty(len(obj.data.vertices) * 3, np.float32)
    obj.data.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3).astype(np.float64)
