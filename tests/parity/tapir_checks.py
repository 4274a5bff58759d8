"""Checkers of the four networks of the TAPIR family."""

from __future__ import annotations

import re

import numpy as np
import torch
from network_fixtures import TOLERANCE, Call, calls, filled, frames_of, tensor
from numpy.typing import NDArray
from parity_fixtures import Case
from torch import Tensor

from pointtrack.networks.blocks.estimates import Estimate, TrackOutput, joined
from pointtrack.networks.blocks.matching import costs
from pointtrack.networks.blocks.mixer import MixerState
from pointtrack.networks.tapir import ITERATIONS, Features, Tapir

NAMES = Estimate._fields


def check_tapir(case: Case) -> None:
    network: Tapir = filled(case)
    network.resolution = tuple(case["initial_resolution"].tolist())
    network.matching.temperature = float(case["softmax_temperature"])
    if "active" in case:
        _check_stream(case, network)
    else:
        _check_clip(case, network)


def _video(case: Case) -> Tensor:
    return frames_of(case) / 127.5 - 1  # 1 T 3 H W


def _size(case: Case) -> tuple[int, int]:
    height, width = case["video"].shape[1:3]
    return height, width


def _check_clip(case: Case, network: Tapir) -> None:
    video, queries, size = _video(case), tensor(case, "queries"), _size(case)
    with torch.inference_mode(), calls(network.mixer.entry) as mixed:
        output = network(video, queries)
    _compare_answer(case, Estimate(*output[:3]))
    _compare_steps(case, output.steps)
    assert [network.resolution, *network.levels(size)] == [
        tuple(level) for level in case["resolutions"].tolist()
    ]
    frames = video.shape[1]
    for iteration in range(2):
        case.compare(
            f"mid_mixer_input_point0_iter{iteration}",
            mixed[iteration].inputs[0].reshape(-1, frames, network.mixer.entry.in_features)[0],
            atol=TOLERANCE,
        )
    with torch.inference_mode():
        maps = network.encode(video, network.resolution)
        points = network.describe(maps, queries, size)
        volume = costs(maps.coarse[0], points.coarse[:, :1].expand(frames, -1, -1))  # T 1 h w
        heat = network.matching.heatmap(network.matching.shared(volume).relu())
    case.compare("mid_feat_lowres_frame0_ch0_8", maps.coarse[0, 0, ..., :8], atol=TOLERANCE)
    case.compare("mid_feat_hires_frame0_ch0_8", maps.fine[0, 0, ..., :8], atol=TOLERANCE)
    _compare_points(case, points)
    case.compare("mid_cost_volume_point0", volume[:, 0], atol=TOLERANCE)
    case.compare("mid_heatmap_logits_point0", heat[:, 0], atol=TOLERANCE)


def _compare_answer(case: Case, answer: Estimate) -> None:
    for name, value in zip(NAMES, answer, strict=True):
        case.compare(name, _where_known(case, name, value[0]), atol=TOLERANCE)
    case.compare("visible", _where_known(case, "visible", answer.visible()[0]))


def _compare_steps(case: Case, steps: list[Estimate]) -> None:
    for name, values in zip(NAMES, zip(*steps, strict=True), strict=True):
        if f"mid_iter_{name}" in case:
            name = f"mid_iter_{name}"
            case.compare(name, _where_known(case, name, torch.cat(values)), atol=TOLERANCE)


def _where_known(case: Case, name: str, value: Tensor) -> NDArray:
    """Before a point is added the fixture holds what must be ignored."""
    if "active" not in case:
        return value.numpy()
    active = case["active"][..., None] if name.endswith("tracks") else case["active"]
    return np.where(active, value.numpy(), case[name])


def _compare_points(case: Case, points: Features) -> None:
    case.compare("mid_query_hires", points.fine[0], atol=TOLERANCE)
    case.compare("mid_query_lowres", points.coarse[0], atol=TOLERANCE)


# --- frame by frame --------------------------------------------------------------------------


def _check_stream(case: Case, network: Tapir) -> None:
    video, size = _video(case), _size(case)
    levels = network.levels(size)
    first, last = network.mixer.blocks[0], network.mixer.blocks[-1]
    points, states = _known(case, network, levels)
    outputs: list[TrackOutput] = []
    with (
        torch.inference_mode(),
        calls(network.mixer.entry) as mixed,
        calls(first.time.activation) as early,
        calls(last.time.activation) as late,
    ):
        for frame in range(video.shape[1]):
            maps = [network.encode(video[:, frame : frame + 1], level) for level in levels]
            if _adds(case):
                fresh = tensor(case, "queries")
                fresh = fresh[:, fresh[0, :, 0] == frame] * torch.tensor([0, 1, 1])
                seen = [network.describe(m, fresh, size) for m in maps]
                points = [joined(both) for both in zip(points, seen, strict=True)]
                new = network.first_states(1, fresh.shape[1], len(levels))
                states = [joined(both, 2) for both in zip(states, new, strict=True)]
            output, states = network.step(maps, points, states, size)
            outputs.append(output)
    _compare_answer(case, _over_time(case, [Estimate(*output[:3]) for output in outputs]))
    steps = zip(*(output.steps for output in outputs), strict=True)
    _compare_steps(case, [_over_time(case, list(step)) for step in steps])
    _compare_points(case, points[0])
    _compare_inputs(case, mixed, len(levels))
    _compare_states(case, states, {0: early, len(network.mixer.blocks) - 1: late}, len(levels))


def _adds(case: Case) -> bool:
    """Whether points are added at their frames, and not known from the start."""
    return case.path.stem.endswith("add")


def _known(case: Case, network: Tapir, levels: list) -> tuple[list[Features], list[MixerState]]:
    """What is known before the first frame: all points, or none."""
    queries = tensor(case, "queries")
    if _adds(case):
        queries = queries[:, :0]
    video, size = _video(case), _size(case)
    with torch.inference_mode():
        points = [network.describe(network.encode(video, lv), queries, size) for lv in levels]
    return points, network.first_states(1, queries.shape[1], len(levels))


def _over_time(case: Case, frames: list[Estimate]) -> Estimate:
    """All frames' estimates, (B, N, T, ...); zero before a point is known."""
    count = len(case["queries"])

    def filled_up(value: Tensor) -> Tensor:
        missing = count - value.shape[1]
        return torch.cat([value, value.new_zeros(1, missing, *value.shape[2:])], dim=1)

    return Estimate(
        *(torch.cat([filled_up(v) for v in same], dim=2) for same in zip(*frames, strict=True))
    )


def _compare_inputs(case: Case, mixed: list[Call], levels: int) -> None:
    for name in case.names():
        found = re.fullmatch(r"mid_mixer_input_point0_frame(\d+)_iter(\d+)", name)
        if found:
            frame, iteration = map(int, found.groups())
            call = mixed[frame * levels * ITERATIONS + iteration]
            case.compare(name, call.inputs[0][0, 0, 0], atol=TOLERANCE)


def _compare_states(
    case: Case, states: list[MixerState], active: dict[int, list[Call]], levels: int
) -> None:
    """The inputs of the first convolutions are ours; those of the second are what passed by."""
    for name in case.names():
        found = re.fullmatch(r"mid_final_state_iter(\d+)_block(\d+)_causal_([12])_point0", name)
        if not found:
            continue
        iteration, block, which = map(int, found.groups())
        if which == 1:
            case.compare(name, states[iteration].inputs[block, 0, 0], atol=TOLERANCE)
            continue
        of_frames = active[block][iteration :: levels * ITERATIONS]
        passed = torch.stack([call.output[0, 0, 0].T.flatten() for call in of_frames[-2:]])
        case.compare(name, passed, atol=TOLERANCE)


TAPIR_CHECKERS = dict.fromkeys(
    ("tapir", "causal_tapir", "bootstapir", "causal_bootstapir"), check_tapir
)
