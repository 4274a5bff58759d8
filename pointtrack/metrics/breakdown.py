"""Where the accuracy is lost: TAP-Vid's position accuracy by threshold, time and occlusion.

:func:`accuracy_by_group` splits the frames that ``pts_within_x`` counts (evaluated and visible
in the ground truth) by any number known for each of them. Three such numbers are here, all
``(N, T)``: :func:`time_since_query`, :func:`last_occlusion_length` and
:func:`distance_from_query`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError, QueryError
from pointtrack.metrics.arrays import Flags, Floats, Ints, as_flags, as_tracks, ratio
from pointtrack.metrics.tapvid import THRESHOLDS, QueryMode, prepare, query_frames

TIME_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, np.inf)
OCCLUSION_EDGES = (0, 1, 2, 4, 8, 16, 32, 64, np.inf)
DISTANCE_EDGES = (0, 4, 8, 16, 32, 64, 128, np.inf)


def time_since_query(query_points: ArrayLike, num_frames: int) -> Ints:
    """Frames between each frame and its track's query, ``(N, T)``; before the query as well."""
    start = query_frames(query_points, num_frames)
    return np.abs(np.arange(num_frames) - start[:, None])


def _gap_behind(hidden: Flags, after: Flags) -> Ints:
    """Length of the last run of hidden frames that ended before each frame; 0 for none yet.

    Only frames where ``after`` holds (a suffix of each row) are looked at. Inside a run the
    answer is still the run before it.
    """
    gap = np.zeros(hidden.shape, np.int64)
    last = np.zeros(len(hidden), np.int64)
    running = np.zeros(len(hidden), np.int64)
    for t in range(hidden.shape[1]):
        inside = hidden[:, t] & after[:, t]
        ended = ~inside & (running > 0)
        last[ended] = running[ended]
        running = np.where(inside, running + 1, 0)
        gap[:, t] = last
    return gap


def last_occlusion_length(query_points: ArrayLike, gt_occluded: ArrayLike) -> Ints:
    """How long the point was last hidden between its query and each frame.

    Starting beside the query's frame and walking away from it in time (forward after it,
    backward before it), the value at a visible frame is the number of frames in the last
    unbroken run of occluded frames that was left behind on the way; 0 when the point has been
    visible all the way from the query. The value at an occluded frame is that of the run before
    the one it belongs to.

    Parameters
    ----------
    query_points
        ``(N, 3)`` ``(t, y, x)``.
    gt_occluded
        ``(N, T)``.

    Returns
    -------
    ndarray
        ``(N, T)`` int64, in frames.
    """
    hidden = as_flags(gt_occluded, "gt_occluded")
    time = np.arange(hidden.shape[1])
    start = query_frames(query_points, hidden.shape[1])[:, None]
    if len(start) != len(hidden):
        raise QueryError(f"expected {len(hidden)} queries for gt_occluded, found {len(start)}")
    later = _gap_behind(hidden, time > start)
    earlier = _gap_behind(hidden[:, ::-1], (time < start)[:, ::-1])[:, ::-1]
    return np.where(time > start, later, np.where(time < start, earlier, 0))


def distance_from_query(query_points: ArrayLike, gt_tracks: ArrayLike) -> Floats:
    """How far the true point is from where it was asked for, ``(N, T)``, in pixels."""
    truth = as_tracks(gt_tracks, "gt_tracks")
    queries = np.asarray(query_points, np.float64)
    if queries.shape != (len(truth), 3):
        raise QueryError(f"query_points must have shape ({len(truth)}, 3), found {queries.shape}")
    origin = queries[:, None, [2, 1]]  # N 1 2, x y
    return np.sqrt(np.square(truth - origin).sum(axis=-1))


def accuracy_per_threshold(
    query_points: ArrayLike,
    gt_tracks: ArrayLike,
    gt_occluded: ArrayLike,
    pred_tracks: ArrayLike,
    pred_occluded: ArrayLike,
    mode: QueryMode,
    thresholds: ArrayLike,
) -> Floats:
    """``pts_within_x`` as a curve over any number of thresholds, ``(K,)``.

    Arguments as in :func:`pointtrack.metrics.tapvid_metrics`; the predicted visibility plays
    no part. NaN everywhere when no evaluated frame is visible.
    """
    video = prepare(query_points, gt_tracks, gt_occluded, pred_tracks, pred_occluded, mode)
    ordered = np.sort(video.squared[video.visible & video.evaluated])
    limits = np.square(np.asarray(thresholds, np.float64))
    return ratio(np.searchsorted(ordered, limits, side="left"), ordered.size)


def accuracy_by_group(
    query_points: ArrayLike,
    gt_tracks: ArrayLike,
    gt_occluded: ArrayLike,
    pred_tracks: ArrayLike,
    pred_occluded: ArrayLike,
    mode: QueryMode,
    values: ArrayLike,
    edges: ArrayLike,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[str, NDArray]:
    """Split a video's accuracy by a number known for each track and frame.

    Parameters
    ----------
    query_points, gt_tracks, gt_occluded, pred_tracks, pred_occluded, mode, thresholds
        As in :func:`pointtrack.metrics.tapvid_metrics`.
    values
        ``(N, T)``, for example :func:`last_occlusion_length`. NaN belongs to no group.
    edges
        ``(K + 1,)`` increasing; group ``k`` holds ``edges[k] <= value < edges[k + 1]``. The
        last may be infinite. ``TIME_EDGES``, ``OCCLUSION_EDGES`` (first group: never occluded
        since the query) and ``DISTANCE_EDGES`` suit the three numbers of this module.

    Returns
    -------
    dict
        Arrays ``(K,)``: ``lower`` and ``upper`` edges; ``frames``, the number of evaluated
        frames visible in the ground truth; ``pts_within_x`` and ``average_pts_within_thresh``
        over these; ``visible_recall``, the share of these predicted visible. NaN for an empty
        group.
    """
    video = prepare(query_points, gt_tracks, gt_occluded, pred_tracks, pred_occluded, mode)
    numbers = np.asarray(values, np.float64)
    bounds = np.asarray(edges, np.float64)
    if numbers.shape != video.visible.shape:
        raise PointtrackError(
            f"values must have shape {video.visible.shape}, found {numbers.shape}"
        )
    if bounds.ndim != 1 or bounds.size < 2 or not (np.diff(bounds) > 0).all():
        raise PointtrackError("edges must be two or more increasing numbers")
    counted = video.visible & video.evaluated
    squared, predicted = video.squared[counted], video.predicted[counted]
    group = np.searchsorted(bounds, numbers[counted], side="right") - 1  # NaN lands past the end
    kept = (group >= 0) & (group < bounds.size - 1)

    def count(hit: Flags) -> Ints:
        return np.bincount(group[kept & hit], minlength=bounds.size - 1).astype(np.int64)

    frames = count(kept)
    result: dict[str, NDArray] = {"lower": bounds[:-1], "upper": bounds[1:], "frames": frames}
    for x in thresholds:
        result[f"pts_within_{x:g}"] = ratio(count(squared < x**2), frames)
    averaged = [result[f"pts_within_{x:g}"] for x in thresholds]
    result["average_pts_within_thresh"] = np.mean(averaged, axis=0)
    result["visible_recall"] = ratio(count(predicted), frames)
    return result


def pool_groups(videos: Sequence[Mapping[str, NDArray]]) -> dict[str, NDArray]:
    """Join the breakdowns of several videos, every frame counting once.

    Frames are pooled, not averaged by video: a group is often empty in a single video.
    """
    if not videos:
        raise PointtrackError("pooling breakdowns needs at least one video, found none")
    first = videos[0]
    for index, video in enumerate(videos):
        same = set(video) == set(first) and all(
            np.array_equal(video[edge], first[edge]) for edge in ("lower", "upper")
        )
        if not same:
            raise PointtrackError(f"breakdowns 0 and {index} have different groups or metrics")
    frames = np.stack([video["frames"] for video in videos])  # V K
    result: dict[str, NDArray] = {"lower": first["lower"], "upper": first["upper"]}
    result["frames"] = frames.sum(axis=0)
    for name in first:
        if name not in result:
            values = np.stack([video[name] for video in videos])
            hits = np.where(frames > 0, values, 0.0) * frames
            result[name] = ratio(hits.sum(axis=0), result["frames"])
    return result
