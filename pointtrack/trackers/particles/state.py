"""The living particles of one frame, and what each remembers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.particles.channels import CHANNELS
from pointtrack.trackers.particles.settings import Settings

ENERGIES = 4  # frames of energy that are smoothed over


@dataclass(eq=False)
class Particles:
    """Particles, one a row. What happened at frame ``t`` lies in slot ``t % R`` of a ring.

    Attributes
    ----------
    ids : ndarray
        ``(P,)`` int64.
    xy : ndarray
        ``(P, 2)`` float64 pixels of the working size.
    asked : ndarray
        ``(P,)`` bool: put there by a query.
    motion : ndarray
        ``(P, R, 2)`` float32, the last moves; NaN before the particle's life.
    look : ndarray
        ``(P, R, 5)`` float32, its channels in the last frames; NaN before its life.
    energy : ndarray
        ``(P, 4)`` float32, its energy in the last frames; NaN before its life.
    """

    ids: NDArray[np.int64]
    xy: NDArray[np.float64]
    asked: NDArray[np.bool_]
    motion: NDArray[np.float32]
    look: NDArray[np.float32]
    energy: NDArray[np.float32]

    @classmethod
    def born(
        cls,
        ids: NDArray[np.int64],
        xy: NDArray[Any],
        look: NDArray[np.float32],
        frame: int,
        settings: Settings,
        asked: bool = False,
    ) -> Particles:
        """Particles at ``xy (K, 2)`` that are seen for the first time, as ``look (K, 5)``."""
        count, ring = len(ids), settings.memory
        looks = np.full((count, ring, CHANNELS), np.nan, np.float32)
        looks[:, frame % ring] = look
        return cls(
            np.asarray(ids, np.int64),
            np.array(xy, np.float64).reshape(-1, 2),
            np.full(count, asked),
            np.full((count, ring, 2), np.nan, np.float32),
            looks,
            np.full((count, ENERGIES), np.nan, np.float32),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: NDArray[np.bool_]) -> Particles:
        """Copies of some rows."""
        return Particles(*(getattr(self, field.name)[rows] for field in fields(self)))

    def joined(self, other: Particles) -> Particles:
        """These particles and then those."""
        if len(other) == 0:
            return self
        return Particles(
            *(
                np.concatenate([getattr(self, field.name), getattr(other, field.name)])
                for field in fields(self)
            )
        )

    def rows(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """The row of each id, -1 for those that are not alive."""
        return find(self.ids, ids)

    def appearance(self, frame: int, settings: Settings) -> NDArray[np.float64]:
        """What each particle should look like at ``frame``, ``(P, 5)``, from the frames before.

        A mean over its past, weighted by a Gaussian in time.
        """
        ring = settings.memory
        age = (frame - 1 - np.arange(ring)) % ring + 1  # 1 for the frame before
        return smoothed(self.look, age, settings.look_sigma)

    def smooth_energy(self, frame: int, settings: Settings) -> NDArray[np.float64]:
        """The energy at ``frame``, smoothed over the frames before, ``(P,)``."""
        age = (frame - np.arange(ENERGIES)) % ENERGIES
        return smoothed(self.energy[..., None], age, settings.prune_sigma)[:, 0]


def smoothed(values: NDArray[Any], age: NDArray[Any], sigma: float) -> NDArray[np.float64]:
    """Means of ``values (P, R, C)`` over R, by a Gaussian of the distance in time ``age (R,)``.

    NaN counts for nothing; a row of nothing but NaN gives zero.
    """
    gauss = np.exp(-0.5 * (age / sigma) ** 2)
    known = np.isfinite(values[..., 0])
    weight = known * gauss  # P R
    total = np.einsum("pr,prc->pc", weight, np.where(known[..., None], values, 0))
    return total / np.maximum(weight.sum(axis=1), 1e-12)[:, None]


def find(ids: NDArray[np.int64], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Where each of ``wanted (K,)`` is among ``ids (P,)`` in any order; -1 where it is not."""
    if len(ids) == 0:
        return np.full(len(wanted), -1)
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    rows = order[place]
    return np.where(ids[rows] == wanted, rows, -1)
