"""Optical flow from each frame to the next, chained: the oldest way to track every point.

The position moves by the flow read bilinearly under it. Where forward and backward flow do
not agree the point counts as occluded, and stays so: the chain goes on with what covers it.
See Sundaram, Brox and Keutzer, ECCV 2010.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack import geometry
from pointtrack.trackers.base import Tracker
from pointtrack.trackers.confidence import within_reach
from pointtrack.trackers.flow import FlowSource, WorkingSize, flow_source
from pointtrack.trackers.session import Estimate, Flags, Points, Session
from pointtrack.weights import ModelCard

CARD = ModelCard(
    name="flow_chain",
    family="optical flow",
    summary="dense optical flow from frame to frame, chained under every point",
    paper="Sundaram, Brox, Keutzer, Dense Point Trajectories by Large Displacement Optical "
    "Flow, ECCV 2010",
    task="online",
)


class FlowChainTracker(Tracker):
    """Chained flow.

    Parameters
    ----------
    flow
        ``"dis_fast"``, ``"dis_fine"``, ``"dis_medium"`` or a `FlowSource`.
    longest
        Working size: longer side of the frames in pixels.
    """

    card = CARD

    def __init__(self, flow: str | FlowSource[Any] = "dis_medium", longest: int = 768):
        self._source = flow_source(flow)
        self._working = WorkingSize(longest)

    def session(self, keep: bool = False) -> FlowChainSession:
        return FlowChainSession(self._source, self._working, keep)


class FlowChainSession(Session):
    """Per point: position at the working size, and what its chain has gathered: its standard
    deviation and the worst occlusion. A point that was covered once is on what covered it."""

    def __init__(self, source: FlowSource[Any], working: WorkingSize, keep: bool):
        super().__init__(keep)
        self._source, self._working = source, working
        self._before: Any = None
        self._at = np.empty((0, 2), np.float32)  # K 2
        self._sigma = np.empty(0, np.float32)  # K
        self._occlusion = np.empty(0, np.float32)  # K

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._before = self._source.prepare(self._working.shrink(frame))

    def _begin(self, xy: Points) -> None:
        at = geometry.resize_points(xy, self._size(), self._working.of(self._size()))
        self._at = np.concatenate([self._at, at.astype(np.float32)])
        fresh = np.zeros(len(xy), np.float32)
        self._sigma = np.concatenate([self._sigma, fresh])
        self._occlusion = np.concatenate([self._occlusion, fresh])

    def _keep(self, rows: Flags) -> None:
        self._at, self._sigma = self._at[rows], self._sigma[rows]
        self._occlusion = self._occlusion[rows]

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        now = self._source.prepare(self._working.shrink(frame))
        before, self._before = self._before, now
        if len(self._at) == 0:
            return self._now
        flow, occlusion, sigma = self._source.between(before, now).sample(self._at)
        self._at = (self._at + flow).astype(np.float32)
        self._sigma = np.hypot(self._sigma, sigma).astype(np.float32)
        self._occlusion = np.maximum(self._occlusion, occlusion).astype(np.float32)
        size = self._working.of(self._size())
        visible = (self._occlusion <= 0.5) & geometry.inside(self._at, size)
        confidence = visible * (1 - self._occlusion) * within_reach(self._sigma, size[0])
        xy = geometry.resize_points(self._at, size, self._size())
        return xy.astype(np.float32), visible, confidence.astype(np.float32)

    def _size(self) -> geometry.Size:
        assert self.size is not None
        return self.size
