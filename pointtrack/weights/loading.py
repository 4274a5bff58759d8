"""A network with weights, from whatever a user calls weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pointtrack.errors import WeightsError
from pointtrack.networks.registry import build
from pointtrack.weights import official_files
from pointtrack.weights.cards import ModelCard
from pointtrack.weights.files import read_tensors, unwrap
from pointtrack.weights.official import load_official
from pointtrack.weights.recognise import check_variant

Weights = str | os.PathLike[str] | Mapping[str, Any]


def load_network(card: ModelCard, weights: Weights | None) -> nn.Module:
    """A published network, ready to run: in evaluation mode, without gradients, on the CPU.

    Parameters
    ----------
    card
        The network's card.
    weights
        A path; a mapping of tensors under their official names; ``"official"``, or
        ``"official:baseline"`` where there are several, to download the authors' file once; or
        ``"random"``.

    Raises
    ------
    WeightsError
        When there are none, or they are not this network's.
    """
    if weights is None:
        official = f"'official' ({card.weights_licence}), " if card.files else ""
        raise WeightsError(
            f"{card.name} needs weights: the path of a checkpoint, {official}or 'random' for tests"
        )
    if isinstance(weights, Mapping):
        network = _filled(card, unwrap(weights), "the given weights")
    elif weights == "random":
        network = _random(card)
    elif weights == "bundled":
        raise WeightsError(f"no weights of {card.name} come with pointtrack")
    elif isinstance(weights, str) and weights.partition(":")[0] == "official":
        network = _official(card, weights.partition(":")[2])
    else:
        network = _filled(card, read_tensors(weights), os.fspath(weights))
    return network.eval().requires_grad_(False)


def _official(card: ModelCard, key: str) -> nn.Module:
    path, fresh = official_files.fetch(card, official_files.choose(card, key))
    try:
        return _filled(card, read_tensors(path), str(path))
    except WeightsError:
        if fresh:  # whatever the server sent, it is not worth keeping
            official_files.forget(path)
        raise


def _filled(card: ModelCard, tensors: Mapping[str, Any], name: str) -> nn.Module:
    check_variant(card, tensors, name)
    try:
        return load_official(build(card.network), card.network, tensors)
    except WeightsError as problem:
        raise WeightsError(f"{Path(name).name}: {problem}") from problem


def _random(card: ModelCard) -> nn.Module:
    """The same random weights every time, and the user's random numbers as they were."""
    warnings.warn(f"{card.name} has random weights, which track nothing", stacklevel=4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build(card.network)
