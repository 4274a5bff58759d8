"""Where the tensors of PIPs and PIPs++ come from."""

from __future__ import annotations

import re

from torch import Tensor, nn

from pointtrack.weights.official import point_encoder
from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

PIPS = (
    *point_encoder.RULES,
    (r"^update_norm\.", "norm."),
    (r"^update\.", "ffeat_updater.0."),
    (r"^visibility\.", "vis_predictor.0."),
    (r"^mixer\.entry\.", "delta_block.to_delta.0."),
    (r"^mixer\.norm\.", "delta_block.to_delta.13."),
    (r"^mixer\.exit\.", "delta_block.to_delta.15."),
)
# The mixer's blocks are counted from 1; a layer of a block: ours, number there, names there.
LAYERS = {
    "frames_norm": "0.norm",
    "channels_norm": "1.norm",
    "frames.0": "0.fn.0",
    "frames.2": "0.fn.3",
    "channels.0": "1.fn.0",
    "channels.2": "1.fn.3",
}
PIPS2 = (
    *point_encoder.RULES,
    (r"^updater\.entry\.", "delta_block.first_block_conv.conv."),
    (r"^updater\.exit\.", "delta_block.dense."),
    (r"^updater\.blocks\.(\d+)\.first\.", r"delta_block.basicblock_list.\1.conv1.conv."),
    (r"^updater\.blocks\.(\d+)\.second\.", r"delta_block.basicblock_list.\1.conv2.conv."),
)


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For ``pips`` and ``pips2``."""
    if variant == "pips2":
        made = renamed(network, PIPS2)
        for ours, recipe in made.items():
            if ours.startswith("updater.") and ours.endswith(("first.weight", "second.weight")):
                made[ours] = Recipe(recipe.names, _flat)
        made["updater.entry.weight"] = Recipe(made["updater.entry.weight"].names, _flat)
        return Recipes(made, (r"norm\.(weight|bias)",))  # stored, never used
    made = renamed(network, PIPS)
    for ours in made:
        block = re.fullmatch(r"mixer\.blocks\.(\d+)\.(.*)\.(weight|bias)", ours)
        if block:
            number, layer, part = block.groups()
            name = f"delta_block.to_delta.{int(number) + 1}.{LAYERS[layer]}.{part}"
            convolution = layer.startswith("frames.") and part == "weight"
            made[ours] = Recipe((name,), _linear) if convolution else Recipe((name,))
    return Recipes(made)


def _flat(convolution: Tensor) -> Tensor:
    return convolution[:, :, None]  # over a picture one pixel high


def _linear(convolution: Tensor) -> Tensor:
    return convolution[..., 0]  # of width 1
