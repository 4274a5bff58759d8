from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from blender_clips import FRAMES, SIZE, annotations, maps, picture, write_sequence

from pointtrack.datasets.pointodyssey import PointOdysseyDataset
from pointtrack.synthesis.blender.pointodyssey_format import (
    SequenceWriter,
    encode_flow,
    palette_png,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sequence(tmp_path / "clip_000000")
    return tmp_path / "clip_000000"


def test_pointodysseys_reader_takes_a_sequence(folder: Path) -> None:
    (clip,) = PointOdysseyDataset(folder.parent)
    truth = annotations()
    assert clip.extra["camera"] == "standard"
    assert np.allclose(clip.xy, truth.xy, atol=1e-4, equal_nan=True)
    assert np.array_equal(clip.visible, truth.visible)
    assert clip.valid.all(1).tolist() == [True] * 5 + [False]
    assert clip.camera is not None
    assert clip.xyz is not None
    for t in range(FRAMES):
        assert np.array_equal(clip.video[t], picture(t))
        pixels, depth = clip.camera.project(clip.xyz[:5, t], t)
        assert np.allclose(pixels, clip.xy[:5, t], atol=1e-3)
        assert np.allclose(depth, 4)


def test_depth_masks_and_normals(folder: Path) -> None:
    (clip,) = PointOdysseyDataset(folder.parent)
    assert clip.depth is not None
    assert clip.masks is not None
    step = 1000 / 65535
    assert np.abs(clip.depth[2][4:] - maps(2).depth[4:]).max() <= step / 2 + 1e-6
    raw = cv2.imread(str(folder / "depths" / "depth_00002.png"), cv2.IMREAD_UNCHANGED)
    assert (raw[:4] == 65535).all()
    assert np.array_equal(clip.masks[1], maps(1).index)
    normals = cv2.imread(str(folder / "normals" / "normal_00000.jpg"))[..., ::-1]
    assert np.abs(normals[8:].astype(int) - (128, 0, 128)).max() <= 3
    assert np.abs(normals[1].astype(int) - 128).max() <= 12  # nothing there; JPEG


def test_flow_is_kittis_and_missing_where_there_is_no_frame_or_surface(folder: Path) -> None:
    names = sorted(path.stem for path in (folder / "flows").iterdir())
    assert names == [f"backward_{t:05d}" for t in (1, 2, 3)] + [
        f"forward_{t:05d}" for t in range(3)
    ]
    raw = cv2.imread(str(folder / "flows" / "forward_00001.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert raw.dtype == np.uint16
    assert np.array_equal(raw[..., 2], np.isfinite(maps(1).depth))
    flow = (raw[..., :2].astype(float) - 32768) / 64
    assert np.abs(flow - maps(1).forward)[4:].max() <= 1 / 128 + 1e-6


def test_flow_too_large_for_the_format_is_unknown() -> None:
    flow = np.array([[(600.0, 0), (-510, 0), (np.nan, 0)]])
    assert encode_flow(flow, np.ones((1, 3), bool))[0, :, 2].tolist() == [0, 1, 0]


@pytest.mark.parametrize("numbers", [1, 255, 300])
def test_masks_keep_every_number(tmp_path: Path, numbers: int) -> None:
    index = np.random.default_rng(0).integers(0, numbers + 1, (30, 41))
    index[0, 0] = numbers
    data = palette_png(index)
    header = dict(zip(("bits", "kind"), data[24:26], strict=True))
    assert header == ({"bits": 8, "kind": 3} if numbers < 256 else {"bits": 16, "kind": 0})
    seen = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if numbers > 255:
        assert np.array_equal(seen, index)
        return
    flat = seen.reshape(-1, 3)
    assert (flat[index.ravel() == 0] == 0).all()
    both = np.c_[index.ravel(), flat]
    assert len(np.unique(both, axis=0)) == len(np.unique(index)) == len(np.unique(flat, axis=0))


def test_jpeg_pictures_are_close(tmp_path: Path) -> None:
    writer = SequenceWriter(tmp_path, "jpg")
    writer.write_frame(0, picture(0), maps(0), last=True)
    seen = cv2.imread(str(tmp_path / "rgbs" / "rgb_00000.jpg"))[..., ::-1]
    assert seen.shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(seen.astype(int) - picture(0)).mean() < 2
    assert list((tmp_path / "flows").iterdir()) == []


def test_arrays_are_in_single_precision_and_raster_coordinates(folder: Path) -> None:
    truth = annotations()
    with np.load(folder / "anno.npz") as archive:
        assert archive["trajs_2d"].dtype == archive["trajs_3d"].dtype == np.float32
        assert archive["trajs_2d"].shape == (FRAMES, 6, 2)
        assert np.allclose(archive["trajs_2d"][:, :5], truth.xy[:5].transpose(1, 0, 2) + 0.5)
        assert np.allclose(archive["trajs_3d"][0, :, 1], truth.xyz[:, 0, 2])  # z up is now y
        assert np.allclose(archive["queries"][:, 2:], truth.queries[:, 2:] + 0.5)
        assert archive["visibs"][0].tolist() == [1, 1, 0, 1, 1, 0]
        assert archive["valids"][0].tolist() == [1, 1, 1, 1, 1, 0]


def test_the_same_clip_makes_the_same_files(folder: Path, tmp_path: Path) -> None:
    write_sequence(tmp_path / "again")
    first = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    place = tmp_path / "again"
    assert first == {p.relative_to(place): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    assert json.loads((folder / "meta.json").read_text())["seed"] == 9
