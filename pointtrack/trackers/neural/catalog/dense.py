"""DOT, AllTracker and GMRW as trackers.

Each function's keywords are the options of `pointtrack.load`. Networks are imported when wanted.
"""

from __future__ import annotations

from typing import Any

from pointtrack.errors import PointtrackError
from pointtrack.trackers.base import Tracker
from pointtrack.trackers.neural.catalog.making import (
    Resolution,
    Weights,
    count,
    fraction,
    frames_and_memory,
    one_of,
    ready,
)
from pointtrack.weights import PUBLISHED, ModelCard


def dot(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    tracker: str = "default",
    tracker_weights: str = "",
    estimator: str = "auto",
    points: int = 2048,
    resolution: Resolution = (512, 512),
    iterations: int = 4,
    sources: int = 4,
    seed: int = 0,
    compile: bool = False,
) -> Tracker:
    """DOT on the point tracker ``tracker``, with ``points`` of its tracks a frame.

    ``estimator``: weights of the network ``dot_raft8`` that finds motion boundaries; ``"auto"`` is
    official or random as the weights are, and OpenCV's flow in its place otherwise.
    """
    from pointtrack.trackers.dense.boundaries import NetworkFlow, OpenCvFlow, Sampler
    from pointtrack.trackers.dense.dot import DotTracker, Refiner
    from pointtrack.trackers.registry import DEFAULT_MODEL, load

    size, _ = frames_and_memory(resolution, 8, 64, card)
    for name, value in (("points", points), ("iterations", iterations), ("sources", sources)):
        count(value, name, card)
    name = DEFAULT_MODEL if tracker == "default" else tracker
    inner = load(name, tracker_weights or None, device, precision)
    network, where = ready(card, weights, device, precision, compile)
    if estimator == "auto":
        estimator = weights if weights in ("official", "random") else ""
    flow: Any = OpenCvFlow()
    if estimator:
        card_of_flow = PUBLISHED["dot_raft8"]
        flow = NetworkFlow(*ready(card_of_flow, estimator, device, precision, compile))
    refiner = Refiner(network, where, size, iterations)
    return DotTracker(card, refiner, inner, Sampler(flow, seed), points, sources)


def alltracker(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 384),
    memory: str | float = "auto",
    iterations: int = 4,
    threshold: float = 0.6,
    overlaps: str = "auto",
    live: str = "window",
    between_pixels: bool = True,
    compile: bool = False,
) -> Tracker:
    """AllTracker, both sizes; also for dense tracks."""
    from pointtrack.trackers.neural.alltracker import AllTrackerModel, AllTrackerTracker

    size, share = frames_and_memory(resolution, 64, 128, card, memory)
    fraction(threshold, "threshold", card)
    count(iterations, "iterations", card)
    one_of(overlaps, ("auto", "first", "last"), "overlaps", card)
    one_of(live, ("window", "frame"), "live", card)
    network, where = ready(card, weights, device, precision, compile)
    model = AllTrackerModel(network, card.name, size, iterations, threshold, between_pixels)
    return AllTrackerTracker(card, model, where, share, overlaps, live)


def gmrw(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (256, 256),
    memory: str | float = "auto",
    enlarge: int = 2,
    mode: str = "chain",
    temperature: float = 0.0,
    input_scale: str = "raw255",
    compile: bool = False,
) -> Tracker:
    """GMRW; ``enlarge``: how much larger the frames are that the network sees."""
    from pointtrack.networks.gmrw import TEMPERATURE
    from pointtrack.trackers.neural.gmrw import GmrwModel, GmrwTracker

    size, share = frames_and_memory(resolution, 8, 32, card, memory)
    count(enlarge, "enlarge", card)
    one_of(mode, ("chain", "direct"), "mode", card)
    one_of(input_scale, ("raw255", "unit"), "input_scale", card)
    if temperature < 0:
        raise PointtrackError(f"temperature of {card.name} must not be negative")
    network, where = ready(card, weights, device, precision, compile)
    chosen = temperature or TEMPERATURE
    model = GmrwModel(network, card.name, size, enlarge, chosen, input_scale)
    return GmrwTracker(card, model, where, share, mode == "direct")
