"""Scores of long tracks: PointOdyssey, PIPs++, CoTracker, Track-On, EgoPoints, PIPs.

Papers: PIPs (Harley et al., ECCV 2022), PointOdyssey with PIPs++ (Zheng et al., ICCV 2023),
CoTracker (Karaev et al., ECCV 2024), Track-On (Aydemir et al., ICLR 2025), EgoPoints (Darkhalil
et al., WACV 2025). Each evaluator has its own mask and its own scaling, so a number means
something only with the evaluator's name beside it; hence one function each.

Everything works on one video: positions ``(N, T, 2)`` as ``(x, y)`` in pixels of a picture of
``size`` ``(width, height)``, flags ``(N, T)`` as bool or 0 and 1. Queries are on frame 0.
Shares are in **percent**, distances in pixels. A predicted NaN counts as infinitely far away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pointtrack.geometry import Size
from pointtrack.metrics.arrays import Flags, Floats, Ints, as_flags, as_tracks, ratio, soft_ratio

THRESHOLDS = (1, 2, 4, 8, 16)
EGOPOINTS_THRESHOLDS = (8, 16, 24)


# --- Which tracks are scored -----------------------------------------------------------------


class FullSequence(NamedTuple):
    """The tracks of a whole video that PointOdyssey's evaluation keeps.

    Attributes
    ----------
    tracks
        ``(K, T, 2)`` float64; never-observed positions are 0.
    visible, valid
        ``(K, T)`` bool.
    kept
        ``(K,)`` int64: which of the given tracks each one is.
    """

    tracks: Floats
    visible: Flags
    valid: Flags
    kept: Ints


def full_sequence_tracks(
    tracks: ArrayLike,
    visible: ArrayLike,
    valid: ArrayLike,
    *,
    size: Size = (960, 540),
    max_tracks: int | None = None,
    min_frames: int = 8,
    max_step: float = 512.0,
    margin: float = 32.0,
) -> FullSequence:
    """Choose and clean a video's tracks as PIPs++'s full-sequence reader does.

    Non-finite positions become 0, invisible and invalid. Points beyond ``[1, W - 2] x [1, H -
    2]`` become invisible and invalid. Kept are tracks that are valid and visible on frame 0,
    are so on at least ``min_frames`` frames, and never step ``max_step`` pixels or more from
    one frame to the next (invalid positions included). Positions are clamped to ``margin``
    pixels outside the picture, and of what is left ``max_tracks`` are taken evenly.

    Parameters
    ----------
    tracks
        ``(N, T, 2)`` ``(x, y)`` in source pixels; infinite or NaN where unknown.
    visible, valid
        ``(N, T)``. Track-On ignores the ``valids`` of PointOdyssey v1.2: its numbers come from
        flags that are all true here.
    size
        ``(width, height)`` of the source.
    max_tracks
        How many to take: at indices ``floor(linspace(0, K - 1, max_tracks))``; 256 in
        Track-On. All of them by default or when there are fewer.
    """
    points = as_tracks(tracks, "tracks").copy()
    shape = points.shape[:2]
    seen = as_flags(visible, "visible", shape)
    good = as_flags(valid, "valid", shape)
    finite = np.isfinite(points).all(axis=-1)
    points[~finite] = 0.0
    last = np.asarray(size, np.float64) - 2
    usable = finite & np.all((points >= 1) & (points <= last), axis=-1)
    seen, good = seen & usable, good & usable
    both = seen & good
    steps = np.sqrt(np.square(np.diff(points, axis=1)).sum(axis=-1))  # N T-1
    keep = both[:, 0] & (both.sum(axis=1) >= min_frames) & (steps < max_step).all(axis=1)
    index = np.flatnonzero(keep).astype(np.int64)
    if max_tracks is not None and max_tracks < len(index):
        index = index[np.linspace(0, len(index) - 1, max_tracks).astype(np.int64)]
    clamped = np.clip(points[index], -margin, np.asarray(size, np.float64) + margin)
    return FullSequence(clamped, seen[index], good[index], index)


# --- What all evaluators share ---------------------------------------------------------------


def _distances(gt_tracks: ArrayLike, pred_tracks: ArrayLike, scale: ArrayLike) -> Floats:
    """Distance in each frame after dividing ``(x, y)`` by ``scale``; NaN becomes infinite."""
    truth = as_tracks(gt_tracks, "gt_tracks")
    answer = as_tracks(pred_tracks, "pred_tracks", like=truth)
    offset = (answer - truth) / np.asarray(scale, np.float64)
    distance = np.sqrt(np.square(offset).sum(axis=-1))
    return np.where(np.isnan(distance), np.inf, distance)


def _scale_256(size: Size) -> Floats:
    return np.asarray(size, np.float64) / 256


def _soft_percent(hits: Flags, mask: Flags) -> float:
    return 100 * soft_ratio(np.count_nonzero(hits & mask), np.count_nonzero(mask))


def _percent(hits: Flags, mask: Flags) -> float:
    return 100 * float(ratio(np.count_nonzero(hits & mask), np.count_nonzero(mask)))


def _within(distance: Floats, mask: Flags, thresholds: Sequence[float], name: str) -> dict:
    """``{name}_x`` for each threshold and ``{name}_avg``, in percent of ``mask``."""
    scores = {f"{name}_{x:g}": _soft_percent(distance < x, mask) for x in thresholds}
    return {**scores, f"{name}_avg": float(np.mean(list(scores.values())))}


def _after_first(mask: Flags) -> Flags:
    """Frames strictly after the first one set in each row; after frame 0 if none is."""
    return np.arange(mask.shape[1]) > mask.argmax(axis=1)[:, None]


def _after_frame_0(mask: Flags) -> Flags:
    later = mask.copy()
    later[:, :1] = False
    return later


def surviving(distance: ArrayLike, mask: ArrayLike, threshold: float) -> Flags:
    """Whether each track has never yet been lost, ``(N, T)``.

    A track is lost for good at its first frame in ``mask`` that is farther than ``threshold``.
    """
    far = np.asarray(distance, np.float64)
    lost = ~(far <= threshold) & as_flags(mask, "mask", far.shape)
    return ~np.logical_or.accumulate(lost, axis=1)


def median_per_track(distance: ArrayLike, mask: ArrayLike) -> Floats:
    """Median distance over each track's frames in ``mask``, ``(N,)``; NaN where it has none."""
    far = np.asarray(distance, np.float64)
    rows = zip(far, as_flags(mask, "mask", far.shape), strict=True)
    return np.array([np.median(row[m]) if m.any() else np.nan for row, m in rows], np.float64)


def _mean(values: ArrayLike) -> float:
    array = np.asarray(values, np.float64)
    return float(array.mean()) if array.size else float("nan")


# --- The evaluators --------------------------------------------------------------------------


def pips2_metrics(
    gt_tracks: ArrayLike, pred_tracks: ArrayLike, valid: ArrayLike, size: Size
) -> dict[str, float]:
    """Score a video as PIPs++'s evaluation of PointOdyssey does.

    Distances are taken after dividing by ``(W / 256, H / 256)``; ``size`` is the model's input
    size, in whose pixels both tracks are.

    Returns
    -------
    dict
        ``d_1`` to ``d_16`` and ``d_avg``: percent of valid points, occluded ones included,
        strictly nearer than that, from frame 1 on. ``survival_16`` (PIPs++'s code) and
        ``survival_50`` (the PointOdyssey paper): percent of frames until the first valid error
        above that many pixels. ``median_l2`` (MTE): each track's median error over its valid
        frames, averaged over tracks; NaN if a track has none.
    """
    distance = _distances(gt_tracks, pred_tracks, _scale_256(size))
    mask = as_flags(valid, "valid", distance.shape)
    scores: dict[str, float] = _within(distance, _after_frame_0(mask), THRESHOLDS, "d")
    for threshold in (16, 50):
        scores[f"survival_{threshold}"] = 100 * _mean(surviving(distance, mask, threshold))
    scores["median_l2"] = _mean(median_per_track(distance, mask))
    return scores


def trackon_metrics(
    gt_tracks: ArrayLike,
    pred_tracks: ArrayLike,
    valid: ArrayLike,
    visible: ArrayLike,
    size: Size,
) -> dict[str, float]:
    """Score a video as Track-On's evaluation of PointOdyssey does.

    ``d_x``, ``d_avg`` and ``median_l2`` as :func:`pips2_metrics`. ``d_vis_x`` and ``d_vis_avg``
    are over visible points after each track's first visible frame, ``survival_50`` counts
    errors on visible frames only, and ``median_vis_l2`` is the median over visible frames.
    """
    distance = _distances(gt_tracks, pred_tracks, _scale_256(size))
    mask = as_flags(valid, "valid", distance.shape)
    seen = as_flags(visible, "visible", distance.shape)
    scores: dict[str, float] = _within(distance, _after_frame_0(mask), THRESHOLDS, "d")
    scores |= _within(distance, seen & _after_first(seen), THRESHOLDS, "d_vis")
    scores["survival_50"] = 100 * _mean(surviving(distance, seen, 50))
    scores["median_l2"] = _mean(median_per_track(distance, mask))
    scores["median_vis_l2"] = _mean(median_per_track(distance, seen))
    return scores


def cotracker_metrics(
    gt_tracks: ArrayLike, pred_tracks: ArrayLike, visible: ArrayLike, size: Size
) -> dict[str, float]:
    """Score a video as CoTracker's evaluator does for Dynamic Replica and PointOdyssey.

    Distances are taken after dividing by ``((W - 1) / 255, (H - 1) / 255)``.

    Returns
    -------
    dict
        ``accuracy_x``, ``accuracy_vis_x`` and ``accuracy_occ_x``: percent of all, visible and
        hidden points after the first visible frame (after frame 0 for a track never visible)
        that are strictly nearer than ``x``; ``accuracy``, ``accuracy_vis``, ``accuracy_occ``:
        their means over ``x``; ``survival_50``, with failures on visible frames only.
    """
    scale = np.maximum(np.asarray(size, np.float64) - 1, 1) / 255
    distance = _distances(gt_tracks, pred_tracks, scale)
    seen = as_flags(visible, "visible", distance.shape)
    counted = _after_first(seen)
    scores: dict[str, float] = {}
    for name, mask in (("", counted), ("_vis", counted & seen), ("_occ", counted & ~seen)):
        values = [_soft_percent(distance < x, mask) for x in THRESHOLDS]
        keys = [f"accuracy{name}_{x}" for x in THRESHOLDS]
        scores |= dict(zip(keys, values, strict=True))
        scores[f"accuracy{name}"] = _mean(values)
    scores["survival_50"] = 100 * _mean(surviving(distance, seen, 50))
    return scores


def average_trajectory_error(
    gt_tracks: ArrayLike,
    pred_tracks: ArrayLike,
    visible: ArrayLike,
    *,
    min_visible_frames: int = 4,
) -> dict[str, float]:
    """Mean error in pixels as PIPs reports it for FlyingThings++ (8 frames, 384 x 512 crop).

    Returns
    -------
    dict
        ``ate_all``, and ``ate_vis`` and ``ate_occ`` over the tracks that are, or are not,
        visible on at least ``min_visible_frames`` frames. 0 where there is no such track.
    """
    distance = _distances(gt_tracks, pred_tracks, (1, 1))
    often = as_flags(visible, "visible", distance.shape).sum(axis=1) >= min_visible_frames
    groups = {"ate_all": np.ones_like(often), "ate_vis": often, "ate_occ": ~often}
    return {
        name: soft_ratio(distance[rows].sum(), rows.sum() * distance.shape[1])
        for name, rows in groups.items()
    }


# --- EgoPoints -------------------------------------------------------------------------------


def egopoints_visibility(scores: ArrayLike) -> Flags:
    """Read a model's visibility output as Track-On's EgoPoints evaluator does.

    Booleans stay; numbers that all lie in [0, 1] are probabilities and are rounded (one half
    down to 0); any other numbers are logits.
    """
    values = np.asarray(scores)
    if values.dtype == np.bool_:
        return values
    values = values.astype(np.float64)
    probable = ((values >= 0) & (values <= 1)).all()
    return values > (0.5 if probable else 0.0)


def returned_frames(valid: ArrayLike, out_of_view: ArrayLike) -> Flags:
    """Valid frames of tracks that have been out of view before, ``(N, T)``."""
    known = as_flags(valid, "valid")
    away = as_flags(out_of_view, "out_of_view", known.shape)
    return known & ~away & np.logical_or.accumulate(away, axis=1)


def egopoints_metrics(
    gt_tracks: ArrayLike,
    pred_tracks: ArrayLike,
    pred_visible: ArrayLike,
    *,
    visible: ArrayLike,
    valid: ArrayLike,
    visible_known: ArrayLike,
    out_of_view: ArrayLike,
    occluded: ArrayLike,
    size: Size,
) -> dict[str, float]:
    """Score a video as Track-On's evaluation of EgoPoints does, with a working re-ID score.

    Parameters
    ----------
    gt_tracks, pred_tracks
        ``(N, T, 2)`` in pixels of a picture of ``size``; distances are taken at 256 x 256.
    pred_visible
        ``(N, T)`` flags, see :func:`egopoints_visibility`.
    visible, valid, visible_known, out_of_view, occluded
        ``(N, T)``: ``visibs``, ``valids``, ``vis_valids``, ``out_of_view`` and ``occluded`` of
        the annotation.

    Returns
    -------
    dict
        ``d_1`` to ``d_16``, ``d_avg``; ``d_star_8``, ``_16``, ``_24``, ``d_star_avg``;
        ``median_l2``; ``visibility_accuracy`` over frames of known visibility;
        ``out_of_view_accuracy``: percent of out-of-view frames after the first predicted
        outside ``[0, W] x [0, H]``; ``in_view_accuracy``: percent of valid or occluded ones
        predicted inside. ``re_id_d_x`` and ``re_id_d_avg`` follow the paper: valid frames after
        a track was out of view. ``re_id_published`` is what the released evaluator computes:
        over frames both valid and out of view, of which there are none, so 0. Percent, NaN for
        the three accuracies and re-ID scores without a frame to count.
    """
    distance = _distances(gt_tracks, pred_tracks, _scale_256(size))
    flags = {"pred_visible": pred_visible, "visible": visible, "valid": valid}
    flags |= {"visible_known": visible_known, "out_of_view": out_of_view, "occluded": occluded}
    shown, seen, known, judged, away, hidden = (
        as_flags(value, name, distance.shape) for name, value in flags.items()
    )
    later = _after_frame_0(known)
    scores: dict[str, float] = _within(distance, later, THRESHOLDS, "d")
    scores |= _within(distance, later, EGOPOINTS_THRESHOLDS, "d_star")
    scores["median_l2"] = _mean(median_per_track(distance, known))
    answer = np.asarray(pred_tracks, np.float64)
    inside = np.all((answer >= 0) & (answer <= np.asarray(size)), axis=-1)
    scores["visibility_accuracy"] = _percent(shown == seen, judged)
    scores["out_of_view_accuracy"] = _percent(~inside, _after_frame_0(away))
    scores["in_view_accuracy"] = _percent(inside, _after_frame_0(known | hidden))
    back = returned_frames(known, away)
    for x in THRESHOLDS:
        scores[f"re_id_d_{x}"] = _percent(distance < x, back)
    scores["re_id_d_avg"] = _mean([scores[f"re_id_d_{x}"] for x in THRESHOLDS])
    scores["re_id_published"] = _within(distance, later & away, THRESHOLDS, "d")["d_avg"]
    return scores
