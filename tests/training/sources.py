"""Sources that other processes can import."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from takes import noise_take

from pointtrack.errors import FormatError
from pointtrack.training.clips import Source
from pointtrack.training.sample import Rejected, Take


@dataclass
class Plain(Source):
    """Clip n is noise of seed n; some are rejected, some broken."""

    clips: int | None = 10
    name: str = "plain"
    useless: frozenset[int] = frozenset()
    broken: frozenset[int] = frozenset()

    def count(self) -> int | None:
        return self.clips

    def draw(self, index: int, rng: np.random.Generator) -> Take:
        if index in self.useless:
            raise Rejected(f"{self.name} {index}", "too dull")
        if index in self.broken:
            raise FormatError(f"{self.name} {index} is damaged")
        take = noise_take(index % 1000, (24, 16), 3, 8)
        return Take(f"{self.name} {index}", take.video, take.xy, take.visible, take.valid)
