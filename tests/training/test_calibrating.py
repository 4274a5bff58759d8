"""From trained weights to shipped ones: what is said becomes true, and survives the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pointtrack.errors import PointtrackError, WeightsError
from pointtrack.metrics import largest_gap
from pointtrack.networks.compact import CompactConfig, CompactNetwork
from pointtrack.trackers.compact import CompactTracker
from pointtrack.training.calibrating import (
    Exact,
    Observations,
    calibrate,
    confidence_reliability,
    fit,
    generated,
    observe,
    radius_reliability,
    ship,
)
from pointtrack.training.checkpoints import write_weights
from pointtrack.video import open_video
from pointtrack.weights.calibration import Calibration, Curves
from pointtrack.weights.compact import load_compact, read_curves

SMALL = CompactConfig((8, 16, 16, 16), (1, 1, 1), channels=8, hidden=16, embedding=8, iterations=1)


def told(count: int = 40_000) -> Observations:
    """Overconfident: a stated p is right with p squared; radii are three times too small."""
    random = np.random.default_rng(0)
    stated = random.random(count).astype(np.float32)
    right = random.random(count) < stated**2
    radius = random.uniform(0.1, 6, count).astype(np.float32)
    error = 3 * radius * random.gamma(2, 1 / 1.6783, count).astype(np.float32)
    return Observations(stated, right, radius, error)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    path = tmp_path / "weights.safetensors"
    import json

    about = {"model": json.dumps(SMALL.to_dict()), "step": "7"}
    write_weights(path, CompactNetwork(SMALL).state_dict(), about)
    return path


def test_what_was_overconfident_becomes_true() -> None:
    seen = told()
    assert largest_gap(confidence_reliability(seen)) > 0.2
    assert radius_reliability(seen)["share"].max() < 0.3
    curves = fit(seen)
    mended = Observations(
        curves.confidence(seen.confidence), seen.right, curves.half(seen.radius), seen.error
    )
    assert largest_gap(confidence_reliability(mended), least=200) < 0.03
    np.testing.assert_allclose(radius_reliability(mended)["share"], 0.5, atol=0.05)


def test_the_curves_never_turn_a_likelier_answer_into_a_less_likely_one() -> None:
    curves = fit(told(3000))
    assert (np.diff(curves.confidence(np.linspace(0, 1, 200))) >= 0).all()


@given(st.floats(0, 1), st.floats(0.01, 100))
def test_without_measurement_nothing_is_changed(stated: float, radius: float) -> None:
    assert Calibration().confidence(stated) == pytest.approx(stated, abs=1e-6)
    assert Calibration().half(radius) == pytest.approx(radius, rel=1e-6)


def test_shipped_weights_track_alike_and_carry_their_curves(trained: Path, tmp_path: Path) -> None:
    curves, out = Curves(fit(told()), fit(told(4000))), tmp_path / "shipped.safetensors"
    ship(trained, curves, out)
    assert out.stat().st_size < 0.75 * trained.stat().st_size
    assert read_curves(out) == curves
    assert read_curves(trained) == Curves()
    for name, tensor in load_compact(out).state_dict().items():
        torch.testing.assert_close(
            tensor, load_compact(trained).state_dict()[name], atol=1e-3, rtol=1e-3
        )


def test_a_tracker_says_what_its_curves_say(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "shipped.safetensors"
    ship(trained, Curves(Calibration((0.0, 1.0), (0.25, 0.25), (1.0,), (7.0,))), out)
    frames = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), dtype=np.uint8)
    radii = []
    for weights in (trained, out):
        with CompactTracker(weights, working=48).session() as session:
            session.add([[10, 10], [30, 20]])
            session.step(frames[0])
            now = session.step(frames[1])
            radii.append(now.radius)
    np.testing.assert_allclose(now.confidence, 0.25)
    np.testing.assert_allclose(radii[1], 7 * radii[0], rtol=0.05)  # half precision between them


def test_both_curves_are_measured_whatever_the_file_said_before(
    trained: Path, tmp_path: Path
) -> None:
    before = tmp_path / "before.safetensors"
    ship(trained, Curves(Calibration((0.0, 1.0), (0.25, 0.25), (1.0,), (7.0,))), before)
    clips = list(generated(1, ("easy",), frames=3))
    found = [calibrate(weights, lambda: clips, 64) for weights in (trained, before)]
    for one, other in zip(*(vars(curves).values() for curves in found), strict=True):
        for name in vars(one):  # half precision between them
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0.1, atol=0.1)
    out = tmp_path / "after.safetensors"
    ship(before, found[0], out)
    tracker = CompactTracker(out, working=64)
    assert tracker.curves == found[0]
    for whole in (False, True):  # true on the clips that they were measured on
        seen = observe(tracker, clips, 64, whole)
        assert abs(seen.confidence.mean() - seen.right.mean()) < 0.02
        assert 0.4 < (seen.error <= seen.radius).mean() < 0.6


@pytest.mark.parametrize("whole", [False, True])
def test_points_are_observed_from_their_query_to_the_end(trained: Path, whole: bool) -> None:
    clips = list(generated(1, ("easy",), frames=3))
    seen = observe(CompactTracker(trained, working=64), clips, 64, whole)
    clip = clips[0]
    begins = clip.visible.argmax(1)
    after = (np.arange(3) > begins[:, None]) & clip.visible.any(1)[:, None] & clip.valid
    assert len(seen.confidence) == len(seen.right) == after.sum()
    assert len(seen.radius) == len(seen.error) == (after & clip.visible).sum()
    assert (seen.error >= 0).all()


def test_a_whole_video_is_observed_as_a_stream_where_they_are_tracked_alike(trained: Path) -> None:
    clips = list(generated(1, ("easy",), frames=4))
    tracker = CompactTracker(trained, working=64, support=False, smooth=False, together=False)
    stream, video = (observe(tracker, clips, 64, whole) for whole in (False, True))
    for live, told in zip(vars(stream).values(), vars(video).values(), strict=True):
        np.testing.assert_allclose(told, live, rtol=1e-4, atol=1e-4)


def test_no_point_to_follow_is_said(trained: Path) -> None:
    video = open_video(np.zeros((3, 32, 32, 3), np.uint8))
    hidden = np.zeros((2, 3), bool)
    clip = Exact(video, np.zeros((2, 3, 2)), hidden, ~hidden)
    with pytest.raises(PointtrackError, match="points to follow"):
        observe(CompactTracker(trained, working=32), [clip], 32)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("[", "cannot be read"),
        ('{"stated": [0.5, 0.1]}', "knots"),
        ('{"stated": [0.0, 2.0]}', "probabilities"),
        ('{"other": [1]}', "cannot be read"),
    ],
)
def test_a_broken_calibration_is_named(header: str, words: str) -> None:
    with pytest.raises(WeightsError, match=words) as caught:
        Curves.from_header({"calibration": header}, "a.safetensors")
    assert "a.safetensors" in str(caught.value)
