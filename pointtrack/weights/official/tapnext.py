"""TAPNext's checkpoints: PyTorch's names, and those of JAX (Flax) with its axes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from pointtrack.weights.official.recipes import Recipe, Recipes

_RENAMED = (
    (r"^patches\.", "lin_proj."),
    (r"^norm\.", "encoder_norm."),
    (r"^position_head\.", "coordinate_head."),
    (r"^visibility_head\.", "visible_head."),
    (r"^unknown$", "unknown_token"),
    (r"^asked$", "point_query_token"),
    (r"^followed$", "mask_token"),
    (r"^picture_positions$", "image_pos_emb"),
    (r"^recurrent\.(\d+)\.", r"blocks.\1.ssm_block."),
    (r"\.time_norm\.", ".temporal_pre_norm."),
    (r"\.channel_norm\.", ".channel_pre_norm."),
    (r"\.exit\.", ".recurrent_block.linear_out."),
    (r"\.taps$", ".recurrent_block.conv_1d.w"),
    (r"\.taps_bias$", ".recurrent_block.conv_1d.b"),
    (r"\.recurrence\.decay$", ".recurrent_block.rg_lru.a_param"),
    (r"(ssm_block)\.narrow\.", r"\1.mlp_block.ffw_down."),
    (r"^spatial\.(\d+)\.", r"blocks.\1.vit_block."),
    (r"\.attention_norm\.", ".ln_1."),
    (r"(vit_block)\.norm\.", r"\1.ln_2."),
    (r"\.output\.", ".self_attention.out_proj."),
    (r"\.query_key_value\.(weight|bias)", r".self_attention.in_proj_\1"),
    (r"(vit_block)\.widen\.", r"\1.mlp.0."),
    (r"(vit_block)\.narrow\.", r"\1.mlp.3."),
)


def recipes(network: nn.Module, variant: str) -> Recipes:
    """From the PyTorch port's names. Its table of places is computed by ours."""
    state = network.state_dict()
    return Recipes(
        {ours: _recipe(ours, place) for ours, place in state.items()}, ("query_pos_embed",)
    )


def _recipe(ours: str, place: Tensor) -> Recipe:
    block = re.sub(r"^recurrent\.(\d+)\..*", r"blocks.\1.ssm_block", ours)
    last = ours.rpartition(".")[2]
    if re.search(r"\.entry\.", ours):
        lines = tuple(f"{block}.recurrent_block.linear_{which}.{last}" for which in "yx")
        return Recipe(lines, _one_below_the_other)
    if re.search(r"\.recurrence\.gates(_bias)?$", ours):
        kind = "b" if ours.endswith("_bias") else "w"
        gates = (f"{block}.recurrent_block.rg_lru.{gate}_gate.{kind}" for gate in ("input", "a"))
        return Recipe(tuple(gates), _side_by_side)
    if re.search(r"^recurrent\.\d+\.widen\.", ours):
        kind = "b" if last == "bias" else "w"
        return Recipe((f"{block}.mlp_block.ffw_up.{kind}",), _both_halves)
    name = ours
    for pattern, replacement in _RENAMED:
        name = re.sub(pattern, replacement, name)
    return Recipe((name,), partial(_reshaped, place.shape) if "." not in ours else _same)


def _one_below_the_other(*parts: Tensor) -> Tensor:
    return torch.cat(parts)


def _side_by_side(*parts: Tensor) -> Tensor:
    return torch.cat(parts, dim=-1)


def _both_halves(tensor: Tensor) -> Tensor:
    """``(2, in, out)`` to ``(2 out, in)``, or ``(2, 1, 1, out)`` to ``(2 out,)``."""
    if tensor.ndim == 3:
        return tensor.transpose(1, 2).flatten(0, 1)
    if tensor.shape[1:3] != (1, 1):
        raise ValueError(tensor.shape)
    return tensor.flatten()


def _reshaped(shape: torch.Size, tensor: Tensor) -> Tensor:
    """Tokens and positions come with axes of one."""
    kept = [side for side in tensor.shape if side != 1]
    if kept != [*([shape[:-1].numel()] if len(shape) > 1 else []), shape[-1]]:
        raise ValueError(tensor.shape)
    return tensor.reshape(shape)


def _same(tensor: Tensor) -> Tensor:
    return tensor


# --- JAX -------------------------------------------------------------------------------------

_ROOT = "backbone/"
_ATTENTION = r"(.*)\.self_attention\.(in|out)_proj[._](weight|bias)$"

# The port's names, with the dots that stay dots written as slashes, to Flax's.
_FLAX = (
    (r"^lin_proj\.", f"{_ROOT}embedding."),
    (r"^image_pos_emb$", f"{_ROOT}pos_embedding"),
    (r"^(mask|unknown|point_query)_token$", rf"{_ROOT}\1_token"),
    (r"^encoder_norm\.", f"{_ROOT}Transformer.encoder_norm."),
    (r"^blocks\.(\d+)\.", rf"{_ROOT}Transformer.encoderblock_\1."),
    (r"^(visible|coordinate)_head\.(\d)", r"\1_head.layers_\2"),
    (r"\.ln_([12])\.", lambda found: f".LayerNorm_{int(found[1]) - 1}."),
    (r"\.mlp\.0\.", ".MlpBlock_0.Dense_0."),
    (r"\.mlp\.3\.", ".MlpBlock_0.Dense_1."),
    (r"(encoder_norm|LayerNorm_\d|_head\.layers_[14])\.weight$", r"\1.scale"),
    (r"\.weight$", ".kernel"),
)


def haiku_recipes(network: nn.Module, variant: str) -> Recipes:
    """From JAX's names, which are paths."""
    made = {}
    for ours, recipe in recipes(network, variant).tensors.items():
        attention = re.fullmatch(_ATTENTION, recipe.names[0])
        if attention:
            made[ours] = _attention(*attention.groups())
            continue
        names = tuple(_flax_name(name) for name in recipe.names)
        made[ours] = Recipe(names, partial(_through, _axes(names[0]), recipe.make))
    return Recipes(made)


def _flax_name(name: str) -> str:
    for pattern, replacement in _FLAX:
        name = re.sub(pattern, replacement, name)
    return name.replace(".", "/")


def _attention(block: str, which: str, kind: str) -> Recipe:
    place = _flax_name(f"{block}.MultiHeadDotProductAttention_0")
    parts = ("out",) if which == "out" else ("query", "key", "value")
    names = tuple(f"{place}/{part}/{'kernel' if kind == 'weight' else kind}" for part in parts)
    if which == "out":
        return Recipe(names, _out_of_heads if kind == "weight" else _same)
    return Recipe(names, _into_heads)


def _into_heads(*parts: Tensor) -> Tensor:
    """``(C, H, C/H)`` to ``(3 C, C)``, or ``(H, C/H)`` to ``(3 C,)``."""
    return torch.cat([part.flatten(-2).T if part.ndim == 3 else part.flatten() for part in parts])


def _out_of_heads(kernel: Tensor) -> Tensor:
    """``(H, C/H, C)`` to ``(C, C)``."""
    return kernel.flatten(0, 1).T


def _through(
    axes: Callable[[Tensor], Tensor], make: Callable[..., Tensor], *given: Tensor
) -> Tensor:
    return make(*(axes(tensor) for tensor in given))


def _axes(name: str) -> Callable[[Tensor], Tensor]:
    """How the axes of a tensor with Flax's name change."""
    if name.endswith("embedding/kernel"):
        return _patches
    return _transposed if name.endswith("/kernel") else _same


def _patches(kernel: Tensor) -> Tensor:
    """``(1, 8, 8, 3, C)`` to ``(C, 3, 8, 8)``."""
    return kernel.squeeze(0).permute(3, 2, 0, 1)


def _transposed(matrix: Tensor) -> Tensor:
    if matrix.ndim != 2:
        raise ValueError(matrix.shape)
    return matrix.T
