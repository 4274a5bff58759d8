"""PIPs, PIPs++ and TAPTR as trackers.

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
    ready,
)
from pointtrack.weights import ModelCard


def pips(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 320),
    memory: str | float = "auto",
    window: int = 64,
    overlap: int = 8,
    live: int = 8,
    iterations: int = 6,
    threshold: float = 0.5,
    compile: bool = False,
) -> Tracker:
    """PIPs."""
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.path_models import PipsModel

    size, share = frames_and_memory(resolution, 4, 64, card, memory)
    fraction(threshold, "threshold", card)
    count(iterations, "iterations", card)
    network, where = ready(card, weights, device, precision, compile)
    model = PipsModel(network, card.name, size, iterations, threshold)
    return ClipTracker(card, model, where, share, window, overlap, live)


def pips2(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (896, 512),
    memory: str | float = "auto",
    window: int = 128,
    overlap: int = 16,
    live: int = 8,
    iterations: int = 16,
    compile: bool = False,
) -> Tracker:
    """PIPs++."""
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.path_models import PipsPlusModel

    size, share = frames_and_memory(resolution, 8, 128, card, memory)
    count(iterations, "iterations", card)
    network, where = ready(card, weights, device, precision, compile)
    model = PipsPlusModel(network, card.name, size, iterations)
    return ClipTracker(card, model, where, share, window, overlap, live)


def taptr(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 512),
    memory: str | float = "auto",
    support: int = 128,
    published: bool = False,
    gap: int = 0,
    true_axes: bool = False,
    threshold: float = 0.5,
    compile: bool = False,
) -> Tracker:
    """TAPTR and TAPTRv2.

    ``support``: how many points are tracked in all, where fewer are asked for. ``published``:
    resize, begin and support as in the published evaluation. ``gap``: every how many windows a
    point's looks are handed on; 0: by the video's length. ``true_axes``: do not exchange width
    and height, in pictures that are not square.
    """
    from pointtrack.trackers.neural.taptr import TaptrTracker
    from pointtrack.trackers.neural.taptr_model import TaptrModel

    size, share = frames_and_memory(resolution, 32, 64, card, memory)
    fraction(threshold, "threshold", card)
    count(support, "support", card, 0)
    count(gap, "gap", card, 0)
    network, where = ready(card, weights, device, precision, compile)
    network.true_axes = true_axes
    model = TaptrModel(network, card.name, size, threshold, support, gap, published)
    return TaptrTracker(card, model, where, share, published)
