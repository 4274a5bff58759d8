"""Writing: what is written can be read back, and a failure leaves the earlier file."""

from __future__ import annotations

import errno
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import numbers, picture
from numpy.typing import NDArray

from pointtrack.errors import VideoError
from pointtrack.video import VideoWriter, open_video, video_writer, write_video


def _pictures(count: int = 12) -> list[NDArray[np.uint8]]:
    return [picture(i) for i in range(count)]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "m4v", "mkv", "avi", "MP4"])
@pytest.mark.parametrize("rate", [25, Fraction(30000, 1001), Fraction(24000, 1001), 12.5])
def test_frames_and_rate_come_back(tmp_path: Path, suffix: str, rate: Fraction | float) -> None:
    path = tmp_path / f"a.{suffix}"
    write_video(path, _pictures(), rate)
    video = open_video(path)
    assert numbers(video) == list(range(12))
    assert video.fps == Fraction(rate)
    assert sorted(tmp_path.iterdir()) == [path]
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")


def test_moov_lies_in_front(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", _pictures(), 25)
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("colour", [(200, 30, 60), (10, 240, 90), (30, 60, 220), (128, 128, 128)])
def test_colour_round_trip(tmp_path: Path, colour: tuple[int, ...]) -> None:
    frame = np.full((48, 64, 3), colour, np.uint8)
    write_video(tmp_path / "a.mp4", [frame] * 2, 25)
    for back in open_video(tmp_path / "a.mp4"):
        np.testing.assert_allclose(back, frame, atol=3)
    with av.open(str(tmp_path / "a.mp4")) as container:
        decoded = next(container.decode(video=0))
    assert (decoded.colorspace, decoded.color_range) == (1, 1)  # BT.709, limited


@pytest.mark.parametrize("size", [(67, 45), (64, 45), (67, 48), (1, 1)])
def test_odd_sides_are_made_even_by_repeating_the_edge(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    width, height = size
    frame = picture(5, *size)
    write_video(tmp_path / "a.mp4", [frame], 25, crf=0)
    video = open_video(tmp_path / "a.mp4")
    assert video.size == (width + width % 2, height + height % 2)
    padded = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    # Chroma is halved, so only lightness is compared pixel by pixel.
    lightness = np.abs(video[0].astype(float).mean(axis=2) - padded.mean(axis=2))
    assert lightness[-3:, -3:].max() < 12


def test_uneven_times(tmp_path: Path) -> None:
    times = [0, 0.04, 0.3, 0.31, 1.0]
    for suffix in ("mp4", "mkv"):
        with video_writer(tmp_path / f"a.{suffix}", 25) as writer:
            for i, time in enumerate(times):
                writer.write(picture(i), time)
        video = open_video(tmp_path / f"a.{suffix}")
        np.testing.assert_allclose(video.times, times, atol=6e-4)
        assert numbers(video) == list(range(5))


@pytest.mark.parametrize(
    "times", [[0, 0], [1.0, 0.5], [0, float("nan")], [-1.0], [0, float("inf")]]
)
def test_times_must_increase(tmp_path: Path, times: list[float]) -> None:
    def write() -> None:
        with video_writer(tmp_path / "a.mp4", 25) as writer:
            for time in times:
                writer.write(picture(0), time)

    with pytest.raises(VideoError, match=r"a\.mp4: .*frame [01] "):
        write()
    assert not list(tmp_path.iterdir())


def test_grey_and_rgba_frames(tmp_path: Path) -> None:
    grey = np.full((16, 16), 90, np.uint8)
    clear = np.zeros((16, 16, 4), np.uint8)
    write_video(tmp_path / "a.mp4", [grey, clear], 25)
    first, second = open_video(tmp_path / "a.mp4")
    np.testing.assert_allclose(first, 90, atol=3)
    np.testing.assert_allclose(second, 0, atol=3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.gif", r"a video ends in \.mp4"),
        ("a", r"a video ends in \.mp4"),
        ("missing/a.mp4", "the folder .*missing does not exist"),
        ("folder.mp4", "it is a folder"),
        ("file/a.mp4", "the folder .*file does not exist"),
    ],
)
def test_place_that_cannot_be_written(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(VideoError, match=words):
        write_video(tmp_path / name, _pictures(1), 25)


@pytest.mark.parametrize("fps", [0, -25, float("nan"), float("inf")])
def test_impossible_rate(tmp_path: Path, fps: float) -> None:
    with pytest.raises(VideoError, match="fps must be a positive number"):
        write_video(tmp_path / "a.mp4", _pictures(1), fps)


@pytest.mark.parametrize("crf", [-1, 52])
def test_impossible_quality(tmp_path: Path, crf: int) -> None:
    with pytest.raises(VideoError, match="crf must be 0 to 51"):
        write_video(tmp_path / "a.mp4", _pictures(1), 25, crf)


def _failing(writer: VideoWriter, error: BaseException) -> None:
    for frame in _pictures(30):
        writer.write(frame)
    raise error


@pytest.mark.parametrize("error", [RuntimeError("half-way"), KeyboardInterrupt()])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_failure_half_way_keeps_the_earlier_file(
    tmp_path: Path, error: BaseException, suffix: str
) -> None:
    path = tmp_path / f"a.{suffix}"
    write_video(path, _pictures(3), 25)
    before = path.read_bytes()
    with pytest.raises(type(error)), video_writer(path, 25) as writer:
        _failing(writer, error)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_no_frames_is_an_error_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"cannot write .*a\.mp4: there are no frames"):
        write_video(tmp_path / "a.mp4", [], 25)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_full_disk_is_one_sentence_and_keeps_the_earlier_file(tmp_path: Path, suffix: str) -> None:
    """A limit on the size of files stands for the full disk."""
    resource = pytest.importorskip("resource")
    path = tmp_path / f"a.{suffix}"
    write_video(path, _pictures(3), 25)
    before = path.read_bytes()
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (96, 128, 3), dtype=np.uint8) for _ in range(20)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(VideoError, match=rf"cannot write .*a\.{suffix}: file too large"):
            write_video(path, noise, 25)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_encoder_that_fails_is_a_video_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(code: int) -> None:
        av.error.err_check(-code)

    monkeypatch.setattr(VideoWriter, "_mux", lambda *_: make(errno.EINVAL))
    with pytest.raises(VideoError, match=r"cannot write .*a\.mp4: invalid argument"):
        write_video(tmp_path / "a.mp4", _pictures(1), 25)
    assert not list(tmp_path.iterdir())


def test_size_must_stay_the_same(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="frame 1 is 32x24, the first was 64x48"):
        write_video(tmp_path / "a.mp4", [picture(0), picture(1, 32, 24)], 25)
