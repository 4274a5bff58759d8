"""Checker of Track-On2."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import TOLERANCE, Call, calls, filled_state, frames_of, tensor
from parity_fixtures import Case
from torch import Tensor

from pointtrack.networks.trackon import VISIBLE, TrackOn2, support_grid
from pointtrack.networks.trackon_backbone import Maps, level_sizes
from pointtrack.weights.official import load_official

_networks: dict[tuple[int, ...], TrackOn2] = {}


def network_of(case: Case) -> TrackOn2:
    """The network at the case's size and memory, with its generated weights."""
    size = tuple(case["input_size"].tolist())
    if size not in _networks:
        network = TrackOn2(size).eval()
        load_official(network, "trackon2", filled_state(case.path.parent))
        _networks[size] = network.requires_grad_(False)
    network = _networks[size]
    network.memory = int(case["memory_size"])
    return network


def check_trackon(case: Case) -> None:
    network, video, queries = network_of(case), frames_of(case), tensor(case, "queries")
    picture = case["video"].shape[1:3]
    count = len(case["queries"])
    grid = support_grid(int(case["support_grid_size"]), picture)
    support = torch.nn.functional.pad(grid, (1, 0))[None]  # at t = 0
    with (
        torch.inference_mode(),
        calls(network.encoder) as encoded,
        calls(network.projections[0]) as first,
        calls(network.projections[1]) as second,
        calls(network.reranking) as reranked,
    ):
        found = network(video, torch.cat([queries, support], dim=1))
    own = [value[0, :count] for value in found]
    case.compare("tracks", own[0], atol=TOLERANCE)
    case.compare("visibility_logit", own[1], atol=TOLERANCE)
    case.compare("uncertainty_logit", own[2], atol=TOLERANCE)
    active = np.arange(len(case["video"])) >= case["queries"][:, :1]
    np.testing.assert_array_equal(active, case["active"].astype(bool))
    assert float(case["delta_v"]) == np.float32(VISIBLE)
    case.compare("visibility", active & (own[1].sigmoid() >= VISIBLE).numpy())
    _compare_maps(case, network, Maps(*encoded[0].output))
    _compare_queries(case, network, Maps(*encoded[0].output), first, second)
    height, width = network.size
    places = reranked[0].inputs[1][0] * torch.tensor([width, height])
    case.compare("mid_topk_points_first", places, atol=TOLERANCE)


def _compare_maps(case: Case, network: TrackOn2, maps: Maps) -> None:
    sizes = level_sizes(network.size)
    levels = maps.levels[0].split([height * width for height, width in sizes])

    def thinned(tokens: Tensor) -> Tensor:
        return tokens.view(*sizes[0], -1)[::2, ::2, :16]

    case.compare("mid_f4_frame0", thinned(levels[0]), atol=TOLERANCE)
    case.compare("mid_fused_frame0", thinned(maps.fused[0]), atol=TOLERANCE)
    for name, level, channels in zip((8, 16, 32), levels[1:], (16, 32, 64), strict=True):
        case.compare(f"mid_f{name}_frame0", level[:, :channels], atol=TOLERANCE)


def _compare_queries(
    case: Case, network: TrackOn2, maps: Maps, first: list[Call], second: list[Call]
) -> None:
    lengths = maps.levels[0].norm(dim=-1)
    for name, projected in (("mid_corr1_first", first), ("mid_corr2_first", second)):
        with torch.inference_mode():
            alike = network.correlate(projected[0].output[:1], maps, lengths)
        case.compare(name, alike[0], atol=TOLERANCE)
    case.compare("mid_query_out_first", second[0].output[0], atol=TOLERANCE)
    case.compare("mid_query_out_last", second[-1].output[0], atol=TOLERANCE)


TRACKON_CHECKERS = {"trackon2": check_trackon}
