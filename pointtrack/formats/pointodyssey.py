"""What the numbers in PointOdyssey's files mean, for its reader, its writer and its metrics.

Zheng et al., "PointOdyssey: A Large-Scale Synthetic Dataset for Long-Term Point Tracking",
ICCV 2023.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError

ANNOTATION_NAMES = ("anno.npz", "annot.npz", "annotations.npz")  # newest build first
DEPTH_RANGE = 1000.0  # metres that 65535 stands for in a depth picture
FPS = 30


def decode_visibility(codes: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Split the old annotation's one array into visible and valid flags of the same shape.

    Codes are 1 visible, 0 occluded, 2 invalid.
    """
    code = np.asarray(codes)
    if not np.isin(code, (0, 1, 2)).all():
        raise PointtrackError("visibility codes must be 0, 1 or 2, found other numbers")
    return code == 1, code < 2
