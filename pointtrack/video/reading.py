"""`open_video` and the `Video` it returns."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import VideoError
from pointtrack.video.container import ContainerSource
from pointtrack.video.decoding import ToRGB, decode, open_container, video_stream
from pointtrack.video.opencv import quiet_opencv
from pointtrack.video.pictures import (
    PICTURE_SUFFIXES,
    ArraySource,
    PictureSource,
    natural_order,
    pictures_in,
)
from pointtrack.video.source import DEFAULT_FPS, Frame, Source, frame_rate, to_rgb

_LIVE_SCHEMES = ("rtsp", "rtmp", "rtmps", "rtp", "udp", "srt", "tcp", "mms")
_BACKWARD_BYTES = 128 << 20  # frames held at once while reading backwards

_Self = TypeVar("_Self", bound="_Closing")


class _Closing:
    """Something with a ``close`` that can be used in a ``with`` block."""

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Video(_Closing):
    """A video, opened but not read: frames are decoded when they are asked for.

    Behaves like a sequence of ``(H, W, 3)`` uint8 RGB frames: ``len(video)``,
    ``video[12]``, ``video[-1]``, ``for frame in video``. A slice such as ``video[10:50:2]``
    or ``video[::-1]`` is another lazy `Video`. Memory stays the same however long it is.

    Attributes
    ----------
    name : str
        Where it comes from, for messages.
    size : tuple of int
        ``(width, height)`` in pixels.
    fps : Fraction
        Average frames per second.
    times : ndarray
        ``(T,)`` float64, seconds of every frame since the first; uneven when the video's
        frame rate varies.
    """

    def __init__(self, source: Source, indices: range | None = None):
        self._source = source
        self._indices = range(len(source.times)) if indices is None else indices
        self.name = source.name
        self.size = source.size
        self.fps = source.fps / abs(self._indices.step)

    @property
    def width(self) -> int:
        return self.size[0]

    @property
    def height(self) -> int:
        return self.size[1]

    @property
    def times(self) -> NDArray[np.float64]:
        chosen = self._source.times[np.asarray(self._indices, dtype=np.intp)]
        return np.abs(chosen - chosen[0]) if len(chosen) else chosen

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> Video: ...
    def __getitem__(self, index: int | slice) -> Frame | Video:
        if isinstance(index, slice):
            return Video(self._source, self._indices[index])
        try:
            place = self._indices[index]
        except IndexError:
            raise IndexError(
                f"{self.name} has frames 0 to {len(self) - 1}, asked for {index}"
            ) from None
        return self._source.frame(place)

    def __iter__(self) -> Iterator[Frame]:
        if self._indices.step > 0:
            yield from self._source.frames(self._indices)
            return
        # Backwards: a block is decoded forwards and handed out from its end.
        block = max(1, _BACKWARD_BYTES // (3 * self.width * self.height))
        for start in range(0, len(self._indices), block):
            part = self._indices[start : start + block][::-1]
            yield from reversed(list(self._source.frames(part)))

    def __reversed__(self) -> Iterator[Frame]:
        return iter(self[::-1])

    def to_numpy(self) -> NDArray[np.uint8]:
        """Read everything into one ``(T, H, W, 3)`` uint8 array."""
        frames = np.empty((len(self), self.height, self.width, 3), np.uint8)
        for place, frame in zip(frames, self, strict=True):
            place[...] = frame
        return frames

    def close(self) -> None:
        """Release the file. Reading again opens it again."""
        self._source.close()

    def __repr__(self) -> str:
        return (
            f"Video({self.name!r}, {len(self)} frames, {self.width}x{self.height}, "
            f"{float(self.fps):.4g} fps)"
        )


class LiveVideo(_Closing):
    """A camera or a network stream: frames come one after the other, once, without an end.

    Has `name`, `size` and `fps` like `Video`, and can be iterated over; it has no length and
    no random access. Follow points in it with a session.
    """

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        fps: Fraction,
        frames: Iterator[Frame],
        release: Callable[[], object],
    ):
        self.name, self.size, self.fps = name, size, fps
        self._frames, self._release = frames, release

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Release the camera or connection."""
        self._frames = iter(())
        self._release()


VideoLike = str | os.PathLike[str] | NDArray[Any] | Sequence[str | os.PathLike[str]] | Video


@overload
def open_video(source: int, fps: Fraction | float | None = None) -> LiveVideo: ...
@overload
def open_video(source: VideoLike, fps: Fraction | float | None = None) -> Video: ...
def open_video(source: VideoLike | int, fps: Fraction | float | None = None) -> Video | LiveVideo:
    """Open a video without reading it.

    Parameters
    ----------
    source
        A file (mp4, mov, mkv, webm, avi, gif, ...), a folder of pictures, a glob such as
        ``"frames/*.png"``, a list of picture files, an array ``(T, H, W[, C])`` of uint8 or
        uint16, an ``http(s)://`` address of a file, a camera's number, or the address of a
        live stream (``rtsp://...``). A `Video` is returned as it is.
    fps
        Frames per second to assume instead of the file's own; pictures and arrays have none
        and are taken at 25.

    Returns
    -------
    Video or LiveVideo
        A `LiveVideo` for cameras and live streams.

    Raises
    ------
    VideoError
        When nothing is there, nothing can be decoded, or pictures differ in size.
    """
    rate = None if fps is None else frame_rate(fps)
    if isinstance(source, Video):
        return source
    if isinstance(source, np.ndarray):
        return Video(ArraySource(source, rate))
    if isinstance(source, (int, np.integer)):
        return _camera(int(source), rate)
    if isinstance(source, (str, os.PathLike)):
        return _from_path(os.fspath(source), rate)
    if isinstance(source, Sequence):
        wrong = [p for p in source if not isinstance(p, (str, os.PathLike))]
        if wrong:
            raise VideoError(f"a list must hold picture files, found {type(wrong[0]).__name__}")
        if not source:
            raise VideoError("an empty list of pictures is not a video")
        paths = [Path(p) for p in source]
        return Video(PictureSource(paths, rate, f"{len(paths)} pictures from {paths[0]}"))
    raise VideoError(
        f"a video is a path, an address, an array or a camera number, found {type(source).__name__}"
    )


def open_finite(source: VideoLike) -> Video:
    """Open a video that has an end; what has none belongs to a session.

    Raises
    ------
    VideoError
        When the source is a camera or a live stream, or cannot be opened.
    """
    opened = open_video(source)
    if isinstance(opened, LiveVideo):
        opened.close()
        raise VideoError(
            f"{opened.name} is a live stream without an end; follow points in it with a session"
        )
    return opened


def _from_path(source: str, fps: Fraction | None) -> Video | LiveVideo:
    scheme, separator, _ = source.partition("://")
    if separator and scheme in _LIVE_SCHEMES:
        return _stream(source, fps)
    if separator and scheme in ("http", "https"):
        return Video(ContainerSource(source, fps))
    path = Path(source)
    if os.path.isdir(source):
        pictures = pictures_in(path)
        if not pictures:
            raise VideoError(f"the folder {path} holds no pictures")
        return Video(PictureSource(pictures, fps, source))
    there = os.path.exists(source)  # unlike Path.exists, False for an impossible name
    if not there and glob.has_magic(source):
        pictures = sorted((Path(p) for p in glob.glob(source)), key=natural_order)
        if not pictures:
            raise VideoError(f"no file matches {source}")
        return Video(PictureSource(pictures, fps, source))
    if not there:
        raise VideoError(f"there is no file {source}")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return Video(PictureSource([path], fps, source))
    if path.stat().st_size == 0:
        raise VideoError(f"{source} is empty")
    # The prefix keeps FFmpeg from reading a name such as "12:30.mp4" as a protocol.
    return Video(ContainerSource(f"file:{source}", fps, name=source))


def _camera(number: int, fps: Fraction | None) -> LiveVideo:
    capture = _capture(number)
    if not capture.isOpened():
        raise VideoError(f"there is no camera {number}")
    size = (
        int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
    )
    stated = capture.get(cv2.CAP_PROP_FPS)
    rate = fps or (Fraction(stated).limit_denominator(1000) if stated > 0 else DEFAULT_FPS)

    def frames() -> Iterator[Frame]:
        while True:
            worked, picture = capture.read()
            if not worked:
                return
            yield to_rgb(picture[..., ::-1], f"camera {number}")

    return LiveVideo(f"camera {number}", size, rate, frames(), capture.release)


def _capture(number: int) -> cv2.VideoCapture:
    """Open a camera without the warnings that OpenCV prints when there is none."""
    with quiet_opencv():
        return cv2.VideoCapture(number)


def _stream(address: str, fps: Fraction | None) -> LiveVideo:
    container = open_container(address, address)
    try:
        stream = video_stream(container, address)
        decoded = decode(container, stream, None, careful=True)
        first = next(filter(None, decoded), None)
        if first is None:
            raise VideoError(f"{address} holds no frame that can be decoded")
    except BaseException:
        container.close()
        raise
    convert = ToRGB(first, address)
    rate = fps or (Fraction(stream.average_rate) if stream.average_rate else DEFAULT_FPS)
    frames = map(convert, chain([first], filter(None, decoded)))
    return LiveVideo(address, convert.size, rate, frames, container.close)
