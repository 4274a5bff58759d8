"""The exported compact network, as `FollowingTracker` takes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.trackers.compact_follower import Flow
from pointtrack.trackers.compact_support import Found
from pointtrack.trackers.onnx.file import OnnxFile
from pointtrack.trackers.session import Flags
from pointtrack.weights.calibration import Calibration, Curves

_ANSWER = len(Found._fields)


class OnnxFollower:
    """Parts ``encode``, ``begin`` and ``step``; as `Follower`, whose state is a list here."""

    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        # The first of the curves is in the network's answers already.
        numbers = file.about.numbers
        self.curves = Curves(**{name: Calibration(**curve) for name, curve in numbers.items()})

    def encode(self, frame: NDArray[np.uint8]) -> list[Tensor]:
        """Features of a frame at its working size."""
        picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None].float()
        return self._file.run("encode", picture)

    def begin(self, features: list[Tensor], xy: NDArray[np.floating[Any]]) -> list[Tensor]:
        """Take up points at working pixels ``(K, 2)``."""
        places = torch.from_numpy(np.asarray(xy, np.float32))
        return self._file.run("begin", *features, places)

    def step(
        self,
        state: list[Tensor],
        features: list[Tensor],
        flow: Flow,
        direct: Flow,
        camera: Flow,
        careful: bool = False,
    ) -> tuple[list[Tensor], Found]:
        """Follow points onto the frame of these features; for hints see `FlowHints`, `Hidden`.

        How often they are moved was settled when the file was written, ``careful`` or not.
        """
        hints = torch.from_numpy(flow)[None], torch.from_numpy(direct), torch.from_numpy(camera)
        found = self._file.run("step", *hints, *features, *state)
        return found[_ANSWER:], Found(*(value.numpy() for value in found[:_ANSWER]))

    def chances(self, state: list[Tensor]) -> NDArray[np.float32]:
        """How likely points are seen and, if so, right; ``(K, 2)``."""
        return state[-1].sigmoid().numpy()

    def keep(self, state: list[Tensor], rows: Flags) -> list[Tensor]:
        """The state of some points."""
        return [value[torch.from_numpy(rows)] for value in state]

    def append(self, state: list[Tensor] | None, fresh: list[Tensor]) -> list[Tensor]:
        """The states of two groups of points together."""
        if state is None:
            return fresh
        return [torch.cat(pair) for pair in zip(state, fresh, strict=True)]
