"""Several trackers on one data set, side by side: a table, files and plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.markup import escape
from rich.table import Table

from pointtrack.datasets import Dataset
from pointtrack.errors import PointtrackError, require
from pointtrack.evaluation.evaluate import Contender, evaluate_all, nothing_left
from pointtrack.evaluation.official import PIXELS
from pointtrack.evaluation.predictions import make_folder
from pointtrack.evaluation.protocol import Protocol
from pointtrack.evaluation.report import (
    new_table,
    number,
    table_columns,
    to_dict,
    write_csv,
    write_json,
)
from pointtrack.evaluation.results import Evaluation
from pointtrack.evaluation.scoring import CURVE
from pointtrack.files import PathLike
from pointtrack.metrics import bootstrap_interval
from pointtrack.trackers import Progress
from pointtrack.view import (
    plot_accuracy_over_occlusion,
    plot_accuracy_over_threshold,
    plot_accuracy_over_time,
    plot_reliability,
    plot_speed_accuracy,
)

MAIN = "average_jaccard"


class Difference(NamedTuple):
    """Mean over videos of one model's value minus another's, with its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several models on the same videos.

    Attributes
    ----------
    evaluations
        One a model, in the order given, with all the videos it could be evaluated on.
    shared
        The same, with only the videos that every model with any result has: only these
        numbers compare. Models that failed everywhere are not in it.
    """

    evaluations: tuple[Evaluation, ...]
    shared: tuple[Evaluation, ...]

    def best(self, metric: str = MAIN) -> Evaluation:
        """The model with the best mean; the first of those that are equal."""
        sign = -1 if metric in PIXELS else 1
        return max(self.shared, key=lambda e: np.nan_to_num(sign * e.mean[metric], nan=-np.inf))

    def difference(self, one: Evaluation, other: Evaluation, metric: str = MAIN) -> Difference:
        """How much ``one`` is above ``other``, video by video.

        The interval is a bootstrap over videos. One that leaves 0 out shows a difference; NaN
        where fewer than two videos have both values.
        """
        mine, theirs = one.values(metric), other.values(metric)
        gaps = np.array([mine[name] - theirs[name] for name in mine if name in theirs])
        gaps = gaps[~np.isnan(gaps)]
        mean = float(gaps.mean()) if len(gaps) else math.nan
        low, high = bootstrap_interval(gaps) if len(gaps) > 1 else (math.nan, math.nan)
        return Difference(mean, low, high)


def compare(
    contenders: Sequence[Contender],
    dataset: Dataset | PathLike,
    protocol: Protocol | None = None,
    *,
    out: PathLike | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Evaluate several trackers on the same videos.

    Parameters
    ----------
    contenders
        Trackers under different labels.
    dataset, protocol, out, progress
        As in `evaluate`; write tables and plots with `save`.

    Raises
    ------
    PointtrackError
        When no model could be evaluated on any video, or none of the videos is shared by all.
    """
    if out is not None:
        require("matplotlib", "view")  # now rather than after hours of tracking
    found = evaluate_all(contenders, dataset, protocol, out=out, progress=progress)
    able = [evaluation for evaluation in found if evaluation.videos]
    if not able:
        raise nothing_left(found[0])
    names = set.intersection(*({video.name for video in e.videos} for e in able))
    if not names:
        raise PointtrackError(
            f"no video of {able[0].dataset} could be evaluated with all of "
            + ", ".join(e.label for e in able)
        )
    return Comparison(tuple(found), tuple(e.only(names) for e in able))


def comparison_table(comparison: Comparison) -> Table:
    """One row a model over the shared videos, in percent; the best of each column is bold."""
    shared = comparison.shared
    protocol, videos = shared[0].protocol, len(shared[0].videos)
    columns = table_columns(shared[0])
    total = f"{videos} {'video' if videos == 1 else 'videos'}"
    table = new_table(f"{shared[0].dataset}, {total}", protocol)
    table.add_column("model", overflow="fold")
    for heading in (*columns.values(), "ms/frame", "AJ to best (95 %)"):
        table.add_column(heading, justify="right")
    top = {metric: comparison.best(metric).mean[metric] for metric in columns}
    leader = comparison.best()
    for evaluation in shared:
        mean = evaluation.mean
        cells = [_cell(metric, mean[metric], top[metric]) for metric in columns]
        gap = "" if evaluation is leader else _gap(comparison.difference(evaluation, leader))
        speed = f"{1000 * evaluation.seconds_per_frame:.1f}"
        table.add_row(escape(evaluation.label), *cells, speed, gap)
    return table


def comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    """Everything, as plain containers; see `report.to_dict` for one model's part."""
    leader = comparison.best()
    return {
        "dataset": leader.dataset,
        "protocol": leader.protocol.to_dict(),
        "shared_videos": [video.name for video in leader.videos],
        "best": leader.label,
        "shared_mean": {e.label: e.mean for e in comparison.shared},
        "average_jaccard_to_the_best": {
            e.label: comparison.difference(e, leader)._asdict()
            for e in comparison.shared
            if e is not leader
        },
        "models": [to_dict(evaluation) for evaluation in comparison.evaluations],
    }


def save(comparison: Comparison, folder: PathLike) -> list[Path]:
    """Write ``results.json``, ``results.csv`` and five plots into a folder.

    Plots show the shared videos. Returns the paths written; the plot of speed is left out
    when no model has both numbers.
    """
    place = Path(folder)
    make_folder(place)
    written = [place / "results.json", place / "results.csv"]
    write_json(comparison_to_dict(comparison), written[0])
    write_csv(comparison.evaluations, written[1])
    parts = {e.label: e.breakdown for e in comparison.shared}
    curves = {
        label: {"thresholds": CURVE, "accuracy": part.threshold} for label, part in parts.items()
    }
    speed = {
        e.label: {"fps": 1 / e.seconds_per_frame, MAIN: e.mean[MAIN]}
        for e in comparison.shared
        if e.seconds_per_frame > 0 and not math.isnan(e.mean[MAIN])
    }
    plots: tuple[tuple[str, Callable[..., None], dict[str, Any]], ...] = (
        ("accuracy_over_threshold", plot_accuracy_over_threshold, curves),
        ("accuracy_over_time", plot_accuracy_over_time, {k: p.time for k, p in parts.items()}),
        (
            "accuracy_over_occlusion",
            plot_accuracy_over_occlusion,
            {k: p.occlusion for k, p in parts.items()},
        ),
        ("reliability", plot_reliability, {k: p.reliability for k, p in parts.items()}),
        ("speed_accuracy", plot_speed_accuracy, speed),
    )
    for name, plot, content in plots:
        if content:
            written.append(place / f"{name}.png")
            plot(content, written[-1])
    return written


def _cell(metric: str, value: float, top: float) -> str:
    text = number(metric, value)
    return f"[bold]{text}[/bold]" if value == top else text


def _gap(difference: Difference) -> str:
    if math.isnan(difference.mean):
        return "–"
    text = f"{100 * difference.mean:+.1f}"
    if math.isnan(difference.low):
        return text
    return f"{text} ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"
