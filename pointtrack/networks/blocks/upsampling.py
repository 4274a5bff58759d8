"""Learned upsampling of flow and what goes with it (RAFT, ECCV 2020)."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F


def convex_upsample(values: Tensor, weights: Tensor) -> Tensor:
    """Blow ``values (P, C, h, w)`` up k-fold, each pixel a mean of 3 x 3 around it.

    ``weights (P, 9 k^2, h, w)``: 9 neighbours by k x k fine pixels, before the softmax and a
    factor of 1/4. Beyond the border the values are zero. Returns ``(P, C, k h, k w)``.
    """
    pairs, channels, height, width = values.shape
    fine = weights.shape[1] // 9  # k^2
    weights = (0.25 * weights).view(pairs, 1, 9, fine, height * width).softmax(dim=2)
    around = F.unfold(values, 3, padding=1).view(pairs, channels, 9, 1, height * width)
    mixed = (weights * around).sum(dim=2)  # P C k^2 h*w
    shuffled = mixed.reshape(pairs, channels * fine, height, width)
    return F.pixel_shuffle(shuffled, math.isqrt(fine))
