"""Labels for real videos by any trackers: many clips, in one process or on a cluster.

CoTracker3's self-training (Karaev et al., arXiv 2410.11831) asks a frozen teacher at every step.
Teachers never change, so here labels are made once, before training, which then needs no
teacher and can be repeated::

    config = PseudoConfig((Teacher("mft"), Teacher("compact", weights="first.safetensors")))
    report = label_videos(find_videos(["stock/"]), "labels", config, workers=8)
    source = PseudoLabelSource("labels")  # see `pointtrack.training.pseudo_source`

A clip's folder (see `pointtrack.training.pseudo_clips`) appears when it is whole. What became of
every clip is in ``manifest.jsonl``, one line each, where the last line of a clip counts.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from pointtrack.errors import PointtrackError
from pointtrack.files import PathLike, reason
from pointtrack.synthesis.folders import make_folder
from pointtrack.training.checks import number, whole
from pointtrack.training.pseudo_clips import (
    Job,
    Labeller,
    Outcome,
    PseudoConfig,
    is_written,
    key_of,
)
from pointtrack.training.pseudo_workers import need_ray, on_ray

MANIFEST = "manifest.jsonl"
_ATTEMPTS = ".attempts"

Progress = Callable[[int, int], None]


@dataclass
class Report:
    """What became of all clips.

    Attributes
    ----------
    clips
        How many there are in all.
    written, there
        Labelled by this run, and by earlier ones.
    rejected, failed
        Outcomes of clips without labels: of no use for training, or broken.
    """

    clips: int
    written: int = 0
    there: int = 0
    rejected: list[Outcome] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        if outcome.status == "written":
            self.written += 1
        elif outcome.status == "there":
            self.there += 1
        else:
            (self.rejected if outcome.status == "rejected" else self.failed).append(outcome)

    @property
    def done(self) -> int:
        return self.written + self.there + len(self.rejected) + len(self.failed)


def label_videos(
    videos: Sequence[str],
    out: PathLike,
    config: PseudoConfig,
    *,
    device: str = "auto",
    workers: int = 1,
    address: str | None = None,
    gpus: float = 0.0,
    progress: Progress | None = None,
) -> Report:
    """Label clips of videos into a folder.

    Clips that are labelled or were rejected already are left alone, so that a run that was
    stopped, or shall have more videos or more clips of each, goes on. Clips that failed are
    tried again. What is drawn for a clip does not depend on the others.

    Parameters
    ----------
    videos
        Paths; see `pointtrack.training.excerpts.find_videos`.
    out
        A folder; on a cluster one that all machines see, as are the videos.
    device
        Where teachers run.
    workers
        Processes; more than one need Ray.
    address
        Of a Ray cluster, or ``"auto"`` for the one that runs here; default: this machine alone.
    gpus
        GPUs, or the share of one, that each worker has to itself.
    progress
        Called with (clips done, clips in all).

    Returns
    -------
    Report
        A clip that failed is in it and stops nothing.

    Raises
    ------
    PointtrackError
        When an argument is out of range, the folder holds labels of other settings or cannot be
        written, or Ray is needed and not there.
    """
    whole("workers", workers, 1)
    number("gpus", gpus, 0)
    if workers > 1 or address is not None:
        need_ray()
    folder = make_folder(out).resolve()
    jobs = [Job(video, number) for number in range(config.per_video) for video in videos]
    report = Report(len(jobs))
    attempts = folder / _ATTEMPTS
    shutil.rmtree(attempts, ignore_errors=True)  # of a run that was killed
    with _manifest(folder / MANIFEST) as (known, write):
        missing = []
        for job in jobs:
            earlier = _earlier(folder, job, config, known.get(job.name))
            if earlier is None:
                missing.append(job)
            else:
                report.add(earlier)
        if progress:
            progress(report.done, len(jobs))
        labeller = Labeller(config, folder, device)
        if workers > 1 or address is not None:
            attempts.mkdir()
            labeller.attempts = attempts
            outcomes = on_ray(labeller, missing, workers, address, gpus)
        else:
            outcomes = map(labeller, missing)
        try:
            for outcome in outcomes:
                write(outcome)
                report.add(outcome)
                if progress:
                    progress(report.done, len(jobs))
        finally:
            shutil.rmtree(attempts, ignore_errors=True)
    for outcome in report.failed:  # what a killed worker left
        shutil.rmtree(folder / f".{outcome.name}.part", ignore_errors=True)
    return report


def _earlier(
    folder: Path, job: Job, config: PseudoConfig, known: dict[str, Any] | None
) -> Outcome | None:
    """What an earlier run made of a job; None when it is still to do."""
    about: dict[str, Any] = {"name": job.name, "video": job.video, "number": job.number}
    about["key"] = key_of(job, config)
    if is_written(folder, job, config):
        return Outcome(**about, status="there")
    if known and known.get("status") == "rejected" and known.get("key") == about["key"]:
        return Outcome(**about, status="rejected", reason=str(known.get("reason", "")))
    return None


@contextmanager
def _manifest(path: Path) -> Iterator[tuple[dict[str, dict[str, Any]], Callable[[Outcome], None]]]:
    """What the manifest says of each clip, and how to add a line to it."""
    known: dict[str, dict[str, Any]] = {}
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                known[entry["name"]] = entry
            except (ValueError, KeyError, TypeError):
                continue  # torn by a run that was killed; its clip is looked at again
        with path.open("a", encoding="utf-8") as file:
            if text and not text.endswith("\n"):
                file.write("\n")

            def write(outcome: Outcome) -> None:
                _line(file, outcome)

            yield known, write
    except (OSError, UnicodeDecodeError) as problem:
        words = reason(problem) if isinstance(problem, OSError) else "it is not text"
        raise PointtrackError(f"cannot write {path}: {words}") from problem


def _line(file: TextIO, outcome: Outcome) -> None:
    file.write(json.dumps(asdict(outcome)) + "\n")
    file.flush()
