"""CoTracker 1, 2 and 3 as trackers.

Each function's keywords are the options of `pointtrack.load`. Networks are imported when wanted.
"""

from __future__ import annotations

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
from pointtrack.weights import ModelCard


def cotracker(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 384),
    memory: str | float = "auto",
    iterations: int = 6,
    support: int = 6,
    threshold: float = 0.9,
    warm_up: bool = False,
    local: int = 0,
    compile: bool = False,
) -> Tracker:
    """CoTracker 1 and 2; ``local``: as of `cotracker3_offline`."""
    return cotracker3_online(
        card,
        weights,
        device,
        precision,
        resolution,
        memory,
        iterations,
        support,
        threshold,
        warm_up,
        local,
        compile,
    )


def cotracker3_offline(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 384),
    memory: str | float = "auto",
    window: int = 96,
    overlap: int = 32,
    live: int = 16,
    iterations: int = 6,
    support: int = 6,
    threshold: float = 0.9,
    score: str = "visibility",
    local: int = 0,
    compile: bool = False,
) -> Tracker:
    """CoTracker3 over a clip; ``score``: what the threshold is of, visibility or both.

    ``local``: points are tracked one by one, each with a grid of so many a side around it.
    """
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.cotracker_models import CoTracker3OfflineModel

    one_of(score, ("visibility", "both"), "score", card)
    size, share = frames_and_memory(resolution, 4, 32, card, memory)
    fraction(threshold, "threshold", card)
    count(iterations, "iterations", card)
    count(support, "support", card, 0)
    count(local, "local", card, 0)
    network, where = ready(card, weights, device, precision, compile)
    model = CoTracker3OfflineModel(
        network, card.name, size, iterations, support, threshold, score, local
    )
    return ClipTracker(card, model, where, share, window, overlap, live)


def cotracker3_online(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 384),
    memory: str | float = "auto",
    iterations: int = 6,
    support: int = 0,
    threshold: float = 0.6,
    warm_up: bool = False,
    local: int = 0,
    compile: bool = False,
) -> Tracker:
    """CoTracker3 window by window; ``local``: as of `cotracker3_offline`."""
    from pointtrack.trackers.neural.cotracker_models import CoTrackerModel
    from pointtrack.trackers.neural.streams import StreamTracker

    size, share = frames_and_memory(resolution, 8, 32, card, memory)
    fraction(threshold, "threshold", card)
    count(iterations, "iterations", card)
    count(support, "support", card, 0)
    count(local, "local", card, 0)
    network, where = ready(card, weights, device, precision, compile)
    model = CoTrackerModel(network, card.name, size, iterations, support, threshold, local)
    return StreamTracker(card, model, where, share, warm_up)
