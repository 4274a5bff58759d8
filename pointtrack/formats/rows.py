"""Tracks from rows: what the formats with one row a point and frame have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.formats.common import DEFAULT_FPS, UNKNOWN_SIZE, check_cells, fps_from_times
from pointtrack.geometry import Size
from pointtrack.tracks import Tracks

Label = str | int


def whole(text: str, what: str) -> int:
    """A whole number, also when written as ``3.0``; `FormatError` otherwise."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        raise FormatError(f"{what} is {text[:40]!r}, expected a whole number") from None
    if not value.is_integer():
        raise FormatError(f"{what} is {text[:40]}, expected a whole number")
    return int(value)


def number(text: str, what: str) -> float:
    """A number; empty means NaN; `FormatError` otherwise."""
    if not text.strip():
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise FormatError(f"{what} is {text[:40]!r}, expected a number") from None


def tracks_from_rows(
    frames: Sequence[int] | NDArray[np.int64],
    labels: Sequence[Label],
    xy: NDArray[np.floating],
    *,
    visible: Sequence[bool] | NDArray[np.bool_] | None = None,
    confidence: Sequence[float] | NDArray[np.floating] | None = None,
    radius: Sequence[float] | NDArray[np.floating] | None = None,
    times: Sequence[float] | NDArray[np.float64] | None = None,
    names: Mapping[Any, str] | None = None,
    size: Size = UNKNOWN_SIZE,
    fps: Fraction = DEFAULT_FPS,
) -> Tracks:
    """Build tracks over the frames from the first to the last that a row names.

    Parameters
    ----------
    frames, labels
        ``(R,)`` frame index and point of each row. Points are ordered by number where all
        labels are whole numbers, else as they first appear.
    xy
        ``(R, 2)`` in pixels; NaN where the row only says that the frame exists.
    visible, confidence
        ``(R,)``; default: every row with a position is visible, and as sure as visible.
    radius
        ``(R,)`` predicted error radii in pixels; NaN where not known.
    times
        ``(R,)`` seconds; NaN where not known. They decide the frame rate, too.
    names
        Name of each label; default: the label.
    size, fps
        What is known of the video.

    Raises
    ------
    FormatError
        When there are no rows, a frame is negative or a point has two rows in one frame.
    """
    if len(frames) == 0:
        raise FormatError("it has no rows")
    if not all(0 <= int(frame) < 2**62 for frame in (min(frames), max(frames))):
        raise FormatError(f"a row has frame {min(frames)} or {max(frames)}; frames count from 0")
    order = _order(labels)
    frame = np.asarray(frames, np.int64)
    first, last = int(frame.min()), int(frame.max())
    shape = (len(order), last - first + 1)
    check_cells(*shape, len(frame))
    row, column = np.array([order[label] for label in labels]), frame - first
    place = np.sort(row * shape[1] + column)
    if (np.diff(place) == 0).any():
        raise FormatError("it has two rows for one point and frame")
    filled = np.full((*shape, 2), np.nan, np.float32)
    with np.errstate(over="ignore"):  # beyond float32 becomes infinite, and so unknown
        filled[row, column] = np.asarray(xy, np.float64)
    seen = np.zeros(shape, bool)
    seen[row, column] = True if visible is None else np.asarray(visible, bool)
    sure = None
    if confidence is not None:
        sure = np.zeros(shape, np.float32)
        sure[row, column] = np.asarray(confidence, np.float64)
    radii = None
    if radius is not None:
        radii = np.full(shape, np.nan, np.float32)
        with np.errstate(over="ignore"):
            radii[row, column] = np.asarray(radius, np.float64)
    at, rate = None, fps
    if times is not None:
        at, rate = _times(column, first, np.asarray(times, np.float64), shape[1], fps)
    return Tracks(
        filled,
        seen,
        sure,  # type: ignore[arg-type]
        size=size,
        fps=rate,
        times=at,  # type: ignore[arg-type]
        start=first,
        names=tuple(str(names[label] if names is not None else label) for label in order),
        radius=radii,
    )


def _order(labels: Sequence[Label]) -> dict[Label, int]:
    distinct = list(dict.fromkeys(labels))
    with suppress(ValueError):  # names stay in the order of their first rows
        distinct.sort(key=int)
    return {label: i for i, label in enumerate(distinct)}


def _times(
    column: NDArray[np.int64],
    first: int,
    times: NDArray[np.float64],
    length: int,
    fps: Fraction,
) -> tuple[NDArray[np.float64] | None, Fraction]:
    """Each frame's time ``(T,)`` and the frame rate, from the rows' times ``(R,)``."""
    given = np.full(length, np.nan)
    finite = np.isfinite(times)
    given[column[finite]] = times[finite]
    known = np.flatnonzero(np.isfinite(given))
    rate = fps_from_times(known + first, given[known])
    if rate is None:
        return (given if len(known) == length else None), fps
    at = (first + np.arange(length)) / float(rate)
    # Frames without a row lie between their neighbours.
    between = np.interp(np.arange(length), known, given[known])
    outside = (np.arange(length) < known[0]) | (np.arange(length) > known[-1])
    return np.where(outside, at, between), rate
