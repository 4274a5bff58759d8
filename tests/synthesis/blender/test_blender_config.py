from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from pointtrack.errors import PointtrackError
from pointtrack.synthesis.blender.config import (
    PRESETS,
    BlenderConfig,
    blender_preset,
    from_mapping,
    to_mapping,
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preset": "lunar"}, "preset must be one of indoor, outdoor, abstract, found 'lunar'"),
        ({"frames": 0}, "frames must be a whole number, at least 1, found 0"),
        ({"frames": 2.5}, "frames must be a whole number"),
        ({"size": (256,)}, "size must be (width, height), found (256,)"),
        ({"size": (8, 256)}, "width must be a whole number, 16 to 4096, found 8"),
        ({"views": 0}, "views must be a whole number, 1 to 64, found 0"),
        ({"samples": True}, "samples must be a whole number"),
        ({"fog": 1.5}, "fog must be a number from 0 to 1, found 1.5"),
        ({"noise": "much"}, "noise must be a number from 0 to 1, found 'much'"),
        ({"images": "gif"}, "images must be jpg or png, found 'gif'"),
        ({"hdris": 7}, "hdris must be the path of a folder, found 7"),
    ],
)
def test_a_setting_out_of_range_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PointtrackError) as problem:
        BlenderConfig(**changes)
    assert said in str(problem.value)


def test_every_preset_is_staged_under_its_own_name() -> None:
    assert {name: config.preset for name, config in PRESETS.items()} == {
        name: name for name in ("indoor", "outdoor", "abstract")
    }


def test_a_config_survives_json() -> None:
    config = blender_preset("outdoor", frames=5, size=(64, 48), fog=0.5, textures="/tmp")
    assert from_mapping(json.loads(json.dumps(to_mapping(config)))) == config


def test_an_unknown_preset_or_setting_is_named() -> None:
    with pytest.raises(PointtrackError, match="no preset 'sunny'; there are: indoor, outdoor"):
        blender_preset("sunny")
    with pytest.raises(PointtrackError, match="no setting 'wind'"):
        blender_preset("indoor", wind=1)
    with pytest.raises(PointtrackError, match="no setting 'wind'"):
        from_mapping({"preset": "indoor", "wind": 1})


def test_the_workers_side_needs_neither_torch_nor_blender() -> None:
    names = ("checks", "choosing", "config", "fog", "lenses", "passes", "pointodyssey_format")
    modules = ", ".join(f"pointtrack.synthesis.blender.{name}" for name in (*names, "tracks"))
    code = f"import sys, {modules}; print({{'torch', 'bpy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
