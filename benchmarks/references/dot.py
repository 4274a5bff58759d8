"""DOT, of https://github.com/16lemoing/dot: its refiner, and the estimator of its boundaries.

The refiner goes from the first frame to every other one, by 2,048 points that move smoothly; the
estimator gives the flow of all neighbouring frames.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from references import Reference, import_from

POINTS = 2048
REFINER = {"patch_size": 4, "refine_alpha": True, "norm_cnet": "instance"}
ESTIMATOR = {"patch_size": 8, "refine_alpha": False, "norm_cnet": "batch"}


def points_on(t: int) -> Tensor:
    """The points on frame ``t``, ``(S, 3)``: x and y from 0 to 1, and whether they are seen."""
    random = torch.Generator().manual_seed(0)
    points = torch.ones(POINTS, 3)
    points[:, :2] = torch.rand(POINTS, 2, generator=random)
    points[:, 0] += 0.002 * t * torch.sin(6 * points[:, 1])
    points[:, 1] += 0.0015 * t
    if t > 0:
        points[: POINTS // 8, 2] = 0
    return points


def load(variant: str, checkout: Path) -> Reference:
    # The packages' own modules would import everything there is.
    for name in ("dot", "dot.models", "dot.models.shelf", "dot.utils"):
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [str(checkout / name.replace(".", "/"))]
    made: Any = import_from(checkout, "dot.models.shelf.raft")
    refiner = variant == "dot"
    settings = Namespace(norm_fnet="instance", **(REFINER if refiner else ESTIMATOR), num_iter=12)
    network = made.RAFT(settings).eval()

    def estimate(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        network.num_iter = iterations or 12
        frames = (video[0] / 255).split(1)
        flows = [network(first, second)[0] for first, second in pairwise(frames)]
        return {"flow": torch.cat(flows).permute(0, 3, 1, 2)}

    def refine(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        network.num_iter = iterations or 4
        interpolate: Any = import_from(checkout, "dot.models.interpolation").interpolate
        sides = (torch.linspace(0, 1, side // 4) for side in (video.shape[4], video.shape[3]))
        grid = torch.stack(torch.meshgrid(*sides, indexing="xy"), dim=-1)
        first, *others = (video[0] / 255).split(1)
        begin, source = points_on(0)[None], network.encode(first)
        flows, seen = [], []
        for t, frame in enumerate(others, start=1):
            flow, visible = interpolate(begin, points_on(t)[None], grid, version="torch")
            target = network.encode(frame)
            found = network(
                src_feats=source, tgt_feats=target, coarse_flow=flow, coarse_alpha=visible
            )
            flows.append(found[0].permute(0, 3, 1, 2))
            seen.append(found[1])
        return {"flow": torch.cat(flows), "visibility": torch.cat(seen)}

    return Reference(network, refine if refiner else estimate)
