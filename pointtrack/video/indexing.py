"""Which frames a video file holds, and at which of them decoding may begin.

A header's frame count cannot be trusted, and decoding everything only to count is slow. So
the packets are listed first (no decoding), and the first frames and the last group of
pictures are decoded to see whether the list is honest. Only when something is wrong is
every frame decoded once.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, pairwise
from statistics import median

import av
from av.video.frame import VideoFrame

from pointtrack.video.decoding import (
    decode,
    open_container,
    packets,
    video_stream,
)
from pointtrack.video.source import DEFAULT_FPS

# Every frame of these depends on the ones before it, whatever the key-frame flags say.
_FROM_START = frozenset({"gif", "apng"})
# These may hold packets without a picture of their own.
_COUNT_BY_DECODING = _FROM_START | {"vp8"}
# AVI has no time stamps; those that FFmpeg makes up are wrong where these have B-frames.
_REORDERED = frozenset({"h264", "hevc"})
# A cut-off file of these can only be told by the duration in its header.
_STATE_DURATION = frozenset({"matroska,webm", "flv"})
_HEAD = 16  # frames at the start whose order is checked


@dataclass(frozen=True)
class Index:
    """The frames of one video stream.

    Attributes
    ----------
    count
        Number of frames, those that are lost between others included.
    lost
        How many of them cannot be decoded, as far as is known.
    promised
        How many there would be in the whole file; 0 where it does not say.
    pts
        Sorted time stamp of every frame, in units of ``time_base``, or None where the file
        has no usable ones and frames can only be counted from the start.
    keys
        Sorted time stamps of the frames at which decoding may begin; none: only the start.
    damaged
        Whether something of the file is lost.
    time_base
        Seconds of one unit of ``pts``.
    rate
        Frames per second that the header states, if it does.
    codec
        FFmpeg's name of the compression.
    """

    count: int
    lost: int
    promised: int
    pts: tuple[int, ...] | None
    keys: tuple[int, ...]
    damaged: bool
    time_base: Fraction
    rate: Fraction | None
    codec: str

    @property
    def fps(self) -> Fraction:
        """Average frames per second: the header's, unless the time stamps know better."""
        if self.pts is None or len(self.pts) < 2:
            return self.rate or DEFAULT_FPS
        span, steps = (self.pts[-1] - self.pts[0]) * self.time_base, len(self.pts) - 1
        mean = steps / span
        if self.rate and abs(steps / self.rate - span) <= self.time_base:  # but for rounding
            return self.rate
        if len({b - a for a, b in pairwise(self.pts)}) == 1:
            return mean
        if self.rate and abs(self.rate / mean - 1) < Fraction(1, 100):
            return self.rate
        return mean.limit_denominator(1000)


def build_index(url: str, name: str) -> Index:
    """List the frames of a file and check the list against what decodes."""
    listed = _list_packets(url, name)
    by_packets = listed.codec not in _COUNT_BY_DECODING and not listed.damaged
    if by_packets and _ends_agree(url, name, listed):
        return listed
    every, damaged = _decode_all(url, name, careful=listed.damaged)
    if by_packets and not damaged and len(every) < listed.count:
        every, damaged = _decode_all(url, name, careful=True)
    damaged |= listed.damaged
    stamps = [p for p in every if p is not None]
    usable = len(stamps) == len(every) and all(a < b for a, b in pairwise(stamps))
    if listed.pts is None or not stamps or not usable:
        return replace(listed, count=len(every), pts=None, keys=(), damaged=damaged)
    decodable = set(stamps)
    # A lost frame between others keeps its place; without damage it never was a picture.
    pts = [p for p in listed.pts if p in decodable or (damaged and stamps[0] < p < stamps[-1])]
    return replace(
        listed,
        count=len(pts),
        pts=tuple(pts),
        keys=tuple(k for k in listed.keys if k in decodable and listed.codec not in _FROM_START),
        damaged=damaged,
        lost=len(pts) - len(stamps),
    )


def _list_packets(url: str, name: str) -> Index:
    """List the frames of a file from its packets, without decoding any."""
    stamps: list[int | None] = []
    keys: list[int] = []
    hidden, last, damaged = 0, -1, False
    end = 0.0  # seconds, of all streams
    with open_container(url, name) as container:
        stream = video_stream(container, name)
        for packet in packets(container, *container.streams):
            if packet is None:
                damaged = True
                break
            if packet.pts is not None and packet.time_base:
                end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream_index != stream.index:
                continue
            last = packet.dts if packet.dts is not None else last
            if packet.is_keyframe and packet.size and packet.pts is not None:
                keys.append(packet.pts)
            if packet.is_discard:  # cut off by an edit list, though needed for what follows
                hidden += 1
            elif packet.size:
                damaged |= packet.is_corrupt
                stamps.append(packet.pts)
        kind, promised, codec = container.format.name, stream.frames, stream.codec_context.name
        rate = stream.average_rate or stream.guessed_rate
        time_base = stream.time_base or Fraction(1, 1)
        stated = (container.duration or 0) / av.time_base if kind in _STATE_DURATION else 0.0
    known = [p for p in stamps if p is not None]
    if kind == "avi":  # a frame that lasts for several leaves gaps in the decoding order
        hidden += max(0, last + 1 - len(stamps))
    elif stated > end and not promised and len(known) > 1:
        usual = max(1.0, median([float(b - a) for a, b in pairwise(sorted(known))]))
        missing = round((stated - end) / (usual * float(time_base)))
        promised = len(stamps) + missing if missing > 1 else 0
    usable = len(set(known)) == len(stamps) and not (kind == "avi" and codec in _REORDERED)
    return Index(
        count=len(stamps),
        lost=0,
        promised=max(promised - hidden, 0),
        pts=tuple(sorted(known)) if usable else None,
        keys=tuple(sorted(keys)),
        damaged=damaged,
        time_base=time_base,
        rate=Fraction(rate) if rate else None,
        codec=codec,
    )


def _ends_agree(url: str, name: str, listed: Index) -> bool:
    """Whether the first frames and the last group of pictures are what the packets promise."""
    if not listed.pts or not listed.keys:
        return False
    tail = listed.keys[-1]
    found: list[int] = []
    try:
        first = [frame and frame.pts for frame in islice(_decoded(url, name, None), _HEAD)]
        # Where seeking is not exact, as in MPEG-TS, it may take an earlier place.
        for key in reversed(listed.keys[-3:]):
            last = _decoded(url, name, key)
            found = [-1 if f is None or f.is_corrupt or f.pts is None else f.pts for f in last]
            if found and found[0] <= tail:
                break
    except av.error.FFmpegError:
        return False
    # In the order in which they were decoded: some files number their frames wrongly.
    found = found[bisect_left(found, tail) :]
    return first == list(listed.pts[:_HEAD]) and found == [p for p in listed.pts if p >= tail]


def _decode_all(url: str, name: str, careful: bool) -> tuple[list[int | None], bool]:
    """The time stamp of every frame that decodes, and whether any of the file is damaged."""
    stamps: list[int | None] = []
    damaged = False
    for frame in _decoded(url, name, None, careful):
        if frame is not None:
            stamps.append(frame.pts)
            damaged |= frame.is_corrupt
        elif careful:
            damaged = True
        else:
            return _decode_all(url, name, careful=True)
    return stamps, damaged


def _decoded(
    url: str, name: str, stamp: int | None, careful: bool = False
) -> Iterator[VideoFrame | None]:
    with open_container(url, name) as container:
        yield from decode(container, video_stream(container, name), stamp, careful)
