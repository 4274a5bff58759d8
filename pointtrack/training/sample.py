"""What training sees: takes from a source, samples with N chosen points, batches of tensors.

A `Take` is a stretch of a video with whatever tracks there are; augmentations turn takes into
takes. A `Sample` is a take with a fixed number of points and a query for each. A `Batch` is
samples as tensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.trackers.flow_hints import video_flow


class Rejected(PointtrackError):
    """A take that training cannot use; another one is drawn in its place.

    Attributes
    ----------
    reason : str
        A few words, the same for the same cause, by which rejections are counted.
    """

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name} is of no use for training: {reason}")
        self.name, self.reason = name, reason

    def __reduce__(self) -> tuple[type[Rejected], tuple[str, str]]:
        return Rejected, (self.name, self.reason)


@dataclass(frozen=True, eq=False)
class Take:
    """T frames of a video and N tracks over them.

    Attributes
    ----------
    name : str
        Which clip it is from, for messages.
    video : ndarray
        ``(T, H, W, 3)`` uint8 RGB.
    xy : ndarray
        ``(N, T, 2)`` float32, pixels with the centre of the top-left pixel at ``(0, 0)``;
        anything where not valid.
    visible : ndarray
        ``(N, T)`` bool; false wherever `valid` is.
    valid : ndarray
        ``(N, T)`` bool: where position and visibility are known.

    Raises
    ------
    PointtrackError
        When shapes or types do not fit together, or a valid position is not finite.
    """

    name: str
    video: NDArray[np.uint8]
    xy: NDArray[np.float32]
    visible: NDArray[np.bool_]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        video, xy = self.video, np.asarray(self.xy)
        if video.dtype != np.uint8 or video.ndim != 4 or video.shape[3] != 3:
            raise self._wrong("video", video, "uint8 of shape (T, H, W, 3)")
        if xy.shape != (len(xy), len(video), 2) or xy.dtype.kind != "f":
            raise self._wrong("xy", xy, f"floats of shape (N, {len(video)}, 2)")
        for name in ("visible", "valid"):
            flags = getattr(self, name)
            if flags.shape != xy.shape[:2] or flags.dtype != bool:
                raise self._wrong(name, flags, f"bool of shape {xy.shape[:2]}")
        lost = np.argwhere(self.valid & ~np.isfinite(xy).all(axis=2))
        if len(lost):
            track, frame = lost[0]
            raise PointtrackError(
                f"{self.name}: track {track} is valid in frame {frame} at "
                f"{xy[track, frame].tolist()}, expected a position of finite numbers"
            )
        object.__setattr__(self, "xy", xy.astype(np.float32, copy=False))
        object.__setattr__(self, "visible", self.visible & self.valid)

    @property
    def size(self) -> Size:
        """(width, height) of the frames."""
        return self.video.shape[2], self.video.shape[1]

    def __len__(self) -> int:
        """Number of tracks, N."""
        return len(self.xy)

    def _wrong(self, field: str, found: NDArray[Any], expected: str) -> PointtrackError:
        return PointtrackError(
            f"{self.name}: {field} is {found.dtype} of shape {found.shape}, expected {expected}"
        )


@dataclass(frozen=True, eq=False)
class Sample(Take):
    """A take with the points to be trained on, each with a query.

    Positions are finite everywhere: where not valid, ``xy`` is the point's query, which means
    nothing but is safe to compute with.

    Attributes
    ----------
    queries : ndarray
        ``(N, 3)`` float32 rows (t, x, y), each on its track in a frame in which it is visible.
    """

    queries: NDArray[np.float32]

    def __post_init__(self) -> None:
        super().__post_init__()
        queries = np.asarray(self.queries)
        if queries.shape != (len(self), 3) or queries.dtype.kind != "f":
            raise self._wrong("queries", queries, f"floats of shape ({len(self)}, 3)")
        t = queries[:, 0]
        if ((t < 0) | (t >= len(self.video)) | (t != np.round(t))).any():
            raise PointtrackError(
                f"{self.name}: queries are at frames {t.min():g} to {t.max():g}, "
                f"expected whole numbers from 0 to {len(self.video) - 1}"
            )
        rows, frames = np.arange(len(self)), t.astype(np.int64)
        if not self.visible[rows, frames].all():
            row = int(np.argmin(self.visible[rows, frames]))
            raise PointtrackError(
                f"{self.name}: point {row} is asked for in frame {frames[row]}, "
                "where it is not visible"
            )
        xy = np.where(self.valid[..., None], self.xy, queries[:, None, 1:])
        object.__setattr__(self, "xy", xy.astype(np.float32, copy=False))
        object.__setattr__(self, "queries", queries.astype(np.float32, copy=False))


class Batch(NamedTuple):
    """B samples of T frames and N points, as tensors.

    Attributes
    ----------
    video : Tensor
        ``(B, T, 3, H, W)`` uint8 RGB.
    xy : Tensor
        ``(B, N, T, 2)`` float32, pixels with the centre of the top-left pixel at ``(0, 0)``;
        finite, and without meaning where not `valid`.
    visible, valid : Tensor
        ``(B, N, T)`` bool; `visible` is false wherever `valid` is.
    queries : Tensor
        ``(B, N, 3)`` float32 rows (t, x, y).
    names : tuple of str
        Which clips they are, for messages.
    flow : Tensor or None
        ``(B, T - 1, H, W, 4)`` float16 px: optical flow from each frame to the next and back,
        as `pointtrack.trackers.flow_hints` gives it, where it was asked for.
    direct : Tensor or None
        The same from the first frame straight to each of the others, and back.
    """

    video: Tensor
    xy: Tensor
    visible: Tensor
    valid: Tensor
    queries: Tensor
    names: tuple[str, ...]
    flow: Tensor | None = None
    direct: Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The same on another device; from pinned memory without waiting."""
        return Batch(
            self.video.to(device, non_blocking=True),
            self.xy.to(device, non_blocking=True),
            self.visible.to(device, non_blocking=True),
            self.valid.to(device, non_blocking=True),
            self.queries.to(device, non_blocking=True),
            self.names,
            None if self.flow is None else self.flow.to(device, non_blocking=True),
            None if self.direct is None else self.direct.to(device, non_blocking=True),
        )


def collate(samples: Sequence[Sample], flow: bool = False) -> Batch:
    """Join samples of the same size, length and number of points; with optical flow if wanted.

    Raises
    ------
    PointtrackError
        When there is none, or they differ; the message names two that do.
    """
    if not samples:
        raise PointtrackError("a batch needs at least one sample, found none")
    first = samples[0]
    for sample in samples[1:]:
        if (sample.video.shape, len(sample)) != (first.video.shape, len(first)):
            raise PointtrackError(
                f"samples of a batch must be alike: {first.name} has {_measures(first)}, "
                f"{sample.name} has {_measures(sample)}"
            )
    shape = first.video.shape
    video = torch.empty(len(samples), shape[0], 3, *shape[1:3], dtype=torch.uint8)
    for place, sample in zip(video, samples, strict=True):
        frames = np.ascontiguousarray(sample.video)  # PyTorch takes no negative strides
        place.copy_(torch.from_numpy(frames).permute(0, 3, 1, 2))
    return Batch(
        video,
        torch.from_numpy(np.stack([sample.xy for sample in samples])),
        torch.from_numpy(np.stack([sample.visible for sample in samples])),
        torch.from_numpy(np.stack([sample.valid for sample in samples])),
        torch.from_numpy(np.stack([sample.queries for sample in samples])),
        tuple(sample.name for sample in samples),
        *(_flow(samples) if flow else ()),
    )


def _flow(samples: Sequence[Sample]) -> Iterator[Tensor]:
    # Half precision is exact to 1/64 px up to 32 px, and enough for a hint.
    flows = zip(*(video_flow(sample.video) for sample in samples), strict=True)
    return (torch.from_numpy(np.stack(flow)).half() for flow in flows)


def _measures(sample: Sample) -> str:
    frames, height, width = sample.video.shape[:3]
    return f"{frames} frames of {width}x{height} and {len(sample)} points"
