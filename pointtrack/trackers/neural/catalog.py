"""The published networks as trackers. Networks are imported when one is wanted.

Each function's keywords are the options of `pointtrack.load`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

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

FLOW_NETWORKS = {
    "raft_large": "raft_large",
    "raft_small": "raft_small",
    "mft": "mft_raft",
    "dot_raft8": "dot_raft8",
}


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


def _one_of(value: str, known: tuple[str, ...], name: str, card: ModelCard) -> None:
    if value not in known:
        choice = " or ".join(known)
        raise PointtrackError(f"{name} of {card.name} is {choice}, found {value!r}")


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
    iterations: int = 4,
    threshold: float = 0.5,
    compile: bool = False,
) -> Tracker:
    """TAPIR and BootsTAPIR, offline."""
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.clips import DescribingTracker
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.matching_models import TapirModel

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(iterations, "iterations", card)
    network, where = _ready(card, weights, device, precision, compile)
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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.causal import CausalModel, CausalTracker
    from pointtrack.trackers.neural.convention import working_size

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(iterations, "iterations", card)
    network, where = _ready(card, weights, device, precision, compile)
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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.clips import DescribingTracker
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.matching_models import LocoTrackModel

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    network, where = _ready(card, weights, device, precision, compile)
    model = LocoTrackModel(network, card.name, size, threshold)
    return DescribingTracker(card, model, where, share, window, overlap, live)


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
    local: int = 0,
    compile: bool = False,
) -> Tracker:
    """CoTracker3 over a clip; ``score``: what the threshold is of, visibility or both.

    ``local``: points are tracked one by one, each with a grid of so many a side around it.
    """
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
    _count(local, "local", card, 0)
    network, where = _ready(card, weights, device, precision, compile)
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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.cotracker_models import CoTrackerModel
    from pointtrack.trackers.neural.streams import StreamTracker

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(iterations, "iterations", card)
    _count(support, "support", card, 0)
    _count(local, "local", card, 0)
    network, where = _ready(card, weights, device, precision, compile)
    model = CoTrackerModel(network, card.name, size, iterations, support, threshold, local)
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


# --- TAPNext -----------------------------------------------------------------------------------


def tapnext(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (256, 256),
    memory: str | float = "auto",
    warm_up: bool = False,
    joining: Literal["apart", "beside"] = "apart",
    support: int = 0,
    threshold: float = 0.5,
    score: Literal["visibility", "both"] = "visibility",
    numerics: Literal["torch", "jax"] = "torch",
    compile: bool = False,
) -> Tracker:
    """TAPNext and TAPNext++; ``score``: what the threshold is of, visibility or both.

    ``joining``: whether points that come later are ``"apart"`` or ``"beside"`` the first; see
    `pointtrack.trackers.neural.recurrent`. ``numerics``: as PyTorch's port, or ``"jax"``.
    """
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.recurrent import RecurrentTracker
    from pointtrack.trackers.neural.tapnext_models import TapNextModel

    _one_of(score, ("visibility", "both"), "score", card)
    _one_of(joining, ("apart", "beside"), "joining", card)
    _one_of(numerics, ("torch", "jax"), "numerics", card)
    size, share = working_size(resolution, 8, 24, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(support, "support", card, 0)
    network, where = _ready(card, weights, device, precision, compile)
    network.compute_as(numerics)
    model = TapNextModel(network, card.name, size, support, threshold, score)
    return RecurrentTracker(card, model, where, share, warm_up, joining)


def tapnext_512(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 512),
    memory: str | float = "auto",
    warm_up: bool = False,
    joining: Literal["apart", "beside"] = "apart",
    support: int = 0,
    threshold: float = 0.5,
    score: Literal["visibility", "both"] = "visibility",
    numerics: Literal["torch", "jax"] = "torch",
    compile: bool = False,
) -> Tracker:
    """TAPNext++ for larger pictures."""
    return tapnext(
        card,
        weights,
        device,
        precision,
        resolution,
        memory,
        warm_up,
        joining,
        support,
        threshold,
        score,
        numerics,
        compile,
    )


# --- TAPTR -------------------------------------------------------------------------------------


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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.taptr import TaptrTracker
    from pointtrack.trackers.neural.taptr_model import TaptrModel

    size, share = working_size(resolution, 32, 64, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(support, "support", card, 0)
    _count(gap, "gap", card, 0)
    network, where = _ready(card, weights, device, precision, compile)
    network.true_axes = true_axes
    model = TaptrModel(network, card.name, size, threshold, support, gap, published)
    return TaptrTracker(card, model, where, share, published)


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


# --- Track-On ----------------------------------------------------------------------------------


def trackon2(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 384),
    memory: str | float = "auto",
    transformer: str | os.PathLike[str] | None = None,
    remembered: int = 72,
    support: int = 10,
    threshold: float = 0.8,
    joining: Literal["apart", "beside"] = "beside",
    warm_up: bool = False,
    compile: bool = False,
) -> Tracker:
    """Track-On2; ``transformer``: the file of DINOv3 or DINOv2 that the weights leave out."""
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.recurrent import RecurrentTracker
    from pointtrack.trackers.neural.trackon_models import TrackOnModel, whole_weights

    if joining not in ("apart", "beside"):
        raise PointtrackError(f"joining of {card.name} is apart or beside, found {joining!r}")
    size, share = working_size(resolution, 32, 32, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(remembered, "remembered", card)
    _count(support, "support", card, 0)
    whole = whole_weights(card, weights, transformer)
    network, where = _ready(card, whole, device, precision, compile)
    model = TrackOnModel(network, card.name, size, remembered, support, threshold)
    return RecurrentTracker(card, model, where, share, warm_up, joining)


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
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.registry import DEFAULT_MODEL, load

    size = working_size(resolution, 8, 64, card.name)
    for name, value in (("points", points), ("iterations", iterations), ("sources", sources)):
        _count(value, name, card)
    name = DEFAULT_MODEL if tracker == "default" else tracker
    inner = load(name, tracker_weights or None, device, precision)
    network, where = _ready(card, weights, device, precision, compile)
    if estimator == "auto":
        estimator = weights if weights in ("official", "random") else ""
    flow: Any = OpenCvFlow()
    if estimator:
        card_of_flow = PUBLISHED["dot_raft8"]
        flow = NetworkFlow(*_ready(card_of_flow, estimator, device, precision, compile))
    refiner = Refiner(network, where, size, iterations)
    return DotTracker(card, refiner, inner, Sampler(flow, seed), points, sources)


def _carrying(card: ModelCard, tracker: Tracker) -> Tracker:
    tracker.card = card
    return tracker


# --- AllTracker, GMRW --------------------------------------------------------------------------


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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.convention import working_size

    size, share = working_size(resolution, 64, 128, card.name), parse_memory(memory)
    _share(threshold, "threshold", card)
    _count(iterations, "iterations", card)
    _one_of(overlaps, ("auto", "first", "last"), "overlaps", card)
    _one_of(live, ("window", "frame"), "live", card)
    network, where = _ready(card, weights, device, precision, compile)
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
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.convention import working_size
    from pointtrack.trackers.neural.gmrw import GmrwModel, GmrwTracker

    size, share = working_size(resolution, 8, 32, card.name), parse_memory(memory)
    _count(enlarge, "enlarge", card)
    _one_of(mode, ("chain", "direct"), "mode", card)
    _one_of(input_scale, ("raw255", "unit"), "input_scale", card)
    if temperature < 0:
        raise PointtrackError(f"temperature of {card.name} must not be negative")
    network, where = _ready(card, weights, device, precision, compile)
    chosen = temperature or TEMPERATURE
    model = GmrwModel(network, card.name, size, enlarge, chosen, input_scale)
    return GmrwTracker(card, model, where, share, mode == "direct")


_FAMILIES: dict[str, Callable[..., Tracker]] = {
    "alltracker": alltracker,
    "alltracker_tiny": alltracker,
    "gmrw": gmrw,
    "bootstapir": tapir,
    "bootstapnext": tapnext,
    "causal_bootstapir": causal_tapir,
    "causal_tapir": causal_tapir,
    "cotracker1": cotracker,
    "cotracker1_s4_w12": cotracker,
    "cotracker1_s8_w16": cotracker,
    "cotracker2": cotracker,
    "cotracker2_w16": cotracker,
    "cotracker3_offline": cotracker3_offline,
    "cotracker3_online": cotracker3_online,
    "dot": dot,
    "dot_raft8": raft,
    "locotrack_base": locotrack,
    "locotrack_small": locotrack,
    "mft_raft": mft_raft,
    "pips": pips,
    "pips2": pips2,
    "raft_large": raft,
    "raft_small": raft,
    "tapir": tapir,
    "tapnet": tapnet,
    "taptr": taptr,
    "taptrv2": taptr,
    "tapnext": tapnext,
    "tapnextpp": tapnext,
    "tapnextpp_512": tapnext_512,
    "trackon2": trackon2,
    "trackon2_dinov2": trackon2,
}

# Name -> its card, and what makes its tracker.
NETWORKS: dict[str, tuple[ModelCard, Callable[..., Tracker]]] = {
    name: (card, _FAMILIES[name]) for name, card in PUBLISHED.items()
}
