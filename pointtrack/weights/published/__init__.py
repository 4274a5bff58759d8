"""The cards of the published networks."""

from pointtrack.weights.cards import ModelCard
from pointtrack.weights.published.alltracker import ALLTRACKER
from pointtrack.weights.published.cotracker import COTRACKER
from pointtrack.weights.published.dinov2 import DINOV2
from pointtrack.weights.published.dot import DOT
from pointtrack.weights.published.flow import FLOW
from pointtrack.weights.published.gmrw import GMRW
from pointtrack.weights.published.locotrack import LOCOTRACK
from pointtrack.weights.published.pips import PIPS
from pointtrack.weights.published.tapir import TAPIR
from pointtrack.weights.published.tapnext import TAPNEXT
from pointtrack.weights.published.taptr import TAPTR
from pointtrack.weights.published.trackon import TRACKON

# In the order they are best introduced in.
PUBLISHED: dict[str, ModelCard] = {
    card.name: card
    for card in (
        *COTRACKER,
        *LOCOTRACK,
        *TAPIR,
        *TAPTR,
        *TAPNEXT,
        *TRACKON,
        *PIPS,
        *FLOW,
        *DOT,
        *ALLTRACKER,
        *GMRW,
    )
}

# Networks that give features, and track nothing by themselves.
BACKBONES: dict[str, ModelCard] = {card.name: card for card in DINOV2}

__all__ = ["BACKBONES", "PUBLISHED"]
