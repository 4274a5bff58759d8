"""What several track formats share: one kind of error, text files, frame rates."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import PathLike, atomic_path, reason
from pointtrack.geometry import Size
from pointtrack.tracks import Tracks

UNKNOWN_SIZE: Size = (0, 0)
DEFAULT_FPS = Fraction(25)

# A damaged frame number must not make us allocate the machine's memory.
_MOST_CELLS = 100_000_000


@contextmanager
def reading(path: PathLike, what: str) -> Iterator[None]:
    """Turn whatever goes wrong in the block into one `FormatError` that names the file.

    The parsers inside work on text and numbers from anywhere, so every exception they can
    meet (a short zip, a huge integer, too deep a nesting) means the same thing: the file is
    not what it should be.
    """
    try:
        yield
    except PointtrackError as problem:
        if isinstance(problem, FormatError) and str(path) in str(problem):
            raise  # from an inner block, which has said it all
        raise FormatError(f"{path} is not {what}: {_one_line(problem)}") from problem
    except OSError as problem:
        # Parsers raise it without a number, or seek to places that cannot be.
        if problem.errno in (None, errno.EINVAL):
            raise FormatError(f"{path} is not {what}: {_one_line(problem)}") from problem
        raise FormatError(f"cannot read {path}: {reason(problem)}") from problem
    except UnicodeDecodeError as problem:
        raise FormatError(f"{path} is not {what}: it is not UTF-8 text") from problem
    except Exception as problem:
        raise FormatError(f"{path} is not {what}: {_one_line(problem)}") from problem


def _one_line(problem: Exception) -> str:
    words = " ".join(str(problem).split())
    return words[:300] if words else type(problem).__name__


def read_text(path: PathLike) -> str:
    """A whole UTF-8 file, with or without a byte-order mark, line ends as they are."""
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return file.read()


def write_text(path: PathLike, text: str) -> None:
    """Write a whole UTF-8 file at once or not at all."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise FormatError(
            f"cannot write {path}: a name has a character that UTF-8 does not know"
        ) from problem
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def need_size(tracks: Tracks, path: PathLike) -> Size:
    """The video's size, or a `FormatError` that says the format cannot do without."""
    if min(tracks.size) < 1:
        raise FormatError(
            f"cannot write {path}: the format needs the size of the video, "
            "which these tracks do not know"
        )
    return tracks.size


def need_tracks(tracks: Tracks, path: PathLike) -> None:
    """Raise a `FormatError` when there is nothing to write."""
    if len(tracks) == 0 or tracks.num_frames == 0:
        raise FormatError(f"cannot write {path}: the format cannot hold tracks without points")


def check_cells(points: int, frames: int, rows: int) -> None:
    """Raise a `FormatError` when a file of ``rows`` rows spans an absurd range of frames."""
    if points * frames > max(_MOST_CELLS, 100 * rows):
        raise FormatError(f"{rows} rows span {frames} frames of {points} points")


def decimal(value: float, places: int = 6) -> str:
    """A number with at most so many decimals and no trailing zeros."""
    return f"{value:.{places}f}".rstrip("0").rstrip(".")


def pixels(value: float) -> str:
    """A coordinate to 0.0001 px, which is what float32 resolves in a large picture."""
    return decimal(value, 4)


def shortest(values: NDArray[np.float32]) -> list[float]:
    """``(n,)`` float32 as the Python numbers with the fewest digits that mean the same."""
    return values.astype("U").astype(np.float64).tolist()


def fps_from_text(text: str) -> Fraction:
    """A positive frame rate: ``25``, ``30000/1001``; decimals near NTSC's rates mean those."""
    try:
        fps = Fraction(text.strip())
    except (ValueError, ZeroDivisionError):
        raise FormatError(f"the frame rate is {text.strip()[:40]!r}, expected a number") from None
    if not 0 < fps < 1_000_000:
        raise FormatError(f"the frame rate is {text.strip()[:40]}, expected a positive number")
    for base in (24, 30, 48, 60, 120):
        ntsc = Fraction(base * 1000, 1001)
        # 23.976, 29.97 and 59.94 are how programs write these; 23.98 is seen, too.
        if "/" not in text and abs(fps - ntsc) <= Fraction(5, 1000):
            return ntsc
    return fps.limit_denominator(1_000_000)


def fps_from_times(frames: NDArray[np.int64], times: NDArray[np.float64]) -> Fraction | None:
    """The frame rate that places ``frames`` at ``times``, both ``(T,)`` and ascending.

    Exact where the times are those of a constant rate in full precision; else the average.
    None where the times do not tell, as with a single frame at time 0.
    """
    if len(frames) == 0 or not np.isfinite(times).all():
        return None
    # From zero first: over few late frames the difference would lose digits.
    for frame, time in ((frames, times), (frames - frames[0], times - times[0])):
        if frame[-1] <= 0 or time[-1] <= 0:
            continue
        average = Fraction(float(frame[-1] / time[-1]))
        for limit in (1, 1001, 1_000_000):
            guess = average.limit_denominator(limit)
            if guess > 0 and np.abs(time * float(guess) - frame).max() < 1e-6:
                return guess
    rate = (frames[-1] - frames[0]) / (times[-1] - times[0]) if times[-1] > times[0] else 0.0
    guess = Fraction(float(rate)).limit_denominator(1001)
    return guess if guess > 0 else None
