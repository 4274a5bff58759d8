"""One exported model of every kind beside PyTorch; small ones with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pointtrack as pt
from pointtrack.export import export_onnx
from pointtrack.export.checking import agreement, moving_picture, scattered
from pointtrack.networks import locotrack, tapnext
from pointtrack.trackers import compact_follower
from pointtrack.weights.calibration import Calibration, Curves

for library in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(library)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*random weights")]

SIZE = (64, 48)
KINDS: dict[str, dict[str, Any]] = {
    "cotracker3_online": {"resolution": (32, 32), "iterations": 1},
    "locotrack_small": {"resolution": (32, 32)},
    "raft_small": {"iterations": 1},
    "tapnext": {"resolution": (32, 32)},
    # Refinement is no part of the file, and reads pictures at whole 1/32 px: where a network's
    # place is off by rounding, it may be off by some thousandths of a pixel.
    "compact": {"working": 160, "iterations": 1, "refine": False},
}
# Of the compact one: a file's sure and radius are to be true, of points, alone and among five.
CURVES = Curves(
    Calibration((0.1, 0.4, 0.7), (0.2, 0.3, 0.9), (1.0, 30.0), (3.0, 0.5)),
    Calibration((0.2, 0.8), (0.1, 0.9), (2.0, 20.0), (0.5, 0.7)),
    Calibration((0.1, 0.9), (0.0, 0.8), (1.0, 9.0), (1.5, 0.8)),
)


@pytest.fixture(params=list(KINDS), scope="module")
def trackers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.set_num_threads(1)
    name, options = request.param, KINDS[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locotrack, "ITERATIONS", 1)
        patch.setattr(tapnext, "tapnext", lambda: tapnext.TapNext(width=24, depth=2, heads=2))
        patch.setattr(compact_follower, "read_curves", lambda _: CURVES)
        path: Path = tmp_path_factory.mktemp("exported") / f"{name}.onnx"
        assert export_onnx(name, path, "random", **options) is not None
        yield pt.load(name, "random", "cpu", "float32", **options), pt.load(path)


@pytest.mark.parametrize("points", [1, 7, 64])
def test_any_number_of_points_tracks_as_in_pytorch(trackers: Any, points: int) -> None:
    clip, queries = moving_picture(24, SIZE), scattered(points, 8, SIZE)
    found = agreement(*(tracker.track(clip, queries) for tracker in trackers))
    assert found.pixels <= 1e-3
    assert found.confidence <= 1e-3


def test_points_come_and_go_in_a_session(trackers: Any) -> None:
    clip, queries = moving_picture(5, SIZE), scattered(5, 1, SIZE)[:, 1:]
    answers = []
    for tracker in trackers:
        session = tracker.session()
        ids = session.add(queries[:3])
        for t, frame in enumerate(clip):
            if t == 2:
                session.add(queries[3:])
                session.remove(ids[0])
            now = session.step(frame)
        answers.append(now)
    if answers[0].radius is not None:
        np.testing.assert_allclose(answers[1].radius, answers[0].radius, rtol=1e-3)
    assert answers[0].ids.tolist() == answers[1].ids.tolist() == [1, 2, 3, 4]
    assert abs(answers[0].xy - answers[1].xy).max() <= 1e-3


def test_a_file_of_the_default_agrees_with_what_it_was_made_of(tmp_path: Path) -> None:
    path = tmp_path / "compact.onnx"
    found = export_onnx("compact", path, "random", working=64, refine=False)
    assert found is not None  # it has been compared
    assert found.pixels <= 1e-3
    pytorch = pt.load("compact", "random", "cpu", "float32", working=64, refine=False, iterations=2)
    clip, queries = moving_picture(6, SIZE), scattered(3, 1, SIZE)
    again = agreement(*(tracker.track(clip, queries) for tracker in (pytorch, pt.load(path))))
    assert again.pixels <= 1e-3
