"""The compact network at work on one device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pointtrack.networks.blocks import bfloat16
from pointtrack.networks.compact import CompactNetwork, Features
from pointtrack.networks.compact_flow import Hints, drift
from pointtrack.networks.compact_state import Answer, PointState, join
from pointtrack.trackers.compact_support import Found
from pointtrack.trackers.neural.device import pick_device
from pointtrack.trackers.session import Flags
from pointtrack.weights.compact import Weights, load_compact, read_curves

Flow = NDArray[np.float32]

MEDIAN = 1.6783  # half of all error lengths are below this many scales b
LIVE = 2  # moves of a point within a frame, where time counts
_HALF = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def latest(answer: Answer) -> Sequence[torch.Tensor]:
    """What `Found` holds, after the last iteration."""
    return (
        answer.xy[-1],
        answer.sure[-1].sigmoid(),
        answer.spread[-1].exp() * MEDIAN,
    )


class Follower:
    """The network on its device; shared by all sessions of a tracker.

    ``iterations`` is how often a point is moved within a frame; 0: as often as the network can tell
    apart; None: twice, or as often where `step` is to be careful.
    """

    def __init__(
        self, weights: Weights, device: str, precision: str, iterations: int | None = None
    ) -> None:
        self.device = pick_device(device)
        self._half = _half(precision, self.device)
        self.iterations, self.careful = iterations or None, iterations or None
        if iterations is None:
            self.iterations = LIVE
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
        self,
        state: PointState,
        features: Features,
        flow: Flow,
        direct: Flow,
        camera: Flow,
        careful: bool = False,
    ) -> tuple[PointState, Found]:
        """Follow points onto the frame of these features; for hints see `FlowHints`, `Hidden`."""
        near = drift(torch.from_numpy(flow)[None].to(self.device), state.which, state.xy)
        hints = Hints(near, *(torch.from_numpy(hint).to(self.device) for hint in (direct, camera)))
        moves = self.careful if careful else self.iterations
        with self._autocast():
            state, answer = self.network.follow(state, features, moves, hints=hints)
        return state, self._found(answer)

    @torch.inference_mode()
    def looks(self, features: Features, xy: NDArray[np.float32]) -> torch.Tensor:
        """What lies around working pixels ``(K, 2)``, ``(K, L, S, C)``."""
        which = torch.zeros(len(xy), dtype=torch.long, device=self.device)
        return self.network.looks(features, which, torch.from_numpy(xy).to(self.device))

    @torch.inference_mode()
    def seek(
        self, state: PointState, features: Features, looks: torch.Tensor
    ) -> tuple[PointState, Found, NDArray[np.int64]]:
        """Look for R points in the whole frame by several looks each, ``(R, V, L, S, C)``.

        Returns what they are and what is said of them where the frame looks most like one of
        these, and which look that was, ``(R,)``.
        """
        looks = looks.to(state.query)
        count, each = looks.shape[:2]
        which = state.which.repeat_interleave(each)
        with self._autocast():
            match = self.network.search(which, looks.flatten(0, 1), features)
            best = match.logits.amax(1).view(count, each).argmax(1)
            rows = torch.arange(count, device=self.device)
            asked = state._replace(query=looks[rows, best])
            found = match.xy.view(count, each, 2)[rows, best]
            after, answer = self.network.look_again(asked, features, found, self.careful)
        return after, self._found(answer), best.cpu().numpy()

    @torch.inference_mode()
    def put(self, state: PointState, rows: NDArray[np.int64], other: PointState) -> PointState:
        """A state with others in the place of some rows."""
        at = torch.from_numpy(rows).to(self.device)
        pairs = zip(state, other, strict=True)
        return PointState(*(old.index_copy(0, at, new.to(old.dtype)) for old, new in pairs))

    @torch.inference_mode()
    def keep(self, state: PointState, rows: Flags) -> PointState:
        """The state of some points."""
        return state.rows(torch.from_numpy(np.flatnonzero(rows)).to(self.device))

    @torch.inference_mode()
    def append(self, state: PointState | None, fresh: PointState) -> PointState:
        """The states of two groups of points together."""
        return fresh if state is None else join([state, fresh])

    def chances(self, state: PointState) -> NDArray[np.float32]:
        """How likely points are seen and, if so, right; ``(K, 2)``."""
        return state.logits.sigmoid().cpu().numpy()

    def _found(self, answer: Answer) -> Found:
        found = Found(*(value.float().cpu().numpy() for value in latest(answer)))
        return found.true(self.curves.live)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(
            self.device.type, self._half or torch.bfloat16, enabled=self._half is not None
        )


def _half(precision: str, device: torch.device) -> torch.dtype | None:
    if precision != "auto":
        return _HALF[precision]
    return torch.bfloat16 if device.type == "cpu" and bfloat16.is_fast(device) else None
