"""What every metric does first and last: look at its arrays, and divide counts."""

from __future__ import annotations

from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]


def as_tracks(value: ArrayLike, name: str, like: Floats | None = None) -> Floats:
    """Return ``value`` as float64 ``(N, T, 2)``; with ``like``, of the same shape as that."""
    tracks = np.asarray(value, dtype=np.float64)
    if tracks.ndim != 3 or tracks.shape[-1] != 2:
        raise PointtrackError(f"{name} must have shape (N, T, 2), found {tracks.shape}")
    if like is not None and tracks.shape != like.shape:
        raise PointtrackError(f"{name} must have shape {like.shape}, found {tracks.shape}")
    return tracks


def as_flags(value: ArrayLike, name: str, shape: tuple[int, ...] | None = None) -> Flags:
    """Return ``value`` as bool ``(N, T)``; numbers other than 0 and 1 are refused.

    Probabilities must be thresholded by the caller, who knows the model's threshold.
    """
    flags = np.asarray(value)
    expected = "(N, T)" if shape is None else str(shape)
    if flags.ndim != 2 or (shape is not None and flags.shape != shape):
        raise PointtrackError(f"{name} must have shape {expected}, found {flags.shape}")
    if flags.dtype != np.bool_ and not np.isin(flags, (0, 1)).all():
        raise PointtrackError(f"{name} must hold booleans or 0 and 1, found other numbers")
    return flags.astype(np.bool_)


def ratio(count: ArrayLike, total: ArrayLike) -> Any:
    """``count / total`` in float64; nothing out of nothing is NaN, without a warning."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.true_divide(np.asarray(count, np.float64), np.asarray(total, np.float64))


def soft_ratio(count: SupportsFloat, total: SupportsFloat) -> float:
    """``count / (1e-6 + total)``: the masked mean of the PIPs family, 0 for an empty mask."""
    return float(count) / (1e-6 + float(total))
