"""What every source of frames offers, and the pixels it must deliver."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from numbers import Rational
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import VideoError

Frame = NDArray[np.uint8]  # H W 3, RGB

DEFAULT_FPS = Fraction(25)  # for pictures and arrays, which carry no rate


class Source(Protocol):
    """A finite, ordered store of frames with random access.

    Attributes
    ----------
    name
        Where the frames come from, for messages.
    size
        ``(width, height)`` of every frame, after rotation.
    fps
        Average frames per second.
    times
        ``(T,)`` seconds of each frame since the first.
    """

    name: str
    size: tuple[int, int]
    fps: Fraction
    times: NDArray[np.float64]

    def frames(self, wanted: range) -> Iterator[Frame]:
        """Yield the wanted frames in order; ``wanted`` has a positive step."""
        ...

    def frame(self, index: int) -> Frame:
        """Return one frame; asking for the next one after it is cheap."""
        ...

    def close(self) -> None:
        """Release files and decoders."""
        ...


def frame_rate(fps: Fraction | float) -> Fraction:
    """Check and convert frames per second, or raise a `VideoError`."""
    try:
        exact = isinstance(fps, Rational)
        rate = Fraction(fps) if exact else Fraction(float(fps)).limit_denominator(100_000)
    except (TypeError, ValueError, OverflowError):
        rate = Fraction(0)
    if rate <= 0:
        raise VideoError(f"fps must be a positive number, found {fps}")
    return rate


def even_times(count: int, fps: Fraction) -> NDArray[np.float64]:
    """Seconds of ``count`` frames at a constant rate, ``(T,)``."""
    return np.arange(count, dtype=np.float64) / float(fps)


def to_rgb(pixels: NDArray[Any], name: str) -> Frame:
    """Turn one picture of any common layout into ``(H, W, 3)`` uint8 RGB.

    Accepts grey ``(H, W)`` or ``(H, W, 1)``, grey with alpha, RGB and RGBA, as 8 or 16 bit.
    Alpha is blended over black.
    """
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise VideoError(f"{name}: pixels must be uint8 or uint16, found {pixels.dtype}")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4) or 0 in pixels.shape:
        raise VideoError(
            f"{name}: a picture must be (H, W) or (H, W, C) with 1 to 4 channels, "
            f"found {pixels.shape}"
        )
    colour, alpha = pixels[..., :3], None
    if pixels.shape[2] in (2, 4):
        colour, alpha = pixels[..., :-1], pixels[..., -1:]
    if colour.shape[2] == 1:
        colour = np.repeat(colour, 3, axis=2)
    if alpha is not None:
        colour = ((colour.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
    return np.ascontiguousarray(colour, dtype=np.uint8)
