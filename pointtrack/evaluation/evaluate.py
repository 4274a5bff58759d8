"""Run trackers over a data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pointtrack.datasets import Clip, Dataset, Entry, open_dataset
from pointtrack.errors import PointtrackError, require
from pointtrack.evaluation.official import BENCHMARKS, Answers, Found, benchmark_of
from pointtrack.evaluation.predictions import Prediction, Store, safe_name, settings_of
from pointtrack.evaluation.protocol import Protocol, Task
from pointtrack.evaluation.results import Evaluation, Failure, VideoResult
from pointtrack.evaluation.scoring import score
from pointtrack.files import PathLike
from pointtrack.queries import Queries
from pointtrack.trackers import Progress, Tracker, load
from pointtrack.tracks import Tracks
from pointtrack.video import Video


@dataclass(frozen=True, eq=False)
class Contender:
    """A tracker under a name.

    Attributes
    ----------
    tracker
        Ready to use.
    label
        What tables and files call it; default: the model's name.
    options
        What it was loaded with. Stored answers made with other options are not used.
    """

    tracker: Tracker
    label: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", self.label or self.tracker.card.name)


def evaluate(
    tracker: Tracker | Contender | str,
    dataset: Dataset | PathLike,
    protocol: Protocol | None = None,
    *,
    out: PathLike | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate a tracker on a data set.

    Parameters
    ----------
    tracker
        A tracker, a `Contender`, or a model's name.
    dataset
        A data set, or a path that `open_dataset` takes.
    protocol
        The rules; default: TAP-Vid's, with queries where points are first visible.
    out
        A folder. Answers are kept in ``out/predictions/MODEL/PROTOCOL/VIDEO.npz``; a video
        whose answer is there already is not tracked again.
    progress
        Called with (frames done, frames in all); the second is an estimate until every video
        has been seen.

    Returns
    -------
    Evaluation
        With a row for every video. A video that cannot be read or tracked is among its
        ``failures`` and does not stop the others.

    Raises
    ------
    PointtrackError
        When not a single video could be evaluated.
    FormatError
        When there is no data set, an answer cannot be kept, or one that is kept was made with
        other settings.
    """
    contender = tracker if isinstance(tracker, Contender) else Contender(_ready(tracker))
    found = evaluate_all([contender], dataset, protocol, out=out, progress=progress)[0]
    if not found.videos:
        raise nothing_left(found)
    return found


def evaluate_all(
    contenders: Sequence[Contender],
    dataset: Dataset | PathLike,
    protocol: Protocol | None = None,
    *,
    out: PathLike | None = None,
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Evaluate several trackers; every video is read and resized only once.

    As `evaluate`, but a tracker for which every video failed is returned with no rows.
    """
    data = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    rules = protocol or Protocol()
    labels = [c.label for c in contenders]
    if len(set(labels)) < len(labels) or not labels:
        raise PointtrackError(f"models need different labels, found {', '.join(labels) or 'none'}")
    if rules.input_size is not None:
        require("PIL", "evaluate")  # once, rather than as every video's failure
    runs = [_Run(c, rules, _store(c, rules, out)) for c in contenders]
    meter = _Meter(progress, len(runs))
    benchmark = benchmark_of(data, rules)
    for entry in data.entries():
        _one_entry(entry, runs, rules, meter, data, benchmark)
    return [
        Evaluation(
            run.contender.label,
            run.contender.tracker.card.name,
            dict(run.contender.options),
            data.name,
            rules,
            tuple(run.videos),
            tuple(run.failures),
            benchmark,
        )
        for run in runs
    ]


def nothing_left(evaluation: Evaluation) -> PointtrackError:
    """The error for an evaluation in which every video failed."""
    if not evaluation.failures:
        return PointtrackError(f"{evaluation.dataset} holds no video")
    first = evaluation.failures[0]
    return PointtrackError(
        f"no video of {evaluation.dataset} could be evaluated with {evaluation.label}; "
        f"the first, {first.name}: {first.error}"
    )


@dataclass(eq=False)
class _Run:
    contender: Contender
    protocol: Protocol
    store: Store | None
    videos: list[VideoResult] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class _Frames:
    """The frames a tracker is given: made when first asked for, kept for the next tracker."""

    def __init__(self, clip: Clip, protocol: Protocol):
        self._clip, self._protocol = clip, protocol
        self._video: Video | None = None

    def get(self) -> Video:
        if self._video is None:
            self._video = self._protocol.frames_seen(self._clip.video)
        return self._video


def _one_entry(
    entry: Entry,
    runs: list[_Run],
    protocol: Protocol,
    meter: _Meter,
    data: Dataset,
    benchmark: str,
) -> None:
    try:
        clip = entry.load()
        if benchmark:
            clip = BENCHMARKS[benchmark].prepare(clip)
        task = protocol.task(clip)
    except Exception as problem:  # whatever is wrong with one video must not lose the others
        for run in runs:
            run.failures.append(Failure(entry.name, _words(problem)))
        return
    meter.open(len(clip.video), data.count())
    frames = _Frames(clip, protocol)
    with clip.video:
        for run in runs:
            _one_video(run, clip, task, frames, meter, benchmark)


def _one_video(
    run: _Run, clip: Clip, task: Task, frames: _Frames, meter: _Meter, benchmark: str
) -> None:
    answer = run.store.get(clip.name, task) if run.store else None
    resumed = answer is not None
    if answer is None:
        try:
            answer = _track(run.contender.tracker, task, frames.get(), run.protocol, meter.part)
        except Exception as problem:  # out of memory, a broken frame: name it and go on
            run.failures.append(Failure(clip.name, _words(problem)))
            meter.close()
            return
        if run.store:
            run.store.put(clip.name, task, answer)
    judged = run.protocol.judged(answer.tracks.xy, task.seen)
    tracks = answer.tracks
    found = score(task, judged, tracks.visible, tracks.confidence, run.protocol)
    try:
        own = _official(benchmark, clip, task, answer.tracks, run.protocol)
    except PointtrackError as problem:  # a broken mask
        run.failures.append(Failure(clip.name, str(problem)))
        meter.close()
        return
    run.videos.append(
        VideoResult(
            clip.name,
            clip.video.size,
            len(clip.video),
            len(clip),
            len(task.queries),
            answer.seconds,
            resumed,
            {**found.metrics, **own.metrics},
            found.breakdown,
            own.parts,
        )
    )
    meter.close()


def _official(benchmark: str, clip: Clip, task: Task, tracks: Tracks, protocol: Protocol) -> Found:
    """The benchmark's own numbers; none where there is no benchmark."""
    if not benchmark:
        return Found({})
    xy = protocol.in_video(tracks.xy, task.seen, clip.video)
    return BENCHMARKS[benchmark].score(clip, Answers(xy, tracks.visible, task))


def _track(
    tracker: Tracker,
    task: Task,
    video: Video,
    protocol: Protocol,
    part: Callable[[float], None],
) -> Prediction:
    """Ask the tracker all of the task's queries, together or one by one."""
    both_ways = protocol.query_mode == "strided"
    rows = task.queries.txy
    asked = [Queries(row[None]) for row in rows] if protocol.single else [task.queries]
    answers: list[Tracks] = []
    started = time.perf_counter()
    for queries in asked:

        def report(done: int, total: int) -> None:
            part((len(answers) + done / max(total, 1)) / len(asked))

        answers.append(tracker.track(video, queries, both_ways=both_ways, progress=report))
    seconds = time.perf_counter() - started
    if len(answers) == 1:
        return Prediction(answers[0], seconds)
    first = answers[0]
    together = Tracks(
        np.concatenate([a.xy for a in answers]),
        np.concatenate([a.visible for a in answers]),
        np.concatenate([a.confidence for a in answers]),
        size=first.size,
        fps=first.fps,
        times=first.times,
        queries=task.queries,
    )
    return Prediction(together, seconds)


def _ready(tracker: Tracker | str) -> Tracker:
    return load(tracker) if isinstance(tracker, str) else tracker


def _store(contender: Contender, protocol: Protocol, out: PathLike | None) -> Store | None:
    if out is None:
        return None
    rules = "-".join([protocol.name, protocol.query_mode, *(["single"] * protocol.single)])
    folder = Path(out) / "predictions" / safe_name(contender.label) / safe_name(rules)
    card = contender.tracker.card
    return Store(folder, settings_of(card.name, contender.options, protocol))


def _words(problem: Exception) -> str:
    text = str(problem).strip()
    if isinstance(problem, PointtrackError) and text:
        return text
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__


class _Meter:
    """Frames done of all, where how many there are is an estimate until the last video."""

    def __init__(self, progress: Progress | None, runs: int):
        self._progress, self._runs = progress, runs
        self._done = self._frames = self._clips = self._total = self._clip = 0

    def open(self, frames: int, clips: int | None) -> None:
        self._clip = frames
        self._clips += 1
        self._frames += frames
        expected = max(clips or 0, self._clips) * self._frames / self._clips
        self._total = round(expected) * self._runs

    def part(self, share: float) -> None:
        if self._progress is not None:
            done = self._done + round(min(share, 1.0) * self._clip)
            self._progress(done, max(self._total, done))

    def close(self) -> None:
        self.part(1.0)
        self._done += self._clip
