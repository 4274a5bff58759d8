"""MFT's flow: RAFT with two heads that say what is occluded and how uncertain the flow is.

Neoral, Šerých and Matas, "MFT: Long-Term Tracking of Every Pixel", WACV 2024. How the flows are
chained is in ``pointtrack.trackers.mft``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from pointtrack.networks.blocks.upsampling import convex_upsample
from pointtrack.networks.raft import LARGE, Encoded, Raft, State

ITERATIONS = 12


class SureFlow(NamedTuple):
    """The flow of P pairs of frames."""

    flow: Tensor  # P 2 H W, (dx, dy) in pixels
    occlusion: Tensor  # P H W, probability
    sigma: Tensor  # P H W, standard deviation in pixels


class MftFlow(nn.Module):
    """RAFT large, with occlusion and uncertainty read off its last iteration."""

    def __init__(self) -> None:
        super().__init__()
        self.raft = Raft(LARGE)
        inputs = LARGE.hidden + LARGE.context + LARGE.lookup + 2 + 2 + LARGE.motion + 2
        self.occlusion = _head(inputs, 2)
        self.uncertainty = _head(inputs, 1)

    def encode(self, frames: Tensor) -> Encoded:
        """Encode frames ``(P, 3, H, W)``, RGB in 0..255, H and W multiples of 8."""
        return self.raft.encode(frames)

    def forward(self, first: Encoded, second: Encoded, iterations: int = ITERATIONS) -> SureFlow:
        """The flow of P pairs of encoded frames."""
        state = self.raft.last(first, second, iterations)
        seen = self.seen(state, first.context)
        weights = self.raft.upsampling(state.hidden)  # type: ignore[misc]
        coarse = [state.flow, self.occlusion(seen), self.uncertainty(seen)]
        fine = convex_upsample(torch.cat(coarse, dim=1), weights)  # P 5 H W
        return SureFlow(
            flow=8 * fine[:, :2],
            occlusion=fine[:, 2:4].softmax(dim=1)[:, 1],
            sigma=torch.exp(0.5 * fine[:, 4]),
        )

    @staticmethod
    def seen(state: State, context: Tensor) -> Tensor:
        """What the heads look at, ``(P, 712, h, w)``: correlations are those before the delta."""
        parts = [state.hidden, context, state.correlation, state.flow, state.delta, state.motion]
        return torch.cat(parts, dim=1)


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, 128, 3, padding=1), nn.ReLU(), nn.Conv2d(128, outputs, 3, padding=1)
    )


def mft() -> MftFlow:
    return MftFlow()
