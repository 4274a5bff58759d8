"""The demo scene: toys on a table, a swinging stick in front, a hand-held camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np
from demo_meshes import box, grid, lathe, material, sphere_profile
from demo_textures import INK, ball_paint, cover, letters, motifs, plaid, stripes, wood
from mathutils import Euler, Matrix, Vector

FPS = 24


@dataclass(frozen=True)
class Layout:
    """One arrangement of the scene. Lengths in units of 10 cm, the table is z = 0."""

    seed: int
    frames: int
    books: tuple  # x, y of the lower book
    blocks: tuple
    mug: tuple
    cloth: tuple
    ball: tuple  # start and end of the path on the table
    car: tuple
    sticks: tuple  # per stick: x, y of the hinge, swing in radians, swings per clip, phase
    lens: float  # mm on a 36 mm wide sensor
    shake: float  # of the hand-held camera
    wobble: float  # nods of the toy head per clip
    eye: tuple  # camera position, start and end
    look: tuple  # where it looks, start and end


LAYOUTS = {
    "demo": Layout(
        seed=7, frames=72, books=(-1.95, 1.5), blocks=(0.45, 1.2), mug=(1.7, -1.7),
        cloth=(2.15, 3.3), ball=((-3.6, -0.25), (2.5, -0.05)), car=((3.7, 0.1), (-2.4, -2.3)),
        sticks=((0.1, -3.3, 0.3, 1.1, 0.0),), lens=46.0, shake=0.05, wobble=1.5,
        eye=((-0.9, -9.2, 3.9), (0.8, -8.7, 3.5)), look=((-0.1, 0.2, 0.95), (0.1, 0.2, 1.05)),
    ),
    "tuning": Layout(
        seed=23, frames=48, books=(1.75, 1.9), blocks=(-1.6, 1.3), mug=(1.2, -1.1),
        cloth=(-1.9, 3.3), ball=((3.4, 0.15), (-3.3, 0.0)), car=((-3.2, -1.1), (3.2, -2.5)),
        sticks=((-0.9, -3.4, 0.33, 1.4, 0.2), (1.1, -2.6, 0.3, 1.7, 2.4)), lens=42.0,
        shake=0.09, wobble=2.5,
        eye=((1.6, -8.3, 3.0), (-1.3, -8.0, 4.6)), look=((0.3, 0.2, 1.0), (-0.2, 0.1, 0.8)),
    ),
}  # fmt: skip


def animate(obj, pose, frames):
    """Key location, rotation and scale on every frame; pose(s) gets s in [0, 1]."""
    for frame in range(frames):
        for path, value in pose(frame / (frames - 1)).items():
            setattr(obj, path, value)
            obj.keyframe_insert(path, frame=frame)


def mix(ends, s):
    return (1 - s) * np.array(ends[0]) + s * np.array(ends[1])


def still_life(rng, lay):
    """The static part: table, wall, books, blocks, mug."""
    table = material("table", wood(rng), 0.45)
    grid("table", (16, 9), (16, 9), table, track=2.0)
    paper = motifs(rng, 1024, 2048, (0.62, 0.68, 0.64), 900, 13, ("ring", "disc", "tri"))
    wall = material("wall", 0.42 * paper + 0.58 * np.array([0.62, 0.68, 0.64]), 0.9)
    grid("wall", (18, 9), (18, 9), wall, at=(0, 4.2, 4.5), track=1.2).rotation_euler.x = np.pi / 2
    bx, by = lay.books
    top = 0.0
    for title, ink, size in (("FIELD", 3, (2.2, 1.6, 0.36)), ("OPTICS", 2, (2.0, 1.5, 0.3))):
        turn = rng.uniform(-0.25, 0.25)
        book = box(
            title, size, material(title, cover(rng, title, INK[ink])), at=(bx, by, top), track=0.7
        )
        book.rotation_euler.z = turn
        top += size[2]
    x, y = lay.blocks
    for i, (dx, dy, z, text) in enumerate(
        ((0, 0, 0, "TADRSE"), (0.95, 0.12, 0, "PBKMAO"), (0.45, 0.05, 0.75, "OHGTEN"))
    ):
        mat = material(f"block{i}", letters(rng, text), 0.55)
        block = box(f"block{i}", (0.75, 0.75, 0.75), mat, at=(x + dx, y + dy, z), track=0.6)
        block.rotation_euler.z = rng.uniform(-0.4, 0.4)
    glaze = material("glaze", (0.80, 0.78, 0.73), 0.3)
    print_ = material("print", motifs(rng, 512, 1024, (0.88, 0.85, 0.78), 130, 22), 0.35)
    at = (*lay.mug, 0.0)
    wall_ = [(0.40, 0.0), (0.46, 0.02), (0.48, 0.08), (0.5, 1.05), (0.48, 1.08)]
    lathe("mug", wall_, print_, 64, at=at, track=1.2)
    lathe("mug inside", [(0.48, 1.08), (0.45, 1.05), (0.43, 0.1), (0, 0.08)], glaze, at=at)
    lathe("coffee", [(0.44, 0.84), (0, 0.84)], material("coffee", (0.05, 0.02, 0.01), 0.1), at=at)
    bpy.ops.mesh.primitive_torus_add(
        location=(at[0] + 0.52, at[1], 0.56), rotation=(math.pi / 2, 0, 0), major_radius=0.28,
        minor_radius=0.065, major_segments=40,
    )  # fmt: skip
    bpy.context.object.data.materials.append(glaze)
    bpy.ops.object.shade_smooth()
    return (bx, by, top)


def moving(rng, lay, frames, perch):
    """The moving part: ball, car, toy head, cloth, swinging sticks."""
    radius, (start, end) = 0.58, np.array(lay.ball)
    ball = lathe("ball", sphere_profile(radius), material("ball", ball_paint(rng), 0.5), track=1.6)
    ball.rotation_mode = "QUATERNION"
    path = Vector((*(end - start), 0))
    axis, first = (
        Vector((-path.y, path.x, 0)).normalized(),
        Euler(rng.uniform(-1, 1, 3)).to_matrix(),
    )

    def roll(s):
        s = 1.3 * s - 0.3 * s * s  # slows down a little
        turn = Matrix.Rotation(path.length * s / radius, 3, axis) @ first
        return {
            "location": (*mix(lay.ball, s), radius),
            "rotation_quaternion": turn.to_quaternion(),
        }

    animate(ball, roll, frames)

    start, end = np.array(lay.car)
    yaw, length = math.atan2(*(end - start)[::-1]), float(np.hypot(*(end - start)))
    paint = material("paint", np.tile(motifs(rng, 256, 256, INK[1], 20, 22), (2, 3, 1)), 0.35)
    car = box("car", (1.25, 0.62, 0.36), paint, bevel=0.08, track=0.8)
    cabin_paint = material("cabin", np.tile(motifs(rng, 256, 256, INK[2], 16, 24), (2, 3, 1)), 0.35)
    cabin = box("cabin", (0.62, 0.54, 0.3), cabin_paint, 0.09, at=(-0.1, 0, 0.34), track=0.4)
    cabin.parent = car
    rubber = material("wheel", stripes(rng, 256), 0.7)
    animate(
        car,
        lambda s: {"location": (*mix(lay.car, s), 0.16), "rotation_euler": (0, 0, yaw)},
        frames,
    )
    for i, (x, y) in enumerate(((-0.38, -0.32), (0.38, -0.32), (-0.38, 0.32), (0.38, 0.32))):
        profile = [(0, -0.06), (0.19, -0.06), (0.21, -0.04), (0.21, 0.04), (0.19, 0.06), (0, 0.06)]
        wheel = lathe(f"wheel{i}", profile, rubber, 32, at=(x, y, 0.05), track=0.3, smooth=False)
        wheel.parent = car
        animate(wheel, lambda s: {"rotation_euler": (np.pi / 2, s * length / 0.21, 0)}, frames)

    bpy.ops.mesh.primitive_monkey_add(size=1.35)
    head = bpy.context.object
    bpy.ops.object.shade_smooth()
    smoother = head.modifiers.new("smooth", "SUBSURF")
    smoother.levels = smoother.render_levels = 1
    clay = motifs(rng, 1024, 1024, (0.86, 0.56, 0.40), 420, 15)
    head.data.materials.append(material("clay", clay, 0.6))
    head["track"] = 1.6
    x, y, z = perch

    def nod(s):
        beat = 2 * np.pi * lay.wobble * s
        tall = 1 + 0.07 * math.sin(2 * beat)  # a soft toy: squash and stretch
        wide = tall**-0.5
        return {
            "location": (x, y, z + 0.5 * tall),
            "rotation_euler": (-0.25, 0.12 * math.sin(beat), 0.25 + 0.55 * math.sin(beat)),
            "scale": (wide, wide, tall),
        }

    animate(head, nod, frames)

    x, y = lay.cloth
    linen = material("linen", plaid(rng), 0.9)
    cloth = grid("cloth", (2.5, 2.3), (50, 46), linen, at=(x, y, 1.95), track=2.0)
    cloth.rotation_euler.x = np.pi / 2
    free = cloth.vertex_groups.new(name="free")
    for vertex in cloth.data.vertices:
        free.add([vertex.index], min(1.0, (1.15 - vertex.co.y) / 1.2), "REPLACE")
    wind = bpy.data.objects.new("wind", None)
    bpy.context.scene.collection.objects.link(wind)
    gust = bpy.data.textures.new("gust", "CLOUDS")
    gust.noise_basis, gust.noise_scale, gust.noise_depth = "IMPROVED_PERLIN", 0.9, 0
    billow = cloth.modifiers.new("billow", "DISPLACE")
    billow.texture, billow.texture_coords, billow.texture_coords_object = gust, "OBJECT", wind
    billow.strength, billow.vertex_group, billow.direction = 1.7, "free", "Z"
    animate(wind, lambda s: {"location": (1.1 * frames / FPS * s, 0.4 * s, 0.9 * s)}, frames)
    rail = lathe("rail", [(0.035, -1.6), (0.035, 1.6)], material("rail", (0.25, 0.16, 0.1), 0.4))
    rail.location, rail.rotation_euler.y = (x, y, 3.1), np.pi / 2

    for i, (x, y, reach, cycles, phase) in enumerate(lay.sticks):
        candy = material(f"candy{i}", stripes(rng), 0.4)
        tube = [(0.05, z) for z in np.linspace(-5.3, 0, 40)]
        stick = lathe(f"stick{i}", tube, candy, 24, at=(x, y, 6.6), track=1.4)
        bead = lathe(f"bead{i}", sphere_profile(0.17), candy, 32, at=(0, 0, -5.4), track=0.7)
        bead.parent = stick

        def swing(s, reach=reach, cycles=cycles, phase=phase):
            angle = reach * math.cos(2 * np.pi * cycles * s + phase)
            return {"rotation_euler": (0.03 * math.sin(9 * s), angle, 2 * s)}

        animate(stick, swing, frames)


def camera_and_light(rng, lay, frames):
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.camera.data.lens, scene.camera.rotation_mode = lay.lens, "QUATERNION"
    scene.collection.objects.link(scene.camera)
    rate, phase = rng.uniform(0.4, 2.2, (2, 3, 3)), rng.uniform(0, 6, (2, 3, 3))

    def hand_held(s):
        t = s * frames / FPS
        shake = np.sin(2 * np.pi * rate * t + phase).mean(2) * lay.shake
        eye, look = mix(lay.eye, s) + shake[0], mix(lay.look, s) + shake[1]
        return {"location": eye, "rotation_quaternion": Vector(look - eye).to_track_quat("-Z", "Y")}

    animate(scene.camera, hand_held, frames)
    for kind, power, color, at, aim in (
        ("SUN", 3.4, (1.0, 0.90, 0.76), (5, -4, 7), (0, 0, 0)),
        ("AREA", 380, (0.82, 0.90, 1.0), (-5.5, -3.5, 6), (0, 0.5, 0.5)),
    ):
        lamp = bpy.data.lights.new(kind, kind)
        lamp.energy, lamp.color = power, color
        if kind == "SUN":
            lamp.angle = math.radians(4)
        else:
            lamp.size = 3.0
        obj = bpy.data.objects.new(kind, lamp)
        obj.location = at
        obj.rotation_euler = (Vector(aim) - Vector(at)).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(obj)
    scene.world = bpy.data.worlds.new("sky")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs[0].default_value = (0.75, 0.82, 0.95, 1)
    scene.world.node_tree.nodes["Background"].inputs[1].default_value = 0.32


def build(lay, size, samples, threads):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    rng = np.random.default_rng(lay.seed)
    scene, frames = bpy.context.scene, lay.frames
    moving(rng, lay, frames, still_life(rng, lay))
    camera_and_light(rng, lay, frames)
    render, cycles = scene.render, scene.cycles
    render.engine, render.use_motion_blur, render.use_persistent_data = "CYCLES", False, True
    render.resolution_x, render.resolution_y = size
    render.threads_mode, render.threads = "FIXED", threads
    cycles.samples, cycles.use_denoising, cycles.use_animated_seed = samples, True, True
    cycles.use_adaptive_sampling, cycles.denoiser = False, "OPENIMAGEDENOISE"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 3, 2, 2
    cycles.caustics_reflective = False
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.frame_start, scene.frame_end, render.fps = 0, frames - 1, FPS
    return scene
