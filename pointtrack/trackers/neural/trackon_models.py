"""Track-On2 as a stream: raster coordinates, values from 0 to 255, positions at working size."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pointtrack.errors import WeightsError
from pointtrack.geometry import Size
from pointtrack.networks.trackon import (
    CANDIDATES,
    STRIDE,
    VISIBLE,
    Remembered,
    TrackOn2,
    support_grid,
)
from pointtrack.networks.trackon_backbone import CHANNELS, Maps, level_sizes
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.features import Maps as Features
from pointtrack.trackers.neural.model import Answer, area, floats
from pointtrack.trackers.neural.recurrent import RecurrentModel
from pointtrack.weights import ModelCard, official_files
from pointtrack.weights.files import read_tensors, unwrap
from pointtrack.weights.loading import Weights
from pointtrack.weights.official.trackon import with_transformer
from pointtrack.weights.published.trackon import TRANSFORMERS
from pointtrack.weights.recognise import check_variant

_PASSED = 1600  # numbers a cell of stride 4, while a frame is encoded
_LEAST = 300 << 20  # bytes of weights and of what they are multiplied with


@dataclass(frozen=True)
class State:
    """A stream of N points, some of which may be asked for later.

    Attributes
    ----------
    points
        What the network remembers of those that are there, in the order they came.
    number
        ``(K,)``: which of the N these are.
    party
        ``(N,)``: guests that came together have one number, all others 0.
    waiting
        ``(N, 3)`` t, x, y: frames until a point is asked for, and where; t is negative for those
        that are there.
    """

    points: Remembered
    number: Tensor
    party: Tensor
    waiting: Tensor


class TrackOnModel(RecurrentModel):
    """Track-On2.

    Parameters
    ----------
    network
        With its weights.
    name
        For messages.
    size
        ``(width, height)`` of the frames it gets; multiples of 32.
    remembered
        Frames that a point remembers.
    support
        Points along each side of a grid that is followed besides, to help; 0 for none.
    threshold
        Probability from which on a point is visible.
    """

    def __init__(
        self,
        network: TrackOn2,
        name: str,
        size: Size,
        remembered: int = 72,
        support: int = 10,
        threshold: float = VISIBLE,
    ) -> None:
        self.network, self.name, self._support = network, name, support
        self._threshold = threshold
        network.size, network.memory = (size[1], size[0]), remembered
        self.convention = Convention(size, "edges", raster=True)
        self.overhead = support * support

    def need(self) -> Need:
        cells = area(self.convention.size, STRIDE)
        tokens = sum(height * width for height, width in level_sizes(self.network.size))
        # Two states, one of which is kept, and what memories and candidates pass through.
        point = floats(CHANNELS * (3 * self.network.memory + 8 * CANDIDATES))
        frame = floats((tokens + cells) * CHANNELS)
        return Need(frame, floats(cells * _PASSED), point, _LEAST)

    def encode(self, frames: Tensor) -> Features:
        return list(self.network.encode(frames))

    def begin(self, queries: Tensor) -> State:
        none = torch.zeros(len(queries), dtype=torch.long, device=queries.device)
        return State(self.network.nothing(queries), none[:0], none, queries)

    def join(self, state: State, queries: Tensor) -> State:
        party = state.party.new_full((len(queries),), int(state.party.max()) + 1)
        return replace(
            state,
            party=torch.cat([state.party, party]),
            waiting=torch.cat([state.waiting, queries]),
        )

    def leave(self, state: State, rows: Tensor) -> State:
        stays = torch.zeros_like(state.party, dtype=torch.bool)
        stays[rows] = True
        there = stays[state.number]
        number = (stays.cumsum(0) - 1)[state.number[there]]
        points = state.points.chosen(torch.nonzero(there)[:, 0])
        return State(points, number, state.party[rows], state.waiting[rows])

    def step(self, state: State, maps: Features) -> tuple[Answer, State]:
        frame = Maps(*maps)
        fresh = torch.nonzero(state.waiting[:, 0] == 0)[:, 0]
        points, number = state.points, state.number
        if len(fresh):
            points = points.joined(self.network.begin(frame, state.waiting[fresh, 1:]))
            number = torch.cat([number, fresh])
        waiting = state.waiting - state.waiting.new_tensor([1, 0, 0])
        tracks = state.waiting[:, None, 1:].clone()
        seen = tracks.new_zeros(len(tracks), 1)
        sure = torch.zeros_like(seen)
        if len(number):
            found, points = self.network.step(frame, points, _sees(state.party[number]))
            tracks[number, 0] = found.xy
            seen[number, 0] = found.visibility_logit.sigmoid()
            # The network was taught to doubt what is hidden or more than 12 px of 512 off.
            sure[number, 0] = (-found.uncertainty_logit).sigmoid()
        after = State(points, number, state.party, waiting)
        return Answer(tracks, seen >= self._threshold, sure), after

    def support(self, queries: Tensor, video: Size, guests: bool) -> Tensor:
        if guests or not self._support:
            return queries[:0]
        grid = support_grid(self._support, (video[1], video[0])).to(queries)
        width, height = self.convention.size
        grid = grid * grid.new_tensor([width / video[0], height / video[1]])
        return torch.cat([queries.new_zeros(len(grid), 1), grid], dim=1)


def _sees(party: Tensor) -> Tensor | None:
    """Who looks at whom, ``(N, N)``: at those of the first hour and at those who came along."""
    if not bool(party.any()):
        return None
    return (party == 0) | (party[:, None] == party)


def whole_weights(
    card: ModelCard, weights: Weights | None, transformer: str | os.PathLike[str] | None
) -> Weights | None:
    """Track-On2's published tensors together with those of its transformer.

    Parameters
    ----------
    weights
        As of `load_network`.
    transformer
        The path of the transformer's file; ``"official"`` downloads it, where that can be done
        without asking for it by hand. Default: that, if the weights are downloaded too.

    Raises
    ------
    WeightsError
        When either cannot be read, or there is nothing to put the transformer into.
    """
    official = isinstance(weights, str) and weights.partition(":")[0] == "official"
    if transformer is None:
        if not official or not TRANSFORMERS[card.name].url:
            return weights
        transformer = "official"
    name = "the given weights"
    if isinstance(weights, Mapping):
        tensors = unwrap(weights)
    elif weights is None or weights in ("random", "bundled"):
        raise WeightsError(
            f"transformer of {card.name} goes with weights='official' or the path of a "
            f"checkpoint, found {weights!r}"
        )
    elif official:
        file = official_files.choose(card, str(weights).partition(":")[2])
        tensors = read_tensors(official_files.fetch(card, file)[0])
    else:
        tensors, name = read_tensors(weights), os.fspath(weights)
    check_variant(card, tensors, name)  # the two kinds differ in nothing but their files' names
    if transformer == "official":
        transformer = official_files.fetch(card, TRANSFORMERS[card.name])[0]
    return with_transformer(card.network, tensors, read_tensors(transformer))
