"""Where the tensors of GMRW come from."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

_RENAMED = (
    (r"^encoder\.stem\.", "backbone.conv1."),
    (r"^encoder\.stages\.0\.", "backbone.layer1."),
    (r"^encoder\.stages\.1\.", "backbone.layer2."),
    (r"^encoder\.stages\.2\.", "backbone.layer3."),
    (r"^encoder\.middle\.", "backbone.conv2."),
    (r"^encoder\.head\.", "backbone.trident_conv."),
    (r"\.first\.", ".conv1."),
    (r"\.second\.", ".conv2."),
    (r"\.shortcut\.", ".downsample.0."),
    (r"^layers\.", "transformer.layers."),
    (r"\.own\.", ".self_attn.merge."),
    (r"\.own_norm\.", ".self_attn.norm1."),
    (r"\.ask\.", ".cross_attn_ffn.q_proj."),
    (r"\.other\.", ".cross_attn_ffn.merge."),
    (r"\.other_norm\.", ".cross_attn_ffn.norm1."),
    (r"\.widen\.", ".cross_attn_ffn.mlp.0."),
    (r"\.narrow\.", ".cross_attn_ffn.mlp.2."),
    (r"\.last_norm\.", ".cross_attn_ffn.norm2."),
)
_READ = ("self_attn.q", "self_attn.k", "self_attn.v", "cross_attn_ffn.k", "cross_attn_ffn.v")


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For ``gmrw``."""
    made = renamed(network, _RENAMED)
    for ours, recipe in made.items():
        (name,) = recipe.names
        layer = re.fullmatch(r"(transformer\.layers\.\d+)\.read\.weight", name)
        if layer:
            made[ours] = Recipe(tuple(f"{layer[1]}.{part}_proj.weight" for part in _READ), _joined)
        elif ours == "encoder.middle.weight":
            made[ours] = Recipe((name,), _linear)
    return Recipes(made)


def _joined(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors)


def _linear(convolution: Tensor) -> Tensor:
    return convolution.flatten(1)  # 1 x 1
