"""`pointtrack train`: a run from nothing, going on with it, and wrong settings."""

from __future__ import annotations

from pathlib import Path

from cli_runs import Run

from pointtrack.cli.calibrate import _words
from pointtrack.weights.compact import BUNDLED, read_curves

SETTINGS = """
steps = 2
precision = "float32"
log = 1
[model]
widths = [8, 16, 16, 16]
blocks = [1, 1, 1]
channels = 8
hidden = 16
embedding = 8
[data]
frames = 2
size = [32, 32]
points = 4
tracks = 4
batch = 1
workers = 0
[held_out]
every = 2
clips = 1
frames = 2
size = [32, 32]
points = 4
"""


def test_a_run_leaves_weights_and_curves_and_goes_on(run: Run, tmp_path: Path) -> None:
    settings, out = tmp_path / "run.toml", tmp_path / "run"
    settings.write_text(SETTINGS)
    command = ("train", settings, "--out", out, "--device", "cpu", "--quiet")
    first = run(*command)
    assert first.status == 0, first.err
    assert "2 of 2 steps done" in first.out
    assert (out / "weights.safetensors").is_file()
    assert len((out / "log.csv").read_text().splitlines()) == 3
    assert len((out / "scores.csv").read_text().splitlines()) == 2
    settings.write_text(SETTINGS.replace("steps = 2", "steps = 3"))
    assert "3 of 3" in run(*command, "--minutes", "0").out  # one step is always made
    assert len((out / "log.csv").read_text().splitlines()) == 4


def test_wrong_settings_are_one_sentence(run: Run, tmp_path: Path) -> None:
    settings = tmp_path / "run.toml"
    settings.write_text("steps = 'many'")
    wrong = run("train", settings, "--out", tmp_path / "run")
    assert wrong.status == 2
    assert "steps must be like" in wrong.sentence
    assert "run.toml" in wrong.sentence
    settings.write_text("")
    assert "gpu" in run("train", settings, "--out", tmp_path / "run", "--device", "gpu").sentence


def test_trained_weights_are_calibrated_and_shipped(run: Run, tmp_path: Path) -> None:
    settings, out = tmp_path / "run.toml", tmp_path / "run"
    settings.write_text(SETTINGS.replace("every = 2", "every = 0"))
    run("train", settings, "--out", out, "--device", "cpu", "--quiet")
    shipped, plot = tmp_path / "compact.safetensors", tmp_path / "plot.png"
    command = ("calibrate", out / "weights.safetensors", "--clips", 1, "--working", 32, "--quiet")
    first = run(*command, "--plot", plot)
    assert first.status == 0, first.err
    assert "0.9 to 1.0" in first.out
    assert plot.is_file()
    written = run(*command, "--out", shipped)
    assert written.status == 0, written.err
    assert shipped.is_file()
    again = run("calibrate", shipped, *command[2:])
    assert again.status == 0, again.err
    assert again.out != first.out  # measured with the curves that were written
    whole = run("calibrate", shipped, *command[2:], "--whole")
    assert whole.status == 0, whole.err
    assert "mean gap" in whole.out
    both = run(*command, "--whole", "--out", tmp_path / "not.safetensors")
    assert both.status == 2
    assert "no --whole or --plot" in both.err
    assert not (tmp_path / "not.safetensors").exists()


def test_calibration_without_clips_is_refused(run: Run, tmp_path: Path) -> None:
    wrong = run("calibrate", tmp_path / "none.safetensors", "--clips", 0)
    assert wrong.status == 2
    assert "--data" in wrong.sentence


def test_calibrate_takes_a_name_with_its_path_and_a_path_with_an_equals_sign(
    tmp_path: Path,
) -> None:
    there = tmp_path / "noise=0.4"
    there.mkdir()
    assert _words(str(there)) == [str(there)]
    assert _words("pointodyssey=/data/po=1") == ["pointodyssey", "/data/po=1"]
    assert _words("blender-val") == ["blender-val"]


def test_weights_of_several_runs_are_averaged(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "both.safetensors"
    alone = run("average", BUNDLED, "--out", out)
    assert alone.status == 2
    assert "two runs or more" in alone.sentence
    assert not out.exists()
    both = run("average", BUNDLED, BUNDLED, "--out", out)
    assert both.status == 0, both.err
    assert read_curves(out) == read_curves(BUNDLED)
    missing = run("average", BUNDLED, tmp_path / "none.safetensors", "--out", out)
    assert missing.status == 2
    assert "none.safetensors" in missing.sentence
