"""Checkers of CoTracker3, offline and online."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import TOLERANCE, Call, calls, filled, frames_of, tensor
from numpy.typing import NDArray
from parity_fixtures import Case
from torch import nn

LOGITS = ("visibility_logit", "confidence_logit")


def _compare_first_iteration(
    case: Case, entered: list[Call], correlated: list[Call], changes: list[Call]
) -> None:
    """The intermediate values of one point and frame, ``mid_point``, in the first iteration."""
    case.given("mid_point")
    n, t = case["mid_point"].tolist()
    volumes = [call.inputs[0][n, t] for call in correlated[:4]]
    case.compare("mid_corr_volume", np.stack(volumes), atol=TOLERANCE)
    if "mid_corr_embedding" in case:
        embedded = [call.output[n, t] for call in correlated[:4]]
        case.compare("mid_corr_embedding", np.stack(embedded), atol=TOLERANCE)
    case.compare("mid_transformer_input", entered[0].inputs[0][0, n, t], atol=TOLERANCE)
    case.compare("mid_delta_iter0", changes[0].output[0], atol=TOLERANCE)


def _compare_features(case: Case, network: nn.Module) -> None:
    """Sixteen channels before they are normalised, of frame 3 or the last."""
    video = frames_of(case)[0] / 127.5 - 1
    features = network.encoder(video[min(3, len(video) - 1)][None])  # type: ignore[operator]
    case.compare("mid_fmap_raw", features[0, ..., :16].permute(2, 0, 1), atol=TOLERANCE)


def check_offline(case: Case) -> None:
    if "iters" not in case:
        return check_offline_predictor(case)
    network, video, queries = filled(case), frames_of(case), tensor(case, "queries")
    iterations = int(case["iters"])
    with (
        torch.inference_mode(),
        calls(network.correlation) as correlated,
        calls(network.transformer) as changes,
    ):
        _compare_features(case, network)
        answer = network(video, queries, iterations)
    _compare_first_iteration(case, changes, correlated, changes)
    per_iteration = np.cumsum([call.output[0, ..., :2] for call in changes], axis=0)
    places = case["queries"][:, None, 1:] + 4 * per_iteration
    case.compare("mid_tracks_per_iter", places, atol=TOLERANCE)
    case.compare("tracks", answer.tracks[0], atol=TOLERANCE)
    for name in LOGITS:
        case.compare(name, getattr(answer, name)[0], atol=TOLERANCE)


def check_online(case: Case) -> None:
    if "iters" not in case:
        return check_online_predictor(case)
    network, video, queries = filled(case), frames_of(case), tensor(case, "queries")
    iterations, num_frames = int(case["iters"]), video.shape[1]
    ends = network.ends(num_frames)
    assert len(ends) == int(case["num_steps"])
    whole: dict[str, NDArray] = {}
    with torch.inference_mode():
        _compare_features(case, network)
        state, begin = network.begin(queries), 0
        for k, end in enumerate(ends):
            first = state.start
            maps = network.encode(video[:, begin:end])
            with calls(network.correlation) as correlated, calls(network.transformer) as changes:
                answer, state = network.advance(state, maps, iterations)
            for name, value in answer._asdict().items():
                known = whole.get(name, np.asarray(value[0]))[:, :first]
                whole[name] = np.concatenate([known, np.asarray(value[0])], axis=1)
                prefix = "" if k == len(ends) - 1 else f"step{k}_"
                case.compare(prefix + name, whole[name], atol=TOLERANCE)
            if k == 0:
                _compare_first_iteration(case, changes, correlated, changes)
            if k == 1:
                n, t = case["mid_point"].tolist()
                tokens = changes[0].inputs[0][0, n, t]
                case.compare("mid_transformer_input_step1", tokens, atol=TOLERANCE)
                case.compare("mid_delta_step1_iter0", changes[0].output[0], atol=TOLERANCE)
            begin = end
        windowed = network(video, queries, iterations)
    for name, value in windowed._asdict().items():
        np.testing.assert_allclose(value[0], whole[name], atol=1e-5)


def check_offline_predictor(case: Case) -> None:
    pass


def check_online_predictor(case: Case) -> None:
    pass


COTRACKER3_CHECKERS = {"cotracker3_offline": check_offline, "cotracker3_online": check_online}
