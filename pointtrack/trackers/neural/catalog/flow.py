"""The networks for optical flow, as trackers and as sources of flow for others.

Each function's keywords are the options of `pointtrack.load`. Networks are imported when wanted.
"""

from __future__ import annotations

from typing import Any

from pointtrack.trackers.base import Tracker
from pointtrack.trackers.flow import FlowSource
from pointtrack.trackers.flow_chain import FlowChainTracker
from pointtrack.trackers.mft import MftTracker
from pointtrack.trackers.neural.catalog.making import Weights, count, ready
from pointtrack.weights import PUBLISHED, ModelCard

FLOW_NETWORKS = {
    "raft_large": "raft_large",
    "raft_small": "raft_small",
    "mft": "mft_raft",
    "dot_raft8": "dot_raft8",
}


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
    count(iterations, "iterations", card, 0)
    network, _ = ready(card, weights, device, precision, compile)
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
