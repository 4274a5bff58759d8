"""Live tracking with the compact network."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pointtrack import geometry
from pointtrack.errors import PointtrackError
from pointtrack.networks.blocks import bfloat16
from pointtrack.networks.compact import CompactNetwork, Features
from pointtrack.networks.compact_flow import Hints, drift
from pointtrack.networks.compact_state import Answer, PointState, join
from pointtrack.trackers.compact import working_size
from pointtrack.trackers.compact_support import Found, Support
from pointtrack.trackers.flow_hints import FlowHints
from pointtrack.trackers.refinement import Refiner
from pointtrack.trackers.session import Estimate, Flags, Points, Session, Values
from pointtrack.weights.compact import Weights, load_compact, read_curves

Flow = NDArray[np.float32]

MEDIAN = 1.6783  # half of all error lengths are below this many scales b
_HALF = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def latest(answer: Answer) -> Sequence[torch.Tensor]:
    """What `Found` holds, after the last iteration."""
    return (
        answer.xy[-1],
        answer.sure[-1].sigmoid(),
        answer.spread[-1].exp() * MEDIAN,
    )


class Follower:
    """The network on its device; shared by all sessions of a tracker."""

    def __init__(self, weights: Weights, device: str, precision: str, iterations: int) -> None:
        self.device = _device(device)
        self._half, self.iterations = _half(precision, self.device), iterations or None
        network: CompactNetwork = load_compact(weights).to(self.device)
        self.curves = read_curves(weights)
        self.network = network.requires_grad_(False)
        for part in network.modules():  # or they are brought to half precision in every step
            if self._half is not None and isinstance(part, (nn.Conv2d, nn.Linear)):
                part.to(self._half)

    @torch.inference_mode()
    def encode(self, frame: NDArray[np.uint8]) -> Features:
        """Features of a frame at its working size."""
        picture = torch.from_numpy(np.ascontiguousarray(frame)).to(self.device)
        with self._autocast():
            return self.network.encode(picture.permute(2, 0, 1)[None])

    @torch.inference_mode()
    def begin(self, features: Features, xy: NDArray[np.floating]) -> PointState:
        """Take up points at working pixels ``(K, 2)``."""
        places = torch.from_numpy(np.asarray(xy, np.float32)).to(self.device)
        which = torch.zeros(len(xy), dtype=torch.long, device=self.device)
        with self._autocast():
            return self.network.begin(features, which, places)

    @torch.inference_mode()
    def step(
        self, state: PointState, features: Features, flow: Flow, direct: Flow
    ) -> tuple[PointState, Found]:
        """Follow points onto the frame of these features, as `FlowHints` speaks of it."""
        near = drift(torch.from_numpy(flow)[None].to(self.device), state.which, state.xy)
        hints = Hints(near, torch.from_numpy(direct).to(self.device))
        with self._autocast():
            state, answer = self.network.follow(state, features, self.iterations, hints=hints)
        found = Found(*(value.float().cpu().numpy() for value in latest(answer)))
        true = self.curves.live
        return state, found._replace(
            sure=true.confidence(found.sure), radius=true.half(found.radius)
        )

    @torch.inference_mode()
    def keep(self, state: PointState, rows: Flags) -> PointState:
        """The state of some points."""
        return state.rows(torch.from_numpy(np.flatnonzero(rows)).to(self.device))

    @torch.inference_mode()
    def append(self, state: PointState | None, fresh: PointState) -> PointState:
        """The states of two groups of points together."""
        return fresh if state is None else join([state, fresh])

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, self._half or torch.bfloat16, enabled=self._half is not None
        )


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
    ):
        super().__init__(keep)
        self._follower, self._working, self._threshold = follower, working, threshold
        self._features: Features = []
        self._hints = FlowHints()
        self._support = Support(follower.curves.whole) if support else None
        self._state: PointState | None = None
        self._radii = np.empty(0, np.float32)
        self._refine = refine
        self._refiner: Refiner | None = None

    def _start(self, frame: NDArray[np.uint8]) -> None:
        if self._refine:
            self._refiner = Refiner(self._ratio())
            self._refiner.see(frame)
        self._encode(frame)

    def _begin(self, xy: Points) -> None:
        if len(xy) == 0:
            return
        at = self._to_work(xy)
        if self._support is not None:
            at = self._support.add(at, self._work_size())
        self._hints.add(at)
        fresh = self._follower.begin(self._features, at)
        self._state = self._follower.append(self._state, fresh)
        self._radii = np.concatenate([self._radii, np.zeros(len(xy), np.float32)])
        if self._refiner is not None:
            self._refiner.add(xy)

    def _keep(self, rows: Flags) -> None:
        every = rows if self._support is None else self._support.keep(rows)
        if self._state is not None:
            self._state = self._follower.keep(self._state, every) if rows.any() else None
        self._radii = self._radii[rows]
        self._hints.keep(every)
        if self._refiner is not None:
            self._refiner.keep(rows)

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        self._encode(frame)
        if self._refiner is not None:
            self._refiner.see(frame)
        if self._state is None:
            return self._now
        flows = self._hints.latest(), self._hints.direct()
        self._state, found = self._follower.step(self._state, self._features, *flows)
        if self._support is not None:
            found = self._support.agree(found, flows[1])
        assert self.size is not None
        xy = geometry.resize_points(found.xy, self._work_size(), self.size).astype(np.float32)
        visible = found.sure > self._threshold
        self._radii = (found.radius * self._ratio()).astype(np.float32)
        if self._refiner is not None:
            xy = self._refiner.refine(xy, visible)
        return xy, visible & geometry.inside(xy, self.size), found.sure

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


def _half(precision: str, device: torch.device) -> torch.dtype | None:
    if precision != "auto":
        return _HALF[precision]
    return torch.bfloat16 if device.type == "cpu" and bfloat16.is_fast(device) else None


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise PointtrackError(f"there is no device {name!r} here") from problem
