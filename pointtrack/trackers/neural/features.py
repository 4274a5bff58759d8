"""Features of a video's frames: each frame is encoded once, as long as there is room."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.video import Video

_BACKWARD_BYTES = 64 << 20  # pictures held at once while reading backwards

Maps = list[Tensor]  # each (F, ...), one entry a frame
Encode = Callable[[list[NDArray[np.uint8]]], Maps]


class FrameFeatures:
    """Hands out features of any range of frames.

    Parameters
    ----------
    video
        Read frame by frame.
    encode
        Frames ``(H, W, 3)`` to their features.
    room
        Frames whose features may be kept. When that is the whole video, no frame is ever
        encoded twice; otherwise one range is kept, and what the next one shares with it.
    chunk
        Frames encoded together.
    reach
        Frames on either side that a frame's features depend on.
    tick
        Called with a number of frames when they have been encoded.
    """

    def __init__(
        self,
        video: Video,
        encode: Encode,
        room: int,
        chunk: int,
        reach: int = 0,
        tick: Callable[[int], None] | None = None,
    ) -> None:
        self._pictures, self._encode = _Pictures(video), encode
        self._frames = len(video)
        self._chunk, self._reach, self._tick = chunk, reach, tick
        self._whole = room >= len(video)
        self._span = range(0)
        self._known = np.zeros(0, bool)
        self._maps: Maps = []
        self.encoded = 0  # frames so far, for tests

    def read(self, span: range) -> Maps:
        """Features of the frames of a range; each ``(len(span), ...)``."""
        if span.start < self._span.start or span.stop > self._span.stop:
            self._move(range(self._frames) if self._whole else span)
        for gap in self._gaps(span):
            self._fill(gap)
        first = span.start - self._span.start
        return [level[first : first + len(span)] for level in self._maps]

    def _move(self, span: range) -> None:
        """Make room for another range; what it shares with the last one stays."""
        old, known = self._span, self._known
        shared = range(max(span.start, old.start), min(span.stop, old.stop))
        self._span, self._known = span, np.zeros(len(span), bool)
        if not shared:
            self._maps = []
            return
        here = slice(shared.start - span.start, shared.stop - span.start)
        there = slice(shared.start - old.start, shared.stop - old.start)
        self._known[here] = known[there]
        for number, level in enumerate(self._maps):
            kept = level[there].clone()
            if len(level) != len(span):
                self._maps[number] = level.new_empty(len(span), *level.shape[1:])
            self._maps[number][here] = kept

    def _gaps(self, span: range) -> Iterator[range]:
        """Runs of frames that are not known yet."""
        begin = None
        for t in [*span, span.stop]:
            missing = t < span.stop and not self._known[t - self._span.start]
            if missing and begin is None:
                begin = t
            elif not missing and begin is not None:
                yield range(begin, t)
                begin = None

    def _fill(self, gap: range) -> None:
        wide = range(max(0, gap.start - self._reach), min(self._frames, gap.stop + self._reach))
        frames: list[NDArray[np.uint8]] = []
        held = wide.start  # the first of frames
        done = gap.start
        for t in wide:
            frames.append(self._pictures(t))
            last = t == wide.stop - 1
            ready = gap.stop if last else min(gap.stop, t - self._reach + 1)
            if ready > done and (last or ready - done >= self._chunk):
                self._keep(frames, held, range(done, ready))
                done = ready
                cut = max(0, done - self._reach - held)
                frames, held = frames[cut:], held + cut

    def _keep(self, frames: list[NDArray[np.uint8]], held: int, span: range) -> None:
        """Encode frames, the first of which is number ``held``, and keep those of ``span``."""
        found = self._encode(frames)
        self.encoded += len(span)
        if not self._maps:
            self._maps = [level.new_empty(len(self._span), *level.shape[1:]) for level in found]
        here = slice(span.start - self._span.start, span.stop - self._span.start)
        there = slice(span.start - held, span.stop - held)
        for level, new in zip(self._maps, found, strict=True):
            level[here] = new[there]
        self._known[here] = True
        if self._tick is not None:
            self._tick(len(span))


class _Pictures:
    """A video's frames in the order of the work, each decoded as rarely as can be."""

    def __init__(self, video: Video) -> None:
        self._video, self._last = video, -1
        self._held: dict[int, NDArray[np.uint8]] = {}
        self._block = max(1, _BACKWARD_BYTES // (3 * video.width * video.height))

    def __call__(self, t: int) -> NDArray[np.uint8]:
        if t in self._held:
            return self._held.pop(t)
        if t < self._last:
            # Backwards: what comes next lies before, and is decoded forwards.
            self._held = {i: self._video[i] for i in range(max(0, t - self._block + 1), t)}
        self._last = t
        return self._video[t]


def joined(parts: list[Maps]) -> Maps:
    """Features of some frames, and of those that follow."""
    return [torch.cat(same) for same in zip(*parts, strict=True)]
