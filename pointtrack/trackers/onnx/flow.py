"""An exported RAFT as a source of flow."""

from __future__ import annotations

import torch
from torch import Tensor

from pointtrack.networks.raft import Encoded
from pointtrack.trackers.neural.flow import RaftFlow
from pointtrack.trackers.onnx.file import OnnxFile


class OnnxRaftFlow(RaftFlow):
    """Parts ``encode`` and ``flow``, which is of two frames and goes both ways."""

    def __init__(self, file: OnnxFile) -> None:
        self._file, self._device = file, torch.device("cpu")

    def _encode(self, frames: Tensor) -> Encoded:
        return Encoded(*self._file.run("encode", frames))

    def _both_ways(self, both: Encoded) -> Tensor:
        return self._file.run("flow", *both)[0]
