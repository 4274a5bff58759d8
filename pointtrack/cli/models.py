"""``pointtrack models``: what there is to choose from."""

from __future__ import annotations

import json as json_module
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pointtrack.cli.shared import JsonOption, show
from pointtrack.errors import PointtrackError
from pointtrack.trackers import DEFAULT_MODEL
from pointtrack.trackers import models as cards
from pointtrack.weights import ModelCard


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
    - `pointtrack models mft`
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
            "yes" if card.commercial else f"no: {card.weights_licence or card.code_licence}",
        )
    return table


def _card(card: ModelCard) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in card.to_dict().items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if key == "scores" else str(value)
        table.add_row(f"[bold]{key.replace('_', ' ')}[/]", escape(shown) or "none")
    return table
