"""``pointtrack data``: which data sets there are, and whether a copy is whole."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from pointtrack.cli.shared import (
    Interrupted,
    JsonOption,
    QuietOption,
    messages,
    progress_bar,
    show,
)
from pointtrack.datasets import CARDS, Dataset, DatasetCard, Problem, open_dataset
from pointtrack.datasets.catalog import card as card_named
from pointtrack.datasets.kinetics import FRAMES, BuildReport
from pointtrack.datasets.kinetics import build as build_kinetics
from pointtrack.errors import PointtrackError
from pointtrack.evaluation.own_sets import OWN_SETS

_BUILDS = ("tapvid-kinetics",)


class _Names(TyperGroup):
    """``pointtrack data NAME`` is ``pointtrack data card NAME``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = ["card", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="data",
    cls=_Names,
    help="List the data sets pointtrack reads, and check your copies.",
    invoke_without_command=True,
    rich_markup_mode="markdown",
    subcommand_metavar="[NAME | COMMAND ...]",
)


@app.callback()
def _list(
    context: typer.Context,
    json: JsonOption = False,
) -> None:
    """List the data sets: what they are, how large, and under which licence.

    Examples:

    - `pointtrack data`
    - `pointtrack data badja`
    - `pointtrack data check tapvid-davis ~/data/tapvid_davis`
    - `pointtrack data build tapvid-kinetics tapvid_kinetics.csv ~/kinetics/val --out built`
    """
    if context.invoked_subcommand is not None:
        return
    if json:
        typer.echo(json_module.dumps([card.to_dict() for card in CARDS.values()], indent=2))
        return
    show(_table(list(CARDS.values())))
    own = " and ".join(OWN_SETS)
    messages.print(
        f"Our own, evaluated by name alone: {own}.\n"
        "`pointtrack data NAME` tells where to get one, and how it must lie on the disk.",
        highlight=False,
    )


@app.command(name="card", hidden=True)
def card(
    name: Annotated[
        str,
        typer.Argument(show_default=False, help="A data set.", autocompletion=lambda: list(CARDS)),
    ],
    json: JsonOption = False,
) -> None:
    """Show all that is known of one data set: where to get it and how it must lie on the disk."""
    chosen = card_named(name)
    if json:
        typer.echo(json_module.dumps(chosen.to_dict(), indent=2))
    else:
        show(_card(chosen))


@app.command()
def check(
    name: Annotated[
        str,
        typer.Argument(show_default=False, help="A data set.", autocompletion=lambda: list(CARDS)),
    ],
    path: Annotated[Path, typer.Argument(show_default=False, help="Your copy.")],
    deep: Annotated[
        bool, typer.Option("--deep", help="Decode every frame and every map, too. Slow.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Look through a copy of a data set and name everything that is missing or broken.

    Every annotation is read and held against its video, and every file must be there. The exit
    status is 1 when something is wrong.

    Examples:

    - `pointtrack data check badja ~/data/BADJA`
    - `pointtrack data check pointodyssey ~/data/pointodyssey/val --deep --json`
    """
    chosen = card_named(name)
    data = open_dataset(path, name)
    problems = []
    for problem in _problems(data, chosen, deep):
        problems.append(problem)
        if not json:  # at once: a large copy takes hours
            typer.echo(f"{problem.name}: {problem.message}")
    found = _clips(data)
    if json:
        content = {
            "name": name,
            "path": str(path),
            "deep": deep,
            "clips": found,
            "expected_clips": chosen.expected,
            "problems": [vars(problem) for problem in problems],
        }
        typer.echo(json_module.dumps(content, indent=2))
    else:
        typer.echo(_verdict(path, found, problems))
    if problems:
        raise typer.Exit(1)


@app.command()
def build(
    name: Annotated[
        str, typer.Argument(show_default=False, help=f"What to build: {', '.join(_BUILDS)}.")
    ],
    csv: Annotated[
        Path, typer.Argument(metavar="CSV", show_default=False, help="tapvid_kinetics.csv.")
    ],
    clips: Annotated[
        Path, typer.Argument(show_default=False, help="The folder with the clips anywhere below.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", show_default=False, help="The folder for the pickles.")
    ],
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Build TAP-Vid-Kinetics' pickles from its CSV and a folder of Kinetics' clips.

    Clips that are missing or broken are named and left out; then the exit status is 1. The same
    command goes on where it was stopped. `pointtrack evaluate tapvid-kinetics` also reads the
    CSV and the clips directly, without building.

    Example:

    - `pointtrack data build tapvid-kinetics tapvid_kinetics.csv ~/kinetics/val --out built`
    """
    if name not in _BUILDS:
        raise PointtrackError(f"only {', '.join(_BUILDS)} is built, found {name!r}")
    finished = 0
    with progress_bar("Building", quiet) as bar:

        def report(number: int, total: int) -> None:
            nonlocal finished
            finished = number
            bar(number * FRAMES, total * FRAMES)

        try:
            done = build_kinetics(csv, clips, out, progress=report)
        except KeyboardInterrupt as stop:
            raise Interrupted(
                f"Interrupted after {finished} clips; the same command goes on with the files "
                "that are not there yet."
            ) from stop
    left_out = [*done.missing, *(problem.name for problem in done.broken)]
    if json:
        typer.echo(json_module.dumps(_build_to_dict(done), indent=2))
    else:
        for problem in done.broken:
            typer.echo(f"{problem.name}: {problem.message}")
        for clip in done.missing:
            typer.echo(f"{clip}: not below {clips}")
        typer.echo(
            f"{out}: {len(done.written)} files written, {len(done.kept)} were there, "
            f"{len(left_out)} clips left out"
        )
    if left_out:
        raise typer.Exit(1)


def _build_to_dict(done: BuildReport) -> dict[str, Any]:
    return {
        "written": [str(path) for path in done.written],
        "kept": [str(path) for path in done.kept],
        "missing": done.missing,
        "broken": [vars(problem) for problem in done.broken],
    }


def _problems(data: Dataset, chosen: DatasetCard, deep: bool) -> Iterator[Problem]:
    yield from data.check(deep)
    found = _clips(data)
    if chosen.expected is not None and found != chosen.expected:
        yield Problem(data.name, f"it has {found} clips, expected {chosen.expected}")


def _clips(data: Dataset) -> int:
    """How many there are, after a check has gone through them."""
    found = data.count()
    return sum(1 for _ in data.entries()) if found is None else found


def _verdict(path: Path, found: int, problems: list[Problem]) -> str:
    clips = f"{found} {'clip' if found == 1 else 'clips'}"
    if not problems:
        return f"{path}: {clips}, nothing is wrong"
    return f"{path}: {clips}, {len(problems)} {'problem' if len(problems) == 1 else 'problems'}"


def _table(cards: list[DatasetCard]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("data set", no_wrap=True)
    for heading in ("what it shows", "clips", "download", "licence", "use at work"):
        table.add_column(heading)
    for use, title in (("benchmark", "benchmarks"), ("training", "for training")):
        table.add_row(f"[bold]{title}[/]")
        for one in (card for card in cards if card.use == use):
            table.add_row(
                f"  {one.name}",
                escape(one.summary),
                escape(one.clips),
                escape(one.download),
                escape(one.licence),
                _use_at_work(one),
            )
    return table


def _card(one: DatasetCard) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    rows = {
        "name": f"{one.name} ({one.title})",
        "what it shows": one.summary,
        "used for": one.use,
        "clips": one.clips,
        "frames": one.frames,
        "download": one.download,
        "licence": one.licence,
        "use at work": _use_at_work(one),
        "source": one.source,
        "layout": one.layout,
        "paper": one.paper or "none",
        "points": f"query mode {one.query_mode}, protocol {one.protocol}",
        "check a copy": f"pointtrack data check {one.name} PATH",
        "evaluate": f"pointtrack evaluate {one.name} PATH --model klt",
    }
    if one.name == "davis":
        rows.pop("evaluate")  # it has no tracks
    for key, value in rows.items():
        table.add_row(f"[bold]{key}[/]", escape(value))
    return table


def _use_at_work(one: DatasetCard) -> str:
    return {True: "yes", False: "no", None: "see source"}[one.commercial]
