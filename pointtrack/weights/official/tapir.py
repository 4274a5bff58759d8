"""TAPIR's checkpoints: PyTorch's names, and those of JAX (Haiku) with its axes."""

from __future__ import annotations

from torch import Tensor, nn

from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

BRANCHES = 4

_RENAMED = (
    (r"^encoder\.stem\.", "resnet_torch.initial_conv."),
    (r"^encoder\.groups\.(\d)\.(\d)\.", r"resnet_torch.block_groups.\1.blocks.\2."),
    (r"\.norm_([01])\.", r".bn_\1."),
    (r"\.shortcut\.", ".proj_conv."),
    (r"^extra_convs\.norms\.(\d)", r"extra_convs.blocks.\1.layer_norm"),
    (r"^extra_convs\.up\.(\d)", r"extra_convs.blocks.\1.conv"),
    (r"^extra_convs\.down\.(\d)", r"extra_convs.blocks.\1.conv_1"),
    (r"^matching\.shared", "torch_cost_volume_track_mods.hid1"),
    (r"^matching\.heatmap", "torch_cost_volume_track_mods.hid2"),
    (r"^matching\.strided", "torch_cost_volume_track_mods.hid3"),
    (r"^matching\.hidden", "torch_cost_volume_track_mods.hid4"),
    (r"^matching\.logits", "torch_cost_volume_track_mods.occ_out"),
    (r"^mixer\.entry", "torch_pips_mixer.linear"),
    (r"^mixer\.exit", "torch_pips_mixer.linear_1"),
    (r"^mixer\.norm", "torch_pips_mixer.layer_norm"),
    (r"^mixer\.blocks", "torch_pips_mixer.blocks"),
    (r"\.time_norm\.", ".layer_norm."),
    (r"\.channel_norm\.", ".layer_norm_1."),
    (r"\.time\.spread$", ".mlp1_up.weight"),
    (r"\.time\.spread_bias$", ".mlp1_up.bias"),
    (r"\.time\.collect$", ".mlp1_up_1.weight"),
    (r"\.time\.collect_bias$", ".mlp1_up_1.bias"),
    (r"\.(up|down)\.(weight|bias)$", r".conv_channels_mixer.mlp2_\1.\2"),
)


def recipes(network: nn.Module, variant: str) -> Recipes:
    """From the PyTorch port's names."""
    made = renamed(network, _RENAMED)
    for ours, recipe in made.items():
        if ".time." in ours:
            made[ours] = Recipe(recipe.names, _offsets if ours.endswith("_bias") else _taps)
    return Recipes(made)


def _taps(weight: Tensor) -> Tensor:
    """``(C * 4, 1, 3)``, a channel's four together, to ``(3, 4, C)``."""
    return weight.squeeze(1).unflatten(0, (-1, BRANCHES)).permute(2, 1, 0)


def _offsets(bias: Tensor) -> Tensor:
    """``(C * 4,)`` to ``(4, C)``."""
    return bias.unflatten(0, (-1, BRANCHES)).T
