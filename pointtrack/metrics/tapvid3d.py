"""TAPVid-3D: how tracks in space are scored when only their shape is known, not their size.

Koppula et al., "TAPVid-3D: A Benchmark for Tracking Any Point in 3D" (NeurIPS 2024). Positions
are in metres in the camera of each frame: ``x`` right, ``y`` down, ``z`` forward. A point is
near enough when its error is below ``x`` pixels at the depth of the true point, in a picture
whose shorter side is 256 pixels. A prediction is first scaled to the ground truth in one of the
ways of :data:`TAPVID3D_SCALINGS`.

Everything works on one video: positions ``(N, T, 3)``, flags ``(N, T)``, or with
``order="t n"`` the other way round, as in TAPVid-3D's own files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from pointtrack.errors import PointtrackError, QueryError
from pointtrack.geometry import Size
from pointtrack.metrics.arrays import Flags, Floats, Ints, as_flags, ratio
from pointtrack.metrics.statistics import mean_over_videos
from pointtrack.metrics.tapvid import query_frames

Scaling = Literal[
    "median",
    "mean",
    "median_on_queries",
    "per_trajectory",
    "local_neighborhood",
    "none",
    "reproduce_2d",
]
Order = Literal["n t", "t n"]

TAPVID3D_SCALINGS: tuple[Scaling, ...] = get_args(Scaling)
SHORTER_SIDE = 256
THRESHOLDS_3D = (1, 2, 4, 8, 16)  # pixels at the true point's depth
FIXED_THRESHOLDS = (0.01, 0.04, 0.16, 0.64, 2.56)  # metres, in place of the pixels
NEIGHBOURHOOD = 0.05  # metres
_CHUNK = 500_000  # pairs of a track and a point looked at together
_BLOCK = 16  # frames


def tapvid3d_intrinsics(intrinsics: ArrayLike, size: Size) -> Floats:
    """Bring ``(fx, fy, cx, cy)`` of a picture to one whose shorter side is 256 pixels.

    Parameters
    ----------
    intrinsics
        ``(4,)`` in pixels of the original picture, as ``fx_fy_cx_cy`` in TAPVid-3D's files.
    size
        ``(width, height)`` of the original picture; its aspect ratio is kept.
    """
    if min(size) < 1:
        raise PointtrackError(f"size must be a positive (width, height), found {size}")
    return _four_intrinsics(intrinsics) * (SHORTER_SIDE / min(size))


def _four_intrinsics(intrinsics: ArrayLike) -> Floats:
    four = np.asarray(intrinsics, np.float64)
    if four.shape != (4,) or not (four[:2] > 0).all():
        raise PointtrackError(f"intrinsics must be (fx, fy, cx, cy), found {four.tolist()}")
    return four


# --- One video's arrays ----------------------------------------------------------------------


class _Video(NamedTuple):
    truth: Floats  # N T 3
    visible: Flags  # N T
    answer: Floats  # N T 3
    predicted: Flags  # N T
    limits: Floats  # X N T, metres


def _positions(value: ArrayLike, name: str, order: Order) -> Floats:
    tracks = np.asarray(value, np.float64)
    if tracks.ndim != 3 or tracks.shape[-1] != 3:
        raise PointtrackError(
            f"{name} must have shape ({order.upper().replace(' ', ', ')}, 3), found {tracks.shape}"
        )
    return tracks if order == "n t" else np.swapaxes(tracks, 0, 1)


def _video(
    arrays: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike],
    intrinsics: ArrayLike,
    fixed_thresholds: bool,
    order: Order,
) -> _Video:
    """Check a video's arrays, turn them to ``(N, T)`` and work out every point's thresholds."""
    if order not in get_args(Order):
        raise PointtrackError(f"order must be 'n t' or 't n', found {order!r}")
    truth = _positions(arrays[0], "gt_tracks", order)
    answer = _positions(arrays[2], "pred_tracks", order)
    if answer.shape != truth.shape:
        raise PointtrackError(
            f"gt_tracks and pred_tracks must have one shape, found {np.shape(arrays[0])} "
            f"and {np.shape(arrays[2])}"
        )
    given = truth.shape[:2] if order == "n t" else truth.shape[1::-1]
    flags = [
        ~as_flags(value, name, given)
        for value, name in ((arrays[1], "gt_occluded"), (arrays[3], "pred_occluded"))
    ]
    visible, predicted = flags if order == "n t" else [flag.T for flag in flags]
    fx, fy = _four_intrinsics(intrinsics)[:2]
    if fixed_thresholds:
        limits = np.broadcast_to(np.reshape(FIXED_THRESHOLDS, (-1, 1, 1)), (5, *visible.shape))
    else:
        metres = truth[..., 2] / np.sqrt(fx * fy)  # N T, one pixel at that depth
        limits = np.reshape(THRESHOLDS_3D, (-1, 1, 1)) * metres
    return _Video(truth, visible, answer, predicted, limits)


def _start(query_points: ArrayLike | None, scaling: Scaling, shape: tuple[int, ...]) -> Ints:
    """Each track's query frame ``(N,)``."""
    if query_points is None:
        raise QueryError(f"scaling {scaling!r} needs query_points, found None")
    start = query_frames(query_points, shape[1])
    if len(start) != shape[0]:
        raise QueryError(f"expected {shape[0]} queries for gt_tracks, found {len(start)}")
    return start


# --- Scaling ---------------------------------------------------------------------------------


def _norm_ratio(video: _Video, chosen: Flags, average: Literal["median", "mean"]) -> Floats:
    """How much farther the chosen true points are from the camera than the predicted ones."""
    chosen = chosen & np.isfinite(video.truth).all(-1) & np.isfinite(video.answer).all(-1)
    if not chosen.any():
        return np.full((1, 1, 1), np.nan)  # nothing to scale by: no point is near enough
    norms = [
        np.sqrt(np.maximum(np.square(points[chosen]).sum(-1), 1e-12))
        for points in (video.truth, video.answer)
    ]
    true, found = np.median(norms, axis=1) if average == "median" else np.mean(norms, axis=1)
    return np.reshape(true / found, (1, 1, 1))


def _depth_ratio(video: _Video, start: Ints) -> Floats:
    """True over predicted depth where each track is asked for, ``(N,)``."""
    track = np.arange(len(start))
    true, found = video.truth[track, start, 2], video.answer[track, start, 2]
    return np.maximum(true, 1e-12) / np.maximum(found, 1e-12)


def _factors(video: _Video, scaling: Scaling, query_points: ArrayLike | None) -> Floats:
    """The predictions' scale: one number a video, a track or a point, ``(N|1, T|1, 1)``."""
    both = video.visible & video.predicted
    if scaling == "median" or scaling == "mean":
        return _norm_ratio(video, both, scaling)
    if scaling == "none":
        return np.ones((1, 1, 1))
    if scaling == "reproduce_2d":
        with np.errstate(divide="ignore", invalid="ignore"):
            return video.truth[..., 2:] / video.answer[..., 2:]
    start = _start(query_points, scaling, both.shape)
    if scaling == "median_on_queries":
        return _norm_ratio(video, both & (np.arange(both.shape[1]) == start[:, None]), "median")
    return _depth_ratio(video, start)[:, None, None]


# --- Counting --------------------------------------------------------------------------------


class _Counts(NamedTuple):
    """What each track's frames (or its group's points) amount to, and how much it counts."""

    points: Floats  # N
    agreeing: Floats  # N
    seen: Floats  # N
    shown: Floats  # N
    near: Floats  # X N, seen and near enough
    hits: Floats  # X N, also predicted visible
    weight: Floats  # N


def _count_tracks(video: _Video, factors: Floats) -> _Counts:
    """Count every track's own frames."""
    with np.errstate(invalid="ignore", over="ignore"):
        squared = np.square(video.answer * factors - video.truth).sum(axis=-1)  # N T
        near = (squared < np.square(video.limits)) & video.visible  # X N T
    num_tracks, num_frames = video.visible.shape
    return _Counts(
        points=np.full(num_tracks, float(num_frames)),
        agreeing=(video.visible == video.predicted).sum(1).astype(np.float64),
        seen=video.visible.sum(1).astype(np.float64),
        shown=video.predicted.sum(1).astype(np.float64),
        near=near.sum(-1).astype(np.float64),
        hits=(near & video.predicted).sum(-1).astype(np.float64),
        weight=np.ones(num_tracks),
    )


class _Blocks(NamedTuple):
    """Positions cut into short runs of frames, with the box that each run stays in."""

    place: Floats  # N B _BLOCK 3, NaN past the last frame
    low: Floats  # N B 3
    high: Floats  # N B 3


def _blocks(truth: Floats) -> _Blocks:
    filling = -truth.shape[1] % _BLOCK
    padded = np.pad(truth, ((0, 0), (0, filling), (0, 0)), constant_values=np.nan)
    place = padded.reshape(len(truth), -1, _BLOCK, 3)
    return _Blocks(place, np.fmin.reduce(place, axis=2), np.fmax.reduce(place, axis=2))


def _neighbours(blocks: _Blocks, num_frames: int, tracks: range) -> tuple[Ints, Ints, Ints]:
    """Points within 5 cm of some tracks: index into ``tracks``, the point's track and frame.

    Two tracks are compared in a run of frames only if their boxes there come near each other.
    """
    middle, reach = slice(tracks.start, tracks.stop), NEIGHBOURHOOD
    meet = np.ones((len(tracks), *blocks.low.shape[:2]), np.bool_)  # C N B
    for axis in range(3):
        low, high = blocks.low[..., axis], blocks.high[..., axis]
        meet &= (low <= high[middle, None] + reach) & (high >= low[middle, None] - reach)
    # A track is its own neighbour also where its position is unknown.
    meet[np.arange(len(tracks)), tracks] = True
    here, track, block = np.nonzero(meet)
    apart = blocks.place[track, block] - blocks.place[tracks.start + here, block]  # M _BLOCK 3
    near = np.square(apart).sum(axis=-1) < NEIGHBOURHOOD**2
    near |= ((tracks.start + here) == track)[:, None]
    pair, step = np.nonzero(near)
    frame = block[pair] * _BLOCK + step
    inside = frame < num_frames
    pair, frame = pair[inside], frame[inside]
    return here[pair], track[pair], frame


def _count_neighbourhoods(video: _Video, factors: Floats) -> _Counts:
    """Count, for every track, all points near it, all scaled with that track's factor.

    Only a few tracks' neighbourhoods are held at a time, so memory grows with ``N * T``.
    """
    num_tracks, blocks = len(video.visible), _blocks(video.truth)
    step = max(1, _CHUNK // max(1, video.visible.size))
    chunks = []
    for first in range(0, num_tracks, step):
        tracks = range(first, min(first + step, num_tracks))
        group, track, frame = _neighbours(blocks, video.visible.shape[1], tracks)
        visible, predicted = video.visible[track, frame], video.predicted[track, frame]
        scaled = video.answer[track, frame] * factors[first + group, 0]
        with np.errstate(invalid="ignore", over="ignore"):
            squared = np.square(scaled - video.truth[track, frame]).sum(axis=-1)
            near = (squared < np.square(video.limits[:, track, frame])) & visible  # X M
        everything, agreeing = np.ones_like(visible), visible == predicted
        rows = [everything, agreeing, visible, predicted, *near, *(near & predicted)]
        chunks.append([np.bincount(group[row], minlength=len(tracks)) for row in rows])
    counts = np.concatenate(chunks, axis=1).astype(np.float64)  # 14 N
    points, agreeing, seen, shown = counts[:4]
    near, hits = np.split(counts[4:], 2)  # X N, X N
    weight = video.visible.sum(1) / np.maximum(1, seen)
    return _Counts(points, agreeing, seen, shown, near, hits, weight)


def _counts(video: _Video, scaling: Scaling, query_points: ArrayLike | None) -> _Counts:
    if scaling not in TAPVID3D_SCALINGS:
        raise PointtrackError(
            f"scaling must be one of {', '.join(TAPVID3D_SCALINGS)}, found {scaling!r}"
        )
    factors = _factors(video, scaling, query_points)
    if scaling == "local_neighborhood":
        return _count_neighbourhoods(video, factors)
    return _count_tracks(video, factors)


def _ratios(counts: _Counts, per_track: bool) -> dict[str, Any]:
    def total(value: Floats) -> Any:
        weighted = value * counts.weight
        return weighted if per_track else weighted.sum(axis=-1)

    seen, shown = total(counts.seen), total(counts.shown)
    metrics: dict[str, Any] = {
        "occlusion_accuracy": ratio(total(counts.agreeing), total(counts.points))
    }
    for x, near, hits in zip(THRESHOLDS_3D, counts.near, counts.hits, strict=True):
        metrics[f"pts_within_{x}"] = ratio(total(near), seen)
        # What is shown and no hit is a false positive, so TP + FP is all that is shown.
        metrics[f"jaccard_{x}"] = ratio(total(hits), seen + shown - total(hits))
    for name, average in (
        ("jaccard", "average_jaccard"),
        ("pts_within", "average_pts_within_thresh"),
    ):
        metrics[average] = np.mean([metrics[f"{name}_{x}"] for x in THRESHOLDS_3D], axis=0)
    return metrics


# --- Metrics ---------------------------------------------------------------------------------


def tapvid3d_metrics(
    gt_tracks: ArrayLike,
    gt_occluded: ArrayLike,
    pred_tracks: ArrayLike,
    pred_occluded: ArrayLike,
    intrinsics: ArrayLike,
    *,
    scaling: Scaling = "median",
    query_points: ArrayLike | None = None,
    fixed_thresholds: bool = False,
    order: Order = "n t",
) -> dict[str, float]:
    """Score one video's tracks in space as TAPVid-3D does. Every frame counts.

    Parameters
    ----------
    gt_tracks, pred_tracks
        ``(N, T, 3)`` ``(x, y, z)`` in metres in the camera of each frame. A prediction of NaN
        is never near enough.
    gt_occluded, pred_occluded
        ``(N, T)`` flags.
    intrinsics
        ``(4,)`` ``(fx, fy, cx, cy)`` of a picture whose shorter side is 256 pixels, see
        :func:`tapvid3d_intrinsics`. Only the focal lengths are used.
    scaling
        What the prediction is multiplied by, G and P being true and predicted positions:

        ``"median"``, ``"mean"``
            median (mean) of ``|G|`` over that of ``|P|``, both over the points visible in
            ground truth and prediction: one factor a video.
        ``"median_on_queries"``
            the same over the tracks' query frames only.
        ``"per_trajectory"``
            ``G_z / P_z`` at the query frame: one factor a track.
        ``"local_neighborhood"``
            the same factors; but a track is scored on all points that are within 5 cm of it
            in the same frame, each scaled with *that track's* factor. A track weighs as much
            as it has visible frames, so one that is never visible does not count: NaN.
        ``"reproduce_2d"``
            ``G_z / P_z`` of each point: only its place in the picture counts.
        ``"none"``
            1.
    query_points
        ``(N, 3)`` ``(t, y, x)``, of which only ``t`` is used, by the three scalings that speak
        of query frames. TAPVid-3D's files hold ``(x, y, t)``: pass ``queries_xyt[:, ::-1]``.
    fixed_thresholds
        Take 0.01, 0.04, 0.16, 0.64 and 2.56 metres for the thresholds named 1, 2, 4, 8 and 16,
        in place of as many pixels at the true point's depth.
    order
        ``"t n"`` when tracks are ``(T, N, 3)`` and flags ``(T, N)``, as in the benchmark's files.

    Returns
    -------
    dict
        ``occlusion_accuracy``; ``pts_within_x`` and ``jaccard_x`` for each threshold;
        ``average_pts_within_thresh`` (APD) and ``average_jaccard`` (3D-AJ), as fractions of 1;
        NaN where nothing can be counted, as in :func:`pointtrack.metrics.tapvid_metrics`.
    """
    arrays = (gt_tracks, gt_occluded, pred_tracks, pred_occluded)
    video = _video(arrays, intrinsics, fixed_thresholds, order)
    metrics = _ratios(_counts(video, scaling, query_points), per_track=False)
    return {name: float(value) for name, value in metrics.items()}


def tapvid3d_metrics_per_track(
    gt_tracks: ArrayLike,
    gt_occluded: ArrayLike,
    pred_tracks: ArrayLike,
    pred_occluded: ArrayLike,
    intrinsics: ArrayLike,
    *,
    scaling: Scaling = "median",
    query_points: ArrayLike | None = None,
    fixed_thresholds: bool = False,
    order: Order = "n t",
) -> dict[str, Floats]:
    """Score each track on its own: as :func:`tapvid3d_metrics`, every value ``(N,)``.

    The factors of ``"median"``, ``"mean"`` and ``"median_on_queries"`` are still the video's.
    """
    arrays = (gt_tracks, gt_occluded, pred_tracks, pred_occluded)
    video = _video(arrays, intrinsics, fixed_thresholds, order)
    return _ratios(_counts(video, scaling, query_points), per_track=True)


def tapvid3d_total(
    sources: Mapping[str, Sequence[Mapping[str, float] | None]], *, strict: bool = False
) -> dict[str, dict[str, float]]:
    """From videos to TAPVid-3D's table: a mean over each source, and the mean of these.

    Parameters
    ----------
    sources
        Source (``"adt"``, ``"drivetrack"``, ``"pstudio"``) to the scores of its videos. None
        stands for a prediction that is missing or broken: it scores 0 in everything.
    strict
        As in :func:`pointtrack.metrics.mean_over_videos`.

    Returns
    -------
    dict
        Each source and ``"total"`` to the mean of every metric. Sources count equally, however
        many videos they have.
    """
    known = [video for videos in sources.values() for video in videos if video is not None]
    if not known:
        raise PointtrackError("the total needs the scores of at least one video, found none")
    zero = dict.fromkeys(known[0], 0.0)
    means = {
        source: mean_over_videos([zero if v is None else v for v in videos], strict=strict).mean
        for source, videos in sources.items()
    }
    means["total"] = mean_over_videos(list(means.values()), strict=strict).mean
    return means
