"""Many Blender clips into a folder: several workers, and going on where an earlier run ended.

Beside the clips lies ``manifest.json``: every clip's name, seed and config, and the seeds that
were tried before because their tracks did not agree with the render. From it the same clips are
made again.
"""

from __future__ import annotations

import json
import os
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import PathLike, atomic_path, reason
from pointtrack.synthesis.blender.config import BlenderConfig, from_mapping, to_mapping
from pointtrack.synthesis.blender.processes import Worker
from pointtrack.synthesis.folders import (
    clip_name,
    clip_seed,
    difference,
    make_folder,
    view_folders,
    work_folder,
)

MANIFEST = "manifest.json"
ATTEMPTS = 4
_CRASHES = 2  # of one clip, with the same seed


@dataclass
class Job:
    """A clip to be made.

    Attributes
    ----------
    name, config
        What it is called and what it is like.
    seeds
        Which are tried, one after the other, until the tracks of one agree with the render.
    rejected
        Those that did not, with the reasons.
    crashes
        How often its worker ended without a word.
    """

    name: str
    config: BlenderConfig
    seeds: list[int]
    rejected: list[dict[str, Any]] = field(default_factory=list)
    crashes: int = 0

    @property
    def seed(self) -> int:
        """The one that is tried now."""
        return self.seeds[len(self.rejected)]

    @property
    def pictures(self) -> int:
        """How many there are to render."""
        return self.config.frames * self.config.views


def plan(clips: int, seed: int, configs: Sequence[BlenderConfig]) -> list[Job]:
    """Clips 0 to ``clips - 1`` of a seed; the configs take turns.

    Raises
    ------
    PointtrackError
        When an argument is out of range.
    """
    for name, value, least in (("clips", clips, 1), ("seed", seed, 0)):
        if value < least:
            raise PointtrackError(f"{name} must be at least {least}, found {value}")
    return [
        Job(clip_name(index), config, [clip_seed(seed, index, k) for k in range(ATTEMPTS)])
        for index, config in enumerate(islice(cycle(configs), clips))
    ]


def read_manifest(path: PathLike) -> list[Job]:
    """The clips of a manifest, to be made again with the same seeds.

    Raises
    ------
    FormatError
        When the file cannot be read or is no manifest.
    """
    clips = _load(Path(path)).get("clips")
    try:
        if not isinstance(clips, list) or not clips:
            raise TypeError("expected a list of clips")
        return [_remake(clip) for clip in clips]
    except KeyError as problem:
        raise FormatError(
            f"{path} is not a manifest of Blender clips: one has no {problem}"
        ) from problem
    except (TypeError, ValueError) as problem:
        raise FormatError(f"{path} is not a manifest of Blender clips: {problem}") from problem


def _remake(clip: dict[str, Any]) -> Job:
    name = str(clip["name"])
    if Path(name).name != name or name.startswith("."):
        raise FormatError(f"{name!r} is no name for a folder")
    return Job(name, from_mapping(clip["config"]), [int(clip["seed"])])


def produce(
    out: PathLike,
    jobs: Sequence[Job],
    command: Sequence[str],
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make clips in a folder. Those that are there are kept, unfinished ones are gone on with.

    The files do not depend on the number of workers, nor on whether a run was killed.

    Parameters
    ----------
    command
        Starts a worker; see `processes.find_worker`.
    workers
        Processes at a time; they share the machine's cores.
    progress
        Called with (pictures rendered, pictures in all).

    Returns
    -------
    int
        How many clips were made by this call.

    Raises
    ------
    PointtrackError
        When another clip is in a clip's place, a worker fails, or no seed of a clip is good.
    """
    if workers < 1:
        raise PointtrackError(f"workers must be at least 1, found {workers}")
    folder = make_folder(out)
    others = _recall(folder / MANIFEST, jobs)
    missing = [job for job in jobs if not is_written(folder, job)]
    _Production(folder, jobs, missing, others, command, workers, progress).run()
    return len(missing)


class _Production:
    """One call of `produce`."""

    def __init__(
        self,
        folder: Path,
        jobs: Sequence[Job],
        missing: Sequence[Job],
        others: list[dict[str, Any]],
        command: Sequence[str],
        workers: int,
        progress: Callable[[int, int], None] | None,
    ):
        self._folder, self._jobs, self._missing, self._others = folder, jobs, missing, others
        self._command, self._workers = command, workers
        self._threads = max(1, _cores() // min(workers, max(len(missing), 1)))
        self._said: queue.Queue[tuple[int, dict[str, Any]]] = queue.Queue()
        self._running: dict[int, Worker] = {}
        self._verdicts: dict[int, dict[str, Any]] = {}
        self._progress = progress
        self._rendered = [0] * len(missing)
        self._failed: dict[str, str] = {}  # a clip's name: why it cannot be made
        self._there = sum(job.pictures for job in jobs) - sum(job.pictures for job in missing)

    def run(self) -> None:
        waiting = list(range(len(self._missing)))[::-1]
        self._report()
        self._note()
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._workers:
                    self._start(waiting.pop())
                key, message = self._said.get()
                if "frames" in message:
                    self._rendered[key] = int(message["frames"])
                    self._report()
                elif "ended" in message:
                    del self._running[key]
                    if not self._finish(key, int(message["ended"])):
                        waiting.append(key)
                else:
                    self._verdicts[key] = message
        finally:
            for worker in self._running.values():
                worker.stop()
        if self._failed:
            first, *more = self._failed.values()
            raise PointtrackError(first + (f"; nor can {len(more)} others" if more else ""))

    def _start(self, key: int) -> None:
        job = self._missing[key]
        order = {
            "out": str(self._folder),
            "name": job.name,
            "seed": job.seed,
            "config": to_mapping(job.config),
            "threads": self._threads,
        }
        worker = Worker(self._command, order, _log(self._folder, job), key, self._said)
        self._running[key] = worker

    def _finish(self, key: int, status: int) -> bool:
        """Whether the clip is done with; otherwise it is to be tried again."""
        job, verdict = self._missing[key], self._verdicts.pop(key, {})
        log = _log(self._folder, job)
        if "error" in verdict:
            raise PointtrackError(f"{job.name}: {verdict['error']}")
        if "rejected" in verdict:
            job.rejected.append({"seed": job.seed, "reasons": verdict["rejected"]})
            if len(job.rejected) == len(job.seeds):
                reasons = "; ".join(map(str, verdict["rejected"]))
                return self._fail(job, f"{job.name} cannot be made: {reasons}")
            self._note()
            return False
        if "done" in verdict and is_written(self._folder, job):
            log.unlink(missing_ok=True)
            self._rendered[key] = job.pictures
            self._report()
            return True
        job.crashes += 1
        if job.crashes < _CRASHES:
            return False
        return self._fail(
            job,
            f"{job.name} cannot be made: its worker (seed {job.seed}) ended with status {status} "
            f"and these words: {log}",
        )

    def _fail(self, job: Job, sentence: str) -> bool:
        """Go on with the other clips, and complain in the end."""
        self._failed[job.name] = sentence
        self._note()
        return True

    def _report(self) -> None:
        if self._progress is not None:
            total = sum(job.pictures for job in self._jobs)
            self._progress(self._there + sum(self._rendered), total)

    def _note(self) -> None:
        """Write the manifest."""
        clips = [
            {
                "name": job.name,
                "seed": job.seed,
                "config": to_mapping(job.config),
                "rejected": job.rejected,
            }
            for job in self._jobs
            if job.name not in self._failed
        ]
        clips = sorted([*clips, *self._others], key=lambda clip: str(clip["name"]))
        text = json.dumps({"generator": "blender", "clips": clips}, indent=2)
        with atomic_path(self._folder / MANIFEST) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def _cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _log(folder: Path, job: Job) -> Path:
    return work_folder(folder, job.name).with_suffix(".log")


def is_written(out: Path, job: Job) -> bool:
    """Whether all views of a clip are there already.

    Raises
    ------
    FormatError
        When something else is there: another clip, or a folder of another kind.
    """
    folders = view_folders(out, job.name, job.config.views)
    there = [folder for folder in folders if folder.exists()]
    for folder in there:
        found = _load(folder / "meta.json")
        wanted = {"generator": "blender", "config": to_mapping(job.config), "seed": job.seed}
        if {name: found.get(name) for name in wanted} != wanted:
            raise FormatError(
                f"{folder} was generated {difference(found, wanted)}; choose another folder"
            )
    return len(there) == len(folders)


def _recall(manifest: Path, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Take over which seeds an earlier run rejected; returns its clips that are not asked for."""
    if not manifest.exists():
        return []
    known = {str(clip["name"]): clip for clip in _load(manifest).get("clips", [])}
    for job in jobs:
        rejected = known.pop(job.name, {}).get("rejected", [])
        seeds = [attempt["seed"] for attempt in rejected]
        if len(seeds) < len(job.seeds) and seeds == job.seeds[: len(seeds)]:
            job.rejected = rejected
    return list(known.values())


def _load(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise FormatError(f"cannot read {path}: {reason(problem)}") from problem
    except ValueError as problem:
        raise FormatError(f"{path} is not a JSON file") from problem
    if not isinstance(found, dict):
        raise FormatError(f"{path} does not describe generated clips")
    return found
