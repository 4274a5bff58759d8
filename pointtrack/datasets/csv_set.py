"""Videos with tracks in one text file, a track a row: TAP-Vid's CSV layout, as of RoboTAP.

A row has no header: the video's name, then for each of T frames ``x, y, occluded``; x and y are
fractions of the picture (its outer edges are 0 and 1), and a number above 0 means hidden. The
rows of one video have the same length. The video is ``FOLDER/NAME``, with ``.mp4`` appended
unless it is there.

Where a video has fewer frames than its rows, the rows are cut. Videos of more than 1000 frames
are cut into nearly equal parts of at most as many, each a clip of its own: a track is asked for
where it is first visible in each part.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.clip import Clip, Dataset, Entry
from pointtrack.datasets.stored import naming
from pointtrack.datasets.tapvid import TapVidDataset, pickles_in
from pointtrack.errors import FormatError, VideoError
from pointtrack.files import PathLike
from pointtrack.formats.common import reading
from pointtrack.geometry import normalised_to_pixel
from pointtrack.video import open_video

LONGEST = 1000  # frames


class CsvTracks:
    """A CSV of tracks, read once for its videos' names; tracks are read when asked for.

    Parameters
    ----------
    path
        The file.
    key
        How many columns name the video.

    Attributes
    ----------
    videos : dict
        Names, as tuples of ``key`` texts, in the order of their first rows; and the places of
        their rows in the file.

    Raises
    ------
    FormatError
        When the file cannot be read or has no rows.
    """

    def __init__(self, path: PathLike, key: int = 1):
        self.path, self._key = Path(path), key
        self.videos: dict[tuple[str, ...], list[int]] = {}
        with reading(self.path, "a CSV of tracks"), self.path.open("rb") as file:
            place = 0
            for line in file:
                if line.strip():
                    name = tuple(
                        part.decode("utf-8-sig" if place == 0 else "utf-8").strip().strip('"')
                        for part in line.split(b",", key)[:key]
                    )
                    self.videos.setdefault(name, []).append(place)
                place += len(line)
            if not self.videos:
                raise FormatError("it holds no row")

    def length(self, name: tuple[str, ...]) -> int:
        """How many frames a video's first row has."""
        with reading(self.path, "a CSV of tracks"), self.path.open("rb") as file:
            file.seek(self.videos[name][0])
            return (file.readline().count(b",") + 1 - self._key) // 3

    def read(
        self, name: tuple[str, ...], frames: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """One video's tracks: ``(N, T, 2)`` fractions of the picture and ``(N, T)`` visible.

        Parameters
        ----------
        name
            One of `videos`.
        frames
            How many a row must have; default: as many as the video's first row.

        Raises
        ------
        FormatError
            When a row is of another length or holds something else than numbers.
        """
        rows = []
        with reading(self.path, "a CSV of tracks"), self.path.open("rb") as file:
            for place in self.videos[name]:
                file.seek(place)
                rows.append(self._row(file.readline().split(b",")[self._key :], name, frames))
                frames = len(rows[0])
        table = np.stack(rows)  # N T 3
        return table[..., :2], table[..., 2] <= 0

    def _row(
        self, cells: list[bytes], name: tuple[str, ...], frames: int | None
    ) -> NDArray[np.float64]:
        wanted = 3 * frames if frames is not None else len(cells) - len(cells) % 3
        if len(cells) != wanted or not cells:
            expected = f"{wanted}" if frames is not None else "a multiple of 3"
            raise FormatError(
                f"a row of {','.join(name)} has {len(cells)} numbers, expected {expected}"
            )
        try:
            return np.array(cells).astype(np.float64).reshape(-1, 3)
        except ValueError as problem:
            raise FormatError(f"a row of {','.join(name)}: {problem}") from problem


class CsvDataset(Dataset):
    """A CSV of tracks and the folder of its videos; see the module.

    Parameters
    ----------
    path
        The CSV, or a folder that holds one ``.csv``.
    videos
        The folder of the videos; default: that of the CSV.
    longest
        The most frames of a clip.

    Raises
    ------
    FormatError
        When there is no CSV, or it has no rows.
    """

    def __init__(self, path: PathLike, videos: PathLike | None = None, longest: int = LONGEST):
        self._tracks = CsvTracks(csv_in(path))
        self._base = Path(videos) if videos is not None else self._tracks.path.parent
        self._longest = longest
        self.name = self._tracks.path.resolve().stem

    def count(self) -> int | None:
        return None

    def entries(self) -> Iterator[Entry]:
        """One entry a video, or a part of a long one: ``NAME_00000`` by its first frame."""
        for name, *_ in self._tracks.videos:
            stem = name.removesuffix(".mp4")
            parts = self._parts(name)
            for part in parts:
                label = stem if len(parts) == 1 else f"{stem}_{part.start:05d}"
                yield Entry(label, partial(self._read, name, label, part))

    def _parts(self, name: str) -> list[slice]:
        """The frames of each clip of a video; all of them where reading will raise an error."""
        frames = self._tracks.length((name,))
        if frames <= self._longest:
            return [slice(0, frames)]
        try:
            with open_video(self._video(name)) as video:
                frames = min(frames, len(video))
        except VideoError:
            return [slice(0, frames)]
        number = -(-frames // self._longest)
        return [slice(i * frames // number, (i + 1) * frames // number) for i in range(number)]

    def _read(self, name: str, label: str, part: slice) -> Clip:
        points, visible = self._tracks.read((name,))
        with naming(self._tracks.path):
            video = open_video(self._video(name))[part]
            last = part.start + len(video)
            xy = normalised_to_pixel(points[:, part.start : last], video.size)
            return Clip(label, video, xy.astype(np.float64), visible[:, part.start : last])

    def _video(self, name: str) -> Path:
        return self._base / (name if name.endswith(".mp4") else f"{name}.mp4")


def open_robotap(path: PathLike) -> Dataset:
    """RoboTAP's pickles, or a CSV with its videos."""
    place = Path(path)
    if place.is_dir() and not pickles_in(place):
        return CsvDataset(place)
    return CsvDataset(place) if place.suffix.lower() == ".csv" else TapVidDataset(place)


def csv_in(path: PathLike) -> Path:
    """The CSV itself, or the only one of a folder."""
    place = Path(path)
    if not place.is_dir():
        return place
    files = sorted(place.glob("*.csv"))
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        raise FormatError(f"the folder {place} must hold one .csv of tracks, found {found}")
    return files[0]
