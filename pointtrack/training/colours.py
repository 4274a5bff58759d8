"""Changes of colour as one matrix: brightness, contrast, saturation and hue are all linear.

Hue is a turn about the grey axis that keeps luma, so that the four together are one ``(3, 4)``
matrix a frame, applied in one pass and clipped once.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # H W 3
Matrix = NDArray[np.float64]  # 3 4: new = matrix[:, :3] @ rgb + matrix[:, 3]

LUMA = np.array([0.299, 0.587, 0.114])
GREY = np.tile(LUMA, (3, 1))  # 3 3: every channel becomes luma
# Luma and two axes of colour, those of the YIQ space.
_TO_YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def colour_matrix(
    brightness: float, contrast: float, saturation: float, hue: float, offset: float, mean: float
) -> Matrix:
    """Join changes of colour, which come in this order.

    Parameters
    ----------
    brightness, offset
        A factor, and grey levels that are added.
    contrast
        A factor on differences from the mean grey level, `mean` before any change.
    saturation
        A factor on differences from luma.
    hue
        A turn, as a share of the circle: red goes to green, green to blue.
    """
    colour = _hue_turn(hue) @ (GREY + saturation * (np.eye(3) - GREY))
    constant = contrast * offset + (1 - contrast) * (brightness * mean + offset)
    return np.column_stack([contrast * brightness * colour, colour.sum(axis=1) * constant])


def then(first: Matrix, second: Matrix) -> Matrix:
    """One change after another."""
    joined = second[:, :3] @ first
    joined[:, 3] += second[:, 3]
    return joined


def mean_luma(frame: Frame) -> float:
    """The mean grey level of a frame."""
    return float(np.dot(cv2.mean(frame)[:3], LUMA))


def transform(frame: Frame, matrix: Matrix) -> Frame:
    """Apply a change of colour to a frame."""
    return np.asarray(cv2.transform(frame, matrix), np.uint8)


def _hue_turn(share: float) -> Matrix:
    angle = -2 * np.pi * share
    cos, sin = np.cos(angle), np.sin(angle)
    return _FROM_YIQ @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ _TO_YIQ
