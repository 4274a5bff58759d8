"""Opening video files, decoding their packets and turning frames into RGB, through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from pointtrack.errors import VideoError
from pointtrack.video.source import Frame, to_rgb

_PATIENCE = 10.0  # seconds to wait for a server's next bytes

# From the matrix numbers of ITU-T H.273, which files hold, to swscale's. Untagged and exotic
# ones are read as BT.601, as FFmpeg does; swscale refuses some of them.
_MATRICES = {1: 1, 4: 4, 7: 7, 9: 9}  # BT.709, FCC, SMPTE 240M, BT.2020
_BT601, _FULL = 5, 2


def open_container(url: str, name: str) -> InputContainer:
    """Open a file or address, or raise a `VideoError` that names it."""
    try:
        patience = None if url.startswith("file:") else _PATIENCE
        return av.open(url, mode="r", timeout=patience, metadata_errors="replace")
    except av.error.FFmpegError as problem:
        raise VideoError(f"{name} cannot be opened as a video: {words(problem)}") from problem


def words(problem: av.error.FFmpegError) -> str:
    """FFmpeg's own words for a problem."""
    return (problem.strerror or str(problem)).lower()


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The first stream of moving pictures; the cover picture of a song is none."""
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            continue
        if stream.codec_context is None:
            raise VideoError(f"{name} holds a kind of video that FFmpeg has no decoder for")
        return stream
    raise VideoError(f"{name} has no video stream")


def packets(container: InputContainer, *streams: Stream) -> Iterator[Packet | None]:
    """Every packet, an empty one at the end; None where the file breaks off within a packet."""
    try:
        yield from container.demux(*streams)
    except av.error.FFmpegError:
        yield None


def decode(
    container: InputContainer, stream: VideoStream, stamp: int | None, careful: bool = False
) -> Iterator[VideoFrame | None]:
    """Decode from the key frame at ``stamp`` (None: where the container stands).

    What is shown before the key frame at which decoding begins is left out: its references
    are missing.

    None stands for a packet that cannot be decoded. With ``careful`` frames are decoded one
    at a time: a decoder that works on several at once loses more of them, and may not say so.
    """
    stream.thread_type = "SLICE" if careful else "AUTO"
    if stamp is not None:
        container.seek(stamp, stream=stream, backward=True)
    entry: int | None = None
    for packet in packets(container, stream):
        if stamp is not None and entry is None and packet is not None and packet.size:
            if not packet.is_keyframe or packet.pts is None:
                continue
            entry = packet.pts
        try:
            frames = stream.decode(packet)  # None makes the decoder hand out what it holds
        except av.error.FFmpegError:
            yield None
            continue
        for frame in frames:
            if entry is None or frame.pts is None or frame.pts >= entry:
                yield frame


class ToRGB:
    """Turns the decoded frames of one video into ``(H, W, 3)`` uint8 RGB.

    Colour tags, alpha and the display matrix are applied. A frame of another size than the
    first is scaled to it.
    """

    def __init__(self, first: VideoFrame, name: str):
        self._name = name
        self._coded = (first.width, first.height)
        # Looked up once: a frame that was asked for its side data lives until a collection.
        matrix = first.side_data.get("DISPLAYMATRIX")
        unturned = np.array([1, 0, 0, 0, 1], np.int32)
        terms = np.frombuffer(bytes(matrix), np.int32) if isinstance(matrix, Buffer) else unturned
        # x' = a x + c y, y' = b x + d y; the third column holds the perspective.
        a, b, _, c, d = terms[:5].tolist()
        self._transposed = abs(b) > abs(a)
        flip_x, flip_y = (c < 0, b < 0) if self._transposed else (a < 0, d < 0)
        self._order = (
            slice(None, None, -1 if flip_y else 1),
            slice(None, None, -1 if flip_x else 1),
        )

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` of the pictures."""
        width, height = self._coded
        return (height, width) if self._transposed else (width, height)

    def __call__(self, frame: VideoFrame) -> Frame:
        alpha = frame.format.has_palette or any(part.is_alpha for part in frame.format.components)
        matrix = _MATRICES.get(frame.colorspace, _BT601)
        converted = frame.reformat(
            *self._coded,
            format="rgba" if alpha else "rgb24",
            src_colorspace=matrix,
            dst_colorspace=_BT601,
            src_color_range=frame.color_range,
            dst_color_range=_FULL,
        )
        pixels: NDArray[Any] = converted.to_ndarray()
        if self._transposed:
            pixels = pixels.swapaxes(0, 1)
        return to_rgb(pixels[self._order], self._name)
