"""Whether stated confidence is true: reliability by groups, as in Guo et al., arXiv 1706.04599."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError
from pointtrack.metrics.arrays import ratio

BINS = 10


def reliability(
    confidence: ArrayLike, right: ArrayLike, counted: ArrayLike | None = None, bins: int = BINS
) -> dict[str, NDArray[Any]]:
    """How often what was stated with a confidence was right, in groups of equal width.

    Parameters
    ----------
    confidence
        Any shape, in [0, 1].
    right
        Bool, the same shape: whether the point is visible and its position right.
    counted
        Bool, the same shape: what is looked at; default: everything.
    bins
        Number of groups.

    Returns
    -------
    dict
        ``lower`` and ``upper`` (K,), the edges of the groups (the last one includes 1),
        ``frames`` (K,) how many values each holds, ``confidence`` and ``share`` (K,), their mean
        confidence and the share of them that is right; NaN in empty groups. Videos are joined
        by `pool_groups`.

    Raises
    ------
    PointtrackError
        When shapes differ or a confidence is not within 0 and 1.
    """
    stated, truth = np.asarray(confidence, np.float64), np.asarray(right, bool)
    mask = np.ones(stated.shape, bool) if counted is None else np.asarray(counted, bool)
    if not stated.shape == truth.shape == mask.shape:
        raise PointtrackError(
            "confidence, right and counted must have one shape, found "
            f"{stated.shape}, {truth.shape} and {mask.shape}"
        )
    if bins < 1:
        raise PointtrackError(f"bins must be at least 1, found {bins}")
    stated, truth = stated[mask], truth[mask]
    if not ((stated >= 0) & (stated <= 1)).all():
        raise PointtrackError("confidence must be within 0 and 1")
    edges = np.arange(bins + 1) / bins
    group = np.clip(np.searchsorted(edges, stated, side="right") - 1, 0, bins - 1)
    frames = np.bincount(group, minlength=bins)
    return {
        "lower": edges[:-1],
        "upper": edges[1:],
        "frames": frames,
        "confidence": ratio(np.bincount(group, stated, bins), frames),
        "share": ratio(np.bincount(group, truth.astype(np.float64), bins), frames),
    }


def calibration_error(groups: Mapping[str, NDArray[Any]]) -> float:
    """The mean gap between stated and true, every value counting once (ECE); NaN without any."""
    gaps = np.abs(groups["confidence"] - groups["share"])
    frames = groups["frames"]
    return float(ratio((np.where(frames > 0, gaps, 0.0) * frames).sum(), frames.sum()))


def largest_gap(groups: Mapping[str, NDArray[Any]], least: int = 1) -> float:
    """The largest gap among the groups that hold at least so many values; NaN without any."""
    enough = groups["frames"] >= least
    if not enough.any():
        return float("nan")
    return float(np.abs(groups["confidence"] - groups["share"])[enough].max())
