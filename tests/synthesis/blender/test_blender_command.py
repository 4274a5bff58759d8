from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from blender_clips import write_sequence
from typer.testing import CliRunner

from pointtrack.cli import synth_blender
from pointtrack.cli.synth import app
from pointtrack.errors import PointtrackError
from pointtrack.synthesis.blender.config import CHANCES, IMAGES, PRESETS

HERE = Path(__file__).parent
SMALL = ("--frames", "4", "--size", "48x32", "--points", "6", "--store", "png")


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """An interpreter that says it has Blender, and starts the fake worker as its worker."""
    path = tmp_path / "bin" / "python"
    path.parent.mkdir()
    path.write_text(
        f"#!/bin/sh\nif [ \"$1\" = -c ]; then echo '[]'; else exec {sys.executable} "
        f"{HERE / 'fake_worker.py'}; fi\n"
    )
    path.chmod(0o755)
    return path


def synth(*words: object) -> Any:
    return CliRunner().invoke(app, ["blender", *SMALL, *map(str, words)])


def test_clips_are_made_and_kept(tmp_path: Path, python: Path) -> None:
    words = ("--out", tmp_path / "set", "--preset", "indoor,abstract", "--python", python)
    outcome = synth(*words, "--clips", 2, "--fog", 0.5, "--seed", 3)
    assert outcome.exit_code == 0, outcome
    assert outcome.output == f"{tmp_path / 'set'}: 2 clips made, 0 were there\n"
    configs = [
        json.loads((tmp_path / "set" / f"clip_00000{i}" / "meta.json").read_text())["config"]
        for i in (0, 1)
    ]
    assert [config["preset"] for config in configs] == ["indoor", "abstract"]
    assert all(config["fog"] == 0.5 and config["size"] == [48, 32] for config in configs)
    assert configs[0]["motion_blur"] == PRESETS["indoor"].motion_blur
    again = synth(*words, "--clips", 3, "--fog", 0.5, "--seed", 3)
    assert "1 clips made, 2 were there" in again.output


def test_a_manifest_is_enough(tmp_path: Path, python: Path) -> None:
    synth("--out", tmp_path / "set", "--clips", 2, "--python", python)
    outcome = CliRunner().invoke(
        app,
        f"blender --out {tmp_path}/again --python {python} --manifest {tmp_path}/set/manifest.json",
    )
    assert "2 clips made" in outcome.output
    for name in ("clip_000000", "clip_000001"):
        first, second = (tmp_path / place / name / "meta.json" for place in ("set", "again"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--preset", "nice"), "there is no preset 'nice'; there are: indoor, outdoor, abstract"),
        (("--preset", "indoor,"), "there is no preset ''"),
        (("--clips", "0"), "clips must be at least 1, found 0"),
        (("--workers", "0"), "workers must be at least 1, found 0"),
        (("--views", "0"), "views must be a whole number, 1 to 64, found 0"),
        (("--smoke", "2"), "smoke must be a number from 0 to 1, found 2"),
        (("--size", "wide"), "a size is WIDTHxHEIGHT"),
        (("--store", "mp4"), "--store is jpg or png, found 'mp4'"),
        (("--motions", "nowhere"), "--motions: there is no folder nowhere"),
        (("--manifest", "nowhere.json"), "cannot read nowhere.json"),
    ],
)
def test_a_bad_argument_is_one_sentence_and_writes_nothing(
    tmp_path: Path, python: Path, words: tuple[str, str], said: str
) -> None:
    outcome = synth("--out", tmp_path / "set", "--python", python, *words)
    assert isinstance(outcome.exception, PointtrackError), outcome
    assert said in str(outcome.exception)
    assert "\n" not in str(outcome.exception)
    assert not (tmp_path / "set").exists()


def test_without_blender_the_command_says_what_to_install(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\necho '[\"bpy\"]'\n")
    bare.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "pointtrack", "synth", "blender", "--out", str(tmp_path / "set")],
        env={**os.environ, "POINTTRACK_BLENDER_PYTHON": str(bare)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'pointtrack[blender]'" in done.stderr
    assert "Python 3.11" in done.stderr
    assert not (tmp_path / "set").exists()


def test_ctrl_c_says_how_to_go_on_and_leaves_no_worker(tmp_path: Path, python: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps({"clip_000000": ["hang"]}))
    running = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pointtrack",
            "synth",
            "blender",
            *SMALL,
            "--clips",
            "1",
            "--out",
            str(tmp_path / "set"),
            "--python",
            str(python),
        ],
        env={**os.environ, "FAKE_WORKER_PLAN": str(tmp_path / "plan.json")},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pid_file = tmp_path / "set" / ".clip_000000.work" / "pid"
    while not (pid_file.exists() and pid_file.read_text()):
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert said.count("\n") == 1
    assert "of 4 frames, which are kept; the same command goes on" in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def test_packing(tmp_path: Path) -> None:
    write_sequence(tmp_path / "full" / "clip_000000")
    words = ["pack", str(tmp_path / "full"), "--out", str(tmp_path / "packed")]
    outcome = CliRunner().invoke(app, words)
    assert outcome.exit_code == 0, outcome
    assert outcome.output.startswith(f"{tmp_path / 'packed'}: 1 clips, 0.0")


def test_the_command_names_every_preset_store_and_chance() -> None:
    assert tuple(PRESETS) == synth_blender.PRESETS
    assert IMAGES == synth_blender.STORES
    assert tuple(synth_blender.CHANCES) == CHANCES
