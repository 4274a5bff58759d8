"""From one clip's answers to its numbers: the benchmark's metrics and where accuracy is lost."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.evaluation.protocol import Protocol, Task
from pointtrack.metrics import (
    OCCLUSION_EDGES,
    TIME_EDGES,
    accuracy_by_group,
    accuracy_per_threshold,
    average_jaccard_redetection,
    last_occlusion_length,
    reliability,
    tapvid_metrics,
    time_since_query,
)
from pointtrack.metrics.arrays import ratio
from pointtrack.metrics.tapvid import prepare

# Thresholds of the accuracy curve, in pixels of the 256 x 256 picture.
CURVE = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32)

SURE = 8.0  # pixels of the 256 x 256 picture: what a confidence is the probability of

Groups = dict[str, NDArray[Any]]


class Breakdown(NamedTuple):
    """Where the accuracy of one clip, or of many, is lost.

    Attributes
    ----------
    threshold
        ``(len(CURVE),)``: share of positions nearer than each of `CURVE`.
    time, occlusion
        What `metrics.accuracy_by_group` gives over the frames since the query, and over the
        length of the last occlusion that was left behind.
    reliability
        What `metrics.reliability` gives over the confidence that a point is visible and its
        position right to within `SURE`.
    """

    threshold: NDArray[np.float64]
    time: Groups
    occlusion: Groups
    reliability: Groups


class Score(NamedTuple):
    """One clip's metrics, as fractions of 1, and their breakdown."""

    metrics: dict[str, float]
    breakdown: Breakdown


def score(
    task: Task,
    xy: NDArray[np.float64],
    visible: NDArray[np.bool_],
    confidence: NDArray[np.float32],
    protocol: Protocol,
) -> Score:
    """Judge one clip's answers.

    Parameters
    ----------
    task
        What was asked.
    xy, visible, confidence
        ``(Q, T, 2)`` in the metric's pixels (see `Protocol.judged`), ``(Q, T)`` and ``(Q, T)``.
        NaN is never near enough.
    protocol
        The rules.

    Returns
    -------
    Score
        Metrics as `metrics.tapvid_metrics` names them, and for ``"first"`` queries ``AJ_RD``,
        the re-detection Jaccard of TAPNext++ (NaN without re-detections, and where parts of
        the tracks are not annotated).
    """
    # A frame that nobody annotated is neither seen nor shown, which counts nowhere but in OA.
    truth_hidden, hidden = ~(task.visible & task.valid), ~(visible & task.valid)
    answers = (task.query_points, task.xy, truth_hidden, xy, hidden, protocol.metric_mode)
    metrics = tapvid_metrics(*answers, thresholds=protocol.thresholds)
    video = prepare(*answers)
    scored = video.evaluated & task.valid
    if not task.valid.all():
        agreeing = (video.visible == video.predicted) & scored
        metrics["occlusion_accuracy"] = float(ratio(agreeing.sum(), scored.sum()))
    if protocol.query_mode == "first":
        found = float("nan")
        if task.valid.all():
            found = average_jaccard_redetection(task.xy, truth_hidden, xy, hidden)["AJ_RD"]
        metrics["AJ_RD"] = found
    since = time_since_query(task.query_points, xy.shape[1])
    behind = last_occlusion_length(task.query_points, truth_hidden)
    right = ~truth_hidden & (video.squared < SURE**2)
    breakdown = Breakdown(
        accuracy_per_threshold(*answers, CURVE),
        accuracy_by_group(*answers, since, TIME_EDGES, thresholds=protocol.thresholds),
        accuracy_by_group(*answers, behind, OCCLUSION_EDGES, thresholds=protocol.thresholds),
        reliability(confidence, right, scored),
    )
    return Score(metrics, breakdown)
