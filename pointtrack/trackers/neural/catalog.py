"""The published networks as trackers. Networks are imported when one is wanted.

Each function's keywords are the options of `pointtrack.load`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pointtrack.errors import PointtrackError
from pointtrack.trackers.base import Tracker
from pointtrack.trackers.flow import FlowSource
from pointtrack.trackers.flow_chain import FlowChainTracker
from pointtrack.trackers.mft import MftTracker
from pointtrack.weights import PUBLISHED, ModelCard

if TYPE_CHECKING:
    import torch

Weights = str | os.PathLike[str] | Mapping[str, Any] | None
Resolution = tuple[int, int]

FLOW_NETWORKS = {"raft_large": "raft_large", "raft_small": "raft_small", "mft": "mft_raft"}


def _ready(
    card: ModelCard, weights: Weights, device: str, precision: str, compile: bool
) -> tuple[Any, torch.device]:
    """The network with its weights, on its device."""
    from pointtrack.trackers.neural.device import pick_device, place
    from pointtrack.weights.loading import load_network

    where = pick_device(device)
    return place(load_network(card, weights), where, precision, compile), where


def _share(value: float, name: str, card: ModelCard) -> float:
    if not 0 <= value <= 1:
        raise PointtrackError(f"{name} of {card.name} is from 0 to 1, found {value}")
    return value


def _count(value: int, name: str, card: ModelCard, least: int = 1) -> int:
    if value < least:
        raise PointtrackError(f"{name} of {card.name} must be at least {least}, found {value}")
    return value


# --- TAP-Net, TAPIR, LocoTrack -----------------------------------------------------------------


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
    threshold: float = 0.5,
    compile: bool = False,
) -> Tracker:
    """TAPIR and BootsTAPIR, offline."""
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.matching_models import TapirModel

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    network, where = _ready(card, weights, device, precision, compile)
    model = TapirModel(network, card.name, size, threshold)
    return ClipTracker(card, model, where, share, window, overlap, live)


def causal_tapir(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (256, 256),
    memory: str | float = "auto",
    warm_up: bool = False,
    threshold: float = 0.5,
    compile: bool = False,
) -> Tracker:
    """Causal TAPIR and causal BootsTAPIR."""
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.causal import CausalModel, CausalTracker
    from pointtrack.trackers.neural.convention import working_size

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    network, where = _ready(card, weights, device, precision, compile)
    model = CausalModel(network, card.name, size, threshold)
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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.matching_models import LocoTrackModel

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    network, where = _ready(card, weights, device, precision, compile)
    model = LocoTrackModel(network, card.name, size, threshold)
    return ClipTracker(card, model, where, share, window, overlap, live)


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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.matching_models import TapNetModel

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    network, where = _ready(card, weights, device, precision, compile)
    model = TapNetModel(network, card.name, size, threshold)
    return ClipTracker(card, model, where, share, window, overlap, live)


# --- CoTracker ---------------------------------------------------------------------------------


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
    compile: bool = False,
) -> Tracker:
    """CoTracker3 over a clip; ``score``: what the threshold is of, visibility or both."""
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.cotracker_models import CoTracker3OfflineModel

    if score not in ("visibility", "both"):
        raise PointtrackError(f"score of {card.name} is visibility or both, found {score!r}")
    size, share = working_size(resolution, 4, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(iterations, "iterations", card)
    _count(support, "support", card, 0)
    network, where = _ready(card, weights, device, precision, compile)
    model = CoTracker3OfflineModel(network, card.name, size, iterations, support, threshold, score)
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
    compile: bool = False,
) -> Tracker:
    """CoTracker3 window by window."""
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.cotracker_models import CoTrackerModel
    from pointtrack.trackers.neural.streams import StreamTracker

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(iterations, "iterations", card)
    _count(support, "support", card, 0)
    network, where = _ready(card, weights, device, precision, compile)
    model = CoTrackerModel(network, card.name, size, iterations, support, threshold)
    return StreamTracker(card, model, where, share, warm_up)


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
    compile: bool = False,
) -> Tracker:
    """CoTracker 1 and 2."""
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
        compile,
    )


# --- PIPs --------------------------------------------------------------------------------------


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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.path_models import PipsModel

    size, share = working_size(resolution, 4, 64, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(iterations, "iterations", card)
    network, where = _ready(card, weights, device, precision, compile)
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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.clips import ClipTracker
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.path_models import PipsPlusModel

    size, share = working_size(resolution, 8, 128, card.name), parse_memory(memory)
    _count(iterations, "iterations", card)
    network, where = _ready(card, weights, device, precision, compile)
    model = PipsPlusModel(network, card.name, size, iterations)
    return ClipTracker(card, model, where, share, window, overlap, live)


# --- flow --------------------------------------------------------------------------------------


def flow_network(
    name: str,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    iterations: int = 0,
    compile: bool = False,
) -> FlowSource[Any]:
    """A flow network as a source of flow for ``mft`` and ``flow_chain``."""
    from pointtrack.trackers.flow_networks import MftNetworkFlow
    from pointtrack.trackers.neural.flow import RaftFlow

    card = PUBLISHED[FLOW_NETWORKS[name]]
    _count(iterations, "iterations", card, 0)
    network, _ = _ready(card, weights, device, precision, compile)
    if name == "mft":
        return MftNetworkFlow(network, iterations or 12)
    return RaftFlow(network, iterations or 20)


def raft(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    longest: int = 768,
    iterations: int = 20,
    compile: bool = False,
) -> Tracker:
    """RAFT's flow, chained from frame to frame."""
    flow = flow_network(card.network, weights, device, precision, iterations, compile)
    return _carrying(card, FlowChainTracker(flow, longest))


def mft_raft(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    deltas: tuple[int, ...] = (1, 2, 4, 8, 16, 32),
    longest: int = 512,
    templates: int = 16,
    hidden: str = "query",
    iterations: int = 12,
    compile: bool = False,
) -> Tracker:
    """MFT as published."""
    flow = flow_network("mft", weights, device, precision, iterations, compile)
    return _carrying(card, MftTracker(flow, deltas, longest, templates, hidden))


def _carrying(card: ModelCard, tracker: Tracker) -> Tracker:
    tracker.card = card
    return tracker


_FAMILIES: dict[str, Callable[..., Tracker]] = {
    "bootstapir": tapir,
    "causal_bootstapir": causal_tapir,
    "causal_tapir": causal_tapir,
    "cotracker1": cotracker,
    "cotracker1_s4_w12": cotracker,
    "cotracker1_s8_w16": cotracker,
    "cotracker2": cotracker,
    "cotracker2_w16": cotracker,
    "cotracker3_offline": cotracker3_offline,
    "cotracker3_online": cotracker3_online,
    "locotrack_base": locotrack,
    "locotrack_small": locotrack,
    "mft_raft": mft_raft,
    "pips": pips,
    "pips2": pips2,
    "raft_large": raft,
    "raft_small": raft,
    "tapir": tapir,
    "tapnet": tapnet,
}

# Name -> its card, and what makes its tracker.
NETWORKS: dict[str, tuple[ModelCard, Callable[..., Tracker]]] = {
    name: (card, _FAMILIES[name]) for name, card in PUBLISHED.items()
}
