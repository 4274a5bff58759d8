"""`DenseTracks`: where every pixel of one frame is in every other, and whether it is seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack import dense_files
from pointtrack.errors import PointtrackError, QueryError
from pointtrack.files import PathLike
from pointtrack.geometry import Size, inside
from pointtrack.queries import Queries
from pointtrack.tracks import Tracks
from pointtrack.video.source import frame_rate


@dataclass(frozen=True, eq=False)
class DenseTracks:
    """The tracks of all pixels of one frame, over T frames.

    The arrays usually lie on the disk and are mapped into memory: what is read of them is
    loaded then. Coordinates are in pixels of the video, with the centre of the top-left pixel
    at ``(0, 0)``. Frames that were not followed are NaN, not visible and of confidence 0.

    Attributes
    ----------
    xy : ndarray
        ``(T, H, W, 2)`` float32: where the pixel of row ``i`` and column ``j`` of the frame
        ``frame`` is.
    visible : ndarray
        ``(T, H, W)`` bool.
    confidence : ndarray
        ``(T, H, W)`` float16 in [0, 1]; as that of `Tracks`.
    frame : int
        Frame index of the video that the pixels lie on.
    fps : Fraction
        Average frames per second.
    times : ndarray
        ``(T,)`` float64, seconds since the first frame of the video; default: by `fps`.
    start : int
        Frame index of the first of the T frames.
    """

    xy: NDArray[np.float32]
    visible: NDArray[np.bool_]
    confidence: NDArray[np.float16]
    frame: int = 0
    fps: Fraction = Fraction(25)
    times: NDArray[np.float64] = None  # type: ignore[assignment]
    start: int = 0
    _kept: Any = field(default=None, repr=False)  # what must live as long as the arrays

    def __post_init__(self) -> None:
        shape = self.xy.shape
        if len(shape) != 4 or shape[3] != 2:
            raise PointtrackError(f"xy must have shape (T, H, W, 2), found {shape}")
        for name in ("visible", "confidence"):
            found = getattr(self, name).shape
            if found != shape[:3]:
                raise PointtrackError(f"{name} must have shape {shape[:3]}, found {found}")
        fps = frame_rate(self.fps)
        times = self.times
        if times is None:
            times = (self.start + np.arange(shape[0])) / float(fps)
        if len(times) != shape[0]:
            raise PointtrackError(f"there are {shape[0]} frames but {len(times)} times")
        object.__setattr__(self, "fps", fps)
        object.__setattr__(self, "times", np.asarray(times, np.float64))

    def __repr__(self) -> str:
        return (
            f"DenseTracks({self.size[0]}x{self.size[1]} pixels of frame {self.frame}, "
            f"{self.num_frames} frames, {float(self.fps):.4g} fps)"
        )

    @property
    def num_frames(self) -> int:
        """Number of frames, T."""
        return self.xy.shape[0]

    @property
    def frames(self) -> range:
        """The frame index of each of them."""
        return range(self.start, self.start + self.num_frames)

    @property
    def size(self) -> Size:
        """``(width, height)`` of the video."""
        return self.xy.shape[2], self.xy.shape[1]

    def at(self, t: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Positions ``(H, W, 2)`` and visibility ``(H, W)`` at one frame of the video."""
        column = self._column(t)
        return np.asarray(self.xy[column]), np.asarray(self.visible[column])

    def flow(self, t: int) -> NDArray[np.float32]:
        """How far every pixel has moved from `frame` to frame ``t``: ``(H, W, 2)`` in pixels."""
        height, width = self.xy.shape[1:3]
        moved = np.array(self.xy[self._column(t)], np.float32)
        moved[..., 0] -= np.arange(width, dtype=np.float32)
        moved[..., 1] -= np.arange(height, dtype=np.float32)[:, None]
        return moved

    def window(self, first: int, last: int) -> DenseTracks:
        """The frames ``first`` to ``last`` of the video, both included; nothing is read."""
        part = slice(self._column(first), self._column(last) + 1)
        if part.start >= part.stop:
            raise PointtrackError(f"a window goes from a frame to a later one, found {first, last}")
        return replace(
            self,
            xy=self.xy[part],
            visible=self.visible[part],
            confidence=self.confidence[part],
            times=self.times[part],
            start=first,
        )

    def points(self, xy: ArrayLike) -> Tracks:
        """The tracks of points of the frame `frame`, between pixels interpolated bilinearly.

        Parameters
        ----------
        xy
            ``(N, 2)`` positions in pixels, within the picture.

        Returns
        -------
        Tracks
            A point is visible where its nearest pixel is.

        Raises
        ------
        QueryError
            When a point lies outside the picture.
        """
        points = np.atleast_2d(np.asarray(xy, np.float32))
        if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
            raise QueryError(f"points must have shape (N, 2), found {points.shape}")
        outside = np.flatnonzero(~inside(points, self.size))
        if len(outside):
            x, y = points[outside[0]]
            width, height = self.size
            raise QueryError(f"the point ({x:g}, {y:g}) lies outside the {width}x{height} picture")
        corner = np.array(self.size) - 1
        at = np.clip(points, 0, corner)
        shift = points - at  # of points in the outer half of an edge's pixels
        low = np.floor(at).astype(np.int64)
        high = np.minimum(low + 1, corner)
        share = (at - low).astype(np.float32)
        near = np.round(at).astype(np.int64)
        found = np.zeros((len(points), self.num_frames, 2), np.float32)
        sure = np.zeros(found.shape[:2], np.float32)
        visible = np.zeros(found.shape[:2], bool)
        for column in range(self.num_frames):
            visible[:, column] = self.visible[column][near[:, 1], near[:, 0]]
            for x, wx in ((low[:, 0], 1 - share[:, 0]), (high[:, 0], share[:, 0])):
                for y, wy in ((low[:, 1], 1 - share[:, 1]), (high[:, 1], share[:, 1])):
                    found[:, column] += (wx * wy)[:, None] * self.xy[column][y, x]
                    sure[:, column] += wx * wy * self.confidence[column][y, x]
        found += shift[:, None]
        queries = None
        if self.frame in self.frames:
            found[:, self.frame - self.start] = points
            queries = Queries(np.column_stack([np.full(len(points), self.frame), points]))
        return Tracks(
            found, visible, sure, self.size, self.fps, self.times, self.start, queries=queries
        )

    def save(self, path: PathLike) -> None:
        """Write to a folder ``path``, frame by frame; it appears when all is written.

        Raises
        ------
        FormatError
            When it cannot be written, or something else lies there.
        """
        writer = dense_files.DenseWriter(
            path, self.size, self.frame, self.fps, self.times, self.start
        )
        with writer:
            for column in range(self.num_frames):
                writer.write(column, self.xy[column], self.visible[column], self.confidence[column])

    @classmethod
    def load(cls, path: PathLike) -> DenseTracks:
        """Open what `save` or `pointtrack.track_dense` wrote; nothing is read yet.

        Raises
        ------
        FormatError
            When there are no dense tracks, or they are damaged.
        """
        return cls(**dense_files.read(path)._asdict())

    def _column(self, t: int) -> int:
        if t not in self.frames:
            last = self.start + self.num_frames - 1
            raise PointtrackError(f"frame {t} is not within {self.start} to {last}")
        return t - self.start
