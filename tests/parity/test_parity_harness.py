"""The harness itself: what must never pass unseen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from metric_checks import dispatch
from parity_fixtures import Case, case_files, folders


def write(folder: Path, **arrays: np.ndarray) -> Case:
    folder.mkdir(exist_ok=True)
    np.savez(folder / "case_one.npz", **arrays)
    return Case(folder / "case_one.npz")


def test_an_array_left_uncompared_fails(tmp_path: Path) -> None:
    case = write(tmp_path, out_a=np.zeros(2), mid_b=np.zeros(2), in_c=np.zeros(2))
    case.compare("out_a", np.zeros(2))
    with pytest.raises(AssertionError, match="never compared: mid_b"):
        case.assert_complete()


def test_an_input_may_look_like_an_expected_array(tmp_path: Path) -> None:
    case = write(tmp_path, out_a=np.zeros(2), out_of_view=np.zeros(2))
    case.given("out_of_view")
    case.compare("out_a", np.zeros(2))
    case.assert_complete()


def test_a_file_without_expected_arrays_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="nothing that was compared"):
        write(tmp_path, in_c=np.zeros(2)).assert_complete()


@pytest.mark.parametrize("wrong", [np.array([1.0, 2.1]), np.array([1.0, np.nan]), np.ones(1)])
def test_a_wrong_value_fails(tmp_path: Path, wrong: np.ndarray) -> None:
    with pytest.raises(AssertionError, match="out_a"):
        write(tmp_path, out_a=np.array([1.0, 2.0])).compare("out_a", wrong, atol=1e-3)


def test_nan_equals_nan(tmp_path: Path) -> None:
    case = write(tmp_path, out_a=np.array([np.nan, 1.0]))
    case.compare("out_a", np.array([np.nan, 1.0]))
    case.assert_complete()


def test_tolerance_file_replaces_the_tolerance_and_names_expected_arrays(tmp_path: Path) -> None:
    (tmp_path / "tolerance.json").write_text(json.dumps({"case_one": {"flow": 0.5}}))
    case = write(tmp_path, flow=np.zeros(1))
    assert case.expected() == {"flow"}
    case.compare("flow", np.full(1, 0.4))
    with pytest.raises(AssertionError):
        case.compare("flow", np.full(1, 0.6))


def test_results_of_a_network_are_expected_by_their_names(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("[]")
    results = ("tracks", "visible", "visibility_logit", "step0_tracks", "backward_visible")
    results += ("grid_tracks", "support_score", "mid_fmap", "flow01", "sigma")
    inputs = ("video", "queries", "iters", "resolution", "window_len", "mask")
    settings = {name: np.array(3) for name in ("grid_size", "grid_query_frame")}
    arrays = {name: np.zeros(2) for name in (*results, *inputs)}
    assert write(tmp_path, **arrays, **settings).expected() == set(results)


def test_folders_of_metrics_know_no_network_names(tmp_path: Path) -> None:
    assert write(tmp_path, tracks=np.zeros(2), out_a=np.zeros(2)).expected() == {"out_a"}


def test_a_file_of_no_known_kind_fails(tmp_path: Path) -> None:
    case = write(tmp_path, out_a=np.zeros(1))
    with pytest.raises(AssertionError, match="no known kind"):
        dispatch(case, {"other": lambda _: None})


def test_discovery_finds_new_folders_and_new_cases(tmp_path: Path) -> None:
    assert folders(tmp_path / "missing") == []
    (tmp_path / "no_fixture").mkdir()
    write(tmp_path / "known", out_a=np.zeros(1))
    np.savez(tmp_path / "known" / "case_two.npz", out_a=np.zeros(1))
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "state.json").write_text("[]")
    assert [folder.name for folder in folders(tmp_path)] == ["known", "network"]
    assert [path.stem for path in case_files(tmp_path / "known")] == ["case_one", "case_two"]
