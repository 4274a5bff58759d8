"""``pointtrack models``: what there is to choose from."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pointtrack.cli.shared import JsonOption, show
from pointtrack.errors import PointtrackError
from pointtrack.trackers import DEFAULT_MODEL
from pointtrack.trackers import models as cards
from pointtrack.trackers.registry import options
from pointtrack.weights import ModelCard

_TASKS = {
    "online": "online: sees no frame that is still to come",
    "offline": "offline: looks ahead; live, it answers from the last few frames",
    "dense": "dense: follows every pixel",
}


def models(
    name: Annotated[
        str | None, typer.Argument(show_default=False, help="Show all of one model's card.")
    ] = None,
    commercial: Annotated[
        bool, typer.Option("--commercial", help="Only those that may be used at work.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """List the models: method, paper, size and licence.

    Examples:

    - `pointtrack models`
    - `pointtrack models cotracker3_offline`
    - `pointtrack models --commercial --json`
    """
    chosen = [card for card in cards() if name is None or card.name == name]
    if not chosen:
        known = ", ".join(card.name for card in cards())
        raise PointtrackError(f"there is no model {name!r}; there are: {known}")
    if commercial:
        chosen = [card for card in chosen if card.commercial]
        if name is not None and not chosen:
            raise PointtrackError(f"{name} may not be used at work")
    if json:
        typer.echo(json_module.dumps([card.to_dict() for card in chosen], indent=2))
    elif name is not None:
        show(_card(chosen[0]))
    else:
        show(_table(chosen))


def _table(cards: list[ModelCard]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("model", "how it works", "task", "parameters", "use at work"):
        table.add_column(heading, justify="right" if heading == "parameters" else "left")
    for card in cards:
        default = " (default)" if card.name == DEFAULT_MODEL else ""
        table.add_row(
            f"[bold]{card.name}[/]{default}",
            escape(card.summary),
            card.task,
            f"{card.parameters:,}",
            "yes" if card.commercial else f"no: {_licence(card)}",
        )
    return table


def _licence(card: ModelCard) -> str:
    """Of its weights, without what is said about it in brackets."""
    return (card.weights_licence or card.code_licence).split(" (")[0]


def _card(card: ModelCard) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in _lines(card):
        table.add_row(f"[bold]{key}[/]", escape(value))
    return table


def _lines(card: ModelCard) -> Iterator[tuple[str, str]]:
    """What a card says, a line each."""
    yield "model", f"{card.name} ({card.family})"
    yield "how it works", card.summary
    yield "paper", card.paper
    yield "task", _TASKS[card.task]
    yield "parameters", f"{card.parameters:,}" if card.parameters else "none: it learns nothing"
    yield "licence", card.code_licence
    if card.weights_licence:
        yield "weights' licence", card.weights_licence
    yield "commercial use", "yes" if card.commercial else "no: the weights are not free for it"
    if card.resolution:
        yield "sees frames at", "x".join(map(str, card.resolution))
    if card.scores:
        yield "published", ", ".join(f"{name} {value:g}" for name, value in card.scores.items())
        if card.files:
            yield "taken with", _published(card)
    for number, file in enumerate(card.files):
        word = f"official:{file.key}" if file.key else "official"
        note = f" ({file.note})" if file.note and file.url else ""
        where = file.url or f"by hand: {file.note}"
        yield "" if number else "weights", f"{word}{note}: {where}"
    known = ", ".join(f"{name}={value!r}" for name, value in options(card.name).items())
    yield "options", known or "none"


def _published(card: ModelCard) -> str:
    rules = card.protocol
    asked = "one point at a time" if rules.single else ""
    loaded = ", ".join(f"{name}={value!r}" for name, value in rules.options.items())
    parts = [f"protocol {rules.base}", asked, loaded, rules.note]
    return "; ".join(part for part in parts if part)
