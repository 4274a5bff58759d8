"""What became of every particle, frame by frame, while a whole video is worked through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.particles.state import Particles, find


@dataclass(eq=False)
class Entry:
    """The particles of one frame, by ascending id.

    ``ids (P,)``, ``xy (P, 2)`` at the working size, ``look (P, 5)``, ``energy (P,)``.
    """

    ids: NDArray[np.int64]
    xy: NDArray[np.float32]
    look: NDArray[np.float32]
    energy: NDArray[np.float32]


class Record:
    """One `Entry` a frame."""

    def __init__(self, frames: int):
        self.entries: list[Entry | None] = [None] * frames

    def __getitem__(self, frame: int) -> Entry:
        entry = self.entries[frame]
        assert entry is not None
        return entry

    def put(self, frame: int, particles: Particles, clock: int, look: NDArray[Any]) -> None:
        """Note the particles of a frame, as they are or beside those that are noted already.

        ``clock`` is the sweep's own count of frames, by which its rings are ordered; ``look``
        ``(P, 5)`` are the channels under the particles.
        """
        energy = particles.energy[:, clock % particles.energy.shape[1]]
        new = Entry(particles.ids, particles.xy.astype(np.float32), look, np.nan_to_num(energy))
        old = self.entries[frame]
        if old is not None:
            fresh = find(old.ids, new.ids) < 0
            new = Entry(
                *(
                    np.concatenate([getattr(old, name), getattr(new, name)[fresh]])
                    for name in ("ids", "xy", "look", "energy")
                )
            )
        order = np.argsort(new.ids, kind="stable")
        self.entries[frame] = Entry(
            new.ids[order], new.xy[order], new.look[order], new.energy[order]
        )

    def places(self, frame: int, ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """Where particles are in a frame, ``(K, 2)``; NaN for those not alive in it."""
        result = np.full((len(ids), 2), np.nan)
        if 0 <= frame < len(self.entries):
            row = find(self[frame].ids, ids)
            result[row >= 0] = self[frame].xy[row[row >= 0]]
        return result

    def looks(self, frame: int, ids: NDArray[np.int64], reach: int) -> NDArray[np.float32]:
        """The looks of particles in the frames up to ``reach`` away, ``(K, 2 reach + 1, 5)``.

        NaN where a particle is not alive.
        """
        result = np.full((len(ids), 2 * reach + 1, 5), np.nan, np.float32)
        for k, t in enumerate(range(frame - reach, frame + reach + 1)):
            if 0 <= t < len(self.entries):
                row = find(self[t].ids, ids)
                result[row >= 0, k] = self[t].look[row[row >= 0]]
        return result

    def motions(self, frame: int, ids: NDArray[np.int64], reach: int) -> NDArray[np.float32]:
        """The moves of particles in the frames up to ``reach`` away, ``(K, 2 reach, 2)``."""
        times = range(frame - reach, frame + reach + 1)
        places = np.stack([self.places(t, ids) for t in times], axis=1)
        return np.diff(places, axis=1).astype(np.float32)

    def arrays(self, least_life: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Positions ``(N, T, 2)`` and energies ``(N, T)``, NaN outside each particle's life.

        Particles that live for fewer than ``least_life`` frames are left out.
        """
        every = np.concatenate([self[t].ids for t in range(len(self.entries))])
        ids, count = np.unique(every, return_counts=True)
        ids = ids[count >= min(least_life, len(self.entries))]
        xy = np.full((len(ids), len(self.entries), 2), np.nan, np.float32)
        energy = np.full(xy.shape[:2], np.nan, np.float32)
        for t in range(len(self.entries)):
            row = find(self[t].ids, ids)
            alive = row >= 0
            xy[alive, t] = self[t].xy[row[alive]]
            energy[alive, t] = self[t].energy[row[alive]]
        return xy, energy
