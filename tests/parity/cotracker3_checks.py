"""Checkers of CoTracker3, offline and online."""

from __future__ import annotations

import numpy as np
import torch
from network_fixtures import TOLERANCE, Call, calls, filled, frames_of, tensor
from numpy.typing import NDArray
from parity_fixtures import Case
from torch import Tensor, nn

from pointtrack.networks.cotracker3 import CoTracker3Offline
from pointtrack.trackers.neural import cotracker_protocol as protocol

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
    video = frames_of(case)[0]
    features = network.encoder(video[min(3, len(video) - 1)][None])  # type: ignore[operator]
    case.compare("mid_fmap_raw", features[0, ..., :16].permute(2, 0, 1), atol=TOLERANCE)


def check_offline(case: Case) -> None:
    if "iters" not in case:
        check_offline_predictor(case)
        return
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
        check_online_predictor(case)
        return
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


# --- as the published predictors run it --------------------------------------------------------


def _compare_visible(case: Case, name: str, visible: Tensor, score: Tensor, limit: float) -> None:
    """Where the score is at the threshold, rounding decides: such entries are left out."""
    close = (score - limit).abs() <= TOLERANCE
    wanted = torch.from_numpy(case[name])
    case.compare(name, torch.where(close, wanted, visible[0]))


class Predictor:
    """The offline network at a working size, on one video."""

    def __init__(self, case: Case):
        self.network: CoTracker3Offline = filled(case)
        video = frames_of(case)
        self.source = (video.shape[4], video.shape[3])
        height, width = case["resolution"].tolist()
        self.size = (width, height)
        self.maps = self.network.encode(protocol.resize(video, self.size))

    def track(self, queries: Tensor, keep: int, backward: bool = False) -> protocol.Scores:
        """Queries at the working size; tracks in the video's pixels of the first ``keep``."""
        track = lambda maps, points: protocol.scores(self.network.track(maps, points))  # noqa: E731
        if backward:
            found = protocol.both_ways(track, self.maps, queries)
        else:
            found = track(self.maps, queries)
        tracks = protocol.rescale(found.tracks, self.size, self.source)
        return found._replace(tracks=tracks).first(keep)

    def points(self, queries: Tensor) -> Tensor:
        return protocol.rescale_queries(queries, self.source, self.size)

    def supported(self, queries: Tensor) -> Tensor:
        return protocol.with_support(queries, protocol.grid(protocol.SUPPORT_GRID, self.size))

    def report(self, case: Case, prefix: str, queries: Tensor, found: protocol.Scores) -> None:
        """Compare tracks and visibility as the predictor reports them."""
        pixels = protocol.rescale_queries(queries, self.size, self.source)
        tracks, visible = protocol.pinned(found, pixels)
        case.compare(f"{prefix}tracks", tracks[0], atol=TOLERANCE)
        limit = protocol.OFFLINE_VISIBLE
        _compare_visible(case, f"{prefix}visible", visible, found.visibility[0], limit)


@torch.inference_mode()
def check_offline_predictor(case: Case) -> None:
    predictor = Predictor(case)
    queries = predictor.points(tensor(case, "queries"))
    if "joint_tracks" in case:
        return check_evaluation(case, predictor, queries)
    count = queries.shape[1]
    found = predictor.track(predictor.supported(queries), count)
    predictor.report(case, "", queries, found)
    case.compare("visibility", found.visibility[0], atol=TOLERANCE)
    case.compare("confidence", found.confidence[0], atol=TOLERANCE)
    if "backward_tracks" not in case:
        return None
    found = predictor.track(predictor.supported(queries), count, backward=True)
    predictor.report(case, "backward_", queries, found)

    points = protocol.grid(int(case["grid_size"]), predictor.size)
    on_grid = protocol.queries_at(points, int(case["grid_query_frame"]))
    predictor.report(case, "grid_", on_grid, predictor.track(on_grid, len(points)))

    points = protocol.grid(int(case["masked_grid_size"]), predictor.size)
    points = protocol.in_mask(points, torch.from_numpy(case["mask"]), predictor.size)
    masked = protocol.queries_at(points, int(case["masked_grid_query_frame"]))
    found = predictor.track(predictor.supported(masked), len(points), backward=True)
    predictor.report(case, "masked_grid_", masked, found)
    return None


def check_evaluation(case: Case, predictor: Predictor, queries: Tensor) -> None:
    """The benchmarks' ways: every query alone with its support, and all of them jointly."""
    singles = [protocol.single_point_queries(query, predictor.size) for query in queries[0]]
    alone = [predictor.track(single, 1) for single in singles]
    tracks, score = (torch.cat([getattr(a, n)[0] for a in alone]) for n in ("tracks", "score"))
    case.compare("single_point_tracks", tracks, atol=TOLERANCE)
    case.compare("single_point_score", score, atol=TOLERANCE)
    everywhere = protocol.grid(protocol.EVALUATION_GRID, predictor.size)
    joint = predictor.track(protocol.with_support(queries, everywhere), queries.shape[1])
    case.compare("joint_tracks", joint.tracks[0], atol=TOLERANCE)
    case.compare("joint_score", joint.score[0], atol=TOLERANCE)


@torch.inference_mode()
def check_online_predictor(case: Case) -> None:
    network, video = filled(case), frames_of(case)
    source = (video.shape[4], video.shape[3])
    height, width = case["resolution"].tolist()
    size = (width, height)
    video = protocol.resize(video, size)
    queries = protocol.rescale_queries(tensor(case, "queries"), source, size)
    supported = protocol.with_support(queries, protocol.grid(protocol.SUPPORT_GRID, size))
    points = protocol.grid(int(case["grid_size"]), size)
    on_grid = protocol.queries_at(points, int(case["grid_query_frame"]))
    runs = (("support_", supported, queries.shape[1]), ("grid_", on_grid, len(points)))
    for prefix, given, keep in runs:
        found = protocol.scores(network(video, given)).first(keep)
        tracks = protocol.rescale(found.tracks, size, source)
        case.compare(f"{prefix}tracks", tracks[0], atol=TOLERANCE)
        case.compare(f"{prefix}score", found.score[0], atol=TOLERANCE)
        visible = found.score > protocol.ONLINE_VISIBLE
        _compare_visible(case, f"{prefix}visible", visible, found.score[0], protocol.ONLINE_VISIBLE)


COTRACKER3_CHECKERS = {"cotracker3_offline": check_offline, "cotracker3_online": check_online}
