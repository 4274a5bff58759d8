"""Labelling by several processes: Ray Data on one machine, or on a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import asdict
from types import ModuleType
from typing import Any

from pointtrack.errors import PointtrackError, require
from pointtrack.training.pseudo_clips import Job, Labeller, Outcome

_BLOCKS = 10_000  # at most; one clip a block until then
_STORE = 200 << 20  # bytes of shared memory: only names of clips go through it


def need_ray() -> ModuleType:
    """Ray with its data library.

    Raises
    ------
    PointtrackError
        When it is not installed; the message holds the install command.
    """
    # Read when Ray is imported: nothing is reported to its makers, and its own processes write
    # to their log files only.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    ray = require("ray", "scale")
    require("ray.data", "scale")
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return ray


def on_ray(
    labeller: Labeller, jobs: list[Job], workers: int, address: str | None, gpus: float
) -> Iterator[Outcome]:
    """Label clips by actors, each with its own teachers; outcomes in the order they are made.

    An actor that is killed is started again, and its clips with it: Ray Data does so by itself.

    Raises
    ------
    PointtrackError
        When there is no such cluster, or it cannot go on.
    """
    if not jobs:
        return
    ray = need_ray()
    ours = not ray.is_initialized()
    if ours:
        _start(ray, workers, address)
    try:
        yield from _outcomes(ray, labeller, jobs, workers, gpus)
    except ray.exceptions.RayError as problem:
        words = " ".join(str(problem).split())
        raise PointtrackError(f"Ray cannot go on: {words[:300]}") from problem
    finally:
        if ours:
            ray.shutdown()


def _start(ray: ModuleType, workers: int, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is None:
            # "local": not a cluster that happens to run here. One processor more than workers,
            # so that Ray's own tasks never wait for one of theirs.
            ray.init(
                address="local",
                num_cpus=workers + 1,
                include_dashboard=False,
                object_store_memory=_STORE,
                **quiet,
            )
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as problem:
        where = "on this machine" if address is None else f"at {address}"
        words = " ".join(str(problem).split())
        raise PointtrackError(f"cannot reach Ray {where}: {words[:200]}") from problem


def _outcomes(
    ray: ModuleType, labeller: Labeller, jobs: list[Job], workers: int, gpus: float
) -> Iterator[Outcome]:
    data = ray.data
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    if hasattr(context, "execution_no_progress_timeout_s"):  # since Ray 2.5x
        context.execution_no_progress_timeout_s = -1  # a slow teacher is no fault
    rows = [asdict(job) for job in jobs]
    clips = data.from_items(rows, override_num_blocks=min(len(rows), _BLOCKS))
    made = clips.map(
        _Worker,
        fn_constructor_args=(labeller,),
        compute=data.ActorPoolStrategy(size=min(workers, len(jobs))),
        num_cpus=1,
        num_gpus=gpus or None,
    )
    for row in made.iter_rows():
        yield Outcome(**row)


class _Worker:
    """A labeller in a process of its own; rows are plain values, as Ray's tables want them."""

    def __init__(self, labeller: Labeller):
        self._labeller = labeller

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return asdict(self._labeller(Job(str(row["video"]), int(row["number"]))))
