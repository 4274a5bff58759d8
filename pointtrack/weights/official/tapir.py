"""TAPIR's checkpoints: PyTorch's names, and those of JAX (Haiku) with its axes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from pointtrack.weights.official import haiku
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


# --- JAX -------------------------------------------------------------------------------------

ROOT = "tapir/~/"

# The port's names without ".weight" to Haiku's modules.
_MODULES = (
    (r"^resnet_torch\.initial_conv$", "resnet/~/initial_conv"),
    (
        r"^resnet_torch\.block_groups\.(\d)\.blocks\.(\d)\.",
        r"resnet/~/block_group_\1/~/block_\2/~/",
    ),
    (r"/proj_conv$", "/shortcut_conv"),
    (r"/bn_([01])$", r"/instancenorm_\1"),
    (r"^torch_cost_volume_track_mods\.hid([12])$", r"cost_volume_regression_\1"),
    (r"^torch_cost_volume_track_mods\.hid3$", "cost_volume_occlusion_1"),
    (r"^torch_cost_volume_track_mods\.hid4$", "cost_volume_occlusion_2"),
    (r"^torch_cost_volume_track_mods\.occ_out$", "occlusion_out"),
    (r"^torch_pips_mixer\.blocks\.0\.", "pips_mlp_mixer/block/"),
    (r"^torch_pips_mixer\.blocks\.(\d+)\.", r"pips_mlp_mixer/block_\1/"),
    (r"/conv_channels_mixer\.", "/"),
    (r"^torch_pips_mixer\.", "pips_mlp_mixer/"),
    (r"^extra_convs\.blocks\.0\.layer_norm$", "extra_convs/layer_norm"),
    (r"^extra_convs\.blocks\.(\d)\.layer_norm$", r"extra_convs/layer_norm_\1"),
)

# What else a checkpoint of a whole training may hold: modules that no part of ours has.
_OTHER_MODULES = (r"(?!tapir/~/(resnet|extra_convs|pips_mlp_mixer|cost_volume_|occlusion_out)).*",)


def haiku_recipes(network: nn.Module, variant: str) -> Recipes:
    """From JAX's names, as of `haiku.flat_names`."""
    made = {}
    for ours, recipe in recipes(network, variant).tensors.items():
        (name,) = recipe.names
        axes = _axes(name)
        made[ours] = Recipe((_haiku_name(name),), partial(_through, axes, recipe.make))
    return Recipes(made, _OTHER_MODULES)


def _through(
    axes: Callable[[Tensor], Tensor], make: Callable[..., Tensor], given: Tensor
) -> Tensor:
    return make(axes(given))


def _haiku_name(name: str) -> str:
    module, _, kind = name.rpartition(".")
    found = re.fullmatch(r"extra_convs\.blocks\.(\d)\.conv(_1)?", module)
    if found:
        number = 2 * int(found[1]) + (found[2] is not None)
        module = f"extra_convs/conv2_d_{number}" if number else "extra_convs/conv2_d"
    for pattern, replacement in _MODULES:
        module = re.sub(pattern, replacement, module)
    norm = re.search(r"(layer_norm|instancenorm_)[^/]*$", module) is not None
    kinds = {"weight": "scale", "bias": "offset"} if norm else {"weight": "w", "bias": "b"}
    return f"{ROOT}{module}.{kinds[kind]}"


def _axes(name: str) -> Callable[[Tensor], Tensor]:
    """How the axes of a weight with the port's name change."""
    if re.search(r"mlp1_up(_1)?\.weight$", name):
        return _reversed  # (3, 1, 2048)
    if re.search(r"(hid4|occ_out|linear|linear_1|mlp2_up|mlp2_down)\.weight$", name):
        return haiku.linear
    if re.search(r"(conv|conv_[01]|hid[123])\.weight$", name):
        return haiku.conv
    return _same


def _reversed(tensor: Tensor) -> Tensor:
    return tensor.permute(2, 1, 0)


def _same(tensor: Tensor) -> Tensor:
    return tensor
