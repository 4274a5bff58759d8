"""TAP-Vid: how queries are drawn from annotated tracks, and how answers are scored.

The metrics are those of Doersch et al., "TAP-Vid: A Benchmark for Tracking Any Point in a
Video" (NeurIPS 2022). Tracks are measured in a picture of 256 x 256, whatever the size at
which the model looked at the video, with ``x`` and ``y`` scaled separately. Ground truth and
prediction must be in the same coordinates; :func:`annotation_to_protocol` makes the two kinds
that published numbers use. Queries are ``(t, y, x)`` here, as in TAP-Vid's own files.

Everything works on one video: positions ``(N, T, 2)`` as ``(x, y)``, flags ``(N, T)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError, QueryError
from pointtrack.geometry import Size, resize_points_align_corners
from pointtrack.metrics.arrays import Flags, Floats, Ints, as_flags, as_tracks, ratio

QueryMode = Literal["first", "strided"]
Convention = Literal["raster", "align_corners"]

PROTOCOL_SIZE: Size = (256, 256)
THRESHOLDS = (1, 2, 4, 8, 16)


# --- Coordinates -----------------------------------------------------------------------------


def _extent(size: Size, convention: Convention) -> Floats:
    if convention not in ("raster", "align_corners"):
        raise PointtrackError(
            f"convention must be 'raster' or 'align_corners', found {convention!r}"
        )
    return np.asarray(size, np.float64) - (convention == "align_corners")


def annotation_to_protocol(
    points: ArrayLike, size: Size = PROTOCOL_SIZE, convention: Convention = "raster"
) -> Floats:
    """Bring TAP-Vid's normalised points to the coordinates in which the metric is taken.

    Parameters
    ----------
    points
        ``(..., 2)``, normalised ``(x, y)``: 0 and 1 are the picture's outer edges.
    size
        ``(width, height)`` of the protocol's picture.
    convention
        ``"raster"`` multiplies by ``(W, H)``: TAP-Vid itself, TAPIR, LocoTrack, Track-On.
        ``"align_corners"`` multiplies by ``(W - 1, H - 1)``: the published numbers of
        CoTracker, TAPTR and DELTA, which are therefore taken at 255.
    """
    return np.asarray(points, np.float64) * _extent(size, convention)


def protocol_to_annotation(
    points: ArrayLike, size: Size = PROTOCOL_SIZE, convention: Convention = "raster"
) -> Floats:
    """Undo :func:`annotation_to_protocol`: protocol coordinates to normalised points."""
    return np.asarray(points, np.float64) / _extent(size, convention)


def alltracker_to_protocol(points: ArrayLike, crop_size: Size = (512, 384)) -> Floats:
    """Bring AllTracker's crop coordinates to the 256 x 256 picture of its evaluator.

    AllTracker (Harley et al., ICCV 2025) keeps ground truth and prediction in its input crop
    of ``crop_size`` ``(width, height)`` and divides both by ``((W - 1) / 255, (H - 1) / 255)``
    before the thresholds.
    """
    inside_crop = np.asarray(points, np.float64)
    resized = resize_points_align_corners(inside_crop, crop_size, PROTOCOL_SIZE)
    return resized.astype(np.float64, copy=False)


# --- Queries ---------------------------------------------------------------------------------


class SampledQueries(NamedTuple):
    """Queries drawn from a video's annotation, each with the track it asks for.

    Attributes
    ----------
    query_points
        ``(Q, 3)`` float64 ``(t, y, x)``.
    tracks
        ``(Q, T, 2)`` float64 ``(x, y)``: the whole track of each query.
    occluded
        ``(Q, T)`` bool.
    trackgroup
        ``(Q,)`` int64: index of the annotated track behind each query.
    """

    query_points: Floats
    tracks: Floats
    occluded: Flags
    trackgroup: Ints


def _queries_at(points: Floats, occluded: Flags, track: Ints, frame: Ints) -> SampledQueries:
    x, y = points[track, frame].T  # Q, Q
    query_points = np.stack([frame.astype(np.float64), y, x], axis=-1)  # Q 3
    return SampledQueries(query_points, points[track], occluded[track], track)


def queries_first(points: ArrayLike, occluded: ArrayLike) -> SampledQueries:
    """One query a track: where it is first visible. Tracks that are never visible drop out.

    Parameters
    ----------
    points
        ``(N, T, 2)`` ``(x, y)`` in the protocol's coordinates.
    occluded
        ``(N, T)``, true where the point cannot be seen.
    """
    tracks = as_tracks(points, "points")
    hidden = as_flags(occluded, "occluded", tracks.shape[:2])
    track = np.flatnonzero(~hidden.all(axis=1)).astype(np.int64)  # Q
    frame = hidden[track].argmin(axis=1) if track.size else track
    return _queries_at(tracks, hidden, track, frame.astype(np.int64))


def queries_strided(points: ArrayLike, occluded: ArrayLike, stride: int = 5) -> SampledQueries:
    """One query for each track that is visible at each of the frames 0, 5, 10, ...

    Queries come frame by frame, within a frame in the tracks' order. A track visible at
    several of those frames is asked for several times; ``trackgroup`` tells which they are.
    Parameters as in :func:`queries_first`.
    """
    if stride < 1:
        raise QueryError(f"stride must be at least 1, found {stride}")
    tracks = as_tracks(points, "points")
    hidden = as_flags(occluded, "occluded", tracks.shape[:2])
    step, track = np.nonzero(~hidden[:, ::stride].T)  # Q, Q
    return _queries_at(tracks, hidden, track.astype(np.int64), step.astype(np.int64) * stride)


def query_frames(query_points: ArrayLike, num_frames: int) -> Ints:
    """Each query's frame ``(N,)``: its time rounded, halves to the even number.

    Raises
    ------
    QueryError
        When a time is not finite or lies outside the video: mostly ``(x, y, t)`` instead of
        ``(t, y, x)``.
    """
    queries = np.asarray(query_points, np.float64)
    if queries.ndim != 2 or queries.shape[1] != 3:
        raise QueryError(f"query_points must have shape (N, 3), found {queries.shape}")
    times = np.round(queries[:, 0])
    if not ((times >= 0) & (times < num_frames)).all():
        raise QueryError(
            f"query times must lie in 0 to {num_frames - 1}, in the first column of "
            f"query_points (t, y, x); found {queries[:, 0].min()} to {queries[:, 0].max()}"
        )
    return times.astype(np.int64)


def evaluated_frames(query_points: ArrayLike, num_frames: int, mode: QueryMode) -> Flags:
    """Which frames count, ``(N, T)``: after the query (``first``) or all but it (``strided``)."""
    start = query_frames(query_points, num_frames)[:, None]  # N 1
    time = np.arange(num_frames)
    if mode == "first":
        return time > start
    if mode == "strided":
        return time != start
    raise QueryError(f"mode must be 'first' or 'strided', found {mode!r}")


def join_directions(query_points: ArrayLike, forward: ArrayLike, backward: ArrayLike) -> NDArray:
    """Answer strided queries with a method that only looks forward in time.

    Parameters
    ----------
    query_points
        ``(N, 3)`` ``(t, y, x)``.
    forward, backward
        ``(N, T)`` or ``(N, T, ...)``: the answers on the video, and on the video played
        backwards once those are turned round again, so that both run forward in time.

    Returns
    -------
    ndarray
        ``backward`` before each query's frame, ``forward`` from there on.
    """
    ahead, behind = np.asarray(forward), np.asarray(backward)
    if ahead.shape != behind.shape or ahead.ndim < 2:
        raise PointtrackError(
            f"forward and backward must have one shape (N, T, ...), found {ahead.shape} "
            f"and {behind.shape}"
        )
    start = query_frames(query_points, ahead.shape[1])
    before = np.arange(ahead.shape[1]) < start[:, None]  # N T
    return np.where(before.reshape(before.shape + (1,) * (ahead.ndim - 2)), behind, ahead)


# --- Metrics ---------------------------------------------------------------------------------


class Scoring(NamedTuple):
    """One video made ready for counting; every array is ``(N, T)``."""

    squared: Floats  # squared distance between truth and prediction
    visible: Flags
    predicted: Flags
    evaluated: Flags


def prepare(
    query_points: ArrayLike,
    gt_tracks: ArrayLike,
    gt_occluded: ArrayLike,
    pred_tracks: ArrayLike,
    pred_occluded: ArrayLike,
    mode: QueryMode,
) -> Scoring:
    """Check a video's arrays and measure its distances once. As in :func:`tapvid_metrics`."""
    truth = as_tracks(gt_tracks, "gt_tracks")
    answer = as_tracks(pred_tracks, "pred_tracks", like=truth)
    shape = truth.shape[:2]
    visible = ~as_flags(gt_occluded, "gt_occluded", shape)
    predicted = ~as_flags(pred_occluded, "pred_occluded", shape)
    evaluated = evaluated_frames(query_points, shape[1], mode)
    if evaluated.shape != shape:
        raise QueryError(f"expected {shape[0]} queries for gt_tracks, found {len(evaluated)}")
    squared = np.square(answer - truth).sum(axis=-1)
    return Scoring(squared, visible, predicted, evaluated)


def _ratios(
    video: Scoring,
    thresholds: Sequence[float],
    oa_denominator: int | None,
    axis: int | None,
) -> dict[str, Any]:
    """All metrics, over the whole video (``axis`` None) or over frames only (``axis`` 1)."""
    if not len(thresholds):
        raise PointtrackError("thresholds must hold at least one number of pixels, found none")
    seen = video.visible & video.evaluated
    shown = video.predicted & video.evaluated
    agreeing = (video.visible == video.predicted) & video.evaluated
    num_seen, num_shown = seen.sum(axis), shown.sum(axis)
    scored = video.evaluated.sum(axis) if oa_denominator is None else oa_denominator
    metrics: dict[str, Any] = {"occlusion_accuracy": ratio(agreeing.sum(axis), scored)}
    for threshold in thresholds:
        near = (video.squared < threshold**2) & seen
        hits = (near & shown).sum(axis)
        # What is shown and no hit is a false positive, so TP + FP is all that is shown.
        metrics[f"pts_within_{threshold:g}"] = ratio(near.sum(axis), num_seen)
        metrics[f"jaccard_{threshold:g}"] = ratio(hits, num_seen + num_shown - hits)
    for name, average in (("jaccard", "average_jaccard"), ("pts_within", _AVERAGE_PTS)):
        metrics[average] = np.mean([metrics[f"{name}_{x:g}"] for x in thresholds], axis=0)
    return metrics


_AVERAGE_PTS = "average_pts_within_thresh"


def tapvid_metrics(
    query_points: ArrayLike,
    gt_tracks: ArrayLike,
    gt_occluded: ArrayLike,
    pred_tracks: ArrayLike,
    pred_occluded: ArrayLike,
    mode: QueryMode,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    oa_denominator: int | None = None,
) -> dict[str, float]:
    """Score one video's answers as TAP-Vid does.

    Parameters
    ----------
    query_points
        ``(N, 3)`` ``(t, y, x)``; times may be fractional. Only the times are used.
    gt_tracks, pred_tracks
        ``(N, T, 2)`` ``(x, y)`` in pixels of the 256 x 256 picture, both in one convention.
        A prediction of NaN is never near enough.
    gt_occluded, pred_occluded
        ``(N, T)`` flags. Thresholding a model's probability is the model's business.
    mode
        ``"first"`` scores frames after the query, ``"strided"`` all frames but the query's.
    thresholds
        Distances in pixels; a point counts when strictly nearer.
    oa_denominator
        Number of frames by which the agreeing ones are divided for ``occlusion_accuracy``.
        By default this video's own evaluated frames, as in TAP-Vid. CoTracker's and
        AllTracker's evaluators divide by those of the whole batch: for a batch of several
        videos pass the sum of :func:`evaluated_frames` over it to get their number.

    Returns
    -------
    dict
        ``occlusion_accuracy``, ``pts_within_x`` and ``jaccard_x`` for each threshold,
        ``average_jaccard`` (AJ) and ``average_pts_within_thresh`` (delta-avg), as fractions of
        1. NaN where nothing can be counted: ``pts_within_x`` when no evaluated frame is
        visible, ``jaccard_x`` when none is predicted visible either, ``occlusion_accuracy``
        when no frame is evaluated. :func:`pointtrack.metrics.mean_over_videos` deals with it.
    """
    video = prepare(query_points, gt_tracks, gt_occluded, pred_tracks, pred_occluded, mode)
    metrics = _ratios(video, thresholds, oa_denominator, axis=None)
    return {name: float(value) for name, value in metrics.items()}


def tapvid_metrics_per_track(
    query_points: ArrayLike,
    gt_tracks: ArrayLike,
    gt_occluded: ArrayLike,
    pred_tracks: ArrayLike,
    pred_occluded: ArrayLike,
    mode: QueryMode,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[str, Floats]:
    """Score each query on its own: as :func:`tapvid_metrics`, every value ``(N,)``."""
    video = prepare(query_points, gt_tracks, gt_occluded, pred_tracks, pred_occluded, mode)
    return _ratios(video, thresholds, None, axis=1)
