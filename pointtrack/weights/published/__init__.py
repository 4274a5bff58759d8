"""The cards of the published networks."""

from pointtrack.weights.cards import ModelCard
from pointtrack.weights.published.cotracker import COTRACKER
from pointtrack.weights.published.flow import FLOW
from pointtrack.weights.published.locotrack import LOCOTRACK
from pointtrack.weights.published.pips import PIPS
from pointtrack.weights.published.tapir import TAPIR

# In the order they are best introduced in.
PUBLISHED: dict[str, ModelCard] = {
    card.name: card for card in (*COTRACKER, *LOCOTRACK, *TAPIR, *PIPS, *FLOW)
}

__all__ = ["PUBLISHED"]
