"""Data sets in TAP-Vid's pickles: TAP-Vid-DAVIS, -RGB-Stacking, -Kinetics, RoboTAP and others.

Doersch et al., "TAP-Vid: A Benchmark for Tracking Any Point in a Video", NeurIPS 2022;
Vecerik et al., "RoboTAP", ICRA 2024.

A pickle holds a dict from names to examples, or a list of examples. An example is a dict with
``video``, ``(T, H, W, 3)`` uint8 or T JPEG pictures as bytes; ``points`` ``(N, T, 2)``,
normalised: the picture's outer edges are 0 and 1; and ``occluded`` ``(N, T)``. Larger sets come
in several files, which are read one after the other, so that only one is in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.clip import Clip, Dataset, Entry, Problem, unreadable
from pointtrack.datasets.pictures import EncodedSource
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import PathLike, reason
from pointtrack.formats.safe_pickle import safe_load
from pointtrack.geometry import normalised_to_pixel
from pointtrack.video import Video
from pointtrack.video.pictures import ArraySource, natural_order

PICKLE_SUFFIXES = (".pkl", ".pickle")
_ROBOTAP_SPLITS = 5


class TapVidDataset(Dataset):
    """Every example of one pickle, or of all pickles in a folder.

    Parameters
    ----------
    path
        A pickle, or a folder with pickles in it or one level below, as the archives unpack.

    Raises
    ------
    FormatError
        When there is no pickle there.
    """

    def __init__(self, path: PathLike):
        place = Path(path)
        self._files = pickles_in(place) if place.is_dir() else [place]
        if not self._files:
            raise FormatError(
                f"the folder {place} holds no pickle ({' or '.join(PICKLE_SUFFIXES)})"
            )
        if not self._files[0].is_file():
            raise FormatError(f"there is no file {place}")
        self.name = place.resolve().stem
        self._counts: list[int] = []

    def count(self) -> int | None:
        """Exact once every file has been read, before that at the rate of those read."""
        if not self._counts:
            return None
        return round(sum(self._counts) / len(self._counts) * len(self._files))

    def entries(self) -> Iterator[Entry]:
        """One entry an example; a pickle that cannot be read is one entry that says so."""
        counts: list[int] = []
        taken: set[str] = set()
        for file in self._files:
            try:
                examples = examples_in(file)
            except PointtrackError as problem:
                examples = []
                yield Entry(file.stem, unreadable(problem))
            counts.append(len(examples))
            self._counts = counts
            examples.reverse()
            while examples:  # taken out one by one, so that a video in use is the last to hold on
                key, example = examples.pop()
                name = key if isinstance(key, str) else f"{file.stem}_{key:04d}"
                if name in taken:
                    name = f"{file.stem}_{name}"
                taken.add(name)
                where = f"{file}, entry {key!r}"
                yield Entry(name, partial(read_example, example, name, where))

    def gaps(self) -> Iterator[Problem]:
        """Parts that are missing by the names of the others: TAP-Vid-Kinetics' and RoboTAP's."""
        there = {file.name for file in self._files}
        folder = self._files[0].parent
        for name in sorted({part for file in self._files for part in _parts(file.name)} - there):
            yield Problem(self.name, f"there is no file {folder / name}")


def _parts(name: str) -> list[str]:
    """The names of all files of the set that a file is a part of; none for a whole one."""
    shard = re.fullmatch(r"\d{4}_of_(\d{4})\.pkl", name)
    if shard:
        return [f"{i:04d}_of_{shard[1]}.pkl" for i in range(int(shard[1]))]
    split = re.fullmatch(r"(robotap_split)\d\.pkl", name)
    return [f"{split[1]}{i}.pkl" for i in range(_ROBOTAP_SPLITS)] if split else []


def pickles_in(folder: Path) -> list[Path]:
    """The pickles of a folder in natural order; where it has none, those of its sub-folders."""
    for pattern in ("*", "*/*"):
        found = [p for p in folder.glob(pattern) if p.suffix.lower() in PICKLE_SUFFIXES]
        files = [p for p in found if p.is_file() and not p.name.startswith(".")]
        if files:
            return sorted(files, key=lambda p: (str(p.parent), natural_order(p)))
    return []


def read_example(example: Any, name: str, where: str) -> Clip:
    """Turn one example into a `Clip`.

    Parameters
    ----------
    example
        What the pickle holds: a dict with ``video``, ``points`` and ``occluded``.
    name
        The clip's name.
    where
        File and entry, for messages.

    Raises
    ------
    FormatError
        When a part is missing or malformed.
    """
    try:
        points, visible = read_annotation(example, ("video", "points", "occluded"))
        video = _video(example["video"], where)
        xy = normalised_to_pixel(points, video.size)
        return Clip(name, video, np.asarray(xy, np.float64), visible)
    except PointtrackError as problem:
        raise FormatError(f"{where}: {problem}") from problem


def read_annotation(
    example: Any, needed: Sequence[str] = ("points", "occluded")
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The tracks of one example: ``(N, T, 2)`` fractions of the picture, ``(N, T)`` visible.

    Raises
    ------
    FormatError
        When one of the keys ``needed`` is missing, or the tracks are malformed.
    """
    if not isinstance(example, dict):
        raise FormatError(f"it is a {type(example).__name__}, expected a dict")
    missing = [key for key in needed if key not in example]
    if missing:
        found = ", ".join(str(key) for key in list(example)[:8]) or "nothing"
        raise FormatError(f"it lacks {', '.join(missing)}; found {found}")
    points, occluded = _points(example["points"]), np.asarray(example["occluded"])
    if occluded.shape != points.shape[:2] or not np.isin(occluded, (0, 1)).all():
        raise FormatError(
            f"occluded is {occluded.dtype} of shape {occluded.shape}, "
            f"expected booleans of shape {points.shape[:2]}"
        )
    return points, occluded == 0


def examples_in(file: Path) -> list[tuple[str | int, Any]]:
    """Names (or places) and contents of a pickle's examples."""
    try:
        with file.open("rb") as opened:
            content = safe_load(opened)
    except OSError as problem:
        raise FormatError(f"cannot read {file}: {reason(problem)}") from problem
    if isinstance(content, dict) and {"video", "points", "occluded"} <= set(content):
        return [(file.stem, content)]
    if isinstance(content, dict):
        return [(str(key), example) for key, example in content.items()]
    if isinstance(content, (list, tuple)):
        return list(enumerate(content))
    raise FormatError(
        f"{file} holds a {type(content).__name__}, expected a dict or a list of examples"
    )


def _points(given: Any) -> NDArray[np.float64]:
    points = np.asarray(given)
    if points.ndim != 3 or points.shape[-1] != 2 or points.dtype.kind not in "fiu":
        raise FormatError(
            f"points is {points.dtype} of shape {points.shape}, expected numbers (N, T, 2)"
        )
    points = points.astype(np.float64)
    # Annotators' points may lie a little outside; pixels taken for fractions lie far outside.
    typical = np.nanmedian(np.abs(points)) if np.isfinite(points).any() else 0.0
    if typical > 2:
        raise FormatError(
            f"points are around {typical:.4g}, expected fractions of the picture from 0 to 1"
        )
    return points


def _video(given: Any, where: str) -> Video:
    if isinstance(given, np.ndarray) and given.dtype == np.uint8:
        if given.ndim != 4 or given.shape[3] != 3 or 0 in given.shape:
            raise FormatError(f"video has shape {given.shape}, expected (T, H, W, 3)")
        return Video(ArraySource(given, None, where))
    frames: Any = given if isinstance(given, (list, tuple, np.ndarray)) else []
    if len(frames) and all(isinstance(frame, bytes) for frame in frames):
        return Video(EncodedSource(frames, where))
    found = f"{given.dtype} array" if isinstance(given, np.ndarray) else type(given).__name__
    raise FormatError(f"video is a {found}, expected a uint8 array (T, H, W, 3) or JPEG bytes")
