"""The project's own tracker: small, causal, one frame at a time, points independent.

A frame is encoded once. Every point carries a recurrent state, what it looked like where it was
asked for, and what it looked like lately. On a new frame it starts where optical flow takes it,
or its velocity where the flow is not to be trusted.
Then it is moved a few times by what it sees around it: dot products of a 3 x 3 support patch
with a 7 x 7 neighbourhood at three strides (LocoTrack, arXiv 2407.15420; CoTracker3,
arXiv 2410.11831), read by a recurrent unit as in RAFT whose state goes on to the next frame. It
says where the point is, whether it is seen, how likely it is seen *and* right to within 8 px,
and how far off it may be. A point that is not surely seen gets a second look, from where the
whole frame looks most like it (TAPIR's global matching, arXiv 2306.08637), and goes on from
there when that is seen surely: so points are found again that were hidden or lost.

::

    network = CompactNetwork()
    features = network.encode(frame[None])            # frame: 3 H W
    state = network.begin(features, which, xy)        # any time; then join(state, ...)
    hint = drift(flow, state.which, state.xy)         # of compact_flow; may be left out
    state, answer = network.follow(state, network.encode(next_frame[None]), drift=hint)

Coordinates are pixels of the encoded frames, the centre of the top-left one at (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.sampling import gather, interpolate, patch_index
from pointtrack.networks.compact_encoder import STRIDES, CompactEncoder
from pointtrack.networks.compact_matching import Match, match

Features = list[Tensor]  # (F, h, w, C) at each stride

SUPPORT = 1  # radius of the support patch
_SAMPLES = (2 * SUPPORT + 1) ** 2
_SEARCHED = 1  # the stride, by number, at which the whole frame is searched
_SCALE = 8.0  # px: what offsets are measured in
_STEP = 2.0  # px: what the last word on a move is given in
_EDGE = 32.0  # px: how far from an edge of the picture it is noticed
_DOUBT, _SURE = 0.5, 0.5  # chance to be seen and right: for a second look, and to believe it
_TRUSTED = 0.3  # of flow: from where on a point that was seen begins where it leads
_APART = 6.0  # px: nearer to each other than this, two looks are the same
_PULLS = 2 * len(STRIDES) + 1  # what may move a point: neighbourhoods by two looks, and flow


@dataclass(frozen=True)
class CompactConfig:
    """The sizes of a `CompactNetwork`.

    Attributes
    ----------
    widths, blocks, channels
        Of the encoder; see `CompactEncoder`.
    radius
        Of the neighbourhood that is compared with the support patch, in cells.
    hidden
        Length of a point's recurrent state.
    embedding
        Length of what is made of the comparison at one stride.
    iterations
        How often a point is moved within a frame.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    blocks: tuple[int, int, int] = (1, 2, 1)
    channels: int = 64
    radius: int = 3
    hidden: int = 256
    embedding: int = 128
    iterations: int = 3

    def to_dict(self) -> dict[str, object]:
        """As plain values, for a checkpoint."""
        return asdict(self)


class PointState(NamedTuple):
    """What is remembered of P points between frames. Rows can be taken, dropped and joined.

    Attributes
    ----------
    which : Tensor
        ``(P,)`` int64: the frame of the batch that a point lives on; 0 in a single stream.
    xy, velocity : Tensor
        ``(P, 2)``, pixels and pixels a frame.
    hidden : Tensor
        ``(P, D)``.
    query, recent : Tensor
        ``(P, L, S, C)``: support patches where the point was asked for, and as of lately.
    logits : Tensor
        ``(P, 2)``: visibility and confidence on the latest frame.
    """

    which: Tensor
    xy: Tensor
    velocity: Tensor
    hidden: Tensor
    query: Tensor
    recent: Tensor
    logits: Tensor

    def rows(self, index: Tensor | slice) -> PointState:
        """Some of the points."""
        return PointState(*(field[index] for field in self))


class Answer(NamedTuple):
    """One frame's answer for P points after each of K iterations.

    Attributes
    ----------
    xy : Tensor
        ``(K, P, 2)`` pixels.
    visible, sure : Tensor
        ``(K, P)`` logits: the point is seen; it is seen and `xy` is right to within 8 px.
    spread : Tensor
        ``(K, P)``: log of the error's scale b in pixels. Errors of length r have the density
        ``r exp(-r / b) / b^2``; half of them are below 1.68 b.
    start : Tensor
        ``(P, 2)``: where the first move began.
    near : Tensor
        ``(P, L, 2, n * n)`` logits: which cell of the neighbourhood of `start` the point is in,
        by what it looked like at its query and lately.
    """

    xy: Tensor
    visible: Tensor
    sure: Tensor
    spread: Tensor
    start: Tensor
    near: Tensor


def join(states: Sequence[PointState]) -> PointState:
    """The points of several states, one after the other."""
    return PointState(*(torch.cat(fields) for fields in zip(*states, strict=True)))


class CompactNetwork(nn.Module):
    """See the module; `CompactConfig` has the sizes."""

    def __init__(self, config: CompactConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CompactConfig()
        self.encoder = CompactEncoder(config.widths, config.blocks, config.channels)
        seen = (2 * config.radius + 1) ** 2 * 2 * _SAMPLES
        self.compare = nn.ModuleList(nn.Linear(seen, config.embedding) for _ in STRIDES)
        self.mix = nn.Linear(len(STRIDES) * config.embedding, config.hidden)
        self.notice = nn.Linear(_NOTICED, config.hidden)
        self.turn = nn.Parameter(torch.zeros(config.iterations, config.hidden))
        self.cell = _Cell(config.hidden, config.hidden)
        self.head = _Head(config.hidden, 5 + _PULLS + 1)
        self.carry = nn.Linear(config.hidden, 2)  # how much velocity; how much appearance
        self.start = nn.Linear(len(STRIDES) * config.channels, config.hidden)
        # Logs of what dot products are multiplied by to be logits.
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        self.near_sharpness = nn.Parameter(torch.full((len(STRIDES), 1, 1), 2.5))

    def encode(self, frames: Tensor) -> Features:
        """Frames ``(F, 3, H, W)`` to feature maps; see `CompactEncoder`."""
        return self.encoder(frames)

    def begin(self, features: Features, which: Tensor, xy: Tensor) -> PointState:
        """Take up points.

        Parameters
        ----------
        features
            Of the frames that they are asked for on.
        which
            ``(P,)`` int64: which of the frames.
        xy
            ``(P, 2)``.
        """
        looks = self._looks(features, which, xy)
        centre = looks[:, :, _SAMPLES // 2].flatten(1)  # P L*C
        hidden = torch.tanh(self.start(centre)).float()
        certain = torch.full_like(xy, 4.0)
        return PointState(which, xy, torch.zeros_like(xy), hidden, looks, looks, certain)

    def step(
        self,
        state: PointState,
        features: Features,
        iterations: int | None = None,
        found: Tensor | None = None,
        away: Tensor | None = None,
        drift: Tensor | None = None,
    ) -> tuple[PointState, Answer]:
        """Look once for points on the next frame.

        Parameters
        ----------
        state, features
            Of the points, and of the frame.
        iterations
            How often each is moved; default: the configuration's.
        found, away
            ``(P, 2)``, and ``(P,)`` bool: places, and which of the points begin there rather
            than where they are expected; default: none. See `search`.
        drift
            ``(P, 3)``: where optical flow takes them, and how far it is to be trusted, as
            `compact_flow.drift` says; default: nothing is known of it.
        """
        if drift is None:
            drift = torch.zeros_like(state.xy[:, :1]).expand(-1, 3)
        size = (features[0].shape[2] * STRIDES[0], features[0].shape[1] * STRIDES[0])
        carry = torch.sigmoid(self.carry(state.hidden).float())  # P 2
        flowed = state.xy + drift[:, :2]
        flows = (drift[:, 2] > _TRUSTED) & (_chance(state.logits) > _SURE)
        expected = torch.where(flows[:, None], flowed, state.xy + carry[:, :1] * state.velocity)
        if found is None or away is None:
            xy, away = expected, torch.zeros_like(state.which, dtype=torch.bool)
        else:
            xy = torch.where(away[:, None], found, expected)
        hidden, logits = state.hidden, state.logits
        spread = torch.zeros_like(xy[:, 0])
        templates = torch.cat([state.query, state.recent], dim=2)  # P L 2S C
        turns: list[tuple[Tensor, ...]] = []
        for turn in range(iterations or self.config.iterations):
            at = xy.detach()
            seen, near = self._compare(features, state.which, at, templates)
            if turn == 0:
                start, first = at, near
            led = (flowed - at) * (drift[:, 2:] > 0)
            noticed = _notice(
                at, state, logits.detach(), spread.detach(), away, size, led, drift[:, 2:]
            )
            turn_bias = self.turn[min(turn, len(self.turn) - 1)]
            hidden = self.cell(F.relu(seen + self.notice(noticed) + turn_bias), hidden)
            read = self.head(hidden).float()
            moved, visible, sure, spread, trust = read.split((2, 1, 1, 1, _PULLS + 1), 1)
            # The first move starts from a place that is learned too.
            xy = (xy if turn == 0 else at) + self._pulls(near, led, trust) + _STEP * moved
            logits, spread = torch.cat([visible, sure], 1), spread[:, 0]
            turns.append((xy, visible[:, 0], sure[:, 0], spread))
        moves, seens, sures, spreads = (torch.stack(turn) for turn in zip(*turns, strict=True))
        answer = Answer(moves, seens, sures, spreads, start, first)
        return self._remember(state, features, xy.detach(), hidden, logits, away), answer

    def search(self, state: PointState, features: Features) -> Match:
        """Where in the whole frame points look as they did where they were asked for."""
        patches = state.query[:, _SEARCHED]
        sharpness = self.sharpness.exp()
        return match(features[_SEARCHED], STRIDES[_SEARCHED], state.which, patches, sharpness)

    def follow(
        self,
        state: PointState,
        features: Features,
        iterations: int | None = None,
        every: bool = False,
        drift: Tensor | None = None,
    ) -> tuple[PointState, Answer]:
        """Follow points onto the next frame: `step`, and a second look where it is in doubt.

        ``every`` looks twice at all points and uses what it must: the same answer by a fixed
        row of operations, for export.
        """
        after, answer = self.step(state, features, iterations, drift=drift)
        chance = _chance(after.logits)
        doubt = chance < _DOUBT
        rows = torch.arange(len(doubt), device=doubt.device) if every else doubt.nonzero()[:, 0]
        if not every and len(rows) == 0:
            return after, answer
        lost = state.rows(rows)
        found = self.search(lost, features).xy
        away = doubt[rows] & ((found - after.xy[rows]).norm(dim=1) > _APART)
        hint = None if drift is None else drift[rows]
        other, second = self.step(lost, features, iterations, found, away, hint)
        better = away & (_chance(other.logits) > _SURE)
        after = PointState(*(_put(*pair, rows, better) for pair in zip(after, other, strict=True)))
        xy, visible, sure, spread = (
            _put(old.movedim(1, 0), new.movedim(1, 0), rows, better).movedim(0, 1)
            for old, new in zip(answer[:4], second[:4], strict=True)
        )
        return after, Answer(xy, visible, sure, spread, answer.start, answer.near)

    def _looks(self, features: Features, which: Tensor, xy: Tensor) -> Tensor:
        """Support patches ``(P, L, S, C)``."""
        looks = []
        for maps, stride in zip(features, STRIDES, strict=True):
            index, _, fraction = patch_index(maps.shape[1:3], which, xy / stride, SUPPORT)
            pixels = gather(maps, index)
            looks.append(interpolate(pixels, fraction.to(pixels.dtype)).flatten(1, 2))
        return torch.stack(looks, dim=1)

    def _compare(
        self, features: Features, which: Tensor, xy: Tensor, templates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the neighbourhood of ``xy`` looks like, next to the templates.

        Returns an embedding ``(P, D)``, and the logits of `Answer.near`.
        """
        seen, middles = [], []
        for level, (maps, stride) in enumerate(zip(features, STRIDES, strict=True)):
            index, _, fraction = patch_index(
                maps.shape[1:3], which, xy / stride, self.config.radius
            )
            pixels = gather(maps, index.flatten(1))  # P 64 C
            products = (pixels @ templates[:, level].mT).view(*index.shape, -1)  # P 8 8 2S
            near = interpolate(products, fraction.to(products.dtype))  # P 7 7 2S
            seen.append(F.relu(self.compare[level](near.flatten(1))))
            middles.append(near[..., _SAMPLES // 2 :: _SAMPLES].flatten(1, 2).mT)  # P 2 49
        logits = torch.stack(middles, dim=1).float() * self.near_sharpness.exp()
        return self.mix(torch.cat(seen, dim=1)), logits

    def _pulls(self, near: Tensor, led: Tensor, trust: Tensor) -> Tensor:
        """To where the neighbourhoods look most alike and where flow leads, as far as each is
        trusted; ``(P, 2)`` px."""
        radius = self.config.radius
        reach = torch.arange(-radius, radius + 1, dtype=torch.float32, device=near.device)
        offsets = torch.stack(torch.meshgrid(reach, reach, indexing="xy"), -1).flatten(0, 1)
        strides = near.new_tensor(STRIDES)[:, None, None]
        chances = near.softmax(dim=-1)  # P L 2 49
        x, y = ((chances * offset).sum(-1) for offset in offsets.T)
        peaks = (torch.stack([x, y], dim=-1) * strides).flatten(1, 2)  # P 2L 2
        shares = trust.softmax(dim=1)[:, :-1, None]  # the last is trust in none
        return (shares * torch.cat([peaks, led[:, None]], dim=1)).sum(dim=1)

    def _remember(
        self,
        state: PointState,
        features: Features,
        xy: Tensor,
        hidden: Tensor,
        logits: Tensor,
        away: Tensor,
    ) -> PointState:
        """The state after a frame: looks are taken up as far as the point was surely seen."""
        carry = torch.sigmoid(self.carry(hidden).float())
        share = (_chance(logits)[:, None] * carry[:, 1:])[..., None, None]
        looks = self._looks(features, state.which, xy)
        recent = torch.lerp(state.recent.float(), looks.float(), share).to(looks.dtype)
        velocity = torch.where(away[:, None], 0.0, xy - state.xy)
        return PointState(state.which, xy, velocity, hidden, state.query, recent, logits)


_NOTICED = 2 + 2 + 2 + 4 + 2 + 1 + 1 + 2 + 2 + 2 + 1


def _notice(
    xy: Tensor,
    state: PointState,
    logits: Tensor,
    spread: Tensor,
    away: Tensor,
    size: tuple[int, int],
    led: Tensor,
    trust: Tensor,
) -> Tensor:
    """What a point knows beside its looks: motion, edges of the picture, its own doubts, flow."""
    moved = (xy - state.xy) / _SCALE
    right, bottom = size[0] - 1 - xy[:, :1], size[1] - 1 - xy[:, 1:]
    edges = torch.cat([xy, right, bottom], dim=1) / _EDGE
    return torch.cat(
        [
            moved.clamp(-8, 8),
            torch.tanh(moved),
            state.velocity / _SCALE,
            edges.clamp(-1, 1),
            logits.clamp(-8, 8) / 4,
            spread[:, None].clamp(-4, 4),
            away[:, None].to(xy.dtype),
            (state.logits.detach().clamp(-8, 8)) / 4,
            (led / _SCALE).clamp(-8, 8),
            torch.tanh(led),
            trust,
        ],
        dim=1,
    )


def _chance(logits: Tensor) -> Tensor:
    """How likely points are seen and right, ``(P,)``; of a state's logits."""
    return torch.sigmoid(logits.detach()).prod(dim=1)


def _put(old: Tensor, new: Tensor, rows: Tensor, chosen: Tensor) -> Tensor:
    """``old (P, ...)`` with some of the rows ``new (R, ...)`` in their places."""
    kept = chosen.view(-1, *[1] * (old.ndim - 1))
    return old.index_copy(0, rows, torch.where(kept, new.to(old.dtype), old[rows]))


class _Cell(nn.Module):
    """A gated recurrent unit that stays in float32 where it is remembered."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs + hidden, 2 * hidden)
        self.fresh = nn.Linear(inputs + hidden, hidden)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        x = x.to(hidden.dtype)
        update, reset = torch.sigmoid(self.gates(torch.cat([x, hidden], 1)).float()).chunk(2, 1)
        fresh = torch.tanh(self.fresh(torch.cat([x, reset * hidden], 1)).float())
        return torch.lerp(hidden, fresh, update)


class _Head(nn.Module):
    """Reads a recurrent state; begins near zero."""

    def __init__(self, hidden: int, outputs: int) -> None:
        super().__init__()
        self.inner = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, outputs)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.out(F.relu(self.inner(hidden)))


def compact() -> CompactNetwork:
    """The bundled default's network."""
    return CompactNetwork()
