"""TAPNext and Track-On2 as trackers.

Each function's keywords are the options of `pointtrack.load`. Networks are imported when wanted.
"""

from __future__ import annotations

import os
from typing import Literal

from pointtrack.trackers.base import Tracker
from pointtrack.trackers.neural.catalog.making import (
    Resolution,
    Weights,
    count,
    fraction,
    frames_and_memory,
    one_of,
    ready,
)
from pointtrack.weights import ModelCard


def tapnext(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (256, 256),
    memory: str | float = "auto",
    warm_up: bool = False,
    joining: Literal["apart", "beside"] = "apart",
    support: int = 0,
    threshold: float = 0.5,
    score: Literal["visibility", "both"] = "visibility",
    numerics: Literal["torch", "jax"] = "torch",
    compile: bool = False,
) -> Tracker:
    """TAPNext and TAPNext++; ``score``: what the threshold is of, visibility or both.

    ``joining``: whether points that come later are ``"apart"`` or ``"beside"`` the first; see
    `pointtrack.trackers.neural.recurrent`. ``numerics``: as PyTorch's port, or ``"jax"``.
    """
    from pointtrack.trackers.neural.recurrent import RecurrentTracker
    from pointtrack.trackers.neural.tapnext_models import TapNextModel

    one_of(score, ("visibility", "both"), "score", card)
    one_of(joining, ("apart", "beside"), "joining", card)
    one_of(numerics, ("torch", "jax"), "numerics", card)
    size, share = frames_and_memory(resolution, 8, 24, card, memory)
    fraction(threshold, "threshold", card)
    count(support, "support", card, 0)
    network, where = ready(card, weights, device, precision, compile)
    network.compute_as(numerics)
    model = TapNextModel(network, card.name, size, support, threshold, score)
    return RecurrentTracker(card, model, where, share, warm_up, joining)


def tapnext_512(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 512),
    memory: str | float = "auto",
    warm_up: bool = False,
    joining: Literal["apart", "beside"] = "apart",
    support: int = 0,
    threshold: float = 0.5,
    score: Literal["visibility", "both"] = "visibility",
    numerics: Literal["torch", "jax"] = "torch",
    compile: bool = False,
) -> Tracker:
    """TAPNext++ for larger pictures."""
    return tapnext(
        card,
        weights,
        device,
        precision,
        resolution,
        memory,
        warm_up,
        joining,
        support,
        threshold,
        score,
        numerics,
        compile,
    )


def trackon2(
    card: ModelCard,
    weights: Weights,
    device: str = "auto",
    precision: str = "auto",
    resolution: Resolution = (512, 384),
    memory: str | float = "auto",
    transformer: str | os.PathLike[str] | None = None,
    remembered: int = 72,
    support: int = 10,
    threshold: float = 0.8,
    joining: Literal["apart", "beside"] = "beside",
    warm_up: bool = False,
    compile: bool = False,
) -> Tracker:
    """Track-On2; ``transformer``: the file of DINOv3 or DINOv2 that the weights leave out."""
    from pointtrack.trackers.neural.recurrent import RecurrentTracker
    from pointtrack.trackers.neural.trackon_models import TrackOnModel, whole_weights

    one_of(joining, ("apart", "beside"), "joining", card)
    size, share = frames_and_memory(resolution, 32, 32, card, memory)
    fraction(threshold, "threshold", card)
    count(remembered, "remembered", card)
    count(support, "support", card, 0)
    whole = whole_weights(card, weights, transformer)
    network, where = ready(card, whole, device, precision, compile)
    model = TrackOnModel(network, card.name, size, remembered, support, threshold)
    return RecurrentTracker(card, model, where, share, warm_up, joining)
