"""Live tracking with the compact network."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pointtrack import geometry
from pointtrack.networks.compact import Features
from pointtrack.networks.compact_state import PointState
from pointtrack.trackers.compact import working_size
from pointtrack.trackers.compact_follower import Flow, Follower
from pointtrack.trackers.compact_hidden import Hidden
from pointtrack.trackers.compact_support import EACH, Found, Support
from pointtrack.trackers.compact_turns import Turns
from pointtrack.trackers.flow_hints import FlowHints
from pointtrack.trackers.refinement import Refiner
from pointtrack.trackers.session import Estimate, Flags, Points, Session, Values

_EVERY = 3  # frames: so often points in doubt are looked for from all sides
_WORTH = 0.75  # video pixels a working pixel from which on refining gains anything


class CompactSession(Session):
    """Holds the features of one frame, and the network's state of every point.

    With ``support`` there are several rows of state a point (`Support`).
    Error radii are the network's, from before a point was refined.
    """

    def __init__(
        self,
        follower: Follower,
        working: int,
        threshold: float,
        keep: bool = False,
        refine: bool = True,
        support: bool = False,
        turns: bool = True,
    ):
        super().__init__(keep)
        self._follower, self._working, self._threshold = follower, working, threshold
        self._features: Features = []
        self._hints = FlowHints()
        self._flow: Flow | None = None  # to the newest frame, where there are points
        self._support = Support(follower.curves.whole) if support else None
        self._hidden = Hidden()
        self._turns = Turns(follower) if support and turns else None
        self._state: PointState | None = None
        self._radii = np.empty(0, np.float32)
        self._refine = refine
        self._refiner: Refiner | None = None

    def _start(self, frame: NDArray[np.uint8]) -> None:
        if self._refine and self._ratio() >= _WORTH:
            self._refiner = Refiner(self._ratio())
            self._refiner.see(frame)
        self._encode(frame)

    def _begin(self, xy: Points) -> None:
        if len(xy) == 0:
            return
        at = self._to_work(xy)
        if self._turns is not None:
            self._turns.add(at)
        if self._support is not None:
            at = self._support.add(at, self._work_size())
        self._hints.add(at)
        self._hidden.add(at)
        fresh = self._follower.begin(self._features, at)
        self._state = self._follower.append(self._state, fresh)
        self._radii = np.concatenate([self._radii, np.zeros(len(xy), np.float32)])
        if self._refiner is not None:
            self._refiner.add(xy)

    def _keep(self, rows: Flags) -> None:
        every = rows if self._support is None else self._support.keep(rows)
        if self._state is not None:
            self._state = self._follower.keep(self._state, every) if rows.any() else None
        if self._turns is not None:
            self._turns.keep(rows)
        self._radii = self._radii[rows]
        self._hints.keep(every)
        self._hidden.keep(every)
        if self._refiner is not None:
            self._refiner.keep(rows)

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        self._encode(frame)
        if self._refiner is not None:
            self._refiner.see(frame)
        if self._state is None:
            return self._now
        assert self._flow is not None
        direct = self._hints.direct()
        careful = self._support is not None
        self._state, found = self._follower.step(
            self._state, self._features, self._flow, direct, self._hidden.lead(), careful
        )
        self._hidden.learn(found.xy, self._follower.chances(self._state))
        if self._support is None:
            found = found.true(self._follower.curves.alone)
        else:
            found = self._support.agree(found, self._hints.confirmed(direct))
        if self._turns is not None and self.frame % _EVERY == 0:
            found = self._look_from_all_sides(found)
        assert self.size is not None
        xy = geometry.resize_points(found.xy, self._work_size(), self.size).astype(np.float32)
        visible = found.sure > self._threshold
        self._radii = (found.radius * self._ratio()).astype(np.float32)
        if self._refiner is not None:
            xy = self._refiner.refine(xy, visible)
        return xy, visible & geometry.inside(xy, self.size), found.sure

    def _look_from_all_sides(self, found: Found) -> Found:
        """Points in doubt are looked for by turned looks; those found start anew there."""
        assert self._turns is not None
        assert self._support is not None
        assert self._state is not None
        points = np.flatnonzero(found.sure <= self._threshold)
        if len(points) == 0:
            return found
        xy, sure, radius = (field.copy() for field in found)
        own = self._state.rows(torch.from_numpy(points * EACH))
        for again in self._turns.find(own, self._features, points):
            at = again.points
            xy[at], sure[at], radius[at] = self._support.alone(again.found)
            places = self._support.move(at, again.found, again.turns, self._work_size())
            fresh = self._follower.begin(self._features, places)
            fresh = self._follower.put(fresh, np.arange(len(at)) * EACH, again.state)
            rows = (at[:, None] * EACH + np.arange(EACH)).ravel()
            self._state = self._follower.put(self._state, rows, fresh)
            self._hidden.put(rows, places)
        return Found(xy, sure, radius)

    def _radius(self) -> Values:
        return self._radii

    def _encode(self, frame: NDArray[np.uint8]) -> None:
        size = self._work_size()
        if size != self.size:
            assert self.size is not None
            smaller = size[0] * size[1] < self.size[0] * self.size[1]
            how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            frame = np.asarray(cv2.resize(frame, size, interpolation=how), np.uint8)
        self._features = self._follower.encode(frame)
        self._hints.see(frame)
        self._flow = None if self._state is None else self._hints.latest()
        self._hidden.see(frame, self._flow)
        if self._turns is not None:
            self._turns.see(frame)

    def _work_size(self) -> geometry.Size:
        assert self.size is not None
        return working_size(self.size, self._working)

    def _ratio(self) -> float:
        """Pixels of the video a working pixel: both keep the same shape but for rounding."""
        assert self.size is not None
        return float(np.divide(self.size, self._work_size()).mean())

    def _to_work(self, xy: Points) -> Points:
        assert self.size is not None
        return geometry.resize_points(xy, self.size, self._work_size()).astype(np.float32)
