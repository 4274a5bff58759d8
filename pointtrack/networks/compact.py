"""The project's own tracker: small, causal, one frame at a time, points independent.

A frame is encoded once. Every point carries a recurrent state, what it looked like where it was
asked for, and what it looked like lately. On a new frame it starts where optical flow takes it:
from the frame before, or from the frame it was asked for on (MFT, arXiv 2305.12998); or where its
velocity takes it, where neither flow is to be trusted.
Then it is moved a few times by what it sees around it: dot products of a 3 x 3 support patch
with a 7 x 7 neighbourhood at three strides (LocoTrack, arXiv 2407.15420; CoTracker3,
arXiv 2410.11831), read by a recurrent unit as in RAFT whose state goes on to the next frame. It
says where the point is, whether it is seen, how likely it is seen *and* right to within 8 px,
and how far off it may be. A point that is not surely seen gets a second look, from where the
whole frame looks most like it (TAPIR's global matching, arXiv 2306.08637), and goes on from
there when that is seen surely: so points are found again that were hidden or lost. Otherwise it
goes where flow leads, if that can be trusted; or where the camera took it, if it went with the
camera before and is hidden.

::

    network = CompactNetwork()
    features = network.encode(frame[None])            # frame: 3 H W
    state = network.begin(features, which, xy)        # any time; then join(state, ...)
    hints = Hints(drift(flow, state.which, state.xy))  # of compact_flow; may be left out
    state, answer = network.follow(state, network.encode(next_frame[None]), hints=hints)

Coordinates are pixels of the encoded frames, the centre of the top-left one at (0, 0).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.portions import portions
from pointtrack.networks.blocks.sampling import gather, interpolate, patch_index
from pointtrack.networks.compact_encoder import STRIDES, CompactEncoder
from pointtrack.networks.compact_flow import Hints
from pointtrack.networks.compact_matching import Match, match
from pointtrack.networks.compact_state import (
    TRUSTED,
    Answer,
    PointState,
    chance,
    in_doubt,
    padded,
    put,
    steadied,
    surely,
)

Features = list[Tensor]  # (F, h, w, C) at each stride

SUPPORT = 1  # radius of the support patch
_SAMPLES = (2 * SUPPORT + 1) ** 2
_SEARCHED = 1  # the stride, by number, at which the whole frame is searched
_SCALE = 8.0  # px: what offsets are measured in
_STEP = 2.0  # px: what the last word on a move is given in
_EDGE = 32.0  # px: how far from an edge of the picture it is noticed
_APART = 6.0  # px: nearer to each other than this, two looks are the same
_PEAK = 0.05  # chance of a cell of the whole frame below which no second look is ever believed
_AT_ONCE = 1_000_000  # numbers that are compared at a time
_PULLS = 2 * len(STRIDES) + 2  # what may move a point: neighbourhoods by two looks, and two flows


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
        return self._fresh(which, xy, self.looks(features, which, xy))

    def _fresh(self, which: Tensor, xy: Tensor, looks: Tensor) -> PointState:
        centre = looks[:, :, _SAMPLES // 2].flatten(1)  # P L*C
        hidden = torch.tanh(self.start(centre)).float()
        certain = torch.full_like(xy, 4.0)
        return PointState(which, xy, torch.zeros_like(xy), hidden, looks, looks, certain)

    def step(
        self,
        state: PointState,
        features: Features,
        iterations: int | None = None,
        hints: Hints | None = None,
        again: bool = False,
    ) -> tuple[PointState, Answer]:
        """Look once for points on the next frame.

        Parameters
        ----------
        state, features
            Of the points, and of the frame.
        iterations
            How often each is moved; default: the configuration's.
        hints
            What optical flow says about them; default: nothing.
        again
            Whether this is a second look, at a place where the frame looks like the point.
        """
        places, trusts = (hints or Hints()).places(state.xy)  # P 2 2 and P 2
        size = (features[0].shape[2] * STRIDES[0], features[0].shape[1] * STRIDES[0])
        carry = torch.sigmoid(self.carry(state.hidden).float())  # P 2
        flows = trusts > TRUSTED
        xy = state.xy + carry[:, :1] * state.velocity
        xy = torch.where(flows[:, 1:], places[:, 1], xy)
        xy = torch.where(flows[:, :1], places[:, 0], xy)
        hidden, logits = state.hidden, state.logits
        spread = torch.zeros_like(xy[:, 0])
        templates = torch.cat([state.query.mT, state.recent.mT], dim=3)
        turns: list[tuple[Tensor, ...]] = []
        for turn in range(iterations or self.config.iterations):
            at = xy.detach()
            seen, near = self._compare(features, state.which, at, templates)
            if turn == 0:
                start, first = at, near
            led = (places - at[:, None]) * (trusts > 0)[..., None]
            noticed = _notice(at, state, logits.detach(), spread.detach(), again, size, led, trusts)
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
        after = self._remember(state, features, xy.detach(), hidden, logits)
        return after, answer

    def search(self, which: Tensor, looks: Tensor, features: Features) -> Match:
        """Where in the whole of their frames points look most like ``looks (P, L, S, C)``."""
        patches, sharpness = looks[:, _SEARCHED], self.sharpness.exp()
        return match(features[_SEARCHED], STRIDES[_SEARCHED], which, patches, sharpness)

    def follow(
        self,
        state: PointState,
        features: Features,
        iterations: int | None = None,
        every: bool = False,
        hints: Hints | None = None,
    ) -> tuple[PointState, Answer]:
        """Follow points onto the next frame: `step`, and a second look where it is in doubt,
        with a move fewer: nearly all of these looks find nothing.

        ``every`` looks twice at all points and uses what it must: the same answer by a fixed
        row of operations, for export.
        """
        after, answer = self.step(state, features, iterations, hints=hints)
        if hints is not None:
            after, answer = steadied(state, after, answer, hints)
        doubt = in_doubt(after)
        fewer = max(1, (iterations or self.config.iterations) - 1)
        if every:
            rows = torch.arange(len(doubt), device=doubt.device)
            match = self.search(state.which, state.query, features)
            away = doubt & _elsewhere(match, after.xy)
            second = self.look_again(state, features, match.xy, fewer)
            return put((after, answer), second, rows, away & surely(second[0]))
        rows = doubt.nonzero()[:, 0]
        if len(rows) == 0:
            return after, answer
        asked = state.rows(padded(rows))
        match = self.search(asked.which, asked.query, features)
        match = Match(*(field[: len(rows)] for field in match))
        away = _elsewhere(match, after.xy[rows])
        rows, found = rows[away], match.xy[away]
        if len(rows) == 0:
            return after, answer
        second = self.look_again(state.rows(padded(rows)), features, padded(found), fewer)
        return put((after, answer), second, rows, surely(second[0]))

    def look_again(
        self, state: PointState, features: Features, found: Tensor, iterations: int | None = None
    ) -> tuple[PointState, Answer]:
        """A second look at points, from the places ``found (P, 2)``.

        Each is taken up afresh, as it looked where it was asked for: what it has been through
        since led it astray.
        """
        fresh = self._fresh(state.which, found, state.query)
        return self.step(fresh, features, iterations, again=True)

    def looks(self, features: Features, which: Tensor, xy: Tensor) -> Tensor:
        """Support patches ``(P, L, S, C)``."""
        looks = []
        for maps, stride in zip(features, STRIDES, strict=True):
            index, fraction = patch_index(maps.shape[1:3], which, xy / stride, SUPPORT)
            pixels = gather(maps, index)
            looks.append(interpolate(pixels, fraction.to(pixels.dtype)).flatten(1, 2))
        return torch.stack(looks, dim=1)

    def _compare(
        self, features: Features, which: Tensor, xy: Tensor, templates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the neighbourhood of ``xy`` looks like, next to the templates.

        Returns an embedding ``(P, D)``, and the logits of `Answer.near`.
        """
        size = (2 * self.config.radius + 2) ** 2 * self.config.channels
        parts = [
            self._compare_some(features, which[part], xy[part], templates[part])
            for part in portions(len(xy), size, _AT_ONCE)
        ]
        embedding, logits = (
            parts[0] if len(parts) == 1 else map(torch.cat, zip(*parts, strict=True))
        )
        return embedding, logits

    def _compare_some(
        self, features: Features, which: Tensor, xy: Tensor, templates: Tensor
    ) -> tuple[Tensor, Tensor]:
        seen, middles = [], []
        for level, (maps, stride) in enumerate(zip(features, STRIDES, strict=True)):
            index, fraction = patch_index(maps.shape[1:3], which, xy / stride, self.config.radius)
            pixels = gather(maps, index.flatten(1))  # P 64 C
            products = (pixels @ templates[:, level]).view(*index.shape, -1)  # P 8 8 2S
            near = interpolate(products, fraction.to(products.dtype))  # P 7 7 2S
            seen.append(F.relu(self.compare[level](near.flatten(1))))
            middles.append(near[..., _SAMPLES // 2 :: _SAMPLES].flatten(1, 2).mT)  # P 2 49
        logits = torch.stack(middles, dim=1).float() * self.near_sharpness.exp()
        return self.mix(torch.cat(seen, dim=1)), logits

    def _pulls(self, near: Tensor, led: Tensor, trust: Tensor) -> Tensor:
        """To where the neighbourhoods look most alike and where the flows lead, as far as each
        is trusted; ``(P, 2)`` px."""
        radius = self.config.radius
        reach = torch.arange(-radius, radius + 1, dtype=torch.float32, device=near.device)
        offsets = torch.stack(torch.meshgrid(reach, reach, indexing="xy"), -1).flatten(0, 1)
        strides = near.new_tensor(STRIDES)[:, None, None]
        chances = near.softmax(dim=-1)  # P L 2 49
        x, y = ((chances * offset).sum(-1) for offset in offsets.T)
        peaks = (torch.stack([x, y], dim=-1) * strides).flatten(1, 2)  # P 2L 2
        shares = trust.softmax(dim=1)[:, :-1, None]  # the last is trust in none
        return (shares * torch.cat([peaks, led], dim=1)).sum(dim=1)

    def _remember(
        self,
        state: PointState,
        features: Features,
        xy: Tensor,
        hidden: Tensor,
        logits: Tensor,
    ) -> PointState:
        """The state after a frame: looks are taken up as far as the point was surely seen."""
        carry = torch.sigmoid(self.carry(hidden).float())
        share = (chance(logits)[:, None] * carry[:, 1:])[..., None, None]
        looks = self.looks(features, state.which, xy)
        recent = torch.lerp(state.recent.float(), looks.float(), share).to(looks.dtype)
        return PointState(state.which, xy, xy - state.xy, hidden, state.query, recent, logits)


def _elsewhere(found: Match, xy: Tensor) -> Tensor:
    """Which points a second look may find in another place than ``xy (P, 2)``, ``(P,)`` bool."""
    return ((found.xy - xy).norm(dim=1) > _APART) & (found.peak > _PEAK)


_NOTICED = 2 + 2 + 2 + 4 + 2 + 1 + 1 + 2 + 2 * (2 + 2 + 1)


def _notice(
    xy: Tensor,
    state: PointState,
    logits: Tensor,
    spread: Tensor,
    again: bool,
    size: tuple[int, int],
    led: Tensor,
    trusts: Tensor,
) -> Tensor:
    """What a point knows beside its looks: motion, edges of the picture, its own doubts, flow."""
    flows = [(led / _SCALE).clamp(-8, 8), torch.tanh(led), trusts[..., None]]
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
            torch.full_like(xy[:, :1], float(again)),
            (state.logits.detach().clamp(-8, 8)) / 4,
            torch.cat(flows, dim=2).flatten(1),
        ],
        dim=1,
    )


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
