"""What optical flow, and the camera's motion, say about points, as the compact network takes it.

Flow between neighbouring frames is exact to a pixel for most visible points, on plain surfaces
and in fast motion too, where single patches say little; but it knows nothing of what a point
looked like, and its errors add up. Flow from the frame that a point was asked for on straight to
the newest one does not drift, but finds nothing any more once much has changed. So both are
hints for the network, not its answer.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pointtrack.networks.blocks.sampling import gather, interpolate, patch_index


class Hints(NamedTuple):
    """What flow says about P points on a frame, and the camera's motion; each may be missing.

    Attributes
    ----------
    drift : Tensor or None
        ``(P, 3)``, as `drift` gives it: displacement since the frame before, and trust in it.
    direct : Tensor or None
        ``(P, 3)``: the place to which flow leads straight from the frame that each was asked
        for on, and trust in it; 0 where there is no such flow.
    camera : Tensor or None
        ``(P, 3)``: the place to which a hidden point went with the camera, and 1; it stands for
        flow from the frame before, which is that of what hides it. 0 for other points.
    """

    drift: Tensor | None = None
    direct: Tensor | None = None
    camera: Tensor | None = None

    def places(self, xy: Tensor) -> tuple[Tensor, Tensor]:
        """Where both lead points that were at ``xy (P, 2)``, ``(P, 2, 2)``; trust ``(P, 2)``."""
        drift, direct, camera = (
            xy.new_zeros(len(xy), 3) if hint is None else hint for hint in self
        )
        near = torch.cat([xy + drift[:, :2], drift[:, 2:]], dim=1)
        near = torch.where(camera[:, 2:] > 0, camera, near)
        both = torch.stack([near, direct], dim=1)  # P 2 3
        return both[..., :2], both[..., 2]


def straight(fields: Tensor, which: Tensor, origin: Tensor) -> Tensor:
    """`Hints.direct` of points that were at ``origin (P, 2)`` on the earlier frame of
    ``fields[which]``; as `drift` otherwise."""
    led = drift(fields, which, origin)
    return torch.cat([origin + led[:, :2], led[:, 2:]], dim=1)


def drift(fields: Tensor, which: Tensor, xy: Tensor) -> Tensor:
    """Where flow takes points, and how far it is to be trusted.

    Parameters
    ----------
    fields
        ``(F, H, W, 4)`` px: flow from an earlier frame to a later one, and from the later to
        the earlier, (x, y, x, y).
    which
        ``(P,)`` int64: the pair of frames that each point lives on.
    xy
        ``(P, 2)`` px in the earlier frame.

    Returns
    -------
    Tensor
        ``(P, 3)``: the displacement in pixels, and ``1 / (1 + e^2)`` where the way back ends e
        pixels from the start.
    """
    there = _read(fields, which, xy)[:, :2]
    back = _read(fields, which, xy + there)[:, 2:]
    trust = 1 / (1 + (there + back).square().sum(dim=1, keepdim=True))
    return torch.cat([there, trust], dim=1)


def _read(fields: Tensor, which: Tensor, xy: Tensor) -> Tensor:
    index, fraction = patch_index(fields.shape[1:3], which, xy, 0)
    return interpolate(gather(fields, index).float(), fraction.float())[:, 0, 0]
