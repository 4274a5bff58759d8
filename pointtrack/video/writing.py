"""Writing H.264 video that common players accept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pointtrack.errors import VideoError
from pointtrack.files import PathLike, atomic_path
from pointtrack.video.decoding import words
from pointtrack.video.source import frame_rate, to_rgb

_SUFFIXES = (".mp4", ".mov", ".mkv", ".m4v", ".avi")
_TICKS = 90_000  # a second, at least: fine enough for uneven frame rates
_BT709 = 1


class VideoWriter:
    """Takes frames one by one; made by `video_writer`."""

    def __init__(self, container: OutputContainer, path: Path, fps: Fraction, crf: int):
        self._container, self._path, self._fps, self._crf = container, path, fps, crf
        # A frame takes a whole number of ticks. In AVI a tick is a frame.
        self._avi = path.suffix.lower() == ".avi"
        frame_ticks = 1 if self._avi else -(-_TICKS // fps.numerator) * fps.denominator
        self._clock = 1 / (fps * frame_ticks)
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._count = 0
        self._last = -1  # tick of the last frame

    def write(self, frame: NDArray[np.uint8], time: float | None = None) -> None:
        """Append one frame.

        Parameters
        ----------
        frame
            ``(H, W, 3)`` uint8 RGB (grey and RGBA work too), the same size every time.
        time
            Seconds since the first frame, for uneven frame rates; default: by the rate.
            An AVI file rounds them to whole frames.
        """
        picture = to_rgb(frame, str(self._path))
        height, width = picture.shape[:2]
        if self._stream is None:
            self._size = (width, height)
            self._stream = self._new_stream()
        elif (width, height) != self._size:
            raise VideoError(
                f"{self._path}: frame {self._count} is {width}x{height}, "
                f"the first was {self._size[0]}x{self._size[1]}"
            )
        if width % 2 or height % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        encoded = VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        encoded.pts, encoded.time_base = self._tick(time), self._clock
        self._mux(self._stream, encoded)
        self._count += 1

    def finish(self) -> None:
        """Flush the encoder; a file without a frame is an error."""
        if self._stream is None:
            raise VideoError(f"cannot write {self._path}: there are no frames")
        self._mux(self._stream, None)

    def _new_stream(self) -> VideoStream:
        width, height = self._size
        options = {"crf": str(self._crf), "preset": "medium"}
        if self._avi:
            options["bf"] = "0"  # AVI cannot say in which order frames are shown
        stream = self._container.add_stream("libx264", rate=self._fps, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._clock
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        return stream

    def _tick(self, time: float | None) -> int:
        if time is not None and not math.isfinite(time):
            raise VideoError(f"{self._path}: the time of frame {self._count} is {time}")
        seconds = self._count / self._fps if time is None else Fraction(time)
        tick = round(seconds / self._clock)
        if tick <= self._last:
            raise VideoError(
                f"{self._path}: frame {self._count} at {float(seconds):g} s is not after the "
                "one before it"
            )
        self._last = tick
        return tick

    def _mux(self, stream: VideoStream, frame: VideoFrame | None) -> None:
        for packet in stream.encode(frame):
            self._container.mux(packet)


def check_video_suffix(path: PathLike) -> None:
    """Raise a `VideoError` unless `video_writer` can write a file of this name."""
    if Path(path).suffix.lower() not in _SUFFIXES:
        raise VideoError(f"cannot write {path}: a video ends in {', '.join(_SUFFIXES)}")


@contextmanager
def video_writer(path: PathLike, fps: Fraction | float, crf: int = 18) -> Iterator[VideoWriter]:
    """Write frames as H.264, yuv420p, BT.709: ``with video_writer(...) as writer:``.

    Sides are made even by repeating the last row or column, so that coordinates stay what
    they are. The file appears under its name only when the block ends well.

    Parameters
    ----------
    path
        ``.mp4``, ``.mov``, ``.m4v``, ``.mkv`` or ``.avi``.
    fps
        Frames per second.
    crf
        x264's quality: 0 lossless, 18 visually so, 23 its default, 51 worst.

    Raises
    ------
    VideoError
        When the suffix is none of these, the place cannot be written, the disk is full, or
        no frame was written.
    """
    target = Path(path)
    check_video_suffix(target)
    if not 0 <= crf <= 51:
        raise VideoError(f"crf must be 0 to 51, found {crf}")
    rate = frame_rate(fps).limit_denominator(100_000)
    moov = target.suffix.lower() not in (".mkv", ".avi")
    try:
        with (
            atomic_path(target, VideoError) as temporary,
            av.open(
                f"file:{temporary}", "w", options={"movflags": "+faststart"} if moov else {}
            ) as container,
        ):
            writer = VideoWriter(container, target, rate, crf)
            yield writer
            writer.finish()
    except av.error.FFmpegError as problem:
        raise VideoError(f"cannot write {target}: {words(problem)}") from problem


def write_video(
    path: PathLike,
    frames: Iterable[NDArray[np.uint8]],
    fps: Fraction | float = 25,
    crf: int = 18,
) -> None:
    """Write frames, ``(H, W, 3)`` uint8 RGB each, as an H.264 file; see `video_writer`."""
    with video_writer(path, fps, crf) as writer:
        for frame in frames:
            writer.write(frame)
