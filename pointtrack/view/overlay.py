"""Overlays: tracks drawn on their video."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.files import PathLike
from pointtrack.geometry import Size, resize_points
from pointtrack.tracks import Tracks
from pointtrack.video import Video, VideoLike, open_finite, video_writer
from pointtrack.view.ink import Ink
from pointtrack.view.style import Style, point_colours

Frame = NDArray[np.uint8]  # H W 3, RGB
Progress = Callable[[int, int], object]

_STEPS = 12  # a trail fades and thins in this many steps
_RIM = (18, 18, 24)
_UNIT = 1 / 1000  # sizes are given in thousandths of the picture's diagonal
_RADIUS, _RIM_WIDTH, _TRAIL_WIDTH, _RING_WIDTH = 3.7, 0.8, 1.8, 1.4
_LEAST_RADIUS = 2.1  # pixels of the output; smaller is not seen
_LEAST_RING = 2.8  # smaller is not seen to be hollow
_CROWDED = 0.26  # a disc's radius is at most this share of the distance between points


def draw(
    video: VideoLike,
    tracks: Tracks,
    path: PathLike,
    *,
    style: Style | None = None,
    crf: int = 18,
    progress: Progress | None = None,
) -> None:
    """Write the video with its tracks drawn on it.

    Visible points are discs with a dark rim, occluded ones hollow rings, and a trail that
    fades out follows each. Every frame of the video is written, at its own time; those
    outside ``tracks.frames`` carry no tracks. Frames are read, drawn and written one by one.

    Parameters
    ----------
    video
        The video the tracks belong to; whatever `open_video` takes.
    tracks
        Positions in pixels of the video, centre of the top-left pixel at ``(0, 0)``.
    path
        ``.mp4``, ``.mov``, ``.m4v``, ``.mkv`` or ``.avi``. It appears, or replaces an
        earlier file, only when all is written.
    style
        Colours, trails and the like; default: ``Style()``.
    crf
        Quality of the video: 0 lossless, 18 visually so, 51 worst.
    progress
        Called as ``progress(done, total)`` after each frame.

    Raises
    ------
    PointtrackError
        When tracks and video differ in size, or the tracks go on after the video's end.
    VideoError
        When the video cannot be read or the file cannot be written.
    """
    opened = open_finite(video)
    frames = overlay_frames(opened, tracks, style)  # checks before the file is begun
    times = opened.times
    with video_writer(path, opened.fps, crf) as writer:
        for index, frame in enumerate(frames):
            writer.write(frame, time=float(times[index]))
            if progress is not None:
                progress(index + 1, len(opened))


def overlay_frames(video: VideoLike, tracks: Tracks, style: Style | None = None) -> Iterator[Frame]:
    """The frames that `draw` writes, one by one; arguments and errors as there."""
    opened = open_finite(video)
    check_fit(opened, tracks)
    painter = Painter(tracks, style or Style(), opened.size)
    return (painter.paint(frame, t) for t, frame in enumerate(opened))


def draw_frame(
    frame: NDArray[np.uint8], tracks: Tracks, t: int, style: Style | None = None
) -> Frame:
    """One frame with its tracks drawn on it.

    Parameters
    ----------
    frame
        ``(H, W, 3)`` uint8 RGB; it is not changed.
    tracks
        Positions in pixels of the frame.
    t
        Frame index of the video; outside ``tracks.frames`` nothing is drawn.
    style
        Default: ``Style()``.

    Returns
    -------
    ndarray
        ``(H', W', 3)`` uint8 RGB, the frame's size times ``style.scale``.

    Raises
    ------
    PointtrackError
        When tracks and frame differ in size.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise PointtrackError(f"a frame must be (H, W, 3) uint8, found {frame.shape} {frame.dtype}")
    size = (frame.shape[1], frame.shape[0])
    _check_size(tracks, size, "the frame")
    return Painter(tracks, style or Style(), size).paint(frame, t)


def check_fit(video: Video, tracks: Tracks) -> None:
    """Raise a `PointtrackError` unless the tracks can belong to the video."""
    _check_size(tracks, video.size, video.name)
    if tracks.num_frames and tracks.frames.stop > len(video):
        raise PointtrackError(
            f"the tracks go on to frame {tracks.frames.stop - 1}, "
            f"but {video.name} has frames 0 to {len(video) - 1}"
        )


class Painter:
    """Draws the tracks of one video, frame by frame, in any order.

    Parameters
    ----------
    tracks
        What to draw.
    style
        How to draw it.
    size
        ``(width, height)`` of the frames to come.
    """

    def __init__(self, tracks: Tracks, style: Style, size: Size):
        self._tracks, self._style = tracks, style
        width, height = (max(1, round(side * style.scale)) for side in size)
        self.size = (width, height)  # of the output
        self._rgb = point_colours(tracks, style.colour)  # N T 3
        self._shown = tracks.known if style.occluded else tracks.visible  # N T
        unit = float(np.hypot(width, height)) * _UNIT * style.size
        room = np.sqrt(width * height / max(len(tracks), 1)) * _CROWDED * style.size
        self._radius = max(min(_RADIUS * unit, room), _LEAST_RADIUS)
        self._unit = self._radius / _RADIUS  # lines follow the discs
        self._ink = Ink(self.size, _TRAIL_WIDTH * self._unit, shadow=1.3 * self._unit)
        self._places = self._ink.place(resize_points(tracks.xy, size, self.size))  # N T 2

    def paint(self, frame: Frame, t: int) -> Frame:
        """A new picture of frame ``t`` of the video, ``(H', W', 3)``."""
        picture = fade(_resized(frame, self.size), self._style)
        column = t - self._tracks.start
        if 0 <= column < self._tracks.num_frames and len(self._tracks):
            self._ink.clear()
            self._trails(column)
            self._rings(column)
            self._discs(column)
            picture = self._ink.over(picture)
        if self._style.caption:
            write_caption(picture, str(t))
        return picture

    def _trails(self, column: int) -> None:
        length = self._style.trail
        first = 0 if length is None else max(column - length, 0)
        if first == column:
            return
        part = slice(first, column + 1)
        places, shown = self._places[:, part], self._shown[:, part]
        age = (column - 0.5 - np.arange(first, column)) / (column if length is None else length)
        step = np.minimum(age * _STEPS, _STEPS - 1).astype(np.int64)  # S
        drawn = shown[:, :-1] & shown[:, 1:]  # N S
        hidden = ~(self._tracks.visible[:, part][:, :-1] & self._tracks.visible[:, part][:, 1:])
        rgb = self._rgb[:, part][:, 1:]  # N S 3
        if self._style.colour == "confidence":
            rgb = rgb & np.uint8(0xF0) | np.uint8(0x08)  # fewer colours, longer strokes
        code = rgb.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])  # N S
        key = np.where(drawn, (step * 2 + ~hidden) << 24 | code, -1)
        strokes = [
            (int(step[a]), not hidden[n, a], n, a, b)
            for n in range(len(places))
            for a, b in _runs(key[n])
        ]
        faintest = 0.3 if length is None else 0.0
        # The oldest first, and among these the hidden ones, so that what matters is on top.
        for level, visible, n, a, b in sorted(strokes, key=lambda s: (-s[0], s[1])):
            fresh = 1 - (level + 0.5) / _STEPS
            alpha = (faintest + (1 - faintest) * fresh**1.3) * (0.9 if visible else 0.35)
            width = _TRAIL_WIDTH * self._unit * (0.35 + 0.65 * fresh)
            self._ink.line(places[n, a : b + 1], rgb[n, a], alpha, width)

    def _rings(self, column: int) -> None:
        for n in np.flatnonzero(self._shown[:, column] & ~self._tracks.visible[:, column]):
            place, rgb, width = (
                self._places[n, column],
                self._rgb[n, column],
                _RING_WIDTH * self._unit,
            )
            radius = max(self._radius, _LEAST_RING)
            self._ink.disc(place, radius + 0.5 * self._unit, _RIM, 0.55)
            self._ink.disc(place, radius, rgb, 0.95)
            self._ink.disc(place, radius - width, _RIM, 0.0)  # wipes out what lies inside

    def _discs(self, column: int) -> None:
        sure = self._tracks.confidence[:, column]
        order = np.flatnonzero(self._tracks.visible[:, column])
        for n in order[np.argsort(sure[order], kind="stable")]:
            place, radius = self._places[n, column], self._radius
            if self._style.confidence:
                radius *= 0.5 + 0.5 * float(sure[n])
            self._ink.disc(place, radius + _RIM_WIDTH * self._unit, _RIM, 0.8)
            self._ink.disc(place, radius, self._rgb[n, column], 1.0)


def fade(picture: Frame, style: Style) -> Frame:
    """The background: less colour and less light by ``style.desaturate`` and ``darken``."""
    if style.desaturate == 0 and style.darken == 0:
        return picture.copy()
    grey = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    light = 1 - style.darken
    colour = 1 - style.desaturate
    mixed = cv2.addWeighted(picture, light * colour, grey, light * style.desaturate, 0)
    return np.asarray(mixed, np.uint8)


def write_caption(picture: Frame, text: str) -> None:
    """Write a short text into the lower left corner, in place: white on a soft dark box."""
    height, width = picture.shape[:2]
    scale = max(float(np.hypot(width, height)) / 1000, 0.45) * 0.6
    thick = max(1, round(1.6 * scale))
    (wide, tall), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    pad = round(11 * scale)
    top, right = max(height - tall - below // 2 - 2 * pad, 0), min(wide + 2 * pad, width)
    picture[top:, :right] = picture[top:, :right] // 5 * 2
    place = (pad, height - pad - below // 2)
    cv2.putText(
        picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,) * 3, thick, cv2.LINE_AA
    )


def _runs(key: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Stretches ``[a, b)`` of one value, leaving out those of -1."""
    edges = np.flatnonzero(np.diff(key)) + 1
    bounds = np.concatenate([[0], edges, [len(key)]])
    return [(a, b) for a, b in pairwise(bounds.tolist()) if key[a] >= 0]


def _resized(frame: Frame, size: Size) -> Frame:
    if (frame.shape[1], frame.shape[0]) == size:
        return frame
    method = cv2.INTER_AREA if size[0] < frame.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, size, interpolation=method), np.uint8)


def _check_size(tracks: Tracks, size: Size, name: str) -> None:
    if tracks.size != (0, 0) and tracks.size != size:
        raise PointtrackError(
            f"the tracks belong to a video of {tracks.size[0]}x{tracks.size[1]}, "
            f"but {name} is {size[0]}x{size[1]}"
        )
