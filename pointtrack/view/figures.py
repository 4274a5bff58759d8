"""What all plots share: a bare figure, quiet axes, labels beside their lines, and saving.

Figures are made without `matplotlib.pyplot`, so nothing global changes and they can be drawn
from any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pointtrack.errors import PointtrackError, require
from pointtrack.files import PathLike, atomic_path

DARK, MUTED, GRID = "#1F2933", "#66727F", "#E7EAEE"
TEXT = 10.0  # points

_SUFFIXES = (".png", ".svg", ".pdf")
_METADATA: dict[str, dict[str, Any]] = {  # no dates: the same input gives the same file
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def new_figure(width: float, height: float) -> Any:
    """An empty white `matplotlib.figure.Figure`, in inches."""
    require("matplotlib", "view")
    figure_module = require("matplotlib.figure", "view")
    agg = require("matplotlib.backends.backend_agg", "view")
    figure = figure_module.Figure(figsize=(width, height), facecolor="white")
    agg.FigureCanvasAgg(figure)  # attaches itself
    return figure


def quiet(axes: Any, grid: str = "y") -> None:
    """Only a light grid and the bottom line remain of the frame."""
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color("#B4BCC5")
    axes.tick_params(length=0, labelsize=TEXT - 1, labelcolor=MUTED, pad=5)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)


def heading(axes: Any, title: str, subtitle: str) -> None:
    """A title and what the vertical axis shows, both flush left above the axes."""
    axes.annotate(
        title,
        (0, 1),
        xytext=(0, 26),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=TEXT + 2,
        fontweight="bold",
        color=DARK,
    )
    axes.annotate(
        subtitle,
        (0, 1),
        xytext=(0, 11),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=TEXT - 0.5,
        color=MUTED,
    )


def label_ends(axes: Any, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names beside the right ends of lines, moved apart where they would overlap.

    Parameters
    ----------
    axes
        Axes whose limits and place in the figure are final.
    ends
        ``(x, y, text, colour)`` of each line, in data units.
    """
    if not ends:
        return
    figure = axes.get_figure()
    to_screen, screen_to = axes.transData.transform, axes.transData.inverted().transform
    heights = np.array([to_screen((x, y))[1] for x, y, _, _ in ends])
    gap = (TEXT + 2.5) * figure.dpi / 72
    right = axes.get_xlim()[1]
    edge = to_screen((right, 0))[0]
    for (_, _, text, colour), height in zip(ends, spread(heights, gap), strict=True):
        axes.annotate(
            text,
            (right, screen_to((edge, height))[1]),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=TEXT,
            color=colour,
            annotation_clip=False,
            parse_math=False,
        )


def spread(places: np.ndarray, gap: float) -> np.ndarray:
    """Move numbers apart, as little as possible, until none are closer than ``gap``."""
    order = np.argsort(places, kind="stable")
    blocks: list[list[float]] = []  # of each block: sum of wished starts, members
    for rank, index in enumerate(order):
        blocks.append([float(places[index]) - rank * gap, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, members = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += members
    moved = np.concatenate([np.full(int(m), total / m) for total, m in blocks])
    result = np.empty(len(places))
    result[order] = moved + gap * np.arange(len(places))
    return result


def save_figure(figure: Any, path: PathLike) -> None:
    """Write a figure as PNG, SVG or PDF, by suffix, replacing an earlier file at the end."""
    target = check_suffix(path)
    suffix = target.suffix.lower()
    with atomic_path(target, PointtrackError) as temporary:
        figure.savefig(
            temporary,
            format=suffix[1:],
            dpi=200,
            bbox_inches="tight",
            pad_inches=0.2,
            metadata=_METADATA[suffix],
        )


def check_suffix(path: PathLike) -> Path:
    """The path, when a plot can be written to it."""
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise PointtrackError(f"cannot write {target}: a plot ends in {', '.join(_SUFFIXES)}")
    return target
