"""Writing files so that a crash, a full disk or Ctrl-C leaves the old file whole."""

from __future__ import annotations

import os
import secrets
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
    if path.exists() and not path.is_file():  # a device must not be replaced by a file
        raise error(f"cannot write {path}: it is not a regular file")
    if not folder.is_dir():
        raise error(f"cannot write {path}: the folder {folder} does not exist")
    temporary = folder / f".{path.stem[:50]}.{secrets.token_hex(4)}.part{path.suffix}"
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())  # on the disk before the old file goes
        os.replace(temporary, path)
    except OSError as problem:
        raise error(f"cannot write {path}: {reason(problem)}") from problem
    finally:
        temporary.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Where downloads and what can be made again are kept: ``POINTTRACK_CACHE``, or the user's.

    That is ``~/.cache/pointtrack``, or ``pointtrack`` below ``XDG_CACHE_HOME``. It need not
    exist.
    """
    named = os.environ.get("POINTTRACK_CACHE")
    if named:
        return Path(named).expanduser()
    common = os.environ.get("XDG_CACHE_HOME")
    return (Path(common) if common else Path.home() / ".cache") / "pointtrack"


def reason(problem: OSError) -> str:
    """The operating system's own words for a problem, without error number and path."""
    return (problem.strerror or str(problem)).lower()
