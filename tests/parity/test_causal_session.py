"""A session on causal TAPIR, fed frame by frame, gives the published implementation's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from network_fixtures import filled_state
from parity_fixtures import Case, parity_dir

import pointtrack as pt

FOLDER = parity_dir() / "causal_tapir"
TOLERANCE = 2e-3  # px: twice that of the network, as positions go through pixels of the video

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the parity fixtures are not here")


def loaded(case: Case) -> pt.Tracker:
    height, width = case["video"].shape[1:3]
    tracker = pt.load(
        "causal_tapir", filled_state(FOLDER), device="cpu", resolution=(width, height)
    )
    model = tracker._runner.model  # type: ignore[attr-defined]
    model.network.resolution = tuple(case["initial_resolution"].tolist())
    model._levels = model.network.levels((height, width))
    return tracker


def test_a_session_has_the_published_numbers() -> None:
    case = Case(FOLDER / "case_stream_add.npz")
    session, queries = loaded(case).session(), case["queries"]
    found = np.full(case["tracks"].shape, np.nan)
    visible = np.zeros(case["visible"].shape, bool)
    rows: list[int] = []  # session id -> row
    for t, frame in enumerate(case["video"]):
        fresh = np.flatnonzero(queries[:, 0] == t)
        session.add(queries[fresh, 1:] - 0.5)  # raster to pixel
        rows += fresh.tolist()
        now = session.step(frame)
        found[np.array(rows)[now.ids], t] = now.xy + 0.5
        visible[np.array(rows)[now.ids], t] = now.visible
    after = np.arange(len(case["video"])) > queries[:, :1]
    assert (after & ~case["active"]).sum() == 0
    np.testing.assert_allclose(found[after], case["tracks"][after], atol=TOLERANCE)
    np.testing.assert_array_equal(visible[after], case["visible"][after])
