"""Flow networks as sources of flow for the trackers that chain it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pointtrack.networks.blocks.pictures import Padding
from pointtrack.networks.mft import ITERATIONS, MftFlow
from pointtrack.networks.raft import Encoded, padding_to_eight
from pointtrack.trackers.flow import DenseFlow, Flow

Prepared = tuple[Encoded, Padding]


class MftNetworkFlow:
    """MFT's own network as a `FlowSource`: every frame is encoded once.

    Parameters
    ----------
    network
        What ``pointtrack.networks.build("mft")`` gave, with weights.
    iterations
        Of every flow.
    """

    def __init__(self, network: MftFlow, iterations: int = ITERATIONS):
        self._network, self._iterations = network, iterations

    def prepare(self, frame: NDArray[np.uint8]) -> Prepared:
        height, width = frame.shape[:2]
        padding = padding_to_eight(height, width)
        picture = torch.from_numpy(np.moveaxis(frame, -1, 0).copy())[None]  # 1 3 H W
        picture = picture.to(next(self._network.parameters()))
        with torch.inference_mode():
            return self._network.encode(padding.pad(picture)), padding

    def between(self, left: Prepared, right: Prepared, like: Flow | None = None) -> DenseFlow:
        with torch.inference_mode():
            found = self._network(left[0], right[0], self._iterations)
        flow, occlusion, sigma = (left[1].crop(part)[0].float().cpu().numpy() for part in found)
        return DenseFlow(np.moveaxis(flow, 0, -1), occlusion, sigma)
