from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pointtrack.errors import PointtrackError
from pointtrack.synthesis import (
    PRESETS,
    ProceduralConfig,
    generate,
    make_scene,
    preset,
    shapes,
    textures,
)
from pointtrack.synthesis.colours import random_palette
from pointtrack.synthesis.marks import glyphs, leaves, strokes

SMALL = preset("default", frames=3, size=(48, 40), points=32)
CPU = torch.device("cpu")


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    clip = generate(11, SMALL)
    np.random.seed(5)  # noqa: NPY002 - global states and threads must not matter
    torch.manual_seed(5)
    torch.set_num_threads(2)
    again = generate(11, SMALL, torch.device("cpu"))
    other = generate(12, SMALL)
    for name in ("video", "xy", "visible", "valid", "queries"):
        assert getattr(clip, name).tobytes() == getattr(again, name).tobytes(), name
    assert not np.array_equal(clip.video, other.video)
    assert not np.array_equal(clip.queries, other.queries)


def test_making_a_clip_leaves_the_global_random_states_alone() -> None:
    before = torch.get_rng_state()
    generate(0, SMALL)
    assert torch.equal(before, torch.get_rng_state())


def test_clips_drawn_in_chunks_of_frames_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene(3, replace(SMALL, noise=0.0, frames=5))
    whole = scene.render()
    monkeypatch.setattr("pointtrack.synthesis.render._PIXELS", 2 * 48 * 40)
    parts = scene.render()
    assert np.abs(whole.astype(int) - parts).max() <= 1  # boxes, and so rounding, differ
    assert np.mean(whole == parts) > 0.999


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [(48, 40), (17, 64)])
def test_every_preset_gives_a_whole_clip(name: str, size: tuple[int, int]) -> None:
    config = preset(name, frames=3, size=size, points=24)
    for seed in range(2):
        clip = generate(seed, config)
        assert clip.video.shape == (3, size[1], size[0], 3)
        assert clip.video.dtype == np.uint8
        assert clip.video.std() > 2
        assert clip.xy.shape == (24, 3, 2)
        assert clip.xy.dtype == np.float32
        assert np.array_equal(np.isfinite(clip.xy[..., 0]), clip.valid)
        assert not (clip.visible & ~clip.valid).any()
        assert clip.queries.shape == (24, 3)


def test_a_single_frame_and_a_single_point_are_a_clip() -> None:
    clip = generate(0, preset("default", frames=1, size=(16, 16), points=1))
    assert clip.xy.shape == (1, 1, 2)
    assert clip.visible.all()


def test_all_effects_at_once_change_pixels_but_no_track() -> None:
    effects = dict.fromkeys(
        ("light", "vignette", "blur", "motion_blur", "noise", "compression"), 1.0
    )
    none = replace(SMALL, **dict.fromkeys(effects, 0.0), shadows=0.0)
    plain, full = make_scene(2, none), make_scene(2, replace(none, vignette=1.0, noise=1.0))
    queries = [[0, 10, 10], [2, 30, 20]]
    assert np.array_equal(plain.track(queries)[0], full.track(queries)[0], equal_nan=True)
    assert not np.array_equal(plain.render(), full.render())
    clip = generate(2, replace(SMALL, **effects, fog=1.0, smoke=1.0, shadows=1.0, defocus=1.0))
    assert clip.video.std() > 1


def test_clips_and_tracks_carry_everything() -> None:
    made = generate(1, SMALL)
    clip, tracks = made.to_clip(), made.to_tracks()
    assert clip.name == "procedural-1"
    assert np.array_equal(clip.video[2], made.video[2])
    assert np.array_equal(clip.visible, made.visible)
    assert np.array_equal(clip.valid, made.valid)
    assert clip.queries is not None
    assert np.array_equal(clip.queries.txy, made.queries)
    assert tracks.size == SMALL.size
    assert np.array_equal(tracks.xy, made.xy, equal_nan=True)


def test_textures_come_from_a_folder_of_pictures(tmp_path: Path) -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[..., 2] = 250  # red, for OpenCV
    cv2.imwrite(str(tmp_path / "red.png"), picture)
    config = replace(
        SMALL, textures=str(tmp_path), textureless=0.0, light=0.0, shadows=0.0, fog=0.0, smoke=0.0
    )
    red = [generate(seed, config).video.reshape(-1, 3).mean(axis=0) for seed in range(6)]
    mean = np.mean(red, axis=0)
    assert mean[0] > 3 * mean[1]
    assert mean[0] > 3 * mean[2]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PointtrackError, match="holds no picture"):
        generate(1, replace(SMALL, textures=str(tmp_path), textureless=0.0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"frames": 0}, "frames must be a whole number, at least 1, found 0"),
        ({"size": (8, 64)}, "width must be a whole number, 16 to 4096, found 8"),
        ({"size": 64}, "size must be"),
        ({"points": 2.5}, "points must be a whole number"),
        ({"noise": 1.5}, "noise must be a number from 0 to 1, found 1.5"),
        ({"speed": float("nan")}, "speed must be a number from 0 to 10, found nan"),
        ({"objects": (3, 1)}, "objects must be a whole number, at least 3, found 1"),
    ],
)
def test_a_setting_out_of_range_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(PointtrackError) as problem:
        preset("default", **change)
    assert said in str(problem.value)


def test_unknown_presets_settings_devices_and_seeds_are_named() -> None:
    with pytest.raises(PointtrackError, match="no preset 'nice'; there are: default"):
        preset("nice")
    with pytest.raises(PointtrackError, match="no setting 'colour'"):
        preset("easy", colour=1)
    with pytest.raises(PointtrackError, match="no device 'nonsense'"):
        generate(0, SMALL, "nonsense")
    with pytest.raises(PointtrackError, match="found -1"):
        generate(-1, SMALL)


def test_textures_fill_zero_to_one_and_shapes_end_before_the_border() -> None:
    rng = np.random.default_rng(0)
    palette = random_palette(rng)
    makers = (
        textures.clouds,
        textures.grain,
        textures.cells,
        textures.spots,
        textures.gradient,
        textures.repeats,
        leaves,
        glyphs,
        strokes,
    )
    for maker in makers:
        for size in (32, 96):
            image = maker(rng, size, palette, CPU)
            assert image.shape == (3, size, size)
            assert image.isfinite().all(), maker.__name__
    for shape in {*shapes.SOLID, *shapes.THIN, *shapes.NEAR, shapes.limb}:
        for size in (32, 96):
            mask = shapes.coverage(shape(rng, size, CPU))
            assert mask.min() >= 0
            assert mask.max() > 0.5, shape.__name__
            assert mask[0].max() == mask[:, -1].max() == 0


def test_the_default_settings_are_the_default_preset() -> None:
    assert PRESETS["default"] == ProceduralConfig()
