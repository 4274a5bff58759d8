"""Every data set that pointtrack reads by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from pointtrack.datasets.benchmark_cards import BENCHMARK_CARDS
from pointtrack.datasets.cards import READERS, DatasetCard
from pointtrack.datasets.clip import Dataset
from pointtrack.datasets.training_cards import TRAINING_CARDS
from pointtrack.errors import FormatError
from pointtrack.files import PathLike

CARDS: dict[str, DatasetCard] = {card.name: card for card in (*BENCHMARK_CARDS, *TRAINING_CARDS)}
_YOUR_OWN = ("folder", "csv")  # which keep their own names


def card(name: str) -> DatasetCard:
    """The card of a data set.

    Raises
    ------
    FormatError
        When there is none of this name; the message lists those there are.
    """
    if name not in CARDS:
        raise FormatError(f"there is no data set {name!r}; there are: {', '.join(CARDS)}")
    return CARDS[name]


def open_named(name: str, path: PathLike) -> Dataset:
    """Open a copy of a data set of the catalog; a benchmark's `name` becomes that of its card.

    Raises
    ------
    FormatError
        When there is no such card, nothing at ``path``, or something else.
    """
    module, _, reader = card(name).reader.partition(":")
    if not Path(path).exists():
        raise FormatError(f"there is no data set {path}")
    data: Dataset = getattr(import_module(module), reader)(path)
    if name not in _YOUR_OWN:
        data.name = name
    return data


def card_of(data: Dataset) -> DatasetCard | None:
    """The card that a data set was opened by; None for your own data."""
    found = CARDS.get(data.name)
    if found is None or not type(data).__module__.startswith(READERS):
        return None
    module = import_module(found.reader.partition(":")[0])
    return found if type(data).__name__ in vars(module) else None
