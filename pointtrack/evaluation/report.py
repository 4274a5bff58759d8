"""Results as a table on the terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.markup import escape
from rich.table import Table

from pointtrack.evaluation.official import PIXELS, columns_of
from pointtrack.evaluation.protocol import Protocol
from pointtrack.evaluation.results import Evaluation, VideoResult
from pointtrack.evaluation.scoring import CURVE
from pointtrack.files import PathLike, atomic_path

# The three numbers every paper gives, and what their columns are called.
HEADLINE = {
    "average_jaccard": "AJ",
    "average_pts_within_thresh": "δ avg",
    "occlusion_accuracy": "OA",
}


def video_table(evaluation: Evaluation) -> Table:
    """One row a video, then the mean over videos with its 95 % bootstrap interval; percent."""
    protocol = evaluation.protocol
    columns = table_columns(evaluation)
    table = new_table(f"{evaluation.label} on {evaluation.dataset}", protocol)
    table.add_column("video", overflow="fold")
    for heading in ("queries", *columns.values(), "ms/frame"):
        table.add_column(heading, justify="right")
    for video in evaluation.videos:
        numbers = [number(metric, video.metrics[metric]) for metric in columns]
        table.add_row(escape(video.name), str(video.queries), *numbers, _milliseconds(video))
    table.add_section()
    mean, counts = evaluation.mean, evaluation.counts
    table.add_row(
        f"mean of {counts['videos']}",
        str(counts["queries"]),
        *[number(metric, mean.get(metric, math.nan)) for metric in columns],
        f"{1000 * evaluation.seconds_per_frame:.1f}",
        style="bold",
    )
    if len(evaluation.videos) > 1:
        shown = {*HEADLINE, *columns_of(evaluation.benchmark)} - set(evaluation.pooled)
        spans = [
            interval_text(evaluation.interval(metric), metric) if metric in shown else ""
            for metric in columns
        ]
        table.add_row("95 % interval", "", *spans, "", style="dim")
    return table


def new_table(title: str, protocol: Protocol) -> Table:
    """An empty table that says under which protocol its numbers were taken."""
    return Table(
        title=escape(title),
        caption=f"percent; {escape(protocol.describe())}",
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )


def table_columns(evaluation: Evaluation) -> dict[str, str]:
    """Metric to column heading: the benchmark's own numbers, TAP-Vid's, shares by threshold."""
    own = columns_of(evaluation.benchmark)
    return {**own, **HEADLINE, **near_columns(evaluation.protocol)}


def near_columns(protocol: Protocol) -> dict[str, str]:
    """The share of positions nearer than each threshold: metric to column heading (px)."""
    return {f"pts_within_{x:g}": f"<{x:g}" for x in protocol.thresholds}


def remarks(evaluation: Evaluation) -> list[str]:
    """What a reader must know beside the numbers: failed videos, and means that lack some."""
    lines = [f"{evaluation.label}: {f.name} failed: {f.error}" for f in evaluation.failures]
    left_out = evaluation.over_videos.left_out
    for metric, heading in {**columns_of(evaluation.benchmark), **HEADLINE}.items():
        if left_out.get(metric):
            lines.append(
                f"{evaluation.label}: {heading} leaves out {left_out[metric]} of "
                f"{len(evaluation.videos)} videos, in which nothing can be counted"
            )
    return lines


def number(metric: str, value: float) -> str:
    """A metric as tables show it: percent, or pixels."""
    if metric not in PIXELS:
        return percent(value)
    return "–" if math.isnan(value) else f"{value:.2f}"


def percent(share: float) -> str:
    """A fraction of 1 as percent with one decimal; NaN as a dash."""
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def interval_text(interval: tuple[float, float], metric: str = "") -> str:
    """Two fractions of 1 as ``48.1–52.3`` percent, or two numbers of pixels."""
    low, high = interval
    return "–" if math.isnan(low) else f"{number(metric, low)}–{number(metric, high)}"


def to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Everything, as plain containers; metrics are fractions of 1, NaN becomes None."""
    over = evaluation.over_videos
    result: dict[str, Any] = {
        "label": evaluation.label,
        "model": evaluation.model,
        "options": dict(evaluation.options),
        "dataset": evaluation.dataset,
        "protocol": evaluation.protocol.to_dict(),
        "benchmark": evaluation.benchmark or None,
        "counts": evaluation.counts,
        "seconds_per_frame": evaluation.seconds_per_frame,
        "mean": evaluation.mean,
        "interval_95": {
            metric: evaluation.interval(metric)
            for metric in over.mean
            if metric not in evaluation.pooled
        },
        "videos_without": {metric: count for metric, count in over.left_out.items() if count},
        "videos": [video.to_dict() for video in evaluation.videos],
        "failures": [vars(failure) for failure in evaluation.failures],
    }
    if evaluation.videos:
        breakdown = evaluation.breakdown
        result["breakdown"] = {
            "threshold": {"px": CURVE, "pts_within": breakdown.threshold},
            "frames_since_query": breakdown.time,
            "last_occlusion_frames": breakdown.occlusion,
            "confidence": breakdown.reliability,
        }
    return plain(result)


def rows(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """One flat row a model and video, with the same columns in every row."""
    table = []
    for evaluation in evaluations:
        for video in evaluation.videos:
            row = {
                "label": evaluation.label,
                "dataset": evaluation.dataset,
                "protocol": evaluation.protocol.name,
                "query_mode": evaluation.protocol.query_mode,
                "video": video.name,
                "width": video.size[0],
                "height": video.size[1],
                "frames": video.frames,
                "tracks": video.tracks,
                "queries": video.queries,
                "seconds": video.seconds,
            }
            table.append({**row, **video.metrics})
    return table


def write_csv(evaluations: Sequence[Evaluation], path: PathLike) -> None:
    """One row a model and video; an empty field where nothing could be counted."""
    table = rows(evaluations)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(table[0]) if table else ["label", "video"])
    writer.writeheader()
    writer.writerows([{k: "" if v != v else v for k, v in row.items()} for row in table])
    with atomic_path(path) as temporary:
        Path(temporary).write_text(text.getvalue(), encoding="utf-8", newline="")


def write_json(content: Any, path: PathLike) -> None:
    """Plain containers as an indented JSON file."""
    with atomic_path(path) as temporary:
        Path(temporary).write_text(dump(content) + "\n", encoding="utf-8")


def dump(content: Any) -> str:
    """Plain containers as JSON text that any parser takes (no NaN)."""
    return json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """Nested containers with NumPy's numbers, NaN and infinity as what JSON knows."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


def _milliseconds(video: VideoResult) -> str:
    return f"{1000 * video.seconds / max(video.frames, 1):.1f}"
