"""TAPIR, of https://github.com/google-deepmind/tapnet; the causal kinds frame by frame.

Needs dm-tree and einshape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from references import Reference, import_from

NAMES = ("tracks", "occlusion", "expected_dist")


def load(variant: str, checkout: Path) -> Reference:
    made = import_from(checkout, "tapnet.torch.tapir_model")
    made.utils.map_coordinates_2d = _sampled
    more = variant.endswith("bootstapir")
    network = made.TAPIR(
        pyramid_level=0 if variant == "tapir" else 1,
        extra_convs=more,
        use_casual_conv=variant.startswith("causal"),
        softmax_temperature=10.0 if more else 20.0,
    ).eval()
    follow = _stream if variant.startswith("causal") else _clip

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        network.num_pips_iter = iterations or 4
        frames = video.permute(0, 1, 3, 4, 2) / 127.5 - 1
        t, x, y = queries.unbind(-1)
        return follow(network, frames, torch.stack([t, y + 0.5, x + 0.5], dim=-1))

    return Reference(network, run)


def _sampled(maps: Tensor, yx: Tensor) -> Tensor:
    """Read ``(B, T, h, w, C)`` at ``(B, N, T, S, 2)``: ``(B, N, T, S, C)``.

    In place of the port's own, which takes the height for the width too: it is right for squares
    only, and otherwise not what the weights were trained with. The work is the same.
    """
    batch, frames, height, width, _ = maps.shape
    there = yx.transpose(1, 2).flatten(0, 1).flip(-1) / yx.new_tensor([width, height]) * 2 - 1
    pictures = maps.flatten(0, 1).permute(0, 3, 1, 2)
    read = F.grid_sample(pictures, there, padding_mode="zeros", align_corners=False)
    return read.permute(0, 2, 3, 1).unflatten(0, (batch, frames)).transpose(1, 2)


def _clip(network: Any, frames: Tensor, queries: Tensor) -> dict[str, Tensor]:
    found = network(frames, queries)
    return {name: found[name][0] for name in NAMES}


def _stream(network: Any, frames: Tensor, queries: Tensor) -> dict[str, Tensor]:
    """All points are asked for on the first frame."""
    grids = network.get_feature_grids(frames[:, :1], False)
    points = network.get_query_features(frames[:, :1], False, queries, grids)
    levels = len(grids.resolutions) - 1
    state = network.construct_initial_causal_state(queries.shape[1], levels)
    state = state[: network.num_pips_iter * levels]
    answers = []
    for t in range(frames.shape[1]):
        frame = frames[:, t : t + 1]
        found = network.estimate_trajectories(
            frame.shape[-3:-1],
            False,
            network.get_feature_grids(frame, False),
            points,
            None,
            64,
            causal_context=[dict(part) for part in state],
            get_causal_context=True,
        )
        state = found.pop("causal_context")
        answers.append([found[name][-1][0] for name in NAMES])
    return {
        name: torch.cat(values, dim=1)
        for name, values in zip(NAMES, zip(*answers, strict=True), strict=True)
    }
