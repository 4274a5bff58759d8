"""Which variant of a network is made by which function."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from pointtrack.errors import PointtrackError

if TYPE_CHECKING:
    from torch import nn

# variant: the module below `pointtrack.networks`; its function of the variant's name makes it.
_MODULES: dict[str, str] = {
    "alltracker": "alltracker",
    "alltracker_tiny": "alltracker",
    "bootstapir": "tapir",
    "causal_bootstapir": "tapir",
    "causal_tapir": "tapir",
    "compact": "compact",
    "cotracker1": "cotracker",
    "cotracker1_s4_w12": "cotracker",
    "cotracker1_s8_w16": "cotracker",
    "cotracker2": "cotracker",
    "cotracker2_w16": "cotracker",
    "cotracker3_offline": "cotracker3",
    "cotracker3_online": "cotracker3",
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
    "pips2": "pips2",
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


def variants() -> list[str]:
    """The names that `build` takes."""
    return sorted(_MODULES)


def build(variant: str) -> nn.Module:
    """Make a network with random weights, in evaluation mode.

    Raises
    ------
    PointtrackError
        When there is no such variant.
    """
    return _maker(variant)().eval()


def outline(variant: str) -> nn.Module:
    """A network's shapes without its numbers, on PyTorch's device ``"meta"``; takes no time."""
    import torch

    make = _maker(variant)  # imported before, as modules hold constants
    with torch.device("meta"):
        return make().eval()


def _maker(variant: str) -> Callable[[], nn.Module]:
    if variant not in _MODULES:
        raise PointtrackError(
            f"there is no network {variant!r}; there are: {', '.join(variants()) or 'none'}"
        )
    module = import_module(f"pointtrack.networks.{_MODULES[variant]}")
    return getattr(module, variant)
