"""Many clips into a folder: in several processes, and going on where an earlier run ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

import torch

from pointtrack.errors import PointtrackError
from pointtrack.files import PathLike
from pointtrack.synthesis.config import ProceduralConfig
from pointtrack.synthesis.folders import clip_folder, clip_seed, make_folder
from pointtrack.synthesis.photographs import find_pictures
from pointtrack.synthesis.procedural import find_device, generate
from pointtrack.synthesis.storage import STORES, Store, is_written, write_clip

Job = tuple[Path, int, ProceduralConfig, Store, str]


def produce(
    out: PathLike,
    clips: int,
    seed: int,
    config: ProceduralConfig,
    *,
    store: Store = "png",
    device: str = "cpu",
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Generate clips 0 to ``clips - 1`` of a seed into a folder; see `storage` for its layout.

    A clip that is there already is kept, so that a production that was stopped, or shall be
    larger, goes on. The files do not depend on the number of workers.

    Parameters
    ----------
    progress
        Called with (clips done, clips in all).

    Returns
    -------
    int
        How many clips were made by this call.

    Raises
    ------
    PointtrackError
        When an argument is out of range, a clip of other settings is in the folder, or it
        cannot be written.
    """
    for name, value, least in (("clips", clips, 1), ("seed", seed, 0), ("workers", workers, 1)):
        if value < least:
            raise PointtrackError(f"{name} must be at least {least}, found {value}")
    if store not in STORES:
        raise PointtrackError(f"clips are stored as {' or '.join(STORES)}, found {store!r}")
    find_device(device)
    if config.textures is not None:
        find_pictures(config.textures)
    folder = make_folder(out)
    report = progress or (lambda done, total: None)
    jobs = [
        (clip_folder(folder, index), clip_seed(seed, index), config, store, device)
        for index in range(clips)
    ]
    missing = [job for job in jobs if not is_written(*job[:4])]
    report(clips - len(missing), clips)
    made = _here(missing) if workers == 1 else _in_processes(missing, workers)
    for done, _ in enumerate(made, start=clips - len(missing) + 1):
        report(done, clips)
    return len(missing)


def _make(job: Job) -> None:
    folder, seed, config, store, device = job
    write_clip(folder, generate(seed, config, device), store)


def _here(jobs: list[Job]) -> Iterator[None]:
    # Small tensors: more threads wait for each other, and far longer on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from map(_make, jobs)
    finally:
        torch.set_num_threads(threads)


def _in_processes(jobs: list[Job], workers: int) -> Iterator[None]:
    # Spawned, not forked: a fork of a process in which PyTorch runs threads may hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_begin)
    waiting = iter(jobs)
    try:
        running: set[Future[None]] = {
            pool.submit(_make, job) for job in islice(waiting, 2 * workers)
        }
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                running.update(pool.submit(_make, job) for job in islice(waiting, 1))
                yield
    except BrokenProcessPool as problem:
        raise PointtrackError("a worker was killed, perhaps for lack of memory") from problem
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """In a worker: one thread each, and Ctrl-C is the parent's to answer."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
