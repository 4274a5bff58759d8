"""Model cards: who made a method, what it costs, and whether it may be used at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Task = Literal["online", "offline", "dense"]


@dataclass(frozen=True)
class ModelCard:
    """One model of the zoo.

    Attributes
    ----------
    name
        What `pointtrack.load` takes.
    family
        The method it is a variant of.
    summary
        One line on how it works.
    paper
        Authors, title, venue and year.
    task
        ``"online"`` methods see no future frame, ``"offline"`` ones do, ``"dense"`` ones
        follow every pixel.
    parameters
        Number of learned parameters; 0 for methods that learn nothing.
    code_licence, weights_licence
        SPDX names. Empty weights licence: there are no weights.
    commercial
        Whether code and weights may be used commercially.
    scores
        Published scores: benchmark and metric -> value.
    """

    name: str
    family: str
    summary: str
    paper: str
    task: Task
    parameters: int = 0
    code_licence: str = "Apache-2.0"
    weights_licence: str = ""
    commercial: bool = True
    scores: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The card as plain containers, for JSON."""
        return {**asdict(self), "scores": dict(self.scores)}
