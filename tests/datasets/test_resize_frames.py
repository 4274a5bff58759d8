from __future__ import annotations

import numpy as np
import pytest

from pointtrack.datasets.frames import resize_frames
from pointtrack.errors import VideoError


def test_size_is_width_then_height() -> None:
    frames = np.zeros((3, 10, 20, 3), np.uint8)
    assert resize_frames(frames, (16, 12)).shape == (3, 12, 16, 3)


def test_frames_of_the_right_size_are_left_alone() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 12, 16, 3), dtype=np.uint8)
    assert resize_frames(frames, (16, 12)) is frames


def test_frames_are_smoothed_before_they_shrink() -> None:
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255
    smooth = resize_frames(stripes, (16, 16))[:, :, 2:-2]
    assert np.abs(smooth.astype(int) - 128).max() <= 2


@pytest.mark.parametrize(
    "frames",
    [np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4, 4), np.uint8), np.zeros((2, 4, 4, 3))],
)
def test_other_arrays_are_refused(frames: np.ndarray) -> None:
    with pytest.raises(VideoError, match="uint8"):
        resize_frames(frames)


def test_an_empty_size_is_refused() -> None:
    with pytest.raises(VideoError, match="positive"):
        resize_frames(np.zeros((1, 4, 4, 3), np.uint8), (0, 4))
