"""Points that are known by what they look like, to be found in another video than their own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import QueryError
from pointtrack.geometry import Size
from pointtrack.networks.blocks.estimates import joined, of_points
from pointtrack.queries import QueryLike, resolve
from pointtrack.trackers.session import Estimate, Session, Step
from pointtrack.video import VideoLike, open_finite

# One network's features of N points at one of its sizes: a named tuple of ``(1, N, ...)``.
Looks = Any
# A frame, queries ``(N, 3)`` of it in pixels of the video, and its size.
Look = Callable[[NDArray[np.uint8], NDArray[np.float32], Size], list[Looks]]


@dataclass(frozen=True, eq=False)
class Descriptors:
    """What points look like in some video, to find them in another one.

    Attributes
    ----------
    names
        Of the N points.
    model
        Whose features these are.
    features
        The network's, at each of its sizes: named tuples of ``(1, N, ...)``.
    """

    names: tuple[str, ...]
    model: str
    features: list[Looks]

    def __len__(self) -> int:
        return len(self.names)


def describe(look: Look, model: str, video: VideoLike, queries: QueryLike) -> Descriptors:
    """What points look like; of a point with several observations the first one counts.

    Raises
    ------
    VideoError, QueryError
        When the video cannot be read or a query does not lie in it.
    """
    opened = open_finite(video)
    asked = resolve(queries, opened)
    rows = asked.first()
    parts, order = [], []
    for t in np.unique(asked.t[rows]).tolist():
        here = np.flatnonzero(asked.t[rows] == t)
        txy = asked.txy[rows[here]].astype(np.float32) * np.array([0, 1, 1], np.float32)
        parts.append(look(opened[t], txy, opened.size))
        order.append(here)
    back = torch.from_numpy(np.argsort(np.concatenate(order)))
    features = [chosen(joined(same), back) for same in zip(*parts, strict=True)]
    return Descriptors(asked.names, model, features)


def chosen(looks: Looks, rows: torch.Tensor) -> Looks:
    """Features of some points only."""
    picked: Any = rows.to(looks[0].device)
    return of_points(looks, picked)


class FindingSession(Session):
    """A session that also takes points by what they look like."""

    def __init__(self, keep: bool) -> None:
        super().__init__(keep)
        self._described: list[tuple[list[int], list[Looks]]] = []  # to be found on the next frame

    def add_described(self, points: Descriptors) -> list[int]:
        """Look for points by what they look like, from the *next* frame on.

        Parameters
        ----------
        points
            What the tracker's ``describe`` gave, of any video, with the same model.

        Returns
        -------
        list of int
            Their ids.

        Raises
        ------
        QueryError
            When they are another model's, or described at other sizes.
        """
        model, sizes = self._describes()
        if points.model != model:
            raise QueryError(f"the points are described by {points.model}, not by {model}")
        if len(points.features) != sizes:
            raise QueryError(
                f"the points are described at {len(points.features)} sizes, this session works at "
                f"{sizes}"
            )
        ids = list(range(self._next_id, self._next_id + len(points)))
        self._next_id += len(points)
        if ids:
            self._described.append((ids, points.features))
        return ids

    def step(self, frame: NDArray[np.uint8]) -> Step:
        now = super().step(frame)
        for ids, features in self._described:
            now = self._find(ids, features)
        self._described = []
        return now

    def remove(self, ids: int | ArrayLike) -> None:
        super().remove(ids)
        gone = {int(i) for i in np.ravel(np.asarray(ids))}
        left = []
        for waiting, features in self._described:
            kept = [row for row, i in enumerate(waiting) if i not in gone]
            if kept:
                rows = torch.tensor(kept)
                left.append(([waiting[row] for row in kept], [chosen(f, rows) for f in features]))
        self._described = left

    def correct(self, point: int, xy: ArrayLike) -> None:
        if self._is_described(point):
            raise QueryError(f"point {point} has not been looked for yet: the next frame is first")
        super().correct(point, xy)

    def close(self) -> None:
        super().close()
        self._described = []

    @abstractmethod
    def _describes(self) -> tuple[str, int]:
        """The model, and at how many sizes it describes points."""

    @abstractmethod
    def _meet(self, features: list[Looks]) -> Estimate:
        """Append state for points that look like this, and say where they are now."""

    def _find(self, ids: list[int], features: list[Looks]) -> Step:
        """Take up points where the network finds them on the newest frame."""
        found = self._meet(features)
        self._ids = np.concatenate([self._ids, np.array(ids, np.int64)])
        xy, visible, confidence = (
            np.concatenate(pair) for pair in zip(self._now, found, strict=True)
        )
        self._now = xy, visible, confidence
        now = self._report()
        if self._history is not None:
            self._history.steps[-1] = now
            for point, place in zip(ids, found[0], strict=True):
                self._history.observe(point, self.frame, place)
        return now

    def _need(self, point: int) -> None:
        if not self._is_described(point):
            super()._need(point)

    def _is_described(self, point: int) -> bool:
        return any(point in ids for ids, _ in self._described)
