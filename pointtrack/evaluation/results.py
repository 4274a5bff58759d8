"""What an evaluation found: per video, as a mean, and where the accuracy was lost."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.evaluation.official import BENCHMARKS
from pointtrack.evaluation.protocol import Protocol
from pointtrack.evaluation.scoring import Breakdown
from pointtrack.geometry import Size
from pointtrack.metrics import VideoMean, bootstrap_interval, mean_over_videos, pool_groups


@dataclass(frozen=True)
class VideoResult:
    """One video's row.

    Attributes
    ----------
    name
        Of the video.
    size
        Its ``(width, height)``.
    frames, tracks, queries
        How many frames it has, how many annotated tracks, how often a point was asked for.
    seconds
        That the tracker took for them.
    resumed
        Whether the answer was read from an earlier run (its `seconds` too).
    metrics
        Fractions of 1; NaN where nothing could be counted.
    breakdown
        Where the accuracy was lost.
    parts
        What a benchmark's own numbers are taken from over all videos together, where they are
        no mean over videos; see `official.Benchmark`.
    """

    name: str
    size: Size
    frames: int
    tracks: int
    queries: int
    seconds: float
    resumed: bool
    metrics: dict[str, float]
    breakdown: Breakdown = field(repr=False)
    parts: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The row as plain values."""
        own = {k: v for k, v in vars(self).items() if k not in ("metrics", "breakdown", "parts")}
        return {**own, "metrics": dict(self.metrics)}


@dataclass(frozen=True)
class Failure:
    """A video that could not be evaluated, and why."""

    name: str
    error: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One model on one data set under one protocol.

    Attributes
    ----------
    label
        What tables call the model.
    model, options
        Its name and the options it was loaded with.
    dataset
        Name of the data set.
    protocol
        The rules.
    videos
        One row a video that was evaluated.
    failures
        The others.
    benchmark
        Whose own numbers are among the metrics; empty where none are.
    """

    label: str
    model: str
    options: Mapping[str, Any]
    dataset: str
    protocol: Protocol
    videos: tuple[VideoResult, ...]
    failures: tuple[Failure, ...]
    benchmark: str = ""

    def only(self, names: Collection[str]) -> Evaluation:
        """The same with only some of the videos; failures stay."""
        return replace(self, videos=tuple(v for v in self.videos if v.name in names))

    @property
    def over_videos(self) -> VideoMean:
        """Mean over videos of every metric; each video counts once, NaN is left out."""
        if not self.videos:
            return VideoMean({}, {}, {})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # `left_out` says the same
            return mean_over_videos([video.metrics for video in self.videos])

    @property
    def mean(self) -> dict[str, float]:
        """Every metric over the data set, as fractions of 1.

        Means over videos, save where a benchmark takes its own numbers over all videos together.
        """
        return {**self.over_videos.mean, **self.pooled}

    @property
    def pooled(self) -> dict[str, float]:
        """The metrics that are no means over videos, but of all videos together."""
        pool = BENCHMARKS[self.benchmark].pool if self.benchmark else None
        return pool([video.parts for video in self.videos]) if pool and self.videos else {}

    def values(self, metric: str) -> dict[str, float]:
        """One metric of every video, by the video's name."""
        return {video.name: video.metrics[metric] for video in self.videos}

    def interval(self, metric: str, confidence: float = 0.95) -> tuple[float, float]:
        """Bootstrap interval of a metric's mean over videos; see `metrics.bootstrap_interval`.

        Two NaN where fewer than two videos have the metric: one video tells no spread.
        """
        values = np.array(list(self.values(metric).values()), np.float64)
        if np.count_nonzero(~np.isnan(values)) < 2:
            return math.nan, math.nan
        return bootstrap_interval(values, confidence=confidence)

    @property
    def seconds_per_frame(self) -> float:
        """Seconds of tracking for a frame of video, with all its queries.

        Reading and resizing frames beforehand does not count; at native resolution frames are
        decoded while tracking, and that does.
        """
        frames = sum(video.frames for video in self.videos)
        return sum(video.seconds for video in self.videos) / frames if frames else math.nan

    @property
    def breakdown(self) -> Breakdown:
        """The videos' breakdowns together.

        The curve over thresholds is a mean over videos, as the benchmark's numbers are. In
        time and occlusion every frame counts once, because groups are often empty in a single
        video.
        """
        each = [video.breakdown for video in self.videos]
        curves = np.stack([b.threshold for b in each])  # V K
        known = curves[~np.isnan(curves).any(axis=1)]
        curve = known.mean(axis=0) if len(known) else curves[0]
        return Breakdown(
            curve,
            pool_groups([b.time for b in each]),
            pool_groups([b.occlusion for b in each]),
            pool_groups([b.reliability for b in each]),
        )

    @property
    def counts(self) -> dict[str, int]:
        """Videos, failed videos, frames, tracks and queries in all."""
        totals = {
            k: sum(getattr(v, k) for v in self.videos) for k in ("frames", "tracks", "queries")
        }
        return {"videos": len(self.videos), "failed": len(self.failures), **totals}
