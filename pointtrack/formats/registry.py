"""Which track formats there are, and the two calls that use them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Protocol

from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import DEFAULT_FPS, UNKNOWN_SIZE
from pointtrack.geometry import Size
from pointtrack.tracks import Tracks


class TrackFormat(Protocol):
    """A kind of track file.

    Attributes
    ----------
    name : str
        What the user calls it, lower case.
    suffixes : tuple of str
        Ends of file names that mean this format, lower case with the dot, the usual first.
        A longer suffix wins: ``a.napari.csv`` is napari's although ``.csv`` is also known.
    summary : str
        One line for lists and help texts.
    can_read, can_write : bool
        Which of the two methods works; the other raises a `FormatError`.
    """

    name: str
    suffixes: tuple[str, ...]
    summary: str
    can_read: bool
    can_write: bool

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read a file; ``size`` and ``fps`` stand in where the file does not tell them.

        Raises `FormatError`, and nothing else, for whatever is wrong with the file.
        """
        ...

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write a file through `files.atomic_path`; raises `FormatError`."""
        ...


_formats: dict[str, TrackFormat] = {}


def register(track_format: TrackFormat) -> None:
    """Add a format; its name and its suffixes must be new."""
    taken = {suffix for known in _formats.values() for suffix in known.suffixes}
    clash = taken.intersection(track_format.suffixes)
    if track_format.name in _formats or clash:
        raise FormatError(
            f"there is already a track format for {', '.join([track_format.name, *sorted(clash)])}"
        )
    _formats[track_format.name] = track_format


def available() -> list[TrackFormat]:
    """Every format, sorted by name."""
    return [_formats[name] for name in sorted(_formats)]


def find(path: PathLike, format: str | None = None) -> TrackFormat:
    """The format called ``format``, or else the one with the longest suffix ``path`` ends in.

    Raises
    ------
    FormatError
        When there is none; the message lists what there is.
    """
    if format is not None:
        if format.lower() not in _formats:
            raise FormatError(
                f"unknown track format {format!r}; the formats are {', '.join(sorted(_formats))}"
            )
        return _formats[format.lower()]
    file_name = Path(path).name.lower()
    matches = [
        (len(suffix), known)
        for known in _formats.values()
        for suffix in known.suffixes
        if file_name.endswith(suffix)
    ]
    if not matches:
        listed = ", ".join(f"{f.suffixes[0]} ({f.name})" for f in available())
        raise FormatError(f"the suffix of {path} names no track format; known are {listed}")
    return max(matches, key=lambda match: match[0])[1]


def read(
    path: PathLike,
    format: str | None = None,
    *,
    size: Size = UNKNOWN_SIZE,
    fps: Fraction | float = DEFAULT_FPS,
) -> Tracks:
    """Read a track file.

    Parameters
    ----------
    path
        The file.
    format
        Its format's name; default: by the suffix.
    size, fps
        ``(width, height)`` and frame rate of the video, for formats whose files do not tell
        them (MOT and napari know neither). What the file says wins.

    Raises
    ------
    FormatError
        When the file is missing, damaged or of another kind.
    """
    chosen = find(path, format)
    if not chosen.can_read:
        raise FormatError(f"cannot read {path}: the format {chosen.name} can only be written")
    rate = Fraction(fps).limit_denominator(1_000_000)
    return chosen.read(path, (int(size[0]), int(size[1])), rate)


def write(tracks: Tracks, path: PathLike, format: str | None = None) -> None:
    """Write tracks to a file; the suffix picks the format unless ``format`` names one.

    Raises
    ------
    FormatError
        When the tracks lack what the format needs or the file cannot be written; an earlier
        file is then left as it was.
    """
    chosen = find(path, format)
    if not chosen.can_write:
        raise FormatError(f"cannot write {path}: the format {chosen.name} can only be read")
    chosen.write(tracks, path)
