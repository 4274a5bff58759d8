"""TAPTR's and TAPTRv2's checkpoints."""

from __future__ import annotations

import re

from torch import Tensor, nn

from pointtrack.networks.taptr_encoder import WIDTH
from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

NORM_EPSILON = 1e-5

_ENCODER = "transformer.encoder.layers"
_DECODER = "transformer.decoder"

_RENAMED = (
    (r"^encoder\.projections\.", "input_proj."),
    (r"^encoder\.levels$", "transformer.level_embed"),
    (r"^encoder\.layers\.(\d)\.attention", rf"{_ENCODER}.\1.self_attn"),
    (r"^encoder\.layers\.(\d)\.norm", rf"{_ENCODER}.\1.norm1"),
    (r"^encoder\.layers\.(\d)\.feedforward\.norm", rf"{_ENCODER}.\1.norm2"),
    (r"^encoder\.layers\.(\d)\.feedforward", rf"{_ENCODER}.\1"),
    (r"^describer", "transformer.query_feature_initializer"),
    (r"^hand_on", "query_between_window_updater"),
    (r"^decoder\.layers\.(\d)\.box\.", r"bbox_embed.\1."),
    (r"^decoder\.classes", "class_embed.{last}"),
    (r"^decoder\.layers\.(\d)\.over_time\.norm", rf"{_DECODER}.layers.\1.norm_temp"),
    (r"^decoder\.layers\.(\d)\.over_time", rf"{_DECODER}.layers.\1.temp_self_attn"),
    (r"^decoder\.layers\.(\d)\.over_points\.norm", rf"{_DECODER}.layers.\1.norm2"),
    (r"^decoder\.layers\.(\d)\.over_points", rf"{_DECODER}.layers.\1.self_attn"),
    (r"^decoder\.layers\.(\d)\.norm", rf"{_DECODER}.layers.\1.norm1"),
    (r"^decoder\.layers\.(\d)\.look", rf"{_DECODER}.layers.\1.cross_attn"),
    (r"^decoder\.layers\.(\d)\.feedforward\.norm", rf"{_DECODER}.layers.\1.norm3"),
    (r"^decoder\.layers\.(\d)\.feedforward", rf"{_DECODER}.layers.\1"),
    (r"^decoder\.layers\.(\d)\.fuse", rf"{_DECODER}.layers.\1.corr_fuser"),
    (r"^decoder\.layers\.(\d)\.weigh\.4", rf"{_DECODER}.layers.\1.caupdate_weight_regressor.0"),
    (r"^decoder\.layers\.(\d)\.weigh", rf"{_DECODER}.layers.\1.caupdate_weight_normalizer"),
    (r"^decoder\.layers\.(\d)\.where", rf"{_DECODER}.layers.\1.update_pos_embed_head"),
    (r"^decoder\.where", f"{_DECODER}.ref_point_head"),
    (r"^decoder\.update", f"{_DECODER}.query_updater"),
    (r"^decoder\.moved", f"{_DECODER}.ca_update_fuser"),
    (r"^decoder\.comparison\.maps", f"{_DECODER}.corr_block.fmap_mappers"),
    (r"^decoder\.comparison\.points", f"{_DECODER}.corr_query_proj"),
    (r"(attn)\.offsets\.", r"\1.sampling_offsets."),
    (r"(attn)\.weights\.", r"\1.attention_weights."),
    (r"(attn)\.(query|key|value|output)\.", r"\1.\2_proj."),
    (r"\.widen\.", ".linear1."),
    (r"\.narrow\.", ".linear2."),
)
# Perceptrons whose layers are numbered without the functions between them.
_LISTED = r"(bbox_embed\.\d|ref_point_head|update_pos_embed_head)\.(\d)\."


def recipes(network: nn.Module, variant: str) -> Recipes:
    """From the names of the authors' PyTorch code."""
    last = sum(name.endswith("over_time.norm.weight") for name in network.state_dict()) - 1
    made = {}
    for ours, recipe in renamed(network, _RENAMED).items():
        (name,) = recipe.names
        name = name.replace("{last}", str(last))
        name = re.sub(_LISTED, lambda found: f"{found[1]}.layers.{int(found[2]) // 2}.", name)
        if ours.startswith("encoder.backbone."):
            made[ours] = _folded(name)
        elif found := re.fullmatch(r"(.*self_attn|.*temp_self_attn)\.(\w+)\.(\w+)", name):
            made[ours] = _packed(*found.groups()) if ".decoder." in name else Recipe((name,))
        elif ".fmap_mappers." in name and name.endswith("weight"):
            made[ours] = Recipe((name,), _linear)
        else:
            made[ours] = Recipe((name,))
    # The decoder holds both heads a second time, and only the last layer's classes are read.
    earlier = rf"class_embed\.[0-{last - 1}]\.\w+"
    return Recipes(made, (earlier, r"transformer\.decoder\.(bbox|class)_embed\..*"))


def _folded(name: str) -> Recipe:
    """A convolution of the backbone, with the frozen normalisation after it."""
    module, _, kind = name.removeprefix("encoder.backbone.").rpartition(".")
    if module == "stem":
        conv, norm = "conv1", "bn1"
    else:
        _, stage, block, part = module.split(".")
        place = f"layer{int(stage) + 1}.{block}."
        conv, norm = (place + end for end in _CONVOLUTIONS[part])
    norm = f"backbone.0.body.{norm}."
    if kind == "weight":
        names = f"backbone.0.body.{conv}.weight", f"{norm}weight", f"{norm}running_var"
        return Recipe(names, _scaled)
    return Recipe(
        (f"{norm}bias", f"{norm}running_mean", f"{norm}weight", f"{norm}running_var"), _shifted
    )


def _scaled(weight: Tensor, scale: Tensor, variance: Tensor) -> Tensor:
    return weight * (scale * (variance + NORM_EPSILON).rsqrt())[:, None, None, None]


def _shifted(bias: Tensor, mean: Tensor, scale: Tensor, variance: Tensor) -> Tensor:
    return bias - mean * scale * (variance + NORM_EPSILON).rsqrt()


def _packed(attention: str, part: str, kind: str) -> Recipe:
    """Attention's projections: of queries, keys and values in one tensor."""
    if part == "output_proj":
        return Recipe((f"{attention}.out_proj.{kind}",))
    return Recipe((f"{attention}.in_proj_{kind}",), _PACKED[part])


def _queries_and_keys(projection: Tensor) -> Tensor:
    return projection.split([2 * WIDTH, WIDTH])[0]


def _values(projection: Tensor) -> Tensor:
    return projection.split([2 * WIDTH, WIDTH])[1]


def _linear(weight: Tensor) -> Tensor:
    """A convolution of single pixels."""
    return weight.squeeze(3).squeeze(2)


_CONVOLUTIONS = {
    "reduce": ("conv1", "bn1"),
    "middle": ("conv2", "bn2"),
    "expand": ("conv3", "bn3"),
    "shortcut": ("downsample.0", "downsample.1"),
}
_PACKED = {"query_key": _queries_and_keys, "value_proj": _values}
