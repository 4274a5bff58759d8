"""TAP-Net, TAPIR and LocoTrack: raster coordinates, values from -1 to 1, points by themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pointtrack.geometry import Size
from pointtrack.networks.blocks.estimates import (
    Estimate,
    TrackOutput,
    output,
    ratio,
    refinement_sizes,
)
from pointtrack.networks.blocks.matching import put_queries
from pointtrack.networks.locotrack import Features as LocoFeatures
from pointtrack.networks.locotrack import LocoTrack
from pointtrack.networks.tapir import ITERATIONS, Features, Tapir
from pointtrack.networks.tapnet import REACH, TapNet
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.features import Maps
from pointtrack.trackers.neural.model import Answer, ClipModel, DescribingModel, area, floats

_MATCHED_AT = 256  # px a side, or what the picture has if that is less
_LEAST = 150 << 20  # bytes of what a portion of points needs


def _convention(size: Size) -> Convention:
    return Convention(size, "edges", raster=True, low=-1.0, high=1.0)


def matching_size(size: Size) -> tuple[int, int]:
    """Height and width at which points are matched: multiples of 16, for pictures of ``size``."""
    return min(_MATCHED_AT, size[1] // 16 * 16), min(_MATCHED_AT, size[0] // 16 * 16)


def certain(found: TrackOutput | Estimate, threshold: float) -> Answer:
    """A single clip's tracks, with the probability that a point is both seen and near."""
    hidden, far = found.occlusion_logit[0], found.expected_dist_logit[0]
    confidence = (1 - hidden.sigmoid()) * (1 - far.sigmoid())
    return Answer(found.tracks[0], confidence > threshold, confidence)


def tapir_need(size: Size, levels: list[tuple[int, int]]) -> Need:
    """Of all four TAPIR networks."""
    cells = sum(128 * area((w, h), 4) + 256 * area((w, h), 8) for h, w in levels)
    largest = max(h * w for h, w in levels)
    return Need(floats(cells), floats(150 * largest), floats(40 * len(levels)), _LEAST)


class TapirModel(DescribingModel):
    """TAPIR and BootsTAPIR."""

    def __init__(
        self,
        network: Tapir,
        name: str,
        size: Size,
        threshold: float,
        iterations: int = ITERATIONS,
    ) -> None:
        self.network, self.name, self._threshold = network, name, threshold
        self.convention = _convention(size)
        network.resolution, network.iterations = matching_size(size), iterations
        self._size = (size[1], size[0])  # height, width
        self._levels = network.levels(self._size)

    def need(self) -> Need:
        return tapir_need(self.convention.size, self._levels)

    def encode(self, frames: Tensor) -> Maps:
        parts = [self.network.encode(frames[None], level) for level in self._levels]
        return [maps[0] for part in parts for maps in part]

    @property
    def sizes(self) -> int:
        return len(self._levels)

    def seen(self, maps: Maps) -> list[Features]:
        """The frames' features, of each size."""
        return [Features(maps[n][None], maps[n + 1][None]) for n in range(0, len(maps), 2)]

    def describe(self, maps: Maps, queries: Tensor) -> list[Features]:
        network = self.network
        return [network.describe(part, queries[None], self._size) for part in self.seen(maps)]

    def find(self, maps: Maps, points: list[Features]) -> Answer:
        return self._follow(maps, points, None)

    def track(self, maps: Maps, queries: Tensor) -> Answer:
        return self._follow(maps, self.describe(maps, queries), queries[None])

    def _follow(self, maps: Maps, points: list[Features], queries: Tensor | None) -> Answer:
        network = self.network
        steps: list[Estimate] = []
        for seen, looks in zip(self.seen(maps), points, strict=True):
            if not steps:
                start = network.match(seen, looks)
                steps = [start if queries is None else self._through(start, queries)]
            start = steps[0]._replace(tracks=steps[-1].tracks)
            steps += network.refine(seen, looks, start)[0]
        ends = zip(*steps[network.iterations :: network.iterations], strict=True)  # of each level
        answer = Estimate(*(torch.stack(values).mean(0) for values in ends))
        return certain(output(answer, [], network.resolution, self._size), self._threshold)

    def _through(self, found: Estimate, queries: Tensor) -> Estimate:
        scale = ratio(self._size, self.network.resolution)
        return found._replace(
            tracks=put_queries(found.tracks, queries * queries.new_tensor([1, *scale]))
        )


class LocoTrackModel(DescribingModel):
    """LocoTrack, both sizes. Matched at 256 x 256, refined at the picture's own size."""

    def __init__(self, network: LocoTrack, name: str, size: Size, threshold: float) -> None:
        self.network, self.name, self._threshold = network, name, threshold
        self.convention = _convention(size)
        self._size = (size[1], size[0])
        smaller = max(size) <= _MATCHED_AT
        levels = [self._size] if smaller else refinement_sizes(self._size, network.resolution)
        self._first, self._last = levels[0], levels[-1]

    def need(self) -> Need:
        height, width = self._last
        last = (width, height)
        cells = 64 * area(last, 2) + 128 * area(last, 4) + 256 * area(last, 8)
        if self._first != self._last:
            matched = (self._first[1], self._first[0])
            cells += 128 * area(matched, 4) + 256 * area(matched, 8)
        return Need(floats(cells), floats(180 * height * width), floats(800), _LEAST)

    def encode(self, frames: Tensor) -> Maps:
        maps = [level[0] for level in self.network.encode(frames[None], self._last)]
        if self._first != self._last:
            maps += [level[0] for level in self.network.encode(frames[None], self._first)[:2]]
        return maps

    @property
    def sizes(self) -> int:
        return 2  # that at which points are matched, and that at which they are refined

    def describe(self, maps: Maps, queries: Tensor) -> list[Any]:
        seen, matched = self._seen(maps)
        asked = queries[None]
        templates = self.network.templates(matched, asked, self._size)
        return [templates, self.network.describe(seen, asked, self._size)]

    def find(self, maps: Maps, points: list[Any]) -> Answer:
        seen, matched = self._seen(maps)
        return self._refined(seen, points[1], self.network.find(matched, points[0]))

    def track(self, maps: Maps, queries: Tensor) -> Answer:
        seen, matched = self._seen(maps)
        asked = queries[None]
        start = self.network.match(matched, asked, self._size)
        return self._refined(seen, self.network.describe(seen, asked, self._size), start)

    def _seen(self, maps: Maps) -> tuple[LocoFeatures, list[Tensor]]:
        """Maps to refine with, and to match with."""
        seen = LocoFeatures(*(level[None] for level in maps[:3]))
        return seen, [level[None] for level in maps[3:]] or list(seen[:2])

    def _refined(self, seen: LocoFeatures, points: LocoFeatures, start: Estimate) -> Answer:
        end = self.network.refine(seen, points, start)[-1]
        return certain(output(end, [], self.network.resolution, self._size), self._threshold)


class TapNetModel(ClipModel):
    """TAP-Net. Frames see each other in the encoder, and nowhere else."""

    reach = REACH

    def __init__(self, network: TapNet, name: str, size: Size, threshold: float) -> None:
        self.network, self.name, self._threshold = network, name, threshold
        self.convention = _convention(size)

    def need(self) -> Need:
        size = self.convention.size
        around = 1 + 2 * REACH
        return Need(floats(256 * area(size, 8)), floats(around * 60 * area(size, 2)), 200, _LEAST)

    def encode(self, frames: Tensor) -> Maps:
        return [self.network.encode(frames[None])[0]]

    def track(self, maps: Maps, queries: Tensor) -> Answer:
        size = (self.convention.size[1], self.convention.size[0])
        seen, asked = maps[0][None], queries[None]
        found = self.network.match(seen, self.network.describe(seen, asked, size), size)
        seen_probability = 1 - found.occlusion_logit[0].sigmoid()
        tracks = put_queries(found.tracks, asked)[0]
        return Answer(tracks, seen_probability >= self._threshold, seen_probability)
