"""GMRW's tracks: the flow between two frames continues a point's path, or finds it directly.

A point is visible in a frame where the flow to its neighbours in time comes back to it. See
`pointtrack.networks.gmrw`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.gmrw import TEMPERATURE, Gmrw, Size, flow_at

REACH = 3.0  # px by which the flow may miss where it began, at a size of 256


class Step(Protocol):
    """The flow between two frames, in pixels, to be read at points ``(N, 2)``."""

    def ahead(self, xy: Tensor) -> Tensor:
        """From the first to the second, ``(N, 2)``."""
        ...

    def back(self, xy: Tensor) -> Tensor:
        """From the second to the first."""
        ...


class Pair(NamedTuple):
    """Two frames that have seen each other, as a `Step`."""

    first: Tensor  # h w C
    second: Tensor  # h w C
    size: Size  # of the pictures whose pixels are counted
    temperature: float = TEMPERATURE

    def ahead(self, xy: Tensor) -> Tensor:
        return flow_at(self.first, self.second, xy, self.size, self.temperature)

    def back(self, xy: Tensor) -> Tensor:
        return flow_at(self.second, self.first, xy, self.size, self.temperature)

    def reversed(self) -> Pair:
        """The same from the second frame to the first."""
        return self._replace(first=self.second, second=self.first)


def enlarged(frames: Tensor, factor: float) -> Tensor:
    """Frames ``(F, 3, H, W)`` at another size, as the network is to see them."""
    if factor == 1:
        return frames
    size = [round(factor * side) for side in frames.shape[2:]]
    return F.interpolate(frames, size, mode="bilinear", align_corners=True)


def pair(
    network: Gmrw, first: Tensor, second: Tensor, size: Size, temperature: float = TEMPERATURE
) -> Pair:
    """Let two encoded frames ``(h, w, C)`` look at each other."""
    seen = network.exchange(first[None], second[None])
    return Pair(seen[0][0], seen[1][0], size, temperature)


def moved(step: Step, xy: Tensor, forwards: bool = True) -> tuple[Tensor, Tensor]:
    """Where points ``(N, 2)`` go, and by how many pixels ``(N,)`` the way back misses them."""
    there, back = (step.ahead, step.back) if forwards else (step.back, step.ahead)
    flow = there(xy)
    after = xy + flow
    return after, (flow + back(after)).norm(dim=-1)


def chain(steps: Sequence[Step], queries: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Follow points through a clip of T frames, before their queries too.

    Parameters
    ----------
    steps
        The T - 1 flows.
    queries
        ``(N, 3)`` t, x, y.
    size
        Height and width of the pictures.

    Returns
    -------
    tuple
        Tracks ``(N, T, 2)`` and visibility ``(N, T)``.
    """
    begin = queries[:, 0].round().long()
    frames = len(steps) + 1
    xy = queries[:, None, 1:].repeat(1, frames, 1)
    error = xy.new_zeros(len(queries), frames - 1)
    for t in range(frames - 1):
        rows = begin <= t
        xy[rows, t + 1], error[rows, t] = moved(steps[t], xy[rows, t])
    for t in range(frames - 2, -1, -1):
        rows = begin > t
        xy[rows, t], error[rows, t] = moved(steps[t], xy[rows, t + 1], forwards=False)
    return xy, visible(xy, error, size) | (torch.arange(frames) == begin[:, None])


def visible(xy: Tensor, error: Tensor, size: Size) -> Tensor:
    """``xy (N, T, 2)``, and ``error (N, T - 1)`` between frames, to visibility ``(N, T)``."""
    met = error < REACH
    return inside(xy, size) & F.pad(met, (1, 0), value=True) & F.pad(met, (0, 1), value=True)


def inside(xy: Tensor, size: Size) -> Tensor:
    """Which points ``(..., 2)`` lie in a picture of ``size`` (height, width)."""
    limit = xy.new_tensor([size[1], size[0]])
    return ((xy >= 0) & (xy < limit)).all(dim=-1)
