"""The baseline every tracker must beat: points stay where they were queried."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.base import Tracker
from pointtrack.trackers.session import Estimate, Flags, Points, Session
from pointtrack.weights import ModelCard

CARD = ModelCard(
    name="static",
    family="baseline",
    summary="points stay where they were queried; for comparison only",
    paper="none",
    task="online",
)


class StaticTracker(Tracker):
    """Points that never move and are always visible, with a confidence of one half."""

    card = CARD

    def session(self, keep: bool = False) -> StaticSession:
        return StaticSession(keep)


class StaticSession(Session):
    """Its only state is what every session holds."""

    def _start(self, frame: NDArray[np.uint8]) -> None:
        pass

    def _begin(self, xy: Points) -> None:
        pass

    def _keep(self, rows: Flags) -> None:
        pass

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        xy = self._now[0]
        return xy, np.ones(len(xy), bool), np.full(len(xy), 0.5, np.float32)
