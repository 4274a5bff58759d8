"""Exported networks track as PyTorch does; small ones with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pointtrack as pt
from pointtrack.cli.program import run
from pointtrack.errors import PointtrackError, WeightsError
from pointtrack.export import checking, export_onnx, writing
from pointtrack.export.checking import agreement, moving_picture, scattered
from pointtrack.networks import tapir
from pointtrack.networks.blocks.mixer import Mixer

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

SIZE = (48, 32)
OPTIONS = {"resolution": (32, 32), "iterations": 2}

pytestmark = pytest.mark.filterwarnings("ignore:.*random weights")


def small_causal_tapir() -> tapir.Tapir:
    network = tapir.Tapir(pooled=1, causal=True)
    old = network.mixer
    network.mixer = Mixer(old.entry.in_features, old.exit.out_features, 32, 64, depth=2)
    return network


@pytest.fixture(scope="module", autouse=True)
def small_networks() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tapir, "causal_tapir", small_causal_tapir)
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("exported") / "tapir.onnx"
    found = export_onnx("causal_tapir", path, "random", **OPTIONS)
    assert found is not None
    assert found.pixels <= 1e-3
    return path


@pytest.fixture(scope="module")
def trackers(written: Path) -> tuple[pt.Tracker, pt.Tracker]:
    return pt.load("causal_tapir", "random", device="cpu", **OPTIONS), pt.load(written)


@pytest.mark.parametrize("points", [1, 7, 64])
def test_any_number_of_points_tracks_as_in_pytorch(trackers: Any, points: int) -> None:
    clip, queries = moving_picture(10, SIZE), scattered(points, 6, SIZE)
    found = agreement(*(tracker.track(clip, queries) for tracker in trackers))
    assert found.pixels <= 1e-3
    assert found.confidence <= 1e-4


def test_sessions_of_an_exported_model_are_the_same(trackers: Any) -> None:
    clip, queries = moving_picture(6, SIZE), scattered(4, 1, SIZE)[:, 1:]
    answers = []
    for tracker in trackers:
        with tracker.session() as session:
            ids = session.add(queries[:3])
            for t, frame in enumerate(clip):
                if t == 2:
                    session.add(queries[3:])
                    session.remove(ids[1])
                now = session.step(frame)
        answers.append(now)
    np.testing.assert_array_equal(answers[0].ids, answers[1].ids)
    np.testing.assert_allclose(answers[0].xy, answers[1].xy, atol=1e-3)


def test_a_file_says_what_it_is(written: Path) -> None:
    written_down = {p.key: p.value for p in onnx.load(written).metadata_props}
    assert written_down["pointtrack.model"] == '"causal_tapir"'
    assert written_down["pointtrack.version"] == f'"{pt.__version__}"'
    assert '"Apache-2.0"' in written_down["pointtrack.card"]
    assert '"raster": true' in written_down["pointtrack.convention"]
    assert pt.load(written).card.name == "causal_tapir"


def test_a_file_is_one_sound_graph_with_free_numbers_of_points(written: Path) -> None:
    model = onnx.load(written)
    onnx.checker.check_model(model)
    shapes = {
        v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.input, *model.graph.output)
    }
    assert shapes["frames"] == [1, 3, 32, 32]
    assert shapes["queries"] == ["new_points", 3]
    assert shapes["points.0"] == [1, "points", 128]
    assert shapes["tracks"][0] == "points"


def test_options_that_are_fixed_in_the_file_are_refused(written: Path) -> None:
    with pytest.raises(PointtrackError, match=r"no option 'iterations'.*memory.*iterations=2"):
        pt.load(written, iterations=3)
    with pytest.raises(WeightsError, match="has its weights in it"):
        pt.load(written, weights="random")
    with pytest.raises(PointtrackError, match="float32"):
        pt.load(written, precision="float16")


def test_a_disagreement_is_an_error_and_leaves_the_old_file(
    written: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stored(_: object) -> Any:
        model = onnx.load(written)
        del model.metadata_props[:]
        return model

    monkeypatch.setattr(writing, "_graph", lambda *_: None)  # which takes seconds
    monkeypatch.setattr(writing, "joined", stored)
    monkeypatch.setattr(checking, "TOLERANCE", -1.0)
    path = tmp_path / "tapir.onnx"
    path.write_bytes(b"old")
    options = ["--option", "resolution=(32,32)", "--option", "iterations=2"]
    words = ["export", "causal_tapir", str(path), "--weights", "random", *options]
    assert run(words) == 2
    assert "does not track as PyTorch does" in capsys.readouterr().err
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(checking, "TOLERANCE", 1e-3)
    assert run([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == path.stat().st_size
    assert pt.load(path).card.name == "causal_tapir"
