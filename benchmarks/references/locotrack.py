"""LocoTrack, of https://github.com/cvlab-kaist/locotrack. Needs einops."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from references import Reference, import_from


def load(variant: str, checkout: Path) -> Reference:
    made = import_from(checkout / "locotrack_pytorch", "models.locotrack_model")
    network = made.LocoTrack(model_size=variant.removeprefix("locotrack_")).eval()

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        network.num_pips_iter = iterations or 4
        t, x, y = queries.unbind(-1)
        asked = torch.stack([t, y + 0.5, x + 0.5], dim=-1)
        found = network(video.permute(0, 1, 3, 4, 2) / 127.5 - 1, asked)
        return {name: found[name][0] for name in ("tracks", "occlusion", "expected_dist")}

    return Reference(network, run)
