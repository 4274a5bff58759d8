"""RAFT as a source of flow for the trackers that chain it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.networks.blocks.pictures import Padding
from pointtrack.networks.raft import Encoded, Raft, padding_to_eight
from pointtrack.trackers.flow import ConsistentFlow, Flow
from pointtrack.trackers.patches import Grey


class _Seen(NamedTuple):
    encoded: Encoded
    padding: Padding
    grey: Grey


class RaftFlow:
    """RAFT's flow, both ways, as a `FlowSource`: every frame is encoded once.

    Where the two flows disagree a point counts as occluded, and as uncertain.

    Parameters
    ----------
    network
        With weights.
    iterations
        Of every flow.
    """

    def __init__(self, network: Raft, iterations: int = 20):
        self._network, self._iterations = network, iterations
        self._device = next(network.parameters()).device

    @torch.inference_mode()
    def prepare(self, frame: NDArray[np.uint8]) -> _Seen:
        height, width = frame.shape[:2]
        padding = padding_to_eight(height, width)
        picture = torch.from_numpy(np.moveaxis(frame, -1, 0).copy()).to(self._device)
        encoded = self._encode(padding.pad(picture[None].float()))
        return _Seen(
            encoded, padding, np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), np.uint8)
        )

    @torch.inference_mode()
    def between(self, left: _Seen, right: _Seen, like: Flow | None = None) -> ConsistentFlow:
        both = Encoded(*(torch.cat(pair) for pair in zip(left.encoded, right.encoded, strict=True)))
        there, back = (_field(part, left.padding) for part in self._both_ways(both))
        return ConsistentFlow(there, back, left.grey, right.grey)

    def _encode(self, frames: Tensor) -> Encoded:
        return self._network.encode(frames)

    def _both_ways(self, both: Encoded) -> Tensor:
        """The flow between two frames ``(2, 2, H, W)``, there and back."""
        return self._network.flow(both, both.pick(torch.tensor([1, 0])), self._iterations)[0]


def _field(flow: Tensor, padding: Padding) -> NDArray[np.float32]:
    """``(2, H, W)`` with its padding to ``(H, W, 2)`` without."""
    return np.ascontiguousarray(np.moveaxis(padding.crop(flow).float().cpu().numpy(), 0, -1))
