"""RAFT, of https://github.com/princeton-vl/RAFT: the flow of all neighbouring frames."""

from __future__ import annotations

from argparse import Namespace
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from references import Reference, import_from


def load(variant: str, checkout: Path) -> Reference:
    made = import_from(checkout / "core", "raft")
    network = made.RAFT(Namespace(small=variant == "raft_small", mixed_precision=False)).eval()

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        frames = video[0].split(1)
        flows = [
            network(first, second, iters=iterations or 12, test_mode=True)[1]
            for first, second in pairwise(frames)
        ]
        return {"flow": torch.cat(flows)}

    return Reference(network, run)
