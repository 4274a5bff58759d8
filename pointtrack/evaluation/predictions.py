"""Answers on disk: one track file a video, so that a long evaluation can be taken up again.

A file is an ordinary track archive (``pt.Tracks.load`` reads it), in pixels of the frames that
the tracker was given: ``tracks.resize(video.size)`` brings it to the video's own. A member
``evaluation.json`` tells what was run.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from pointtrack.errors import FormatError
from pointtrack.evaluation.protocol import Protocol, Task
from pointtrack.files import atomic_path, reason
from pointtrack.formats.common import reading
from pointtrack.tracks import Tracks

_MEMBER = "evaluation.json"


class Prediction(NamedTuple):
    """A tracker's answer for one clip and the seconds it took."""

    tracks: Tracks
    seconds: float


@dataclass(frozen=True)
class Store:
    """The folder of one model's answers under one protocol.

    Attributes
    ----------
    folder
        Made when the first answer is kept.
    settings
        What answers depend on besides the video: model, options, protocol.
    """

    folder: Path
    settings: Mapping[str, Any]

    def path(self, video: str) -> Path:
        """Where a video's answer is kept."""
        return self.folder / f"{safe_name(video)}.npz"

    def get(self, video: str, task: Task) -> Prediction | None:
        """The answer that is kept for this video; None when there is none.

        Raises
        ------
        FormatError
            When the file is damaged or was made by other settings or for other queries.
        """
        path = self.path(video)
        if not path.exists():
            return None
        tracks = Tracks.load(path, "npz")
        with reading(path, "a stored answer"), zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(_MEMBER))
            found, seconds = about["settings"], float(about["seconds"])
        wanted = self._about(task)
        other = sorted(k for k in {*wanted, *found} if wanted.get(k) != found.get(k))
        if other:
            differences = ", ".join(f"{k} {found.get(k)!r} not {wanted.get(k)!r}" for k in other)
            raise FormatError(
                f"{path} was made with {differences}; delete it or choose another folder"
            )
        return Prediction(tracks, seconds)

    def put(self, video: str, task: Task, answer: Prediction) -> None:
        """Keep an answer."""
        make_folder(self.folder)
        about = {"settings": self._about(task), "seconds": answer.seconds}
        with atomic_path(self.path(video)) as temporary:
            answer.tracks.save(temporary, "npz")
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(_MEMBER, json.dumps(about))

    def _about(self, task: Task) -> dict[str, Any]:
        asked = hashlib.sha256(task.queries.txy.tobytes())
        frames = task.xy.shape[1]
        about = {**self.settings, "frames": frames, "queries": asked.hexdigest()[:16]}
        return json.loads(json.dumps(about, default=str))  # as it comes back from the file


def settings_of(model: str, options: Mapping[str, Any], protocol: Protocol) -> dict[str, Any]:
    """What a model's answers depend on besides the video."""
    try:
        release = version("pointtrack")
    except PackageNotFoundError:
        release = "unknown"
    return {
        "model": model,
        "options": dict(options),
        "pointtrack": release,
        "query_mode": protocol.query_mode,
        "single": protocol.single,
        "input_size": protocol.input_size,
        "convention": protocol.convention,
    }


def safe_name(name: str) -> str:
    """A file name for any name, different for different ones."""
    safe = re.sub(r"[^\w.,=+-]+", "_", name).strip("._")[:100]
    if safe == name:
        return safe
    return f"{safe}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file of any size, in hexadecimal."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as problem:
        raise FormatError(f"cannot read {path}: {reason(problem)}") from problem
    return digest.hexdigest()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, or raise a `FormatError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FormatError(f"cannot make the folder {folder}: {reason(problem)}") from problem
