"""Shards read from beginning to end, from wherever WebDataset can open them.

For sets too far away for random access: web addresses, object stores (``s3://``, ``gs://``)
and ``pipe:`` commands. Each rank and worker has shards of its own::

    stream = ShardStream(urls, size=(256, 256), config=ClipConfig(24), rank=rank, world=world)
    for batch in DataLoader(stream, batch_size=4, collate_fn=collate, num_workers=4): ...

Training from a stream cannot be resumed in the middle of an epoch: it begins with the shards
of the epoch again.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from pointtrack.errors import FormatError, PointtrackError, require
from pointtrack.geometry import Size
from pointtrack.training.checks import picture_size, whole
from pointtrack.training.clips import ClipConfig, draw_take
from pointtrack.training.points import PointConfig, choose_points
from pointtrack.training.recipes import AugmentConfig, augment
from pointtrack.training.sample import Rejected, Sample
from pointtrack.training.shard_samples import HeldMembers, unpack


class ShardStream(IterableDataset[Sample]):
    """Samples from shards, epoch after epoch without an end.

    Parameters
    ----------
    urls
        Paths or addresses of shards; at least one for each rank and worker.
    size
        (width, height) of samples.
    config, augmentation, points
        Which frames, what is done to them, which points; defaults as elsewhere.
    seed, epoch
        What all that is left to chance follows from; the epoch to begin with.
    shuffle
        Samples (still encoded) among which the next is drawn.
    rank, world
        This process's number and how many there are.

    Raises
    ------
    PointtrackError
        When there are fewer shards than ranks and workers, or a shard is damaged; the message
        names it.
    """

    def __init__(
        self,
        urls: Sequence[str],
        size: Size,
        config: ClipConfig | None = None,
        augmentation: AugmentConfig | None = None,
        points: PointConfig | None = None,
        *,
        seed: int = 0,
        epoch: int = 0,
        shuffle: int = 128,
        rank: int = 0,
        world: int = 1,
    ):
        picture_size("size", size)
        for name, value, least in (
            ("seed", seed, 0),
            ("epoch", epoch, 0),
            ("shuffle", shuffle, 1),
            ("rank", rank, 0),
            ("world", world, rank + 1),
        ):
            whole(name, value, least)
        self._urls, self._size, self._config = sorted(urls), size, config or ClipConfig()
        self._augmentation = augmentation or AugmentConfig()
        self._points = points or PointConfig()
        self._seed, self._epoch, self._shuffle = seed, epoch, shuffle
        self._rank, self._world = rank, world

    def __iter__(self) -> Iterator[Sample]:
        info = get_worker_info()
        workers, worker = (info.num_workers, info.id) if info else (1, 0)
        share, shares = self._rank * workers + worker, self._world * workers
        if len(self._urls) < shares:
            raise PointtrackError(
                f"there are {len(self._urls)} shards, expected at least {shares}: one for each "
                "rank and worker"
            )
        epoch = self._epoch
        while True:
            given = False
            for sample in self._one_epoch(epoch, share, shares):
                given = True
                yield sample
            if not given:
                raise PointtrackError("no sample of a whole epoch could be used")
            epoch += 1

    def _one_epoch(self, epoch: int, share: int, shares: int) -> Iterator[Sample]:
        mixed = np.random.default_rng((self._seed, epoch)).permutation(len(self._urls))
        own = [self._urls[number] for number in mixed[share::shares]]
        rng = np.random.default_rng((self._seed, epoch, share))
        for contents in shuffled(stream_members(own), self._shuffle, rng):
            try:
                take = draw_take(unpack(contents), self._config, rng)
                take = augment(take, self._augmentation, self._size, rng)
                yield choose_points(take, self._points, rng)
            except Rejected:
                continue


def stream_members(urls: Iterable[str]) -> Iterator[HeldMembers]:
    """The samples of shards, one after the other, still encoded."""
    reader = require("webdataset.tariterators", "train")
    for url in urls:
        last = "the beginning"
        try:
            for found in reader.tarfile_samples(iter([{"url": url}])):
                last = f"sample {found['__key__']}"
                contents = {name: data for name, data in found.items() if name[:2] != "__"}
                yield HeldMembers(f"{url}, {last}", contents)
        except (tarfile.TarError, OSError, ValueError) as problem:
            if isinstance(problem, PointtrackError):
                raise
            raise FormatError(f"{url} cannot be read after {last}: {problem.args[0]}") from problem


def shuffled(items: Iterable[Any], held: int, rng: np.random.Generator) -> Iterator[Any]:
    """The same items, each drawn from the `held` that are next."""
    waiting: list[Any] = []
    for item in items:
        waiting.append(item)
        if len(waiting) >= held:
            place = int(rng.integers(len(waiting)))
            waiting[place], waiting[-1] = waiting[-1], waiting[place]
            yield waiting.pop()
    for place in rng.permutation(len(waiting)):
        yield waiting[place]
