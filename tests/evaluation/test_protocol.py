from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from miniature_sets import Recorder, moved, save, still
from numpy.testing import assert_allclose

from pointtrack.datasets import Clip
from pointtrack.datasets.tapvid import read_example
from pointtrack.errors import PointtrackError
from pointtrack.evaluation import Protocol, evaluate
from pointtrack.evaluation.scoring import score
from pointtrack.geometry import normalised_to_pixel
from pointtrack.video import open_video

FIXTURES = Path(
    os.environ.get(
        "POINTTRACK_PARITY_DIR", Path(__file__).resolve().parents[3] / "shared" / "parity"
    )
)


@pytest.mark.parametrize(
    ("name", "size"), [("tapvid", (256, 256)), ("cotracker", (256, 256)), ("practical", (96, 64))]
)
def test_frames_a_tracker_is_given(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    tracker = Recorder()
    path = save([still([[30.0, 20.0]], size=(96, 64))], tmp_path / "set.pkl")
    evaluate(tracker, path, Protocol.named(name))
    assert tracker.calls[0][0] == size


def test_places_a_tracker_is_asked_at(tmp_path: Path) -> None:
    # The picture's corners, its middle, and the centre of the top-left pixel.
    corners = still([[0, 0], [96, 64], [48, 32], [0.5, 0.5]], size=(96, 64))
    path = save([corners], tmp_path / "set.pkl")
    asked = {}
    for name in ("tapvid", "cotracker", "practical"):
        tracker = Recorder()
        evaluate(tracker, path, Protocol.named(name))
        asked[name] = tracker.calls[0][1].xy
    assert_allclose(asked["tapvid"][:3], [[-0.5, -0.5], [255.5, 255.5], [127.5, 127.5]])
    assert_allclose(asked["cotracker"][:3], [[0, 0], [255, 255], [127.5, 127.5]])
    assert_allclose(asked["practical"], [[-0.5, -0.5], [95.5, 63.5], [47.5, 31.5], [0, 0]])


def test_cotracker_distances_are_those_of_a_picture_one_pixel_smaller(tmp_path: Path) -> None:
    path = save([moved(still([[40.0, 60.0]]), (4, 0))], tmp_path / "set.pkl")
    tapvid = evaluate("static", path, Protocol.named("tapvid")).mean
    cotracker = evaluate("static", path, Protocol.named("cotracker")).mean
    assert tapvid["pts_within_4"] == 0  # 4 px: not nearer than 4
    assert cotracker["pts_within_4"] == 1  # 4 * 255 / 256 px
    assert cotracker["pts_within_2"] == tapvid["pts_within_2"] == 0


def test_annotated_points_outside_are_asked_for_at_the_edge(tmp_path: Path) -> None:
    tracker = Recorder()
    path = save([still([[-1.0, 100.0], [257.5, 256.0]])], tmp_path / "set.pkl")
    found = evaluate(tracker, path)
    assert tracker.calls[0][1].xy.tolist() == [[-0.5, 99.5], [255.5, 255.5]]
    assert found.mean["pts_within_1"] == 0
    assert found.mean["pts_within_2"] == 1


def test_resized_frames_are_those_of_the_benchmark() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    seen = Protocol(input_size=(15, 10)).frames_seen(open_video(pixels))
    from PIL import Image

    wanted = Image.fromarray(pixels[1]).resize((15, 10), Image.Resampling.LANCZOS)
    assert np.array_equal(seen[1], np.asarray(wanted))


def test_description_names_all_that_matters() -> None:
    text = Protocol.named("cotracker", "strided", single=True).describe()
    for part in ("cotracker", "strided (every 5)", "one at a time", "256x256", "255", "1 2 4 8 16"):
        assert part in text
    assert "native" in Protocol.named("practical").describe()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"query_mode": "last"}, "query_mode must be one of first, strided, given, found 'last'"),
        ({"convention": "pixel"}, "convention must be one of raster"),
        ({"input_size": (0, 256)}, "input_size"),
        ({"stride": 0}, "must be positive"),
        ({"thresholds": ()}, "must be positive"),
    ],
)
def test_nonsense_is_refused(fields: dict, words: str) -> None:
    with pytest.raises(PointtrackError, match=words):
        Protocol(**fields)


def test_unknown_protocol_is_refused() -> None:
    with pytest.raises(PointtrackError, match="there are: tapvid, cotracker, practical"):
        Protocol.named("davis")


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_numbers_are_tapnets(mode: str) -> None:
    file = FIXTURES / "metrics_tapvid" / f"case_{mode}.npz"
    if not file.exists():
        pytest.skip("the fixtures of the published evaluator are not here")
    case = np.load(file)
    points, occluded = case["in_points"], case["in_occluded"]
    video = np.zeros((points.shape[1], 60, 90, 3), np.uint8)
    clip = read_example({"video": video, "points": points, "occluded": occluded}, "a", "here")
    rules = Protocol(query_mode=mode)  # type: ignore[arg-type]
    task = rules.task(clip)
    assert_allclose(task.query_points, case["out_query_points"][0], rtol=1e-9)
    assert_allclose(task.xy, case["out_target_points"][0], rtol=1e-9)
    pixels = case["pred_tracks"][0].astype(np.float64) - 0.5
    shown = ~case["pred_occluded"][0]
    judged = rules.judged(pixels, (256, 256))
    metrics = score(task, judged, shown, shown.astype(np.float32), rules).metrics
    for name in (n for n in case.files if n.startswith("out_metric_")):
        assert_allclose(metrics[name.removeprefix("out_metric_")], case[name][0], rtol=1e-9)


@pytest.mark.parametrize("mode", ["first", "strided"])
def test_numbers_are_cotrackers(mode: str) -> None:
    file = FIXTURES / "metrics_tapvid" / "case_cotracker_coords.npz"
    if not file.exists():
        pytest.skip("the fixtures of the published evaluator are not here")
    case = np.load(file)
    size, points = (256, 256), case["in_points"].astype(np.float64)
    frames = open_video(np.zeros((points.shape[1], 256, 256, 3), np.uint8))
    clip = Clip("a", frames, normalised_to_pixel(points, size), ~case["in_occluded"])
    rules = Protocol.named("cotracker", mode)
    task = rules.task(clip)
    # CoTracker's pixels are ours; the fixture's columns are (t, y, x).
    asked = case[f"{mode}_query_points"][0][:, [0, 2, 1]]
    assert_allclose(task.queries.txy, asked, rtol=1e-6, atol=1e-5)
    answer = rules.judged(case[f"{mode}_pred_tracks"][0], size)
    visible = case[f"{mode}_pred_visibility"][0] > 0.6
    metrics = score(task, answer, visible, visible.astype(np.float32), rules).metrics
    for name in (n for n in case.files if n.startswith(f"out_{mode}_")):
        assert_allclose(metrics[name.removeprefix(f"out_{mode}_")], case[name][0], atol=1e-4)
