"""How a tracker is examined: what it sees, where it is asked, in which pixels it is judged.

The same tracks give different numbers under different protocols, so a result always carries
its protocol's description (`Protocol.describe`).

Papers: Doersch et al., "TAP-Vid" (NeurIPS 2022); Karaev et al., "CoTracker" (ECCV 2024).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets import Clip, resize_frames
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.geometry import (
    Size,
    pixel_to_normalised,
    pixel_to_raster,
    raster_to_pixel,
    resize_points,
    resize_points_align_corners,
)
from pointtrack.metrics import (
    PROTOCOL_SIZE,
    THRESHOLDS,
    SampledQueries,
    annotation_to_protocol,
    queries_first,
    queries_strided,
)
from pointtrack.metrics.tapvid import Convention
from pointtrack.metrics.tapvid import QueryMode as MetricMode
from pointtrack.queries import Queries
from pointtrack.video import Video
from pointtrack.video.pictures import ArraySource

QueryMode = Literal["first", "strided", "given"]
QUERY_MODES: tuple[QueryMode, ...] = ("first", "strided", "given")


@dataclass(frozen=True)
class Protocol:
    """One way to examine a tracker.

    Attributes
    ----------
    name : str
        What results call it.
    query_mode : str
        ``"first"``: each track is asked for where it is first visible, and judged after that.
        ``"strided"``: at every `stride`-th frame where it is visible, and judged before and
        after. ``"given"``: where the data set asks for it, judged after that.
    input_size : tuple of int or None
        ``(width, height)`` to which Pillow's Lanczos filter brings every frame before the
        tracker sees it; None: the video's own pixels.
    convention : str
        ``"raster"``: points move with the outer edges of the picture, as in TAP-Vid itself.
        ``"align_corners"``: with the centres of its corner pixels, as in CoTracker's reader,
        which puts annotated points up to half a pixel beside the picture's content.
    single : bool
        Ask for one point at a time. The benchmark's rule is that an answer must not depend on
        the other queries; trackers whose points help each other need this to keep it.
    stride : int
        Of ``"strided"``.
    thresholds : tuple of int
        Distances in pixels of the 256 x 256 picture in which everything is judged.

    Raises
    ------
    PointtrackError
        When a field has none of these values.
    """

    name: str = "tapvid"
    query_mode: QueryMode = "first"
    input_size: Size | None = PROTOCOL_SIZE
    convention: Convention = "raster"
    single: bool = False
    stride: int = 5
    thresholds: tuple[int, ...] = THRESHOLDS

    def __post_init__(self) -> None:
        for field, known in (
            ("query_mode", QUERY_MODES),
            ("convention", ("raster", "align_corners")),
        ):
            if getattr(self, field) not in known:
                raise PointtrackError(
                    f"{field} must be one of {', '.join(known)}, found {getattr(self, field)!r}"
                )
        if self.input_size is not None and min(self.input_size) < 2:
            raise PointtrackError(f"input_size must be two pixels or more, found {self.input_size}")
        if self.stride < 1 or not self.thresholds or min(self.thresholds) <= 0:
            raise PointtrackError(
                f"stride and thresholds must be positive, found {self.stride} and {self.thresholds}"
            )

    @classmethod
    def named(
        cls, name: str = "tapvid", query_mode: str = "first", *, single: bool = False
    ) -> Protocol:
        """A protocol by name.

        Parameters
        ----------
        name
            ``"tapvid"``: frames resized to 256 x 256 by Pillow's Lanczos filter, as every
            published TAP-Vid number at 256 is taken. ``"cotracker"``: the same with points
            multiplied by 255 instead of 256, as in the published numbers of CoTracker, TAPTR
            and DELTA. (CoTracker's occlusion accuracy divides by the frames of a whole batch;
            with batches of one video, as in its tables, that is TAP-Vid's.) ``"practical"``:
            the tracker sees the video as it is and resizes for itself.
        query_mode, single
            See the class.

        Raises
        ------
        PointtrackError
            When the name or the query mode is unknown.
        """
        if name not in PROTOCOLS:
            raise PointtrackError(
                f"there is no protocol {name!r}; there are: {', '.join(PROTOCOLS)}"
            )
        return replace(PROTOCOLS[name], query_mode=query_mode, single=single)  # type: ignore[arg-type]

    @property
    def metric_mode(self) -> MetricMode:
        """The frames that are judged: those after the query, or all but the query's."""
        return "strided" if self.query_mode == "strided" else "first"

    def describe(self) -> str:
        """Everything that a number depends on, in one line."""
        seen = "native resolution"
        if self.input_size is not None:
            seen = f"{self.input_size[0]}x{self.input_size[1]} Pillow Lanczos"
        mode: str = self.query_mode
        if self.query_mode == "strided":
            mode += f" (every {self.stride})"
        extent = "256" if self.convention == "raster" else "255"
        return (
            f"{self.name}; queries {mode}, {'one at a time' if self.single else 'jointly'}; "
            f"input {seen}; judged at 256x256, {self.convention} ({extent}); "
            f"thresholds {' '.join(map(str, self.thresholds))} px"
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields and the description, for JSON."""
        return {**asdict(self), "description": self.describe()}

    # -- from a clip to a task -------------------------------------------------------------

    def size_seen(self, video: Video) -> Size:
        """``(width, height)`` of the frames the tracker is given."""
        return self.input_size or video.size

    def frames_seen(self, video: Video) -> Video:
        """The video as the tracker is given it; resized frames are held in memory."""
        size = self.size_seen(video)
        if size == video.size:
            return video
        frames = np.empty((len(video), size[1], size[0], 3), np.uint8)
        for place, frame in zip(frames, video, strict=True):
            place[...] = resize_frames(frame[None], size)[0]
        return Video(ArraySource(frames, video.fps, video.name))

    def task(self, clip: Clip) -> Task:
        """Draw the queries of a clip.

        Raises
        ------
        FormatError
            When there is nothing to ask: there are no tracks, none is ever visible, or the data
            set has no queries of its own for ``"given"``.
        """
        if len(clip) == 0:
            raise FormatError("it has no tracks")
        edges = pixel_to_normalised(clip.xy, clip.video.size)  # N T 2, 0 to 1
        sampled = self._sample(clip, annotation_to_protocol(edges, PROTOCOL_SIZE, self.convention))
        if len(sampled.trackgroup) == 0:
            raise FormatError("no track is visible in any frame that queries are drawn from")
        seen = self.size_seen(clip.video)
        t, track = sampled.query_points[:, 0].astype(np.int64), sampled.trackgroup
        asked = edges[track, t]  # Q 2
        if self.query_mode == "given" and clip.queries is not None:
            asked = pixel_to_normalised(clip.queries.xy.astype(np.float64), clip.video.size)
        xy = annotation_to_protocol(asked, seen, self.convention)
        if self.convention == "raster":
            xy = np.asarray(raster_to_pixel(xy), np.float64)
        # A few annotated points lie just outside, where no tracker can be asked.
        xy = np.clip(xy, -0.5, np.asarray(seen) - 0.5)
        return Task(
            queries=Queries(np.column_stack([t, xy])),
            seen=seen,
            query_points=sampled.query_points,
            xy=sampled.tracks,
            visible=~sampled.occluded,
            valid=clip.valid[track],
            track=track,
        )

    def judged(self, xy: NDArray[np.floating[Any]], seen: Size) -> NDArray[np.float64]:
        """A tracker's pixels, ``(..., 2)`` in frames of size ``seen``, to those of the metric."""
        answer = np.asarray(xy, np.float64)
        if self.convention == "align_corners":
            return np.asarray(resize_points_align_corners(answer, seen, PROTOCOL_SIZE), np.float64)
        return np.asarray(pixel_to_raster(resize_points(answer, seen, PROTOCOL_SIZE)), np.float64)

    def in_video(
        self, xy: NDArray[np.floating[Any]], seen: Size, video: Video
    ) -> NDArray[np.float64]:
        """A tracker's pixels, ``(..., 2)`` in frames of size ``seen``, to those of the video."""
        answer = np.asarray(xy, np.float64)
        if self.convention == "align_corners":
            return np.asarray(resize_points_align_corners(answer, seen, video.size), np.float64)
        return np.asarray(resize_points(answer, seen, video.size), np.float64)

    def _sample(self, clip: Clip, truth: NDArray[np.float64]) -> SampledQueries:
        if self.query_mode == "first":
            return queries_first(truth, ~clip.visible)
        if self.query_mode == "strided":
            return queries_strided(truth, ~clip.visible, self.stride)
        if clip.queries is None:
            raise FormatError("the data set asks no queries of its own (query mode given)")
        t, track = clip.queries.t, np.arange(len(clip))
        if t.max() >= len(clip.video):
            raise FormatError(
                f"a query is at frame {t.max()}, but the video has {len(clip.video)} frames"
            )
        x, y = truth[track, t].T
        points = np.column_stack([t, y, x]).astype(np.float64)
        return SampledQueries(points, truth, ~clip.visible, track)


class Task(NamedTuple):
    """What is asked of a tracker in one clip, and the right answers; Q queries, T frames.

    Attributes
    ----------
    queries
        In pixels of the frames the tracker is given, one a point.
    seen
        ``(width, height)`` of these frames.
    query_points
        ``(Q, 3)`` float64 ``(t, y, x)`` in the metric's pixels.
    xy
        ``(Q, T, 2)`` float64 in the metric's pixels.
    visible, valid
        ``(Q, T)`` bool.
    track
        ``(Q,)`` int64: the clip's track behind each query.
    """

    queries: Queries
    seen: Size
    query_points: NDArray[np.float64]
    xy: NDArray[np.float64]
    visible: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    track: NDArray[np.int64]


PROTOCOLS: dict[str, Protocol] = {
    "tapvid": Protocol("tapvid"),
    "cotracker": Protocol("cotracker", convention="align_corners"),
    "practical": Protocol("practical", input_size=None),
}
