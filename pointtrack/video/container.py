"""Video files (and finite HTTP streams) through PyAV, with exact random access.

A header's frame count cannot be trusted, and decoding everything only to count is slow. So
the packets are listed first (no decoding), and the last group of pictures is decoded to
see whether the list is honest. Only when something is wrong is every frame decoded once.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pointtrack.errors import VideoError, VideoWarning
from pointtrack.video.source import DEFAULT_FPS, Frame, even_times, to_rgb

# Every frame of these depends on the ones before it, whatever the key-frame flags say.
_DECODE_FROM_START = frozenset({"gif", "apng"})


@dataclass(frozen=True)
class _Index:
    """Which frames there are.

    ``pts`` is the sorted time stamp of every frame, or None where the file has no usable
    ones and frames can only be counted from the start. ``keys`` are the time stamps of the
    frames at which decoding may begin.
    """

    count: int
    pts: tuple[int, ...] | None
    keys: tuple[int, ...]
    damaged: bool


class ContainerSource:
    """One video stream of a file, by frame index.

    Rotation metadata is applied, 10-bit and full-range material is converted to 8-bit RGB
    by its own colour tags, alpha is blended over black. Pixels that are not square are left
    as stored.
    """

    def __init__(self, url: str, fps: Fraction | None, name: str | None = None):
        self.name = name or url
        self._url = url
        with _open(url, self.name) as container:
            stream = _video_stream(container, self.name)
            promised = stream.frames
            rate = stream.average_rate or stream.guessed_rate
            time_base = stream.time_base or Fraction(1, 1)
            self._from_start = stream.codec_context.name in _DECODE_FROM_START
        self._index = self._honest(_list_packets(url, self.name))
        count = self._index.count
        if count == 0:
            raise VideoError(f"{self.name} holds no frame that can be decoded")
        if self._index.damaged or (promised and promised != count):
            promise = f"promises {promised} frames" if promised else "is damaged"
            warnings.warn(
                f"{self.name} {promise}; {count} can be decoded", VideoWarning, stacklevel=4
            )
        pts = self._index.pts
        self.fps = fps or _steady_rate(pts, time_base) or (Fraction(rate) if rate else DEFAULT_FPS)
        if fps is not None or pts is None:
            self.times = even_times(count, self.fps)
        else:
            self.times = (np.asarray(pts, np.float64) - pts[0]) * float(time_base)
        self._reader: _Reader | None = None
        first = self.frame(0)
        self.size = (first.shape[1], first.shape[0])

    def frame(self, index: int) -> Frame:
        if self._reader is None:
            self._reader = _Reader(self._url, self.name, self._index, self._from_start)
        return self._reader.read(index)

    def frames(self, wanted: range) -> Iterator[Frame]:
        # A decoder of its own, so that two iterators over one video do not disturb each other.
        reader = _Reader(self._url, self.name, self._index, self._from_start)
        try:
            for index in wanted:
                yield reader.read(index)
        finally:
            reader.close()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _honest(self, listed: _Index) -> _Index:
        """Check the packet list against the frames that decode; decode all when they differ."""
        if listed.pts is not None and not listed.damaged and not self._from_start:
            tail = listed.keys[-1]
            expected = [p for p in listed.pts if p >= tail]
            found = [f.pts for f in _decoded(self._url, self.name, tail) if f.pts is not None]
            if [p for p in sorted(found) if p >= tail] == expected:
                return listed
        every = [frame.pts for frame in _decoded(self._url, self.name, None)]
        stamps = [p for p in every if p is not None]
        usable = listed.pts is not None and len(set(stamps)) == len(every)
        keys = tuple(k for k in listed.keys if k in set(stamps)) if usable else ()
        damaged = listed.damaged or (listed.pts is not None and len(every) < listed.count)
        pts = tuple(sorted(stamps)) if usable and keys else None
        return _Index(len(every), pts, keys, damaged)


def _steady_rate(pts: tuple[int, ...] | None, time_base: Fraction) -> Fraction | None:
    """The exact rate when all frames are equally far apart, else None."""
    if pts is None or len(pts) < 2:
        return None
    step = (pts[-1] - pts[0]) // (len(pts) - 1)
    return 1 / (step * time_base) if pts == tuple(range(pts[0], pts[-1] + 1, step)) else None


class _Reader:
    """One decoder that moves forward where it can and seeks where it must."""

    def __init__(self, url: str, name: str, index: _Index, from_start: bool):
        self._url, self._name, self._index = url, name, index
        self._order = {p: i for i, p in enumerate(index.pts)} if index.pts else None
        self._from_start = from_start or index.pts is None
        self._stream: Iterator[VideoFrame] | None = None
        self._container: InputContainer | None = None
        self._next = 0  # the index that decoding delivers next, when nothing is lost
        self._held: tuple[int, VideoFrame] | None = None  # decoded last
        self._size: tuple[int, int] | None = None
        self._warned = False

    def read(self, index: int) -> Frame:
        if self._held is None or not self._reachable(index):
            self._restart(index)
        previous = self._held
        while self._held is None or self._held[0] < index:
            previous = self._held
            if not self._advance():
                break
        found = self._held if self._held is not None else previous
        if found is None:
            raise VideoError(f"{self._name}: frame {index} cannot be decoded")
        if found[0] != index:
            # A frame inside the clip is lost: its neighbour stands in, so that time stays right.
            found = previous or found
            self._warn(index)
        return self._pixels(found[1])

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = self._stream = self._held = None

    def _reachable(self, index: int) -> bool:
        assert self._held is not None
        here = self._held[0]
        if index < here:
            return False
        return self._from_start or self._key_before(index) <= self._stamp(here)

    def _stamp(self, index: int) -> int:
        assert self._index.pts is not None
        return self._index.pts[index]

    def _key_before(self, index: int, back: int = 0) -> int:
        place = bisect_right(self._index.keys, self._stamp(index)) - 1 - back
        return self._index.keys[max(place, 0)]

    def _restart(self, index: int) -> None:
        """Place the decoder so that ``index`` comes out of it intact."""
        self.close()
        if self._from_start or index == 0:
            self._begin(None)
            return
        for back in (0, 1, 3):
            self._begin(self._key_before(index, back))
            # Reading on from a wrong place, or one whose references are missing, would lie.
            if self._advance() and self._held is not None:
                here, frame = self._held
                if here <= index and not frame.is_corrupt:
                    return
            self.close()
        self._begin(None)

    def _begin(self, stamp: int | None) -> None:
        self._container = _open(self._url, self._name)
        self._stream = _decode(self._container, self._name, stamp)
        self._next = 0

    def _advance(self) -> bool:
        assert self._stream is not None
        for frame in self._stream:
            if self._order is None:
                place: int | None = self._next
            else:
                place = self._order.get(frame.pts) if frame.pts is not None else None
            if place is not None:
                self._next = place + 1
                self._held = (place, frame)
                return True
        return False

    def _warn(self, index: int) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self._name}: frame {index} cannot be decoded; the one before it stands in",
                VideoWarning,
                stacklevel=4,
            )

    def _pixels(self, frame: VideoFrame) -> Frame:
        if self._size is None:
            self._size = (frame.width, frame.height)
        return _rgb(frame, self._size, self._name)


def _rgb(frame: VideoFrame, size: tuple[int, int], name: str) -> Frame:
    alpha = any(component.is_alpha for component in frame.format.components)
    layout = "rgba" if alpha else "rgb24"
    pixels: NDArray[Any] = frame.reformat(*size, format=layout).to_ndarray()
    turns = round(frame.rotation / 90) % 4  # counter-clockwise, as np.rot90 turns
    return to_rgb(np.rot90(pixels, turns) if turns else pixels, name)


def _open(url: str, name: str) -> InputContainer:
    try:
        return av.open(url, mode="r")
    except av.error.FFmpegError as problem:
        raise VideoError(
            f"{name} cannot be opened as a video: {(problem.strerror or str(problem)).lower()}"
        ) from problem


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    if not container.streams.video:
        raise VideoError(f"{name} has no video stream")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    return stream


def _list_packets(url: str, name: str) -> _Index:
    """List the frames of a file from its packets, without decoding any."""
    stamps: list[int | None] = []
    keys: list[int] = []
    damaged = False
    with _open(url, name) as container:
        stream = _video_stream(container, name)
        try:
            for packet in container.demux(stream):
                if packet.size == 0 or packet.is_discard:
                    continue
                damaged |= packet.is_corrupt
                stamps.append(packet.pts)
                if packet.is_keyframe and packet.pts is not None:
                    keys.append(packet.pts)
        except av.error.FFmpegError:
            damaged = True
    known = [p for p in stamps if p is not None]
    usable = bool(keys) and len(set(known)) == len(stamps)
    return _Index(
        len(stamps), tuple(sorted(known)) if usable else None, tuple(sorted(keys)), damaged
    )


def _decoded(url: str, name: str, stamp: int | None) -> Iterator[VideoFrame]:
    with _open(url, name) as container:
        yield from _decode(container, name, stamp)


def _decode(container: InputContainer, name: str, stamp: int | None) -> Iterator[VideoFrame]:
    """Decode from the key frame at ``stamp`` (from the start: None), past damaged packets."""
    stream = _video_stream(container, name)
    if stamp is not None:
        container.seek(stamp, stream=stream, backward=True)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError:
            return  # the file ends in the middle of a packet
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue  # the counts tell that this one was lost
        for frame in frames:
            assert isinstance(frame, VideoFrame)
            yield frame
