"""Downloads that go on where they stopped, and end whole or not at all.

The standard library does it: what is needed beyond a GET is a Range, its validator and a
checksum, and no HTTP library brings these (`requests` and `httpx` do not resume, `pooch` starts
over, `huggingface_hub` knows one host). `urllib` takes proxies from the environment.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from pointtrack.errors import WeightsError
from pointtrack.files import reason

Report = Callable[[int, int], None]  # (bytes done, bytes in all, or 0 where unknown)

_CHUNK = 1 << 20
_TRIES = 5  # in a row without a single new byte
_MOST_TRIES = 200
_TIMEOUT = 30.0  # seconds without a byte
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that are worth another try


@dataclass
class _Known:
    """What is known of the file on the server that the part on the disk is of."""

    url: str
    validator: str = ""  # strong ETag or date of change: says whether it is still the same
    size: int = 0

    @classmethod
    def read(cls, path: Path, url: str) -> _Known:
        try:
            known = cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return cls(url)
        return known if known.url == url else cls(url)


class _Again(Exception):
    """This try did not get to the end; another one may."""


def download(
    url: str, target: Path, sha256: str = "", report: Report | None = None, wait: float = 1.0
) -> str:
    """Fetch a file.

    What has arrived is kept beside the target as ``.part``, and the next try, of this call or
    of a later one, goes on there when the server says that the file is still the same.

    Parameters
    ----------
    url
        Where it is.
    target
        Where it goes. It appears there only when it is whole.
    sha256
        Its checksum, if known.
    report
        Called as bytes arrive.
    wait
        Seconds before the second try; each further one waits twice as long.

    Returns
    -------
    str
        The checksum.

    Raises
    ------
    WeightsError
        When the server cannot be reached, does not have the file, breaks off again and again,
        or sends another file than the checksum is of.
    """
    part = target.with_name(target.name + ".part")
    notes = target.with_name(target.name + ".part.json")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(part):
            _fetch(url, part, notes, report, wait)
            found = digest(part)
            if sha256 and found != sha256:
                part.unlink()
                raise WeightsError(
                    f"{url} has the checksum {found[:12]}…, expected {sha256[:12]}…: it was "
                    "changed or damaged on the way, and has been thrown away"
                )
            os.replace(part, target)
            notes.unlink(missing_ok=True)
    except OSError as problem:
        raise WeightsError(f"cannot write {target}: {reason(problem)}") from problem
    return found


def digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            found.update(block)
    return found.hexdigest()


def _fetch(url: str, part: Path, notes: Path, report: Report | None, wait: float) -> None:
    """Try until the part is whole."""
    failures = 0
    for _ in range(_MOST_TRIES):
        before = part.stat().st_size if part.exists() else 0
        try:
            return _continue(url, part, notes, report)
        except _Again as problem:
            after = part.stat().st_size if part.exists() else 0
            failures = 0 if after > before else failures + 1
            if failures >= _TRIES:
                raise WeightsError(_gave_up(url, str(problem))) from problem
            time.sleep(wait * 2**failures if failures else 0)
    raise WeightsError(_gave_up(url, "it breaks off again and again"))


def _gave_up(url: str, why: str) -> str:
    host = urlsplit(url).hostname or url
    return (
        f"cannot download from {host}: {why}; without a connection, fetch {url} elsewhere and "
        "give its path as the weights"
    )


def _continue(url: str, part: Path, notes: Path, report: Report | None) -> None:
    """One request, for all of the file or for what is missing of it."""
    known = _Known.read(notes, url)
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "pointtrack", "Accept-Encoding": "identity"}
    if have and known.validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": known.validator}
    try:
        # A new opener each time, so that the proxies are those of now.
        opener = urllib.request.build_opener()
        answer = opener.open(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as problem:
        if problem.code == 416:  # nothing is missing, or it is another file
            if not known.size or have != known.size:
                part.unlink(missing_ok=True)
                raise _Again("it sends parts of another file") from problem
            return
        if problem.code in _PASSING:
            raise _Again(f"the server answers {problem.code} {problem.reason}") from problem
        raise WeightsError(
            f"{url} cannot be downloaded: the server answers {problem.code} {problem.reason}"
        ) from problem
    except (OSError, http.client.HTTPException) as problem:
        raise _Again(_words(problem)) from problem
    with answer:
        begin = _begin(answer, known, have)
        if begin is None:
            part.unlink(missing_ok=True)
            notes.unlink(missing_ok=True)
            raise _Again("it sends parts of another file")
        if begin == 0:
            known = _known(url, answer)
            notes.write_text(json.dumps(asdict(known)), encoding="utf-8")
        with part.open("r+b" if begin else "wb") as file:
            file.seek(begin)
            _receive(answer, file, known.size, report)
    if known.size and part.stat().st_size < known.size:
        raise _Again("the connection breaks off")
    if known.size and part.stat().st_size > known.size:
        part.unlink()
        raise _Again("it sends more than it promised")


def _begin(answer: Any, known: _Known, have: int) -> int | None:
    """At which byte the answer begins; None when it does not go on where the part ends."""
    if answer.status != 206:
        return 0
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != have or (known.size and int(found[2]) != known.size):
        return None
    return have


def _known(url: str, answer: Any) -> _Known:
    tag = answer.headers.get("ETag", "")
    strong = "" if tag.startswith("W/") else tag
    length = answer.headers.get("Content-Length", "0")
    size = int(length) if length.isdecimal() else 0
    return _Known(url, strong or answer.headers.get("Last-Modified", ""), size)


def _receive(answer: Any, file: BinaryIO, size: int, report: Report | None) -> None:
    try:
        while block := answer.read(_CHUNK):
            file.write(block)
            if report is not None:
                report(file.tell(), size)
    except http.client.IncompleteRead as problem:
        file.write(problem.partial)
        raise _Again("the connection breaks off") from problem
    except (TimeoutError, ConnectionError, http.client.HTTPException) as problem:
        raise _Again(_words(problem)) from problem
    finally:
        file.flush()
        os.fsync(file.fileno())


def _words(problem: Exception) -> str:
    """What went wrong, as a person would say it."""
    inner = getattr(problem, "reason", problem)
    if isinstance(inner, TimeoutError):
        return "it does not answer"
    return reason(inner) if isinstance(inner, OSError) else str(inner) or type(inner).__name__


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Let no other process write the same part."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows; there an open file cannot be replaced anyway
        yield
        return
    lock = part.with_name(part.name + ".lock")
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            raise WeightsError(f"another process is downloading {part.stem} already") from problem
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
