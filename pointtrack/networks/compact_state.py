"""What the compact network remembers of points, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pointtrack.networks.compact_flow import Hints

_DOUBT, SURE = 0.5, 0.5  # chance to be seen and right: for a second look, and to believe it
_STEADY, _FLOW_SHARE = 3.0, 0.3  # px from where a flow leads up to which it has a say; how much
TRUSTED = 0.3  # of flow: from where on a point begins where it leads
_LED = 0.5  # of flow from the frame before: from where on a point in doubt goes with it


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


def chance(logits: Tensor) -> Tensor:
    """How likely points are seen and right, ``(P,)``; of a state's logits."""
    return torch.sigmoid(logits.detach()).prod(dim=1)


def surely(state: PointState) -> Tensor:
    """Which points are likelier seen and right than not, ``(P,)`` bool."""
    return chance(state.logits) > SURE


def in_doubt(state: PointState) -> Tensor:
    """Which points are worth a second look, ``(P,)`` bool."""
    return chance(state.logits) < _DOUBT


def padded(rows: Tensor) -> Tensor:
    """``rows (R, ...)`` with the first one repeated after them, up to one of few lengths.

    Half precision on the CPU makes a kernel for every length it meets, and keeps it.
    """
    octave = 2 ** max(3, (len(rows) - 1).bit_length())
    length = octave * 3 // 4 if len(rows) <= octave * 3 // 4 else octave
    return torch.cat([rows, rows[:1].expand(length - len(rows), *rows.shape[1:])])


def put(
    old: tuple[PointState, Answer], new: tuple[PointState, Answer], rows: Tensor, chosen: Tensor
) -> tuple[PointState, Answer]:
    """What a first look said, with what a second look at ``rows (R,)`` said where ``chosen``.

    The second look and ``chosen`` may be longer: see `padded`. It may have had fewer moves: then
    its last word stands for those that are missing.
    """
    state = PointState(*(_put(*pair, rows, chosen) for pair in zip(old[0], new[0], strict=True)))
    xy, visible, sure, spread = (
        _put(before.movedim(1, 0), _as_long(after, before).movedim(1, 0), rows, chosen).movedim(
            0, 1
        )
        for before, after in zip(old[1][:4], new[1][:4], strict=True)
    )
    return state, Answer(xy, visible, sure, spread, old[1].start, old[1].near)


def _as_long(words: Tensor, other: Tensor) -> Tensor:
    """``words (K, ...)`` with the last one repeated until there are as many as of the other."""
    missing = max(0, len(other) - len(words))
    return torch.cat([words, words[-1:].expand(missing, *words.shape[1:])])


def _put(old: Tensor, new: Tensor, rows: Tensor, chosen: Tensor) -> Tensor:
    """``old (P, ...)`` with some of the rows ``new (R, ...)`` in their places."""
    kept = chosen[: len(rows)].view(-1, *[1] * (old.ndim - 1))
    new = new[: len(rows)].to(old.dtype)
    return old.index_copy(0, rows, torch.where(kept, new, old[rows]))


def steadied(
    before: PointState, after: PointState, answer: Answer, hints: Hints
) -> tuple[PointState, Answer]:
    """Points that stay in sight, a little nearer to where the flows lead.

    From one frame to the next, flow is the more exact; over many, what points look like. On a
    plain surface that says nothing, but flow still follows what lies around: a point in doubt
    goes all of the way with flow from the frame before.
    """
    places, trusts = hints.places(before.xy)
    kept, doubt = surely(before) & surely(after), in_doubt(after)
    xy = after.xy
    for place, trust in zip(places.unbind(1), trusts.unbind(1), strict=True):
        apart = place - xy
        close = (apart.norm(dim=1) < _STEADY) & (trust > TRUSTED)
        xy = xy + _FLOW_SHARE * apart * (close & kept)[:, None]
    led = doubt & (trusts[:, 0] > _LED)
    xy = torch.where(led[:, None], places[:, 0], xy)
    return after._replace(xy=xy), answer._replace(xy=torch.cat([answer.xy[:-1], xy[None]]))
