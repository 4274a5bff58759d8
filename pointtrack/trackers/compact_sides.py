"""A network at work on pictures and on their mirror images.

What a network says of a point is off by a little that depends on how the picture lies in its
filters, none of which is symmetric. Of the mirror image it is off in other ways. So some of the
rows of a point (`compact_support.py`) are followed through the mirrored video, which takes one more
encoding of each frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.compact_support import Found

Array = NDArray[np.float32]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]
Each = list[Any]  # features, or the state of some rows: of the picture, and of its mirror image

_FLOW = np.array([-1, 1, -1, 1], np.float32)  # x, y, x, y


class Sides:
    """As a `Follower`, for rows in groups, some of which are followed in the mirror image.

    Coordinates are those of the picture as it is.

    Parameters
    ----------
    follower
        The network.
    mirrored
        Which rows of a group are followed in the mirror image; the first one is not.
    """

    def __init__(self, follower: Any, mirrored: Sequence[bool]) -> None:
        self._follower = follower
        self._each = len(mirrored)
        self._columns = np.flatnonzero(~np.array(mirrored)), np.flatnonzero(mirrored)
        self._width = 0

    def encode(self, frame: NDArray[np.uint8]) -> Each:
        """Features of a frame at its working size."""
        self._width = frame.shape[1]
        return [self._follower.encode(frame), self._follower.encode(_mirror(frame))]

    def begin(self, features: Each, xy: Array) -> Each:
        """Take up rows at working pixels ``(K, 2)``."""
        places = self._two_ways(xy)
        return [self._follower.begin(*pair) for pair in zip(features, places, strict=True)]

    def step(
        self,
        state: Each,
        features: Each,
        flow: Array,
        direct: Array,
        camera: Array,
        careful: bool = False,
    ) -> tuple[Each, Found]:
        """Follow rows onto the frame of these features; for hints see `FlowHints`, `Hidden`."""
        flows = flow, _mirror(flow) * _FLOW
        sides = zip(
            state, features, flows, self._two_ways(direct), self._two_ways(camera), strict=True
        )
        steps = [self._follower.step(*side, careful) for side in sides]
        (_, found), (_, other) = steps
        other = other._replace(xy=self._turned(other.xy))
        return [own for own, _ in steps], Found(*map(self._joined, found, other))

    def chances(self, state: Each) -> Array:
        """How likely rows are seen and, if so, right; ``(K, 2)``."""
        return self._joined(*map(self._follower.chances, state))

    def keep(self, state: Each, rows: Flags) -> Each:
        """The state of some groups, by their ``rows (K,)``."""
        kept = zip(state, self._split(rows), strict=True)
        return [self._follower.keep(*pair) for pair in kept]

    def append(self, state: Each | None, fresh: Each) -> Each:
        """The states of two lots of groups together."""
        pairs = zip([None, None] if state is None else state, fresh, strict=True)
        return [self._follower.append(*pair) for pair in pairs]

    def first(self, state: Each, groups: Rows) -> Any:
        """The state of the first rows of ``groups (R,)``."""
        return self._follower.pick(state[0], groups * len(self._columns[0]))

    def put_first(self, state: Each, other: Any) -> Each:
        """A state with others in the place of the first rows of all groups."""
        rows = np.arange(0, len(other.xy) * len(self._columns[0]), len(self._columns[0]))
        return [self._follower.put(state[0], rows, other), state[1]]

    def put(self, state: Each, groups: Rows, other: Each) -> Each:
        """A state with other groups in the place of ``groups (R,)``."""
        made = []
        for own, new, columns in zip(state, other, self._columns, strict=True):
            rows = groups[:, None] * len(columns) + np.arange(len(columns))
            made.append(self._follower.put(own, rows.ravel(), new))
        return made

    def _split(self, rows: NDArray[Any]) -> list[NDArray[Any]]:
        """What belongs to the rows followed in the picture, and in its mirror image."""
        groups = rows.reshape(-1, self._each, *rows.shape[1:])
        return [groups[:, columns].reshape(-1, *rows.shape[1:]) for columns in self._columns]

    def _joined(self, *sides: NDArray[np.float32]) -> Array:
        """The opposite of `_split`."""
        shape = sides[0].shape[1:]
        groups = np.empty((len(sides[0]) // len(self._columns[0]), self._each, *shape), np.float32)
        for columns, rows in zip(self._columns, sides, strict=True):
            groups[:, columns] = rows.reshape(-1, len(columns), *shape)
        return groups.reshape(-1, *shape)

    def _two_ways(self, places: Array) -> list[Array]:
        """Places ``(K, 2 or more)`` of rows, each as it is on the row's own side."""
        here, there = self._split(places)
        return [here, self._turned(there)]

    def _turned(self, places: Array) -> Array:
        turned = places.copy()
        turned[:, 0] = self._width - 1 - turned[:, 0]
        return turned


def _mirror(picture: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(picture[:, ::-1])
