"""AllTracker, of https://github.com/aharley/alltracker: all pixels of the first frame.

Needs torchvision and einops.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from references import Reference, import_from, without_cuda


def load(variant: str, checkout: Path) -> Reference:
    made = import_from(checkout, "nets.alltracker")
    tiny = variant == "alltracker_tiny"
    # Otherwise ImageNet's weights would be downloaded.
    network = made.Net(16, use_basicencoder=tiny, no_split=tiny, init_weights=False).eval()
    with torch.no_grad():
        # Random updates of many pixels would multiply what rounding does with every iteration.
        for head in (network.flow_head, network.visconf_head):
            head[2].weight.mul_(0.1)
            head[2].bias.mul_(0.1)

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        with without_cuda():
            flow, sure, *_ = network(video, iters=iterations or 4)
        return {
            "flow": flow[0].permute(0, 2, 3, 1),
            "visibility": sure[0, :, 0],
            "confidence": sure[0, :, 1],
        }

    return Reference(network, run)
