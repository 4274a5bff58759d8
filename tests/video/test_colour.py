"""A known colour comes back, whatever the file's sampling, depth, range and matrix."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import encode
from numpy.typing import NDArray

from pointtrack.video import open_video

# Red and blue luma weights, ITU-R BT.601, BT.709 and BT.2020.
BT601, BT709, BT2020 = (0.299, 0.114), (0.2126, 0.0722), (0.2627, 0.0593)
COLOURS = [(200, 30, 60), (10, 240, 90), (30, 60, 220), (128, 128, 128), (255, 255, 255), (0, 0, 0)]
# Codes of ITU-T H.273.
UNSPECIFIED, SPC_709, SPC_170M, SPC_470BG, SPC_2020 = 2, 1, 6, 5, 9
NO_RANGE, LIMITED, FULL = 0, 1, 2


def _yuv(rgb: tuple[int, ...], weights: tuple[float, float], full: bool, bits: int) -> list[int]:
    (r, g, b), (kr, kb) = [c / 255 for c in rgb], weights
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)
    if full:
        top = 2**bits - 1
        return [
            min(round(c * top) + o, top)
            for c, o in ((y, 0), (u, 2 ** (bits - 1)), (v, 2 ** (bits - 1)))
        ]
    step = 2 ** (bits - 8)
    return [round((16 + 219 * y) * step), *(round((128 + 224 * c) * step) for c in (u, v))]


def _frame(values: list[int], pixels: str, bits: int) -> av.VideoFrame:
    frame = av.VideoFrame(64, 48, pixels)
    kind = np.dtype(np.uint8 if bits == 8 else "<u2")
    for plane, value in zip(frame.planes, values, strict=True):
        plane.update(np.full(plane.buffer_size // kind.itemsize, value, kind).tobytes())
    return frame


def _write(
    path: Path, frames: list[av.VideoFrame], codec: str, matrix: int, colour_range: int
) -> Path:
    options = {"crf": "0"} if codec == "libx264" else {}
    if codec == "libx265":
        options = {"x265-params": "lossless=1:log-level=none"}
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, frames[0].format.name
        if matrix != UNSPECIFIED:
            stream.codec_context.colorspace = matrix
        if colour_range != NO_RANGE:
            stream.codec_context.color_range = colour_range
        for frame in frames:
            frame.colorspace, frame.color_range = matrix, colour_range
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "pixels", "bits", "matrix", "colour_range", "weights", "full"),
    [
        ("libx264", "yuv420p", 8, UNSPECIFIED, NO_RANGE, BT601, False),
        ("libx264", "yuv420p", 8, SPC_170M, LIMITED, BT601, False),
        ("libx264", "yuv420p", 8, SPC_470BG, LIMITED, BT601, False),
        ("libx264", "yuv420p", 8, SPC_709, LIMITED, BT709, False),
        ("libx264", "yuv420p", 8, SPC_709, FULL, BT709, True),
        ("libx264", "yuvj420p", 8, SPC_170M, FULL, BT601, True),
        ("libx264", "yuv444p", 8, SPC_709, LIMITED, BT709, False),
        ("libx264", "yuv420p10le", 10, UNSPECIFIED, NO_RANGE, BT601, False),
        ("libx264", "yuv420p10le", 10, SPC_709, LIMITED, BT709, False),
        ("libx265", "yuv420p10le", 10, SPC_2020, LIMITED, BT2020, False),
        ("ffv1", "yuv422p10le", 10, SPC_709, FULL, BT709, True),
        ("ffv1", "yuv420p", 8, UNSPECIFIED, NO_RANGE, BT601, False),
    ],
)
def test_colour_comes_back(
    tmp_path: Path,
    codec: str,
    pixels: str,
    bits: int,
    matrix: int,
    colour_range: int,
    weights: tuple[float, float],
    full: bool,
) -> None:
    frames = [_frame(_yuv(colour, weights, full, bits), pixels, bits) for colour in COLOURS]
    path = _write(tmp_path / "a.mkv", frames, codec, matrix, colour_range)
    for colour, frame in zip(COLOURS, open_video(path), strict=True):
        assert np.ptp(frame, axis=(0, 1)).max() <= 2
        np.testing.assert_allclose(frame.mean(axis=(0, 1)), colour, atol=3)


@pytest.mark.parametrize("matrix", [3, 8, 10, 14])
def test_matrix_that_swscale_does_not_know_is_no_error(tmp_path: Path, matrix: int) -> None:
    frames = [_frame([100, 110, 150], "yuv420p", 8)]
    path = _write(tmp_path / "a.mp4", frames, "libx264", matrix, LIMITED)
    assert open_video(path)[0].shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("codec", "colour_range", "full"),
    [("ffv1", NO_RANGE, True), ("libx264", FULL, True), ("libx264", NO_RANGE, False)],
)
def test_grey(tmp_path: Path, codec: str, colour_range: int, full: bool) -> None:
    """As FFmpeg has it: FFV1 stores grey in full range, H.264 in the range of its other video."""
    levels = np.array([16, 60, 100, 235])
    frames = [_frame([level], "gray", 8) for level in levels]
    path = _write(tmp_path / "a.mkv", frames, codec, UNSPECIFIED, colour_range)
    expected = levels if full else (levels - 16) * 255 / 219
    for level, frame in zip(expected, open_video(path), strict=True):
        np.testing.assert_allclose(frame, np.full((48, 64, 3), level), atol=1)


def _rgba(alpha: int) -> NDArray[np.uint8]:
    pixels = np.empty((48, 64, 4), np.uint8)
    pixels[:] = (200, 100, 50, alpha)
    return pixels


@pytest.mark.parametrize(("codec", "pixels"), [("qtrle", "argb"), ("png", "rgba")])
def test_alpha_is_blended_over_black(tmp_path: Path, codec: str, pixels: str) -> None:
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for alpha in (255, 128, 0):
            frame = av.VideoFrame.from_ndarray(_rgba(alpha), format="rgba")
            output.mux(stream.encode(frame.reformat(format=pixels)))
        output.mux(stream.encode(None))
    opaque, half, clear = open_video(path)
    assert np.array_equal(opaque, _rgba(255)[..., :3])
    np.testing.assert_allclose(half[0, 0], np.array([200, 100, 50]) * 128 / 255, atol=1)
    assert not clear.any()


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix"),
    [("ffv1", "bgr0", "mkv"), ("qtrle", "rgb24", "mov"), ("png", "rgb48be", "mov")],
)
def test_rgb_is_kept_to_the_last_bit(tmp_path: Path, codec: str, pixels: str, suffix: str) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (45, 67, 3), dtype=np.uint8) for _ in range(3)]
    path = encode(tmp_path / f"a.{suffix}", frames, codec, pixels)
    assert np.array_equal(open_video(path).to_numpy(), np.stack(frames))
