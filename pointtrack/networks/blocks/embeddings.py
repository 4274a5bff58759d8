"""Sines and cosines in place of positions and times."""

from __future__ import annotations

import torch
from torch import Tensor


def sine_table(positions: Tensor, channels: int) -> Tensor:
    """Transformers' table: ``(P,)`` to ``(P, channels)``, all sines, then all cosines.

    Frequencies fall from 1 towards 1/10000. Computed in double precision.
    """
    half = channels // 2
    steps = torch.arange(half, dtype=torch.float64, device=positions.device) / half
    angles = positions.double()[:, None] * 10000.0**-steps
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


def octaves(values: Tensor, count: int) -> Tensor:
    """Values, their sines and their cosines at frequencies 1, 2, 4, ...

    ``(..., V)`` to ``(..., V (1 + 2 count))``; frequency by frequency, all values of each.
    """
    scales = 2.0 ** torch.arange(count, dtype=values.dtype, device=values.device)
    angles = (values[..., None, :] * scales[:, None]).flatten(-2)
    # A cosine as NeRF writes it; the sum rounds differently from a cosine proper.
    return torch.cat([values, angles.sin(), (angles + 0.5 * torch.pi).sin()], dim=-1)


def linear_frequencies(values: Tensor, count: int = 32, step: float = 31.25) -> Tensor:
    """Sines and cosines, alternating, at frequencies 0, step, 2 step, ...: PIPs' embedding.

    ``(..., V)`` to ``(..., V, 2 count)``. The highest frequency is near 1000 a unit: rounding
    errors grow a thousandfold, so this stays in single precision.
    """
    frequencies = step * torch.arange(count, dtype=torch.float32, device=values.device)
    angles = values.float()[..., None] * frequencies
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)
