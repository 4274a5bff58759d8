from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from pointtrack.cli.compare import compare, read_model
from pointtrack.cli.evaluate import evaluate
from pointtrack.cli.shared import parse_options
from pointtrack.errors import FormatError, PointtrackError

app = typer.Typer()
app.command()(evaluate)
app.command()(compare)
runner = CliRunner()


def example() -> dict[str, np.ndarray]:
    frame = np.random.default_rng(0).integers(0, 256, (1, 48, 64, 3), dtype=np.uint8)
    return {
        "video": np.repeat(frame, 4, axis=0),
        "points": np.full((2, 4, 2), 0.5),
        "occluded": np.zeros((2, 4), bool),
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "mini.pkl"
    path.write_bytes(pickle.dumps({"a": example(), "b": example()}))
    return path


def test_evaluate_prints_a_table(data: Path) -> None:
    result = runner.invoke(app, ["evaluate", str(data), "--model", "static"])
    assert result.exit_code == 0, result.output
    assert "static on mini" in result.stdout
    assert "mean of 2" in result.stdout
    assert "100.0" in result.stdout


def test_evaluate_as_json_writes_results_too(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    words = ["--query-mode", "strided", "--protocol", "practical", "--json", "--out", str(out)]
    result = runner.invoke(app, ["evaluate", str(data), "--model", "klt", *words])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed == json.loads((out / "results.json").read_text())
    assert printed["protocol"]["query_mode"] == "strided"
    assert printed["protocol"]["input_size"] is None
    assert printed["mean"]["average_jaccard"] > 0.9
    kept = out / "predictions" / "klt" / "practical-strided"
    assert sorted(p.name for p in kept.iterdir()) == ["a.npz", "b.npz"]
    assert (out / "results.csv").read_text().count("\n") == 3


def test_a_broken_video_is_named_and_the_status_is_1(tmp_path: Path) -> None:
    path = tmp_path / "mini.pkl"
    path.write_bytes(pickle.dumps({"good": example(), "bad": {"points": 1}}))
    result = runner.invoke(app, ["evaluate", str(path), "--model", "static"])
    assert result.exit_code == 1
    assert "mean of 1" in result.stdout
    assert "bad failed" in result.stderr
    assert "it lacks video, occluded" in result.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model", "statik"], "there is no model 'statik'"),
        (["--protocol", "davis"], "there is no protocol 'davis'"),
        (["--query-mode", "last"], "query_mode must be one of"),
        (["--model", "klt", "--option", "window"], "name=value, found 'window'"),
        (["--data-format", "davis17"], "there is no data set format 'davis17'"),
    ],
)
def test_wrong_words_are_one_sentence(data: Path, words: list[str], expected: str) -> None:
    result = runner.invoke(app, ["evaluate", str(data), *words])
    assert isinstance(result.exception, PointtrackError)
    assert expected in str(result.exception)


def test_missing_data_is_named(tmp_path: Path) -> None:
    result = runner.invoke(app, ["evaluate", str(tmp_path / "none.pkl")])
    assert isinstance(result.exception, FormatError)
    assert "none.pkl" in str(result.exception)


def test_compare_writes_table_results_and_plots(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    models = ["-m", "static", "-m", "klt,window=15"]
    result = runner.invoke(app, ["compare", str(data), *models, "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "klt,window=15" in result.stdout
    assert "AJ to best" in result.stdout
    assert len(list(out.glob("*.png"))) == 5
    content = json.loads((out / "results.json").read_text())
    assert [model["options"] for model in content["models"]] == [{}, {"window": 15}]
    again = runner.invoke(app, ["compare", str(data), *models, "--out", str(out), "--json"])
    models_again = json.loads(again.stdout)["models"]
    assert all(video["resumed"] for model in models_again for video in model["videos"])


def test_compare_needs_a_model(data: Path) -> None:
    result = runner.invoke(app, ["compare", str(data)])
    assert "at least one tracker" in str(result.exception)


def test_help_has_examples() -> None:
    for command in ("evaluate", "compare"):
        assert f"pointtrack {command}" in runner.invoke(app, [command, "--help"]).stdout


def test_models_with_options() -> None:
    contender = read_model("mft,deltas=(1, 2),templates=8")
    assert contender.label == "mft,deltas=(1, 2),templates=8"
    assert contender.options == {"deltas": (1, 2), "templates": 8}


def test_changed_weights_are_other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pointtrack.cli import evaluate as module
    from pointtrack.trackers import load

    monkeypatch.setattr(module, "load", lambda *a, **k: load("static"))
    weights = tmp_path / "last.pth"
    seen = []
    for content in (b"one", b"two"):
        weights.write_bytes(content)
        seen.append(module.ready("static", str(weights), "auto", {}).options)
    assert seen[0]["weights"] == seen[1]["weights"]
    assert seen[0] != seen[1]


def test_option_values() -> None:
    given = ["window=31", "error=0.5", "flow=dis", "keep-all=true", "seed=none"]
    assert parse_options(given) == {
        "window": 31,
        "error": 0.5,
        "flow": "dis",
        "keep_all": True,
        "seed": None,
    }
    with pytest.raises(PointtrackError, match="given twice"):
        parse_options(["a=1", "a=2"])
