"""MFT's network, of https://github.com/serycjon/MFT: the flow of all neighbouring frames.

Needs einops and scipy.
"""

from __future__ import annotations

from argparse import Namespace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from references import Reference, absent, import_from


def load(variant: str, checkout: Path) -> Reference:
    absent("ipdb")
    made = import_from(checkout, "MFT.RAFT.core.raft")
    settings = Namespace(
        small=False, mixed_precision=False, occlusion_module="separate_with_uncertainty"
    )
    network = made.RAFT(settings).eval()

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        frames, found = video[0].split(1), []
        for first, second in pairwise(frames):
            answer = network(first, second, iters=iterations or 12, test_mode=True)
            occluded = answer["occlusion"].softmax(dim=1)[:, 1]
            found.append((answer["flow"], occluded, (0.5 * answer["uncertainty"][:, 0]).exp()))
        values = (torch.cat(parts) for parts in zip(*found, strict=True))
        return dict(zip(("flow", "occlusion", "sigma"), values, strict=True))

    return Reference(network, run)
