"""Whether tracks agree with what was rendered; a clip whose tracks do not is not written.

Tracks come from the meshes that Blender evaluates, maps from those that Cycles renders: two ways
that share neither rays nor projection. Pure NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from pointtrack.synthesis.blender.passes import STEEPEST, FrameMaps

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_STRAIGHT = 0.004  # at most; then interpolation is off by less than 0.2 %


@dataclass(frozen=True)
class Agreement:
    """How well tracks and maps agree in one clip.

    Attributes
    ----------
    query_error
        Greatest distance between a query and its track at its frame, in pixels.
    flow_agreement, flow_compared
        Share of visible steps from frame to frame within 0.1 px of the Vector pass; number.
    flow_error
        Their 99th percentile, in pixels.
    depth_agreement, depth_compared
        Share of visible positions within 1 % of the depth map; number.
    visibility_agreement, visibility_compared
        Share of positions, away from outlines, whose visibility (fog aside) is what the depth map
        says: visible where it is as far as the point, within 0.2 %; number.
    """

    query_error: float
    flow_agreement: float
    flow_compared: int
    flow_error: float
    depth_agreement: float
    depth_compared: int
    visibility_agreement: float
    visibility_compared: int

    def failures(self) -> list[str]:
        """What is not good enough, in words; empty when all is."""
        bad = []
        if not self.query_error <= 0.01:
            bad.append(f"a track is {self.query_error:.3g} px from its query, at most 0.01 wanted")
        if self.flow_compared and self.flow_agreement <= 0.99:
            bad.append(
                f"{self.flow_agreement:.2%} of {self.flow_compared} steps agree with the rendered "
                "flow, more than 99% wanted"
            )
        if self.depth_compared and self.depth_agreement < 0.99:
            bad.append(
                f"{self.depth_agreement:.2%} of {self.depth_compared} positions agree with the "
                "rendered depth, at least 99% wanted"
            )
        if self.visibility_compared and self.visibility_agreement < 0.99:
            bad.append(
                f"{self.visibility_agreement:.2%} of {self.visibility_compared} visibilities "
                "agree with the rendered depth, at least 99% wanted"
            )
        return bad

    def to_mapping(self) -> dict[str, float]:
        """The numbers as JSON holds them, rounded so that they are the same everywhere."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def compare(
    maps: Sequence[FrameMaps],
    xy: FloatArray,
    depth: FloatArray,
    visible: BoolArray,
    queries: FloatArray,
    focal: float,
) -> Agreement:
    """Compare the tracks of a view with its maps.

    Parameters
    ----------
    maps
        T of them.
    xy, depth
        ``(N, T, 2)`` pixels and ``(N, T)`` distances along the optical axis.
    visible
        ``(N, T)``: seen if there were no fog, which the maps do not show.
    queries
        ``(M, 4)`` rows of (track, frame, x, y).
    focal
        The camera's, in pixels.
    """
    flow, near_depth, same = [np.zeros(0)], [np.zeros(0, bool)], [np.zeros(0, bool)]
    for t, frame in enumerate(maps):
        sample = Sample(frame, xy[:, t], focal)
        z = depth[:, t]
        with np.errstate(invalid="ignore"):
            off = np.abs(sample.depth / z - 1)
        near_depth.append(off[sample.sure & visible[:, t]] < 0.01)
        judged = sample.sure & (z > 0)
        same.append((off[judged] < 0.002) == visible[judged, t])
        if t + 1 < len(maps):
            both = sample.sure & visible[:, t] & visible[:, t + 1]
            step = xy[both, t + 1] - xy[both, t]
            flow.append(np.linalg.norm(step - sample.read(frame.forward)[both], axis=1))
    asked, frames = queries[:, 0].astype(int), queries[:, 1].astype(int)
    error = np.linalg.norm(xy[asked, frames] - queries[:, 2:], axis=1)
    steps, depths, visibilities = (np.concatenate(parts) for parts in (flow, near_depth, same))
    return Agreement(
        query_error=float(error.max(initial=0)),
        flow_agreement=_mean(steps <= 0.1),
        flow_compared=len(steps),
        flow_error=float(np.quantile(steps, 0.99)) if len(steps) else 0.0,
        depth_agreement=_mean(depths),
        depth_compared=len(depths),
        visibility_agreement=_mean(visibilities),
        visibility_compared=len(visibilities),
    )


def _mean(values: BoolArray) -> float:
    return float(values.mean()) if len(values) else 1.0


class Sample:
    """Maps of a frame between pixels: bilinear, where the four around show one surface.

    `focal` is the camera's, in pixels.

    Attributes
    ----------
    sure
        ``(N,)``: in the picture, and no outline among the four pixels around.
    depth
        ``(N,)``; interpolated as 1 / depth, which is exact on a plane.
    """

    def __init__(self, maps: FrameMaps, xy: FloatArray, focal: float):
        height, width = maps.depth.shape
        inside = np.all((xy >= 0) & (xy <= (width - 1, height - 1)), axis=1)  # NaN: no
        place = np.where(inside[:, None], xy, 0)
        corner = np.minimum(place.astype(int), (max(width - 2, 0), max(height - 2, 0)))  # N 2
        self._x, self._y = corner[:, 0], corner[:, 1]
        fx, fy = (place - corner).T
        self._weights = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy], 1)
        inverse = self._around(1 / maps.depth.astype(np.float64))  # N 4
        index = self._around(maps.index)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.depth = 1 / (inverse * self._weights).sum(1)
            flat = inverse.min(1) > (1 - STEEPEST / focal) * inverse.max(1)
            flat &= self._around(_bends(maps.depth)).max(1) < _STRAIGHT
        self.sure = inside & flat & (index == index[:, :1]).all(1) & (inverse.min(1) > 0)

    def read(self, values: NDArray[np.floating]) -> FloatArray:
        """A map ``(H, W, C)`` at the points, ``(N, C)``."""
        return (self._around(values) * self._weights[..., None]).sum(1)

    def _around(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        x, y = self._x, self._y
        return np.stack([values[y, x], values[y, x + 1], values[y + 1, x], values[y + 1, x + 1]], 1)


def _bends(depth: NDArray[np.floating]) -> FloatArray:
    """By how much of itself 1 / depth leaves the line through a pixel's neighbours; ``(H, W)``.

    0 on planes; on an outline, the step's height.
    """
    inverse = np.pad(1 / depth.astype(np.float64), 1, mode="reflect", reflect_type="odd")
    middle = inverse[1:-1, 1:-1]
    across = inverse[1:-1, 2:] + inverse[1:-1, :-2] - 2 * middle
    down = inverse[2:, 1:-1] + inverse[:-2, 1:-1] - 2 * middle
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.maximum(np.abs(across), np.abs(down)) / middle
