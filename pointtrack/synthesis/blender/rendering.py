"""Cycles' settings and renders: exact maps without anti-aliasing, and the picture itself.

Runs inside the worker, in Blender. The two are rendered one after the other and not as two
view layers of one render: maps must be free of motion blur and of the lens's defocus, and with
one sample and no light they cost little (0.2 to 0.6 s a frame at 256x256).

Measured on indoor and outdoor scenes at 256x256, seconds of one core a frame: 5.5 and 3.9 with 8
samples, 9.7 and 6 with 16, 13.8 and 7.9 with 24; without denoising 1.6 less, with its fast
setting 1.3 less and no difference to be seen. Denoised, 16 samples are as good as 24, and 8 a
little softer. One bounce less saves a tenth and darkens corners; the light tree costs less than
that and saves dim lamps. Persistent data saves a third of the maps' time and changes no pixel,
nor does the order of the frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from pointtrack.synthesis.blender.config import BlenderConfig
from pointtrack.synthesis.blender.passes import FrameMaps, read_exr
from pointtrack.synthesis.blender.recipes import Recipe
from pointtrack.synthesis.blender.surfaces import is_air


def prepare(config: BlenderConfig, seed: int, threads: int) -> None:
    """Settings that maps and picture share."""
    scene = bpy.context.scene
    render, cycles = scene.render, scene.cycles
    render.engine, cycles.device = "CYCLES", "CPU"
    render.resolution_x, render.resolution_y = config.size
    render.resolution_percentage, render.fps = 100, config.fps
    render.use_border = render.use_compositing = render.use_sequencer = False
    render.threads_mode, render.threads = "FIXED", threads
    render.use_persistent_data = True
    scene.frame_start, scene.frame_end = 0, config.frames - 1
    cycles.seed, cycles.use_animated_seed = seed % (1 << 31), True
    cycles.use_adaptive_sampling, cycles.denoiser = False, "OPENIMAGEDENOISE"
    for name in ("date", "time", "render_time", "memory", "hostname"):
        setattr(render, f"use_stamp_{name}", False)  # the same frame, the same file


def prepare_maps() -> None:
    """From now on `render_maps`: one sample through each pixel's centre, at an instant.

    Fog and smoke are taken away: a path that is scattered in them tells of no surface.
    """
    scene = bpy.context.scene
    _show_air(False)
    cycles, layer = scene.cycles, scene.view_layers[0]
    scene.render.use_motion_blur = False
    scene.render.film_transparent = True
    cycles.samples, cycles.use_denoising, cycles.max_bounces = 1, False, 0
    for name in ("z", "normal", "position", "vector", "object_index"):
        setattr(layer, f"use_pass_{name}", True)
    output = scene.render.image_settings
    output.media_type, output.file_format = "MULTI_LAYER_IMAGE", "OPEN_EXR_MULTILAYER"
    output.color_depth, output.exr_codec = "32", "NONE"


def render_maps(camera: Any, frame: int, temporary: Path) -> FrameMaps:
    """Depth, normals and so on of one frame; `temporary` is written and removed again."""
    lens = camera.data.dof
    sharp, lens.use_dof = lens.use_dof, False
    try:
        _render(camera, frame, temporary)
    finally:
        lens.use_dof = sharp
    try:
        return read_exr(temporary)
    finally:
        temporary.unlink()


def prepare_pictures(config: BlenderConfig, recipe: Recipe) -> None:
    """From now on `render_picture`: light, denoising, and the effects of the recipe."""
    scene = bpy.context.scene
    _show_air(True)
    cycles, layer = scene.cycles, scene.view_layers[0]
    for name in ("z", "normal", "position", "vector", "object_index"):
        setattr(layer, f"use_pass_{name}", False)
    scene.render.film_transparent = False
    cycles.samples, cycles.use_denoising = config.samples, True
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 3, 2, 2
    cycles.transmission_bounces, cycles.volume_bounces = 3, 0
    cycles.transparent_max_bounces = 8
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.denoising_prefilter = cycles.denoising_quality = "FAST"
    cycles.sample_clamp_indirect = 5.0  # no fireflies from few samples
    if recipe.shutter:
        scene.render.use_motion_blur = True
        scene.render.motion_blur_shutter = recipe.shutter
        scene.render.motion_blur_position = "CENTER"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    output = scene.render.image_settings
    output.media_type, output.file_format = "IMAGE", "PNG"
    output.color_mode, output.color_depth, output.compression = "RGB", "8", 15


def render_picture(camera: Any, frame: int, stops: float, target: Path) -> None:
    """Render one frame as a PNG file, made brighter by a number of stops."""
    view = bpy.context.scene.view_settings
    base = view.exposure
    view.exposure = base + stops
    temporary = target.with_name(f".{target.name}")
    try:
        _render(camera, frame, temporary)
    finally:
        view.exposure = base
    temporary.replace(target)


def _show_air(shown: bool) -> None:
    for own in bpy.context.scene.objects:
        if own.type == "MESH" and is_air(own):
            own.hide_render = not shown


def _render(camera: Any, frame: int, target: Path) -> None:
    scene = bpy.context.scene
    scene.camera = camera
    scene.frame_set(frame)
    scene.render.use_file_extension = False
    scene.render.filepath = str(target)
    bpy.ops.render.render(write_still=True)
