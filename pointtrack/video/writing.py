"""Writing H.264 video that common players accept."""

from __future__ import annotations

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
from pointtrack.video.source import to_rgb

_SUFFIXES = (".mp4", ".mov", ".mkv", ".m4v", ".avi")
_CLOCK = Fraction(1, 90_000)  # fine enough for any frame rate and for uneven ones
_BT709 = 1


class VideoWriter:
    """Takes frames one by one; made by `video_writer`."""

    def __init__(self, container: OutputContainer, path: Path, fps: Fraction, crf: int):
        self._container, self._path, self._fps, self._crf = container, path, fps, crf
        self._stream: VideoStream | None = None
        self._size = (0, 0)
        self._count = 0

    def write(self, frame: NDArray[np.uint8], time: float | None = None) -> None:
        """Append one frame.

        Parameters
        ----------
        frame
            ``(H, W, 3)`` uint8 RGB (grey and RGBA work too), the same size every time.
        time
            Seconds since the first frame, for uneven frame rates; default: by the rate.
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
        seconds = Fraction(self._count) / self._fps if time is None else Fraction(time)
        encoded.pts = round(seconds / _CLOCK)
        encoded.time_base = _CLOCK
        self._mux(self._stream, encoded)
        self._count += 1

    def finish(self) -> None:
        """Flush the encoder; a file without a frame is an error."""
        if self._stream is None:
            raise VideoError(f"cannot write {self._path}: there are no frames")
        self._mux(self._stream, None)

    def _new_stream(self) -> VideoStream:
        width, height = self._size
        stream = self._container.add_stream(
            "libx264", rate=self._fps, options={"crf": str(self._crf), "preset": "medium"}
        )
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = _CLOCK
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = ColorRange.MPEG
        return stream

    def _mux(self, stream: VideoStream, frame: VideoFrame | None) -> None:
        for packet in stream.encode(frame):
            self._container.mux(packet)


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
    if target.suffix.lower() not in _SUFFIXES:
        raise VideoError(f"cannot write {target}: a video ends in {', '.join(_SUFFIXES)}")
    rate = Fraction(fps).limit_denominator(100_000)
    if rate <= 0:
        raise VideoError(f"fps must be positive, found {fps}")
    options = {"movflags": "+faststart"} if target.suffix.lower() != ".mkv" else {}
    # FFmpeg's errors are OSErrors, which `atomic_path` turns into one sentence.
    with (
        atomic_path(target, VideoError) as temporary,
        av.open(str(temporary), mode="w", options=options) as container,
    ):
        writer = VideoWriter(container, target, rate, crf)
        yield writer
        writer.finish()


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
