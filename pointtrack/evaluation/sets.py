"""From what a user types to a data set: a name, a name and a path, or a path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from pointtrack.datasets import CARDS, Dataset, card_of, open_dataset
from pointtrack.errors import PointtrackError
from pointtrack.evaluation.own_sets import OWN_SETS
from pointtrack.evaluation.protocol import Protocol
from pointtrack.weights import ModelCard

OFFICIAL = "official"  # each model's own protocol

# The split that results are reported on, where a copy holds several.
_DYNAMIC_REPLICA = "dynamic-replica"
REPORTED_SPLITS = {"pointodyssey": "test", _DYNAMIC_REPLICA: "valid"}


class Rules(NamedTuple):
    """How a data set's points are asked for unless the user says otherwise."""

    query_mode: str
    protocol: str


def open_set(words: Sequence[str], format: str | None = None) -> Dataset:
    """Open the data set that a command names.

    Parameters
    ----------
    words
        ``[name]`` of one of pointtrack's own sets (`own_sets.OWN_SETS`), ``[name, path]`` of one
        of the catalog, or ``[path]``.
    format
        As in `open_dataset`, for a path alone.

    Raises
    ------
    PointtrackError
        When a name is not known, a copy's path is missing, or one too many is given.
    FormatError
        When the data set cannot be opened.
    """
    if len(words) > 2 or not words:
        raise PointtrackError(
            f"a data set is a path, or a name and a path, found {len(words)} words"
        )
    first, *rest = words
    if first in OWN_SETS:
        if rest:
            raise PointtrackError(f"{first} is pointtrack's own and takes no path")
        return OWN_SETS[first]()
    if rest:
        return _named(first, Path(rest[0]), format)
    if Path(first).exists():
        # A folder that is called as the set it holds.
        return open_dataset(first, format or (first if first in CARDS else None))
    if first in CARDS:
        raise PointtrackError(
            f"{first} needs the path of your copy: {first} PATH "
            f"(`pointtrack data {first}` tells where to get it)"
        )
    return open_dataset(first, format)


def rules_for(data: Dataset) -> Rules:
    """How the field asks for a data set's points."""
    card = card_of(data)
    return Rules("first", "tapvid") if card is None else Rules(card.query_mode, card.protocol)


def protocol_for(
    data: Dataset, name: str | None, query_mode: str | None, *, single: bool = False
) -> Protocol:
    """The protocol a user asks for; what is left open is as the field has it for this set."""
    rules = rules_for(data)
    return Protocol.named(name or rules.protocol, query_mode or rules.query_mode, single=single)


def official_for(
    data: Dataset, card: ModelCard, query_mode: str | None, *, single: bool = False
) -> tuple[Protocol, dict[str, Any]]:
    """How a model's published numbers were taken.

    Parameters
    ----------
    data
        The data set, which decides on the query mode where the user does not.
    card
        The model's card.
    query_mode, single
        As of `protocol_for`.

    Returns
    -------
    tuple
        The protocol, called ``"official"``, and the options to load the model with.
    """
    published = card.protocol
    mode = query_mode or rules_for(data).query_mode
    rules = Protocol.named(published.base, mode, single=single or published.single)
    options = {**published.options, **(published.alone if rules.single else {})}
    return replace(rules, name=OFFICIAL), options


def _named(name: str, path: Path, format: str | None) -> Dataset:
    if name not in CARDS:
        own = ", ".join(OWN_SETS)
        raise PointtrackError(
            f"there is no data set {name!r}; there are: {', '.join(CARDS)}; and our own: {own}"
        )
    if format not in (None, name):
        raise PointtrackError(f"{name} is not of the format {format}; leave out one of the two")
    split = REPORTED_SPLITS.get(name)
    if split is not None and (path / split).is_dir():
        path = path / split
    return _dynamic_replica(path) if name == _DYNAMIC_REPLICA else open_dataset(path, name)


def _dynamic_replica(path: Path) -> Dataset:
    """The frames and tracks that CoTracker evaluates on: a part of what there is."""
    from pointtrack.datasets.dynamic_replica import COTRACKER, DynamicReplicaDataset

    data = DynamicReplicaDataset(path, selection=COTRACKER)
    data.name = _DYNAMIC_REPLICA
    return data
