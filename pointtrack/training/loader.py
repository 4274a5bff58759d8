"""Batches for training: made in other processes, split over ranks, resumed anywhere.

::

    training_set = TrainingSet([Part(ProceduralSource(config))], size=(128, 128), seed=1)
    loader = Loader(training_set, batch_size=4, epoch_samples=10_000, workers=2)
    for batch in loader.forever():
        ...
        state = loader.state_dict()  # where to go on after this batch

The samples are the same for any number of workers, and all ranks together see each sample of
an epoch once.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import cv2
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from pointtrack.errors import PointtrackError
from pointtrack.training.checks import whole
from pointtrack.training.sample import Batch, Sample, collate
from pointtrack.training.training_set import TrainingSet

Key = tuple[int, int]  # epoch, number of the sample
Drawn = tuple[Sample, dict[str, int]] | PointtrackError
Joined = tuple[Batch, dict[str, int]] | PointtrackError


class Loader:
    """Batches of a training set, epoch after epoch.

    Memory is bounded: at most ``workers * prefetch`` batches wait to be asked for.

    Parameters
    ----------
    training_set
        Where samples come from. With workers it goes to other processes by pickle.
    batch_size
        Samples a batch, on each rank.
    epoch_samples
        Samples an epoch, all ranks together; what does not fill a batch on every rank is left
        out.
    rank, world
        This process's number and how many there are (``torchrun``).
    workers
        Processes that make batches; 0 makes them here, when they are asked for.
    prefetch
        Batches each worker makes ahead.
    pin_memory
        Hand out batches in page-locked memory, from which copies to a GPU need not wait.
    flow
        Whether batches come with optical flow.

    Attributes
    ----------
    rejections : Counter
        How many takes could not be used so far, by source and reason.

    Raises
    ------
    PointtrackError
        When a number is out of range, or an epoch has no whole batch.
    """

    def __init__(
        self,
        training_set: TrainingSet,
        batch_size: int,
        epoch_samples: int,
        *,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
        prefetch: int = 2,
        pin_memory: bool = False,
        flow: bool = False,
    ):
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("epoch_samples", epoch_samples, 1),
            ("rank", rank, 0),
            ("world", world, 1),
            ("workers", workers, 0),
            ("prefetch", prefetch, 1),
        ):
            whole(name, value, least)
        if rank >= world:
            raise PointtrackError(f"rank must be below world, {world}, found {rank}")
        self._step = batch_size * world
        if epoch_samples < self._step:
            raise PointtrackError(
                f"an epoch of {epoch_samples} samples has no batch of {batch_size} on each of "
                f"{world} ranks"
            )
        self.rejections: Counter[str] = Counter()
        self._set, self._batch_size, self._rank = training_set, batch_size, rank
        self._end = epoch_samples // self._step * self._step
        self._workers, self._prefetch, self._pin = workers, prefetch, pin_memory
        self._join = functools.partial(_join, flow=flow)
        self._epoch = self._position = 0

    def __len__(self) -> int:
        """Batches an epoch, on this rank."""
        return self._end // self._step

    @property
    def epoch(self) -> int:
        """The epoch that the next batch belongs to."""
        return self._epoch

    def __iter__(self) -> Iterator[Batch]:
        """What is left of the current epoch."""
        epoch = self._epoch
        return self._batches(_KeyBatches(self, lambda e: e == epoch))

    def forever(self) -> Iterator[Batch]:
        """What is left of the current epoch, and all that follow, without a pause between."""
        return self._batches(_KeyBatches(self, lambda _: True))

    def state_dict(self) -> dict[str, int]:
        """Where to go on: after the last batch that was handed out."""
        return {"seed": self._set.seed, "epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another loader of the same training set was.

        Raises
        ------
        PointtrackError
            When the state is of another seed or does not fit the batches.
        """
        names = ("seed", "epoch", "position")
        for name in names:
            whole(f"the loader's {name}", state.get(name), 0)
        seed, epoch, position = (int(state[name]) for name in names)
        if seed != self._set.seed:
            raise PointtrackError(
                f"the loader's state is of seed {seed}, the training set's is {self._set.seed}"
            )
        if position % self._step or position >= self._end:
            raise PointtrackError(
                f"the loader's state is at sample {position}, expected a multiple of "
                f"{self._step} (a batch on every rank) below {self._end}"
            )
        self._epoch, self._position = epoch, position

    def _batches(self, keys: _KeyBatches) -> Iterator[Batch]:
        spawned = self._workers > 0
        batches = DataLoader(
            _Samples(self._set),
            batch_sampler=keys,
            num_workers=self._workers,
            collate_fn=self._join,
            pin_memory=self._pin,
            # Spawned, not forked: a fork of a process in which PyTorch runs threads may hang.
            multiprocessing_context="spawn" if spawned else None,
            prefetch_factor=self._prefetch if spawned else None,
            worker_init_fn=_begin if spawned else None,
        )
        for joined in _alive(iter(batches)):
            if isinstance(joined, PointtrackError):
                raise joined
            batch, rejected = joined
            self.rejections.update(rejected)
            self._epoch, self._position = self._after(self._epoch, self._position)
            yield batch._replace(names=tuple(batch.names))  # pinning makes a list of it

    def _after(self, epoch: int, position: int) -> tuple[int, int]:
        position += self._step
        return (epoch, position) if position < self._end else (epoch + 1, 0)


class _KeyBatches:
    """Which samples each coming batch has; goes its own way ahead of the loader."""

    def __init__(self, loader: Loader, wanted: Any):
        self._loader, self._wanted = loader, wanted

    def __iter__(self) -> Iterator[list[Key]]:
        loader = self._loader
        epoch, position = loader._epoch, loader._position
        while self._wanted(epoch):
            first = position + loader._rank * loader._batch_size
            yield [(epoch, first + row) for row in range(loader._batch_size)]
            epoch, position = loader._after(epoch, position)


class _Samples(TorchDataset[Drawn]):
    """A training set as PyTorch's loader takes it; errors are handed on, not raised."""

    def __init__(self, training_set: TrainingSet):
        self._set = training_set

    def __getitem__(self, key: Key) -> Drawn:
        try:
            sample, rejected = self._set.sample(*key)
        except PointtrackError as problem:  # PyTorch would put its traceback into the message
            return problem
        return sample, dict(rejected)


def _join(drawn: list[Drawn], flow: bool) -> Joined:
    samples, rejected = [], Counter[str]()
    for item in drawn:
        if isinstance(item, PointtrackError):
            return item
        samples.append(item[0])
        rejected.update(item[1])
    try:
        return collate(samples, flow), dict(rejected)
    except PointtrackError as problem:
        return problem


def _alive(batches: Iterator[Joined]) -> Iterator[Joined]:
    try:
        yield from batches
    except RuntimeError as problem:
        if "DataLoader worker" not in str(problem):
            raise
        raise PointtrackError(f"a worker that makes batches was killed: {problem}") from problem


def _begin(worker: int) -> None:
    """In a worker: one thread, and Ctrl-C is the parent's to answer."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A thread that still hands over a batch would make the interpreter abort at its end.
    atexit.register(os._exit, 0)
