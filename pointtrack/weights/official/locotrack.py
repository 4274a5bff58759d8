"""LocoTrack's checkpoints, without the ``model.`` that Lightning puts before every name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

READ = 4  # rows of the last layer that anything reads, out of 388

_RENAMED = (
    (r"^encoder\.stem\.", "resnet_torch.initial_conv."),
    (r"^encoder\.groups\.(\d)\.(\d)\.", r"resnet_torch.block_groups.\1.blocks.\2."),
    (r"\.norm_([01])\.", r".bn_\1."),
    (r"\.shortcut\.", ".proj_conv."),
    (r"^heatmap\.", "cost_conv."),
    (r"^logits\.", "occ_linear."),
    (r"^comparisons\.(\d)\.convs\.(\d)\.", r"cmdtop.\1.conv.\2.0."),
    (r"^comparisons\.(\d)\.norms\.(\d)\.", r"cmdtop.\1.conv.\2.1."),
    (r"^transformer\.entry\.", "torch_pips_mixer.input_proj."),
    (r"^transformer\.exit\.", "torch_pips_mixer.output_proj."),
    (r"^transformer\.norm\.", "torch_pips_mixer.transformer.ln_out."),
    (r"^transformer\.layers\.", "torch_pips_mixer.transformer.layers."),
    (r"\.attention_norm\.", ".layer_norm1."),
    (r"\.dense_norm\.", ".layer_norm2."),
    (r"\.attention_exit\.", ".attn.final_proj."),
    (r"\.up\.", ".dense.0."),
    (r"\.down\.", ".dense.2."),
)


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For both sizes."""
    made = renamed(network, _RENAMED)
    for ours, recipe in made.items():
        if ours.startswith("transformer.exit."):
            made[ours] = Recipe(recipe.names, _read)
        elif ".attention." in ours:
            before, part = recipe.names[0].split(".attention.")
            names = (f"{before}.attn.{kind}_proj.{part}" for kind in ("query", "key", "value"))
            made[ours] = Recipe(tuple(names), _joint)
    return Recipes(made)


def _read(tensor: Tensor) -> Tensor:
    return tensor[:READ]


def _joint(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors)
