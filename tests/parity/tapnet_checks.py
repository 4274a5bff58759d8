"""Checker of TAP-Net."""

from __future__ import annotations

import torch
from network_fixtures import TOLERANCE, filled, frames_of, tensor
from parity_fixtures import Case

from pointtrack.networks.blocks.matching import costs
from pointtrack.networks.tapnet import TapNet


def check_tapnet(case: Case) -> None:
    network: TapNet = filled(case)
    video, queries = frames_of(case) / 127.5 - 1, tensor(case, "queries")
    with torch.inference_mode():
        output = network(video, queries)
        maps = network.encode(video)
        points = network.describe(maps, queries, (video.shape[-2], video.shape[-1]))
        volume = costs(maps[0], points[:, :1].expand(video.shape[1], -1, -1))  # T 1 h w
        heat = network.matching.heatmap(network.matching.shared(volume).relu())

    case.compare("tracks", output.tracks[0], atol=TOLERANCE)
    case.compare("occlusion_logit", output.occlusion_logit[0], atol=TOLERANCE)
    case.compare("visible", output.visible()[0])
    case.compare("mid_feature_grid_frame0_ch0_8", maps[0, 0, ..., :8], atol=TOLERANCE)
    case.compare("mid_feature_grid_last_frame_ch0_8", maps[0, -1, ..., :8], atol=TOLERANCE)
    case.compare("mid_query_feats", points[0], atol=TOLERANCE)
    case.compare("mid_cost_volume_point0", volume[:, 0], atol=TOLERANCE)
    case.compare("mid_heatmap_logits_point0", heat[:, 0], atol=TOLERANCE)


TAPNET_CHECKERS = {"tapnet": check_tapnet}
