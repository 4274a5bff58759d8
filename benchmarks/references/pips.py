"""PIPs, of https://github.com/aharley/pips: windows of 8 frames one after another.

The published demonstration chains windows point by point; here every window begins anew at the
points' places, which is the network's share of the work. Needs einops.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from references import Reference, import_from, without_cuda

WINDOW = 8


def load(variant: str, checkout: Path) -> Reference:
    network = import_from(checkout, "nets.pips").Pips(S=WINDOW, stride=4).eval()
    # Random updates of many pixels would multiply what rounding does with every iteration.
    network.delta_block.to_delta[-1].weight.data *= 0.05

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        found = []
        with without_cuda():
            for part in video.split(WINDOW, dim=1):
                steps, _, seen, _ = network(queries[..., 1:], part, iters=iterations or 6)
                found.append((steps[-1][0].transpose(0, 1), seen[0].T))
        tracks, seen = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
        return {"tracks": tracks, "visibility": seen}

    return Reference(network, run)
