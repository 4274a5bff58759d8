"""Several sources as one endless row of samples an epoch, by number."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.training.checks import number, one_of, picture_size, whole
from pointtrack.training.clips import Source
from pointtrack.training.points import PointConfig, choose_points
from pointtrack.training.recipes import AugmentConfig, augment
from pointtrack.training.sample import Rejected, Sample

Broken = Literal["raise", "skip"]

_BLOCK = 1024  # samples over which the weights are met exactly
_ATTEMPTS = 100  # takes rejected in a row before giving up
_KEPT = 8  # orders remembered; an epoch visits few at a time
_MIX, _ORDER, _ENDLESS, _SAMPLE = range(4)  # what a stream of random numbers is for


@dataclass(frozen=True)
class Part:
    """One source of a training set.

    Attributes
    ----------
    source
        Where takes come from.
    weight
        How often, next to the other parts.
    augment
        What is done to them; default: nothing but fitting them to the size.
    """

    source: Source
    weight: float = 1.0
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        number("weight", self.weight, 0)


class TrainingSet:
    """Samples by epoch and number; both may be any whole number from 0 on.

    Sample i of epoch e depends on the seed, e and i only. Over every 1,024 samples the parts
    are met by their weights, and a part gives each of its clips once before any again.

    Parameters
    ----------
    parts
        Where takes come from, and what is done to them.
    size
        (width, height) of samples.
    points
        How points are chosen; default: ``PointConfig()``.
    seed
        What all that is left to chance follows from.
    broken
        A clip that cannot be read: ``"raise"`` its error, or ``"skip"`` it with a warning and
        count it.

    Raises
    ------
    PointtrackError
        When an argument is out of range or a source is empty.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        size: Size,
        points: PointConfig | None = None,
        seed: int = 0,
        broken: Broken = "raise",
    ):
        picture_size("size", size)
        whole("seed", seed, 0)
        one_of("broken", broken, get_args(Broken))
        if not any(part.weight > 0 for part in parts):
            raise PointtrackError("a training set needs a part with a weight above 0")
        for part in parts:
            if part.source.count() == 0:
                raise PointtrackError(f"{part.source.name} holds no clip")
        self.parts, self.seed, self.broken = tuple(parts), seed, broken
        self.size, self.points = (size[0], size[1]), points or PointConfig()
        self._quota = _quotas([part.weight for part in parts])
        self._orders: dict[tuple[int, ...], NDArray[np.int64]] = {}

    def sample(self, epoch: int, number: int) -> tuple[Sample, Counter[str]]:
        """Sample `number` of an epoch, and how many takes were rejected on the way, by reason.

        A take that cannot be used is replaced by the next one of its source.

        Raises
        ------
        PointtrackError
            When a clip is broken, or a hundred takes in a row are of no use.
        """
        which, place = self._part(epoch, number)
        part, rejected = self.parts[which], Counter[str]()
        for attempt in range(_ATTEMPTS):
            rng = self._rng(_SAMPLE, epoch, number, attempt)
            try:
                index = self._index(which, epoch, place + attempt, (number, attempt))
                take = augment(part.source.draw(index, rng), part.augment, self.size, rng)
                return choose_points(take, self.points, rng), rejected
            except Rejected as rejection:
                rejected[f"{part.source.name}: {rejection.reason}"] += 1
            except PointtrackError as problem:
                if self.broken == "raise":
                    raise
                warnings.warn(f"left out: {problem}", stacklevel=2)
                rejected[f"{part.source.name}: cannot be read"] += 1
        counts = ", ".join(f"{count} x {reason}" for reason, count in rejected.items())
        raise PointtrackError(f"none of {_ATTEMPTS} takes in a row could be used: {counts}")

    def _part(self, epoch: int, number: int) -> tuple[int, int]:
        """Which part sample `number` is from, and how many of it there were before."""
        block, row = divmod(number, _BLOCK)
        key = (_MIX, epoch, block)
        if key not in self._orders:
            mixed = self._rng(*key).permutation(np.repeat(np.arange(len(self.parts)), self._quota))
            self._remember(key, mixed)
        mixed = self._orders[key]
        which = int(mixed[row])
        return which, block * int(self._quota[which]) + int((mixed[:row] == which).sum())

    def _index(self, which: int, epoch: int, place: int, endless: tuple[int, int]) -> int:
        source = self.parts[which].source
        count = source.count()
        if count is None:
            entropy = np.random.SeedSequence((self.seed, _ENDLESS, which, epoch, *endless))
            return int(entropy.generate_state(1, np.uint64)[0] >> 1)
        again, row = divmod(place, count)
        key = (_ORDER, which, epoch, again)
        if key not in self._orders:
            self._remember(key, source.order(self._rng(*key)))
        return int(self._orders[key][row])

    def _remember(self, key: tuple[int, ...], order: NDArray[np.int64]) -> None:
        while len(self._orders) >= _KEPT + len(self.parts):
            self._orders.pop(next(iter(self._orders)))
        self._orders[key] = order

    def _rng(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *purpose))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_orders": {}}  # cheap to make again in another process


def _quotas(weights: Sequence[float]) -> NDArray[np.int64]:
    """How many samples of a block each part gives; at least one if it has any weight."""
    share = np.asarray(weights, np.float64) / sum(weights) * _BLOCK
    quota = np.maximum(np.floor(share), share > 0).astype(np.int64)
    for part in np.argsort(quota - share, kind="stable")[: max(_BLOCK - quota.sum(), 0)]:
        quota[part] += 1
    quota[quota.argmax()] -= quota.sum() - _BLOCK
    return quota
