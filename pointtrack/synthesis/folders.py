"""Folders of generated clips: how they are called, seeded, and written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import PathLike, reason


def clip_seed(seed: int, index: int, attempt: int = 0) -> int:
    """The seed of one clip of a production; productions of two seeds share no clip.

    A later attempt is for a clip whose earlier one was no good.
    """
    words = (seed, index, attempt) if attempt else (seed, index)
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def clip_name(index: int) -> str:
    """What clip number `index` of a production is called."""
    return f"clip_{index:06d}"


def clip_folder(out: Path, index: int) -> Path:
    """Where clip number `index` of a production lies."""
    return out / clip_name(index)


def view_folders(out: Path, name: str, views: int) -> list[Path]:
    """The folders of a clip that is filmed by several cameras; one camera needs no number."""
    if views == 1:
        return [out / name]
    return [out / f"{name}_view{view}" for view in range(views)]


def work_folder(out: Path, name: str) -> Path:
    """Where a clip in the making keeps what is finished."""
    return out / f".{name}.work"


def make_folder(out: PathLike) -> Path:
    """Make the folder of a production, unless it is there.

    Raises
    ------
    PointtrackError
        When the operating system refuses.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise PointtrackError(f"cannot make the folder {out}: {reason(problem)}") from problem
    return folder


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, beside `folder` and renamed to it when the block succeeds."""
    temporary = folder.with_name(f".{folder.name}.part")
    try:
        if temporary.exists():  # left by a run that was killed
            shutil.rmtree(temporary)
        temporary.mkdir()
        try:
            yield temporary
            os.rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as problem:
        raise FormatError(f"cannot write {folder}: {reason(problem)}") from problem


def difference(found: Any, wanted: dict[str, Any]) -> str:
    """How the description of a clip that is there differs from the one to be made.

    Both hold ``generator``, ``config`` and ``seed``, and perhaps ``store``.
    """
    if not isinstance(found, dict) or not isinstance(found.get("config"), dict):
        return "by something else"
    for name in ("generator", "store"):
        if name in wanted and found.get(name) != wanted[name]:
            return f"with {name} {found.get(name)!r}, not {wanted[name]!r}"
    for name, value in wanted["config"].items():
        if found["config"].get(name) != value:
            return f"with {name} {found['config'].get(name)!r}, not {value!r}"
    return "with another seed"
