"""Video files (and finite HTTP streams) through PyAV, with exact random access."""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame

from pointtrack.errors import VideoError, VideoWarning
from pointtrack.video.decoding import ToRGB, decode, open_container, video_stream
from pointtrack.video.indexing import Index, build_index
from pointtrack.video.source import Frame, even_times

_REOPENING = 8  # frames that are decoded in the time that opening and seeking take


class ContainerSource:
    """One video stream of a file, by frame index.

    Rotation metadata is applied, 10-bit and full-range material is converted to 8-bit RGB
    by its own colour tags, alpha is blended over black. Pixels that are not square are left
    as stored.
    """

    def __init__(self, url: str, fps: Fraction | None, name: str | None = None):
        self.name = name or url
        self._url = url
        self._reader: _Reader | None = None
        self._warned = False
        self._index = build_index(url, self.name)
        count, promised, pts = self._index.count, self._index.promised, self._index.pts
        if count == 0:
            raise VideoError(f"{self.name} holds no frame that can be decoded")
        whole = count - self._index.lost
        if whole < promised:
            self._warn(f"promises {promised} frames, of which {whole} can be decoded")
        elif self._index.damaged:
            self._warn(f"is damaged; {whole} frames can be decoded")
        self.fps = fps or self._index.fps
        if fps is not None or pts is None:
            self.times = even_times(count, self.fps)
        else:
            self.times = (np.asarray(pts, np.float64) - pts[0]) * float(self._index.time_base)
        self._reader = self._new_reader()
        self._to_rgb = ToRGB(self._reader.read(0), self.name)
        self.size = self._to_rgb.size

    def frame(self, index: int) -> Frame:
        if self._reader is None:
            self._reader = self._new_reader()
        return self._pixels(self._reader, index)

    def frames(self, wanted: range) -> Iterator[Frame]:
        # A decoder of its own, so that two iterators over one video do not disturb each other.
        reader = self._new_reader()
        try:
            for index in wanted:
                yield self._pixels(reader, index)
        finally:
            reader.close()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _new_reader(self) -> _Reader:
        return _Reader(self._url, self.name, self._index)

    def _pixels(self, reader: _Reader, index: int) -> Frame:
        frame = reader.read(index)
        if reader.substitute:
            self._warn(f"is damaged: frame {index} is lost, its neighbour stands in")
        elif frame.is_corrupt:
            self._warn(f"is damaged: frame {index} is only partly right")
        return self._to_rgb(frame)

    def _warn(self, what: str) -> None:
        """Say once that this video is damaged."""
        if not self._warned:
            self._warned = True
            warnings.warn(f"{self.name} {what}", VideoWarning, stacklevel=5)


class _DamagedError(Exception):
    """Something was lost that careful decoding may still give."""


class _Reader:
    """One decoder that moves forward where it can and seeks where it must."""

    def __init__(self, url: str, name: str, index: Index):
        self._url, self._name, self._index = url, name, index
        self._order = {p: i for i, p in enumerate(index.pts)} if index.pts else None
        # A key frame that an edit list hides is before the first.
        self._key_places = [bisect_left(index.pts or (), key) for key in index.keys]
        self._careful = index.damaged
        self._stream: Iterator[VideoFrame | None] | None = None
        self._container: InputContainer | None = None
        self._next = 0  # the index that decoding delivers next, where frames are only counted
        self._held: tuple[int, VideoFrame] | None = None  # decoded last
        self.substitute = False  # whether `read` gave another frame, as the wanted one is lost

    def read(self, index: int) -> VideoFrame:
        try:
            return self._read(index)
        except _DamagedError:
            self._careful = True
            self.close()
            return self._read(index)

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = self._stream = self._held = None

    def _read(self, index: int) -> VideoFrame:
        if self._held is None or not self._reachable(index):
            self._restart(index)
        previous = self._held
        while self._held is None or self._held[0] < index:
            previous = self._held
            if not self._advance():
                break
        found = self._held or previous
        if found is None:
            raise VideoError(f"{self._name}: frame {index} cannot be decoded")
        # Where a frame is lost its neighbour stands in, so that time stays right.
        self.substitute = found[0] != index
        if self.substitute and not self._careful:
            raise _DamagedError
        return (previous or found)[1] if self.substitute else found[1]

    def _reachable(self, index: int) -> bool:
        """Whether decoding on from here is no slower than seeking."""
        assert self._held is not None
        here = self._held[0]
        key = self._key(index)
        return here <= index and (key < 0 or self._key_places[key] <= here + _REOPENING)

    def _key(self, index: int) -> int:
        """Number of the last key frame up to ``index``; -1: decode from the start."""
        if self._index.pts is None:
            return -1
        return bisect_right(self._index.keys, self._index.pts[index]) - 1

    def _restart(self, index: int) -> None:
        """Place the decoder so that ``index`` comes out of it intact."""
        last = self._key(index)
        for key in (last, last - 1, last - 3) if index else ():
            if key >= 0 and self._begin(self._index.keys[key]) and self._held is not None:
                here, frame = self._held
                # A decoder that passes the key frame over, as it does where pictures are
                # refreshed bit by bit, goes on without its references.
                if here <= index and here in self._key_places and not frame.is_corrupt:
                    return
        self._begin(None)

    def _begin(self, stamp: int | None) -> bool:
        self.close()
        self._next = 0
        self._container = open_container(self._url, self._name)
        stream = video_stream(self._container, self._name)
        self._stream = decode(self._container, stream, stamp, self._careful)
        try:
            return self._advance()
        except av.error.FFmpegError:  # this place cannot be sought
            return False

    def _advance(self) -> bool:
        """Hold the next frame; False at the end, where the last one stays held."""
        assert self._stream is not None
        for frame in self._stream:
            if frame is None:
                if not self._careful:
                    raise _DamagedError
                continue
            if self._order is None:
                place: int | None = self._next
            else:
                place = self._order.get(frame.pts) if frame.pts is not None else None
            if place is not None:
                self._next = place + 1
                self._held = (place, frame)
                return True
        return False
