"""CoTracker's losses, on windows of refined predictions.

Karaev et al., arXiv 2410.11831 (CoTracker3) and 2307.07635 (the first version). A *window* holds
the predictions of all iterations on some frames of a clip, probabilities as probabilities. The
last window may have frames beyond the clip, which count for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

DECAY = 0.8  # of the weight of an iteration, from the last one back
HUBER = 6.0  # px where the visible points' error turns from square to linear
NEAR = 12.0  # px within which a prediction is right to be confident
VISIBLE_WEIGHT, OCCLUDED_WEIGHT = 0.05, 0.01


class Window(NamedTuple):
    """Predictions of S frames from ``start`` on, of I iterations."""

    start: int
    tracks: Tensor  # I S N 2, pixels
    visibility: Tensor  # I S N, probability
    confidence: Tensor  # I S N, probability


class Truth(NamedTuple):
    """What is known of a clip of T frames."""

    tracks: Tensor  # T N 2
    visible: Tensor  # T N, 0 or 1
    valid: Tensor  # T N, 0 or 1: where positions count

    def of(self, window: Window) -> Truth:
        """The window's frames, without those beyond the clip."""
        frames = slice(window.start, window.start + window.tracks.shape[1])
        return Truth(*(value[frames] for value in self))


class Losses(NamedTuple):
    """The terms before their weights."""

    visible: Tensor
    occluded: Tensor
    visibility: Tensor
    confidence: Tensor

    def supervised(self) -> Tensor:
        """With ground truth."""
        return self.pseudo_label() + self.visibility + self.confidence

    def pseudo_label(self) -> Tensor:
        """With a teacher's tracks, which say nothing about visibility."""
        return VISIBLE_WEIGHT * self.visible + OCCLUDED_WEIGHT * self.occluded


def cotracker3_losses(windows: Sequence[Window], truth: Truth) -> Losses:
    """All terms, each the mean over the windows."""
    pairs = [_cut(window, truth) for window in windows]
    return Losses(
        visible=_mean([_positions(w, t, _huber, t.valid * t.visible) for w, t in pairs]),
        occluded=_mean([_positions(w, t, _absolute, t.valid * (1 - t.visible)) for w, t in pairs]),
        visibility=_mean([_visibility(w, t) for w, t in pairs]),
        confidence=_mean([_confidence(w, t) for w, t in pairs]),
    )


def _cut(window: Window, truth: Truth) -> tuple[Window, Truth]:
    known = truth.of(window)
    frames = len(known.tracks)
    values = (value[:, :frames] for value in window[1:])
    return Window(window.start, *values), known


def _mean(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).mean()


def _positions(
    window: Window, truth: Truth, error: Callable[[Tensor], Tensor], mask: Tensor
) -> Tensor:
    """The error of the positions where ``mask`` is 1, later iterations weighing more."""
    return _decayed([_masked(error(tracks - truth.tracks), mask) for tracks in window.tracks])


def _decayed(terms: list[Tensor]) -> Tensor:
    count = len(terms)
    return _mean([DECAY ** (count - 1 - i) * term for i, term in enumerate(terms)])


def _masked(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum() / (1e-6 + mask.sum())


def _huber(difference: Tensor) -> Tensor:
    """``(..., 2)`` to ``(...)``: the mean over x and y."""
    return F.huber_loss(
        difference, torch.zeros_like(difference), reduction="none", delta=HUBER
    ).mean(dim=-1)


def _absolute(difference: Tensor) -> Tensor:
    return difference.abs().mean(dim=-1)


def _visibility(window: Window, truth: Truth) -> Tensor:
    wanted = truth.visible.expand_as(window.visibility)
    return F.binary_cross_entropy(window.visibility, wanted)


def _confidence(window: Window, truth: Truth) -> Tensor:
    """Whether the position is near, where the point is visible; other entries count as zero."""
    error = (window.tracks.detach() - truth.tracks).square().sum(dim=-1)
    near = (error <= NEAR**2).to(error.dtype)
    entropy = F.binary_cross_entropy(window.confidence, near, reduction="none")
    return (entropy * truth.visible).mean()


# --- the first version -------------------------------------------------------------------------


def cotracker_position_loss(windows: Sequence[Window], truth: Truth) -> Tensor:
    """Of CoTracker 1 and 2: absolute errors of all valid points, visible or not."""
    pairs = [_cut(window, truth) for window in windows]
    terms = [_positions(w, t, _absolute, t.valid) for w, t in pairs]
    return torch.stack(terms).sum() / truth.tracks.shape[1]


def cotracker_visibility_loss(
    logits: Sequence[Tensor], starts: Sequence[int], truth: Truth
) -> Tensor:
    """Of CoTracker 1 and 2: a cross-entropy in which visible and hidden weigh the same.

    ``logits (S, N)`` of every window, and the frames where the windows start.
    """
    total = truth.tracks.new_zeros(())
    for values, start in zip(logits, starts, strict=True):
        visible, valid = (value[start : start + len(values)] for value in truth[1:])
        values = values[: len(visible)]
        entropy = F.softplus(torch.where(visible > 0.5, -values, values))
        total = total + _masked(entropy, visible * valid)
        total = total + _masked(entropy, (1 - visible) * valid)
    return total / truth.tracks.shape[1]
