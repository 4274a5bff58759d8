"""BADJA: joints of seven animals in DAVIS videos, annotated on every fifth frame or so.

Biggs et al., "Creatures Great and SMAL", ACCV 2018; as a benchmark of point tracking in Harley
et al., "Particle Video Revisited" (PIPs), ECCV 2022.

Two layouts are read, told apart by what is there. That of the data set, as PIPs uses it::

    joint_annotations/ANIMAL.json       a list of {image_path, segmentation_path, joints
                                        (37 pairs of y, x in pixels), visibility (37)}
    DAVIS/JPEGImages/Full-Resolution/ANIMAL/00000.jpg ...
    DAVIS/Annotations/Full-Resolution/ANIMAL/00000.png ...

A clip is every frame from the first to the last annotated one. Its tracks are 20 of the
joints; frames without annotation are not valid. Annotations of ``extra_videos`` are left out,
as in the benchmark. Every joint is asked for where the first frame's annotation has it; for a
joint that is hidden there that is often (0, 0), which the benchmark asks for all the same.

And AllTracker's cleaned annotations::

    complete_aa/*.npz                   animal_name, trajs_g (T, N, 2) x, y in pixels,
                                        valids_g (T, N), where 2 is good
    picks_and_coords.txt                lines "ANIMAL_INDEX FRAME ...": a track's first fair frame
    videos/ANIMAL/*.png or *.jpg

Annotations before a track's first fair frame are dropped. There are no masks here.

Pixels are indices: (0, 0) is the centre of the top-left pixel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.clip import Clip, Dataset, Entry, Problem
from pointtrack.datasets.stored import (
    archive_arrays,
    folder_at,
    instance_maps,
    naming,
    numbered_files,
    open_pictures,
    read_json,
)
from pointtrack.errors import FormatError
from pointtrack.files import PathLike
from pointtrack.formats.common import read_text, reading
from pointtrack.queries import Queries
from pointtrack.video.pictures import natural_order

ANIMALS = ("bear", "camel", "cows", "dog", "dog-agility", "horsejump-high", "horsejump-low")
JOINTS = (8, 9, 10, 12, 13, 14, 15, 18, 19, 20, 22, 23, 24, 25, 28, 31, 32, 33, 35, 36)
_ALL_JOINTS = 37
_GOOD = 2


class BadjaDataset(Dataset):
    """BADJA in either layout; see the module.

    Parameters
    ----------
    path
        The folder with ``joint_annotations`` and ``DAVIS``, or with ``complete_aa``.

    Raises
    ------
    FormatError
        When it has neither.
    """

    name = "badja"

    def __init__(self, path: PathLike):
        self._root = folder_at(path)
        self._cleaned = (self._root / "complete_aa").is_dir()
        folder, pattern = ("complete_aa", "*.npz") if self._cleaned else ("joint_annotations", "*")
        files = sorted((self._root / folder).glob(pattern), key=natural_order)
        self._files = [f for f in files if f.suffix in (".json", ".npz")]
        if not self._files:
            raise FormatError(
                f"the folder {self._root} holds no joint_annotations/*.json and no "
                "complete_aa/*.npz"
            )
        self._picks = _picks(self._root / "picks_and_coords.txt") if self._cleaned else {}

    def count(self) -> int | None:
        return None if not self._cleaned else len(self._files)

    def entries(self) -> Iterator[Entry]:
        """One entry an animal."""
        for file in self._files:
            if self._cleaned:
                yield Entry(file.stem, partial(self._read_cleaned, file))
            elif not _is_extra(file):
                yield Entry(file.stem, partial(self._read_original, file))

    def gaps(self) -> Iterator[Problem]:
        """The benchmark's animals without an annotation file."""
        if self._cleaned:
            return
        there = {file.stem for file in self._files}
        for animal in ANIMALS:
            if animal not in there:
                path = self._root / "joint_annotations" / f"{animal}.json"
                yield Problem(self.name, f"there is no file {path}")

    # -- the data set's own layout ---------------------------------------------------------

    def _read_original(self, file: Path) -> Clip:
        rows = sorted(_annotations(file), key=lambda row: natural_order(Path(row["image_path"])))
        first, last = (self._root / rows[i]["image_path"] for i in (0, -1))
        with naming(file):
            folder = numbered_files(first.parent)
            images = [p for p in folder if natural_order(first) <= natural_order(p)]
            images = [p for p in images if natural_order(p) <= natural_order(last)]
            places = {path.name: t for t, path in enumerate(images)}
            xy = np.full((len(JOINTS), len(images), 2), np.nan)
            visible, valid = np.zeros((2, len(JOINTS), len(images)), bool)
            for row in rows:
                image = self._root / row["image_path"]
                if image.name not in places:
                    raise FormatError(f"there is no file {image}")
                t = places[image.name]
                joints, shown = _joints(row)
                valid[:, t], visible[:, t] = True, shown
                # What is hidden and at (0, 0) has no position.
                known = shown | joints.any(axis=1)
                xy[known, t] = joints[known]
            start = _joints(rows[0])[0]
            masks = (self._root / rows[0]["segmentation_path"]).parent
            maps = [masks / f"{path.stem}.png" for path in images]
            return Clip(
                file.stem,
                open_pictures(images, file),
                xy,
                visible,
                valid,
                Queries(np.column_stack([np.zeros(len(JOINTS)), start])),
                masks=instance_maps(maps),
                files=[*images, *maps],
            )

    # -- AllTracker's layout -----------------------------------------------------------------

    def _read_cleaned(self, file: Path) -> Clip:
        arrays = archive_arrays(file, {"animal_name": "", "trajs_g": "T N 2", "valids_g": "T N"})
        animal = str(arrays["animal_name"])
        xy = arrays["trajs_g"].astype(np.float64).transpose(1, 0, 2)  # N T 2
        good = (arrays["valids_g"] == _GOOD).T & np.isfinite(xy).all(axis=2)  # N T
        with naming(file):
            images = numbered_files(self._root / "videos" / animal, count=xy.shape[1])
            for track in range(len(xy)):
                for key in (f"{animal}_{track}", f"{file.stem}_{track}"):
                    good[track, : self._picks.get(key, 0)] = False
            xy[~good] = np.nan
            video = open_pictures(images, file)
            return Clip(file.stem, video, xy, good, good, files=images)


def _picks(file: Path) -> dict[str, int]:
    """First fair frame of each track by ``ANIMAL_INDEX``."""
    picks: dict[str, int] = {}
    with reading(file, "a list of first fair frames"):
        for number, line in enumerate(read_text(file).splitlines(), 1):
            words = re.split(r"[\s,]+", line.strip())
            if words == [""]:
                continue
            if len(words) < 2 or not words[1].isdecimal():
                raise FormatError(f"line {number} is {line[:60]!r}, expected NAME_INDEX FRAME")
            picks[words[0]] = int(words[1])
        if not picks:
            raise FormatError("it is empty")
    return picks


def _annotations(file: Path) -> list[dict[str, Any]]:
    rows = read_json(file)
    good = isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows)
    if not good:
        raise FormatError(f"{file} holds no list of annotated frames")
    for number, row in enumerate(rows):
        for key in ("image_path", "segmentation_path", "joints", "visibility"):
            if key not in row:
                raise FormatError(f"{file}: annotated frame {number} lacks {key}")
    return rows


def _is_extra(file: Path) -> bool:
    """Whether an annotation is of the videos that the benchmark leaves out."""
    try:
        rows = _annotations(file)
    except FormatError:
        return False  # reading the entry will say what is wrong
    return "extra_videos" in str(rows[0]["image_path"])


def _joints(row: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The benchmark's joints of one annotated frame: ``(20, 2)`` x, y and ``(20,)`` visible."""
    yx, shown = np.asarray(row["joints"], np.float64), np.asarray(row["visibility"])
    if yx.shape != (_ALL_JOINTS, 2) or shown.shape != (_ALL_JOINTS,):
        raise FormatError(
            f"joints of {row['image_path']} have shape {yx.shape} and visibility {shown.shape}, "
            f"expected ({_ALL_JOINTS}, 2) and ({_ALL_JOINTS},)"
        )
    chosen = list(JOINTS)
    return yx[chosen][:, ::-1], shown[chosen].astype(bool)
