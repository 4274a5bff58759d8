"""Chooses camera paths by casting rays into the staged scene, and makes the cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from pointtrack.synthesis.blender.camera_paths import Limits, Shot, draw_shot
from pointtrack.synthesis.blender.solids import icosphere
from pointtrack.synthesis.blender.workshop import Workshop, straighten

CLEARANCE = 0.3  # metres of free air around a camera
CANDIDATES = 40
RAYS = 14  # across the picture


@dataclass
class Judgement:
    """What rays through a candidate's pictures met."""

    free: float = np.inf  # least distance to anything around
    subject: float = 0.0  # share of frames in which a subject is in the picture and not hidden
    share: float = 0.0  # of the picture that shows instances
    moving: float = 0.0  # of the picture that shows things in motion
    near: float = 0.0  # of the picture that is filled by things close by
    sky: float = 0.0
    names: frozenset[str] = frozenset()
    actors: frozenset[str] = frozenset()  # those of the names that move

    @property
    def score(self) -> float:
        """Larger is better; below 0 is of no use."""
        if self.free < CLEARANCE or self.subject < 0.3 or self.near > 0.25 or self.share < 0.04:
            return -1.0
        busy = min(self.share, 0.4) + 0.05 * min(len(self.names), 12)
        busy += 6 * min(self.moving, 0.25) + 0.15 * min(len(self.actors), 5)
        return self.subject + busy - self.near - max(self.sky - 0.45, 0) * 2


def choose_cameras(
    shop: Workshop,
    views: int,
    limits: Limits,
    aspect: float,
    rng: np.random.Generator,
    defocus: float = 0.0,
) -> list[Any]:
    """`views` animated cameras that see a subject, touch nothing and differ from each other.

    `defocus` is the chance of a lens so open that only the subject is sharp.
    """
    shots: list[Shot] = []
    for _ in range(CANDIDATES + 8 * (views - 1)):
        subject = shop.subjects[rng.choice(len(shop.subjects), p=_weights(shop))]
        shots.append(draw_shot(rng, shop.frames, shop.fps, subject, limits))
    judged = judge(shop, shots, aspect)
    order = sorted(range(len(shots)), key=lambda i: -judged[i].score)
    # The first of several good ones by chance: always the best would make all clips alike.
    good = [i for i in order if judged[i].score > max(0.0, judged[order[0]].score - 0.35)]
    chosen = [int(i) for i in rng.permutation(good)[:views]] if good else []
    chosen += [i for i in order if i not in chosen][: views - len(chosen)]
    shop.notes["cameras"] = [shots[i].move for i in chosen]
    cameras = [make_camera(shots[i], f"view{k}") for k, i in enumerate(chosen)]
    if rng.random() < defocus:
        stop = float(rng.uniform(0.7, 2.0))
        shop.notes["aperture"] = stop
        for camera, i in zip(cameras, chosen, strict=True):
            _focus(camera, shots[i], stop)
    return cameras


def _focus(camera: Any, shot: Shot, stop: float) -> None:
    """Open the lens, and focus on what it looks at."""
    lens = camera.data.dof
    lens.use_dof, lens.aperture_fstop = True, stop
    for frame, far in enumerate(np.linalg.norm(shot.look - shot.eye, axis=1)):
        lens.focus_distance = float(far)
        lens.keyframe_insert("focus_distance", frame=frame)
    straighten(camera.data)


def _weights(shop: Workshop) -> NDArray[np.float64]:
    """What is more worth looking at is looked at more often."""
    weight = np.array(shop.weights)
    return weight / weight.sum()


def judge(shop: Workshop, shots: list[Shot], aspect: float) -> list[Judgement]:
    """Look through every candidate in some frames."""
    scene, around = bpy.context.scene, icosphere(1)[0]
    results = [Judgement() for _ in shots]
    frames = np.unique(np.linspace(0, shop.frames - 1, 5).astype(int))
    names: list[set[str]] = [set() for _ in shots]
    for frame in frames.tolist():
        scene.frame_set(frame)
        graph = bpy.context.evaluated_depsgraph_get()
        for shot, result, seen in zip(shots, results, names, strict=True):
            if result.free < CLEARANCE:
                continue
            eye = Vector(shot.eye[frame])
            for way in around:
                hit, point, *_ = scene.ray_cast(graph, eye, Vector(way), distance=1.0)
                if hit:
                    result.free = min(result.free, (point - eye).length)
            if result.free < CLEARANCE:
                continue
            _look(scene, graph, shop, shot, frame, aspect, result, seen, len(frames))
    for result, seen in zip(results, names, strict=True):
        result.names = frozenset(seen)
        result.actors = frozenset(n for n in seen if moves(scene.objects[n]))
    return results


def _look(
    scene: Any,
    graph: Any,
    shop: Workshop,
    shot: Shot,
    frame: int,
    aspect: float,
    result: Judgement,
    seen: set[str],
    looks: int,
) -> None:
    """Add what one frame of a candidate shows to its judgement."""
    eye = shot.eye[frame]
    axes = np.array(Vector(shot.look[frame] - eye).to_track_quat("-Z", "Y").to_matrix())
    close = max(0.7, 0.3 * float(np.linalg.norm(shot.look[frame] - eye)))
    half = 18.0 / shot.lens
    columns, rows = np.meshgrid(np.linspace(-1, 1, RAYS), np.linspace(-1, 1, RAYS) / aspect)
    ways = np.stack([columns * half, rows * half, np.full(columns.shape, -1.0)], -1) @ axes.T
    for way in ways.reshape(-1, 3):
        hit, point, _, _, obj, _ = scene.ray_cast(graph, Vector(eye), Vector(way).normalized())
        weight = 1 / (RAYS * RAYS * looks)
        if not hit:
            result.sky += weight
            continue
        if obj.pass_index > 0:
            result.share += weight
            result.moving += weight * moves(obj)
            seen.add(obj.name)
        if (point - Vector(eye)).length < close:
            result.near += weight
    for subject in shop.subjects:
        local = (subject[frame] - eye) @ axes
        inside = local[2] < -0.2 and np.abs(local[0]) < -local[2] * half * 0.9
        if inside and np.abs(local[1]) < -local[2] * half * 0.9 / aspect:
            way = Vector(subject[frame] - eye)
            hit, point, *_ = scene.ray_cast(graph, Vector(eye), way.normalized())
            if not hit or (point - Vector(eye)).length > way.length - 0.45:
                result.subject += 1 / looks
                break


def moves(obj: Any) -> bool:
    """Whether an object is animated, in place or in shape."""
    keys = getattr(obj.data, "shape_keys", None)
    return obj.animation_data is not None or keys is not None


def make_camera(shot: Shot, name: str) -> Any:
    """A Blender camera that flies a shot."""
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    bpy.context.scene.collection.objects.link(camera)
    camera.data.lens, camera.data.sensor_width = shot.lens, 36.0
    camera.data.sensor_fit = "HORIZONTAL"
    camera.data.clip_start, camera.data.clip_end = 0.05, 1000.0
    camera.rotation_mode = "QUATERNION"
    last = None
    for frame, (eye, look) in enumerate(zip(shot.eye, shot.look, strict=True)):
        turn = Vector(look - eye).to_track_quat("-Z", "Y")
        if last is not None:
            turn.make_compatible(last)
        last = turn
        camera.location, camera.rotation_quaternion = eye, turn
        camera.keyframe_insert("location", frame=frame)
        camera.keyframe_insert("rotation_quaternion", frame=frame)
    straighten(camera)
    return camera
