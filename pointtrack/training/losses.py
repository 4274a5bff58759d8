"""Losses of supervised training, each a sum over points so that masks stay exact.

Errors are in pixels of the training frames. Masks choose what counts: positions count where the
annotation is valid, visible points more than hidden ones (CoTracker3, arXiv 2410.11831).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.compact_encoder import STRIDES
from pointtrack.networks.compact_matching import Match, cell_loss
from pointtrack.networks.compact_state import Answer
from pointtrack.training.checks import number
from pointtrack.training.processes import world_sum

NEAR = 8.0  # px: what `Answer.sure` stands for


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts of the loss.

    Attributes
    ----------
    decay
        Weight of each iteration next to the one after it.
    position, hidden
        Of the position of points that are visible, and how much less hidden ones count.
    visibility, confidence, spread
        Of the two probabilities and of the error's scale.
    match, near
        Of finding a visible point in the whole frame, and in its neighbourhood.
    bend
        Pixels up to which the position's loss is quadratic.
    far
        Pixels from which it grows only with the error's logarithm.
    reach
        Pixels up to which a second look is to move a point.
    """

    decay: float = 0.8
    position: float = 0.2
    hidden: float = 0.2
    visibility: float = 1.0
    confidence: float = 0.5
    spread: float = 0.1
    match: float = 0.1
    near: float = 0.1
    bend: float = 0.5
    far: float = 16.0
    reach: float = 24.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            number(name, value, 0)
        number("decay", self.decay, 0, 1)
        number("bend", self.bend, 1e-3)
        number("far", self.far, self.bend)


TERMS = ("position", "hidden", "visibility", "confidence", "spread", "match", "near")


class Parts(dict[str, Tensor]):
    """Sums of loss terms by name, and how many points each is over (``name + "/count"``)."""

    @classmethod
    def empty(cls, device: torch.device) -> Parts:
        names = [*TERMS, *(f"{name}/count" for name in TERMS)]
        return cls({name: torch.zeros((), device=device) for name in names})

    def add(self, name: str, values: Tensor, mask: Tensor) -> None:
        """Add ``values`` where ``mask``; both of one shape."""
        weight = mask.to(values.dtype)
        self[name] = self[name] + (values * weight).sum()
        self[f"{name}/count"] = self[f"{name}/count"] + weight.sum()

    def means(self) -> dict[str, Tensor]:
        """Each term's mean over the points of all processes; 0 where it is over nothing.

        With W processes each has its own points' share, times W: the mean of these, which is
        what data-parallel training takes of their gradients, is that over all points.
        """
        names = list(TERMS)
        counts, world = world_sum(torch.stack([self[f"{name}/count"] for name in names]))
        shares = world / counts.clamp_min(1)
        return {name: self[name] * share for name, share in zip(names, shares, strict=True)}


def distance_loss(error: Tensor, bend: float, far: float) -> Tensor:
    """Loss of error lengths: quadratic, then linear, then logarithmic.

    A point that is lost says little about how to follow one, so its pull is bounded.
    """
    near = error.square() / (2 * bend)
    linear = error - bend / 2
    slow = (far - bend / 2) + far * torch.log(error.clamp_min(far) / far)
    return torch.where(error < bend, near, torch.where(error < far, linear, slow))


def spread_loss(error: Tensor, spread: Tensor) -> Tensor:
    """Negative log-likelihood of error lengths under ``r exp(-r / b) / b^2``, b = e^spread."""
    spread = spread.clamp(-4, 5)
    return error * torch.exp(-spread) + 2 * spread


def frame_losses(
    parts: Parts,
    answer: Answer,
    found: Match | None,
    size: tuple[int, int],
    xy: Tensor,
    visible: Tensor,
    valid: Tensor,
    config: LossConfig,
    stride: int = 8,
) -> None:
    """Add one frame's losses to `parts`.

    Parameters
    ----------
    parts
        What has been added so far.
    answer
        For P points, as `CompactNetwork.step` gives it.
    found, size
        Of the same points, as `CompactNetwork.search` gives it, and ``(h, w)`` of the map that
        it is over. None for a second look: then positions count only of points that were found
        within `reach`, as no other can be there.
    xy, visible, valid
        ``(P, 2)``, ``(P,)`` and ``(P,)``: the truth.
    stride
        Of that map.
    """
    turns = len(answer.xy)
    decay = config.decay ** torch.arange(turns - 1, -1, -1.0, device=xy.device)
    decay = (decay / decay.sum())[:, None]
    hidden = valid & ~visible
    gap = answer.xy - xy
    error = (gap.square().sum(-1) + 1e-8).sqrt()  # K P
    moved = (decay * distance_loss(error, config.bend, config.far)).sum(0)
    placed = visible
    if found is None:
        placed = visible & ((answer.start - xy).norm(dim=1) < config.reach)
    else:
        parts.add("hidden", moved, hidden)
        parts.add("match", cell_loss(found.logits, size, xy / stride), visible)
    parts.add("position", moved, placed)
    seen = visible.to(moved.dtype).expand_as(error)
    parts.add("visibility", (decay * _cross_entropy(answer.visible, seen)).sum(0), valid)
    right = seen * (error.detach() < NEAR)
    parts.add("confidence", (decay * _cross_entropy(answer.sure, right)).sum(0), valid)
    spread = spread_loss(error.detach(), answer.spread)
    parts.add("spread", (decay * spread).sum(0), placed)
    near, inside = _near_loss(answer, xy)
    parts.add("near", near, visible[:, None, None] & inside)


def total(means: dict[str, Tensor], config: LossConfig) -> Tensor:
    """The weighted sum of the parts' means."""
    weights = {
        "position": config.position,
        "hidden": config.position * config.hidden,
        "visibility": config.visibility,
        "confidence": config.confidence,
        "spread": config.spread,
        "match": config.match,
        "near": config.near,
    }
    return torch.stack([weights[name] * mean for name, mean in means.items()]).sum()


def _near_loss(answer: Answer, xy: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy with the true cell of each neighbourhood, and where it has one; P L 2."""
    templates, cells = answer.near.shape[2:]
    side = round(cells**0.5)
    strides = xy.new_tensor(STRIDES)[:, None]
    place = (xy - answer.start)[:, None] / strides + (side - 1) / 2  # P L 2
    inside = ((place >= 0) & (place <= side - 1)).all(dim=-1)
    place = place[:, :, None].expand(-1, -1, templates, -1)
    loss = cell_loss(answer.near.flatten(0, 2), (side, side), place.flatten(0, 2))
    return loss.view(answer.near.shape[:3]), inside[..., None].expand(-1, -1, templates)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")
