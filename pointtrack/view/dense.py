"""Dense tracks drawn on their video."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Protocol, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.dense import DenseTracks
from pointtrack.errors import PointtrackError
from pointtrack.files import PathLike, atomic_path, reason
from pointtrack.geometry import Size
from pointtrack.video import Video, VideoLike, open_finite, video_writer
from pointtrack.view.dense_painters import Box, FlowPainter, GridPainter, PatchPainter
from pointtrack.view.overlay import Frame, write_caption

Show = Literal["grid", "flow", "patch"]
Progress = Callable[[int, int], object]

_SHEET_SUFFIXES = (".png", ".jpg", ".jpeg")


class DensePainter(Protocol):
    """Draws dense tracks on the frames of their video, in any order."""

    size: Size

    def paint(self, frame: Frame, t: int) -> Frame:
        """A new picture of frame ``t``, of `size`."""
        ...


def draw_dense(
    video: VideoLike,
    dense: DenseTracks,
    path: PathLike,
    *,
    show: Show = "grid",
    box: Box | None = None,
    paint: NDArray[np.uint8] | None = None,
    crf: int = 18,
    progress: Progress | None = None,
) -> None:
    """Write the video with its dense tracks drawn on it.

    Parameters
    ----------
    video
        The video the tracks belong to; whatever `open_video` takes.
    dense
        Its dense tracks; frames outside ``dense.frames`` are left out.
    path
        ``.mp4``, ``.mov``, ``.m4v``, ``.mkv`` or ``.avi``.
    show
        ``"grid"``: a grid that bends with the pixels. ``"flow"``: beside the video, the motion
        of every pixel since the frame that is followed, by a colour wheel. ``"patch"``: paint
        that sticks to a part of that frame.
    box
        That part, ``(x0, y0, x1, y1)`` in pixels; default: the middle.
    paint
        What is laid on it, ``(h, w, 3)`` or ``(h, w, 4)`` uint8; default: a chequered pattern.
    crf
        Quality of the video: 0 lossless, 18 visually so, 51 worst.
    progress
        Called as ``progress(done, total)`` after each frame.

    Raises
    ------
    PointtrackError
        When tracks and video do not fit together, or an argument is out of its range.
    VideoError
        When the video cannot be read or the file cannot be written.
    """
    opened = open_finite(video)
    frames = dense_frames(opened, dense, show=show, box=box, paint=paint)
    begin = opened.times[dense.start]
    with video_writer(path, opened.fps, crf) as writer:
        for done, (t, frame) in enumerate(zip(dense.frames, frames, strict=True), start=1):
            writer.write(frame, time=float(opened.times[t] - begin))
            if progress is not None:
                progress(done, dense.num_frames)


def dense_frames(
    video: VideoLike,
    dense: DenseTracks,
    *,
    show: Show = "grid",
    box: Box | None = None,
    paint: NDArray[np.uint8] | None = None,
) -> Iterator[Frame]:
    """The frames that `draw_dense` writes, one by one; arguments and errors as there."""
    opened = open_finite(video)
    painter = dense_painter(opened, dense, show, box, paint)
    span = slice(dense.start, dense.start + dense.num_frames)
    pairs = zip(opened[span], dense.frames, strict=True)
    return (painter.paint(frame, t) for frame, t in pairs)


def dense_sheet(
    video: VideoLike,
    dense: DenseTracks,
    path: PathLike,
    *,
    show: Show = "grid",
    box: Box | None = None,
    paint: NDArray[np.uint8] | None = None,
    columns: int = 4,
    frames: int = 12,
    width: int = 1920,
) -> None:
    """Write one picture of several frames, left to right and top to bottom.

    Parameters
    ----------
    video, dense, show, box, paint
        As of `draw_dense`.
    path
        ``.png`` or ``.jpg``; an earlier file is replaced only when all is written.
    columns
        Pictures in a row.
    frames
        How many, evenly spaced over the tracks' time.
    width
        Of the whole, in pixels.
    """
    target = Path(path)
    if target.suffix.lower() not in _SHEET_SUFFIXES:
        raise PointtrackError(f"cannot write {target}: a sheet ends in .png or .jpg")
    if columns < 1 or frames < 1:
        raise PointtrackError(f"a sheet has columns and frames, found {columns} and {frames}")
    opened = open_finite(video)
    painter = dense_painter(opened, dense, show, box, paint)
    chosen = np.unique(np.linspace(dense.frames[0], dense.frames[-1], frames).round()).astype(int)
    columns = min(columns, len(chosen))
    gutter = max(2, width // 320)
    wide = max(1, (width - (columns - 1) * gutter) // columns)
    tall = max(1, round(wide * painter.size[1] / painter.size[0]))
    rows = -(-len(chosen) // columns)
    shape = (rows * (tall + gutter) - gutter, columns * (wide + gutter) - gutter, 3)
    sheet = np.full(shape, 255, np.uint8)
    for place, t in enumerate(chosen.tolist()):
        y, x = place // columns * (tall + gutter), place % columns * (wide + gutter)
        tile = cv2.resize(painter.paint(opened[t], t), (wide, tall), interpolation=cv2.INTER_AREA)
        write_caption(np.asarray(tile, np.uint8), str(t))
        sheet[y : y + tall, x : x + wide] = tile
    with atomic_path(target, PointtrackError) as temporary:
        coded = cv2.imencode(target.suffix.lower(), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1]
        temporary.write_bytes(coded.tobytes())


def read_paint(path: PathLike) -> NDArray[np.uint8]:
    """A picture file as `draw_dense` takes it: ``(h, w, 3)`` or, with opacity, ``(h, w, 4)``."""
    place = Path(path)
    try:
        data = np.frombuffer(place.read_bytes(), np.uint8)
    except OSError as problem:
        raise PointtrackError(f"cannot read {place}: {reason(problem)}") from problem
    picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if len(data) else None
    if picture is None or picture.dtype != np.uint8:
        raise PointtrackError(f"{place} is not a picture of 8 bits that can be decoded")
    if picture.ndim == 2:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    return np.asarray(picture[..., [2, 1, 0, *range(3, picture.shape[2])]], np.uint8)


def dense_painter(
    video: Video,
    dense: DenseTracks,
    show: Show = "grid",
    box: Box | None = None,
    paint: NDArray[np.uint8] | None = None,
) -> DensePainter:
    """What draws dense tracks on single frames; see `draw_dense`."""
    if show not in get_args(Show):
        raise PointtrackError(f"show must be one of {', '.join(get_args(Show))}, found {show!r}")
    if show != "patch" and (box is not None or paint is not None):
        raise PointtrackError(f"box and paint go with show='patch', not with {show!r}")
    if dense.size != video.size:
        raise PointtrackError(
            f"the dense tracks belong to a video of {dense.size[0]}x{dense.size[1]}, but "
            f"{video.name} is {video.width}x{video.height}"
        )
    if max(dense.frames.stop, dense.frame + 1) > len(video):
        raise PointtrackError(
            f"the dense tracks go on to frame {dense.frames.stop - 1}, but {video.name} has frames "
            f"0 to {len(video) - 1}"
        )
    if show == "grid":
        return GridPainter(dense)
    if show == "flow":
        return FlowPainter(dense, video[dense.frame])
    return PatchPainter(dense, box, paint)
