"""TAP-Net, TAPIR and LocoTrack as trackers.

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


def tapnet(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (256, 256),
    memory: str | float = "auto",
    window: int = 64,
    overlap: int = 8,
    live: int = 10,
    threshold: float = 0.5,
    compile: bool = False,
) -> Tracker:
    """TAP-Net."""
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.matching_models import TapNetModel

    size, share = frames_and_memory(resolution, 8, 32, card, memory)
    fraction(threshold, "threshold", card)
    network, where = ready(card, weights, device, precision, compile)
    model = TapNetModel(network, card.name, size, threshold)
    return ClipTracker(card, model, where, share, window, overlap, live)


def tapir(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (256, 256),
    memory: str | float = "auto",
    window: int = 300,
    overlap: int = 64,
    live: int = 16,
    iterations: int = 4,
    threshold: float = 0.5,
    compile: bool = False,
) -> Tracker:
    """TAPIR and BootsTAPIR, offline."""
    from pointtrack.trackers.neural.clips import DescribingTracker
    from pointtrack.trackers.neural.matching_models import TapirModel

    size, share = frames_and_memory(resolution, 8, 32, card, memory)
    fraction(threshold, "threshold", card)
    count(iterations, "iterations", card)
    network, where = ready(card, weights, device, precision, compile)
    model = TapirModel(network, card.name, size, threshold, iterations)
    return DescribingTracker(card, model, where, share, window, overlap, live)


def causal_tapir(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (256, 256),
    memory: str | float = "auto",
    warm_up: bool = False,
    iterations: int = 4,
    threshold: float = 0.5,
    compile: bool = False,
) -> Tracker:
    """Causal TAPIR and causal BootsTAPIR."""
    from pointtrack.trackers.neural.causal import CausalModel, CausalTracker

    size, share = frames_and_memory(resolution, 8, 32, card, memory)
    fraction(threshold, "threshold", card)
    count(iterations, "iterations", card)
    network, where = ready(card, weights, device, precision, compile)
    model = CausalModel(network, card.name, size, threshold, iterations)
    return CausalTracker(card, model, where, share, warm_up)


def locotrack(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (256, 256),
    memory: str | float = "auto",
    window: int = 128,
    overlap: int = 32,
    live: int = 16,
    threshold: float = 0.5,
    compile: bool = False,
) -> Tracker:
    """LocoTrack, both sizes."""
    from pointtrack.trackers.neural.clips import DescribingTracker
    from pointtrack.trackers.neural.matching_models import LocoTrackModel

    size, share = frames_and_memory(resolution, 8, 32, card, memory)
    fraction(threshold, "threshold", card)
    network, where = ready(card, weights, device, precision, compile)
    model = LocoTrackModel(network, card.name, size, threshold)
    return DescribingTracker(card, model, where, share, window, overlap, live)
