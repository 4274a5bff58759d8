"""A made-up clip in PointOdyssey's format, as the worker writes one; no Blender needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pointtrack.camera import Camera
from pointtrack.synthesis.blender.config import BlenderConfig, to_mapping
from pointtrack.synthesis.blender.lenses import extrinsics, intrinsics
from pointtrack.synthesis.blender.passes import FrameMaps
from pointtrack.synthesis.blender.pointodyssey_format import Annotations, SequenceWriter

FRAMES, SIZE = 4, (48, 32)
CONFIG = BlenderConfig("abstract", frames=FRAMES, size=SIZE, points=6, images="png")


def picture(t: int) -> np.ndarray:
    rng = np.random.default_rng(t)
    soft = np.kron(rng.integers(0, 256, (4, 6, 3)), np.ones((8, 8, 1)))
    return soft.astype(np.uint8)


def maps(t: int) -> FrameMaps:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    depth = (3 + 0.01 * x + 0.1 * t).astype(np.float32)
    depth[:4] = np.inf
    index = np.where((x > 10) & (x < 20), 5, 0).astype(np.uint16)
    normal = np.zeros((*depth.shape, 3), np.float32)
    normal[..., 1] = -1
    normal[:4] = 0
    flow = np.stack([0.5 + 0.01 * x, -1.25 + 0.02 * y], -1).astype(np.float32)
    return FrameMaps(depth, normal, normal, index, flow, -flow)


def annotations() -> Annotations:
    """Six points that are fixed in space, seen by a camera that moves right."""
    rng = np.random.default_rng(1)
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    poses[:, 0, 3] = 0.1 * np.arange(FRAMES)
    inner = np.tile(intrinsics(36, 36, "HORIZONTAL", SIZE), (FRAMES, 1, 1))
    camera = Camera(inner, np.stack([extrinsics(pose) for pose in poses]))
    xyz = np.tile(np.c_[rng.uniform(-0.8, 0.8, (6, 2)), np.full(6, -4.0)][:, None], (1, FRAMES, 1))
    xyz[5, :, 2] = 4  # behind
    xy = np.stack([camera.project(xyz[:, t], t)[0] for t in range(FRAMES)], 1)
    xy[5] = np.nan
    visible = np.ones((6, FRAMES), bool)
    visible[2, 0] = visible[5] = False
    frame = np.array([0, 0, 0, 2, 0, 0])
    places = np.nan_to_num(xy[np.arange(6), frame])
    view = np.array([0, 0, 0, 0, 1, 0])
    return Annotations(
        xy, xyz, visible, camera, np.arange(6, dtype=np.uint16), np.c_[view, frame, places]
    )


def write_sequence(folder: Path, seed: int = 9, config: BlenderConfig = CONFIG) -> None:
    folder.mkdir(parents=True)
    writer = SequenceWriter(folder, config.images)
    for t in range(FRAMES):
        writer.write_frame(t, picture(t), maps(t), last=t == FRAMES - 1)
    writer.write_annotations(annotations())
    writer.write_description(
        {"generator": "blender", "seed": seed, "config": to_mapping(config), "view": 0}
    )
