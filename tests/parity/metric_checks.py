"""Checkers of the folders of metrics: each looks at a file's arrays to know what it is."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from parity_fixtures import Case

from pointtrack import metrics
from pointtrack.datasets.frames import resize_frames
from pointtrack.metrics.tapvid import QueryMode

Checker = Callable[[Case], None]

RATIO = {"rtol": 1e-9, "atol": 1e-12}  # counts divided in float64
PERCENT = {"atol": 1e-4}  # percent and pixels that went through torch in float32
FRACTION = {"atol": 1e-6}  # the same precision on fractions of 1
MODES: tuple[QueryMode, ...] = ("first", "strided")


def dispatch(case: Case, kinds: dict[str, Checker]) -> None:
    """Run the first checker whose telling array is in the file."""
    for name, check in kinds.items():
        if name in case:
            return check(case)
    raise AssertionError(f"{case.path.name}: no known kind of case holds {case.names()}")


def compare_named(case: Case, values: dict, prefix: str, **tolerance: float) -> None:
    """Compare what the file has; ``assert_complete`` finds what was not computed."""
    for name, value in values.items():
        if prefix + name in case:
            case.compare(prefix + name, value, **tolerance)


def _tracks_first(points: NDArray) -> NDArray:
    """(1, T, N, 2) or (1, T, N) of one video to (N, T, 2) or (N, T)."""
    return np.swapaxes(points[0], 0, 1)


# --- metrics_tapvid --------------------------------------------------------------------------


def _per_video(queries: NDArray, truth: tuple, answer: tuple, mode: QueryMode) -> dict:
    """Loop the metric over a batch: name to (B,)."""
    videos = [
        metrics.tapvid_metrics(*arrays, mode)
        for arrays in zip(queries, *truth, *answer, strict=True)
    ]
    return {name: np.array([video[name] for video in videos]) for name in videos[0]}


def _per_track(queries: NDArray, truth: tuple, answer: tuple, mode: QueryMode) -> dict:
    """Loop the per-track metric over a batch: name to (B, N)."""
    videos = [
        metrics.tapvid_metrics_per_track(*arrays, mode)
        for arrays in zip(queries, *truth, *answer, strict=True)
    ]
    return {name: np.stack([video[name] for video in videos]) for name in videos[0]}


def _whole_batch(queries: NDArray, truth: tuple, answer: tuple, mode: QueryMode) -> dict:
    """As CoTracker and AllTracker: agreeing frames over those evaluated in the whole batch."""
    num_frames = truth[1].shape[-1]
    total = sum(int(metrics.evaluated_frames(q, num_frames, mode).sum()) for q in queries)
    videos = [
        metrics.tapvid_metrics(*arrays, mode, oa_denominator=total)
        for arrays in zip(queries, *truth, *answer, strict=True)
    ]
    return {name: np.array([video[name] for video in videos]) for name in videos[0]}


def _alltracker(case: Case, queries: NDArray, truth: tuple, answer: tuple, mode: QueryMode) -> dict:
    """The same batch as AllTracker sees it: in its crop, the prediction 0.3 px off there."""
    height, width = (int(side) for side in case["alltracker_crop_size"])
    scale = (np.array([width, height], np.float64) - 1) / 255
    size = (width, height)
    crop_truth = metrics.alltracker_to_protocol(truth[0] * scale, size)
    crop_answer = metrics.alltracker_to_protocol(answer[0] * scale + 0.3, size)
    return _whole_batch(queries, (crop_truth, truth[1]), (crop_answer, answer[1]), mode)


def check_reader(case: Case) -> None:
    """The whole way of an annotated video: resizing, queries, scores."""
    height, width = (int(side) for side in case["in_resolution"])
    small = (width, height) if max(width, height) <= 64 else (48, 48)
    case.compare("out_frames_resized", resize_frames(case["in_frames"], small))
    mode: QueryMode = "strided" if "out_trackgroup" in case else "first"
    points = metrics.annotation_to_protocol(case["in_points"], (width, height))
    sample = metrics.queries_strided if mode == "strided" else metrics.queries_first
    drawn = sample(points, case["in_occluded"])
    case.compare("out_query_points", drawn.query_points[None], **RATIO)
    case.compare("out_target_points", drawn.tracks[None], **RATIO)
    case.compare("out_occluded", drawn.occluded[None])
    if mode == "strided":
        case.compare("out_trackgroup", drawn.trackgroup[None])
    queries, truth = drawn.query_points[None], (drawn.tracks[None], drawn.occluded[None])
    answer = (case["pred_tracks"], case["pred_occluded"])
    for name, value in _per_video(queries, truth, answer, mode).items():
        case.compare(f"out_metric_{name}", value, **RATIO)
    if any(name.startswith("out_trackwise_") for name in case.names()):
        for name, value in _per_track(queries, truth, answer, mode).items():
            case.compare(f"out_trackwise_{name}", value, **RATIO)


_BATCH_NAME = re.compile(
    r"out_(?:(?P<answer>\w+?)_)?(?P<mode>first|strided)_"
    r"(?:(?P<kind>trackwise|cotracker|alltracker)_)?"
    r"(?P<metric>occlusion_accuracy|average_\w+|(?:pts_within|jaccard)_\d+)"
)


def check_batch(case: Case) -> None:
    """Scores of a batch; each expected array's name says how it was computed."""
    queries, truth = case["query_points"], (case["gt_tracks"], case["gt_occluded"])
    found: dict[tuple, dict] = {}
    for name in sorted(case.expected()):
        parts = _BATCH_NAME.fullmatch(name)
        assert parts is not None, f"{case.path.name}: no idea how to compute {name}"
        flags = f"pred_occluded_{parts['answer']}" if parts["answer"] else "pred_occluded"
        answer, mode = (case["pred_tracks"], case[flags]), parts["mode"]
        key = (parts["answer"], mode, parts["kind"])
        if key not in found:
            if parts["kind"] == "trackwise":
                found[key] = _per_track(queries, truth, answer, mode)
            elif parts["kind"] == "cotracker":
                found[key] = _whole_batch(queries, truth, answer, mode)
            elif parts["kind"] == "alltracker":
                found[key] = _alltracker(case, queries, truth, answer, mode)
            else:
                found[key] = _per_video(queries, truth, answer, mode)
        case.compare(name, found[key][parts["metric"]], **RATIO)


def check_cotracker_coordinates(case: Case) -> None:
    """TAP-Vid's annotation read at 255, predicted visibility thresholded at 0.6."""
    points = metrics.annotation_to_protocol(case["in_points"], convention="align_corners")
    for mode, sample in zip(MODES, (metrics.queries_first, metrics.queries_strided), strict=True):
        drawn = sample(points, case["in_occluded"])
        case.compare(f"{mode}_query_points", drawn.query_points[None], rtol=1e-6)
        answer = (case[f"{mode}_pred_tracks"], ~(case[f"{mode}_pred_visibility"] > 0.6))
        truth = (drawn.tracks[None], drawn.occluded[None])
        for name, value in _whole_batch(drawn.query_points[None], truth, answer, mode).items():
            case.compare(f"out_{mode}_{name}", value, **RATIO)


def _compare_redetection(
    case: Case, arrays: tuple[NDArray, NDArray, NDArray, NDArray], prefix: str
) -> tuple[metrics.RedetectionEvents, NDArray]:
    """Compare the pooled scores; return the pooled events and each one's batch item."""
    videos = [metrics.redetection_events(*video) for video in zip(*arrays, strict=True)]
    events = metrics.pool_events(videos)
    compare_named(case, metrics.redetection_scores(events), prefix, **FRACTION)
    return events, np.repeat(np.arange(len(videos)), [len(video.frame) for video in videos])


def check_redetection(case: Case) -> None:
    """AJ-RD on (B, N, T) arrays."""
    names = ("gt_tracks", "gt_occluded", "pred_tracks", "pred_occluded")
    gt_tracks, gt_occluded, pred_tracks, pred_occluded = (case[name] for name in names)
    events, item = _compare_redetection(
        case, (gt_tracks, gt_occluded, pred_tracks, pred_occluded), "out_"
    )
    places = {"indices_btn": np.stack([item, events.frame, events.track])}
    compare_named(case, {**places, "durations": events.duration}, "out_raw_")
    columns = zip(events.distances, events.jaccard.T, strict=True)
    compare_named(case, {f"D{x:g}": column for x, column in columns}, "out_raw_aj_rd_", **FRACTION)


def check_jhmdb(case: Case) -> None:
    height, width = (int(side) for side in case["im_size_hw"])
    videos = [
        metrics.jhmdb_distances(case[f"gt_{i}"], case[f"pred_{i}"], (width, height))
        for i in range(int(case["n_videos"]))
    ]
    compare_named(case, metrics.jhmdb_pck(videos), "out_", **RATIO)


def check_tapvid(case: Case) -> None:
    dispatch(
        case,
        {
            "in_resolution": check_reader,
            "query_points": check_batch,
            "first_query_points": check_cotracker_coordinates,
            "out_AJ_RD": check_redetection,
            "n_videos": check_jhmdb,
        },
    )


def check_aj_rd(case: Case) -> None:
    """AJ-RD on (B, T, N) arrays with visibility in place of occlusion."""
    moved = [np.swapaxes(case[f"{side}_tracks"], 1, 2) for side in ("gt", "pred")]
    hidden = [~np.swapaxes(case[f"{side}_visible"], 1, 2) for side in ("gt", "pred")]
    arrays = (moved[0], hidden[0], moved[1], hidden[1])
    events, item = _compare_redetection(case, arrays, "metric_")
    places = {"b_t_n": np.stack([item, events.frame, events.track], axis=1)}
    compare_named(case, {**places, "durations": events.duration}, "mid_event_")
    compare_named(case, {"jaccard": events.jaccard}, "mid_event_", **FRACTION)


# --- metrics_pointodyssey --------------------------------------------------------------------


def _size(case: Case) -> tuple[int, int]:
    return int(case["width"]), int(case["height"])


def _videos(case: Case, *names: str) -> list[NDArray]:
    assert all(len(case[name]) == 1 for name in names), "these evaluators take one video"
    return [_tracks_first(case[name]) for name in names]


def check_pips2(case: Case) -> None:
    truth, answer, valid = _videos(case, "trajs_gt", "trajs_pred", "valids")
    scores = metrics.pips2_metrics(truth, answer, valid, _size(case))
    scores["survival"] = scores["survival_16"]
    distance = np.linalg.norm((answer - truth) / (np.array(_size(case)) / 256), axis=-1)
    medians = {"median_l2_per_track": metrics.median_per_track(distance, valid)}
    compare_named(case, {**scores, **medians}, "out_", **PERCENT)
    alive = metrics.surviving(distance, valid, 16)  # N T
    compare_named(case, {"survival_mask": alive.T[None]}, "out_")


def check_cotracker(case: Case) -> None:
    scores = metrics.cotracker_metrics(
        *_videos(case, "trajs_gt", "trajs_pred", "visibs"), _size(case)
    )
    scores["survival"] = scores.pop("survival_50")
    compare_named(case, scores, "out_", **PERCENT)


def check_trackon(case: Case) -> None:
    case.given("out_of_view")
    names = ("trajs_gt", "trajs_pred", "valids", "visibs")
    scores = metrics.trackon_metrics(*_videos(case, *names), _size(case))
    scores["survival"] = scores.pop("survival_50")
    compare_named(case, scores, "out_", **PERCENT)


def check_egopoints(case: Case) -> None:
    case.given("out_of_view")
    truth, answer, shown = _videos(case, "trajs_gt", "trajs_pred", "pred_visibility")
    seen, valid, known, away, hidden = _videos(
        case, "visibs", "valids", "vis_valids", "out_of_view", "occluded"
    )
    scores = metrics.egopoints_metrics(
        truth,
        answer,
        metrics.egopoints_visibility(shown),
        visible=seen,
        valid=valid,
        visible_known=known,
        out_of_view=away,
        occluded=hidden,
        size=_size(case),
    )
    published = {f"old_d_all_{x:.1f}": f"d_{x}" for x in (1, 2, 4, 8, 16)}
    published |= {f"new_d_all_{x:.1f}": f"d_star_{x}" for x in (8, 16, 24)}
    published |= {"old_d_all_avg": "d_avg", "new_d_all_avg": "d_star_avg"}
    published |= {"median_l2": "median_l2", "vis_acc": "visibility_accuracy"}
    published |= {"out_of_view": "out_of_view_accuracy", "in_view": "in_view_accuracy"}
    published |= {"RE_ID_acc": "re_id_published"}
    renamed = {theirs: scores[ours] for theirs, ours in published.items()}
    compare_named(case, renamed, "out_", **PERCENT)


def check_ate(case: Case) -> None:
    scores = metrics.average_trajectory_error(*_videos(case, "trajs_gt", "trajs_pred", "visibs"))
    compare_named(case, scores, "out_", **PERCENT)


def check_badja(case: Case) -> None:
    truth, answer, seen = _videos(case, "trajs_gt", "trajs_pred_320x512", "visibs")
    case.compare("out_area", metrics.resized_mask_areas(case["segs"]))
    scaled = metrics.badja_ground_truth(truth, _size(case))
    case.compare("out_trajs_gt_320x512", np.swapaxes(scaled, 0, 1)[None], **PERCENT)
    hit, scored = metrics.badja_hits(truth, seen, answer, case["segs"])
    case.compare("out_correct", hit.T[scored.T])  # frame by frame
    case.compare("out_pck", metrics.badja_pck(truth, seen, answer, case["segs"])["pck"], **PERCENT)


def check_full_sequence(case: Case) -> None:
    seen, valid = metrics.decode_visibility(case["in_visibilities"].T)
    kept = metrics.full_sequence_tracks(
        np.swapaxes(case["in_trajs_2d"], 0, 1),
        seen,
        valid,
        size=(int(case["in_width"]), int(case["in_height"])),
        max_tracks=int(case["in_max_tracks"]),
    )
    case.compare("out_trajs", np.swapaxes(kept.tracks, 0, 1), **RATIO)
    case.compare("out_visibs", kept.visible.T)
    case.compare("out_valids", kept.valid.T)


def check_generator_visibility(case: Case) -> None:
    extrinsics = metrics.camera_from_blender(case["RT_blender"])
    case.compare("out_RT", extrinsics, **RATIO)
    uv, z = metrics.project_points(case["points_obj"], case["K"], extrinsics)
    case.compare("out_uv", uv, **RATIO)
    case.compare("out_z", z, **RATIO)
    case.compare("out_visibility", metrics.depth_buffer_visibility(uv, z, case["depth"]))


def check_pointodyssey(case: Case) -> None:
    dispatch(
        case,
        {
            "out_accuracy": check_cotracker,
            "out_d_vis_avg": check_trackon,
            "out_d_avg": check_pips2,
            "out_RE_ID_acc": check_egopoints,
            "out_ate_all": check_ate,
            "segs": check_badja,
            "in_trajs_2d": check_full_sequence,
            "points_obj": check_generator_visibility,
        },
    )


METRIC_CHECKERS: dict[str, Checker] = {
    "metrics_tapvid": check_tapvid,
    "metrics_pointodyssey": check_pointodyssey,
    "metrics_aj_rd": check_aj_rd,
}
