"""The numbers that a benchmark itself reports, besides TAP-Vid's.

Each benchmark asks for its points in its own places, so these numbers are taken only where the
query mode is ``"given"`` (or, for CroHD, from the points asked for in frame 0). Shares are
fractions of 1, as everywhere in `pointtrack.evaluation`; `median_l2` is in pixels of a picture of
256 x 256.

=================  ==========================================================================
PointOdyssey       PIPs++'s `pips2_metrics` over the tracks that its reader keeps, 256 of them
                   at most, as in Track-On: d_x, d_avg, survival_16, survival_50, median_l2
Dynamic Replica    CoTracker's `cotracker_metrics` over 256 tracks visible in more than 10
                   frames: accuracy, accuracy_vis, accuracy_occ, survival_50
BADJA              `badja_pck`: PCK@0.2 of each animal, then the mean over animals
JHMDB              `jhmdb_pck`: PCK@0.1 to PCK@0.5 over the joints of all videos together
EgoPoints          `egopoints_metrics`
CroHD              `pips2_metrics` over the heads that are there in the chunk's first frame
=================  ==========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets import Clip, Dataset, card_of
from pointtrack.errors import FormatError
from pointtrack.evaluation.protocol import Protocol, Task
from pointtrack.geometry import pixel_to_raster
from pointtrack.metrics import (
    badja_ground_truth,
    badja_pck,
    cotracker_metrics,
    egopoints_metrics,
    full_sequence_tracks,
    jhmdb_distances,
    jhmdb_pck,
    pips2_metrics,
)
from pointtrack.queries import Queries

Arrays = NDArray[Any]
PIXELS = frozenset({"median_l2"})  # in pixels, and lower is better

_MOST_TRACKS = 256
_OFTEN = 10  # frames, which a track of Dynamic Replica must be visible in more than


@dataclass(frozen=True)
class Answers:
    """A tracker's answers to one clip, in pixels of the video itself.

    Attributes
    ----------
    xy, visible
        ``(Q, T, 2)`` and ``(Q, T)``.
    task
        What was asked.
    """

    xy: NDArray[np.float64]
    visible: NDArray[np.bool_]
    task: Task


@dataclass(frozen=True)
class Found:
    """A clip's official numbers, and what is needed to take them over all clips together."""

    metrics: dict[str, float]
    parts: dict[str, Arrays] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """How one benchmark is scored.

    Attributes
    ----------
    score
        One clip's numbers.
    columns
        Metrics that tables show, and their headings.
    prepare
        Keeps the tracks that the benchmark asks for, with its queries.
    pool
        Numbers over all clips together from their `Found.parts`; those it does not give are
        means over clips.
    """

    score: Callable[[Clip, Answers], Found]
    columns: Mapping[str, str]
    prepare: Callable[[Clip], Clip] = lambda clip: clip
    pool: Callable[[Sequence[Mapping[str, Arrays]]], dict[str, float]] | None = None
    query_modes: tuple[str, ...] = ("given",)


def benchmark_of(data: Dataset, protocol: Protocol) -> str:
    """The benchmark whose own numbers a data set is to be scored by; empty where there are none.

    They are there for data sets of the catalog, in the query mode in which they are defined.
    """
    card = card_of(data)
    if card is None or card.name not in BENCHMARKS:
        return ""
    return card.name if protocol.query_mode in BENCHMARKS[card.name].query_modes else ""


# -- PointOdyssey, CroHD -------------------------------------------------------------------


def _pointodyssey_tracks(clip: Clip) -> Clip:
    kept = full_sequence_tracks(
        pixel_to_raster(clip.xy),  # as in the files
        clip.visible,
        clip.valid,
        size=clip.video.size,
        max_tracks=_MOST_TRACKS,
    )
    if len(kept.kept) == 0:
        raise FormatError("no track is visible in frame 0 and in 8 frames or more")
    chosen = _only(clip, kept.kept)
    return replace(chosen, visible=kept.visible & kept.valid, valid=kept.valid)


def _only(clip: Clip, rows: NDArray[np.int64], frame: int = 0) -> Clip:
    """Some of a clip's tracks, asked for in one frame."""
    xy = clip.xy[rows]
    asked = np.column_stack([np.full(len(rows), frame), xy[:, frame]])
    return replace(
        clip,
        xy=xy,
        visible=clip.visible[rows],
        valid=clip.valid[rows],
        queries=Queries(asked),
        xyz=None if clip.xyz is None else clip.xyz[rows],
    )


def _pips2(clip: Clip, answers: Answers) -> Found:
    task = answers.task
    rows = task.queries.t == 0  # the published evaluators ask in frame 0
    track = task.track[rows]
    names = ("d_1", "d_2", "d_4", "d_8", "d_16", "d_avg", "survival_16", "survival_50", "median_l2")
    if len(track) == 0:
        return Found(dict.fromkeys(names, float("nan")))
    known = np.isfinite(clip.xy[track]).all(axis=2)
    truth = np.where(known[..., None], clip.xy[track], 0)
    valid = clip.valid[track] & known
    return Found(_shares(pips2_metrics(truth, answers.xy[rows], valid, clip.video.size)))


# -- Dynamic Replica -----------------------------------------------------------------------


def _dynamic_replica_tracks(clip: Clip) -> Clip:
    often = clip.visible.sum(axis=1) > _OFTEN
    rows = np.flatnonzero(often & np.isfinite(clip.xy[:, 0]).all(axis=1))
    if len(rows) == 0:
        raise FormatError(f"no track is visible in more than {_OFTEN} frames")
    if len(rows) > _MOST_TRACKS:  # where the reader has not drawn them; always the same
        rows = np.sort(np.random.default_rng(0).permutation(rows)[:_MOST_TRACKS])
    return _only(clip, rows)


def _cotracker(clip: Clip, answers: Answers) -> Found:
    track = answers.task.track
    truth = clip.xy[track]
    found = cotracker_metrics(truth, answers.xy, clip.visible[track], clip.video.size)
    return Found(_shares(found))


# -- BADJA, JHMDB --------------------------------------------------------------------------


def _badja(clip: Clip, answers: Answers) -> Found:
    if clip.masks is None:  # AllTracker's cleaned layout
        return Found({"PCK@0.2": float("nan")})
    track = answers.task.track
    truth = np.nan_to_num(clip.xy[track])
    # Only frames that count need their masks: PCK reads no other frame's area.
    frames = np.flatnonzero(clip.visible.any(axis=0) | (np.arange(len(clip.video)) == 0))
    masks = np.stack([clip.masks[t] for t in frames.tolist()])
    scaled = badja_ground_truth(answers.xy[:, frames], clip.video.size)
    found = badja_pck(truth[:, frames], clip.visible[track][:, frames], scaled, masks)
    return Found({"PCK@0.2": found["pck"] / 100})


def _jhmdb(clip: Clip, answers: Answers) -> Found:
    track = answers.task.track
    # The published numbers are taken in TAP-Vid's pixels.
    truth, answer = pixel_to_raster(clip.xy[track]), pixel_to_raster(answers.xy)
    distances = jhmdb_distances(truth, answer, clip.video.size)
    parts = {"distances": distances}
    return Found(_pool_jhmdb([parts]), parts)


def _pool_jhmdb(parts: Sequence[Mapping[str, Arrays]]) -> dict[str, float]:
    return {k: v / 100 for k, v in jhmdb_pck([part["distances"] for part in parts]).items()}


# -- EgoPoints -----------------------------------------------------------------------------


def _egopoints(clip: Clip, answers: Answers) -> Found:
    track = answers.task.track
    flags: dict[str, Arrays] = {name: value[track] for name, value in clip.extra.items()}
    return Found(
        _shares(
            egopoints_metrics(
                clip.xy[track],
                answers.xy,
                answers.visible,
                visible=flags["visibs"],
                valid=flags["valids"],
                visible_known=flags["vis_valids"],
                out_of_view=flags["out_of_view"],
                occluded=flags["occluded"],
                size=clip.video.size,
            )
        )
    )


def _shares(percent: Mapping[str, float]) -> dict[str, float]:
    """Percent as fractions of 1; pixels stay."""
    return {k: v if k in PIXELS else v / 100 for k, v in percent.items()}


_PIPS2 = {
    "d_avg": "d avg",
    "survival_16": "surv. 16",
    "survival_50": "surv. 50",
    "median_l2": "MTE px",
}

BENCHMARKS: dict[str, Benchmark] = {
    "pointodyssey": Benchmark(_pips2, _PIPS2, _pointodyssey_tracks),
    "crohd": Benchmark(_pips2, _PIPS2, query_modes=("first", "given")),
    "dynamic-replica": Benchmark(
        _cotracker,
        {
            "accuracy": "acc.",
            "accuracy_vis": "acc. vis.",
            "accuracy_occ": "acc. occ.",
            "survival_50": "surv. 50",
        },
        _dynamic_replica_tracks,
    ),
    "badja": Benchmark(_badja, {"PCK@0.2": "PCK@0.2"}),
    "jhmdb": Benchmark(
        _jhmdb, {f"PCK@0.{i}": f"PCK@0.{i}" for i in (1, 2, 3, 4, 5)}, pool=_pool_jhmdb
    ),
    "egopoints": Benchmark(
        _egopoints,
        {
            "d_avg": "d avg",
            "d_star_avg": "d* avg",
            "re_id_d_avg": "re-ID d avg",
            "out_of_view_accuracy": "out of view",
            "visibility_accuracy": "VA",
            "median_l2": "MTE px",
        },
    ),
}
BENCHMARKS["k-epic"] = BENCHMARKS["egopoints"]


def columns_of(benchmark: str) -> Mapping[str, str]:
    """Metrics of a benchmark that tables show, and their headings."""
    return BENCHMARKS[benchmark].columns if benchmark else {}
