"""GMRW's losses: a walk from pixel to pixel through a clip and back must end where it began.

Shrivastava and Owens, ECCV 2024. The frames of the way back are another random crop of the clip,
so that a network gains nothing by learning where in the picture things are; where a pixel must
end is known from the two crops.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.gmrw import TEMPERATURE, Gmrw, cells, flow, probabilities, resized

EDGE = 150.0  # how much less smooth flow has to be where the picture changes
TINY = 1e-7


class Target(NamedTuple):
    """Where the walks of a picture's cells must end; B pictures, h w cells."""

    index: Tensor  # type: ignore[assignment]  # B hw, number of the cell
    known: Tensor  # B hw bool, whether the way back has it in its crop


class Losses(NamedTuple):
    """The terms before their weights."""

    cycle: Tensor
    smoothness: Tensor

    def total(self, smoothness: float) -> Tensor:
        """What is minimised, with the weight that smoothness has at this step."""
        return self.cycle + smoothness * self.smoothness


def palindrome(there: Sequence[Tensor], back: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Pairs of frames on a way through a clip and back.

    Parameters
    ----------
    there
        T frames, each ``(B, 3, H, W)``.
    back
        The same T frames, of another crop, the last one first.
    """
    way = [*there, *back[1:]]  # of the frame where it turns the first crop is left
    return list(itertools.pairwise(way))


def target(affine: Tensor, size: tuple[int, int]) -> Target:
    """Where cells of the first crop are in the second.

    Parameters
    ----------
    affine
        ``(B, 2, 3)``: places of the first crop to those of the second, both from -1 to 1
        between the centres of the corner cells.
    size
        Height and width of the maps.
    """
    height, width = size
    grid = cells(height, width).to(affine).T.reshape(1, 2, height, width)
    seen = torch.cat([grid, torch.ones_like(grid[:, :1])], dim=1).expand(len(affine), -1, -1, -1)
    where = F.affine_grid(affine, [len(affine), 3, height, width], align_corners=True)
    warped = F.grid_sample(seen, where, align_corners=True).flatten(2)  # B 3 hw
    place = warped[:, :2].round().long()
    return Target(place[:, 1] * width + place[:, 0], warped[:, 2] > 0.5)


def walks(steps: Sequence[Tensor], ends: Tensor) -> Tensor:
    """The probability that each cell's walk ends where it must.

    Parameters
    ----------
    steps
        Probabilities from each frame to the next, ``(B, hw, hw)``.
    ends
        ``(B, hw)``: number of the cell.

    Returns
    -------
    Tensor
        ``(B, hw)``: entries of the matrices' product, of which no more is computed: the last
        matrix is only read in the columns asked for.
    """
    way = steps[0]
    for step in steps[1:-1]:
        way = way @ step
    if len(steps) == 1:
        return way.gather(2, ends[..., None])[..., 0]
    columns = steps[-1].gather(2, ends[:, None].expand(-1, steps[-1].shape[1], -1))
    return (way * columns.mT).sum(dim=-1)


def cycle_loss(steps: Sequence[Tensor], wanted: Target) -> Tensor:
    """The mean of minus the log of that probability, over the cells that have an end."""
    known = wanted.known.to(steps[0].dtype)
    found = walks(steps, wanted.index)
    return -(known * (found + TINY).log()).sum() / (known.sum() + 1e-5)


def accuracy(steps: Sequence[Tensor], wanted: Target, every: int = 1) -> Tensor:
    """The share of walks that most probably end where they must; of every so many cells."""
    way = steps[0][:, ::every]
    for step in steps[1:]:
        way = way @ step
    known = wanted.known[:, ::every]
    right = (way.argmax(dim=-1) == wanted.index[:, ::every]) & known
    return right.sum() / (known.sum() + 1e-5)


def smoothness_loss(flow: Tensor, frames: Tensor) -> Tensor:
    """How much flow bends where the picture does not change.

    Parameters
    ----------
    flow
        ``(B, H, W, 2)`` in pixels.
    frames
        ``(B, 3, H, W)`` from 0 to 1: where the flow begins.
    """
    across = _bent(flow, frames, axis=2)
    return (across + _bent(flow, frames, axis=1)) / 2


def _bent(flow: Tensor, frames: Tensor, axis: int) -> Tensor:
    """Second differences along an axis of the flow, less where the picture changes."""
    bend = flow.diff(n=2, dim=axis)
    picture = (2 * frames - 1).permute(0, 2, 3, 1)
    length = picture.shape[axis]
    change = picture.narrow(axis, 2, length - 2) - picture.narrow(axis, 0, length - 2)
    weight = (-(EDGE * change).square().mean(dim=-1, keepdim=True)).exp()
    return (weight * (bend.square() + 1e-6).sqrt()).mean()


def gmrw_losses(
    network: Gmrw,
    pairs: Sequence[tuple[Tensor, Tensor]],
    affine: Tensor,
    temperature: float = TEMPERATURE,
) -> tuple[Losses, list[Tensor], Target]:
    """All terms of a batch.

    Parameters
    ----------
    network
        In training.
    pairs
        As of `palindrome`: frames ``(B, 3, H, W)`` from 0 to 1.
    affine
        As of `target`.
    temperature
        Of the matching.

    Returns
    -------
    tuple
        The terms; the probabilities ``(B, hw, hw)`` of each step and the target, for `accuracy`.
    """
    way = [pairs[0][0], *(second for _, second in pairs)]
    maps = network.encode(torch.cat(way)).unflatten(0, (len(way), -1))
    size = (way[0].shape[2], way[0].shape[3])
    steps, terms = [], []
    for number, (frames, _) in enumerate(pairs):
        first, second = network.exchange(maps[number], maps[number + 1])
        steps.append(probabilities(first.flatten(1, 2), second, temperature))
        flows = [resized(flow(a, b, temperature), size) for a, b in zip(first, second, strict=True)]
        terms.append(smoothness_loss(torch.stack(flows), frames))
    wanted = target(affine, (maps.shape[2], maps.shape[3]))
    return Losses(cycle_loss(steps, wanted), torch.stack(terms).mean()), steps, wanted
