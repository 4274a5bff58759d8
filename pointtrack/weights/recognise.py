"""Whose weights these are, when they are not those that were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointtrack.errors import WeightsError
from pointtrack.networks.registry import outline
from pointtrack.weights.cards import ModelCard
from pointtrack.weights.official.loading import fits
from pointtrack.weights.published import BACKBONES, PUBLISHED

_CARDS = (*PUBLISHED.values(), *BACKBONES.values())

# Tables that a network computes by itself are stored beside its weights, and their length is
# all that tells some variants apart: the tensor's name and its second side.
_TABLES = {
    "cotracker2": ("time_emb", 8),
    "cotracker2_w16": ("time_emb", 16),
    "cotracker3_offline": ("time_emb", 60),
    "cotracker3_online": ("time_emb", 16),
}


def check_variant(card: ModelCard, tensors: Mapping[str, Any], name: str) -> None:
    """Refuse weights that would load, or nearly load, but are another model's.

    Parameters
    ----------
    card
        The model that was asked for.
    tensors
        Under their official names.
    name
        The file's path, or what else to call the weights.

    Raises
    ------
    WeightsError
        Naming the model to use instead, where that is known.
    """
    if fits_variant(card.network, tensors):
        _check_file_name(card, name)
        return
    others = [other for other in _CARDS if other.name != card.name]
    owners = [other.name for other in others if fits_variant(other.network, tensors)]
    if owners:
        kinds = " or ".join(owners)
        raise WeightsError(f"{name} is a checkpoint of {kinds}, not of {card.name}; use {kinds}")


def fits_variant(variant: str, tensors: Mapping[str, Any]) -> bool:
    """Whether weights are a variant's, by their names and shapes."""
    table, length = _TABLES.get(variant, ("", 0))
    if table in tensors and tuple(tensors[table].shape)[1:2] != (length,):
        return False
    return fits(outline(variant), variant, tensors)


def _check_file_name(card: ModelCard, name: str) -> None:
    """Some variants differ in nothing that is stored: then only the file's name tells them."""
    own = {Path(file.name).name for file in card.files}
    found = Path(name).name
    if found in own:
        return
    for other in _CARDS:
        if found in {Path(file.name).name for file in other.files}:
            raise WeightsError(
                f"{name} is a checkpoint of {other.name}, not of {card.name}; use {other.name}"
            )
