"""The benchmark protocol's way from a video's frames to those a model is given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import VideoError, require
from pointtrack.geometry import Size


def resize_frames(frames: NDArray[np.uint8], size: Size = (256, 256)) -> NDArray[np.uint8]:
    """Resize every frame as TAP-Vid's reader does: Pillow's Lanczos filter on 8-bit colours.

    The aspect ratio is not kept. Frames that already have the size are returned as they are.

    Parameters
    ----------
    frames
        ``(T, H, W, 3)`` uint8 RGB.
    size
        ``(width, height)``.

    Returns
    -------
    ndarray
        ``(T, height, width, 3)`` uint8.

    Raises
    ------
    VideoError
        When ``frames`` has another shape or type, or the size is not positive.
    PointtrackError
        When Pillow is not installed.
    """
    video = np.asarray(frames)
    if video.ndim != 4 or video.shape[-1] != 3 or video.dtype != np.uint8:
        raise VideoError(
            f"frames must be uint8 of shape (T, H, W, 3), found {video.dtype} {video.shape}"
        )
    width, height = size
    if width < 1 or height < 1:
        raise VideoError(f"size must be a positive (width, height), found {size}")
    if video.shape[1:3] == (height, width):
        return video
    image = require("PIL.Image", "evaluate")
    resized = np.empty((len(video), height, width, 3), np.uint8)
    for index, frame in enumerate(video):
        picture = image.fromarray(np.ascontiguousarray(frame))
        resized[index] = np.asarray(picture.resize((width, height), image.Resampling.LANCZOS))
    return resized
