"""`pointtrack.track_dense`: a model, a video and one of its frames in one call."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pointtrack.dense import DenseTracks
from pointtrack.dense_files import SUFFIX, DenseWriter, check_place
from pointtrack.errors import PointtrackError, QueryError
from pointtrack.files import PathLike
from pointtrack.trackers.base import Progress, Ticker, Tracker
from pointtrack.trackers.dense.base import DenseTracker
from pointtrack.trackers.dense.by_session import DETAIL, SessionDense
from pointtrack.trackers.flow_chain import FlowChainTracker
from pointtrack.trackers.mft import MftTracker
from pointtrack.trackers.registry import load
from pointtrack.video import Video, VideoLike, open_finite

DEFAULT_DENSE = "flow_chain"


def dense_tracker(tracker: Tracker, detail: int = DETAIL) -> DenseTracker:
    """What follows all pixels with a tracker.

    Parameters
    ----------
    tracker
        As `load` gives it.
    detail
        For chained flow; see `SessionDense`.

    Raises
    ------
    PointtrackError
        When the tracker is one for single points. Those are made dense by DOT.
    """
    if isinstance(tracker, DenseTracker):
        return tracker
    if isinstance(tracker, FlowChainTracker | MftTracker):
        return SessionDense(tracker, detail)
    name = tracker.card.name
    raise PointtrackError(
        f"{name} follows single points; for all pixels take flow_chain, mft or another flow, "
        f"alltracker, or dot with the option tracker={name}"
    )


def track_dense(
    video: VideoLike,
    frame: int = 0,
    model: str = DEFAULT_DENSE,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    out: PathLike | None = None,
    device: str = "auto",
    precision: str = "auto",
    detail: int = DETAIL,
    both_ways: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> DenseTracks:
    """Follow every pixel of one frame through a video.

    Frames go to the disk one by one, 11 bytes a pixel; memory does not grow with the length of
    the video.

    Parameters
    ----------
    video
        Whatever `open_video` takes.
    frame
        Index of the frame whose pixels are followed.
    model, weights, device, precision, **options
        See `load`. ``flow_chain``, ``mft`` and the flow networks chain optical flow; ``dot``
        makes the tracks of a point tracker dense; ``alltracker`` is dense by itself.
    out
        The folder to write, usually ``NAME.dense``; it appears when all is done. Default: a
        temporary one, which goes with the result.
    detail
        For chained flow: points along the picture's longer side that are really followed.
    both_ways
        Follow the pixels to the frames before ``frame`` too; otherwise these are NaN.
    progress
        Called with (frames done, frames in all). What ``dot`` tracks first counts by itself.

    Returns
    -------
    DenseTracks
        Mapped from the disk.

    Raises
    ------
    PointtrackError
        When the model is unknown or not for this, or the video cannot be read.
    QueryError
        When the video has no such frame.
    FormatError
        When the folder cannot be written.
    """
    if out is not None:
        check_place(Path(out))
    method = dense_tracker(load(model, weights, device, precision, **options), detail)
    opened = open_finite(video)
    if not 0 <= frame < len(opened):
        raise QueryError(
            f"frame {frame} is not in {opened.name}, which has frames 0 to {len(opened) - 1}"
        )
    if out is not None:
        _write(method, opened, frame, Path(out), both_ways, progress)
        return DenseTracks.load(out)
    holder = tempfile.TemporaryDirectory(prefix="pointtrack_", ignore_cleanup_errors=True)
    place = Path(holder.name) / f"tracks{SUFFIX}"
    _write(method, opened, frame, place, both_ways, progress)
    return replace(DenseTracks.load(place), _kept=holder)


def _write(
    method: DenseTracker,
    video: Video,
    frame: int,
    path: Path,
    both_ways: bool,
    progress: Progress | None,
) -> None:
    (width, height), frames = video.size, len(video)
    with DenseWriter(path, video.size, frame, video.fps, video.times) as writer:
        here = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
        sure = np.ones((height, width), bool)
        writer.write(frame, here, sure, sure)
        followed = {frame}
        tick = Ticker(progress, frames if both_ways else frames - frame)
        tick()
        for found in method.dense(video, frame, both_ways, progress):
            writer.write(found.t, found.xy, found.visible, found.confidence)
            if found.t not in followed:
                followed.add(found.t)
                tick()
        nowhere = np.full((height, width, 2), np.nan, np.float32)
        for t in set(range(frames)) - followed:
            writer.write(t, nowhere, ~sure, ~sure)
