"""What `export` and `load` say where there is nothing to export or to run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import pointtrack as pt
from pointtrack.cli.program import run
from pointtrack.errors import PointtrackError, WeightsError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run(arguments) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    return error[0]


def test_a_model_without_export_is_named_with_those_that_have_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(["export", "klt", str(tmp_path / "klt.onnx")], capsys)
    assert said.startswith("Error: klt cannot be exported")
    assert "causal_tapir" in said


def test_an_unknown_model_is_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "'tapirr'" in refused(["export", "tapirr", str(tmp_path / "a.onnx")], capsys)


def test_the_suffix_is_checked_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(["export", "raft_small", str(tmp_path / "raft.pt")], capsys)
    assert ".onnx file" in said


def test_a_missing_library_is_named_with_its_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    said = refused(["export", "raft_small", str(tmp_path / "raft.onnx")], capsys)
    assert "pip install 'pointtrack[onnx]'" in said


def test_files_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    with pytest.raises(WeightsError, match="cannot read"):
        pt.load(path)
    for content in (b"", b"\x00" * 100, b"<html>no</html>"):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="no ONNX file"):
            pt.load(path)
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])], "other", [value], [other]
    )
    model = onnx.helper.make_model(graph)
    onnx.save(model, path)
    with pytest.raises(WeightsError, match="not written by `pointtrack export`"):
        pt.load(path)
    model.metadata_props.add(key="pointtrack.format", value="broken")
    onnx.save(model, path)
    with pytest.raises(WeightsError, match="not written by `pointtrack export`"):
        pt.load(path)


def test_running_a_file_needs_onnxruntime_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PointtrackError, match=r"onnxruntime.*pip install 'pointtrack\[onnx\]'"):
        pt.load(tmp_path / "x.onnx")
