"""Where MFT's tensors come from: RAFT's, and two heads."""

from __future__ import annotations

from torch import nn

from pointtrack.weights.official.raft import IGNORED, flow_recipes
from pointtrack.weights.official.recipes import Recipes, renamed

RULES = (
    (r"^0\.", "conv1."),
    (r"^2\.", "conv2."),
)
HEADS = {
    "occlusion": "occlusion_block.occl_head",
    "uncertainty": "occlusion_block.uncertainty_head",
}


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For the only variant, ``mft``."""
    flow = flow_recipes(network.raft, folded=True)  # type: ignore[arg-type]
    made = {f"raft.{ours}": recipe for ours, recipe in flow.items()}
    for ours, official in HEADS.items():
        head = renamed(getattr(network, ours), (*RULES, (r"^", f"{official}.")))
        made |= {f"{ours}.{name}": recipe for name, recipe in head.items()}
    return Recipes(made, IGNORED)
