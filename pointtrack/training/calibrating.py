"""From trained to shipped weights: measuring what confidence means, and half precision.

The network's own probabilities are right on average over its training clips. Here it runs on
clips that it was never trained on, and its confidence and error radius are bent until they are
true there (isotonic regression, Zadrozny & Elkan 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets import Clip, Dataset
from pointtrack.errors import PointtrackError, require
from pointtrack.files import PathLike
from pointtrack.geometry import inside
from pointtrack.metrics import reliability
from pointtrack.synthesis import generate, preset
from pointtrack.synthesis.production import clip_seed
from pointtrack.trackers import Tracker
from pointtrack.trackers.compact import CompactTracker
from pointtrack.training.checkpoints import write_weights
from pointtrack.video import Video, open_video
from pointtrack.weights.calibration import Calibration, Curves
from pointtrack.weights.compact import read_weights

NEAR = 8.0  # px at a width of 256: what confidence is the probability of
SEED = 97  # of generated clips; no run trains on these
ROUNDS = 2  # in which `calibrate` goes through its clips
_GROUPS = 24
_LEAST = 50  # values that a group needs


class Exact(NamedTuple):
    """A video with exact tracks: ``xy (N, T, 2)`` pixels, ``visible`` and ``valid (N, T)``."""

    video: Video
    xy: NDArray[np.floating]
    visible: NDArray[np.bool_]
    valid: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Observations:
    """What a tracker said, and whether it was so; one value a point and frame after its query.

    Attributes
    ----------
    confidence, right
        ``(K,)``: stated, and whether the point was visible and within 8 px at a width of 256.
    radius, error
        ``(M,)``: of visible points, the stated radius and the true error in working pixels.
    """

    confidence: NDArray[np.float32]
    right: NDArray[np.bool_]
    radius: NDArray[np.float32]
    error: NDArray[np.float32]


def generated(
    clips: int, presets: Sequence[str] = ("default", "thin", "hard", "easy"), frames: int = 32
) -> Iterator[Exact]:
    """Procedural clips of 256x256 for calibration, the presets in turn."""
    for i in range(clips):
        look = preset(presets[i % len(presets)], frames=frames, size=(256, 256), points=128)
        clip = generate(clip_seed(SEED, i), look)
        yield Exact(open_video(clip.video), clip.xy, clip.visible, clip.valid)


def annotated(data: Dataset) -> Iterator[Exact]:
    """The clips of a data set."""
    for entry in data.entries():
        clip: Clip = entry.load()
        with clip.video:
            yield Exact(clip.video, clip.xy, clip.visible, clip.valid)


def observe(
    tracker: Tracker, clips: Iterable[Exact], working: int, whole: bool = False
) -> Observations:
    """Follow every point of the clips from where it is first visible.

    Parameters
    ----------
    tracker
        That predicts error radii.
    clips
        With exact tracks.
    working
        The side of the square with as many pixels as its working pictures have.
    whole
        Whether each clip is tracked as a whole video rather than as a live stream.

    Raises
    ------
    PointtrackError
        When it predicts none, or no clip has a visible point with frames after it.
    """
    rows = [_one_clip(tracker, clip, working, whole) for clip in clips]
    rows = [row for row in rows if len(row.confidence)]
    if not rows:
        raise PointtrackError("calibration needs clips with points to follow, found none")
    return Observations(
        np.concatenate([r.confidence for r in rows]),
        np.concatenate([r.right for r in rows]),
        np.concatenate([r.radius for r in rows]),
        np.concatenate([r.error for r in rows]),
    )


def fit(seen: Observations) -> Calibration:
    """The curves that make these observations true."""
    optimise = require("scipy.optimize", "train")
    groups = _groups(seen.confidence)
    stated = np.array([seen.confidence[g].mean() for g in groups], np.float64)
    share = np.array([seen.right[g].mean() for g in groups], np.float64)
    sizes = np.array([len(g) for g in groups], np.float64)
    true = optimise.isotonic_regression(share, weights=sizes).x
    knots, first = np.unique(stated, return_index=True)
    radii = _groups(seen.radius)
    middle = np.array([np.median(seen.radius[g]) for g in radii], np.float64)
    factor = np.array([np.median(seen.error[g] / seen.radius[g]) for g in radii], np.float64)
    places, unique = np.unique(middle, return_index=True)
    return Calibration(
        tuple(knots.tolist()),
        tuple(np.clip(true[first], 0, 1).tolist()),
        tuple(places.tolist()),
        tuple(factor[unique].clip(1e-3).tolist()),
    )


def radius_reliability(seen: Observations, groups: int = 10) -> dict[str, NDArray[np.float64]]:
    """For groups of equally many stated radii: their median, and the share of errors below.

    A radius that means what it says has a share of one half in each.
    """
    parts = _groups(seen.radius, groups)
    return {
        "radius": np.array([np.median(seen.radius[g]) for g in parts]),
        "share": np.array([(seen.error[g] <= seen.radius[g]).mean() for g in parts]),
        "count": np.array([len(g) for g in parts], np.float64),
    }


def confidence_reliability(seen: Observations) -> dict[str, NDArray]:
    """As `metrics.reliability`."""
    return reliability(seen.confidence, seen.right)


def calibrate(weights: PathLike, clips: Callable[[], Iterable[Exact]], working: int) -> Curves:
    """Measure the curves of these weights, live and in whole videos.

    Parameters
    ----------
    weights
        A safetensors file; curves that it has already do not count.
    clips
        Makes the clips, once for each of the two (`ROUNDS`).
    working
        As `CompactTracker` takes it.
    """
    tracker = CompactTracker(weights, working=working)
    tracker.curves = Curves()
    tracker.curves = Curves(fit(observe(tracker, clips(), working)))
    return replace(tracker.curves, whole=fit(observe(tracker, clips(), working, whole=True)))


def ship(weights: PathLike, curves: Curves, out: PathLike) -> None:
    """Write the weights in half precision, with their calibrations in the header.

    Raises
    ------
    WeightsError
        When the file cannot be read or written.
    """
    tensors, about = read_weights(weights)
    half = {name: tensor.half() for name, tensor in tensors.items()}
    write_weights(out, half, {**about, **curves.to_header()})


def _one_clip(tracker: Tracker, clip: Exact, working: int, whole: bool) -> Observations:
    begins = np.where(clip.visible.any(1), clip.visible.argmax(1), clip.visible.shape[1])
    rows = np.flatnonzero(begins < clip.visible.shape[1] - 1)
    rows = rows[inside(clip.xy[rows, begins[rows]], clip.video.size)]
    follow = _as_video if whole else _as_stream
    xy, stated, radius = follow(tracker, clip, rows, begins[rows])
    followed = np.isin(np.arange(len(xy)), rows)
    after = (np.arange(xy.shape[1]) > begins[:, None]) & clip.valid & followed[:, None]
    error = np.linalg.norm(np.nan_to_num(xy) - np.nan_to_num(clip.xy), axis=2)
    width, height = clip.video.size
    right = clip.visible & (error * 256 / width < NEAR)
    scale = working / np.sqrt(width * height)
    seen = after & clip.visible & (radius > 0)
    return Observations(
        stated[after],
        right[after],
        (radius[seen] * scale).astype(np.float32),
        (error[seen] * scale).astype(np.float32),
    )


Answers = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


def _as_stream(
    tracker: Tracker, clip: Exact, rows: NDArray[np.int64], begins: NDArray[np.int64]
) -> Answers:
    """Positions, confidence and radius of the tracks ``rows``, followed from ``begins`` on."""
    xy, stated, radius = _empty(clip)
    ids: dict[int, int] = {}
    with tracker.session() as session:
        for t, frame in enumerate(clip.video):
            fresh = rows[begins == t]
            if len(fresh):
                ids.update(zip(session.add(clip.xy[fresh, t]), fresh.tolist(), strict=True))
            now = session.step(frame)
            at = np.array([ids[int(i)] for i in now.ids], np.int64)
            xy[at, t], stated[at, t] = now.xy, now.confidence
            radius[at, t] = _predicted(tracker, now.radius)
    return xy, stated, radius


def _as_video(
    tracker: Tracker, clip: Exact, rows: NDArray[np.int64], begins: NDArray[np.int64]
) -> Answers:
    """As `_as_stream`, of a tracker that has the whole video."""
    xy, stated, radius = _empty(clip)
    if len(rows):
        queries = np.column_stack([begins, clip.xy[rows, begins]]).astype(np.float32)
        tracks = tracker.track(clip.video, queries, both_ways=False)
        xy[rows], stated[rows] = tracks.xy, tracks.confidence
        radius[rows] = np.nan_to_num(_predicted(tracker, tracks.radius))
    return xy, stated, radius


def _empty(clip: Exact) -> Answers:
    stated, radius = (np.zeros(clip.visible.shape, np.float32) for _ in range(2))
    return np.full(clip.xy.shape, np.nan, np.float32), stated, radius


def _predicted(tracker: Tracker, radius: NDArray[np.float32] | None) -> NDArray[np.float32]:
    if radius is None:
        raise PointtrackError(f"{tracker.card.name} predicts no error radius")
    return radius


def _groups(values: NDArray[np.float32], most: int = _GROUPS) -> list[NDArray[np.int64]]:
    """Indices of equally many values each, in ascending order."""
    count = max(1, min(most, len(values) // _LEAST))
    return list(np.array_split(np.argsort(values, kind="stable"), count))
