"""Model cards: who made a method, what it costs, and whether it may be used at work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Task = Literal["online", "offline", "dense"]


@dataclass(frozen=True)
class OfficialFile:
    """One checkpoint that a method's authors published.

    Attributes
    ----------
    name
        Its file name, or its path within an archive.
    url
        Where it is; of the archive where `archive` says so. Empty: only by hand, see `note`.
    key
        What tells it from the model's other files: ``weights="official:baseline"``.
    note
        What is special about it.
    archive
        Whether ``url`` is a zip or tar file with the checkpoint in it.
    sha256
        Its checksum, where it is known. Otherwise that of the first download is kept beside
        the file, and a later download must be the same.
    """

    name: str
    url: str
    key: str = ""
    note: str = ""
    archive: bool = False
    sha256: str = ""


@dataclass(frozen=True)
class PublishedProtocol:
    """How a method's published numbers were taken.

    Attributes
    ----------
    base
        The protocol's name in `pointtrack.evaluation`: ``"tapvid"`` or ``"cotracker"``.
    single
        Whether points are asked for one at a time.
    options
        What the tracker is loaded with.
    alone
        What else it is loaded with where points are asked for one at a time.
    note
        What else is to be known.
    """

    base: str = "tapvid"
    single: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    alone: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


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
        SPDX names of this implementation and of the weights. Empty weights licence: there are
        no weights.
    commercial
        Whether code and weights may be used commercially.
    scores
        Published scores: benchmark and metric -> value.
    network
        The network's name in `pointtrack.networks`, where it is one.
    resolution
        Width and height that frames are brought to; empty: the video's own, or an option.
    files
        The official weights; ``weights="official"`` is the first of them.
    protocol
        How the published scores were taken.
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
    network: str = ""
    resolution: tuple[int, ...] = ()
    files: tuple[OfficialFile, ...] = ()
    protocol: PublishedProtocol = field(default_factory=PublishedProtocol)

    def to_dict(self) -> dict[str, Any]:
        """The card as plain containers, for JSON."""
        return {key: _plain(value) for key, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value
