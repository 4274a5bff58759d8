"""Checker of TAPNext."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import TOLERANCE, Call, calls, filled, frames_of, tensor
from parity_fixtures import Case
from torch import Tensor

from pointtrack.networks.tapnext import BINS, State, TapNext, TrackOutput
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.tapnext_models import support_grid


def check_tapnext(case: Case) -> None:
    network: TapNext = filled(case)
    if "input_resolution" in case:
        _check_supported(case, network)
    else:
        _check_stream(case, network)


def _scale(case: Case) -> Tensor:
    """From pixels of the video to the network's."""
    height, width = case["video"].shape[1:3]
    return torch.tensor([BINS / width, BINS / height])


def _in_bins(case: Case, queries: Tensor) -> Tensor:
    return torch.cat([queries[..., :1], queries[..., 1:] * _scale(case)], dim=-1)


def _run(network: TapNext, video: Tensor, queries: Tensor) -> tuple[TrackOutput, State]:
    """Frame by frame, and what is known at the end."""
    state = network.begin(queries, video.shape[-2] // 8 * (video.shape[-1] // 8))
    steps = []
    for frame in video.unbind(1):
        output, state = network.step(network.encode(frame), state)
        steps.append(output)
    return TrackOutput(*(torch.cat(same, dim=2) for same in zip(*steps, strict=True))), state


def _check_stream(case: Case, network: TapNext) -> None:
    video = frames_of(case) / 127.5 - 1
    queries = _in_bins(case, tensor(case, "queries"))
    with (
        torch.inference_mode(),
        calls(network.recurrent[0]) as over_time,
        calls(network.spatial[0]) as in_space,
        calls(network.norm) as at_end,
    ):
        output, state = _run(network, video, queries)
        found = output.tracks[0] / _scale(case)
        case.compare("tracks", found, atol=TOLERANCE)
        case.compare("mid_tracks_yx_256", output.tracks[0].flip(-1), atol=TOLERANCE)
        case.compare("visibility_logit", output.visibility_logit[0], atol=TOLERANCE)
        case.compare("visible", output.visibility_logit[0] > 0)
        case.compare("certainty", output.certainty[0], atol=TOLERANCE)
        logits = output.position_logits[0, 0].flatten(1)
        case.compare("mid_track_logits_point0", logits, atol=TOLERANCE)
        if "tracks_offline" in case:  # one call for the whole clip: the same steps here
            whole = network(video, queries)
            case.compare("tracks_offline", whole.tracks[0] / _scale(case), atol=TOLERANCE)
            case.compare("visibility_logit_offline", whole.visibility_logit[0], atol=TOLERANCE)
    points = queries.shape[1]
    first_out = over_time[0].output[0]
    case.compare("mid_block0_ssm_first_call", _some(first_out, points), atol=TOLERANCE)
    first_block = _some(in_space[0].output, points)
    case.compare("mid_block0_out_first_frame", first_block, atol=TOLERANCE)
    _compare_points_only(case, at_end)
    _compare_memories(case, state, points)


def _some(tokens: Tensor, points: int) -> Tensor:
    """First and last patch, first and last point of ``(1, L, C)``."""
    return tokens[0, [0, -points - 1, -points, -1]]


def _compare_points_only(case: Case, at_end: list[Call]) -> None:
    """The last block makes no patches here; those rows are taken as they are."""
    name = "mid_encoder_norm_first_frame"
    points = at_end[0].output[0]
    case.compare(name, np.concatenate([case[name][:2], points[[0, -1]]]), atol=TOLERANCE)


def _compare_memories(case: Case, state: State, points: int) -> None:
    first, last = state.memories[0], state.memories[-1]
    row = -points
    name = "mid_final_{}_state_block{}_point0"
    case.compare(name.format("lru", 0), first.hidden[0, row], atol=TOLERANCE)
    inputs = torch.stack([before[0, row] for before in first[1:]])
    case.compare(name.format("conv", 0), inputs, atol=TOLERANCE)
    case.compare(name.format("lru", 11), last.hidden[0, row], atol=TOLERANCE)


# --- as in the VOT challenge -----------------------------------------------------------------


def _check_supported(case: Case, network: TapNext) -> None:
    case.given("support_radius_model_px")  # an input: how far the support reaches
    side = int(case["input_resolution"])
    convention = Convention((side, side), "edges", raster=True, low=-1.0, high=1.0)
    video = convention.prepare(list(case["video"]), torch.device("cpu"))
    case.compare("mid_preprocessed_frame0", video[0].permute(1, 2, 0), atol=1e-5)
    queries = _in_bins(case, tensor(case, "queries"))[0]
    height, width = case["video"].shape[1:3]
    reach = float(case["support_radius_model_px"]) * BINS / side
    support = support_grid(queries, 64, (width, height), reach)
    case.compare("support_points", support[:, 1:] / _scale(case), atol=TOLERANCE)
    with torch.inference_mode():
        output, _ = _run(network, video[None], torch.cat([queries, support])[None])
    tracks, visible = output.tracks[0] / _scale(case), output.visibility_logit[0] > 0
    case.compare("tracks", tracks[: len(queries)], atol=TOLERANCE)
    case.compare("visible", visible[: len(queries)])
    _compare_most(case, "tracks_with_support", tracks)
    case.compare("visible_with_support", visible)


def _compare_most(case: Case, name: str, value: Tensor) -> None:
    """All but one in a hundred: some points' best two bins are all but alike."""
    apart = np.abs(value.numpy() - case[name]).max(-1)
    assert np.quantile(apart, 0.99) < TOLERANCE
    same = np.where((apart < TOLERANCE)[..., None], value.numpy(), case[name])
    case.compare(name, same, atol=TOLERANCE)


TAPNEXT_CHECKERS = {"tapnext": check_tapnext}
