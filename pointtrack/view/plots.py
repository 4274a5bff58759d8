"""`plot_tracks`: how points move and when they are seen, over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.files import PathLike
from pointtrack.tracks import Tracks
from pointtrack.view.colours import hex_code, on_white
from pointtrack.view.figures import (
    MUTED,
    TEXT,
    check_suffix,
    label_ends,
    new_figure,
    quiet,
    save_figure,
)
from pointtrack.view.style import point_colours

_AT_ONCE = 8  # more lines cannot be told apart
_ROW = 0.3  # inches a point in the timeline
_HIDDEN = "#E4E7EB"


def plot_tracks(
    tracks: Tracks,
    path: PathLike,
    points: slice | Sequence[int] | Sequence[bool] | Sequence[str] | NDArray[Any] | None = None,
    *,
    colour: Literal["position", "identity"] = "position",
) -> None:
    """Plot x, y and visibility of points over the frames.

    Lines have the hues of the overlay; where a point is occluded its line is thin and
    dotted. Below, each point has a row: its coloured height is the confidence while it is
    visible, grey is where it has a position but is occluded, and empty is where it has none.
    The axis of y runs downwards, as in the picture.

    Parameters
    ----------
    tracks
        What to plot.
    path
        ``.png``, ``.svg`` or ``.pdf``.
    points
        Which ones, as in `Tracks.select`; default: 8 spread evenly over those that have a
        position.
    colour
        As in `Style`.

    Raises
    ------
    PointtrackError
        When there is nothing to plot, a point does not exist, matplotlib is not installed,
        or the file cannot be written.
    """
    check_suffix(path)
    if colour not in ("position", "identity"):
        raise PointtrackError(f"colour must be position or identity, found {colour!r}")
    rows = _default_rows(tracks) if points is None else tracks.rows(points)
    if not rows or tracks.num_frames == 0:
        raise PointtrackError("there are no tracks to plot")
    chosen = tracks.select(rows)
    inks = [hex_code(rgb) for rgb in on_white(point_colours(tracks, colour)[rows, 0])]
    below = 0.35 + _ROW * len(rows)
    figure = new_figure(9.0, 4.9 + below)
    grid = figure.add_gridspec(
        3, 1, height_ratios=[2.3, 2.3, below], hspace=0.14, left=0.08, right=0.88
    )
    x_axes = figure.add_subplot(grid[0])
    y_axes = figure.add_subplot(grid[1], sharex=x_axes)
    timeline = figure.add_subplot(grid[2], sharex=x_axes)
    for axes, part, name in ((x_axes, 0, "x (px)"), (y_axes, 1, "y (px)")):
        _lines(axes, chosen, part, inks)
        axes.set_ylabel(name, color=MUTED, fontsize=TEXT)
        axes.tick_params(labelbottom=False)
    y_axes.invert_yaxis()
    _timeline(timeline, chosen, inks)
    first, last = tracks.frames[0], tracks.frames[-1]
    x_axes.set_xlim(first - 0.5, last + 0.5)
    timeline.set_xlabel("frame", color=MUTED, fontsize=TEXT)
    timeline.xaxis.get_major_locator().set_params(integer=True)
    figure.align_ylabels([x_axes, y_axes])
    for axes, part in ((x_axes, 0), (y_axes, 1)):
        _name_lines(axes, chosen, part, inks)
    if points is None and len(rows) < len(tracks):
        text = f"{len(rows)} of {len(tracks)} points"
        x_axes.set_title(text, loc="left", fontsize=TEXT - 1, color=MUTED)
    save_figure(figure, path)


def _default_rows(tracks: Tracks) -> list[int]:
    known = np.flatnonzero(tracks.known.any(axis=1))
    places = np.linspace(0, len(known) - 1, min(_AT_ONCE, len(known)))
    return [int(row) for row in known[np.round(places).astype(np.int64)]]


def _lines(axes: Any, tracks: Tracks, part: int, inks: Sequence[str]) -> None:
    quiet(axes)
    axes.spines["bottom"].set_visible(False)
    axes.margins(y=0.08)
    frames = np.asarray(tracks.frames)
    for value, visible, ink in zip(tracks.xy[..., part], tracks.visible, inks, strict=True):
        hidden = ~visible
        # A step between a seen and a hidden frame belongs to the hidden stretch.
        beside = hidden.copy()
        beside[1:] |= hidden[:-1]
        beside[:-1] |= hidden[1:]
        axes.plot(
            frames, np.where(beside, value, np.nan), color=ink, linewidth=1.1, alpha=0.75,
            linestyle=(0, (1, 1.6)),
        )  # fmt: skip
        seen = np.where(visible, value, np.nan)
        axes.plot(frames, seen, color=ink, linewidth=1.9, solid_capstyle="round")
        alone = visible & ~_neighbour(visible)
        axes.plot(frames[alone], value[alone], ".", color=ink, markersize=4)


def _neighbour(flag: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the frame before or after is set as well."""
    beside = np.zeros_like(flag)
    beside[1:] |= flag[:-1]
    beside[:-1] |= flag[1:]
    return beside


def _timeline(axes: Any, tracks: Tracks, inks: Sequence[str]) -> None:
    quiet(axes, grid="")
    axes.spines["bottom"].set_visible(False)
    edges = np.asarray([*tracks.frames, tracks.frames.stop]) - 0.5
    for row, ink in enumerate(inks):
        base = row + 0.36
        for height, shade in (
            (np.where(tracks.known[row] & ~tracks.visible[row], 0.72, 0), _HIDDEN),
            (np.where(tracks.visible[row], 0.1 + 0.62 * tracks.confidence[row], 0), ink),
        ):
            axes.stairs(base - height, edges, baseline=base, fill=True, color=shade, linewidth=0)
    axes.set_ylim(len(inks) - 0.5, -0.6)
    axes.set_yticks(range(len(inks)), tracks.names)
    for tick, ink in zip(axes.get_yticklabels(), inks, strict=True):
        tick.set_color(ink)
        tick.set_parse_math(False)
    axes.annotate(
        "confidence while visible, grey where occluded",
        (0, 1), xytext=(0, 5), xycoords="axes fraction", textcoords="offset points",
        fontsize=TEXT - 1, color=MUTED,
    )  # fmt: skip


def _name_lines(axes: Any, tracks: Tracks, part: int, inks: Sequence[str]) -> None:
    """Names at the lines' ends: in the margin, or within where a track ends early."""
    ends = []
    nearly = tracks.frames[-1] - 0.03 * tracks.num_frames
    for row, known in enumerate(tracks.known):
        last = int(np.flatnonzero(known)[-1]) if known.any() else None
        if last is None:
            continue
        x, y = float(tracks.frames[last]), float(tracks.xy[row, last, part])
        if x >= nearly:
            ends.append((x, y, tracks.names[row], inks[row]))
        else:
            axes.annotate(
                tracks.names[row], (x, y), xytext=(5, 0), textcoords="offset points",
                va="center", fontsize=TEXT - 1, color=inks[row], parse_math=False,
            )  # fmt: skip
    label_ends(axes, ends)
