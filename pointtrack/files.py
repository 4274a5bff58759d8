"""Writing files so that a crash, a full disk or Ctrl-C leaves the old file whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pointtrack.errors import FormatError, PointtrackError

PathLike = str | os.PathLike[str]


@contextmanager
def atomic_path(target: PathLike, error: type[PointtrackError] = FormatError) -> Iterator[Path]:
    """Give a temporary path beside ``target`` that replaces it when the block succeeds.

    The temporary name keeps the suffix, so writers that look at it work. When the block
    raises, whatever was written is removed and an earlier ``target`` is left as it was.

    Parameters
    ----------
    target
        Where the file shall be in the end.
    error
        The error to raise when the operating system refuses (no such folder, no
        permission, disk full).
    """
    path = Path(target)
    folder = path.parent
    if path.is_dir():
        raise error(f"cannot write {path}: it is a folder")
    if not folder.is_dir():
        raise error(f"cannot write {path}: the folder {folder} does not exist")
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem}.", suffix=f".part{path.suffix}", dir=folder
        )
        os.close(handle)
    except OSError as problem:
        raise error(f"cannot write {path}: {reason(problem)}") from problem
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as problem:
        raise error(f"cannot write {path}: {reason(problem)}") from problem
    finally:
        temporary.unlink(missing_ok=True)


def reason(problem: OSError) -> str:
    """The operating system's own words for a problem, without error number and path."""
    return (problem.strerror or str(problem)).lower()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
