"""Checkers of RAFT, large and small."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import TOLERANCE, calls, filled, frames_of
from numpy.typing import NDArray
from parity_fixtures import Case
from torch import Tensor

from pointtrack.networks.blocks.sampling import bilinear
from pointtrack.networks.raft import padding_to_eight

ROW, COLUMN = 5, 7  # where the fixtures look into the maps


def _chained(queries: NDArray, flows: Tensor) -> Tensor:
    """Points ``(N, T, 2)`` moved by the flow of consecutive frames ``(T - 1, 2, H, W)``."""
    maps = flows.permute(0, 2, 3, 1)
    at = torch.from_numpy(queries[:, 1:])
    places = [at]
    for t in range(len(maps)):
        step = bilinear(maps, torch.tensor(t).expand(len(at)), at)
        at = at + step * torch.from_numpy(queries[:, :1] <= t)
        places.append(at)
    return torch.stack(places, dim=1)


def check_raft(case: Case) -> None:
    network = filled(case)
    padding = padding_to_eight(*case["video"].shape[1:3])
    frames = padding.pad(frames_of(case)[0])
    iterations = int(case["iters"])
    with torch.inference_mode():
        encoded = network.encode(frames)
        first, second = encoded.pick(slice(-1)), encoded.pick(slice(1, None))
        with calls(network.context_encoder) as contexts:
            network.encode(frames[:1])
        states = list(network.iterate(first, second, iterations))
        flows = padding.crop(network.upsample(states[-1]))  # T-1 2 H W
        forward = network(frames[None], iterations)[0]
    torch.testing.assert_close(padding.crop(forward), flows)

    case.compare("mid_fmap1_ch0_7", encoded.features[0, ..., :8].permute(2, 0, 1), atol=TOLERANCE)
    context = contexts[0].output[0, ..., ::16].permute(2, 0, 1)
    case.compare("mid_cnet_ch_every16", context, atol=TOLERANCE)
    case.compare("mid_corr_iter0_row5", states[0].correlation[0, :, ROW], atol=TOLERANCE)
    case.compare("mid_delta_iter0", states[0].delta[0], atol=TOLERANCE)
    case.compare("mid_net_iter0_row5", states[0].hidden[0, :, ROW], atol=TOLERANCE)
    if network.upsampling is not None:
        weights = 0.25 * network.upsampling(states[-1].hidden)
        case.compare("mid_mask_last", weights[0, :, ROW, COLUMN], atol=TOLERANCE)
    case.compare("flow01", flows[0], atol=TOLERANCE)
    case.compare("flow_low", states[-1].flow, atol=TOLERANCE)
    case.compare("flow_last_sub4", flows[-1, :, ::4, ::4], atol=TOLERANCE)
    case.compare("tracks", np.asarray(_chained(case["queries"], flows)), atol=TOLERANCE)


RAFT_CHECKERS = {"raft_large": check_raft, "raft_small": check_raft}
