"""Where Track-On2's tensors come from: batch norm and scales of layers are folded in.

The published checkpoints leave the vision transformer out, which is published by itself:
`with_transformer` puts the two together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pointtrack.weights.official.recipes import Recipe, Recipes

EPSILON = 1e-5  # of batch norm
ENCODER = "backbone.vit_encoder."
TRANSFORMERS = {  # variant to what the names of its transformer begin with
    "trackon2": f"{ENCODER}dinov3.",
    "trackon2_dinov2": f"{ENCODER}dinov2.",
}

Rules = tuple[tuple[str, str], ...]

_DEFORMABLE: Rules = (
    (r"\.offsets\.", ".sampling_offsets."),
    (r"\.weights\.", ".attention_weights."),
    (r"\.value\.", ".value_proj."),
    (r"\.output\.", ".output_proj."),
)

_DECODER: Rules = (
    (r"^time$", "t_embedding"),
    (r"^read_frame\.", "feature_attention."),
    (r"^read_points\.", "query_attention."),
    (r"^read_past\.", "memory_attention."),
    (r"^projections\.0\.", "projection1."),
    (r"^projections\.1\.", "projection2."),
    (r"^level_weights\.", "ms_corr_proj."),
    (r"^reranking\.blocks\.", "reranking_head.local_decoder."),
    (r"^reranking\.compare\.", "reranking_head.fusion_layer."),
    (r"^reranking\.output\.", "reranking_head.final_projection_layer."),
    (r"^reranking\.fusion\.", "reranking_head.fusion."),
    (r"^head\.blocks\.", "prediction_head.offset_transformer."),
    (r"^head\.norm\.", "prediction_head.offset_layer.0."),
    (r"^head\.offset\.", "prediction_head.offset_layer.1."),
    (r"^head\.visibility\.", "prediction_head.vis_layer."),
    (r"^head\.uncertainty\.", "prediction_head.unc_layer."),
)

# What follows the number of a block.
_BLOCK: Rules = (
    (r"^attention\.project\.", "mha.in_proj_"),
    (r"^attention\.output\.", "mha.out_proj."),
    (r"^norm\.", "norm1."),
    (r"^perceptron\.norm\.", "norm2."),
    (r"^perceptron\.widen\.", "linear1."),
    (r"^perceptron\.narrow\.", "linear2."),
)
_DEFORMABLE_BLOCK: Rules = ((r"^attention\.", "mha."), *_DEFORMABLE, *_BLOCK[2:])

_STAGE: Rules = (
    (r"^encoder\.injectors\.(\d)\.", rf"{ENCODER}interactions.\1.injector."),
    (r"^encoder\.extractors\.(\d)\.parts\.0\.", rf"{ENCODER}interactions.\1.extractor."),
    (r"^encoder\.extractors\.(\d)\.parts\.1\.", rf"{ENCODER}interactions.\1.extra_extractors.0."),
    (r"^encoder\.extractors\.(\d)\.parts\.2\.", rf"{ENCODER}interactions.\1.extra_extractors.1."),
    (r"injector\.gain$", "injector.gamma"),
    (r"injector\.patch_norm\.", "injector.query_norm."),
    (r"injector\.map_norm\.", "injector.feat_norm."),
    (r"\.map_norm\.", ".query_norm."),
    (r"\.patch_norm\.", ".feat_norm."),
    (r"\.attention\.", ".attn."),
    (r"\.norm\.", ".ffn_norm."),
    (r"\.narrow\.", ".ffn.fc1."),
    (r"\.around\.", ".ffn.dwconv.dwconv."),
    (r"\.widen\.", ".ffn.fc2."),
    *_DEFORMABLE,
)

_OTHER_BACKBONE: Rules = (
    (r"^encoder\.position$", "backbone.pos_embedding"),
    (r"^encoder\.level$", f"{ENCODER}level_embed"),
    (r"^encoder\.pyramid\.(lateral\w*)\.0\.", r"encoder.pyramid.\g<1>8."),
    (r"^encoder\.pyramid\.(lateral\w*)\.1\.", r"encoder.pyramid.\g<1>16."),
    (r"^encoder\.pyramid\.(lateral\w*)\.2\.", r"encoder.pyramid.\g<1>32."),
    (r"^encoder\.pyramid\.lateral_norms(\d+)\.", r"fpn.lateral\1.1."),
    (r"^encoder\.pyramid\.lateral(\d+)\.", r"fpn.lateral\1.0."),
    (r"^encoder\.pyramid\.first\.", "fpn.output.0."),
    (r"^encoder\.pyramid\.norm\.", "fpn.output.1."),
    (r"^encoder\.pyramid\.second\.", "fpn.output.3."),
)

# Our convolutions of the adapter: theirs, and the batch norms that are folded into them.
_CONVOLUTIONS = {
    "stem": ("stem.0", "stem.1"),
    "second": ("stem.3", "stem.4"),
    "third": ("stem.6", "stem.7"),
    "down.0": ("conv2.0", "conv2.1"),
    "down.1": ("conv3.0", "conv3.1"),
    "down.2": ("conv4.0", "conv4.1"),
}

# Why the transformer is missing, and what to do.
_WHERE = {
    "trackon2": (
        "without DINOv3's, which Meta gives out: get model.safetensors of "
        "facebook/dinov3-vits16plus-pretrain-lvd1689m at huggingface.co, and give its path as "
        "transformer"
    ),
    "trackon2_dinov2": (
        "without DINOv2's: give transformer='official', or the path of model.safetensors of "
        "facebook/dinov2-small at huggingface.co"
    ),
}

IGNORED = (
    r".*\.num_batches_tracked",
    r"reranking_head\.(certainty|score)_layer\.\w+",  # only losses read them
    r"backbone\.vit_encoder\.dinov[23]\.(embeddings\.mask_token|norm\.\w+|layernorm\.\w+)",
)


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For the variants ``trackon2`` and ``trackon2_dinov2``."""
    made = {ours: _recipe(ours, variant) for ours in network.state_dict()}
    return Recipes(made, IGNORED, TRANSFORMERS[variant], _WHERE[variant])


def with_transformer(
    variant: str, tensors: Mapping[str, Any], transformer: Mapping[str, Any]
) -> dict[str, Any]:
    """A published checkpoint's tensors, and those of its transformer's, as one."""
    root, made = TRANSFORMERS[variant], dict(tensors)
    for name, value in transformer.items():
        made[root + re.sub(r"^model\.", "", name)] = value  # newer files have one more level
    return made


def _recipe(ours: str, variant: str) -> Recipe:
    if ours.startswith("encoder.transformer."):
        name = ours.removeprefix("encoder.transformer.")
        return _of_dinov3(name) if variant == "trackon2" else _of_dinov2(name)
    if ours.startswith("encoder.prior."):
        return _of_prior(ours.removeprefix("encoder.prior."))
    if ours.startswith(("encoder.finest.", "encoder.upsample.", "encoder.project.")):
        return _projection(ours.removeprefix("encoder."))
    if ours.startswith(("encoder.injectors.", "encoder.extractors.")):
        return Recipe((_renamed(ours, _STAGE),))
    if ours.startswith("encoder."):
        name = _renamed(ours, _OTHER_BACKBONE)
        flat = re.fullmatch(r"fpn\.lateral\d+\.0\.weight", name)
        return Recipe((name,), _flat) if flat else Recipe((name,))
    if ours == "time":
        return Recipe(("t_embedding",), lambda table: table[0])
    if ours == "level_weights.weight":
        return Recipe(("ms_corr_proj.weight",), _flat)
    return Recipe((_of_decoder(ours),))


def _renamed(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _flat(weight: Tensor) -> Tensor:
    """A 1 x 1 convolution as a matrix."""
    return weight[:, :, 0, 0]


def _of_decoder(ours: str) -> str:
    found = re.fullmatch(r"(.*?\.(?:\d+|fusion)\.)((?:attention|norm|perceptron)\..*)", ours)
    if found is None:
        return _renamed(ours, _DECODER)
    block, part = found.groups()
    rules = _DEFORMABLE_BLOCK if ".blocks." in block else _BLOCK
    return _renamed(block, _DECODER) + _renamed(part, rules)


# --- vision transformers: what is read together is joined, scales go into the last matrices -----


def _of_dinov3(ours: str) -> Recipe:
    root = TRANSFORMERS["trackon2"]
    found = re.fullmatch(r"layers\.(\d+)\.(\w+)\.(weight|bias)", ours)
    if found is None:
        official = _renamed(
            ours,
            (
                (r"^whole$", "cls_token"),
                (r"^registers$", "register_tokens"),
                (r"^patches\.", "patch_embeddings."),
            ),
        )
        return Recipe((f"{root}embeddings.{official}",))
    number, part, kind = found.groups()
    layer = f"{root}layer.{number}."
    if part == "query_key_value" and kind == "bias":  # keys have none
        names = (f"{layer}attention.q_proj.bias", f"{layer}attention.v_proj.bias")
        return Recipe(names, lambda query, value: torch.cat([query, 0 * value, value]))
    if part == "query_key_value":
        return Recipe(tuple(f"{layer}attention.{one}_proj.weight" for one in "qkv"), _joined)
    if part == "widen":
        return Recipe(tuple(f"{layer}mlp.{one}_proj.{kind}" for one in ("gate", "up")), _joined)
    if part == "output":
        return Recipe((f"{layer}attention.o_proj.{kind}", f"{layer}layer_scale1.lambda1"), _scaled)
    if part == "narrow":
        return Recipe((f"{layer}mlp.down_proj.{kind}", f"{layer}layer_scale2.lambda1"), _scaled)
    norm = {"attention_norm": "norm1", "norm": "norm2"}[part]
    return Recipe((f"{layer}{norm}.{kind}",))


def _of_dinov2(ours: str) -> Recipe:
    root = TRANSFORMERS["trackon2_dinov2"]
    found = re.fullmatch(r"layers\.(\d+)\.([\w.]+)\.(weight|bias)", ours)
    if found is None:
        official = _renamed(
            ours,
            (
                (r"^whole$", "cls_token"),
                (r"^positions$", "position_embeddings"),
                (r"^patches\.", "patch_embeddings.projection."),
            ),
        )
        return Recipe((f"{root}embeddings.{official}",))
    number, part, kind = found.groups()
    layer = f"{root}encoder.layer.{number}."
    if part == "query_key_value":
        parts = ("query", "key", "value")
        return Recipe(tuple(f"{layer}attention.attention.{one}.{kind}" for one in parts), _joined)
    if part == "output":
        scale = f"{layer}layer_scale1.lambda1"
        return Recipe((f"{layer}attention.output.dense.{kind}", scale), _scaled)
    if part == "feedforward.narrow":
        return Recipe((f"{layer}mlp.fc2.{kind}", f"{layer}layer_scale2.lambda1"), _scaled)
    same = {
        "feedforward.widen": "mlp.fc1",
        "attention_norm": "norm1",
        "feedforward_norm": "norm2",
    }
    return Recipe((f"{layer}{same[part]}.{kind}",))


def _joined(*parts: Tensor) -> Tensor:
    return torch.cat(parts)


def _scaled(value: Tensor, scale: Tensor) -> Tensor:
    return value * (scale[:, None] if value.ndim == 2 else scale)


# --- batch norm --------------------------------------------------------------------------------


def _norm(name: str) -> tuple[str, ...]:
    return tuple(f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))


def _line(gain: Tensor, offset: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """A batch norm as a factor and an addend a channel."""
    factor = gain * torch.rsqrt(variance + EPSILON)
    return factor, offset - mean * factor


def _of_prior(ours: str) -> Recipe:
    layer, kind = ours.rsplit(".", 1)
    if layer.startswith("widen."):
        name = f"{ENCODER}spm.fc{int(layer.removeprefix('widen.')) + 2}.{kind}"
        return Recipe((name,), _flat) if kind == "weight" else Recipe((name,))
    convolution, norm = (f"{ENCODER}spm.{name}" for name in _CONVOLUTIONS[layer])
    if kind == "bias":
        return Recipe(_norm(norm), lambda *norm: _line(*norm)[1])
    return Recipe((f"{convolution}.weight", *_norm(norm)), _convolution)


def _convolution(weight: Tensor, *norm: Tensor) -> Tensor:
    return weight * _line(*norm)[0][:, None, None, None]


def _projection(ours: str) -> Recipe:
    """A projection with the batch norm before it and, at the finest level, what is before that."""
    layer, kind = ours.rsplit(".", 1)
    level = int(layer.removeprefix("project.")) + 1 if layer.startswith("project.") else 0
    weight, bias = (f"backbone.projections.{level}.0.{part}" for part in ("weight", "bias"))
    norm = _norm(f"{ENCODER}norm{level + 1}")
    if layer == "upsample":
        return Recipe((weight, f"{ENCODER}up.weight", *norm), _upsampled)
    if kind == "weight" and level:
        return Recipe((weight, *norm), lambda weight, *norm: weight * _line(*norm)[0])
    if kind == "weight":
        names = (weight, f"{ENCODER}spm.fc1.weight", *norm)
        return Recipe(names, lambda weight, inner, *norm: weight * _line(*norm)[0] @ _flat(inner))
    if level:
        return Recipe((weight, bias, *norm), _projected_bias)
    return Recipe(
        (weight, bias, f"{ENCODER}spm.fc1.bias", f"{ENCODER}up.bias", *norm), _finest_bias
    )


def _projected_bias(weight: Tensor, bias: Tensor, *norm: Tensor) -> Tensor:
    return bias + weight @ _line(*norm)[1]


def _finest_bias(weight: Tensor, bias: Tensor, one: Tensor, two: Tensor, *norm: Tensor) -> Tensor:
    factor, addend = _line(*norm)
    return bias + weight @ (factor * (one + two) + addend)


def _upsampled(weight: Tensor, kernel: Tensor, *norm: Tensor) -> Tensor:
    """Of a transposed convolution ``(in, between, 2, 2)``: a row an output of each of four."""
    combined = torch.einsum("ob,ibyx->yxoi", weight * _line(*norm)[0], kernel)
    return combined.reshape(-1, kernel.shape[0])
