"""Render the demo clip and its exact point tracks with Blender's Python module.

Everything in the scene is procedural and seeded: meshes, textures, motion and camera (see
demo_scene.py, demo_meshes.py and demo_textures.py, made for this script only). The ground
truth follows material points (object, triangle, barycentric) on the evaluated meshes, so it does
not depend on the rendered pixels. Coordinates are pixel-centre: (0, 0) is the middle of the
top-left pixel, x right, y down. Needs Python 3.11 and `pip install bpy==5.0.1 numpy
opencv-python-headless av`; rendering is resumable because finished frames stay in `--work`:

    python tools/make_demo_clip.py --layout demo --out demo --work /tmp/demo_frames
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import av
import bpy
import cv2
import numpy as np
from demo_scene import FPS, LAYOUTS, build
from mathutils import Vector


class MaterialPoint(NamedTuple):
    """A point fixed to a surface, and the pixel and frame that it was picked at."""

    name: str
    corners: np.ndarray  # vertex numbers, (3,)
    weights: np.ndarray  # barycentric, (3,)
    frame: int
    pixel: np.ndarray


class Projector:
    """The camera at the current frame, in pixel-centre coordinates."""

    def __init__(self, scene, size):
        self.size, camera = np.array(size), scene.camera
        pose = np.array(camera.matrix_world)
        self.axes, self.eye = pose[:3, :3], pose[:3, 3]
        self.focal = size[0] * camera.data.lens / camera.data.sensor_width

    def pixels(self, points):
        """Project points (N, 3); returns (N, 2) and the depth (N,)."""
        local = (points - self.eye) @ self.axes
        raster = self.size / 2 + self.focal * local[:, :2] * (1, -1) / -local[:, 2:]
        return raster - 0.5, -local[:, 2]  # Blender's raster has the top-left centre at 0.5

    def ray(self, pixel):
        local = (np.asarray(pixel) + 0.5 - self.size / 2) / self.focal * (1, -1)
        return Vector(self.axes @ np.array([*local, -1.0])).normalized()


def surface(obj, graph):
    """World-space vertices (V, 3), triangles (F, 3) and the polygon of each triangle (F,)."""
    evaluated = obj.evaluated_get(graph)
    mesh = evaluated.to_mesh()
    mesh.calc_loop_triangles()
    vertices = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", vertices.reshape(-1))
    triangles = np.empty((len(mesh.loop_triangles), 3), np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles.reshape(-1))
    polygon = np.empty(len(triangles), np.int32)
    mesh.loop_triangles.foreach_get("polygon_index", polygon)
    evaluated.to_mesh_clear()
    world = np.array(evaluated.matrix_world)
    return vertices @ world[:3, :3].T + world[:3, 3], triangles, polygon


def locate(point, face, shape):
    """Corners and barycentric weights of a ray hit on polygon `face` of a surface."""
    vertices, triangles, polygon = shape
    best = None
    for corners in triangles[polygon == face]:
        a, b, c = vertices[corners]
        inner = np.linalg.lstsq(np.stack([b - a, c - a], 1), point - a, rcond=None)[0]
        weights = np.array([1 - inner.sum(), *inner])
        if best is None or weights.min() > best[1].min():  # the triangle that holds the hit
            best = corners, weights
    return best


def choose_points(scene, rng, size, frame, count):
    """Pick surface points seen at `frame`, shared out over objects by their `track` weight."""
    scene.frame_set(frame)
    graph, view = bpy.context.evaluated_depsgraph_get(), Projector(scene, size)

    def cast(pixel):
        return scene.ray_cast(graph, view.eye, view.ray(pixel))

    seen = {}
    for pixel in rng.uniform((3, 3), np.array(size) - 4, (6000, 2)):
        hit, point, normal, face, obj, _ = cast(pixel)
        facing = abs(normal.dot(view.ray(pixel))) if hit else 0.0
        if facing > 0.3 and obj.get("track", 0) > 0:
            seen.setdefault(obj.name, []).append((pixel, np.array(point), face))
    names = sorted(seen)
    share = np.array([scene.objects[name]["track"] for name in names])
    shapes = {name: surface(scene.objects[name], graph) for name in names}
    chosen = []
    for name in rng.choice(names, 4 * count, p=share / share.sum()):
        if not seen[name] or len(chosen) == count:
            continue
        pixel, point, face = seen[name].pop()
        around = [cast(pixel + step) for step in ((2, 0), (-2, 0), (0, 2), (0, -2))]
        if all(hit[0] and hit[4].name == name for hit in around):  # not on an outline
            corners, weights = locate(point, face, shapes[name])
            chosen.append(MaterialPoint(name, corners, weights, frame, pixel))
    return chosen


def follow(scene, chosen, size, frames):
    """Positions (N, T, 2) and visibility (N, T) of the chosen material points."""
    xy = np.zeros((len(chosen), frames, 2), np.float32)
    visible = np.zeros((len(chosen), frames), bool)
    for t in range(frames):
        scene.frame_set(t)
        graph, view = bpy.context.evaluated_depsgraph_get(), Projector(scene, size)
        shapes = {name: surface(scene.objects[name], graph)[0] for name in {p.name for p in chosen}}
        points = np.array([p.weights @ shapes[p.name][p.corners] for p in chosen])
        xy[:, t], depth = view.pixels(points)
        inside = ((xy[:, t] >= -0.5) & (xy[:, t] < np.array(size) - 0.5)).all(1) & (depth > 0.1)
        for i in np.flatnonzero(inside):
            way = Vector(points[i] - view.eye)
            hit, first, *_ = scene.ray_cast(graph, view.eye, way.normalized())
            reach = (first - Vector(view.eye)).length
            visible[i, t] = hit and abs(reach - way.length) < 3e-4 * way.length
    return xy, visible


def ground_truth(scene, lay, size, total):
    """The arrays of truth.npz: xy (N, T, 2), visible (N, T), query (N, 3), size (2,), fps."""
    rng, frames = np.random.default_rng(lay.seed + 1), lay.frames
    later = round(0.11 * total)  # points for each of five later frames, the rest for frame 0
    chosen = choose_points(scene, rng, size, 0, total - 5 * later)
    for frame in np.linspace(0, frames - 6, 6).astype(int)[1:]:
        chosen += choose_points(scene, rng, size, int(frame), later)
    xy, visible = follow(scene, chosen, size, frames)
    start = np.array([point.frame for point in chosen])
    at_start = xy[np.arange(len(chosen)), start]
    drift = np.abs(at_start - [point.pixel for point in chosen]).max()
    assert drift < 0.02, f"query and projection disagree by {drift} px"
    assert visible[np.arange(len(chosen)), start].all(), "a query is hidden"
    query = np.c_[start, at_start].astype(np.float32)
    return {"xy": xy, "visible": visible, "query": query, "size": np.array(size), "fps": FPS}


def encode(pngs, path, size):
    """Write the frames as H.264 in yuv420p."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "veryslow"})
        (stream.width, stream.height), stream.pix_fmt = size, "yuv420p"
        for png in pngs:
            rgb = np.ascontiguousarray(cv2.imread(str(png))[..., ::-1])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layout", choices=LAYOUTS, default="demo")
    parser.add_argument("--out", type=Path, required=True, help="folder of clip.mp4 and truth.npz")
    parser.add_argument("--work", type=Path, required=True, help="folder of the frames (resumable)")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 288))
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--points", type=int, default=120)
    parser.add_argument("--only", type=int, nargs="*", help="render these frames, then stop")
    args = parser.parse_args()
    lay, size = LAYOUTS[args.layout], tuple(args.size)
    scene = build(lay, size, args.samples, args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    pngs = [args.work / f"{t:04d}.png" for t in range(lay.frames)]
    for t in args.only if args.only is not None else range(lay.frames):
        if not pngs[t].exists():
            began = time.monotonic()
            scene.frame_set(t)
            unfinished = args.work / "unfinished.png"  # a killed run leaves no half frame
            scene.render.filepath = str(unfinished)
            bpy.ops.render.render(write_still=True)
            unfinished.replace(pngs[t])
            print(f"frame {t}: {time.monotonic() - began:.1f} s", flush=True)
    if args.only is not None:
        return
    args.out.mkdir(parents=True, exist_ok=True)
    truth = ground_truth(scene, lay, size, args.points)
    np.savez_compressed(args.out / "truth.npz", **truth)
    encode(pngs, args.out / "clip.mp4", size)
    print(f"{len(truth['xy'])} points, {(~truth['visible']).mean():.1%} of the positions hidden")


if __name__ == "__main__":
    main()
