from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from pointtrack.errors import PointtrackError
from pointtrack.tracks import Tracks
from pointtrack.view import (
    plot_accuracy_over_occlusion,
    plot_accuracy_over_threshold,
    plot_accuracy_over_time,
    plot_reliability,
    plot_speed_accuracy,
    plot_tracks,
)
from pointtrack.view.figures import spread

HEADS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
STATED = {
    "confidence": np.array([0.04, 0.17, np.nan, 0.92]),
    "share": np.array([0.1, 0.2, np.nan, 0.85]),
    "frames": np.array([40, 10, 0, 200]),
}
GROUPS = {
    "lower": [0, 1, 4],
    "upper": [1, 4, np.inf],
    "frames": [9000, 120, 0],
    "average_pts_within_thresh": [0.9, 0.5, np.nan],
}


def some_tracks(count=12, frames=30) -> Tracks:
    rng = np.random.default_rng(0)
    xy = np.cumsum(rng.normal(0, 2, (count, frames, 2)), axis=1) + rng.uniform(
        20, 200, (count, 1, 2)
    )
    xy[0, 10:15] = np.nan
    xy[1] = np.nan
    visible = rng.random((count, frames)) > 0.2
    return Tracks(xy, visible, rng.random((count, frames)), size=(320, 240), start=3)


def threshold_results():
    return {name: {"thresholds": [1, 2, 4, 8, 16], "accuracy": np.linspace(low, 0.9, 5)}
            for name, low in (("tapir", 0.3), ("klt", 0.1))}  # fmt: skip


PLOTS = {
    "tracks": lambda path: plot_tracks(some_tracks(), path),
    "threshold": lambda path: plot_accuracy_over_threshold(threshold_results(), path),
    "time": lambda path: plot_accuracy_over_time({"klt": GROUPS}, path),
    "occlusion": lambda path: plot_accuracy_over_occlusion({"klt": GROUPS}, path),
    "reliability": lambda path: plot_reliability({"klt": STATED}, path),
    "speed": lambda path: plot_speed_accuracy(
        {"a": {"fps": 3, "average_jaccard": 0.6}, "b": {"fps": 900, "average_jaccard": 0.4}}, path
    ),
}


def text_of(path) -> str:
    """The words of an SVG, which matplotlib leaves as comments beside their outlines."""
    return path.read_text()


@pytest.mark.parametrize("suffix", HEADS)
@pytest.mark.parametrize("plot", PLOTS)
def test_each_plot_is_written_in_each_format(tmp_path, plot, suffix):
    path = tmp_path / f"plot{suffix}"
    PLOTS[plot](path)
    data = path.read_bytes()
    assert data.startswith(HEADS[suffix])
    assert len(data) > 4000
    if suffix == ".png":
        picture = cv2.imread(str(path))
        assert picture.shape[1] > 800
        assert picture.std() > 5
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("plot", PLOTS)
def test_other_suffixes_are_errors(tmp_path, plot):
    with pytest.raises(PointtrackError, match=r"\.png, \.svg, \.pdf"):
        PLOTS[plot](tmp_path / "plot.bmp")


def test_pyplot_is_not_touched(tmp_path):
    sys.modules.pop("matplotlib.pyplot", None)
    PLOTS["tracks"](tmp_path / "plot.png")
    PLOTS["speed"](tmp_path / "plot2.png")
    assert "matplotlib.pyplot" not in sys.modules


def test_the_same_plot_twice_is_the_same_file(tmp_path):
    for name in ("a.png", "b.png"):
        PLOTS["threshold"](tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PointtrackError, match=r"pointtrack\[view\]"):
        PLOTS["speed"](tmp_path / "plot.png")


# -- tracks --------------------------------------------------------------------------------


def test_by_default_eight_points_with_a_position_are_plotted(tmp_path):
    path = tmp_path / "plot.svg"
    plot_tracks(some_tracks(), path)
    assert "8 of 12 points" in text_of(path)
    assert "<!-- 1 -->" not in text_of(path)  # the point that is nowhere


def test_points_are_chosen_by_name_and_index(tmp_path):
    tracks = some_tracks(3)
    named = Tracks(tracks.xy, tracks.visible, names=("nose", "$tail$", "ear"))
    plot_tracks(named, tmp_path / "a.svg", ["ear", "$tail$"])
    assert "<!-- ear -->" in text_of(tmp_path / "a.svg")
    assert "$tail$" in text_of(tmp_path / "a.svg")
    assert "nose" not in text_of(tmp_path / "a.svg")
    plot_tracks(named, tmp_path / "b.svg", [0], colour="identity")
    assert "<!-- nose -->" in text_of(tmp_path / "b.svg")
    with pytest.raises(PointtrackError, match="paw"):
        plot_tracks(named, tmp_path / "c.svg", ["paw"])


def test_one_frame_and_one_point_can_be_plotted(tmp_path):
    tracks = Tracks(np.array([[[3.0, 4.0]]]), np.array([[True]]))
    plot_tracks(tracks, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 4000


def test_nothing_to_plot_is_an_error(tmp_path):
    nowhere = Tracks(np.full((2, 4, 2), np.nan), np.zeros((2, 4), bool))
    with pytest.raises(PointtrackError, match="no tracks"):
        plot_tracks(nowhere, tmp_path / "plot.png")
    with pytest.raises(PointtrackError, match="confidence"):
        plot_tracks(some_tracks(), tmp_path / "plot.png", colour="confidence")


# -- evaluation ----------------------------------------------------------------------------


def test_every_tracker_is_named_and_numbers_are_percent(tmp_path):
    PLOTS["threshold"](tmp_path / "plot.svg")
    text = text_of(tmp_path / "plot.svg")
    assert "<!-- tapir -->" in text
    assert "<!-- klt -->" in text
    assert "<!-- 80 -->" in text
    assert "<!-- 16 -->" in text


def test_groups_are_labelled_with_their_edges_and_counts(tmp_path):
    PLOTS["occlusion"](tmp_path / "plot.svg")
    text = text_of(tmp_path / "plot.svg")
    for word in ("none", "1–3", "4+", "9k", "120"):
        assert f"<!-- {word} -->" in text


def test_many_trackers_and_many_thresholds(tmp_path):
    at = np.linspace(0.5, 32, 64)
    results = {
        f"tracker {i}": {"thresholds": at, "accuracy": 1 - np.exp(-at / (i + 1))} for i in range(12)
    }
    plot_accuracy_over_threshold(results, tmp_path / "plot.svg")
    assert "<!-- tracker 11 -->" in text_of(tmp_path / "plot.svg")


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ({}, "no results"),
        ({"klt": {"thresholds": [1, 2]}}, "klt.*accuracy"),
        ({"klt": {"thresholds": [1, 2], "accuracy": [0.5]}}, "klt.*as many"),
        ({"klt": {"thresholds": [2, 1], "accuracy": [0.5, 0.5]}}, "klt.*increasing"),
        ({"klt": {"thresholds": [1, 2], "accuracy": [50, 60]}}, "klt.*within 0 and 1"),
        ({"klt": {"thresholds": 1, "accuracy": 0.5}}, "klt.*list"),
    ],
)
def test_wrong_curves_are_named(tmp_path, results, words):
    with pytest.raises(PointtrackError, match=words):
        plot_accuracy_over_threshold(results, tmp_path / "plot.png")


def test_trackers_over_different_frames_do_not_compare(tmp_path):
    other = {**GROUPS, "frames": [9000, 121, 0]}
    with pytest.raises(PointtrackError, match="tapir and klt differ in 'frames'"):
        plot_accuracy_over_time({"klt": GROUPS, "tapir": other}, tmp_path / "plot.png")
    with pytest.raises(PointtrackError, match="has 2 groups, not 3"):
        plot_accuracy_over_time({"klt": {**GROUPS, "lower": [0, 1]}}, tmp_path / "plot.png")


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"fps": 0, "average_jaccard": 0.5}, "positive"),
        ({"fps": 10}, "average_jaccard"),
        ({"fps": float("nan"), "average_jaccard": 0.5}, "number"),
        ({"fps": 10, "average_jaccard": 50.0}, "within 0 and 1"),
    ],
)
def test_wrong_speeds_are_named(tmp_path, numbers, words):
    with pytest.raises(PointtrackError, match=words):
        plot_speed_accuracy({"klt": numbers}, tmp_path / "plot.png")


# -- labels --------------------------------------------------------------------------------


def test_spread_moves_labels_apart_as_little_as_possible():
    np.testing.assert_allclose(spread(np.array([0.0, 10.0, 20.0]), 5), [0, 10, 20])
    np.testing.assert_allclose(spread(np.array([4.0, 4.0]), 2), [3, 5])
    np.testing.assert_allclose(spread(np.array([5.0, 0.0, 5.0, 5.0]), 2), [3, 0, 5, 7])


def test_spread_never_leaves_a_pair_too_close():
    rng = np.random.default_rng(0)
    for _ in range(50):
        places = rng.uniform(0, 20, rng.integers(1, 15))
        moved = spread(places, 2.0)
        assert np.diff(np.sort(moved)).min(initial=np.inf) >= 2 - 1e-9
        assert (np.argsort(moved) == np.argsort(places, kind="stable")).all()
