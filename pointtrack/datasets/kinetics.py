"""TAP-Vid-Kinetics: its CSV of tracks with a folder of clips, read directly or built into pickles.

Doersch et al., "TAP-Vid", NeurIPS 2022. The published part is a CSV without a header: YouTube
id, first second, last second, and for each of 250 frames ``x, y, occluded``, where x and y are
fractions of the picture. The clips are Kinetics-700's, anywhere below one folder, called
``ID_SSSSSS_EEEEEE.mp4`` with the seconds in six digits. Missing ones are left out.

Frames are taken at 25 a second, 250 at most; where there are fewer, the tracks are cut. The
published way of building the pickles moves every point by half a pixel, ``x - 0.5 / W``, which
no other set does. It is done here on both ways, because published numbers contain it.

`KineticsDataset` decodes the clips' own frames. `build` writes the benchmark's ten pickles, with
frames as JPEG, which `TapVidDataset` reads; frames differ a little between versions of FFmpeg,
which moves results in their second decimal.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.clip import Clip, Dataset, Entry, Problem
from pointtrack.datasets.csv_set import CsvTracks, csv_in
from pointtrack.datasets.resampled import ResampledSource, jpeg_pictures
from pointtrack.datasets.stored import folder_at, naming, read_json
from pointtrack.datasets.tapvid import TapVidDataset, pickles_in
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import PathLike, atomic_path, reason
from pointtrack.geometry import Size, normalised_to_pixel
from pointtrack.video import Video

FPS = 25
FRAMES = 250
SHARDS = 10
_PLAN = "build.json"
_PICKLE_PROTOCOL = 4

Key = tuple[str, ...]  # YouTube id, first second, last second


class KineticsDataset(Dataset):
    """The CSV's clips that are there, without building pickles; see the module.

    Parameters
    ----------
    path
        The CSV, or a folder that holds it.
    clips
        The folder of the clips; default: that of the CSV.

    Raises
    ------
    FormatError
        When there is no CSV, two clips have one name, or not one of them is there.
    """

    name = "tapvid-kinetics"

    def __init__(self, path: PathLike, clips: PathLike | None = None):
        file = csv_in(path)
        place = folder_at(clips if clips is not None else file.parent)
        self._tracks = CsvTracks(file, key=3)
        self._there, self._missing = find_clips(self._tracks, place)
        if not self._there:
            raise FormatError(
                f"of the {len(self._missing)} clips of {file} none is below {place}, "
                f"such as {self._missing[0]}"
            )

    def count(self) -> int:
        return len(self._there)

    def entries(self) -> Iterator[Entry]:
        """One entry a clip that is there, in the order of the CSV."""
        for key, path in self._there.items():
            yield Entry(path.stem, partial(self._read, key, path))

    def gaps(self) -> Iterator[Problem]:
        """The clips that are missing."""
        for name in self._missing:
            yield Problem(self.name, f"there is no clip {name}")

    def _read(self, key: Key, path: Path) -> Clip:
        points, visible = self._tracks.read(key, FRAMES)
        with naming(path):
            video = Video(ResampledSource(path, FPS, FRAMES))
            shifted = half_pixel_less(points[:, : len(video)], video.size)
            xy = np.asarray(normalised_to_pixel(shifted, video.size), np.float64)
            return Clip(path.stem, video, xy, visible[:, : len(video)])


def open_kinetics(path: PathLike) -> Dataset:
    """The pickles of a folder, or its CSV with the clips below the folder."""
    place = Path(path)
    if place.is_dir() and not pickles_in(place):
        return KineticsDataset(place)
    return KineticsDataset(place) if place.suffix.lower() == ".csv" else TapVidDataset(place)


def find_clips(tracks: CsvTracks, folder: Path) -> tuple[dict[Key, Path], list[str]]:
    """The files of a CSV's clips, and the names of those that are missing.

    Raises
    ------
    FormatError
        When a row's seconds are no whole numbers, or a clip is there twice.
    """
    files: dict[str, Path] = {}
    twice: dict[str, Path] = {}
    for place, _, names in os.walk(folder):
        for name in sorted(names):
            if name.endswith(".mp4"):
                path = Path(place) / name
                if files.setdefault(name, path) != path:
                    twice[name] = path
    there: dict[Key, Path] = {}
    missing = []
    for key in tracks.videos:
        name = clip_name(key, tracks.path)
        if name in twice:
            raise FormatError(f"there are two clips {name}: {files[name]} and {twice[name]}")
        if name in files:
            there[key] = files[name]
        else:
            missing.append(name)
    return there, missing


def clip_name(key: Key, where: PathLike) -> str:
    """The file name of a clip: ``ID_SSSSSS_EEEEEE.mp4``."""
    if len(key) != 3 or not (key[1].isdecimal() and key[2].isdecimal()):
        raise FormatError(
            f"{where}: a row begins with {','.join(key)[:60]!r}, expected YouTube id, first and "
            "last second"
        )
    return f"{key[0]}_{int(key[1]):06d}_{int(key[2]):06d}.mp4"


def half_pixel_less(points: NDArray[np.float64], size: Size) -> NDArray[np.float64]:
    """The published build's ``(x W - 0.5) / W`` and ``(y H - 0.5) / H``; ``(..., 2)``."""
    sides = np.asarray(size, np.float64)
    return (points * sides - 0.5) / sides


# -- building the pickles ------------------------------------------------------------------


@dataclass(frozen=True)
class BuildReport:
    """What `build` did.

    Attributes
    ----------
    written, kept
        Shards that were made now, and that were there already.
    missing
        Names of clips that are not below the folder.
    broken
        Clips that could not be read, and why; they are in no shard.
    """

    written: list[Path]
    kept: list[Path]
    missing: list[str]
    broken: list[Problem]


class _Shard(NamedTuple):
    path: Path
    clips: list[Key]


def build(
    csv: PathLike,
    clips: PathLike,
    out: PathLike,
    *,
    shards: int = SHARDS,
    progress: Callable[[int, int], None] | None = None,
) -> BuildReport:
    """Build TAP-Vid-Kinetics' pickles.

    Shards are written one by one, each under a temporary name first. The same call after an
    interruption goes on with the shards that are not there yet.

    Parameters
    ----------
    csv, clips
        ``tapvid_kinetics.csv`` and the folder of the clips.
    out
        The folder for ``0000_of_0010.pkl`` and so on; made when it is not there.
    shards
        How many there are; all hold equally many clips, save the last.
    progress
        Called with (clips done, clips in all).

    Raises
    ------
    FormatError
        When there is no CSV or no clip, a shard cannot be written, or ``out`` holds shards of
        another CSV or of other clips.
    """
    tracks, place = CsvTracks(csv_in(csv), key=3), Path(out)
    there, missing = find_clips(tracks, folder_at(clips))
    if not there:
        raise FormatError(f"of the {len(missing)} clips of {csv} none is below {clips}")
    plan = _plan(list(there), shards, place)
    _begin(place, tracks.path, plan)
    report = BuildReport([], [], missing, [])
    done = 0
    for shard in plan:
        if shard.path.exists():
            report.kept.append(shard.path)
            done += len(shard.clips)
        else:
            examples = []
            for key in shard.clips:
                try:
                    examples.append(_example(tracks, key, there[key]))
                except PointtrackError as problem:
                    report.broken.append(Problem(there[key].stem, str(problem)))
                done += 1
                if progress is not None:
                    progress(done, len(there))
            with atomic_path(shard.path) as temporary, temporary.open("wb") as file:
                pickle.dump(examples, file, protocol=_PICKLE_PROTOCOL)
            report.written.append(shard.path)
        if progress is not None:
            progress(done, len(there))
    return report


def _plan(keys: Sequence[Key], shards: int, place: Path) -> list[_Shard]:
    size = -(-len(keys) // shards)
    return [
        _Shard(place / f"{i:04d}_of_{shards:04d}.pkl", list(keys[i * size : (i + 1) * size]))
        for i in range(shards)
    ]


def _begin(place: Path, csv: Path, plan: Sequence[_Shard]) -> None:
    """Write down what goes into which shard, or hold it against what was written before."""
    wanted: dict[str, Any] = {
        "csv_sha256": hashlib.sha256(csv.read_bytes()).hexdigest(),
        "shards": {shard.path.name: ["_".join(key) for key in shard.clips] for shard in plan},
    }
    path = place / _PLAN
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FormatError(f"cannot make the folder {place}: {reason(problem)}") from problem
    if path.exists():
        if read_json(path) != wanted:
            raise FormatError(
                f"{place} was begun with another CSV or other clips; choose another folder, or "
                "delete it to begin anew"
            )
        return
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(wanted, indent=1), encoding="utf-8")


def _example(tracks: CsvTracks, key: Key, path: Path) -> dict[str, Any]:
    points, visible = tracks.read(key, FRAMES)
    pictures, size = jpeg_pictures(path, FPS, FRAMES)
    video = np.empty(len(pictures), object)
    video[:] = pictures
    return {
        "video": video,
        "points": half_pixel_less(points[:, : len(pictures)], size),
        "occluded": ~visible[:, : len(pictures)],
    }
