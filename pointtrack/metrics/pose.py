"""PCK of body joints: BADJA's animals (as PIPs scores them) and JHMDB's people (as TAP-Vid does).

A joint counts as correct when it is nearer than a share of the body's size: of the square root
of the animal's mask area in BADJA (Biggs et al., ACCV 2018; Harley et al., ECCV 2022), of the
joints' bounding box in JHMDB (Jhuang et al., ICCV 2013; Doersch et al., NeurIPS 2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.metrics.arrays import Flags, Floats, Ints, as_flags, as_tracks, ratio

BADJA_SIZE: Size = (512, 320)
JHMDB_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)


# --- BADJA -----------------------------------------------------------------------------------


def _nearest_index(source: int, target: int) -> Ints:
    """Index ``floor(i * source / target)``, in float32 as ``interpolate(mode="nearest")``."""
    step = np.float32(source / target)
    index = np.floor(np.arange(target, dtype=np.float32) * step).astype(np.int64)
    return np.minimum(index, source - 1)


def resized_mask_areas(masks: ArrayLike, size: Size = BADJA_SIZE) -> Ints:
    """Count the pixels of each mask after a nearest-neighbour resize.

    Parameters
    ----------
    masks
        ``(T, H, W)``; anything above 0 belongs to the animal.
    size
        ``(width, height)`` to resize to.

    Returns
    -------
    ndarray
        ``(T,)`` int64.
    """
    stack = np.asarray(masks)
    if stack.ndim != 3:
        raise PointtrackError(f"masks must have shape (T, H, W), found {stack.shape}")
    # The resize repeats or drops whole rows and columns: count how often each one is taken.
    rows = np.bincount(_nearest_index(stack.shape[1], size[1]), minlength=stack.shape[1])
    columns = np.bincount(_nearest_index(stack.shape[2], size[0]), minlength=stack.shape[2])
    return ((stack > 0) @ columns) @ rows  # T H, then T


def badja_ground_truth(gt_tracks: ArrayLike, source_size: Size) -> Floats:
    """Scale joints from source pixels to the 512 x 320 picture by the plain ratio of sizes."""
    truth = as_tracks(gt_tracks, "gt_tracks")
    return truth * (np.asarray(BADJA_SIZE, np.float64) / np.asarray(source_size, np.float64))


def badja_hits(
    gt_tracks: ArrayLike,
    visible: ArrayLike,
    pred_tracks: ArrayLike,
    masks: ArrayLike,
    *,
    share: float = 0.2,
) -> tuple[Flags, Flags]:
    """Judge every joint on every frame.

    Parameters
    ----------
    gt_tracks
        ``(N, T, 2)`` ``(x, y)`` in source pixels, as the masks.
    visible
        ``(N, T)``; 0 on frames without annotation.
    pred_tracks
        ``(N, T, 2)`` in pixels of the 512 x 320 picture.
    masks
        ``(T, H, W)`` at the source's size, above 0 on the animal.
    share
        Of the square root of the mask's area at 512 x 320; nearer than that is correct.

    Returns
    -------
    hit, scored
        ``(N, T)`` bool: correct, and counted at all (visible, from frame 1 on).
    """
    stack = np.asarray(masks)
    area = resized_mask_areas(stack)  # T
    truth = badja_ground_truth(gt_tracks, (stack.shape[2], stack.shape[1]))
    answer = as_tracks(pred_tracks, "pred_tracks", like=truth)
    if len(stack) != truth.shape[1]:
        raise PointtrackError(f"expected {truth.shape[1]} masks for gt_tracks, found {len(stack)}")
    scored = as_flags(visible, "visible", truth.shape[:2]).copy()
    scored[:, :1] = False
    distance = np.sqrt(np.square(answer - truth).sum(axis=-1))
    return (distance < share * np.sqrt(area)) & scored, scored


def badja_pck(
    gt_tracks: ArrayLike,
    visible: ArrayLike,
    pred_tracks: ArrayLike,
    masks: ArrayLike,
    *,
    share: float = 0.2,
) -> dict[str, float]:
    """PCK-T of one animal: ``pck``, percent of its joints; NaN without any to count.

    Arguments as in :func:`badja_hits`. The benchmark's number is the mean over animals.
    """
    hit, scored = badja_hits(gt_tracks, visible, pred_tracks, masks, share=share)
    return {"pck": 100 * float(ratio(hit.sum(), scored.sum()))}


# --- JHMDB -----------------------------------------------------------------------------------


def jhmdb_distances(gt_tracks: ArrayLike, pred_tracks: ArrayLike, size: Size) -> Floats:
    """Each joint's error in units of its person's size, ``(J, T)``.

    The person's size on a frame is 0.6 times the diagonal of the box round the joints. Joints
    that start outside the picture are dropped: out of the box, and NaN in the answer.

    Parameters
    ----------
    gt_tracks, pred_tracks
        ``(J, T, 2)`` ``(x, y)`` in source pixels.
    size
        ``(width, height)`` of the source.
    """
    truth = as_tracks(gt_tracks, "gt_tracks")
    answer = as_tracks(pred_tracks, "pred_tracks", like=truth)
    start = truth[:, 0]  # J 2
    kept = np.all((start >= 0) & (start < np.asarray(size)), axis=-1)[:, None, None]  # J 1 1
    # The published fill values for dropped joints: they matter to a box beyond -1 or 1e6.
    low = np.where(kept, truth, 1e6).min(axis=0)  # T 2
    high = np.where(kept, truth, -1.0).max(axis=0)
    person = 0.6 * np.sqrt(np.square(high - low).sum(axis=-1))  # T
    distance = np.sqrt(np.square(answer - truth).sum(axis=-1))
    return np.where(kept[..., 0], ratio(distance, person), np.nan)


def jhmdb_pck(
    distances: Sequence[NDArray], shares: Sequence[float] = JHMDB_SHARES
) -> dict[str, float]:
    """PCK over a whole set of videos.

    Parameters
    ----------
    distances
        One :func:`jhmdb_distances` a video, ``(J, T)`` with any ``T``. Frame 0 counts too.
    shares
        A joint is correct when not farther than this share of the person's size.

    Returns
    -------
    dict
        ``PCK@0.1`` ... : percent correct of each joint over all videos and frames, averaged
        over the joints that were ever inside the picture.
    """
    if not distances:
        raise PointtrackError("PCK over videos needs at least one video, found none")
    if len({len(video) for video in distances}) != 1:
        raise PointtrackError("all videos must have the same number of joints")
    table = np.concatenate(list(distances), axis=1)  # J T
    counted = (~np.isnan(table)).sum(axis=1)  # J
    judged = counted > 0
    result = {}
    for share in shares:
        joints = ratio((table <= share).sum(axis=1), counted)[judged]
        result[f"PCK@{share:g}"] = 100 * float(ratio(joints.sum(), joints.size))
    return result
