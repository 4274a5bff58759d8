"""Small mesh and material builders on bpy, with the UV layouts that the demo textures expect."""

from __future__ import annotations

import bpy
import numpy as np


def material(name, image, roughness=0.6, repeat=1.0):
    """A Principled material whose base colour is an image (H, W, 3) or a plain colour (3,)."""
    mat = bpy.data.materials.new(name)
    mat.use_nodes = True
    tree = mat.node_tree
    shader = tree.nodes["Principled BSDF"]
    shader.inputs["Roughness"].default_value = roughness
    if np.ndim(image) == 1:
        shader.inputs["Base Color"].default_value = (*image, 1)
        return mat
    height, width = image.shape[:2]
    data = bpy.data.images.new(name, width, height)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = image[::-1]  # Blender stores the bottom row first
    data.pixels.foreach_set(rgba.ravel())
    data.pack()
    texture, coords = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeMapping")
    source = tree.nodes.new("ShaderNodeTexCoord")
    texture.image, coords.inputs["Scale"].default_value = data, (repeat, repeat, 1)
    tree.links.new(source.outputs["UV"], coords.inputs["Vector"])
    tree.links.new(coords.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return mat


def add(name, verts, faces, uvs, mat, at=(0, 0, 0), track=0.0, smooth=True):
    """Link a mesh object; uvs has one pair per face corner, track is its share of the points."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(verts, [], faces)
    layer = mesh.uv_layers.new()
    layer.data.foreach_set("uv", np.asarray(uvs, np.float32).ravel())
    mesh.polygons.foreach_set("use_smooth", [smooth] * len(faces))
    mesh.materials.append(mat)
    obj = bpy.data.objects.new(name, mesh)
    obj.location, obj.rotation_mode, obj["track"] = at, "XYZ", track
    bpy.context.scene.collection.objects.link(obj)
    return obj


def grid(name, size, steps, mat, **kw):
    """A flat grid in local x, y, centred on the origin."""
    n, m = steps
    u, v = np.meshgrid(np.linspace(0, 1, n + 1), np.linspace(0, 1, m + 1))
    uv = np.stack([u.ravel(), v.ravel()], 1)
    verts = np.c_[(uv - 0.5) * size, np.zeros(len(uv))]
    first = (np.arange(m)[:, None] * (n + 1) + np.arange(n)).ravel()
    faces = np.stack([first, first + 1, first + n + 2, first + n + 1], 1)
    return add(name, verts.tolist(), faces.tolist(), uv[faces], mat, **kw)


def box(name, size, mat, bevel=0.04, **kw):
    """A bevelled box, base at z = 0; sides -y, +y, -x, +x, top, bottom use a 3 x 2 UV atlas."""
    corners = np.array([[x, y, z] for z in (0, 1) for y in (-0.5, 0.5) for x in (-0.5, 0.5)])
    faces = [[0, 1, 5, 4], [3, 2, 6, 7], [2, 0, 4, 6], [1, 3, 7, 5], [4, 5, 7, 6], [2, 3, 1, 0]]
    cell = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * 0.98 + 0.01
    uvs = [(cell + np.array([i % 3, 1 - i // 3])) / (3, 2) for i in range(6)]
    obj = add(name, (corners * size).tolist(), faces, uvs, mat, smooth=False, **kw)
    modifier = obj.modifiers.new("bevel", "BEVEL")
    modifier.width, modifier.segments = bevel, 2
    return obj


def lathe(name, profile, mat, segments=48, **kw):
    """A surface of revolution about z from (radius, z) pairs; u is the angle, v the arc length."""
    profile = np.maximum(np.asarray(profile, float), (1e-4, -np.inf))
    k = len(profile)
    arc = np.r_[0, np.cumsum(np.hypot(*np.diff(profile, axis=0).T))]
    angle = np.arange(segments) * 2 * np.pi / segments
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    verts = np.concatenate([np.c_[ring * r, np.full(segments, z)] for r, z in profile])
    faces, uvs = [], []
    for j in range(k - 1):
        for i in range(segments):
            a, b = j * segments + i, j * segments + (i + 1) % segments
            faces.append([a, b, b + segments, a + segments])
            u0, u1, v0, v1 = (
                i / segments,
                (i + 1) / segments,
                arc[j] / arc[-1],
                arc[j + 1] / arc[-1],
            )
            uvs.append([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])
    return add(name, verts.tolist(), faces, uvs, mat, **kw)


def sphere_profile(radius, steps=24):
    angle = np.linspace(-np.pi / 2, np.pi / 2, steps)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * radius
