"""Running the compact network over a batch: every point from its query to the last frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from pointtrack.networks.compact import CompactNetwork, Features
from pointtrack.networks.compact_flow import Hints, drift, straight
from pointtrack.networks.compact_matching import Match
from pointtrack.networks.compact_state import (
    Answer,
    PointState,
    in_doubt,
    join,
    put,
    surely,
)
from pointtrack.training.checks import chance, number
from pointtrack.training.losses import LossConfig, Parts, frame_losses, total
from pointtrack.training.sample import Batch

_NEAR = 2.0  # px from the truth to which a lost point is put back


@dataclass(frozen=True)
class UnrollConfig:
    """How a batch is run.

    Attributes
    ----------
    iterations
        How often points are moved in each frame; 0: as often as the network says.
    recompute
        Encode again on the way back rather than keep what is inside the encoder.
    cut
        Gradients do not reach farther back than so many frames; 0: as far as there are.
    chunk
        Frames encoded at a time; 0: all.
    rescue
        Every second point that was farther off than so many pixels, where it is seen, is put
        back near the truth before the next frame: early in training most are lost soon, and
        learn little then. 0: never.
    again, again_doubted
        Share of points that get a second look in a frame, and that of those which are in doubt,
        as all such are when the network is used; see `CompactNetwork.look_again`.
    """

    iterations: int = 0
    recompute: bool = False
    cut: int = 0
    chunk: int = 0
    rescue: float = 0.0
    again: float = 0.0
    again_doubted: float = 0.0

    def __post_init__(self) -> None:
        number("unroll.rescue", self.rescue, 0)
        chance("unroll.again", self.again)
        chance("unroll.again_doubted", self.again_doubted)


def encode_frames(network: CompactNetwork, video: Tensor, config: UnrollConfig) -> list[Features]:
    """Features of ``video (B, T, 3, H, W)``: for each of T frames, maps of B pictures."""
    frames = video.transpose(0, 1).flatten(0, 1)  # T*B: a frame's maps lie together

    def encode(part: Tensor) -> tuple[Tensor, ...]:
        return tuple(network.encode(part))

    parts = []
    for part in frames.split(config.chunk or len(frames)):
        again = config.recompute and torch.is_grad_enabled()
        parts.append(checkpoint(encode, part, use_reentrant=False) if again else encode(part))
    levels = [
        torch.cat(level) if len(parts) > 1 else level[0] for level in zip(*parts, strict=True)
    ]
    batch, count = video.shape[:2]
    split = [level.unflatten(0, (count, batch)).unbind(0) for level in levels]
    return [list(maps) for maps in zip(*split, strict=True)]


def unroll(
    network: CompactNetwork, batch: Batch, config: UnrollConfig
) -> Iterator[tuple[int, Tensor, Answer, Match | None, Features]]:
    """Follow all points of a batch.

    Yields
    ------
    tuple
        Frame number, ``rows (P,)`` of the points that began in an earlier frame (numbers in
        ``B * N``), the network's answer for them, where they were found in the whole frame, and
        the frame's features. Then the same of second looks, without where they were found.
    """
    count = batch.queries.shape[1]
    features = encode_frames(network, batch.video, config)
    queries = batch.queries.flatten(0, 1)  # B*N 3
    begins = queries[:, 0].long()
    order = begins.argsort(stable=True)
    number = torch.bincount(begins, minlength=len(features)).tolist()  # new points a frame
    clip = order // count
    state: PointState | None = None
    done = 0
    for t, maps in enumerate(features):
        if state is not None:
            if config.cut and t % config.cut == 0:
                state = PointState(*(field.detach() for field in state))
            if config.rescue:
                state = _rescue(state, order[:done], t - 1, batch, config.rescue)
            found = network.search(state.which, state.query, maps)
            turns = config.iterations or None
            before = state
            hints = _hints(before, order[:done], t, batch)
            state, answer = network.step(before, maps, turns, hints)
            yield t, order[:done], answer, found, maps
            again = _doubted(state, order[:done], t, batch, config).nonzero()[:, 0]
            if len(again):
                places = found.xy[again].detach()
                other, second = network.look_again(before.rows(again), maps, places, turns)
                yield t, order[:done][again], second, None, maps
                better = in_doubt(state)[again] & surely(other)
                state, _ = put((state, answer), (other, second), again, better)
        if number[t]:
            rows = slice(done, done + number[t])
            fresh = network.begin(maps, clip[rows], queries[order[rows], 1:])
            state = fresh if state is None else join([state, fresh])
            done += number[t]


def _hints(state: PointState, rows: Tensor, frame: int, batch: Batch) -> Hints:
    if batch.flow is None or batch.direct is None:
        return Hints()
    queries = batch.queries.flatten(0, 1)[rows]
    led = straight(batch.direct[:, frame - 1], state.which, queries[:, 1:])
    # It is flow from the first frame only.
    led = torch.cat([led[:, :2], led[:, 2:] * (queries[:, :1] == 0)], dim=1)
    return Hints(drift(batch.flow[:, frame - 1], state.which, state.xy), led)


def _rescue(state: PointState, rows: Tensor, frame: int, batch: Batch, limit: float) -> PointState:
    truth = batch.xy.flatten(0, 1)[rows, frame]
    off = state.xy - truth
    length = off.norm(dim=1, keepdim=True)
    lost = (length[:, 0] > limit) & batch.visible.flatten(0, 1)[rows, frame] & (rows % 2 == 0)
    near = truth + off * (_NEAR / length.clamp_min(_NEAR))
    return state._replace(
        xy=torch.where(lost[:, None], near, state.xy),
        velocity=torch.where(lost[:, None], 0.0, state.velocity),
    )


def _doubted(
    state: PointState, rows: Tensor, frame: int, batch: Batch, config: UnrollConfig
) -> Tensor:
    """Which points get a second look, ``(P,)``.

    Chance comes from each point's query, so that it does not matter which process has it.
    """
    query = batch.queries.flatten(0, 1)[rows].double()
    mixed = query @ query.new_tensor([37.719, 12.9898, 78.233]) + 94.673 * frame
    drawn = (torch.sin(mixed) * 43758.5453) % 1
    return drawn < torch.where(in_doubt(state), config.again_doubted, config.again)


def batch_loss(
    network: CompactNetwork, batch: Batch, losses: LossConfig, config: UnrollConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch, and its parts; frames up to each point's query do not count."""
    xy, visible, valid = (f.flatten(0, 1) for f in (batch.xy, batch.visible, batch.valid))
    parts = Parts.empty(xy.device)
    for t, rows, answer, found, maps in unroll(network, batch, config):
        size = (maps[1].shape[1], maps[1].shape[2])
        truth = xy[rows, t], visible[rows, t], valid[rows, t]
        frame_losses(parts, answer, found, size, *truth, losses)
    means = parts.means()
    loss = total(means, losses)
    if not loss.requires_grad:  # every point was asked for in the last frame
        loss = loss + torch.stack([p.sum() * 0 for p in network.parameters()]).sum()
    return loss, {name: mean.detach() for name, mean in means.items()}
