"""Official checkpoints in the user's cache: downloaded once, and the same ever after."""

from __future__ import annotations

import sys
import tarfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from pointtrack.errors import WeightsError
from pointtrack.files import atomic_path, cache_folder
from pointtrack.weights.cards import ModelCard, OfficialFile
from pointtrack.weights.download import Report, digest, download


def choose(card: ModelCard, key: str = "") -> OfficialFile:
    """One of a card's files: by its key, or the first.

    Raises
    ------
    WeightsError
        When there is no such file, or none at all.
    """
    if not card.files:
        raise WeightsError(f"there are no official weights of {card.name}")
    for file in card.files:
        if key in ("", file.key, PurePosixPath(file.name).name):
            return file
    known = ", ".join(f"official:{file.key}" for file in card.files if file.key) or "official"
    raise WeightsError(f"{card.name} has no official weights {key!r}; there are: {known}")


def place_of(card: ModelCard, file: OfficialFile) -> Path:
    """Where the cache keeps a file, whether it is there or not."""
    return cache_folder() / "weights" / card.name / PurePosixPath(file.name).name


def fetch(card: ModelCard, file: OfficialFile) -> tuple[Path, bool]:
    """The file in the cache, downloaded if it is not there yet.

    Its checksum is that of the card or, where the card knows none, that of the first download,
    which is kept beside it.

    Returns
    -------
    tuple
        Its path, and whether it has just been downloaded.

    Raises
    ------
    WeightsError
        When it cannot be downloaded, or has been changed since.
    """
    target = place_of(card, file)
    pin = _pin(target)
    expected = file.sha256 or (pin.read_text("utf-8").strip() if pin.is_file() else "")
    if target.is_file():
        if expected and digest(target) != expected:
            raise WeightsError(
                f"{target} is not what was downloaded: its checksum has changed; delete it to "
                "download it again"
            )
        return target, False
    if not file.url:
        raise WeightsError(f"{card.name} has no file to download; get {file.note}, give its path")
    if not card.commercial:
        warnings.warn(
            f"the weights of {card.name} are licensed {card.weights_licence}: not for commercial "
            "use",
            stacklevel=2,
        )
    if file.archive:
        archive = _archive(file.url)
        if not archive.is_file():
            _download(file.url, archive)
        _extract(archive, file.name, target)
        found = digest(target)
        if expected and found != expected:
            target.unlink()
            raise WeightsError(f"{file.name} in {archive} is not what it was before")
    else:
        found = _download(file.url, target, expected)
    pin.write_text(found + "\n", encoding="utf-8")
    return target, True


def forget(path: Path) -> None:
    """Throw a downloaded file away, with its checksum."""
    path.unlink(missing_ok=True)
    _pin(path).unlink(missing_ok=True)


def _pin(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _archive(url: str) -> Path:
    return cache_folder() / "weights" / "archives" / PurePosixPath(url).name


def _download(url: str, target: Path, sha256: str = "") -> str:
    with _bar(target.name) as report:
        return download(url, target, sha256, report)


def _extract(archive: Path, member: str, target: Path) -> None:
    """Take one file out of a zip or tar file."""
    try:
        with _opened(archive, member) as source:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(target, WeightsError) as temporary, temporary.open("wb") as out:
                while block := source.read(1 << 20):
                    out.write(block)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as problem:
        archive.unlink(missing_ok=True)
        raise WeightsError(f"{archive.name} arrived damaged, and has been thrown away") from problem
    except KeyError as problem:
        raise WeightsError(f"{archive} has no {member} in it") from problem


@contextmanager
def _opened(archive: Path, member: str) -> Iterator[BinaryIO | Any]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped, zipped.open(member) as source:
            yield source
        return
    with tarfile.open(archive) as tarred:
        yield tarred.extractfile(member)


@contextmanager
def _bar(name: str) -> Iterator[Report | None]:
    """A progress bar on standard error, where somebody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
    from rich.progress import TransferSpeedColumn as Speed

    columns = (BarColumn(bar_width=20), DownloadColumn(), Speed(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress("{task.description}", *columns, console=console, transient=True) as bars:
        task = bars.add_task(f"downloading {name}", total=None)

        def report(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None)

        yield report
