"""Stretches of real videos, cropped: what is labelled by teachers, and how it is drawn.

By the recipe of CoTracker3 (Karaev et al., arXiv 2410.11831): frames at a random step from a
random place, cropped at the video's own resolution. Other than there, a video smaller than the
crop is enlarged, and an excerpt with a cut in it is of no use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.folder import VIDEO_SUFFIXES
from pointtrack.errors import PointtrackError
from pointtrack.files import PathLike, reason
from pointtrack.geometry import Size
from pointtrack.training.checks import interval, number, picture_size, whole
from pointtrack.training.sample import Rejected
from pointtrack.video import Video, open_finite
from pointtrack.video.pictures import natural_order, pictures_in
from pointtrack.video.source import Frame

_LISTS = (".txt", ".list")
_THUMBNAIL = (64, 48)
_BINS = 8  # a colour channel


@dataclass(frozen=True)
class ExcerptConfig:
    """How excerpts are drawn.

    Attributes
    ----------
    frames
        Least and greatest length, T. Shorter videos are played forwards and backwards.
    shortest
        Videos of fewer frames are of no use.
    step
        Greatest step between the frames of an excerpt.
    size
        (width, height) of the crop.
    cut
        How unlike two frames in a row are where a cut is, from 0 to 1 (the Bhattacharyya
        distance of their colours); 1 looks for none. Frames of two videos differ by 0.4 to 0.9,
        frames of one, three apart, by less than 0.25.

    Raises
    ------
    PointtrackError
        When a value is out of range; the message names it.
    """

    frames: tuple[int, int] = (64, 64)
    shortest: int = 8
    step: int = 3
    size: Size = (512, 384)
    cut: float = 0.4

    def __post_init__(self) -> None:
        interval("frames", self.frames, 2, integers=True)
        whole("shortest", self.shortest, 2)
        whole("step", self.step, 1)
        picture_size("size", self.size)
        number("cut", self.cut, 0, 1)
        object.__setattr__(self, "frames", tuple(self.frames))
        object.__setattr__(self, "size", tuple(self.size))


@dataclass(frozen=True)
class Excerpt:
    """Some frames of a video, resized and then cropped.

    Attributes
    ----------
    video
        Its path.
    frames
        Numbers of the frames, in any order.
    resized
        (width, height) of whole frames before cropping.
    corner
        (x, y) of the crop's top-left pixel in them.
    size
        (width, height) of the crop.
    """

    video: str
    frames: tuple[int, ...]
    resized: Size
    corner: tuple[int, int]
    size: Size

    def open(self) -> Video:
        """The excerpt as a video of its own; no frame is decoded before one is asked for."""
        return Video(_Cropped(open_finite(self.video), self))


def draw_excerpt(path: str, config: ExcerptConfig, rng: np.random.Generator) -> Excerpt:
    """Draw frames and crop.

    Raises
    ------
    Rejected
        When the video is too short.
    VideoError
        When it cannot be opened.
    """
    with open_finite(path) as video:
        total, (width, height) = len(video), video.size
    if total < config.shortest:
        raise Rejected(path, f"it has fewer than {config.shortest} frames")
    length = int(rng.integers(config.frames[0], config.frames[1] + 1))
    order = np.arange(total)
    while len(order) < length:  # there and back, each end twice
        order = np.concatenate([order, order[::-1]])
    # A step fits twice before it is taken: one more always would.
    room = min(config.step + 1, len(order) // length)
    step = int(rng.integers(1, room)) if room > 1 else 1
    start = int(rng.integers(0, len(order) - length * step + 1))
    frames = order[start : start + length * step : step]
    scale = max(1.0, config.size[0] / width, config.size[1] / height)
    resized = (
        max(round(width * scale), config.size[0]),
        max(round(height * scale), config.size[1]),
    )
    corner = (
        int(rng.integers(resized[0] - config.size[0] + 1)),
        int(rng.integers(resized[1] - config.size[1] + 1)),
    )
    return Excerpt(path, tuple(frames.tolist()), resized, corner, config.size)


def find_cut(frames: NDArray[np.uint8], limit: float) -> int | None:
    """The first of ``(T, H, W, 3)`` frames after a cut; None where there is none.

    A cut is where colours change by more than `limit` from one frame to the next; see
    `ExcerptConfig`. A dissolve is not found.
    """
    before: NDArray[np.float32] | None = None
    for t, frame in enumerate(frames):
        small = cv2.resize(frame, _THUMBNAIL, interpolation=cv2.INTER_AREA)
        colours = cv2.calcHist([small], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3)
        colours = cv2.GaussianBlur(colours.reshape(_BINS, -1), (3, 3), 0)  # no hard bins
        if before is not None and limit < 1:
            unlike = cv2.compareHist(before, colours, cv2.HISTCMP_BHATTACHARYYA)
            if unlike > limit:
                return t
        before = colours
    return None


def find_videos(places: Sequence[PathLike]) -> list[str]:
    """The videos of folders, list files, globs and single videos, by absolute path, once each.

    Parameters
    ----------
    places
        A folder stands for all videos and folders of pictures in and below it; a ``.txt`` file
        for the paths in it, one a line, relative to itself; anything else for one video, as
        `open_video` takes it, or, with ``*``, for all that fit.

    Raises
    ------
    PointtrackError
        When a place is not there or holds no video.
    """
    found: dict[str, None] = {}
    for place in places:
        here = list(_videos_of(os.fspath(place)))
        if not here:
            raise PointtrackError(f"{place} holds no video")
        found.update(dict.fromkeys(here))
    return list(found)


def _videos_of(place: str) -> Iterator[str]:
    path = Path(place).expanduser()
    if "://" in place:
        yield place
    elif path.is_dir():
        yield from map(str, _below(path.resolve()))
    elif path.suffix.lower() in _LISTS:
        yield from _listed(path)
    elif path.exists():
        yield str(path.resolve())
    elif any(letter in place for letter in "*?["):
        base = Path(path.anchor) if path.is_absolute() else Path()
        for match in sorted(base.glob(str(path.relative_to(base))), key=natural_order):
            yield from _videos_of(str(match))
    else:
        raise PointtrackError(f"there is no video, folder or list {place}")


def _below(folder: Path) -> Iterator[Path]:
    if pictures_in(folder):
        yield folder
    for path in sorted(folder.iterdir(), key=natural_order):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _below(path)
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            yield path


def _listed(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise PointtrackError(f"cannot read {path}: {reason(problem)}") from problem
    except UnicodeDecodeError as problem:
        raise PointtrackError(f"{path} is no list of videos: it is not text") from problem
    for line in lines:
        name = line.strip()
        if name and not name.startswith("#"):
            # A video of the list that is not there is one that fails, not the end of the job.
            yield name if "://" in name else str((path.parent / name).resolve())


class _Cropped:
    """The frames of an excerpt, each cropped as soon as it is decoded."""

    def __init__(self, video: Video, excerpt: Excerpt):
        self._video, self._excerpt = video, excerpt
        self.name, self.size, self.fps = video.name, excerpt.size, video.fps
        self.times = np.arange(len(excerpt.frames)) / float(video.fps)

    def frame(self, index: int) -> Frame:
        return self._crop(self._video[self._excerpt.frames[index]])

    def frames(self, wanted: range) -> Iterator[Frame]:
        numbers = [self._excerpt.frames[index] for index in wanted]
        if not numbers:
            return
        step = int(np.gcd.reduce(np.diff(sorted(set(numbers))))) if len(set(numbers)) > 1 else 1
        stretch = range(min(numbers), max(numbers) + 1, step)
        decoded = self._video[stretch.start : stretch.stop : step]
        if numbers == list(stretch):
            yield from map(self._crop, decoded)
            return
        kept = {t: self._crop(frame) for t, frame in zip(stretch, decoded, strict=True)}
        yield from (kept[t] for t in numbers)

    def close(self) -> None:
        self._video.close()

    def _crop(self, frame: Frame) -> Frame:
        if (frame.shape[1], frame.shape[0]) != self._excerpt.resized:
            frame = np.asarray(
                cv2.resize(frame, self._excerpt.resized, interpolation=cv2.INTER_CUBIC), np.uint8
            )
        (x, y), (width, height) = self._excerpt.corner, self._excerpt.size
        return np.ascontiguousarray(frame[y : y + height, x : x + width])
