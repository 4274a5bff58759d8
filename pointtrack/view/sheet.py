"""Contact sheets: a whole video with its tracks in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.files import PathLike, atomic_path
from pointtrack.tracks import Tracks
from pointtrack.video import VideoLike, open_finite
from pointtrack.view.overlay import Painter, check_fit
from pointtrack.view.style import Style

_SUFFIXES = (".png", ".jpg", ".jpeg")


def contact_sheet(
    video: VideoLike,
    tracks: Tracks,
    path: PathLike,
    *,
    columns: int = 4,
    frames: int | Sequence[int] = 12,
    width: int = 1920,
    style: Style | None = None,
) -> None:
    """Write one picture with overlays of several frames, left to right and top to bottom.

    Tracks are drawn at the size of the tile, so that they are as crisp there as in a video.

    Parameters
    ----------
    video, tracks
        As in `draw`.
    path
        ``.png`` or ``.jpg``; an earlier file is replaced only when all is written.
    columns
        Tiles in a row.
    frames
        How many frames to show, evenly spaced over the tracks' time (fewer when there are
        not so many), or the frame indices themselves.
    width
        Greatest width of the picture in pixels; a little is lost to equal tiles.
    style
        Default: ``Style(caption=True)``, which writes the frame number into each tile.
        ``scale`` is set by the tiles.

    Raises
    ------
    PointtrackError
        When tracks and video do not fit together, a frame is not in the video, or a number
        is out of range.
    """
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise PointtrackError(f"cannot write {target}: a sheet ends in {', '.join(_SUFFIXES)}")
    opened = open_finite(video)
    check_fit(opened, tracks)
    chosen = _chosen(frames, tracks.frames or range(len(opened)), len(opened))
    columns = min(columns, len(chosen))
    if columns < 1:
        raise PointtrackError(f"a sheet needs at least one column, found {columns}")
    gutter = max(2, round(width / 320))
    tile = (width - (columns - 1) * gutter) // columns
    if tile < 16:
        raise PointtrackError(f"{columns} columns do not fit into a width of {width}")
    look = replace(style or Style(caption=True), scale=tile / opened.width)
    painter = Painter(tracks, look, opened.size)
    wide, tall = painter.size
    rows = -(-len(chosen) // columns)
    sheet = np.full(
        (rows * (tall + gutter) - gutter, columns * (wide + gutter) - gutter, 3), 255, np.uint8
    )
    for place, t in enumerate(chosen):
        y, x = (place // columns) * (tall + gutter), (place % columns) * (wide + gutter)
        sheet[y : y + tall, x : x + wide] = painter.paint(opened[t], t)
    _write(sheet, target)


def _chosen(frames: int | Sequence[int], span: range, count: int) -> list[int]:
    if isinstance(frames, (int, np.integer)):
        if frames < 1:
            raise PointtrackError(f"a sheet needs at least one frame, found {frames}")
        places = np.linspace(span[0], span[-1], min(int(frames), len(span)))
        return [int(t) for t in np.round(places)]
    chosen = [int(t) for t in frames]
    wrong = [t for t in chosen if not 0 <= t < count]
    if wrong:
        raise PointtrackError(f"there is no frame {wrong[0]}: the video has 0 to {count - 1}")
    if not chosen:
        raise PointtrackError("a sheet needs at least one frame, found none")
    return chosen


def _write(sheet: NDArray[np.uint8], target: Path) -> None:
    with atomic_path(target, PointtrackError) as temporary:
        done, data = cv2.imencode(target.suffix.lower(), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
        if not done:
            raise PointtrackError(f"cannot write {target}: OpenCV cannot encode the picture")
        temporary.write_bytes(data.tobytes())
