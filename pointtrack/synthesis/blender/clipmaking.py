"""One clip: staged, followed, checked, rendered and written. Runs inside the worker.

Maps come before the picture: they take seconds, and a clip whose tracks do not agree with them
is given up before the minutes of rendering. What is finished is kept in a work folder beside
the clip, so that a run that was killed goes on at the frame, and ends with the same files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import bpy
import cv2
import numpy as np
from numpy.typing import NDArray

import pointtrack
from pointtrack.camera import Camera
from pointtrack.errors import FormatError
from pointtrack.synthesis.blender import rendering
from pointtrack.synthesis.blender.checks import Agreement, compare
from pointtrack.synthesis.blender.choosing import certain, choose_pixels, spread_over_frames
from pointtrack.synthesis.blender.config import BlenderConfig, from_mapping, to_mapping
from pointtrack.synthesis.blender.lenses import extrinsics, eye, intrinsics
from pointtrack.synthesis.blender.passes import FrameMaps, load_maps, save_maps
from pointtrack.synthesis.blender.pointodyssey_format import Annotations, SequenceWriter
from pointtrack.synthesis.blender.recipes import Recipe, develop, draw_recipe
from pointtrack.synthesis.blender.staging import Staged, stage
from pointtrack.synthesis.blender.surfaces import Stage
from pointtrack.synthesis.blender.threads import one_thread
from pointtrack.synthesis.blender.tracks import (
    LEAST_LIGHT,
    MaterialPoint,
    Paths,
    follow,
    pin,
    seen_at_once,
)
from pointtrack.synthesis.folders import view_folders, whole_folder, work_folder

_STREAM = 102  # of random numbers: which points are followed
_ENOUGH = 0.9  # of the points that were asked for


class Work(NamedTuple):
    """One clip in the making."""

    config: BlenderConfig
    seed: int
    folder: Path
    staged: Staged
    recipe: Recipe
    cameras: list[Camera]

    def maps(self, view: int, frame: int) -> Path:
        return self.folder / f"maps_{view}_{frame:05d}.npz"

    def picture(self, view: int, frame: int) -> Path:
        return self.folder / f"picture_{view}_{frame:05d}.png"

    def load(self, view: int) -> list[FrameMaps]:
        return [load_maps(self.maps(view, t)) for t in range(self.config.frames)]


def make_clip(
    out: Path,
    name: str,
    seed: int,
    config: dict[str, Any],
    threads: int,
    report: Callable[[int], None],
) -> list[str]:
    """Make a clip's folders; see `pointodyssey_format` for what is in them.

    Parameters
    ----------
    report
        Called with the number of pictures that are there.

    Returns
    -------
    list
        Why the clip was not written: its tracks did not pass. Empty when it was.
    """
    settings = from_mapping(config)
    work = _begin(work_folder(out, name), settings, seed, threads)
    _render_maps(work)
    points, paths = _follow(work)
    agreements = [_check(work, view, points, paths) for view in range(settings.views)]
    wrong = _failures(points, agreements, settings)
    if wrong:
        return wrong
    _render_pictures(work, report)
    for view, folder in enumerate(view_folders(out, name, settings.views)):
        if not folder.exists():
            with whole_folder(folder) as temporary:
                _write(work, view, points, paths, agreements[view], temporary)
    shutil.rmtree(work.folder)
    return []


def _begin(folder: Path, config: BlenderConfig, seed: int, threads: int) -> Work:
    order = json.dumps({"seed": seed, "config": to_mapping(config)})
    note = folder / "order.json"
    if not (note.exists() and note.read_text(encoding="utf-8") == order):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        note.write_text(order, encoding="utf-8")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rendering.prepare(config, seed, threads)
    with one_thread():
        staged = stage(config, seed)
    rendering.prepare(config, seed, threads)  # whatever was staged
    cameras = [_film(camera, config) for camera in staged.cameras]
    return Work(config, seed, folder, staged, draw_recipe(config, seed), cameras)


def _film(own: Any, config: BlenderConfig) -> Camera:
    """Blender's camera in every frame."""
    inner, outer = [], []
    for t in range(config.frames):
        bpy.context.scene.frame_set(t)
        lens = own.data
        inner.append(intrinsics(lens.lens, _sensor(lens), lens.sensor_fit, config.size))
        outer.append(extrinsics(np.array(own.matrix_world, np.float64)))
    return Camera(np.array(inner), np.array(outer))


def _sensor(lens: Any) -> float:
    return lens.sensor_height if lens.sensor_fit == "VERTICAL" else lens.sensor_width


def _render_maps(work: Work) -> None:
    rendering.prepare_maps()
    for t in range(work.config.frames):
        for view, camera in enumerate(work.staged.cameras):
            path = work.maps(view, t)
            if not path.exists():
                save_maps(path, rendering.render_maps(camera, t, work.folder / "unfinished.exr"))


def _render_pictures(work: Work, report: Callable[[int], None]) -> None:
    rendering.prepare_pictures(work.config, work.recipe)
    done = 0
    for t in range(work.config.frames):
        for view, camera in enumerate(work.staged.cameras):
            path = work.picture(view, t)
            if not path.exists():
                rendering.render_picture(camera, t, work.recipe.stops[t], path)
            done += 1
            report(done)


def _follow(work: Work) -> tuple[list[MaterialPoint], Paths]:
    config, scene = work.config, Stage()
    points: list[MaterialPoint] = []
    rng = np.random.default_rng((work.seed, _STREAM))
    trackable = {own.name for own in work.staged.backdrop}
    trackable.update(own.name for group in work.staged.tracked.values() for own in group)
    for frame, count in spread_over_frames(config.points, config.frames).items():
        scene.set_frame(frame)
        for view in range(config.views):
            wanted = count * (view + 1) // config.views - count * view // config.views
            points += _choose(work, scene, rng, view, frame, wanted, trackable)
    near = min(camera.data.clip_start for camera in work.staged.cameras)
    paths = follow(scene, points, work.cameras, config.size, near, work.staged.fog)
    return points, paths


def _choose(
    work: Work,
    scene: Stage,
    rng: np.random.Generator,
    view: int,
    frame: int,
    wanted: int,
    trackable: set[str],
) -> list[MaterialPoint]:
    """Points that are seen in a frame of a view, on surfaces that may be tracked."""
    maps, camera = load_maps(work.maps(view, frame)), work.cameras[view]
    sure = certain(maps, camera.intrinsics[frame, 0, 0])
    if work.staged.fog is not None:
        surface = maps.position[sure].astype(np.float64)
        light = work.staged.fog.transmittance(eye(camera, frame), surface)
        sure[sure] = light > LEAST_LIGHT
    pixels = choose_pixels(rng, sure, maps.index, 2 * wanted)
    pinned = pin(scene, work.cameras, view, frame, pixels.astype(np.float64))
    good = [p for p in pinned if p is not None and p.name in trackable]
    return seen_at_once(scene, camera, good)[:wanted]


def _check(work: Work, view: int, points: Sequence[MaterialPoint], paths: Paths) -> Agreement:
    camera = work.cameras[view]
    depth = np.stack(
        [camera.to_camera(paths.xyz[:, t], t)[..., 2] for t in range(work.config.frames)], 1
    )
    rows = [(i, p.frame, *p.pixel) for i, p in enumerate(points) if p.view == view]
    return compare(
        work.load(view), paths.xy[view], depth, paths.unhidden[view],
        np.array(rows, np.float64).reshape(-1, 4), camera.intrinsics[0, 0, 0],
    )  # fmt: skip


def _failures(
    points: Sequence[MaterialPoint], agreements: Sequence[Agreement], config: BlenderConfig
) -> list[str]:
    wrong = [sentence for agreement in agreements for sentence in agreement.failures()]
    if len(points) < _ENOUGH * config.points:
        wrong.append(f"{len(points)} points could be placed, {config.points} wanted")
    return wrong


def _write(
    work: Work,
    view: int,
    points: Sequence[MaterialPoint],
    paths: Paths,
    agreement: Agreement,
    folder: Path,
) -> None:
    config = work.config
    writer = SequenceWriter(folder, config.images)
    for t in range(config.frames):
        picture = develop(_read(work.picture(view, t)), work.recipe, work.seed, view, t)
        writer.write_frame(t, picture, load_maps(work.maps(view, t)), last=t == config.frames - 1)
    queries = np.array([(p.view, p.frame, *p.pixel) for p in points], np.float64)
    writer.write_annotations(
        Annotations(
            xy=paths.xy[view],
            xyz=paths.xyz,
            visible=paths.visible[view],
            camera=work.cameras[view],
            instance=np.array([p.instance for p in points], np.uint16),
            queries=queries,
        )
    )
    names = {number: [own.name for own in group] for number, group in work.staged.tracked.items()}
    writer.write_description(
        {
            "generator": "blender",
            "seed": work.seed,
            "config": to_mapping(config),
            "view": view,
            "versions": {"pointtrack": pointtrack.__version__, "blender": bpy.app.version_string},
            "pictures": asdict(work.recipe),
            "objects": names,
            "scene": work.staged.notes,
            "checks": agreement.to_mapping(),
        }
    )


def _read(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FormatError(f"{path} is not a picture")
    return np.asarray(picture, np.uint8)[..., ::-1]
