"""AJ-RD: how well a point is found again after it was hidden (TAPNext++, CVPR 2026 Findings).

An *event* is a frame at which a point becomes visible again. Its *duration* is the number of
frames for which the point was hidden just before, counted from the start of the video for a
point that begins hidden. Of a track's events only those count whose duration exceeds that of
every earlier one. An event's score at a distance ``D`` is the Jaccard index over the track's
frames from the event to the end of the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pointtrack.errors import PointtrackError
from pointtrack.metrics.arrays import Flags, Floats, Ints, as_flags, as_tracks, ratio

DISTANCES = (1, 2, 4, 8, 16)
MIN_DURATIONS = (1, 4, 16, 64, 256)


class RedetectionEvents(NamedTuple):
    """Events in the order of their frames, within a frame in the order of the tracks.

    Attributes
    ----------
    track, frame, duration
        ``(E,)`` int64: whose event it is, when it is, and how long the point was hidden.
    jaccard
        ``(E, D)`` float64: the score at each distance.
    distances
        The ``D`` distances in pixels.
    """

    track: Ints
    frame: Ints
    duration: Ints
    jaccard: Floats
    distances: tuple[float, ...]


def _record_durations(visible: Flags) -> Ints:
    """Duration of each event that outlasts all earlier ones of its track, elsewhere 0; (N, T)."""
    time = np.arange(visible.shape[1])
    seen = np.where(visible, time, -1)  # N T
    before = np.full_like(seen, -1)
    before[:, 1:] = np.maximum.accumulate(seen, axis=1)[:, :-1]  # last visible frame before t
    duration = np.where(visible, time - before - 1, 0)
    record = np.zeros_like(duration)
    record[:, 1:] = np.maximum.accumulate(duration, axis=1)[:, :-1]
    return np.where(duration > record, duration, 0)


def _from_here_on(flags: Flags) -> Ints:
    """How many flags are set from each frame to the end; (N, T)."""
    return np.cumsum(flags[:, ::-1], axis=1, dtype=np.int64)[:, ::-1]


def redetection_events(
    gt_tracks: ArrayLike,
    gt_occluded: ArrayLike,
    pred_tracks: ArrayLike,
    pred_occluded: ArrayLike,
    *,
    distances: Sequence[float] = DISTANCES,
) -> RedetectionEvents:
    """Find and score the re-detections of one video, in time linear in its frames.

    Parameters
    ----------
    gt_tracks, pred_tracks
        ``(N, T, 2)`` ``(x, y)`` in pixels of the 256 x 256 picture: whole tracks, there is no
        query frame here.
    gt_occluded, pred_occluded
        ``(N, T)``.
    distances
        In pixels; a point counts when nearer **or as near**, unlike in TAP-Vid.
    """
    if not len(distances):
        raise PointtrackError("distances must hold at least one number of pixels, found none")
    truth = as_tracks(gt_tracks, "gt_tracks")
    answer = as_tracks(pred_tracks, "pred_tracks", like=truth)
    visible = ~as_flags(gt_occluded, "gt_occluded", truth.shape[:2])
    shown = ~as_flags(pred_occluded, "pred_occluded", truth.shape[:2])
    record = _record_durations(visible)
    frame, track = np.nonzero(record.T)  # E, E
    squared = np.square(answer - truth).sum(axis=-1)
    either = (_from_here_on(visible) + _from_here_on(shown))[track, frame]  # E
    jaccard = np.empty((len(frame), len(distances)))
    for column, distance in enumerate(distances):
        hit = visible & shown & (squared <= distance**2)
        hits = _from_here_on(hit)[track, frame]
        jaccard[:, column] = ratio(hits, either - hits)
    return RedetectionEvents(track, frame, record[track, frame], jaccard, tuple(distances))


def pool_events(videos: Sequence[RedetectionEvents]) -> RedetectionEvents:
    """Join the events of several videos, for scores over all of them at once.

    ``track`` goes on counting within its own video.
    """
    if not videos:
        raise PointtrackError("pooling events needs at least one video, found none")
    if any(video.distances != videos[0].distances for video in videos):
        raise PointtrackError("events scored at different distances cannot be pooled")
    return RedetectionEvents(
        np.concatenate([v.track for v in videos]),
        np.concatenate([v.frame for v in videos]),
        np.concatenate([v.duration for v in videos]),
        np.concatenate([v.jaccard for v in videos]),
        videos[0].distances,
    )


def redetection_scores(
    events: RedetectionEvents, *, min_durations: Sequence[int] = MIN_DURATIONS
) -> dict[str, float]:
    """Average events into AJ-RD.

    Parameters
    ----------
    events
        Of one video (then average the scores over videos with
        :func:`pointtrack.metrics.mean_over_videos`), or of all videos, through
        :func:`pool_events`. Name which of the two a published number is.
    min_durations
        Shortest durations, in frames, at which to look.

    Returns
    -------
    dict
        ``AJ_RD_D{D}_dmin{d}``: mean score at distance ``D`` of the events that lasted at least
        ``d`` frames; ``AJ_RD_dmin{d}``: mean of these over the distances; ``AJ_RD``: mean over
        the shortest durations that have events. Fractions of 1; NaN without events.
    """
    if not len(min_durations):
        raise PointtrackError("min_durations must hold at least one number, found none")
    scores: dict[str, float] = {}
    means = []
    for shortest in min_durations:
        chosen = events.jaccard[events.duration >= shortest]  # E' D
        column = ratio(chosen.sum(axis=0), len(chosen))  # D
        for distance, value in zip(events.distances, column, strict=True):
            scores[f"AJ_RD_D{distance:g}_dmin{shortest}"] = float(value)
        scores[f"AJ_RD_dmin{shortest}"] = float(column.mean())
        if len(chosen):
            means.append(float(column.mean()))
    scores["AJ_RD"] = float(np.mean(means)) if means else float("nan")
    return scores


def average_jaccard_redetection(
    gt_tracks: ArrayLike,
    gt_occluded: ArrayLike,
    pred_tracks: ArrayLike,
    pred_occluded: ArrayLike,
    *,
    distances: Sequence[float] = DISTANCES,
    min_durations: Sequence[int] = MIN_DURATIONS,
) -> dict[str, float]:
    """AJ-RD of one video; see :func:`redetection_events` and :func:`redetection_scores`."""
    events = redetection_events(
        gt_tracks, gt_occluded, pred_tracks, pred_occluded, distances=distances
    )
    return redetection_scores(events, min_durations=min_durations)
