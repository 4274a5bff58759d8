"""Frames that lie in memory or as one picture file each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import VideoError
from pointtrack.files import reason
from pointtrack.video.source import DEFAULT_FPS, Frame, even_times, to_rgb

PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm", ".jp2"}
)


class ArraySource:
    """A ``(T, H, W[, C])`` array, uint8 or uint16, C = 1, 2, 3 or 4. Nothing is copied."""

    def __init__(self, array: NDArray[np.generic], fps: Fraction | None, name: str = "array"):
        if array.ndim not in (3, 4):
            raise VideoError(
                f"a video array must be (T, H, W) or (T, H, W, C), found shape {array.shape}"
            )
        if len(array) == 0:
            raise VideoError(f"the video array has no frames (shape {array.shape})")
        self.name = name
        self._array = array
        first = to_rgb(array[0], name)
        self.size = (first.shape[1], first.shape[0])
        self.fps = fps or DEFAULT_FPS
        self.times = even_times(len(array), self.fps)

    def frame(self, index: int) -> Frame:
        return to_rgb(self._array[index], self.name)

    def frames(self, wanted: range) -> Iterator[Frame]:
        return map(self.frame, wanted)

    def close(self) -> None:
        """Nothing to release."""


class PictureSource:
    """Picture files of one size, in the order given."""

    def __init__(self, paths: Sequence[Path], fps: Fraction | None, name: str):
        self.name = name
        self._paths = list(paths)
        first = read_picture(self._paths[0])
        self.size = (first.shape[1], first.shape[0])
        self.fps = fps or DEFAULT_FPS
        self.times = even_times(len(self._paths), self.fps)

    def frame(self, index: int) -> Frame:
        path = self._paths[index]
        picture = read_picture(path)
        found = (picture.shape[1], picture.shape[0])
        if found != self.size:
            raise VideoError(
                f"{path} is {found[0]}x{found[1]}, but the first picture, {self._paths[0].name}, "
                f"is {self.size[0]}x{self.size[1]}"
            )
        return picture

    def frames(self, wanted: range) -> Iterator[Frame]:
        return map(self.frame, wanted)

    def close(self) -> None:
        """Nothing to release: every picture is opened and closed as it is read."""


def natural_order(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sort key that puts ``frame_2`` before ``frame_10``."""
    parts = re.split(r"([0-9]+)", str(path))
    # Every second part is a number; the plain path decides between "1.png" and "01.png".
    return [
        (0, int(part), "") if place % 2 else (1, 0, part.lower())
        for place, part in enumerate(parts)
    ], str(path)


def pictures_in(folder: Path) -> list[Path]:
    """The picture files of a folder in natural order."""
    try:
        found = [p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES]
    except OSError as problem:
        raise VideoError(f"cannot read the folder {folder}: {reason(problem)}") from problem
    shown = (p for p in found if p.is_file() and not p.name.startswith("."))
    return sorted(shown, key=natural_order)


def read_picture(path: Path) -> Frame:
    """Read one picture file as ``(H, W, 3)`` uint8 RGB; EXIF rotation is applied to JPEG."""
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as problem:
        raise VideoError(f"cannot read {path}: {reason(problem)}") from problem
    jpeg = data[:2].tobytes() == b"\xff\xd8"
    # IMREAD_UNCHANGED keeps alpha and 16 bits but ignores EXIF; only JPEG relies on EXIF.
    flag = cv2.IMREAD_COLOR if jpeg else cv2.IMREAD_UNCHANGED
    try:
        picture = cv2.imdecode(data, flag) if len(data) else None
    except cv2.error:  # for example more pixels than OpenCV agrees to read
        picture = None
    if picture is None:
        raise VideoError(f"{path} is not a picture that can be decoded")
    if picture.ndim == 3 and picture.shape[2] >= 3:
        picture = picture[..., [2, 1, 0, *range(3, picture.shape[2])]]
    return to_rgb(picture, str(path))
