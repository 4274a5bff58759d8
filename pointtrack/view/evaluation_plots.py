"""Plots of evaluation results, from plain dictionaries: one entry a tracker.

``results`` maps each tracker's name, as it shall be written, to its numbers; the order gives
the colours. Accuracies are shares from 0 to 1, as `pointtrack.metrics` returns them, and are
shown in percent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError, require
from pointtrack.files import PathLike
from pointtrack.view.colours import PALETTE, palette_colour
from pointtrack.view.figures import (
    MUTED,
    TEXT,
    check_suffix,
    heading,
    label_ends,
    new_figure,
    quiet,
    save_figure,
)

# Where a name may stand beside its dot: offset in points, alignment; the best first.
_SIDES = (
    ((9, 0), "left", "center"),
    ((6, 6), "left", "bottom"),
    ((6, -6), "left", "top"),
    ((-9, 0), "right", "center"),
    ((0, 9), "center", "bottom"),
    ((0, -9), "center", "top"),
    ((-6, 6), "right", "bottom"),
    ((-6, -6), "right", "top"),
)

Results = Mapping[str, Mapping[str, Any]]

_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.6)), (0, (1.2, 1.4)))  # after each round of colours
_TICKS = 8  # more thresholds than this: a curve with powers of two below it
_BARS = "#D5DAE0"


def plot_accuracy_over_threshold(results: Results, path: PathLike) -> None:
    """Plot how many visible points lie within a distance of the truth, over the distance.

    Parameters
    ----------
    results
        For each tracker ``"thresholds"`` ``(K,)``, distances in pixels at 256 x 256, positive
        and increasing, and ``"accuracy"`` ``(K,)``, from `metrics.accuracy_per_threshold`.
    path
        ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    PointtrackError
        When a tracker's numbers are missing or do not fit together, or matplotlib is not
        installed.
    """
    check_suffix(path)
    curves = {}
    for name, numbers in _trackers(results):
        at, value = _column(name, numbers, "thresholds"), _share(name, numbers, "accuracy")
        if at.shape != value.shape or not (at > 0).all() or not (np.diff(at) > 0).all():
            raise PointtrackError(
                f"{name}: thresholds must be positive, increasing and as many as accuracies"
            )
        curves[name] = (np.log2(at), 100 * value)
    figure = new_figure(7.2, 4.4)
    axes = figure.add_axes((0.08, 0.12, 0.72, 0.72))
    _curves(axes, curves, markers=max(len(x) for x, _ in curves.values()) <= _TICKS)
    ticks = np.unique(np.concatenate([x for x, _ in curves.values()]))
    if len(ticks) > _TICKS:
        ticks = np.arange(np.ceil(ticks[0]), np.floor(ticks[-1]) + 1)
    axes.set_xticks(ticks, [f"{2.0**tick:g}" for tick in ticks])
    axes.set_xlabel("threshold (px at 256 x 256)", color=MUTED, fontsize=TEXT, labelpad=7)
    heading(axes, "Position accuracy", "% of visible points within the threshold")
    _name_curves(axes, curves)
    save_figure(figure, path)


def plot_accuracy_over_time(results: Results, path: PathLike) -> None:
    """Plot the accuracy over the frames that have passed since the query.

    Parameters
    ----------
    results
        For each tracker what `metrics.accuracy_by_group` or `metrics.pool_groups` returns;
        used are ``"lower"`` and ``"upper"`` ``(K,)``, the edges of the groups,
        ``"average_pts_within_thresh"`` ``(K,)`` and ``"frames"`` ``(K,)``, how many frames
        each group holds, which is drawn below.
    path
        ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    PointtrackError
        As in `plot_accuracy_over_threshold`, and when trackers differ in ``lower``, ``upper``
        or ``frames``: accuracies over different frames do not compare.
    """
    _plot_groups(results, path, "Accuracy over time", "frames since the query", "")


def plot_accuracy_over_occlusion(results: Results, path: PathLike) -> None:
    """Plot the accuracy over the length of the last occlusion that a point came back from.

    Arguments and errors as in `plot_accuracy_over_time`; a first group from 0 to 1 holds the
    points that were never occluded since their query.
    """
    _plot_groups(
        results, path, "Accuracy after an occlusion", "length of the last occlusion, frames", "none"
    )


def plot_reliability(results: Results, path: PathLike) -> None:
    """Plot how often a tracker is right over how sure it says it is.

    Parameters
    ----------
    results
        For each tracker what `metrics.reliability` or `metrics.pool_groups` returns. Groups
        without a value are left out; dots grow with the number of values that they stand for.
    path
        ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    PointtrackError
        As in `plot_accuracy_over_threshold`.
    """
    check_suffix(path)
    figure = new_figure(5.6, 5.2)
    axes = figure.add_axes((0.11, 0.11, 0.62, 0.76))
    quiet(axes, grid="both")
    axes.plot([0, 100], [0, 100], color="#C6CDD5", linewidth=1.2, zorder=1)
    axes.fill_between([0, 100], [-5, 95], [5, 105], color="#C6CDD5", alpha=0.25, linewidth=0)
    for place, (name, numbers) in enumerate(_trackers(results)):
        stated, share = (_share(name, numbers, key) for key in ("confidence", "share"))
        frames = _column(name, numbers, "frames")
        if not len(stated) == len(share) == len(frames):
            raise PointtrackError(f"{name}: confidence, share and frames differ in length")
        full = frames > 0
        colour = palette_colour(place)
        area = 12 + 140 * np.sqrt(frames[full] / max(frames.sum(), 1))
        axes.plot(100 * stated[full], 100 * share[full], color=colour, linewidth=1.4, zorder=2)
        axes.scatter(
            100 * stated[full], 100 * share[full], s=area, color=colour, zorder=3, label=name
        )
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xlabel("stated confidence, %", color=MUTED, fontsize=TEXT, labelpad=7)
    heading(axes, "Reliability", "% visible and within 8 px (at 256 x 256); band: 5 points")
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=TEXT, markerscale=0.8
    )
    save_figure(figure, path)


def plot_speed_accuracy(results: Results, path: PathLike) -> None:
    """Plot accuracy against speed; a thin line joins the trackers that no other one beats.

    Parameters
    ----------
    results
        For each tracker ``"fps"``, frames per second, and ``"average_jaccard"``.
    path
        ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    PointtrackError
        As in `plot_accuracy_over_threshold`.
    """
    check_suffix(path)
    names, places = [], []
    for name, numbers in _trackers(results):
        fps = _number(name, numbers, "fps")
        score = _number(name, numbers, "average_jaccard")
        _check_share(name, "average_jaccard", score)
        if fps <= 0:
            raise PointtrackError(f"{name}: fps must be positive, found {fps:g}")
        names.append(name)
        places.append((fps, 100 * score))
    xy = np.array(places)  # M 2
    figure = new_figure(7.2, 4.4)
    axes = figure.add_axes((0.08, 0.12, 0.84, 0.72))
    quiet(axes, grid="both")
    axes.set_xscale("log")
    axes.set_xlim(xy[:, 0].min() / 1.8, xy[:, 0].max() * 1.8)
    room = max(np.ptp(xy[:, 1]) * 0.18, 1.5)
    axes.set_ylim(max(xy[:, 1].min() - room, 0), min(xy[:, 1].max() + room, 101))
    _plain_log_ticks(axes)
    front = _front(xy)
    axes.plot(*xy[front].T, color="#C6CDD5", linewidth=1.2, zorder=1)
    colours = [palette_colour(i) for i in range(len(xy))]
    axes.scatter(*xy.T, s=64, c=colours, edgecolor="white", linewidth=1.2, zorder=3)
    axes.set_xlabel("frames per second", color=MUTED, fontsize=TEXT, labelpad=7)
    heading(axes, "Speed and accuracy", "average Jaccard, %")
    _name_dots(axes, xy, names, colours, front)
    save_figure(figure, path)


# -- checking ------------------------------------------------------------------------------


def _trackers(results: Results) -> list[tuple[str, Mapping[str, Any]]]:
    if not results:
        raise PointtrackError("there are no results to plot")
    return [(str(name), numbers) for name, numbers in results.items()]


def _column(name: str, numbers: Mapping[str, Any], key: str) -> NDArray[np.float64]:
    if key not in numbers:
        raise PointtrackError(
            f"{name}: {key!r} is missing; there are {', '.join(numbers) or 'none'}"
        )
    column = np.asarray(numbers[key], np.float64)
    if column.ndim != 1 or len(column) == 0:
        raise PointtrackError(f"{name}: {key!r} must be a list of numbers, found {numbers[key]!r}")
    return column


def _share(name: str, numbers: Mapping[str, Any], key: str) -> NDArray[np.float64]:
    column = _column(name, numbers, key)
    _check_share(name, key, column)
    return column


def _check_share(name: str, key: str, value: ArrayLike) -> None:
    known = np.atleast_1d(np.asarray(value, np.float64))
    known = known[~np.isnan(known)]  # an empty group
    if len(known) and not (known.min() >= 0 and known.max() <= 1):
        raise PointtrackError(
            f"{name}: {key!r} must be within 0 and 1, found {known.min():g} to {known.max():g}"
        )


def _number(name: str, numbers: Mapping[str, Any], key: str) -> float:
    if key not in numbers:
        raise PointtrackError(
            f"{name}: {key!r} is missing; there are {', '.join(numbers) or 'none'}"
        )
    value = np.asarray(numbers[key], np.float64)
    if value.ndim or not np.isfinite(value):
        raise PointtrackError(f"{name}: {key!r} must be a number, found {numbers[key]!r}")
    return float(value)


# -- groups --------------------------------------------------------------------------------


def _plot_groups(results: Results, path: PathLike, title: str, axis: str, first: str) -> None:
    check_suffix(path)
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    shared: dict[str, NDArray[np.float64]] = {}
    for name, numbers in _trackers(results):
        value = _share(name, numbers, "average_pts_within_thresh")
        for key in ("lower", "upper", "frames"):
            column = _column(name, numbers, key)
            if len(column) != len(value):
                raise PointtrackError(f"{name}: {key!r} has {len(column)} groups, not {len(value)}")
            if not np.array_equal(column, shared.setdefault(key, column)):
                raise PointtrackError(f"{name} and {next(iter(curves))} differ in {key!r}")
        curves[name] = (np.arange(len(value), dtype=np.float64), 100 * value)
    figure = new_figure(7.2, 4.9)
    axes = figure.add_axes((0.08, 0.29, 0.72, 0.57))
    _curves(axes, curves, markers=True)
    places = np.arange(len(shared["frames"]))
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.tick_params(labelbottom=False)
    heading(axes, title, "% of visible points within 1, 2, 4, 8 and 16 px, averaged")
    bars = figure.add_axes((0.08, 0.12, 0.72, 0.12), sharex=axes)
    quiet(bars, grid="")
    bars.bar(places, shared["frames"], width=0.62, color=_BARS)
    bars.set_yticks([])
    bars.set_ylim(0, max(shared["frames"].max(), 1) * 1.5)
    for place, count in zip(places, shared["frames"], strict=True):
        bars.annotate(
            _short(count), (place, count), xytext=(0, 2), textcoords="offset points",
            ha="center", fontsize=TEXT - 2.5, color=MUTED,
        )  # fmt: skip
    edges = zip(shared["lower"], shared["upper"], strict=True)
    labels = [_group(low, high) for low, high in edges]
    if first and labels[0] == "0":
        labels[0] = first
    bars.set_xticks(places, labels)
    bars.tick_params(labelbottom=True)
    bars.set_xlabel(axis, color=MUTED, fontsize=TEXT, labelpad=7)
    bars.annotate(
        "frames", (1, 0.5), xytext=(8, 0), xycoords="axes fraction", textcoords="offset points",
        va="center", fontsize=TEXT - 1, color=MUTED,
    )  # fmt: skip
    _name_curves(axes, curves)
    save_figure(figure, path)


def _group(low: float, high: float) -> str:
    """``[4, 8)`` as "4–7", ``[1, 2)`` as "1", ``[64, inf)`` as "64+"."""
    if np.isinf(high):
        return f"{low:g}+"
    whole = float(low).is_integer() and float(high).is_integer()
    top = high - 1 if whole else high
    return f"{low:g}" if top == low else f"{low:g}–{top:g}"


def _short(count: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g}{unit}"
    return f"{count:g}"


# -- drawing -------------------------------------------------------------------------------

_Curves = Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


def _curves(axes: Any, curves: _Curves, markers: bool) -> None:
    quiet(axes)
    for index, (x, y) in enumerate(curves.values()):
        axes.plot(
            x, y,
            color=palette_colour(index),
            linestyle=_DASHES[index // len(PALETTE) % len(_DASHES)],
            linewidth=2, solid_capstyle="round", clip_on=False,
            marker="o" if markers else None, markersize=6,
            markeredgecolor="white", markeredgewidth=1.1,
        )  # fmt: skip
    every = np.concatenate([y for _, y in curves.values()])
    known = every[np.isfinite(every)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 100.0)
    axes.set_ylim(max(np.floor((low - 3) / 10) * 10, 0), min(np.ceil((high + 3) / 10) * 10, 101))
    axes.margins(x=0.03)
    axes.autoscale_view(scaley=False)


def _name_curves(axes: Any, curves: _Curves) -> None:
    ends = []
    for index, (name, (x, y)) in enumerate(curves.items()):
        known = np.flatnonzero(np.isfinite(y))
        if len(known):
            ends.append((x[known[-1]], y[known[-1]], name, palette_colour(index)))
    label_ends(axes, ends)


def _front(xy: NDArray[np.float64]) -> list[int]:
    """Indices, slowest first, of the trackers that no faster one equals in accuracy."""
    best, front = -np.inf, []
    for index in np.lexsort((-xy[:, 1], -xy[:, 0])):
        if xy[index, 1] > best:
            best = xy[index, 1]
            front.append(int(index))
    return front[::-1]


def _plain_log_ticks(axes: Any) -> None:
    ticker = require("matplotlib.ticker", "view")
    low, high = axes.get_xlim()
    steps = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
    axes.xaxis.set_major_locator(ticker.LogLocator(base=10, subs=steps))
    axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(ticker.NullLocator())
    axes.set_xlim(low, high)


def _name_dots(
    axes: Any,
    xy: NDArray[np.float64],
    names: Sequence[str],
    inks: Sequence[str],
    front: Sequence[int],
) -> None:
    """Write each name on the side of its dot that is freest of dots, names and the front."""
    figure = axes.get_figure()
    renderer = figure.canvas.get_renderer()
    dots = axes.transData.transform(xy)
    obstacles = [(x, y, x, y) for x, y in _along(dots[front])]
    reach = 5 * figure.dpi / 72
    taken = [(x - reach, y - reach, x + reach, y + reach) for x, y in dots]
    for index in np.argsort(-xy[:, 1]):
        text = axes.annotate(
            names[index], xy[index], xytext=(9, 0), textcoords="offset points",
            fontsize=TEXT, color=inks[index], annotation_clip=False, parse_math=False,
        )  # fmt: skip
        others = [box for i, box in enumerate(taken) if i != index]
        options = []
        for rank, (offset, across, along) in enumerate(_SIDES):
            text.set(position=offset, ha=across, va=along)
            box = tuple(text.get_window_extent(renderer).extents)
            cost = 10 * sum(_overlap(box, other) for other in others)
            cost += 10 * (box[0] < axes.bbox.x0 or box[2] > figure.bbox.x1)
            cost += any(_overlap(box, place) for place in obstacles)
            options.append((cost, rank, box))
        _, rank, box = min(options)
        offset, across, along = _SIDES[rank]
        text.set(position=offset, ha=across, va=along)
        taken.append(box)


def _along(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Many places on the line through ``(K, 2)`` corners."""
    at = np.linspace(0, len(corners) - 1, 60 * len(corners))
    return np.stack([np.interp(at, np.arange(len(corners)), c) for c in corners.T], axis=1)


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
