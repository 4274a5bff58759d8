"""Checkers of PIPs and PIPs++."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import TOLERANCE, calls, filled, frames_of, tensor
from parity_fixtures import Case

from pointtrack.networks import pips2

CORRELATION = slice(128, 128 + 196)  # of PIPs' token
FLOW = slice(716, 718)  # of PIPs++'s


@torch.inference_mode()
def check_pips(case: Case) -> None:
    if "mid_window_starts" in case:
        check_chain(case)
    else:
        check_window(case)


def check_window(case: Case) -> None:
    network = filled(case)
    queries = torch.from_numpy(case["queries"])
    maps = network.encode(frames_of(case)[0])
    frames = torch.arange(8).expand(len(queries), -1)
    template = network.describe(maps, frames[:, 0], queries[:, 1:])
    with calls(network.mixer) as mixed:
        steps = list(network.refine(maps, frames, queries[:, 1:], template))
    path, logit = network.follow(maps, frames, queries[:, 1:], template)
    case.compare("mid_fmap0", maps[0][0].permute(2, 0, 1), atol=TOLERANCE)
    case.compare("mid_query_feat", template, atol=TOLERANCE)
    case.compare("mid_mixer_in_iter0_point0", mixed[0].inputs[0][0], atol=TOLERANCE)
    case.compare("mid_mixer_out_iter0", mixed[0].output, atol=TOLERANCE)
    found = mixed[1].inputs[0][1, :, CORRELATION]
    case.compare("mid_corr_iter1_point1", found, atol=TOLERANCE)
    case.compare("mid_tracks_per_iter", torch.stack([step[0] for step in steps], dim=1))
    case.compare("tracks", path)
    case.compare("visibility_logit", logit)


def check_chain(case: Case) -> None:
    network = filled(case)
    queries = tensor(case, "queries")
    chain = network.chain(network.encode(frames_of(case)[0]), queries[0])
    starts = np.full(case["mid_window_starts"].shape, -1)
    for row, begins in zip(starts, chain.starts, strict=True):
        row[: len(begins)] = begins
    case.compare("mid_window_starts", starts)
    answer = network(frames_of(case), queries)
    case.compare("tracks", answer.tracks[0])
    case.compare("visibility_logit", answer.visibility_logit[0])


@torch.inference_mode()
def check_pips2(case: Case) -> None:
    network = filled(case)
    iterations, window = int(case["iters"]), int(case["window"])
    video, queries = frames_of(case), case["queries"]
    maps = network.encode(video[0])
    at_start = torch.from_numpy(queries[queries[:, 0] == 0, 1:])
    spans = pips2.spans(len(video[0]), window)
    case.compare("mid_windows_t0", np.array(spans))
    first = [level[: spans[0][1]] for level in maps]
    guess = at_start[:, None].expand(-1, spans[0][1], -1)
    with calls(network.updater) as updates:
        paths = [path for path, _ in network.refine(first, guess, None, iterations)]
    settled = torch.cat([guess[:, :1], paths[-1][:, 1:]], dim=1)
    case.compare("mid_fmap0", maps[0][0].permute(2, 0, 1), atol=TOLERANCE)
    correlations = [update.inputs[0][..., :588] for update in updates]
    case.compare("mid_corr_iter0_point0", correlations[0][0], atol=TOLERANCE)
    case.compare("mid_corr_iter1_point1", correlations[1][1], atol=TOLERANCE)
    case.compare("mid_flow_iter0", updates[0].inputs[0][..., FLOW], atol=TOLERANCE)
    case.compare("mid_delta_iter0", updates[0].output, atol=TOLERANCE)
    every = torch.stack([*paths, settled], dim=1)
    case.compare("mid_tracks_per_iter_window0", every, atol=TOLERANCE)
    answer = network(video, tensor(case, "queries"), iterations, window)
    case.compare("tracks", answer.tracks[0])


PIPS_CHECKERS = {"pips": check_pips, "pips2": check_pips2}
