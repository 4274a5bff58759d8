"""Videos with true tracks, read one clip at a time from benchmarks and from your own folders."""

from __future__ import annotations

from pathlib import Path

from pointtrack.datasets.cards import DatasetCard
from pointtrack.datasets.catalog import CARDS, card_of, open_named
from pointtrack.datasets.clip import Clip, Dataset, Entry, FrameMaps, Problem
from pointtrack.datasets.folder import FolderDataset, videos_in
from pointtrack.datasets.frames import resize_frames
from pointtrack.datasets.tapvid import PICKLE_SUFFIXES, TapVidDataset, pickles_in
from pointtrack.errors import FormatError
from pointtrack.files import PathLike

__all__ = [
    "CARDS",
    "FORMATS",
    "Clip",
    "Dataset",
    "DatasetCard",
    "Entry",
    "FolderDataset",
    "FrameMaps",
    "Problem",
    "TapVidDataset",
    "card_of",
    "open_dataset",
    "resize_frames",
]

# "tapvid" is any pickle of TAP-Vid's kind; the other names are those of the catalog's cards.
FORMATS: tuple[str, ...] = ("tapvid", *CARDS)


def open_dataset(path: PathLike, format: str | None = None) -> Dataset:
    """Open a data set; nothing is read before it is asked for.

    Parameters
    ----------
    path
        A copy of a data set; or a video, or a folder of videos, with track files beside them
        (see `pointtrack.datasets.folder`).
    format
        Which data set it is, by the name of its card (see `pointtrack.datasets.catalog`), such
        as ``"badja"``; ``"tapvid"`` for any TAP-Vid pickle or folder of them; ``"folder"`` for
        your own videos. Default: one of the last two, by what is there.

    Raises
    ------
    FormatError
        When there is nothing at ``path``, the format is unknown or no video is found.
    """
    place = Path(path)
    if not place.exists():
        raise FormatError(f"there is no data set {place}")
    if format is None:
        format = _guess(place)
    if format == "tapvid":
        return TapVidDataset(place)
    if format == "folder":
        return FolderDataset(place)
    if format not in FORMATS:
        raise FormatError(
            f"there is no data set format {format!r}; there are: {', '.join(FORMATS)}"
        )
    return open_named(format, place)


def _guess(place: Path) -> str:
    if place.is_file():
        return "tapvid" if place.suffix.lower() in PICKLE_SUFFIXES else "folder"
    return "tapvid" if not videos_in(place) and pickles_in(place) else "folder"
