"""Where the tensors of AllTracker come from, with either encoder."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from pointtrack.networks.alltracker import CHANNELS
from pointtrack.weights.official import point_encoder
from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

_CONVNEXT = (
    (r"^encoder\.stem\.", "cnn.features.0.0."),
    (r"^encoder\.stem_norm\.", "cnn.features.0.1."),
    (r"^encoder\.stages\.0\.", "cnn.features.1."),
    (r"^encoder\.stages\.1\.", "cnn.features.3."),
    (r"^encoder\.stages\.2\.", "cnn.features.5."),
    (r"^encoder\.norms\.0\.", "cnn.features.2.0."),
    (r"^encoder\.norms\.1\.", "cnn.features.4.0."),
    (r"^encoder\.between\.0\.", "cnn.features.2.1."),
    (r"^encoder\.between\.1\.", "cnn.features.4.1."),
    (r"^encoder\.head\.", "dot_conv."),
)
_REST = (
    (r"^(flow_head|logits_head|upsampling)\.first\.", r"\1.0."),
    (r"^(flow_head|logits_head|upsampling)\.second\.", r"\1.2."),
    (r"^logits_head\.", "visconf_head."),
    (r"^upsampling\.", "upsample_weight."),
    (r"^update\.correlation\.0\.", "update_block.motion_encoder.convc1."),
    (r"^update\.correlation\.1\.", "update_block.motion_encoder.convc2."),
    (r"^update\.flow\.0\.", "update_block.motion_encoder.convf1."),
    (r"^update\.flow\.1\.", "update_block.motion_encoder.convf2."),
    (r"^update\.joint\.", "update_block.motion_encoder.conv."),
    (r"^update\.(compress|context)\.", "update_block.compressor."),
    (r"^update\.last\.", "update_block.final_conv."),
    (r"^update\.time\.0\.", "update_block.refine.0."),
    (r"^update\.time\.1\.", "update_block.refine.2."),
    (r"^update\.time\.2\.", "update_block.refine.4."),
    (r"^update\.space\.0\.", "update_block.refine.1."),
    (r"^update\.space\.1\.", "update_block.refine.3."),
    (r"^update\.space\.2\.", "update_block.refine.5."),
    (r"\.scale$", ".layer_scale"),
    (r"\.attention\.output\.", ".block.attn.to_out."),
    (r"\.attention\.feedforward\.widen\.", ".block.mlp.fc1."),
    (r"\.attention\.feedforward\.narrow\.", ".block.mlp.fc2."),
    (r"\.around\.", ".block.0."),
    (r"\.norm\.", ".block.2."),
    (r"\.widen\.", ".block.3."),
    (r"\.narrow\.", ".block.5."),
)


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For ``alltracker`` and ``alltracker_tiny``."""
    encoder = point_encoder.RULES if variant == "alltracker_tiny" else _CONVNEXT
    made = renamed(network, (*encoder, *_REST))
    for ours, recipe in made.items():
        (name,) = recipe.names
        if ".query_key_value." in ours:
            kind = ours.rpartition(".")[2]
            place = re.sub(r"\.attention\.query_key_value\..*", ".block.attn", name)
            made[ours] = Recipe((f"{place}.to_q.{kind}", f"{place}.to_kv.{kind}"), _joined)
        elif name.endswith((".block.5.weight", ".block.5.bias")):
            scale = re.sub(r"block\.5\..*", "layer_scale", name)
            made[ours] = Recipe((name, scale), _scaled)
        elif name.endswith(".layer_scale"):
            made[ours] = Recipe((name,), _flat)
        elif re.search(r"(dot_conv|convc1|final_conv)\.weight$", name):
            made[ours] = Recipe((name,), _linear)
    compressor = "update_block.compressor.weight"
    made["update.compress.weight"] = Recipe((compressor,), _without_context)
    made["update.context.weight"] = Recipe((compressor,), _of_context)
    return Recipes(made, ("time_emb",))  # computed


def _joined(*tensors: Tensor) -> Tensor:
    """Queries, then keys and values."""
    return torch.cat(tensors)


def _scaled(tensor: Tensor, scale: Tensor) -> Tensor:
    """ConvNeXt's scale ``(C, 1, 1)`` of a branch goes into its last layer."""
    return tensor * scale.view(-1, *[1] * (tensor.ndim - 1))


def _flat(scale: Tensor) -> Tensor:
    return scale.squeeze(1)  # (C, 1)


def _linear(convolution: Tensor) -> Tensor:
    return convolution.flatten(1)  # 1 x 1


def _without_context(compressor: Tensor) -> Tensor:
    """Inputs are features, context, motion and logits, in this order."""
    flat = compressor.flatten(1)
    return torch.cat([flat[:, :CHANNELS], flat[:, 2 * CHANNELS :]], dim=1)


def _of_context(compressor: Tensor) -> Tensor:
    return compressor.flatten(1)[:, CHANNELS : 2 * CHANNELS]
