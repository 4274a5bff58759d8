"""The first frames of a video at another frame rate, as FFmpeg's ``fps`` filter picks them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from pointtrack.errors import VideoError
from pointtrack.video.decoding import ToRGB, decode, open_container, video_stream, words
from pointtrack.video.source import even_times

_MICROSECONDS = 1_000_000


class ResampledSource:
    """Frames of a video file at a constant rate, decoded when they are asked for.

    Opening it decodes the file once, to count them.

    Parameters
    ----------
    path
        The file.
    fps
        The new rate.
    limit
        The most frames to take.
    """

    def __init__(self, path: Path, fps: int, limit: int):
        self.name = str(path)
        self._path, self._limit = path, limit
        self.fps = Fraction(fps)
        count = 0
        for frame in islice(picked_frames(path, fps), limit):
            if count == 0:
                self._to_rgb = ToRGB(frame, self.name)
            count += 1
        if count == 0:
            raise VideoError(f"{path} has no frame that can be decoded")
        self.size = self._to_rgb.size
        self.times = even_times(count, self.fps)
        self._reader: Iterator[VideoFrame] = iter(())
        self._next = -1  # frame that the reader would give

    def frame(self, index: int) -> NDArray[np.uint8]:
        if self._next < 0 or index < self._next:
            self._reader, self._next = picked_frames(self._path, int(self.fps)), 0
        for frame in self._reader:
            self._next += 1
            if self._next > index:
                return self._to_rgb(frame)
        raise VideoError(f"{self.name} ends before frame {index}, which was there before")

    def frames(self, wanted: range) -> Iterator[NDArray[np.uint8]]:
        return map(self.frame, wanted)

    def close(self) -> None:
        """Release the file."""
        self._reader, self._next = iter(()), -1


def picked_frames(path: Path, fps: int, form: str | None = None) -> Iterator[VideoFrame]:
    """Decode a file and repeat or leave out frames until there are ``fps`` a second.

    Parameters
    ----------
    path, fps
        The file and the new rate.
    form
        Bring the frames to this pixel format, with FFmpeg's own scaler.

    Raises
    ------
    VideoError
        When the file cannot be opened. What cannot be decoded is left out.
    """
    with _opened(path) as container:
        stream = video_stream(container, str(path))
        if stream.codec_context is None or not stream.codec_context.pix_fmt:
            raise VideoError(f"{path} has no frame that can be decoded")
        base = stream.time_base or Fraction(1, _MICROSECONDS)
        # As on FFmpeg's command line, time begins where the file's first stream does.
        shift = round(Fraction(container.start_time or 0, _MICROSECONDS) / base)
        graph = av.filter.Graph()
        chain = [graph.add_buffer(template=stream, time_base=base), graph.add("fps", str(fps))]
        if form is not None:
            chain += [graph.add("scale", "flags=bicubic"), graph.add("format", form)]
        graph.link_nodes(*chain, graph.add("buffersink")).configure()
        try:
            for frame in decode(container, stream, None):
                if frame is None or frame.pts is None:
                    continue
                frame.pts -= shift
                graph.push(frame)
                yield from _ready(graph)
            graph.push(None)
            yield from _ready(graph)
        except av.error.FFmpegError as problem:
            raise VideoError(f"{path} cannot be decoded: {words(problem)}") from problem


def _opened(path: Path) -> InputContainer:
    try:
        return open_container(f"file:{path}", str(path))
    except UnicodeDecodeError as problem:
        raise VideoError(f"{path} cannot be opened as a video: its notes are no text") from problem


def _ready(graph: av.filter.Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, VideoFrame)
        yield frame


def jpeg_pictures(path: Path, fps: int, limit: int) -> tuple[list[bytes], tuple[int, int]]:
    """The first frames at a rate as JPEG pictures, and their (width, height).

    They are what ``ffmpeg -i PATH -vf fps=FPS -f image2pipe`` writes by default: 4:2:0, with the
    encoder's own quality. Other versions of FFmpeg give slightly other pictures.

    Parameters
    ----------
    path, fps, limit
        As for `ResampledSource`.

    Raises
    ------
    VideoError
        When the file cannot be opened or decoded.
    """
    pictures: list[bytes] = []
    encoder: av.VideoCodecContext | None = None
    try:
        for index, frame in enumerate(islice(picked_frames(path, fps, "yuvj420p"), limit)):
            if encoder is None:
                encoder = av.VideoCodecContext.create("mjpeg", "w")
                assert encoder is not None
                encoder.width, encoder.height = frame.width, frame.height
                encoder.pix_fmt = "yuvj420p"
                encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps)
                encoder.thread_count = 1  # its rate control would depend on their number
            frame.pts, frame.time_base = index, Fraction(1, fps)
            pictures += map(bytes, encoder.encode(frame))
        if encoder is not None:
            pictures += map(bytes, encoder.encode(None))
    except av.error.FFmpegError as problem:
        raise VideoError(f"{path} cannot be encoded as JPEG: {words(problem)}") from problem
    if encoder is None or not pictures:
        raise VideoError(f"{path} has no frame that can be decoded")
    return pictures, (encoder.width, encoder.height)
