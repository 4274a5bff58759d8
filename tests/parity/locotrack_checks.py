"""Checkers of LocoTrack, small and base."""

from __future__ import annotations

import torch
from network_fixtures import TOLERANCE, calls, filled, frames_of, tensor
from parity_fixtures import Case

from pointtrack.networks.locotrack import LocoTrack

PARTS = ("tracks", "occlusion", "expected_dist")


def check_locotrack(case: Case) -> None:
    network: LocoTrack = filled(case)
    video, queries = frames_of(case) / 127.5 - 1, tensor(case, "queries")
    levels = None
    if "refinement_resolutions" in case:
        levels = [tuple(level) for level in case["refinement_resolutions"].tolist()]
    with (
        torch.inference_mode(),
        calls(network.transformer) as entered,
        calls(network.heatmap) as heated,
    ):
        output = network(video, queries, levels)

    case.compare("tracks", output.tracks[0], atol=TOLERANCE)
    case.compare("occlusion_logit", output.occlusion_logit[0], atol=TOLERANCE)
    case.compare("expected_dist_logit", output.expected_dist_logit[0], atol=TOLERANCE)
    for name, value in zip(PARTS, output.steps[0], strict=True):
        case.compare(f"mid_{name}_init", value[0], atol=TOLERANCE)
    case.compare("mid_tracks_iter1", output.steps[1].tracks[0], atol=TOLERANCE)
    case.compare("mid_transformer_input_iter1_point0", entered[0].inputs[0][0], atol=TOLERANCE)
    case.compare("mid_cost_logits_frame1_point0", heated[1].output[0, ..., 0], atol=TOLERANCE)

    size = (video.shape[-2], video.shape[-1])
    with torch.inference_mode():
        last = levels[-1] if levels else network.resolution
        maps = network.encode(video, last)
        points = network.describe(maps, queries, size)
    case.compare("mid_feat_stride8_frame0", maps.stride_8[0, 0, ..., :8], atol=TOLERANCE)
    case.compare("mid_feat_stride4_frame0", maps.stride_4[0, 0, :16, :16, :8], atol=TOLERANCE)
    case.compare("mid_feat_stride2_frame0", maps.stride_2[0, 0, :16, :16, :8], atol=TOLERANCE)
    window = points.stride_4[0, 0].unflatten(0, (7, 7))
    case.compare("mid_query_support_stride4_point0", window[..., :8], atol=TOLERANCE)


LOCOTRACK_CHECKERS = dict.fromkeys(("locotrack_small", "locotrack_base"), check_locotrack)
