"""From a standard deviation to the probability that `Tracks.confidence` stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

REACH = 8.0  # px at a picture width of 256


def within_reach(sigma: NDArray[np.floating[Any]], width: float) -> NDArray[np.float32]:
    """Probability that a position is right to within 8 px at a width of 256.

    Parameters
    ----------
    sigma
        Standard deviation of x and of y, taken as normal, in pixels of a picture this wide.
    width
        Its width in pixels.
    """
    reach = REACH * width / 256
    with np.errstate(divide="ignore"):
        return (1 - np.exp(-0.5 * np.square(reach / sigma))).astype(np.float32)
