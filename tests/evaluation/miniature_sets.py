"""Small data sets on disk, and a tracker whose answers are known beforehand."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from pointtrack.queries import Queries, QueryLike
from pointtrack.trackers import Progress, Session, Tracker
from pointtrack.tracks import Tracks
from pointtrack.video import VideoLike, open_video
from pointtrack.weights import ModelCard


def still(
    starts: Any, frames: int = 5, size: tuple[int, int] = (256, 256), seed: int = 0
) -> dict[str, Any]:
    """An example of points that never move; ``starts`` (N, 2) in raster pixels of ``size``."""
    noise = np.random.default_rng(seed).integers(0, 256, (1, size[1], size[0], 3), dtype=np.uint8)
    points = np.asarray(starts, np.float64) / size
    return {
        "video": np.repeat(noise, frames, axis=0),
        "points": np.repeat(points[:, None], frames, axis=1),
        "occluded": np.zeros((len(points), frames), bool),
    }


def moved(example: dict[str, Any], by: Any) -> dict[str, Any]:
    """The same, with all points ``by`` (x, y) pixels further from frame 1 on."""
    height, width = example["video"].shape[1:3]
    points = example["points"].copy()
    points[:, 1:] += np.asarray(by, np.float64) / (width, height)
    return {**example, "points": points}


def save(examples: Any, path: Path) -> Path:
    path.write_bytes(pickle.dumps(examples))
    return path


class Recorder(Tracker):
    """Says that points stay where they are, and remembers what it was asked."""

    card = ModelCard("recorder", "test", "remembers what it is asked", "none", "offline")

    def __init__(self, fail_at: int | None = None):
        self.calls: list[tuple[tuple[int, int], Queries, bool]] = []
        self._fail_at = fail_at

    def session(self, keep: bool = False) -> Session:
        raise NotImplementedError

    def track(
        self,
        video: VideoLike,
        queries: QueryLike,
        *,
        both_ways: bool = True,
        progress: Progress | None = None,
    ) -> Tracks:
        opened = open_video(video)
        assert isinstance(queries, Queries)
        queries.check(opened.size, len(opened))
        self.calls.append((opened.size, queries, both_ways))
        if len(self.calls) - 1 == self._fail_at:
            raise RuntimeError("out of memory")
        if progress is not None:
            progress(len(opened), len(opened))
        xy = np.repeat(queries.xy[:, None], len(opened), axis=1)
        return Tracks(xy, np.ones(xy.shape[:2], bool), size=opened.size, queries=queries)
