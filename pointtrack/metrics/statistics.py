"""From many videos to one number: means that say what they left out, and their uncertainty."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pointtrack.errors import PointtrackError


class VideoMean(NamedTuple):
    """A metric's mean over videos.

    Attributes
    ----------
    mean
        Metric name to mean, in the unit of the per-video values. NaN when no video has one.
    used
        Metric name to the number of videos in the mean.
    left_out
        Metric name to the number of videos left out because their value is NaN.
    """

    mean: dict[str, float]
    used: dict[str, int]
    left_out: dict[str, int]


def mean_over_videos(videos: Sequence[Mapping[str, float]], *, strict: bool = False) -> VideoMean:
    """Average per-video metrics, each video counting once however many tracks it has.

    Parameters
    ----------
    videos
        One mapping a video, all with the same metrics.
    strict
        Let a single NaN make the mean NaN, as the published evaluators do.

    Returns
    -------
    VideoMean
        Unless ``strict``, a NaN is left out of its own metric only; how many were is counted
        in ``left_out``, and said in a ``RuntimeWarning``.
    """
    if not videos:
        raise PointtrackError("a mean over videos needs at least one video, found none")
    names = list(videos[0])
    for index, video in enumerate(videos):
        if set(video) != set(names):
            odd = ", ".join(sorted(set(video) ^ set(names)))
            raise PointtrackError(f"video {index} and video 0 have different metrics: {odd}")
    table = np.array([[float(video[name]) for name in names] for video in videos])  # V M
    present = np.ones_like(table, np.bool_) if strict else ~np.isnan(table)
    used = present.sum(axis=0)
    with np.errstate(invalid="ignore"):
        mean = np.where(present, table, 0.0).sum(axis=0) / used
    left_out = len(videos) - used
    if left_out.any():
        worst = ", ".join(f"{n} ({k})" for n, k in zip(names, left_out, strict=True) if k)
        warnings.warn(
            f"left out of the mean over {len(videos)} videos, because NaN: {worst}",
            RuntimeWarning,
            stacklevel=2,
        )
    return VideoMean(
        dict(zip(names, mean.tolist(), strict=True)),
        dict(zip(names, used.tolist(), strict=True)),
        dict(zip(names, left_out.tolist(), strict=True)),
    )


def bootstrap_interval(
    values: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over videos.

    Videos are drawn with replacement and averaged, ``resamples`` times; the interval spans the
    middle ``confidence`` of those means. To compare two methods give the differences of their
    values on the same videos: an interval that leaves 0 out shows a difference.

    Parameters
    ----------
    values
        ``(V,)``, one metric's value for each video. NaN is left out.
    confidence
        Between 0 and 1.
    resamples
        How many times to draw.
    seed
        Of the random generator: the same call gives the same interval.

    Returns
    -------
    tuple of float
        Lower and upper bound; both NaN when no value is left, both the value when one is.
    """
    sample = np.asarray(values, np.float64)
    if sample.ndim != 1:
        raise PointtrackError(f"values must have shape (V,), found {sample.shape}")
    if not 0 < confidence < 1:
        raise PointtrackError(f"confidence must lie between 0 and 1, found {confidence}")
    if resamples < 1:
        raise PointtrackError(f"resamples must be at least 1, found {resamples}")
    sample = sample[~np.isnan(sample)]
    if sample.size == 0:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    chunk = max(1, 1_000_000 // sample.size)  # draws held in memory at once
    means = [
        sample[
            generator.integers(sample.size, size=(min(chunk, resamples - done), sample.size))
        ].mean(axis=1)
        for done in range(0, resamples, chunk)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)
