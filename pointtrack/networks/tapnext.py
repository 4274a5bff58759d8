"""TAPNext: points are tokens among a picture's patches, and tracking is to fill in the next one.

Zholus et al., TAPNext: Tracking Any Point (TAP) as Next Token Prediction, ICCV 2025; TAPNext++:
What's Next for Tracking Any Point (TAP)?, CVPR 2026 Findings. One network goes through a video
frame by frame; every token has its own memory, tokens meet within a frame. Positions are read
from 256 bins an axis, so they count pixels of a 256 x 256 picture whatever the frames' size;
coordinates are raster (the first pixel's centre is at 0.5).

Points see each other, so results depend on which others are asked for.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from pointtrack.networks.blocks.vit import resized_positions
from pointtrack.networks.tapnext_blocks import Memory, RecurrentBlock, SpatialBlock

BINS = 256  # of either axis: the side of the picture that positions are in
PATCH = 8
GRID = BINS // PATCH  # patches a side at which the learned positions are
WINDOW = 20  # bins on either side of the best that a position is the mean of
RADIUS = 8  # px within which a position counts as right

# What the port to PyTorch computes, and what the first checkpoints were trained with in JAX.
Numerics = Literal["torch", "jax"]


class State(NamedTuple):
    """All that is known of a stream.

    Attributes
    ----------
    queries
        ``(B, Q, 3)``: frames from the next one on until a point is asked for, x, y.
    party
        ``(Q,)`` integer: 0 for points that the stream began with; others are guests, who see
        those and each other where they have the same number, and come last. None: no guests.
    fresh
        ``(L,)`` bool: tokens without a memory; None where all have one. Patches, then points.
    memories
        Of each block.
    """

    queries: Tensor
    party: Tensor | None
    fresh: Tensor | None
    memories: list[Memory]


class TrackOutput(NamedTuple):
    """Of Q points in T frames.

    Attributes
    ----------
    tracks
        ``(B, Q, T, 2)`` x, y.
    visibility_logit
        ``(B, Q, T)``; above 0: visible.
    certainty
        ``(B, Q, T)``: how much of the heat lies within 8 px of the position.
    position_logits
        ``(B, Q, T, 2, 256)``, of y and of x.
    """

    tracks: Tensor
    visibility_logit: Tensor
    certainty: Tensor
    position_logits: Tensor


class TapNext(nn.Module):
    """TAPNext, BootsTAPNext and TAPNext++.

    Parameters
    ----------
    width, depth, heads
        Of the transformer.
    """

    def __init__(self, width: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__()
        self.numerics: Numerics = "torch"
        self.patches = nn.Conv2d(3, width, PATCH, PATCH)
        self.picture_positions = nn.Parameter(0.02 * torch.randn(GRID * GRID, width))
        self.unknown = nn.Parameter(0.02 * torch.randn(width))  # a point not asked for yet
        self.asked = nn.Parameter(0.02 * torch.randn(width))  # a point here and now
        self.followed = nn.Parameter(0.02 * torch.randn(width))  # a point asked for before
        self.recurrent = nn.ModuleList(RecurrentBlock(width, heads) for _ in range(depth))
        self.spatial = nn.ModuleList(SpatialBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.position_head = _head(width, 2 * BINS)
        self.visibility_head = _head(width, 1)

    def compute_as(self, numerics: Numerics) -> None:
        """Follow the port to PyTorch, or JAX's own arithmetic, which differs a little."""
        self.numerics = numerics
        for module in self.modules():
            if isinstance(module, nn.GELU):
                module.approximate = "tanh" if numerics == "jax" else "none"
        for module in (self.norm, *self.position_head, *self.visibility_head):
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-6 if numerics == "jax" else 1e-5

    def forward(self, video: Tensor, queries: Tensor) -> TrackOutput:
        """Track points through a clip, all of them known from its first frame on.

        Parameters
        ----------
        video
            ``(B, T, 3, H, W)`` in [-1, 1]; sides are multiples of 8.
        queries
            ``(B, Q, 3)`` t, x, y; whole t from 0. Answers before t mean nothing.
        """
        state = self.begin(queries, video.shape[-2] // PATCH * (video.shape[-1] // PATCH))
        steps = []
        for frame in video.unbind(1):
            output, state = self.step(self.encode(frame), state)
            steps.append(output)
        return TrackOutput(*(torch.cat(same, dim=2) for same in zip(*steps, strict=True)))

    def encode(self, frames: Tensor) -> Tensor:
        """Frames ``(F, 3, H, W)`` in [-1, 1] as patches ``(F, H/8 W/8, C)``, row by row."""
        seen = self.patches(frames)  # F C h w
        positions = resized_positions(self.picture_positions, (seen.shape[2], seen.shape[3]))
        return seen.flatten(2).transpose(1, 2) + positions

    # --- frame by frame --------------------------------------------------------------------

    def begin(self, queries: Tensor, patches: int) -> State:
        """A stream of frames with so many patches; ``queries (B, Q, 3)`` as of `forward`."""
        batch, points, _ = queries.shape
        width = self.unknown.shape[0]
        empty = queries.new_zeros(batch, patches + points, width)
        memories = [Memory(empty, empty, empty, empty) for _ in self.recurrent]
        fresh = torch.ones(patches + points, dtype=torch.bool, device=queries.device)
        return State(_whole(queries), None, fresh, memories)

    def join(self, state: State, queries: Tensor) -> State:
        """Take up guests: ``queries (B, K, 3)`` with t in frames from the next one on.

        No published network does this: the others do not see guests, and so keep their tracks.
        """
        batch, points, _ = queries.shape
        device = queries.device
        party, fresh = state.party, state.fresh
        if party is None:
            party = torch.zeros(state.queries.shape[1], dtype=torch.long, device=device)
        if fresh is None:
            fresh = torch.zeros(state.memories[0].hidden.shape[1], dtype=torch.bool, device=device)
        empty = queries.new_zeros(batch, points, self.unknown.shape[0])
        return State(
            torch.cat([state.queries, _whole(queries)], dim=1),
            torch.cat([party, (party.max() + 1).expand(points)]),
            torch.cat([fresh, fresh.new_ones(points)]),
            [Memory(*(torch.cat([old, empty], dim=1) for old in m)) for m in state.memories],
        )

    def leave(self, state: State, rows: Tensor) -> State:
        """Forget all points but those numbered ``rows``; it changes the tracks of who saw them."""
        patches = state.memories[0].hidden.shape[1] - state.queries.shape[1]
        tokens = torch.cat([torch.arange(patches, device=rows.device), rows + patches])
        party = None if state.party is None else state.party[rows]
        return State(
            state.queries[:, rows],
            party if party is not None and party.any() else None,
            None if state.fresh is None else state.fresh[tokens],
            [Memory(*(old[:, tokens] for old in memory)) for memory in state.memories],
        )

    def step(self, patches: Tensor, state: State) -> tuple[TrackOutput, State]:
        """Follow points onto the next frame, ``patches (B, n, C)`` as of `encode`; T is 1."""
        x = torch.cat([patches, self._point_tokens(state.queries)], dim=1)  # B L C
        among = _seen_by_guests(state.party, x.shape[1])
        memories = []
        last = len(self.spatial) - 1
        for number, (over_time, in_space) in enumerate(
            zip(self.recurrent, self.spatial, strict=True)
        ):
            x, memory = over_time(x, state.memories[number], state.fresh)
            memories.append(memory)
            # Nobody asks for patches at the end.
            x = in_space(x, among, patches.shape[1] if number == last else 0)
        later = state.queries - state.queries.new_tensor([1, 0, 0])
        return self._read(self.norm(x)), State(later, state.party, None, memories)

    # --- points in and out -----------------------------------------------------------------

    def _point_tokens(self, queries: Tensor) -> Tensor:
        """Tokens ``(B, Q, C)`` of points as of `State.queries`."""
        until = queries[..., :1]
        here = self.asked + self._place(queries[..., 1:])
        tokens = torch.where(until > 0, self.unknown, self.followed)
        return torch.where(until == 0, here, tokens)

    def _place(self, xy: Tensor) -> Tensor:
        """Sines and cosines at whole pixels, between which points ``(B, Q, 2)`` are blended.

        Outside the picture there is nothing, so that they fade over its outer half pixels.
        """
        index = xy - 0.5
        if self.numerics == "jax":
            index = index.clamp(0, BINS - 1)
        low = index.floor()
        part = index - low
        pixels = torch.stack([low, low + 1], dim=-1)  # B Q 2 2: axis, neighbour
        share = torch.stack([1 - part, part], dim=-1) * ((pixels >= 0) & (pixels < BINS))
        quarter = self.asked.shape[0] // 4
        steps = torch.arange(quarter, dtype=torch.float64, device=xy.device) / (quarter - 1)
        angles = pixels.double()[..., None] * 10000.0**-steps
        waves = torch.cat([angles.sin(), angles.cos()], dim=-1).to(xy.dtype)  # B Q 2 2 C/2
        blended = (waves * share[..., None]).sum(-2)  # B Q 2 C/2
        return (blended * share.sum(-1).flip(-1)[..., None]).flatten(-2)

    def _read(self, points: Tensor) -> TrackOutput:
        """Positions and visibility from tokens ``(B, Q, C)``; T is 1."""
        points = points.float()
        logits = self.position_head(points).unflatten(-1, (2, BINS))  # B Q 2 256, y and x
        visible = self.visibility_head(points)
        bins = torch.arange(BINS, device=points.device)
        far = (bins - logits.argmax(-1, keepdim=True)).abs() > WINDOW
        share = (0.5 * logits).masked_fill(far, -torch.inf).softmax(-1)
        yx = (share * bins).sum(-1) + 0.5  # B Q 2
        certain = certainty(logits, yx)
        return TrackOutput(yx.flip(-1)[:, :, None], visible, certain[..., None], logits[:, :, None])


def certainty(logits: Tensor, yx: Tensor, radius: int = RADIUS) -> Tensor:
    """How much of the heat lies near a position: ``(B, Q)`` in [0, 1].

    ``logits (B, Q, 2, 256)`` of y and x, ``yx (B, Q, 2)``. Only the ``2 radius + 1`` bins around
    the position are looked at, on either axis.
    """
    count = 2 * radius + 1
    first = (yx - count / 2).floor().clamp(0, BINS - count)
    bins = first[..., None] + torch.arange(count, device=yx.device)  # B Q 2 17
    heat = logits.softmax(-1).gather(-1, bins.long())
    apart = (bins + 0.5 - yx[..., None]).square()
    # The circle lies on its side, y along x's bins, as in the published code: the windows of the
    # two axes are not quite alike around their positions, so this makes a small difference.
    near = apart[..., 1, :, None] + apart[..., 0, None, :] <= radius**2  # B Q 17 17
    return (heat[..., 0, :, None] * heat[..., 1, None, :] * near).sum((-2, -1))


def _seen_by_guests(party: Tensor | None, tokens: int) -> Tensor | None:
    """``(K, L)``: whom guests look at, the patches and points of party 0 and their own."""
    if party is None:
        return None
    guests = int((party > 0).sum())
    own = party[-guests:, None]
    points = (party == 0) | (party == own)
    patches = points.new_ones(guests, tokens - len(party))
    return torch.cat([patches, points], dim=1)


def _whole(queries: Tensor) -> Tensor:
    """Frames are counted; half of one is none."""
    return torch.cat([queries[..., :1].round(), queries[..., 1:]], dim=-1)


def _head(width: int, outputs: int, hidden: int = 256) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.GELU()),
        *(nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.GELU()),
        nn.Linear(hidden, outputs),
    )


def tapnext() -> TapNext:
    return TapNext()
