"""TAPTR and TAPTRv2: square pictures, values from 0 to 1, points that see each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack import geometry
from pointtrack.geometry import Size
from pointtrack.networks.taptr import State, Taptr
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.convention import Convention, Points
from pointtrack.trackers.neural.features import Maps
from pointtrack.trackers.neural.model import Answer, Model, area, floats

_CHANNELS = 256
_PYRAMID = 1.34  # of the finest level's size, all four together
_ENCODING = 400  # numbers a pixel
_TOKEN = 16_000  # numbers held for a point in a frame
_LEAST = 200 << 20  # bytes of what a portion of places or patches needs

# Support points are drawn in pixels of a picture of 256 x 256, and begin within 12 frames.
_DRAWN_IN, _MARGIN, _SPREAD = 256, 16, 12


class CornerPoints(Convention):
    """Pictures keep their outer edges and points their place among the corner pixels.

    This is how the published numbers were taken: 256 pixels a side become 512, and a point is
    then up to half a pixel of those beside what it was on.
    """

    def to_network(self, xy: Points, video: Size) -> Points:
        return geometry.resize_points_align_corners(xy, video, self.size).astype(np.float32)

    def to_video(self, xy: Points, video: Size) -> Points:
        return geometry.resize_points_align_corners(xy, self.size, video).astype(np.float32)


class TaptrModel(Model):
    """Both networks.

    Parameters
    ----------
    size
        Width and height of the pictures.
    threshold
        Of the visibility.
    support
        Points in all: as many are added to a user's.
    gap
        Every how many windows content is handed on; 0: by the video's length, as published.
    published
        Whether all is as in the published evaluation: points are `CornerPoints`, and the support
        takes up the points that are asked for once more.
    """

    joint = True

    def __init__(
        self,
        network: Taptr,
        name: str,
        size: Size,
        threshold: float = 0.5,
        support: int = 0,
        gap: int = 0,
        published: bool = False,
    ):
        self.network, self.name = network, name
        kind = CornerPoints if published else Convention
        self.convention = kind(size, high=1.0)
        self.window, self.step = network.window, network.step
        self._threshold, self._support, self._gap = threshold, support, gap
        self._published = published

    def need(self) -> Need:
        size = self.convention.size
        cells = _PYRAMID * _CHANNELS * area(size, 4)
        return Need(floats(cells), floats(_ENCODING * size[0] * size[1]), floats(_TOKEN), _LEAST)

    def encode(self, frames: Tensor) -> Maps:
        return [self.network.encode(frames[None])[0]]

    def starts(self, frames: int) -> list[int]:
        """Where the windows of a video of so many frames begin."""
        return self.network.starts(frames)

    def gap(self, frames: int) -> int:
        """Every how many of its windows hand content on."""
        return self._gap or self.network.gap(frames)

    def begin(self, queries: Tensor, start: int = 0) -> State:
        """What is known of ``queries (N, 3)`` before any window from frame ``start`` on."""
        return self.network.begin(queries[None], self._size, start)

    def advance(
        self, state: State, maps: Maps, start: int, hand_on: bool = True
    ) -> tuple[Answer, State]:
        """Track through the window that begins at frame ``start``, of whose frames maps are."""
        frames = self.network.frames(maps[0][None], self._size)
        known, state = self.network.advance(state, frames, start, hand_on)
        found = self.network.output(known, self._size)
        visibility = found.visibility_logit[0].sigmoid()
        return Answer(found.tracks[0], visibility > self._threshold, visibility), state

    def support(self, asked: Tensor, first: int, last: int) -> Tensor:
        """Queries ``(K, 3)`` to be tracked along with ``asked (N, 3)``.

        Their frames are drawn too, from ``first`` to ``last`` at most.
        """
        count = max(0, self._support - len(asked))
        scale = asked.new_tensor([(side - 1) / (_DRAWN_IN - 1) for side in self.convention.size])
        known = (asked[:, 1:] / scale).cpu().numpy()
        xy, late = drawn_points(known, count, self._published)
        frame = np.minimum(first + late, last)[:, None]
        drawn = torch.from_numpy(np.concatenate([frame, xy], axis=1)).to(asked)
        return drawn * torch.cat([scale.new_ones(1), scale])

    @property
    def _size(self) -> Any:
        width, height = self.convention.size
        return height, width


def drawn_points(
    known: NDArray[np.float32], count: int, repeated: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Positions ``(count, 2)`` and frames from 0 to 11, the same at every call.

    As in the published evaluation, but for one thing that no tracker knows: there ``known
    (N, 2)``, which new positions keep a pixel away from, are where tracks are in the video's
    first frame, and here where points are asked for.

    Parameters
    ----------
    repeated
        Count the known ones among the drawn ones, so that they come first, or, if there are
        more than enough, their last ones. An oversight of the published evaluation.
    """
    generator = np.random.RandomState(0)
    total = max(count, len(known)) if repeated else len(known) + count
    taken = np.concatenate([known, np.empty((total - len(known), 2))])
    filled = len(known)
    while filled < total:
        place = generator.randint(_MARGIN, _DRAWN_IN - _MARGIN, size=2)
        if (np.hypot(*(taken[:filled] - place).T) >= 1).all():
            taken[filled] = place
            filled += 1
    return taken[total - count :], generator.randint(0, _SPREAD, count)
