"""Videos kept as one encoded picture a frame, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

import cv2
import numpy as np

from pointtrack.errors import VideoError
from pointtrack.video.source import DEFAULT_FPS, Frame, even_times, to_rgb


class EncodedSource:
    """JPEG or PNG pictures as bytes, decoded when they are asked for."""

    def __init__(self, pictures: Sequence[bytes], name: str, fps: Fraction = DEFAULT_FPS):
        self.name = name
        self._pictures = pictures
        first = self._decode(0)
        self.size = (first.shape[1], first.shape[0])
        self.fps = fps
        self.times = even_times(len(pictures), self.fps)

    def frame(self, index: int) -> Frame:
        picture = self._decode(index)
        found = (picture.shape[1], picture.shape[0])
        if found != self.size:
            raise VideoError(
                f"{self.name}: frame {index} is {found[0]}x{found[1]}, "
                f"the first is {self.size[0]}x{self.size[1]}"
            )
        return picture

    def frames(self, wanted: range) -> Iterator[Frame]:
        return map(self.frame, wanted)

    def close(self) -> None:
        """Nothing to release."""

    def _decode(self, index: int) -> Frame:
        data = np.frombuffer(self._pictures[index], np.uint8)
        # The pixels as stored: the points were set on pictures without EXIF's rotation.
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        picture = cv2.imdecode(data, flags) if len(data) else None
        if picture is None:
            raise VideoError(f"{self.name}: frame {index} is not a picture that can be decoded")
        return to_rgb(picture[..., ::-1], self.name)
