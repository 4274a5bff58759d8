"""PIPs and PIPs++: values from 0 to 255, forwards only; backwards they see the clip reversed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from pointtrack.geometry import Size
from pointtrack.networks.pips import Pips
from pointtrack.networks.pips2 import PipsPlus
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.features import Maps
from pointtrack.trackers.neural.model import Answer, ClipModel, area, floats

_CHANNELS = 128
_PYRAMID = 1.34  # of the finest level's size, all four together
_UNKNOWN = 0.5  # confidence of a network that says nothing of it


class PipsModel(ClipModel):
    """PIPs: windows of eight frames, chained where a point is surely seen."""

    def __init__(self, network: Pips, name: str, size: Size, iterations: int, threshold: float):
        self.network, self.name = network, name
        self.convention = Convention(size)
        self._iterations, self._threshold = iterations, threshold

    def need(self) -> Need:
        return _need(self.convention.size, 4, 30_000)

    def encode(self, frames: Tensor) -> Maps:
        return list(self.network.encode(frames))

    def track(self, maps: Maps, queries: Tensor) -> Answer:
        tracks, visibility = _both_ways(self._ahead, maps, queries)
        return Answer(tracks, visibility > self._threshold, visibility)

    def _ahead(self, maps: Maps, queries: Tensor) -> tuple[Tensor, Tensor]:
        found = self.network.chain(maps, queries, self._iterations)
        return found.tracks, found.visibility_logit.sigmoid()


class PipsPlusModel(ClipModel):
    """PIPs++. It says nothing of visibility: what is in the picture counts as visible."""

    def __init__(self, network: PipsPlus, name: str, size: Size, iterations: int) -> None:
        self.network, self.name = network, name
        self.convention = Convention(size)
        self._iterations = iterations

    def need(self) -> Need:
        return _need(self.convention.size, 8, 100_000)

    def encode(self, frames: Tensor) -> Maps:
        return list(self.network.encode(frames))

    def track(self, maps: Maps, queries: Tensor) -> Answer:
        tracks, known = _both_ways(self._ahead, maps, queries)
        limit = tracks.new_tensor(self.convention.size) - 0.5
        inside = ((tracks >= -0.5) & (tracks <= limit)).all(dim=-1)
        return Answer(tracks, inside, known * _UNKNOWN)

    def _ahead(self, maps: Maps, queries: Tensor) -> tuple[Tensor, Tensor]:
        frames = len(maps[0])
        tracks = queries[:, None, 1:].repeat(1, frames, 1)
        frame = queries[:, 0].long()
        for begin in frame.unique().tolist():
            rows = frame == begin
            if begin + 1 < frames:  # one frame alone has no path
                rest = [level[begin:] for level in maps]
                xy = queries[rows, 1:]
                tracks[rows, begin:] = self.network.chain(rest, xy, iterations=self._iterations)
        return tracks, torch.ones_like(tracks[..., 0])


def _need(size: Size, stride: int, point: int) -> Need:
    cells = _PYRAMID * _CHANNELS * area(size, stride)
    return Need(floats(cells), floats(250 * size[0] * size[1]), point, 100 << 20)


def _both_ways(
    ahead: Callable[[Maps, Tensor], tuple[Tensor, Tensor]], maps: Maps, queries: Tensor
) -> tuple[Tensor, Tensor]:
    """Track forwards, and backwards to the frames before a point's query."""
    tracks, visibility = ahead(maps, queries)
    late = queries[:, 0] > 0
    if late.any():
        frames = tracks.shape[1]
        flipped = queries[late]
        flipped = torch.cat([frames - 1 - flipped[:, :1], flipped[:, 1:]], dim=1)
        back = [value.flip(1) for value in ahead([level.flip(0) for level in maps], flipped)]
        early = torch.arange(frames, device=queries.device) < queries[late, :1]
        tracks[late] = torch.where(early[..., None], back[0], tracks[late])
        visibility[late] = torch.where(early, back[1], visibility[late])
    return tracks, visibility
