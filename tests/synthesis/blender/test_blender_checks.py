from __future__ import annotations

from dataclasses import replace

import numpy as np

from pointtrack.synthesis.blender.checks import Agreement, Sample, compare
from pointtrack.synthesis.blender.passes import FrameMaps

HEIGHT, WIDTH, FRAMES = 40, 50, 3
STEP = np.array((1.5, -0.75))


def wall(t: int) -> FrameMaps:
    """A slanted wall that slides by STEP a frame, with a box before a part of it."""
    x = np.tile(np.arange(WIDTH), (HEIGHT, 1))
    depth = (1 / (0.2 - 0.001 * (x - STEP[0] * t))).astype(np.float32)
    index = np.zeros((HEIGHT, WIDTH), np.uint16)
    index[5:15, 5:15] = 2
    depth[5:15, 5:15] = 2
    none = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    flow = np.tile(STEP.astype(np.float32), (HEIGHT, WIDTH, 1))
    flow[5:15, 5:15] = 0
    return FrameMaps(depth, none, none, index, flow, -flow)


def tracks() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    start = np.random.default_rng(0).uniform((3, 6), (44, 36), (200, 2))
    xy = start[:, None] + STEP * np.arange(FRAMES)[:, None]
    depth = np.tile(1 / (0.2 - 0.001 * start[:, :1]), (1, FRAMES))
    covered = ((xy > 4.5) & (xy < 14.5)).all(2)
    queries = np.c_[np.arange(200), np.zeros(200), start]
    return xy, depth, ~covered, queries


def judge(**changes: np.ndarray) -> Agreement:
    xy, depth, visible, queries = tracks()
    values = {"xy": xy, "depth": depth, "visible": visible, "queries": queries, **changes}
    return compare([wall(t) for t in range(FRAMES)], **values, focal=50)


def test_exact_tracks_pass() -> None:
    found = judge()
    assert found.failures() == []
    assert found.query_error == 0
    assert found.flow_agreement == found.depth_agreement == found.visibility_agreement == 1
    assert found.flow_error < 1e-5
    assert min(found.flow_compared, found.depth_compared, found.visibility_compared) > 250


def test_tracks_that_drift_do_not() -> None:
    xy = tracks()[0] + 0.2 * np.arange(FRAMES)[:, None]
    assert "agree with the rendered flow" in judge(xy=xy).failures()[0]


def test_queries_that_are_not_on_their_tracks_do_not_pass() -> None:
    queries = tracks()[3]
    queries[7, 2] += 0.02
    assert judge(queries=queries).failures() == [
        "a track is 0.02 px from its query, at most 0.01 wanted"
    ]


def test_wrong_depth_does_not_pass() -> None:
    said = " ".join(judge(depth=tracks()[1] * 1.02).failures())
    assert "positions agree with the rendered depth" in said
    assert "visibilities agree" in said


def test_hidden_points_that_count_as_seen_do_not_pass() -> None:
    visible = tracks()[2]
    assert 0 < (~visible).sum() < 100
    assert "visibilities agree" in " ".join(judge(visible=visible | True).failures())


def test_a_clip_without_anything_to_compare_passes() -> None:
    none = np.zeros((0, FRAMES, 2)), np.zeros((0, FRAMES)), np.zeros((0, FRAMES), bool)
    found = compare([wall(t) for t in range(FRAMES)], *none, np.zeros((0, 4)), focal=50)
    assert found.failures() == []


def test_samples_at_outlines_and_outside_are_not_sure() -> None:
    points = np.array([(20.3, 30.7), (4.5, 10), (10, 10), (-0.2, 3), (np.nan, 1), (49, 39)])
    sample = Sample(wall(0), points, focal=50)
    assert sample.sure.tolist() == [True, False, True, False, False, True]
    assert np.isclose(sample.depth[0], 1 / (0.2 - 0.001 * 20.3))
    assert np.allclose(sample.read(wall(0).forward)[0], STEP)


def test_numbers_for_json_are_rounded() -> None:
    found = replace(judge(), flow_error=1 / 3)
    assert found.to_mapping()["flow_error"] == 0.33333
