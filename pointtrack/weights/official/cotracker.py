"""Where the tensors of CoTracker 1, 2 and 3 come from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pointtrack.weights.official import point_encoder
from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

# Our names to the published ones, of everything that differs in its name only.
RULES = (
    *point_encoder.RULES,
    (r"^correlation\.0\.", "corr_mlp.fc1."),
    (r"^correlation\.2\.", "corr_mlp.fc2."),
    (r"^update_norm\.", "norm."),
    (r"^visibility\.", "vis_predictor.0."),
    (r"^transformer\.", "updateformer."),
    (r"\.entry\.", ".input_transform."),
    (r"\.exit\.", ".flow_head."),
    (r"\.time\.", ".time_blocks."),
    (r"\.among\.", ".space_blocks."),
    (r"\.gather\.", ".space_virtual2point_blocks."),
    (r"\.mix\.", ".space_virtual_blocks."),
    (r"\.spread\.", ".space_point2virtual_blocks."),
    (r"\.feedforward\.widen\.", ".mlp.fc1."),
    (r"\.feedforward\.narrow\.", ".mlp.fc2."),
    (r"\.context_norm\.", ".norm_context."),
)
CROSS = (
    (r"(2point|2virtual)(_blocks\.\d+)\.query\.", r"\1\2.cross_attn.to_q."),
    (r"(2point|2virtual)(_blocks\.\d+)\.key_value\.", r"\1\2.cross_attn.to_kv."),
    (r"(2point|2virtual)(_blocks\.\d+)\.output\.", r"\1\2.cross_attn.to_out."),
    (r"\.output\.", ".attn.to_out."),
)
FUSED = ((r"\.query_key_value\.", ".attn.qkv."), (r"\.output\.", ".attn.proj."))
TABLES = ("time_emb", "pos_emb")  # made by the network itself


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For all variants of CoTracker."""
    first = variant.startswith("cotracker1")
    updater = "ffeat_updater.0." if first else "track_feat_updater.0."
    rules = (*RULES, *(FUSED if first else CROSS), (r"^update\.", updater))
    made = renamed(network, rules)
    for ours, recipe in made.items():
        name = recipe.names[0]
        if "query_key_value" in name:
            parts = [name.replace("query_key_value", f"attn.{part}") for part in ("to_q", "to_kv")]
            made[ours] = Recipe(tuple(parts), _joined)
        elif name == "updateformer.virtual_tracks":
            made[ours] = Recipe(("updateformer.virual_tracks",), _without_frames)
        elif variant.startswith("cotracker3") and ".flow_head." in name:
            made[ours] = Recipe((name, name.replace("flow_head", "vis_conf_head")), _joined)
    return Recipes(made, TABLES)


def _joined(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors)


def _without_frames(tracks: Tensor) -> Tensor:
    return tracks[0, :, 0]  # 1 V 1 C
