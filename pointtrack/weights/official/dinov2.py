"""Where the tensors of DINOv2 come from."""

from __future__ import annotations

from torch import Tensor, nn

from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

_RENAMED = (
    (r"^whole$", "cls_token"),
    (r"^registers$", "register_tokens"),
    (r"^positions$", "pos_embed"),
    (r"^patches\.", "patch_embed.proj."),
    (r"\.attention_norm\.", ".norm1."),
    (r"\.query_key_value\.", ".attn.qkv."),
    (r"\.output\.", ".attn.proj."),
    (r"\.feedforward_norm\.", ".norm2."),
)
_MLP = ((r"\.feedforward\.widen\.", ".mlp.fc1."), (r"\.feedforward\.narrow\.", ".mlp.fc2."))
_GATED = ((r"\.feedforward\.widen\.", ".mlp.w12."), (r"\.feedforward\.narrow\.", ".mlp.w3."))


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For all sizes, with registers and without."""
    rules = _GATED if "vitg" in variant else _MLP
    made = renamed(network, (*_RENAMED, *rules))
    for ours, recipe in made.items():
        # What each branch is multiplied by goes into its last layer.
        block = ".".join(recipe.names[0].split(".")[:2])
        if ".output." in ours:
            made[ours] = Recipe((*recipe.names, f"{block}.ls1.gamma"), _scaled)
        elif ".feedforward.narrow." in ours:
            made[ours] = Recipe((*recipe.names, f"{block}.ls2.gamma"), _scaled)
    return Recipes(made, ("mask_token",))  # training hides patches behind it


def _scaled(tensor: Tensor, scale: Tensor) -> Tensor:
    return tensor * scale.view(-1, *[1] * (tensor.ndim - 1))
