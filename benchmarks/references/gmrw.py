"""GMRW, of https://github.com/ayshrv/gmrw: the flow from frame to frame both ways, chained.

Compared is the first step alone: chained, the flow of a random network multiplies rounding.
"""

from __future__ import annotations

from argparse import Namespace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from references import Reference, absent, import_from


def load(variant: str, checkout: Path) -> Reference:
    absent("flash_attn", "wandb", "tqdm", "dominate", "dominate.tags")
    made: Any = import_from(checkout, "models.gmrw")
    transformer: Any = import_from(checkout, "models.gmflow_model.transformer")
    transformer.generate_shift_window_attn_mask.__defaults__ = (torch.device("cpu"),)
    tracking: Any = import_from(checkout, "utils.tracking_utils")
    settings = Namespace(no_of_frames=2, temp=0)
    network = made.GMRW(settings, num_scales=2, norm=False).eval()

    def flow(first: Tensor, second: Tensor) -> Tensor:
        """``(1, 1, 2, H, W)``."""
        size = first.shape[-2:]
        shares = network.compute_correspondence(torch.stack([first, second], dim=1))
        return made.utils.compute_flow_from_affinity(shares, *size, weight_method="weighted_sum")

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        frames = video.unbind(1)
        pairs = list(pairwise(frames))
        there = torch.cat([flow(first, second) for first, second in pairs], dim=1)
        back = torch.cat([flow(second, first) for first, second in pairs], dim=1)
        t, x, y = queries.unbind(-1)
        asked = torch.stack([t, y, x], dim=-1)
        tracks, _ = tracking.get_tracks_from_flows_query_points(asked, there, back, "cpu")
        return {"step": tracks[0, 1]}

    return Reference(network, run)
