"""Support points: others followed around each point, which have a say in where it is.

What a network says of a point is off by a little that depends on how the point lies on its grids of
features, and now and then a point is lost for which there is no reason. Points close by are off,
and lost, in other ways. So a few of them are followed beside each point, in pairs on opposite sides
of it (then a turn or a growth of the surface does no harm), and the place that most of them agree
on counts. Optical flow straight from the frame that a point was asked for on has a vote for each of
them, too: on a plain wall the network's words are scattered, while flow knows how all of it moves.
Support points belong to their point alone: points do not see each other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.geometry import Size
from pointtrack.weights.calibration import Calibration

Array = NDArray[np.float32]

_APART = 4.5  # working px of the support points from their point, both ways
_AROUND = _APART * np.array([[0, 0], [1, 1], [-1, -1], [1, -1], [-1, 1]], np.float32)
EACH = len(_AROUND)  # rows a point: its own, and those around it
_NEAR = 5.0  # working px: up to which two speak of the same place
_OWN = 0.3  # what the point's own word counts more
_FLOW_SHARE = 0.1  # of flow, beside the network, in the place that they agree on
_SURE, _ADAPT = 0.5, 0.1  # surer points follow the surface's deformation, so fast


class Found(NamedTuple):
    """One frame's answer for K points, in working pixels."""

    xy: Array  # K 2
    sure: Array  # K
    radius: Array  # K

    def true(self, curves: Calibration) -> Found:
        """The same with what is said of the points made true."""
        return Found(self.xy, curves.confidence(self.sure), curves.half(self.radius))


class Support:
    """The places of support points around K points; rows are point by point, its own first.

    ``curves`` say what confidence and radius mean when five agree: more than each of them says.
    """

    def __init__(self, curves: Calibration) -> None:
        self._curves = curves
        self._offsets = np.empty((0, EACH, 2), np.float32)

    def add(self, xy: Array, size: Size) -> Array:
        """Take up points ``(K, 2)`` of a picture of a ``size``; returns their rows' places."""
        places = xy[:, None] + _AROUND
        # Beyond the edge there is nothing to follow; the point itself stays where it is.
        places[:, 1:] = np.clip(places[:, 1:], 0, np.array(size, np.float32) - 1)
        self._offsets = np.concatenate([self._offsets, places - xy[:, None]])
        return places.reshape(-1, 2)

    def keep(self, points: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Forget all points but those of ``points (K,)``; returns the same by rows."""
        self._offsets = self._offsets[points]
        return np.repeat(points, EACH)

    def move(self, points: NDArray[np.int64], found: Found, turns: Array, size: Size) -> Array:
        """Take up ``points (R,)`` anew where they were found again, on what has turned by
        ``turns (R, 2, 2)`` since; returns their rows' places."""
        places = (found.xy[:, None] + _AROUND @ turns.mT).astype(np.float32)
        places[:, 1:] = np.clip(places[:, 1:], 0, np.array(size, np.float32) - 1)
        self._offsets[points] = places - found.xy[:, None]
        return places.reshape(-1, 2)

    def alone(self, found: Found) -> Found:
        """As `agree`, of points that nothing else speaks of."""
        return found.true(self._curves)

    def agree(self, found: Found, straight: Array) -> Found:
        """Where the points are.

        Parameters
        ----------
        found
            The network's answers for all of their rows.
        straight
            ``(R, 3)``: what straight flow says of the rows, as `FlowHints.direct`.
        """
        shape = len(self._offsets), EACH
        sure, radius = found.sure.reshape(shape), found.radius.reshape(shape)
        flow = straight.reshape(*shape, 3)
        # Each one's word on the point, and how much it counts: K 10 2 and K 10.
        words = np.concatenate([found.xy.reshape(*shape, 2), flow[..., :2]], axis=1)
        words = words - np.concatenate([self._offsets] * 2, axis=1)
        voices = np.concatenate([sure, flow[..., 2]], axis=1)
        apart = np.linalg.norm(words[:, :, None] - words[:, None], axis=3)  # K 10 10
        backed = ((apart < _NEAR) * voices[:, None]).sum(axis=2)
        backed[:, 0] += _OWN
        near = apart[np.arange(len(words)), backed.argmax(axis=1)] < _NEAR  # K 10: who agrees
        weight = np.concatenate([sure + 1e-3, _FLOW_SHARE * flow[..., 2]], axis=1) * near
        total = weight.sum(axis=1, keepdims=True)
        agreed = (weight[..., None] * words).sum(axis=1) / total
        adapts = near[:, :EACH] & (sure > _SURE)
        adapts[:, 0] = False
        moved = words[:, :EACH] - agreed[:, None]
        self._offsets = self._offsets + _ADAPT * moved * adapts[..., None]
        by_flow = (near * voices)[:, EACH:].mean(axis=1)
        heard = np.maximum(sure.mean(axis=1), by_flow)
        return Found(agreed.astype(np.float32), heard, radius.mean(axis=1)).true(self._curves)
