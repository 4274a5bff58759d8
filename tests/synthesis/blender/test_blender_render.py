"""Clips that Blender really renders. Needs an interpreter with bpy; see `find_worker`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from pointtrack.datasets.clip import Clip
from pointtrack.datasets.pointodyssey import read_sequence
from pointtrack.errors import PointtrackError
from pointtrack.synthesis.blender.config import BlenderConfig
from pointtrack.synthesis.blender.processes import find_worker
from pointtrack.synthesis.blender.production import plan, produce, read_manifest

HERE = Path(__file__).parent
FRAMES = 3
CONFIG = BlenderConfig(
    "abstract", frames=FRAMES, size=(48, 48), points=240, samples=2, views=2, motion_blur=1.0,
    depth_of_field=1.0, noise=1.0, images="png",
)  # fmt: skip
SEED = 4
VIEWS = ("clip_000000_view0", "clip_000000_view1")


def _worker() -> list[str] | None:
    try:
        return find_worker()
    except PointtrackError:
        return None


WORKER = _worker()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(WORKER is None, reason="no interpreter with Blender's module"),
]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one clip, two views of it."""
    assert WORKER is not None
    folder = tmp_path_factory.mktemp("rendered") / "set"
    assert produce(folder, plan(1, SEED, [CONFIG]), WORKER) == 1
    return folder


@pytest.fixture(scope="module", params=VIEWS)
def clip(request: pytest.FixtureRequest, made: Path) -> Clip:
    return read_sequence(made / request.param, request.param)


def around(values: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """The four pixels ``(N, 4)`` around points; NaN for points outside."""
    x, y = np.floor(np.nan_to_num(xy.T, nan=-9)).astype(int)
    height, width = values.shape
    inside = (x >= 0) & (y >= 0) & (x < width - 1) & (y < height - 1)
    x, y = np.where(inside, x, 0), np.where(inside, y, 0)
    four = [values[y, x], values[y, x + 1], values[y + 1, x], values[y + 1, x + 1]]
    return np.where(inside[:, None], np.stack(four, 1).astype(float), np.nan)


def depth_at(clip: Clip, t: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth ``(N,)`` from the file at the tracks, and where it is smooth, without an outline."""
    assert clip.depth is not None
    assert clip.masks is not None
    four = around(np.minimum(clip.depth[t], 1e3), clip.xy[:, t])
    mask = around(clip.masks[t], clip.xy[:, t])
    # On a plane 1 / depth is linear; an outline makes a step in it.
    inverse = 1 / np.minimum(clip.depth[t], 1e3)
    bends = np.abs(inverse - cv2.blur(inverse, (3, 3))) / inverse
    smooth = (mask == mask[:, :1]).all(1) & (around(bends, clip.xy[:, t]).max(1) < 0.01)
    fx, fy = (clip.xy[:, t] - np.floor(clip.xy[:, t])).T
    weights = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], 1)
    return 1 / (weights / four).sum(1), smooth


def test_a_clip_is_complete(made: Path) -> None:
    assert sorted(p.name for p in made.iterdir()) == [*VIEWS, "manifest.json"]
    for view in VIEWS:
        files = contents(made / view)
        for name in ("rgbs/rgb", "depths/depth", "masks/mask"):
            assert [f for f in files if f.startswith(name)] == [
                f"{name}_{t:05d}.png" for t in range(FRAMES)
            ]
        picture = cv2.imread(str(made / view / "rgbs" / "rgb_00001.png"))
        assert picture.shape == (48, 48, 3)
        assert picture.std() > 10
        assert 20 < picture.mean() < 235


def test_points_of_the_background_stay_where_depth_and_cameras_say(clip: Clip) -> None:
    # From the depth file at frame 0 into the world, and from there into the other frames.
    assert clip.camera is not None
    assert clip.xyz is not None
    depth, smooth = depth_at(clip, 0)
    still = np.ptp(clip.xyz, axis=1).max(1) < 1e-6
    chosen = still & smooth & clip.visible[:, 0]
    assert chosen.sum() >= 5
    flat = np.c_[clip.xy[chosen, 0], np.ones(chosen.sum())]
    seen = flat @ np.linalg.inv(clip.camera.intrinsics[0]).T * depth[chosen, None]
    world = np.c_[seen, np.ones(len(seen))] @ np.linalg.inv(clip.camera.extrinsics[0]).T
    for t in range(FRAMES):
        pixels, _ = clip.camera.project(world[:, :3], t)
        assert np.abs(pixels - clip.xy[chosen, t]).max() < 0.1


def test_tracks_are_their_points_in_space_projected(clip: Clip) -> None:
    assert clip.camera is not None
    assert clip.xyz is not None
    for t in range(FRAMES):
        pixels, _ = clip.camera.project(clip.xyz[:, t], t)
        assert np.abs(pixels - clip.xy[:, t])[clip.valid[:, t]].max() < 0.01


def test_visibility_is_what_the_depth_files_say(clip: Clip) -> None:
    assert clip.camera is not None
    assert clip.xyz is not None
    same = []
    for t in range(FRAMES):
        depth, smooth = depth_at(clip, t)
        own = clip.camera.to_camera(clip.xyz[:, t], t)[:, 2]
        near = np.abs(depth - own) < 0.003 * own + 500 / 65535  # half a step of the file
        same.append((near == clip.visible[:, t])[smooth])
    agreed = np.concatenate(same)
    assert len(agreed) > 50
    assert agreed.mean() >= 0.99


def test_flow_files_lead_along_the_tracks(clip: Clip, made: Path) -> None:
    raw = cv2.imread(str(made / clip.name / "flows" / "forward_00000.png"), cv2.IMREAD_UNCHANGED)
    flow = (raw[..., ::-1].astype(float) - 32768) / 64
    _, smooth = depth_at(clip, 0)
    chosen = smooth & clip.visible[:, 0] & clip.visible[:, 1]
    fx, fy = (clip.xy[:, 0] - np.floor(clip.xy[:, 0])).T
    weights = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], 1)
    for axis in (0, 1):
        step = (around(flow[..., axis], clip.xy[:, 0]) * weights).sum(1)
        error = np.abs(step - (clip.xy[:, 1] - clip.xy[:, 0])[:, axis])[chosen]
        assert np.quantile(error, 0.97) < 0.1


def test_a_killed_production_goes_on_and_ends_with_the_same_files(
    made: Path, tmp_path: Path
) -> None:
    assert WORKER is not None
    code = (
        "import sys; from test_blender_render import *; "
        "produce(sys.argv[1], read_manifest(sys.argv[2]), WORKER)"
    )
    again, manifest = tmp_path / "again", made / "manifest.json"
    words = [sys.executable, "-c", code, str(again), str(manifest)]
    running = subprocess.Popen(words, cwd=HERE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    picture = again / ".clip_000000.work" / "picture_0_00001.png"
    while not picture.exists():
        assert running.poll() is None
        time.sleep(0.02)
    running.kill()
    running.wait()
    assert not (again / VIEWS[0]).exists()
    finished = picture.stat().st_mtime_ns
    shutil.copy(picture, tmp_path / "finished.png")
    assert produce(again, read_manifest(manifest), WORKER) == 1
    assert finished < time.time_ns()
    assert contents(again) == contents(made)
