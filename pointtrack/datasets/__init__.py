"""Videos with true tracks, read one clip at a time from benchmarks and from your own folders."""

from __future__ import annotations

from pathlib import Path

from pointtrack.datasets.clip import Clip, Dataset, Entry, FrameMaps
from pointtrack.datasets.folder import FolderDataset, videos_in
from pointtrack.datasets.frames import resize_frames
from pointtrack.datasets.tapvid import PICKLE_SUFFIXES, TapVidDataset, pickles_in
from pointtrack.errors import FormatError
from pointtrack.files import PathLike

__all__ = [
    "FORMATS",
    "Clip",
    "Dataset",
    "Entry",
    "FolderDataset",
    "FrameMaps",
    "TapVidDataset",
    "open_dataset",
    "resize_frames",
]

FORMATS: dict[str, type[TapVidDataset] | type[FolderDataset]] = {
    "tapvid": TapVidDataset,
    "folder": FolderDataset,
}


def open_dataset(path: PathLike, format: str | None = None) -> Dataset:
    """Open a data set; nothing is read before it is asked for.

    Parameters
    ----------
    path
        A TAP-Vid pickle or a folder of them (see `TapVidDataset`); or a video, or a folder of
        videos, with track files beside them (see `pointtrack.datasets.folder`).
    format
        ``"tapvid"`` or ``"folder"``; default: by what is there.

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
    if format not in FORMATS:
        raise FormatError(
            f"there is no data set format {format!r}; there are: {', '.join(FORMATS)}"
        )
    return FORMATS[format](place)


def _guess(place: Path) -> str:
    if place.is_file():
        return "tapvid" if place.suffix.lower() in PICKLE_SUFFIXES else "folder"
    return "tapvid" if not videos_in(place) and pickles_in(place) else "folder"
