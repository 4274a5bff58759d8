"""How networks want their pictures, and how they count pixels.

Frames go in and points come out in pixels of the video; between lies one conversion each way,
and it is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pointtrack import geometry
from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size

# What a resize leaves where it is: the picture's outer edges, or the centres of its corner
# pixels. "scaled": the pictures' edges, but points are only multiplied by the sizes, as in some
# published trackers, which moves them by up to half a pixel.
Resize = Literal["edges", "centres", "scaled"]
Points = NDArray[np.float32]


@dataclass(frozen=True)
class Convention:
    """One network's.

    Attributes
    ----------
    size
        ``(width, height)`` that frames are brought to.
    resize
        How.
    raster
        Whether the first pixel's centre is at 0.5; otherwise at 0.
    low, high
        What the values 0 and 255 become.
    """

    size: Size
    resize: Resize = "edges"
    raster: bool = False
    low: float = 0.0
    high: float = 255.0

    def prepare(self, frames: Sequence[NDArray[np.uint8]], device: torch.device) -> Tensor:
        """Frames ``(H, W, 3)`` uint8 as ``(F, 3, h, w)`` float32."""
        pictures = np.stack([self._shrunk(frame) for frame in frames])
        batch = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float()
        if batch.shape[2:] != (self.size[1], self.size[0]):
            batch = F.interpolate(
                batch,
                (self.size[1], self.size[0]),
                mode="bilinear",
                align_corners=self.resize == "centres",
            )
        scale = (self.high - self.low) / 255
        return batch if (scale, self.low) == (1, 0) else batch * scale + self.low

    def _shrunk(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Smaller pictures are means of pixels, where nothing else is prescribed."""
        smaller = self.size[0] * self.size[1] < frame.shape[1] * frame.shape[0]
        if not smaller or self.resize == "centres":
            return np.ascontiguousarray(frame)
        return np.asarray(cv2.resize(frame, self.size, interpolation=cv2.INTER_AREA), np.uint8)

    def to_network(self, xy: Points, video: Size) -> Points:
        """Positions ``(..., 2)`` in pixels of the video to the network's."""
        if self.resize == "centres":
            there = geometry.resize_points_align_corners(xy, video, self.size)
        elif self.resize == "scaled":
            there = xy * _ratio(video, self.size)
        else:
            there = geometry.resize_points(xy, video, self.size)
        return (geometry.pixel_to_raster(there) if self.raster else there).astype(np.float32)

    def to_video(self, xy: Points, video: Size) -> Points:
        """And back."""
        here = geometry.raster_to_pixel(xy) if self.raster else xy
        if self.resize == "centres":
            back = geometry.resize_points_align_corners(here, self.size, video)
        elif self.resize == "scaled":
            back = here * _ratio(self.size, video)
        else:
            back = geometry.resize_points(here, self.size, video)
        return back.astype(np.float32)


def _ratio(source: Size, target: Size) -> Points:
    return (np.asarray(target, np.float64) / np.asarray(source)).astype(np.float32)


def working_size(resolution: Sequence[int], multiple: int, least: int, what: str) -> Size:
    """Check a resolution ``(width, height)``.

    Raises
    ------
    PointtrackError
        When a side is no multiple of ``multiple``, or smaller than ``least``.
    """
    whole = len(resolution) == 2 and all(type(side) is int for side in resolution)
    if not whole or any(side % multiple or side < least for side in resolution):
        raise PointtrackError(
            f"resolution of {what} is (width, height) in multiples of {multiple} from {least} on, "
            f"found {tuple(resolution)}"
        )
    return int(resolution[0]), int(resolution[1])
