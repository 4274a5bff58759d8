"""The published networks as trackers: which function makes which."""

from __future__ import annotations

from collections.abc import Callable

from pointtrack.trackers.base import Tracker
from pointtrack.trackers.neural.catalog import cotracker, dense, flow, matching, paths, recurrent
from pointtrack.trackers.neural.catalog.flow import FLOW_NETWORKS, flow_network
from pointtrack.weights import PUBLISHED, ModelCard

__all__ = ["FLOW_NETWORKS", "NETWORKS", "flow_network"]

_FAMILIES: dict[str, Callable[..., Tracker]] = {
    "alltracker": dense.alltracker,
    "alltracker_tiny": dense.alltracker,
    "gmrw": dense.gmrw,
    "bootstapir": matching.tapir,
    "bootstapnext": recurrent.tapnext,
    "causal_bootstapir": matching.causal_tapir,
    "causal_tapir": matching.causal_tapir,
    "cotracker1": cotracker.cotracker,
    "cotracker1_s4_w12": cotracker.cotracker,
    "cotracker1_s8_w16": cotracker.cotracker,
    "cotracker2": cotracker.cotracker,
    "cotracker2_w16": cotracker.cotracker,
    "cotracker3_offline": cotracker.cotracker3_offline,
    "cotracker3_online": cotracker.cotracker3_online,
    "dot": dense.dot,
    "dot_raft8": flow.raft,
    "locotrack_base": matching.locotrack,
    "locotrack_small": matching.locotrack,
    "mft_raft": flow.mft_raft,
    "pips": paths.pips,
    "pips2": paths.pips2,
    "raft_large": flow.raft,
    "raft_small": flow.raft,
    "tapir": matching.tapir,
    "tapnet": matching.tapnet,
    "taptr": paths.taptr,
    "taptrv2": paths.taptr,
    "tapnext": recurrent.tapnext,
    "tapnextpp": recurrent.tapnext,
    "tapnextpp_512": recurrent.tapnext_512,
    "trackon2": recurrent.trackon2,
    "trackon2_dinov2": recurrent.trackon2,
}

# Name -> its card, and what makes its tracker.
NETWORKS: dict[str, tuple[ModelCard, Callable[..., Tracker]]] = {
    name: (card, _FAMILIES[name]) for name, card in PUBLISHED.items()
}
