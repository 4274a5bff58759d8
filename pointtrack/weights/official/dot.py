"""Where DOT's tensors come from: RAFT's names, and two inputs that are always zero left out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from pointtrack.weights.official.raft import flow_recipes
from pointtrack.weights.official.recipes import Recipe, Recipes

RULES = {
    "visibility_head.0.": "update_block.alpha_head.conv1.",
    "visibility_head.2.": "update_block.alpha_head.conv2.",
    "visibility_upsampling.": "update_block.alpha_mask.",
}
UNUSED = 2  # the last channels of the flow's branch, and of what the recurrent unit sees of it


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For the refiner ``dot`` and the estimator ``dot_raft8``."""
    if variant == "dot_raft8":
        return Recipes(flow_recipes(network, folded=True), (r"cnet\..*\.num_batches_tracked",))
    made = flow_recipes(network, folded=False)
    for ours, recipe in made.items():
        if ours == "motion.flow.0.weight":
            made[ours] = Recipe(recipe.names, _without_unused)
        elif ours.startswith("passes.") and ours.endswith(("gates.weight", "candidate.weight")):
            made[ours] = Recipe(recipe.names, partial(_trimmed, recipe.make))
        for start, official in RULES.items():
            if ours.startswith(start):
                made[ours] = Recipe((official + ours.removeprefix(start),))
    return Recipes(made)


def _without_unused(weight: Tensor) -> Tensor:
    return weight[:, :-UNUSED]


def _trimmed(make: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    return _without_unused(make(*tensors))
