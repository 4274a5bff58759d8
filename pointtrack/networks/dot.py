"""DOT: tracks of some points made dense, and refined as optical flow.

Le Moing, Ponce and Schmid, "Dense Optical Tracking: Connecting the Dots", CVPR 2024.

Between a source frame and any other, every cell takes the motion and the visibility of the nearest
tracked point (`densify`); `DotRefiner`, a RAFT at a quarter of the picture's size that estimates
visibility beside the flow, goes on from there. Points to track are best chosen near the edges of
moving things: a RAFT at an eighth (``dot_raft8``) gives the flow, `motion_boundaries` the edges.

Frames are RGB in 0..255, their sides multiples of 4 and at least `SMALLEST`. Flow is (dx, dy) in
pixels, pixel centres at whole numbers. Points are normalised: 0 and 1 are the centres of the
first and the last pixel. Visibility is kept as logits until the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.encoders import FlowEncoder
from pointtrack.networks.blocks.steps import last
from pointtrack.networks.blocks.upsampling import convex_upsample
from pointtrack.networks.raft import (
    LARGE,
    Correlations,
    Encoded,
    GatedPass,
    MotionEncoder,
    Raft,
    two_convolutions,
)

STRIDE = 4
SMALLEST = 64  # px a side: the coarsest correlations are then two pixels wide
ITERATIONS = 4
VISIBLE = 0.8  # from this probability on a pixel counts as visible
THRESHOLD = 0.025  # of motion boundaries
_CERTAIN = 1e-5  # probabilities are kept this far from 0 and 1
_LARGEST = 1 << 24  # numbers of a table of all pairs that pays off in four iterations
_AT_ONCE = 1 << 20  # distances between cells and points; more, and they leave the cache

# RAFT's large shape, with visibility beside the flow.
SHAPE = dataclasses.replace(LARGE, motion=123, inputs=3)


class Refined(NamedTuple):
    """After an iteration, for P pairs."""

    flow: Tensor  # P 2 h w, in cells
    visibility: Tensor  # P 1 h w, logits
    hidden: Tensor  # P Ch h w
    correlation: Tensor  # P K h w


class DotRefiner(nn.Module):
    """Refines flow and visibility of P pairs of frames, each pair by itself."""

    def __init__(self) -> None:
        super().__init__()
        state = SHAPE.hidden + SHAPE.context
        self.feature_encoder, self.context_encoder = (
            FlowEncoder(SHAPE.widths, outputs, SHAPE.block, normed=True, stride=STRIDE)
            for outputs in (SHAPE.features, state)
        )
        self.motion = MotionEncoder(SHAPE)
        motion = SHAPE.motion + SHAPE.inputs
        self.passes = nn.ModuleList(
            GatedPass(SHAPE.hidden, SHAPE.context, motion, kernel) for kernel in SHAPE.kernels
        )
        fine = 9 * STRIDE**2
        self.flow_head = two_convolutions(SHAPE.hidden, SHAPE.head, 2, last=3)
        self.visibility_head = two_convolutions(SHAPE.hidden, SHAPE.head, 1, last=3)
        self.upsampling = two_convolutions(SHAPE.hidden, 256, fine, last=1)
        self.visibility_upsampling = two_convolutions(SHAPE.hidden, 256, fine, last=1)

    def encode(self, frames: Tensor) -> Tensor:
        """What a pair needs of its second frame: ``(P, 3, H, W)`` to ``(P, h, w, D)``."""
        return self.feature_encoder(frames)

    def encode_source(self, frames: Tensor, features: Tensor | None = None) -> Encoded:
        """What a pair needs of its first frame; its ``features`` may be known already."""
        state = self.context_encoder(frames).permute(0, 3, 1, 2)
        hidden, context = state.split([SHAPE.hidden, SHAPE.context], dim=1)
        features = self.encode(frames) if features is None else features
        return Encoded(features, torch.tanh(hidden), F.relu(context))

    def iterate(
        self,
        source: Encoded,
        target: Tensor,
        flow: Tensor,
        visibility: Tensor,
        iterations: int = ITERATIONS,
    ) -> Iterator[Refined]:
        """Refine, giving the state after every iteration.

        Parameters
        ----------
        source, target
            What `encode_source` and `encode` gave.
        flow, visibility
            Of the cells, as `densify` gives them: ``(P, 2, h, w)`` and ``(P, h, w)``.

        Notes
        -----
        What an iteration starts with is taken as given: no gradient goes back through it.
        """
        correlations = Correlations(source.features, target, SHAPE.radius, _LARGEST)
        constants = [gated.constants(source.context) for gated in self.passes]  # type: ignore[operator]
        hidden, logit = source.hidden, torch.logit(visibility, _CERTAIN)[:, None]
        for _ in range(iterations):
            flow, logit = flow.detach(), logit.detach()
            correlation = correlations.around(flow)
            motion = self.motion(torch.cat([flow, logit], dim=1), correlation)
            for gated, constant in zip(self.passes, constants, strict=True):
                hidden = gated(hidden, motion, constant)
            flow = flow + self.flow_head(hidden)
            logit = logit + self.visibility_head(hidden)
            yield Refined(flow, logit, hidden, correlation)

    def upsample(self, state: Refined) -> tuple[Tensor, Tensor]:
        """Flow in pixels ``(P, 2, H, W)`` and the probability of being visible ``(P, H, W)``."""
        flow = convex_upsample(STRIDE * state.flow, self.upsampling(state.hidden))
        logit = convex_upsample(state.visibility, self.visibility_upsampling(state.hidden))
        return flow, logit[:, 0].sigmoid()

    def forward(
        self,
        source: Encoded,
        target: Tensor,
        flow: Tensor,
        visibility: Tensor,
        iterations: int = ITERATIONS,
    ) -> tuple[Tensor, Tensor]:
        """Flow and visibility after the last iteration; see `iterate` and `upsample`."""
        return self.upsample(last(self.iterate(source, target, flow, visibility, iterations)))


# --- from points to cells ----------------------------------------------------------------------


def nearest(points: Tensor, size: tuple[int, int]) -> Tensor:
    """The nearest of points ``(S, 2)`` to each of ``h x w`` cells: their numbers, ``(h, w)``.

    Distances are normalised as the points are: in a picture that is not square they count more
    along its shorter side.
    """
    height, width = size
    y, x = (torch.linspace(0, 1, side, device=points.device) for side in size)
    cells = torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=-1)  # h*w 2
    step = max(1, _AT_ONCE // len(points))
    found = [
        (part[:, None] - points).square_().sum(dim=-1).argmin(dim=1) for part in cells.split(step)
    ]
    return torch.cat(found).view(size)


def densify(
    source: Tensor, target: Tensor, size: tuple[int, int], index: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Give every cell the motion and the visibility of the nearest point.

    Parameters
    ----------
    source, target
        The points on both frames, ``(S, 3)``: x and y, normalised, and whether they are visible.
        Only those that are visible on the source frame count; where there is none, nothing moves
        and nothing is visible.
    size
        ``(h, w)``: how many cells.
    index
        What `nearest` gave for the visible points of ``source``, which is the same for all
        targets.

    Returns
    -------
    flow
        ``(2, h, w)`` in cells.
    visibility
        ``(h, w)``.
    """
    seen = source[:, 2] != 0
    if not seen.any():
        return source.new_zeros(2, *size), source.new_zeros(size)
    moved = torch.cat([target[:, :2] - source[:, :2], target[:, 2:]], dim=1)[seen]  # s 3
    index = nearest(source[seen, :2], size) if index is None else index
    dx, dy, visibility = moved[index].unbind(dim=-1)
    # A step is one of w - 1 between cells, though the refiner takes it for a w-th of the picture.
    return torch.stack([dx * (size[1] - 1), dy * (size[0] - 1)]), visibility


# --- where things move apart -------------------------------------------------------------------


def motion_boundaries(flow: Tensor, threshold: float = THRESHOLD) -> Tensor:
    """Where a flow ``(P, 2, H, W)`` in pixels changes most: ``(P, H, W)`` bool.

    The threshold is of the change, from 0 where it is least in a picture to 1 where it is most.
    """
    height, width = flow.shape[2:]
    reach = torch.arange(-1.0, 2.0, device=flow.device)
    squared = (reach[:, None] ** 2 + reach**2).clamp(min=1)  # 3 3
    kernels = torch.stack([reach[:, None] / squared, reach / squared])[:, None]  # 2 1 3 3
    scale = flow.new_tensor([width - 1, height - 1]).view(2, 1, 1)
    padded = F.pad(flow / scale, (1, 1, 1, 1), mode="reflect").flatten(0, 1)[:, None]
    slope = F.conv2d(padded, kernels).square().sum(dim=1).add(1e-12).sqrt()  # P*2 H W
    change = slope.view(-1, 2, height, width).mean(dim=1)
    change = F.max_pool2d(change, 8, stride=1, padding=4)[:, -height:, -width:]
    change = change - change.amin(dim=(1, 2), keepdim=True)
    return change / change.amax(dim=(1, 2), keepdim=True) > threshold


def dot() -> DotRefiner:
    return DotRefiner()


def dot_raft8() -> Raft:
    return Raft(LARGE)
