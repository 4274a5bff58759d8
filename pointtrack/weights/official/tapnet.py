"""TAP-Net's checkpoint: JAX's names and axes; batch norm is put into gains and convolutions."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn

from pointtrack.weights.official import haiku
from pointtrack.weights.official.recipes import Recipe, Recipes

EPSILON = 1e-5  # of batch norm
ROOT = "tap_net/~/"

HEAD = {
    "shared": "cost_volume_regression_1",
    "heatmap": "cost_volume_regression_2",
    "strided": "cost_volume_occlusion_1",
    "hidden": "cost_volume_occlusion_2",
    "logits": "occlusion_out",
}

# Averages that are not corrected for their start, and their counters.
IGNORED = (r".*_ema\.(hidden|counter)",)


def recipes(network: nn.Module, variant: str) -> Recipes:
    """The only variant."""
    return Recipes({ours: _recipe(ours) for ours in network.state_dict()}, IGNORED)


def _recipe(ours: str) -> Recipe:
    part, _, rest = ours.partition(".")
    if part == "matching":
        return _of_head(*rest.split("."))
    backbone = f"{ROOT}tsm_resnet_video/"
    if rest == "stem.weight":
        return Recipe((f"{backbone}tsm_resnet_stem.w",), haiku.conv)
    found = re.fullmatch(r"units\.(\d)\.(\d)\.(\w+)\.(weight|bias)", rest)
    assert found is not None, ours
    unit, block, layer, kind = found.groups()
    within = f"{backbone}tsm_resnet_unit_{unit}/block_{block}/"
    if layer == "norm":
        return _of_norm(f"{within}batch_norm", kind)
    if layer == "conv_0":
        return _of_folded(f"{within}conv_0", f"{within}batch_norm_1", kind)
    name = {"conv_1": "conv_2", "shortcut": "shortcut_conv"}[layer]
    return Recipe((f"{within}{name}.w",), haiku.conv)


def _of_head(layer: str, kind: str) -> Recipe:
    name = ROOT + HEAD[layer]
    if kind == "bias":
        return Recipe((f"{name}.b",))
    return Recipe((f"{name}.w",), haiku.linear if layer in ("hidden", "logits") else haiku.conv)


def _of_norm(norm: str, kind: str) -> Recipe:
    spread = (f"{norm}.scale", f"{norm}/~/var_ema.average")
    if kind == "weight":
        return Recipe(spread, _gain)
    return Recipe((*spread, f"{norm}.offset", f"{norm}/~/mean_ema.average"), _offset)


def _of_folded(conv: str, norm: str, kind: str) -> Recipe:
    """A convolution with the batch norm that follows it."""
    if kind == "bias":
        return _of_norm(norm, "bias")
    names = (f"{conv}.w", f"{norm}.scale", f"{norm}/~/var_ema.average")
    return Recipe(names, _folded)


def _gain(scale: Tensor, variance: Tensor) -> Tensor:
    return (scale * torch.rsqrt(variance + EPSILON)).flatten()


def _offset(scale: Tensor, variance: Tensor, offset: Tensor, mean: Tensor) -> Tensor:
    return offset.flatten() - mean.flatten() * _gain(scale, variance)


def _folded(kernel: Tensor, scale: Tensor, variance: Tensor) -> Tensor:
    return haiku.conv(kernel) * _gain(scale, variance)[:, None, None, None]
