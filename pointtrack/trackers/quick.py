"""`pointtrack.track`: a model and a video in one call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pointtrack.queries import QueryLike
from pointtrack.trackers.base import Progress
from pointtrack.trackers.registry import DEFAULT_MODEL, load
from pointtrack.tracks import Tracks
from pointtrack.video import VideoLike


def track(
    video: VideoLike,
    queries: QueryLike,
    model: str = DEFAULT_MODEL,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    device: str = "auto",
    precision: str = "auto",
    both_ways: bool = True,
    progress: Progress | None = None,
    **options: Any,
) -> Tracks:
    """Follow points through a video.

    Parameters
    ----------
    video
        A file, a folder or list of pictures, an array ``(T, H, W, 3)``; see `open_video`.
    queries
        Rows ``(t, x, y)``, a recipe such as ``grid(20)``, a file; see `queries.resolve`.
        Pixels, with the centre of the top-left pixel at ``(0, 0)``.
    model, weights, device, precision, **options
        See `load`.
    both_ways
        Follow points to the frames before their query too.
    progress
        Called with (frames done, frames in all).

    Returns
    -------
    Tracks
        Where every point is in every frame.

    Raises
    ------
    PointtrackError
        When the model is unknown or the video or a query is not usable.
    """
    tracker = load(model, weights, device, precision, **options)
    return tracker.track(video, queries, both_ways=both_ways, progress=progress)
