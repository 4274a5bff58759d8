"""Annotated tracks from a track file, brought into the shape of their video."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack import formats
from pointtrack.datasets.clip import Clip
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.formats.common import reading
from pointtrack.queries import Queries
from pointtrack.tracks import Tracks
from pointtrack.video import Video


def read_clip(name: str, video: Video, path: Path) -> Clip:
    """Join a video with the tracks of a file.

    Any format that `pointtrack.formats` reads will do. A frame in which a track has no
    position is not valid, and neither are frames before and after those the file covers.

    A plain NumPy archive works too: ``xy`` (N, T, 2) in pixels with the centre of the top-left
    pixel at (0, 0) and ``visible`` (N, T), both for all frames, and where wanted ``valid``
    (N, T), ``size`` (width, height) and ``query`` (N, 3) rows of (t, x, y).

    Raises
    ------
    FormatError
        When the file is damaged or does not belong to the video; the message names it.
    """
    try:
        plain = _plain(path)
        if plain is None:
            return _from_tracks(name, video, formats.read(path, size=video.size, fps=video.fps))
        with reading(path, "an archive of tracks"):
            return _from_arrays(name, video, plain)
    except PointtrackError as problem:
        text = str(problem)
        raise FormatError(text if str(path) in text else f"{path}: {text}") from problem


def _plain(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays of an archive that `Tracks.save` did not write; None for everything else."""
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return None
    with reading(path, "an archive of tracks"), np.load(path, allow_pickle=False) as archive:
        names = set(archive.files)
        if not {"xy", "visible"} <= names or "confidence" in names:
            return None
        return {n: archive[n] for n in ("xy", "visible", "valid", "size", "query") if n in names}


def _from_arrays(name: str, video: Video, arrays: dict[str, NDArray[Any]]) -> Clip:
    if "size" in arrays:
        _check_size(tuple(arrays["size"].reshape(-1).tolist()), video)
    queries = Queries(arrays["query"]) if "query" in arrays else None
    valid = arrays.get("valid", np.ones(arrays["visible"].shape, bool))
    return Clip(name, video, arrays["xy"], arrays["visible"], valid, queries)


def _from_tracks(name: str, video: Video, tracks: Tracks) -> Clip:
    if min(tracks.size) > 0:
        _check_size(tracks.size, video)
    frames, last = len(video), tracks.start + tracks.num_frames
    if last > frames:
        raise FormatError(
            f"the tracks cover frames {tracks.start} to {last - 1}, "
            f"but the video has frames 0 to {frames - 1}"
        )
    around = ((0, 0), (tracks.start, frames - last))
    xy = np.pad(tracks.xy.astype(np.float64), (*around, (0, 0)), constant_values=np.nan)
    own = tracks.queries
    single = own is not None and own.point.tolist() == list(range(len(tracks)))
    return Clip(
        name,
        video,
        xy,
        np.pad(tracks.visible, around),
        np.pad(tracks.known, around),
        own if single else None,
    )


def _check_size(size: tuple[Any, ...], video: Video) -> None:
    if tuple(size) != video.size:
        raise FormatError(
            f"the tracks are of a {'x'.join(map(str, size))} video, "
            f"but {video.name} is {video.width}x{video.height}"
        )
