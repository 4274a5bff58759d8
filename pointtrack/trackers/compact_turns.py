"""Points found again by what they would look like had the picture been turned, or had it grown.

A network's features turn with the picture: a point that was hidden while what it lies on turned by
a good deal looks like itself no more. So the picture that it was asked for on is turned and
brought to other sizes, as often as it takes, and the point is looked for by what it looks like in
each of them. All of these pictures are encoded once, when the first of their points is in doubt,
and only what lies around the points is kept.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.networks.compact_state import chance
from pointtrack.trackers.compact_support import Found

if TYPE_CHECKING:
    from pointtrack.networks.compact import Features
    from pointtrack.networks.compact_state import PointState
    from pointtrack.trackers.compact_follower import Follower

Array = NDArray[np.float32]
Rows = NDArray[np.int64]

_ANGLES = tuple(range(-100, 101, 20))  # degrees
_SIZES = (1.0, 0.7, 1.4)
_PICTURES = 4  # frames at most whose points are looked for in this way
_POINTS = 512  # and points
_BELIEVED = 0.85  # chance to be seen and right from which a place is taken
_AT_ONCE = 16  # points that are looked for together
_LATER, _NEVER = -1, -2
_MULTIPLE = 16


def _matrix(angle: float, size: float) -> NDArray[np.float64]:
    c, s = size * math.cos(math.radians(angle)), size * math.sin(math.radians(angle))
    return np.array([[c, s], [-s, c]])


TURNS = np.stack([_matrix(*turn) for turn in itertools.product(_ANGLES, _SIZES)])  # V 2 2


class Again(NamedTuple):
    """Points that were found again.

    Attributes
    ----------
    points : ndarray
        ``(R,)``: which they are.
    state : PointState
        Theirs, on the newest frame.
    found : Found
        What the network says of them.
    turns : ndarray
        ``(R, 2, 2)``: offsets on their first frame to offsets on this one.
    """

    points: Rows
    state: PointState
    found: Found
    turns: Array


class Turns:
    """The turned pictures of the frames on which K points were asked for."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._newest = -1
        self._picture: NDArray[np.uint8] | None = None
        self._kept: set[int] = set()  # the numbers of pictures whose points are looked for
        self._pictures: dict[int, NDArray[np.uint8]] = {}  # those of them not yet turned
        self._born = np.empty(0, np.int64)  # K: the number of each one's picture
        self._origin = np.empty((0, 2), np.float32)  # K 2 working px
        self._slot = np.empty(0, np.int64)  # K: the row of `_held` with its looks, or below 0
        self._promised = 0  # rows of `_held`, there or to come: earlier points come first
        self._held: list[Tensor] = []  # of V L S C

    def see(self, picture: NDArray[np.uint8]) -> None:
        """Take the next frame, ``(H, W, 3)`` RGB at the working size."""
        self._picture, self._newest = picture, self._newest + 1

    def add(self, xy: Array) -> None:
        """Points ``(K, 2)`` working px are asked for on the newest frame."""
        room = min(len(xy), _POINTS - self._promised)
        if room and len(self._kept) < _PICTURES and self._picture is not None:
            self._kept.add(self._newest)
            self._pictures[self._newest] = self._picture.copy()
            self._promised += room
        self._born = np.concatenate([self._born, np.full(len(xy), self._newest)])
        self._origin = np.concatenate([self._origin, np.asarray(xy, np.float32)])
        slots = np.where(np.arange(len(xy)) < room, _LATER, _NEVER)
        self._slot = np.concatenate([self._slot, slots])

    def keep(self, points: NDArray[np.bool_]) -> None:
        """Forget all points but those of ``points (K,)``."""
        self._born, self._origin = self._born[points], self._origin[points]
        self._slot = self._slot[points]

    def find(self, state: PointState, features: Features, points: Rows) -> list[Again]:
        """Look for ``points (R,)``, whose states these are, on the newest frame; by portions."""
        for born in sorted(set(self._born[points].tolist()) & set(self._pictures)):
            self._turn(born)
        known = self._slot[points] >= 0
        rows, points = np.flatnonzero(known), points[known]
        parts = []
        for start in range(0, len(points), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            looks = torch.stack([self._held[slot] for slot in self._slot[points[some]]])
            asked = state.rows(torch.from_numpy(rows[some]))
            after, found, turn = self._follower.seek(asked, features, looks)
            good = np.flatnonzero(chance(after.logits).cpu().numpy() > _BELIEVED)
            parts.append(
                Again(
                    points[some][good],
                    after.rows(torch.from_numpy(good)),
                    Found(*(field[good] for field in found)),
                    TURNS[turn[good]].astype(np.float32),
                )
            )
        return [part for part in parts if len(part.points)]

    def _turn(self, born: int) -> None:
        """Look at the points of a picture from all sides; then it is needed no more."""
        picture = self._pictures.pop(born)
        points = np.flatnonzero((self._born == born) & (self._slot == _LATER))
        if len(points) == 0:
            return
        looks = [self._looks(picture, turn, self._origin[points]) for turn in TURNS]
        self._slot[points] = len(self._held) + np.arange(len(points))
        self._held.extend(torch.stack(looks, dim=1).unbind(0))

    def _looks(self, picture: NDArray[np.uint8], turn: NDArray[np.float64], xy: Array) -> Tensor:
        height, width = picture.shape[:2]
        corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
        turned = corners @ turn.T
        low, size = turned.min(axis=0), np.ptp(turned, axis=0) + 1
        across, down = (math.ceil(side / _MULTIPLE) * _MULTIPLE for side in size)
        warp = np.column_stack([turn, -low])
        made = cv2.warpAffine(picture, warp, (across, down), borderMode=cv2.BORDER_REFLECT_101)
        features = self._follower.encode(np.asarray(made, np.uint8))
        places = (xy @ turn.T - low).astype(np.float32)
        return self._follower.looks(features, places).half()
