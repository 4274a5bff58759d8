"""Teachers for tests, which other processes can import: one that moves, one that kills."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pointtrack.queries import QueryLike, resolve
from pointtrack.trackers.base import Progress, Tracker
from pointtrack.trackers.registry import card_of
from pointtrack.trackers.session import Session
from pointtrack.tracks import Tracks
from pointtrack.training.teachers import Teacher
from pointtrack.video import VideoLike, open_finite


class Moving(Tracker):
    """Every point moves by (-2, -1) a frame; each call leaves a line in a log.

    Parameters
    ----------
    log
        Gets the process's number at each call.
    deadly
        While there is such a file, it is removed and the process killed.
    """

    card = card_of("static")

    def __init__(self, log: Path, deadly: Path | None = None):
        self._log, self._deadly = log, deadly

    def session(self, keep: bool = False) -> Session:
        raise AssertionError("teachers are asked for whole clips")

    def track(
        self,
        video: VideoLike,
        queries: QueryLike,
        *,
        both_ways: bool = True,
        progress: Progress | None = None,
    ) -> Tracks:
        opened = open_finite(video)
        asked = resolve(queries, opened)
        with self._log.open("a") as log:
            log.write(f"{os.getpid()}\n")
        if self._deadly is not None and self._deadly.exists():
            self._deadly.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        later = np.arange(len(opened)) - asked.t[:, None]  # N T
        xy = asked.xy[:, None] + later[..., None] * np.array([-2.0, -1.0])
        visible = (xy >= -0.5).all(axis=2)
        if not both_ways:
            xy[later < 0] = np.nan
            visible &= later >= 0
        confidence = np.where(visible, 0.9 ** np.abs(later), 0)
        return Tracks(xy, visible, confidence, opened.size, opened.fps, queries=asked)


@dataclass(frozen=True)
class MovingTeacher(Teacher):
    log: str = ""
    deadly: str = ""

    def load(self, device: str) -> Tracker:
        return Moving(Path(self.log), Path(self.deadly) if self.deadly else None)


@dataclass(frozen=True)
class FailingTeacher(Teacher):
    def load(self, device: str) -> Tracker:
        raise RuntimeError("no\nluck")
