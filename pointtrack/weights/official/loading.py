"""Strict loading: every official tensor has its place, and every place its tensor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pointtrack.errors import PointtrackError, WeightsError
from pointtrack.weights.official.recipes import Recipe, Recipes

# variant: the module below `pointtrack.weights.official` whose function `recipes(network,
# variant)` says where our tensors come from.
_MODULES: dict[str, str] = {
    "alltracker": "alltracker",
    "alltracker_tiny": "alltracker",
    "bootstapir": "tapir",
    "causal_bootstapir": "tapir",
    "causal_tapir": "tapir",
    "cotracker1": "cotracker",
    "cotracker1_s4_w12": "cotracker",
    "cotracker1_s8_w16": "cotracker",
    "cotracker2": "cotracker",
    "cotracker2_w16": "cotracker",
    "cotracker3_offline": "cotracker",
    "cotracker3_online": "cotracker",
    "dinov2_vitb14": "dinov2",
    "dinov2_vitb14_reg": "dinov2",
    "dinov2_vitg14": "dinov2",
    "dinov2_vitg14_reg": "dinov2",
    "dinov2_vitl14": "dinov2",
    "dinov2_vitl14_reg": "dinov2",
    "dinov2_vits14": "dinov2",
    "dinov2_vits14_reg": "dinov2",
    "dot": "dot",
    "dot_raft8": "dot",
    "gmrw": "gmrw",
    "locotrack_base": "locotrack",
    "locotrack_small": "locotrack",
    "mft": "mft",
    "pips": "pips",
    "pips2": "pips",
    "raft_large": "raft",
    "raft_small": "raft",
    "tapir": "tapir",
    "tapnet": "tapnet",
    "tapnext": "tapnext",
    "taptr": "taptr",
    "taptrv2": "taptr",
    "trackon2": "trackon",
    "trackon2_dinov2": "trackon",
}


def load_official(network: nn.Module, variant: str, tensors: Mapping[str, Any]) -> nn.Module:
    """Fill a network with tensors under their official names.

    Parameters
    ----------
    network
        What ``pointtrack.networks.build(variant)`` gave.
    variant
        Its name.
    tensors
        Official name to a torch tensor or NumPy array. Left as they are.

    Returns
    -------
    nn.Module
        The same network.

    Raises
    ------
    WeightsError
        When a tensor is missing, is not known, or has another shape; the message names it. The
        network is then unchanged.
    """
    recipes = _recipes(network, variant, tensors)
    if _leaves_out(recipes, tensors):
        raise WeightsError(f"the weights are {variant}'s, but {recipes.where}")
    network.load_state_dict(_cooked(network, variant, recipes, tensors), strict=True)
    return network


def fits(network: nn.Module, variant: str, tensors: Mapping[str, Any]) -> bool:
    """Whether these are a variant's tensors; nothing is loaded or computed.

    A part that is published elsewhere may be missing. ``network`` may lie on PyTorch's device
    ``"meta"``, where it takes no time to make.
    """
    try:
        empty = {name: torch.empty(value.shape, device="meta") for name, value in tensors.items()}
        recipes = _recipes(network, variant, empty)
        left_out = _leaves_out(recipes, empty)
        _cooked(network, variant, recipes.without() if left_out else recipes, empty)
    except WeightsError:
        return False
    return True


def _recipes(network: nn.Module, variant: str, tensors: Mapping[str, Any]) -> Recipes:
    if variant not in _MODULES:
        raise PointtrackError(f"there are no official weights known for {variant!r}")
    module = import_module(f"pointtrack.weights.official.{_MODULES[variant]}")
    return _kind_of_recipes(module, tensors)(network, variant)


def _leaves_out(recipes: Recipes, tensors: Mapping[str, Any]) -> bool:
    """Whether nothing but the part from elsewhere is missing, and all of that."""
    if not recipes.elsewhere or any(name.startswith(recipes.elsewhere) for name in tensors):
        return False
    rest = recipes.without().tensors.values()
    return all(name in tensors for recipe in rest for name in recipe.names)


def _cooked(
    network: nn.Module, variant: str, recipes: Recipes, tensors: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Our state dict, from tensors under their official names."""
    _refuse_unknown(variant, recipes, tensors)
    places = network.state_dict()
    return {
        ours: _cook(variant, recipe, tensors, places[ours])
        for ours, recipe in recipes.tensors.items()
    }


def _kind_of_recipes(module: ModuleType, tensors: Mapping[str, Any]) -> Callable[..., Recipes]:
    """Some networks are published for two frameworks; Haiku's names have paths in them."""
    if hasattr(module, "haiku_recipes") and any("/" in name for name in tensors):
        return module.haiku_recipes
    return module.recipes


def _refuse_unknown(variant: str, recipes: Recipes, tensors: Mapping[str, Any]) -> None:
    needed = {name for recipe in recipes.tensors.values() for name in recipe.names}
    missing = sorted(needed - tensors.keys())
    if missing:
        raise WeightsError(
            f"the weights are not {variant}'s: {len(missing)} of its {len(needed)} tensors are "
            f"missing, the first is {missing[0]!r}"
        )
    extra = sorted(
        name
        for name in tensors.keys() - needed
        if not any(re.fullmatch(pattern, name) for pattern in recipes.ignored)
    )
    if extra:
        raise WeightsError(
            f"the weights are not {variant}'s: they hold {len(extra)} tensors that it does not "
            f"have, the first is {extra[0]!r}"
        )


def _cook(variant: str, recipe: Recipe, tensors: Mapping[str, Any], place: Tensor) -> Tensor:
    given = [_tensor(tensors[name]) for name in recipe.names]
    try:
        made = recipe.make(*given)
    except (RuntimeError, IndexError, ValueError):
        made = None
    if made is None or made.shape != place.shape:
        shapes = ", ".join(
            f"{name!r} has shape {tuple(tensor.shape)}"
            for name, tensor in zip(recipe.names, given, strict=True)
        )
        raise WeightsError(
            f"the weights are not {variant}'s: {shapes}, which does not fit {tuple(place.shape)}"
        )
    return made.to(place.dtype)


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.from_numpy(np.asarray(value))
