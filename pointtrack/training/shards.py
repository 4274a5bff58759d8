"""Shards: large training sets as few large files, in WebDataset's layout.

::

    write_shards(takes, "shards", per_shard=256)
    source = ShardSource("shards", ClipConfig(frames=24))   # a source like any other

`ShardSource` reads local shards at random, so that training is resumed exactly, and visits
them a few at a time, so that the disk is read in stretches. Shards behind an address are read
from beginning to end by `pointtrack.training.shard_stream`. What a sample is made of is said
in `pointtrack.training.shard_samples`.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets import Clip
from pointtrack.errors import FormatError
from pointtrack.files import PathLike, atomic_path, reason
from pointtrack.training.checks import interval, one_of, whole
from pointtrack.training.clips import ClipConfig, Source, draw_take
from pointtrack.training.sample import Take
from pointtrack.training.shard_samples import FileMembers, ShardStore, pack, unpack

INDEX = "index.npz"
_TOGETHER = 8  # shards that are shuffled together


def write_shards(
    takes: Iterable[Take],
    out: PathLike,
    *,
    per_shard: int = 256,
    store: ShardStore = "jpg",
    quality: int = 95,
) -> int:
    """Write takes to ``out/shard-000000.tar``, ... and an index of them.

    A shard appears under its name when it is whole, and the index when all are.

    Parameters
    ----------
    takes
        Any number; they are asked for one by one.
    out
        A folder without shards; it is made where there is none.
    per_shard
        Takes a shard. Some 100 MB to 1 GB a shard suit most disks.
    store
        Frames as ``"jpg"``, ``"png"`` (exact) or one ``"mp4"`` a take (smallest; a stretch of
        it costs decoding from a key frame on).
    quality
        Of JPEG, 1 to 100; for mp4 turned into x264's scale: 100 is lossless, 95 is crf 14.

    Returns
    -------
    int
        How many takes were written.

    Raises
    ------
    FormatError
        When the folder holds shards already, or cannot be written.
    """
    whole("per_shard", per_shard, 1)
    one_of("store", store, get_args(ShardStore))
    interval("quality", (quality, quality), 1, 100, integers=True)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FormatError(f"cannot make the folder {folder}: {reason(problem)}") from problem
    if next(folder.glob("*.tar"), None):
        raise FormatError(f"{folder} holds shards already; choose another folder")
    rest, count, starts = iter(takes), 0, []
    for number, first in enumerate(rest):
        path = folder / f"shard-{number:06d}.tar"
        part = chain([first], islice(rest, per_shard - 1))
        starts.append(_write_shard(path, part, count, store, quality))
        count += len(starts[-1])
    if not count:
        raise FormatError(f"there is no take to write to {folder}")
    _write_index(folder, starts)
    return count


def _write_shard(
    path: Path, takes: Iterable[Take], first: int, store: ShardStore, quality: int
) -> list[int]:
    """Write one shard; the offset of each sample."""
    starts = []
    with (
        atomic_path(path) as temporary,
        tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for number, take in enumerate(takes, start=first):
            starts.append(archive.offset)
            for name, content in pack(take, f"{number:09d}", store, quality):
                member = tarfile.TarInfo(name)  # no time and no owner: the same bytes each time
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return starts


def _write_index(folder: Path, starts: list[list[int]]) -> None:
    names = [f"shard-{number:06d}.tar" for number in range(len(starts))]
    with atomic_path(folder / INDEX) as temporary:
        np.savez(
            temporary,
            shards=np.array(names),
            bytes=np.array([(folder / name).stat().st_size for name in names]),
            shard=np.repeat(np.arange(len(starts)), [len(part) for part in starts]),
            start=np.concatenate(starts).astype(np.int64),
        )


class ShardSource(Source):
    """Takes from local shards, each a random stretch of a sample's clip.

    Parameters
    ----------
    folder
        Where the shards are; ``*.tar`` of `write_shards` or of others who keep to the same
        members. Without an index all their headers are read first.
    config
        Which frames a take has; default: ``ClipConfig()``.
    name
        Default: the folder's.

    Raises
    ------
    FormatError
        When there is no shard, the index does not fit, or a shard is damaged.
    """

    def __init__(self, folder: PathLike, config: ClipConfig | None = None, name: str | None = None):
        place = Path(folder)
        self.name, self.config = name or place.resolve().name, config or ClipConfig()
        index = place / INDEX
        found = _read_index(index) if index.is_file() else _scan(place)
        self._shards, self._shard, self._start = found

    def count(self) -> int:
        return len(self._start)

    def draw(self, index: int, rng: np.random.Generator) -> Take:
        return draw_take(self.clip(index), self.config, rng)

    def clip(self, index: int) -> Clip:
        """A sample as a clip of a data set."""
        return unpack(self._members(index))

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Shards in a random order; a few at a time, their samples are mixed."""
        shards = rng.permutation(len(self._shards))
        by_shard = np.split(np.arange(self.count()), np.flatnonzero(np.diff(self._shard)) + 1)
        groups = np.array_split(shards, -(-len(shards) // _TOGETHER))
        return np.concatenate(
            [
                rng.permutation(np.concatenate([by_shard[shard] for shard in group]))
                for group in groups
            ]
        )

    def _members(self, index: int) -> FileMembers:
        path, start = self._shards[self._shard[index]], int(self._start[index])
        key, places = None, {}
        for member in _headers(path, start):
            own, _, rest = member.name.partition(".")
            if key not in (None, own):
                break
            key = own
            places[rest] = (member.offset_data, member.size)
        if key is None:
            raise FormatError(f"{path} ends at byte {start}, expected a sample there")
        return FileMembers(path, key, places)


def _headers(path: Path, start: int) -> Iterator[tarfile.TarInfo]:
    """The members of a shard from an offset on; contents are not read."""
    last = f"byte {start}"
    try:
        with path.open("rb") as file:
            file.seek(start)
            with tarfile.TarFile(fileobj=file) as archive:
                while (member := archive.next()) is not None:
                    last = f"member {member.name}"
                    if member.isreg():
                        yield member
    except tarfile.TarError as problem:
        raise FormatError(f"{path} is damaged after {last}: {problem}") from problem
    except OSError as problem:
        raise FormatError(f"cannot read {path}: {reason(problem)}") from problem


Places = tuple[
    list[Path], NDArray[np.int64], NDArray[np.int64]
]  # shards; of each sample: shard, start


def _read_index(path: Path) -> Places:
    try:
        with np.load(path, allow_pickle=False) as archive:
            names, sizes = archive["shards"].tolist(), archive["bytes"].tolist()
            shard, start = archive["shard"].astype(np.int64), archive["start"].astype(np.int64)
    except (ValueError, KeyError, OSError, EOFError) as problem:
        raise FormatError(f"{path} is not an index of shards; remove it to do without") from problem
    shards = [path.parent / name for name in names]
    for place, size in zip(shards, sizes, strict=True):
        found = place.stat().st_size if place.is_file() else None
        if found != size:
            there = "there is none" if found is None else f"found {found}"
            raise FormatError(f"{place}: expected {size} bytes by {path.name}, {there}")
    return shards, shard, start


def _scan(folder: Path) -> Places:
    """Find the samples of shards without an index."""
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise FormatError(f"{folder} holds no shard (*.tar)")
    found: list[tuple[int, int]] = []
    for number, path in enumerate(shards):
        last = None
        for member in _headers(path, 0):
            key = member.name.partition(".")[0]
            if key != last:
                found.append((number, member.offset))
            last = key
    if not found:
        raise FormatError(f"the shards of {folder} hold no sample")
    places = np.array(found, np.int64)
    return shards, places[:, 0], places[:, 1]
