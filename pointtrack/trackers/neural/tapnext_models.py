"""TAPNext as a stream: raster coordinates, values from -1 to 1, positions of 256 x 256."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from pointtrack.geometry import Size
from pointtrack.networks.tapnext import BINS, PATCH, State, TapNext
from pointtrack.networks.tapnext_blocks import Memory
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.features import Maps
from pointtrack.trackers.neural.model import Answer, area, floats
from pointtrack.trackers.neural.recurrent import RecurrentModel

Score = Literal["visibility", "both"]

SUPPORT_REACH = 16.0  # px of 256, to either side of a point
_LEAST = 150 << 20  # bytes of what a frame passes through
_MEMORIES = len(Memory._fields)


class TapNextModel(RecurrentModel):
    """TAPNext, BootsTAPNext and TAPNext++.

    Parameters
    ----------
    network
        With its weights.
    name
        For messages.
    size
        ``(width, height)`` of the frames it gets; multiples of 8.
    support
        Points that are followed around each point, to help it.
    threshold
        From which probability on a point is visible.
    score
        Of being visible, or of both being visible and right to within 8 px (of 256).
    """

    def __init__(
        self,
        network: TapNext,
        name: str,
        size: Size,
        support: int = 0,
        threshold: float = 0.5,
        score: Score = "visibility",
    ) -> None:
        self.network, self.name, self._support = network, name, support
        self._threshold, self._score = threshold, score
        self.convention = Convention(size, "edges", raster=True, low=-1.0, high=1.0)
        self._patches = area(size, PATCH)
        self.overhead = self._patches // (1 + support)

    def need(self) -> Need:
        width, depth = self.network.unknown.shape[0], len(self.network.recurrent)
        frame = floats(self._patches * width)
        # While a frame is worked on there are two states, and with guests another is kept.
        token = floats(3 * depth * _MEMORIES * width)
        least = self._patches * token + _LEAST
        return Need(frame, 3 * frame, token * (1 + self._support), least)

    def encode(self, frames: Tensor) -> Maps:
        return [self.network.encode(frames)]

    def begin(self, queries: Tensor) -> State:
        return self.network.begin(self._in_bins(queries)[None], self._patches)

    def join(self, state: State, queries: Tensor) -> State:
        return self.network.join(state, self._in_bins(queries)[None])

    def leave(self, state: State, rows: Tensor) -> State:
        return self.network.leave(state, rows)

    def step(self, state: State, maps: Maps) -> tuple[Answer, State]:
        found, state = self.network.step(maps[0], state)
        visible = found.visibility_logit[0].sigmoid()
        confidence = visible * found.certainty[0]
        score = visible if self._score == "visibility" else confidence
        tracks = found.tracks[0] / self._scale(found.tracks)
        return Answer(tracks, score > self._threshold, confidence), state

    def support(self, queries: Tensor, video: Size, guests: bool) -> Tensor:
        if not self._support:
            return queries[:0]
        around = support_grid(self._in_bins(queries), self._support, video)
        return torch.cat([around[:, :1], around[:, 1:] / self._scale(around)], dim=1)

    def _in_bins(self, queries: Tensor) -> Tensor:
        return torch.cat([queries[:, :1], queries[:, 1:] * self._scale(queries)], dim=1)

    def _scale(self, like: Tensor) -> Tensor:
        """From pixels of the frames that the network gets to those that it counts in."""
        width, height = self.convention.size
        return like.new_tensor([BINS / width, BINS / height])


def support_grid(queries: Tensor, count: int, video: Size, reach: float = SUPPORT_REACH) -> Tensor:
    """Points around points, as in the network's entry to the VOT challenge.

    Parameters
    ----------
    queries
        ``(N, 3)`` t, x, y in pixels of 256, raster.
    count
        Around each: centres of square cells *of the video* that tile the surroundings.
    video
        Its size: no point lies beyond its last pixel.
    reach
        How far the surroundings go to either side, in pixels of 256.

    Returns
    -------
    Tensor
        ``(N count, 3)``, those of the first query first.
    """
    width, height = video
    columns = max(1, round(math.sqrt(count * width / height)))
    rows = -(-count // columns)
    number = torch.arange(count, device=queries.device)
    cell = torch.stack([number % columns + 0.5, number // columns + 0.5], dim=-1)  # S 2
    offset = (2 * cell / cell.new_tensor([columns, rows]) - 1) * reach
    last = queries.new_tensor([BINS * (1 - 1 / width), BINS * (1 - 1 / height)])
    xy = (queries[:, None, 1:] + offset.to(queries.dtype)).clamp(min=0).minimum(last)  # N S 2
    t = queries[:, None, :1].expand(-1, count, -1)
    return torch.cat([t, xy], dim=-1).flatten(0, 1)
