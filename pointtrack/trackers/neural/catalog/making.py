"""What the makers of trackers share: networks ready to run, and options that are checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pointtrack.errors import PointtrackError
from pointtrack.weights import ModelCard

if TYPE_CHECKING:
    import torch

Weights = str | os.PathLike[str] | Mapping[str, Any] | None
Resolution = tuple[int, int]


def ready(
    card: ModelCard, weights: Weights, device: str, precision: str, compile: bool
) -> tuple[Any, torch.device]:
    """The network with its weights, on its device."""
    from pointtrack.trackers.neural.device import pick_device, place
    from pointtrack.weights.loading import load_network

    where = pick_device(device)
    return place(load_network(card, weights), where, precision, compile), where


def frames_and_memory(
    resolution: Resolution, multiple: int, least: int, card: ModelCard, memory: str | float = "auto"
) -> tuple[Resolution, Any]:
    """The checked size of frames, and the memory that may be used."""
    from pointtrack.trackers.neural.budget import parse_memory
    from pointtrack.trackers.neural.convention import working_size

    return working_size(resolution, multiple, least, card.name), parse_memory(memory)


def fraction(value: float, name: str, card: ModelCard) -> None:
    """An option is from 0 to 1, or a PointtrackError says so."""
    if not 0 <= value <= 1:
        raise PointtrackError(f"{name} of {card.name} is from 0 to 1, found {value}")


def one_of(value: str, known: tuple[str, ...], name: str, card: ModelCard) -> None:
    """An option is one of these words, or a PointtrackError says so."""
    if value not in known:
        choice = " or ".join(known)
        raise PointtrackError(f"{name} of {card.name} is {choice}, found {value!r}")


def count(value: int, name: str, card: ModelCard, least: int = 1) -> None:
    """An option is a number from ``least`` on, or a PointtrackError says so."""
    if value < least:
        raise PointtrackError(f"{name} of {card.name} must be at least {least}, found {value}")
