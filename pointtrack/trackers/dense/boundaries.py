"""Points to connect: half of them near the edges of what moves, the others anywhere."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack import geometry
from pointtrack.networks.dot import motion_boundaries
from pointtrack.networks.raft import Raft, padding_to_eight
from pointtrack.trackers.flow import DisFlow, WorkingSize

LONGEST = 512  # px: the working size of the flow
ITERATIONS = 12


class PairFlow(Protocol):
    """The flow from one frame to another, both ``(H, W, 3)``: ``(2, H, W)`` in pixels."""

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Tensor: ...


class NetworkFlow:
    """DOT's own estimator, a RAFT."""

    def __init__(self, network: Raft, device: torch.device):
        self._network, self._device = network, device

    @torch.inference_mode()
    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Tensor:
        padding = padding_to_eight(*first.shape[:2])
        both = torch.from_numpy(np.moveaxis(np.stack([first, second]), -1, 1)).to(self._device)
        encoded = self._network.encode(padding.pad(both.float()))
        left, right = encoded.pick(slice(1)), encoded.pick(slice(1, 2))
        return padding.crop(self._network.flow(left, right, ITERATIONS)[0][0])


class OpenCvFlow:
    """Dense inverse search, where there are no weights of the estimator."""

    def __init__(self) -> None:
        self._flow = DisFlow("medium")

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Tensor:
        before, after = (self._flow.prepare(frame) for frame in (first, second))
        return torch.from_numpy(self._flow.between(before, after).forward).permute(2, 0, 1)


class Sampler:
    """Chooses the points.

    Parameters
    ----------
    flow
        Between neighbouring frames.
    seed
        Of the random choice. It starts anew with every frame, so that a frame's points do not
        depend on those chosen before.
    """

    def __init__(self, flow: PairFlow, seed: int = 0):
        self._flow, self._seed = flow, seed
        self._working = WorkingSize(LONGEST)

    def points(
        self, frame: NDArray[np.uint8], neighbour: NDArray[np.uint8] | None, count: int
    ) -> NDArray[np.float32]:
        """``count`` pixels of a frame, ``(K, 2)``; without a neighbour they lie anywhere."""
        random = np.random.default_rng(self._seed)
        size = (frame.shape[1], frame.shape[0])
        near = np.empty((0, 2), np.float32)
        if neighbour is not None:
            small = [self._working.shrink(picture) for picture in (frame, neighbour)]
            flow = self._flow(*small)
            y, x = np.nonzero(motion_boundaries(flow[None])[0].cpu().numpy())
            chosen = random.choice(len(x), min(len(x), count // 2), replace=False)
            there = np.column_stack([x, y])[chosen].astype(np.float32)
            near = geometry.resize_points(there, self._working.of(size), size).astype(np.float32)
        anywhere = random.integers(0, size, (count - len(near), 2)).astype(np.float32)
        return np.concatenate([near, anywhere])
