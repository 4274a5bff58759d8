"""Working on a layer's texture and mask: blur, soft copies, shading of a body."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def blurred(pixels: Tensor, deviation: float) -> Tensor:
    """A Gaussian blur by texels of ``(C, S, S)``, the border repeated."""
    reach = max(1, math.ceil(2.5 * deviation))
    weight = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    weight /= weight.sum()
    side = pixels.shape[1]
    for dim in (1, 2):  # sums of shifted copies: far faster than a convolution by so few taps
        pad = (0, 0, reach, reach) if dim == 1 else (reach, reach, 0, 0)
        padded = functional.pad(pixels[None], pad, mode="replicate")[0]
        pixels = float(weight[0]) * padded.narrow(dim, 0, side)
        for shift in range(1, 2 * reach + 1):
            pixels.add_(padded.narrow(dim, shift, side), alpha=float(weight[shift]))
    return pixels


def rounded_off(texture: Tensor, cover: Tensor, heading: float, strength: float) -> Tensor:
    """Light and shade towards the edges, as if the thing had a body."""
    height, side = soft_copy(cover), len(cover)
    down, across = torch.gradient(height[0])
    slope = math.cos(heading) * across + math.sin(heading) * down
    slope = slope * (len(slope) / 8)  # a slope of one over an eighth of the side
    light = functional.interpolate(slope[None, None], (side, side), mode="bilinear")[0]
    return texture * (1 + strength * light.clamp(-0.7, 0.7))


def soft_copy(cover: Tensor) -> Tensor:
    """A small, soft copy of a mask, for shadows."""
    side = max(8, len(cover) // 4)
    small = functional.interpolate(cover[None, None], (side, side), mode="area")[0]
    return blurred(small, 1.0)
