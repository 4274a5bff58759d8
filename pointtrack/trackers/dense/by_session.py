"""Dense tracks from trackers that chain optical flow: a session with a point on every pixel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pointtrack import geometry
from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.trackers.base import Progress, Tracker
from pointtrack.trackers.dense.base import DenseFrame, enlarged, enlarged_map, spans
from pointtrack.trackers.flow import WorkingSize
from pointtrack.video import Video

DETAIL = 512  # px


class SessionDense:
    """Follows a lattice of points, as fine as wanted, by a tracker's session.

    Parameters
    ----------
    tracker
        One whose time hardly depends on the number of points.
    detail
        Points along the longer side of the picture, at most one a pixel; between them the motion
        is interpolated. Memory depends on it, not on the size or the length of the video.
    """

    def __init__(self, tracker: Tracker, detail: int = DETAIL):
        if detail < 16:
            raise PointtrackError(f"detail must be at least 16 points, found {detail}")
        self._tracker, self._lattice = tracker, WorkingSize(detail)

    def dense(
        self, video: Video, frame: int, both_ways: bool = True, progress: Progress | None = None
    ) -> Iterator[DenseFrame]:
        """See `DenseTracker`."""
        for span in spans(len(video), frame, both_ways):
            yield from self._sweep(video, frame, span)

    def _sweep(self, video: Video, frame: int, span: range) -> Iterator[DenseFrame]:
        size, small = video.size, self._lattice.of(video.size)
        begin = _lattice(small)
        with self._tracker.session() as session:
            session.add(geometry.resize_points(begin.reshape(-1, 2), small, size))
            session.step(video[frame])
            stop = span.stop if span.stop >= 0 else None
            for t, picture in zip(span, video[span.start : stop : span.step], strict=True):
                now = session.step(picture)
                there = geometry.resize_points(now.xy, size, small).reshape(begin.shape)
                sure = now.confidence.reshape(begin.shape[:2])
                seen = now.visible.reshape(begin.shape[:2]).astype(np.float32)
                yield DenseFrame(
                    t,
                    enlarged(np.asarray(there - begin, np.float32), size),
                    enlarged_map(seen, size) > 0.5,
                    enlarged_map(sure, size),
                )


def _lattice(size: Size) -> geometry.FloatArray:
    """The pixels of a picture, ``(h, w, 2)``."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    return np.stack([x, y], axis=-1).astype(np.float32)
