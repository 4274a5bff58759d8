"""What optical flow says about points, as the compact network takes it.

Flow between neighbouring frames is exact to a pixel for most visible points, on plain surfaces
and in fast motion too, where single patches say little; but it knows nothing of what a point
looked like, and its errors add up. So it is a hint for the network, not its answer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pointtrack.networks.blocks.sampling import gather, interpolate, patch_index


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
    index, _, fraction = patch_index(fields.shape[1:3], which, xy, 0)
    return interpolate(gather(fields, index).float(), fraction.float())[:, 0, 0]
