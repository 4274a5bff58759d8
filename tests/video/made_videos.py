"""Small videos made on the spot: every frame carries its number as eight light or dark blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

CLOSED = "keyint=12:bframes=3:scenecut=0"
OPEN = "keyint=12:bframes=3:scenecut=0:open-gop=1"


def picture(number: int, width: int = 64, height: int = 48) -> Picture:
    """A coloured pattern that moves, with ``number`` in its upper quarter."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack(
        [40 + (2 * x + 5 * number) % 160, 60 + 3 * y % 120, np.full_like(x, 100)], axis=-1
    )
    for bit in range(8):
        block = slice(bit * width // 8, (bit + 1) * width // 8)
        pixels[: height // 4, block] = 235 if number >> bit & 1 else 16
    return pixels.astype(np.uint8)


def number(frame: Picture) -> int:
    """The number that `picture` wrote into a frame."""
    height, width, _ = frame.shape
    places = [(bit * width // 8 + width // 16) for bit in range(8)]
    return sum((int(frame[height // 8, x].mean()) > 128) << bit for bit, x in enumerate(places))


def numbers(frames: Iterable[Picture]) -> list[int]:
    return [number(frame) for frame in frames]


def encode(
    path: Path,
    frames: Sequence[Picture],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: Any = 25,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """Write frames at an even rate with any codec and container that FFmpeg has."""
    with av.open(str(path), "w", options=container or {}) as output:
        stream = output.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode(None))
    return path


def clip(path: Path, count: int = 40, **how: Any) -> Path:
    """Write ``count`` numbered pictures; H.264 with B-frames unless told otherwise."""
    how.setdefault("codec", "libx264")
    if how["codec"] == "libx264":
        how.setdefault("options", {"x264-params": CLOSED})
    return encode(path, [picture(i) for i in range(count)], **how)
