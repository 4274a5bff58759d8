"""The there-and-back benchmark: what it counts, by trackers whose way is known."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import pointtrack as pt

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FRAMES = np.zeros((5, 48, 64, 3), np.uint8)


@pytest.fixture
def round_trip(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import round_trip as module

    return module


class Drifting:
    """Moves every point by so much a frame, whichever way the frames run; hides some at the end."""

    def __init__(self, drift: float, hidden: int = 0) -> None:
        self._drift, self._hidden = drift, hidden

    def track(self, frames: np.ndarray, queries: object) -> pt.Tracks:
        tracks = pt.load("static").track(frames, queries)
        xy, visible = tracks.xy.copy(), tracks.visible.copy()
        xy[..., 0] += self._drift * np.arange(len(frames))
        visible[: self._hidden, -1] = False
        return pt.Tracks(xy, visible, tracks.confidence, tracks.size, tracks.fps)


def test_points_that_rest_come_back(round_trip: ModuleType) -> None:
    trip = round_trip.round_trip(pt.load("static"), FRAMES, 4)
    assert trip[:3] == (100, 100, 100)


@pytest.mark.parametrize(("drift", "returned"), [(0.12, 100), (0.13, 0)])
def test_four_pixels_are_meant_at_a_width_of_256(round_trip, drift, returned) -> None:
    # Eight steps of the drift, four times as long at a width of 256.
    assert round_trip.round_trip(Drifting(drift), FRAMES, 4).returned == returned


def test_only_points_visible_at_the_end_are_followed_back(round_trip: ModuleType) -> None:
    trip = round_trip.round_trip(Drifting(0, hidden=4), FRAMES, 4)
    assert trip[:3] == (75, 100, 75)


def test_no_visible_point_is_no_share_at_all(round_trip: ModuleType) -> None:
    trip = round_trip.round_trip(Drifting(0, hidden=16), FRAMES, 4)
    assert trip.visible == trip.of_all == 0
    assert np.isnan(trip.returned)


def test_frames_are_thinned_out_before_they_are_counted(round_trip, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with pt.video_writer(path, 25) as writer:
        for t in range(9):
            writer.write(np.full((32, 32, 3), 20 * t, np.uint8))
    means = round_trip.load(path, 3, 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(means, [0, 60], atol=4)
    assert len(round_trip.load(path, 4, 0)) == 3
