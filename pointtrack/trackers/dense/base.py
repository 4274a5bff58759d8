"""What gives dense tracks, and the step from a working size to the video's pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size
from pointtrack.trackers.base import Progress
from pointtrack.video import Video

Field = NDArray[np.float32]  # h w 2
Map = NDArray[np.float32]  # h w


class DenseFrame(NamedTuple):
    """Where all pixels of the frame they are followed from are on another frame.

    Attributes
    ----------
    t
        Index of that other frame.
    xy
        ``(H, W, 2)`` in pixels of the video.
    visible
        ``(H, W)`` bool.
    confidence
        ``(H, W)`` in [0, 1].
    """

    t: int
    xy: NDArray[np.float32]
    visible: NDArray[np.bool_]
    confidence: NDArray[np.float32]


@runtime_checkable
class DenseTracker(Protocol):
    """A tracker that follows every pixel at once."""

    def dense(
        self, video: Video, frame: int, both_ways: bool = True, progress: Progress | None = None
    ) -> Iterator[DenseFrame]:
        """Follow all pixels of a frame through the video.

        Parameters
        ----------
        video
            Read as far as is needed at a time.
        frame
            Index of the frame.
        both_ways
            Also to the frames before it.
        progress
            Called with (frames done, frames in all) by work that comes before the first answer.

        Yields
        ------
        DenseFrame
            One of every other frame, in any order. A frame may be given again: the later answer
            counts.
        """
        ...


def spans(frames: int, frame: int, both_ways: bool) -> list[range]:
    """The frames to follow a frame to, by direction, nearest first; empty ones are left out."""
    ahead, back = range(frame + 1, frames), range(frame - 1, -1, -1)
    return [span for span in (ahead, back if both_ways else range(0)) if span]


def enlarged(flow: Field, size: Size) -> Field:
    """Where the video's pixels go, by a flow at a working size.

    Parameters
    ----------
    flow
        ``(h, w, 2)`` in pixels of the working size.
    size
        ``(width, height)`` of the video. The outer edges of both pictures are the same.

    Returns
    -------
    ndarray
        ``(H, W, 2)`` positions in pixels of the video; the flow is interpolated bilinearly.
    """
    height, width = flow.shape[:2]
    ratio = np.array([size[0] / width, size[1] / height], np.float32)
    xy = np.asarray(_resized(flow, size) * ratio, np.float32)
    xy[..., 0] += np.arange(size[0], dtype=np.float32)
    xy[..., 1] += np.arange(size[1], dtype=np.float32)[:, None]
    return xy


def enlarged_map(values: Map, size: Size) -> Map:
    """A map ``(h, w)`` brought to ``(H, W)``, as the flow is."""
    return _resized(values, size)


def _resized(values: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    if (values.shape[1], values.shape[0]) == size:
        return values
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)
