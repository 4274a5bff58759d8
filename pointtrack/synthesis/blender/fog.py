"""Homogeneous fog in a box of air, and how much light comes through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class FogLaw:
    """Beer's law within a box.

    Attributes
    ----------
    extinction
        Share of light lost in a metre, for short ways; 0 is clear air.
    low, high
        Corners of the box ``(x, y, z)`` in metres.
    """

    extinction: float
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def transmittance(self, eye: ArrayLike, points: ArrayLike) -> NDArray[np.float64]:
        """The share of light ``(N,)`` that comes from points ``(N, 3)`` to an eye ``(3,)``."""
        start, way = np.asarray(eye, float), np.asarray(points, float) - np.asarray(eye, float)
        with np.errstate(divide="ignore", invalid="ignore"):
            first = (np.array(self.low) - start) / way
            second = (np.array(self.high) - start) / way
        # Parallel to a face: 0 / 0 on it, else infinities of the right sign.
        enter = np.nanmax(np.minimum(first, second), -1).clip(0, 1)
        leave = np.nanmin(np.maximum(first, second), -1).clip(0, 1)
        inside = np.maximum(leave - enter, 0) * np.linalg.norm(way, axis=-1)
        return np.exp(-self.extinction * inside)
