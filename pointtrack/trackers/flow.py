"""Optical flow as trackers use it: sampled at points, with occlusion and uncertainty.

A *flow source* turns a frame into what it needs to keep of it (`prepare`) and gives the flow
between two prepared frames (`between`). Any dense flow can be put behind this interface.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.trackers.patches import Grey, correlation, lattice, normalised, read

Points = NDArray[np.floating[Any]]  # K 2
Field = NDArray[np.float32]  # H W 2
FlowSample = tuple[Points, NDArray[Any], NDArray[Any]]  # flow K 2, occlusion K, sigma K

Prepared = TypeVar("Prepared")

_PATCH = lattice(3)  # 7 x 7 px

_PRESETS = {
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "fine": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
_DIS_PATCH = 8  # px, in all of these
_DIS_LEAST = 12  # px a side that OpenCV can search in
_COARSE = 4  # every so many pixels an earlier flow is looked at
_ASTRAY = 2.0  # px by which it may miss where it started
_FILL = 8.0  # of these coarse pixels: how far around is looked for a better one


class Flow(Protocol):
    """The flow from one frame to another, to be read at points of the first."""

    def sample(self, xy: Points) -> FlowSample:
        """Flow ``(K, 2)`` px, occlusion ``(K,)`` in [0, 1], standard deviation ``(K,)`` px."""
        ...


class FlowSource(Protocol[Prepared]):
    """Something that estimates flow between two frames of one size."""

    def prepare(self, frame: NDArray[np.uint8]) -> Prepared:
        """Keep of an ``(H, W, 3)`` RGB frame what `between` needs."""
        ...

    def between(self, left: Prepared, right: Prepared, like: Flow | None = None) -> Flow:
        """The flow from ``left`` to ``right``.

        ``like`` is an earlier answer of this source for frames that lie nearly alike, to
        begin the search at; a source may ignore it.
        """
        ...


@dataclass(frozen=True, eq=False)
class DenseFlow:
    """Flow, occlusion and uncertainty of every pixel, sampled bilinearly.

    Outside the picture all three count as zero, as MFT has it.
    """

    flow: Field
    occlusion: NDArray[np.float32]  # H W
    sigma: NDArray[np.float32]  # H W

    def sample(self, xy: Points) -> FlowSample:
        stacked = np.dstack([self.flow, self.occlusion, self.sigma])  # H W 4
        values = bilinear(stacked, xy)
        return values[:, :2], values[:, 2], values[:, 3]


@dataclass(frozen=True, eq=False)
class ConsistentFlow:
    """A pair of opposite flows that check each other, and the pictures, where they are sampled.

    A point is occluded when it does not come back to where it started: with ``e`` the
    distance by which it misses, ``e^2 > relative * (|f|^2 + |b|^2) + absolute`` (Sundaram,
    Brox and Keutzer, ECCV 2010), or when what surrounds it looks different at the other end.
    Half of ``e`` and the unlikeness of the patches add up to the flow's standard deviation,
    on top of a floor for the noise every estimate has: two flows that found nothing agree
    with each other, but not with the pictures.
    """

    forward: Field
    backward: Field
    left: Grey  # H W
    right: Grey  # H W
    relative: float = 0.01
    absolute: float = 0.5
    floor: float = 0.1
    unlike: float = 8.0  # px of standard deviation for patches that have nothing in common
    alike: float = 0.8  # patches less alike than this count as occluded

    def sample(self, xy: Points) -> FlowSample:
        there = bilinear(self.forward, xy, outside=None)
        end = np.asarray(xy + there, np.float32)
        back = bilinear(self.backward, end, outside=None)
        error = np.square(there + back).sum(axis=1)
        length = np.square(there).sum(axis=1)
        allowed = self.relative * (length + np.square(back).sum(axis=1)) + self.absolute
        likeness = correlation(
            normalised(read(self.left, np.asarray(xy, np.float32), _PATCH)),
            normalised(read(self.right, end, _PATCH)),
        )
        occlusion = np.maximum(error / allowed - 1, (self.alike - likeness) / self.alike)
        variance = self.floor**2 + error / 4 + np.square(self.unlike * (1 - likeness))
        return there, np.clip(occlusion, 0, 1), np.sqrt(variance)


class DisFlow:
    """Dense inverse search (Kroeger et al., ECCV 2016) in both directions, from OpenCV.

    Parameters
    ----------
    preset
        ``"fast"`` and ``"medium"`` are OpenCV's own; the first stops at a quarter of the
        picture's size. ``"fine"`` searches as fast does, but down to half the size, and
        leaves out the smoothing that follows: when several flows compete, as in MFT, that is
        nearly as good as medium in half the time.
    iterations
        Steps of a patch's search at each scale; default: the preset's, 16.

    Notes
    -----
    A picture with a side under 12 pixels is continued with its edge while it is searched.
    """

    def __init__(self, preset: str = "medium", iterations: int | None = None):
        if preset not in _PRESETS:
            raise PointtrackError(f"preset must be one of {', '.join(_PRESETS)}, found {preset!r}")
        self._preset, self._iterations = preset, iterations

    def prepare(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)

    def between(self, left: Grey, right: Grey, like: Flow | None = None) -> ConsistentFlow:
        forward = backward = None
        if isinstance(like, ConsistentFlow):
            forward = _settled(like.forward, like.backward)
            backward = _settled(like.backward, like.forward)
        there = self._search(left, right, forward)
        return ConsistentFlow(there, self._search(right, left, backward), left, right)

    def _search(self, left: Grey, right: Grey, like: Field | None) -> Field:
        height, width = left.shape
        # OpenCV begins at what is in the output array, and writes over it.
        begin = None if like is None else _widened(like)
        wide = _widened(left)
        flow = self._matcher(wide).calc(wide, _widened(right), begin)  # type: ignore[arg-type]
        return np.asarray(flow[:height, :width], np.float32)

    def _matcher(self, picture: Grey) -> cv2.DISOpticalFlow:
        """A fresh one each time: it remembers the size of what it saw, and costs nothing."""
        matcher = cv2.DISOpticalFlow.create(_PRESETS[self._preset])
        if self._preset == "fine":
            matcher.setFinestScale(1)
            matcher.setVariationalRefinementIterations(0)
        if self._iterations is not None:
            matcher.setGradientDescentIterations(self._iterations)
        # Where OpenCV must lower the finest scale itself it may read beyond small pictures.
        least, most = min(picture.shape), max(picture.shape)
        coarsest = min(math.log2(most / (4 * _DIS_PATCH)) + 0.5, math.log2(least / _DIS_PATCH))
        matcher.setFinestScale(min(matcher.getFinestScale(), max(0, int(coarsest))))
        return matcher


def _settled(flow: Field, opposite: Field) -> Field:
    """A flow that a search may begin at: what does not come back is filled from around it.

    A search that begins astray stays astray, so what was covered for a while would be lost
    for good. The search begins coarsely, so a part of the resolution is enough.
    """
    height, width = flow.shape[:2]
    size = max(1, width // _COARSE), max(1, height // _COARSE)
    there = cv2.resize(flow, size, interpolation=cv2.INTER_NEAREST)
    back = cv2.resize(opposite, size, interpolation=cv2.INTER_NEAREST)
    column, row = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in size))
    x = column + there[..., 0] * np.float32(size[0] / width)
    y = row + there[..., 1] * np.float32(size[1] / height)
    met = cv2.remap(back, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    good = (np.square(there + met).sum(axis=2) < _ASTRAY**2).astype(np.float32)  # h w
    share = np.maximum(cv2.GaussianBlur(good, (0, 0), _FILL), 1e-6)
    around = cv2.GaussianBlur(there * good[..., None], (0, 0), _FILL) / share[..., None]
    filled = np.where(good[..., None] > 0, there, around).astype(np.float32)
    return np.asarray(cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR))


def _widened(picture: NDArray[Any]) -> NDArray[Any]:
    """A copy of ``(H, W[, C])``, its edge repeated to the right and below up to 12 px a side."""
    below, right = (max(0, _DIS_LEAST - side) for side in picture.shape[:2])
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE))


def flow_source(flow: str | FlowSource[Any]) -> FlowSource[Any]:
    """A flow source by name (``"dis_fast"``, ``"dis_fine"``, ``"dis_medium"``) or as given."""
    if hasattr(flow, "prepare") and hasattr(flow, "between"):
        return flow
    known = {f"dis_{preset}": preset for preset in _PRESETS}
    if flow not in known:
        raise PointtrackError(f"flow must be one of {', '.join(known)}, found {flow!r}")
    return DisFlow(known[flow])


def bilinear(picture: NDArray[Any], xy: Points, outside: float | None = 0.0) -> NDArray[np.float32]:
    """Read ``(H, W[, C])`` at points ``(K, 2)``, pixel centres at whole numbers.

    Parameters
    ----------
    outside
        What lies beyond the picture (partly outside blends with it); None repeats the edge.
    """
    height, width = picture.shape[:2]
    x, y = np.asarray(xy[:, 0], np.float64), np.asarray(xy[:, 1], np.float64)
    if outside is None:
        x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    else:
        # Far points weigh nothing; the clip only keeps the integers in range.
        x, y = np.clip(x, -2, width + 1), np.clip(y, -2, height + 1)
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    result = np.zeros((len(x), *picture.shape[2:]), np.float64)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = x0 + dx, y0 + dy
            weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row))
            held = picture[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
            held = held.astype(np.float64)
            if outside is not None:
                beyond = (column < 0) | (column >= width) | (row < 0) | (row >= height)
                held[beyond] = outside
            result += held * weight.reshape(-1, *[1] * (picture.ndim - 2))
    return result.astype(np.float32)


class WorkingSize:
    """Frames shrunk to a working size on the way in; points scaled to match.

    Parameters
    ----------
    longest
        Length in pixels of the longer side that is worked at; smaller videos stay as they are.
    """

    def __init__(self, longest: int):
        if longest < 16:
            raise PointtrackError(
                f"longest, the working size, must be at least 16 px, found {longest}"
            )
        self._longest = longest

    def of(self, size: Size) -> Size:
        """The size that frames of ``size`` are worked at."""
        scale = min(1.0, self._longest / max(size))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    def shrink(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame at its working size."""
        size = (frame.shape[1], frame.shape[0])
        target = self.of(size)
        if target == size:
            return frame
        return np.asarray(cv2.resize(frame, target, interpolation=cv2.INTER_AREA), np.uint8)
