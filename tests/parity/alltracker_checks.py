"""Checkers of AllTracker, with either encoder."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import TOLERANCE, calls, filled, frames_of
from parity_fixtures import Case
from torch import Tensor

from pointtrack.networks.alltracker import (
    AllTracker,
    Dense,
    Estimate,
    Overlaps,
    filled_up,
    padding_of,
)
from pointtrack.networks.alltracker_correlations import Correlations

ROW, LINE = 9, 100  # of maps and of pictures, where the fixtures look
PAIR = 2  # frames that are taken as flow


@torch.inference_mode()
def check_alltracker(case: Case) -> None:
    network: AllTracker = filled(case)
    video = frames_of(case)[0]
    padding = padding_of(*video.shape[2:])
    maps = network.encode(padding.pad(video))
    _check_first_iteration(case, network, maps)
    estimates = _found(case, network, maps)
    whole = _joined([network.dense(estimate) for estimate in estimates])
    flow = padding.crop(whole.flow.permute(0, 3, 1, 2))  # T 2 H W
    scores = padding.crop(torch.stack(whole[1:], dim=1))
    if len(maps) == PAIR:
        flow = torch.cat([torch.zeros_like(flow), flow])
    case.compare("flow_last_sub4", flow[-1, :, ::4, ::4], atol=TOLERANCE)
    case.compare("visconf_last_sub4", scores[-1, :, ::4, ::4], atol=TOLERANCE)
    case.compare("flow_mid_sub8", flow[len(flow) // 2, :, ::8, ::8], atol=TOLERANCE)
    case.compare("flow_all_row100_sub4", flow[:, :, LINE, ::4], atol=TOLERANCE)
    _check_tracks(case, network, maps, estimates)


def _found(case: Case, network: AllTracker, maps: Tensor) -> list[Estimate]:
    """Of all frames, of which two are taken as flow: then it is that of the second one."""
    iterations = int(case["iters"])
    if len(maps) == PAIR:
        return [network.refine(maps[0], maps[1:], None, iterations)]
    overlaps: Overlaps = "first" if case.path.stem.endswith("sliding") else "last"
    return [estimate for _, estimate in network.follow(maps, iterations, overlaps)]


def _joined(parts: list[Dense]) -> Dense:
    return Dense(*(torch.cat(same) for same in zip(*parts, strict=True)))


def _check_tracks(case: Case, network: AllTracker, maps: Tensor, whole: list[Estimate]) -> None:
    """Points are read at whole pixels, as the reference does; a pair's on both frames."""
    queries, frames = case["queries"], len(maps)
    padding = padding_of(*case["video"].shape[1:3])
    tracks = np.repeat(queries[:, None, 1:].round(), frames, axis=1)  # N T 2
    scores = np.zeros((2, len(queries), frames), np.float32)
    for start in np.unique(queries[:, 0]).astype(int):
        if start == frames - 1:
            continue  # stays where it is
        rows = np.flatnonzero(queries[:, 0] == start)
        at = torch.from_numpy(tracks[rows, 0] + [padding.left, padding.top]).float()
        estimates = _found(case, network, maps[start:]) if start else whole
        found = _joined([network.read(estimate, at) for estimate in estimates])
        tracks[rows, start:] += found.flow.transpose(0, 1).numpy()
        scores[:, rows, start:] = np.stack([part.T.numpy() for part in found[1:]])
    case.compare("tracks", tracks, atol=TOLERANCE)
    case.compare("visibility", scores[0], atol=TOLERANCE)
    case.compare("confidence", scores[1], atol=TOLERANCE)


def _check_first_iteration(case: Case, network: AllTracker, maps: Tensor) -> None:
    """Of the first window: its second frame, where there is one beside the anchor."""
    pair = len(maps) == PAIR
    window = maps[1:] if pair else filled_up(maps)
    which = 0 if pair else 1
    with calls(network.flow_head) as moves, calls(network.logits_head) as scores:
        estimate = network.refine(maps[0], window, None, 1)
    every = maps[0, ..., ::16].permute(2, 0, 1)
    case.compare("mid_fmap_t0_every16", every, atol=TOLERANCE)
    name = "mid_delta_flow_iter0" if pair else "mid_delta_flow_iter0_t1"
    case.compare(name, moves[0].output[which].permute(2, 0, 1), atol=TOLERANCE)
    if pair:
        return
    delta = scores[0].output[which].permute(2, 0, 1)
    case.compare("mid_delta_visconf_iter0_t1", delta, atol=TOLERANCE)
    still = torch.zeros(1, *maps.shape[1:3], 2)
    around = Correlations(maps[0], window).around(still, slice(1, 2))[0, ROW].T
    case.compare("mid_corr_iter0_t1_row9", around, atol=TOLERANCE)
    case.compare("mid_feat_iter0_t1_row9", estimate.features[1, ROW].T, atol=TOLERANCE)


ALLTRACKER_CHECKERS = dict.fromkeys(("alltracker", "alltracker_tiny"), check_alltracker)
