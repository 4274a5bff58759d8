"""What commands share: consoles, progress bars, common options."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from pointtrack import trackers
from pointtrack.errors import PointtrackError
from pointtrack.trackers import Progress

# Answers go to standard output, everything about the work to standard error.
console = Console()
messages = Console(stderr=True)

_WIDE = 160  # characters


def _model_names() -> list[str]:
    return [card.name for card in trackers.models()]


JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON instead of a table.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress bar.")]
ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="The tracker; `pointtrack models` lists them.",
        autocompletion=_model_names,
    ),
]


class Interrupted(Exception):
    """Ctrl-C, with a sentence about what was saved before."""


def show(table: Table) -> None:
    """Print a table; into a file or pipe at its full width."""
    (console if console.is_terminal else Console(width=_WIDE)).print(table)


@contextmanager
def progress_bar(description: str, quiet: bool = False) -> Iterator[Progress]:
    """A bar with the number of frames, their rate and the time left, on standard error.

    Yields
    ------
    callable
        Takes (frames done, frames in all). With ``quiet`` and where nobody watches (standard
        error is no terminal) nothing is shown.
    """
    bars = Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[left]}"),
        console=messages,
        transient=True,
        # Rich takes a coloured log (FORCE_COLOR) for a terminal; nobody watches a bar there.
        disable=quiet or not sys.stderr.isatty(),
    )
    with bars:
        task = bars.add_task(description, total=None, rate="", left="")

        def report(done: int, total: int) -> None:
            speed = bars.tasks[0].speed
            rate, left = (f"{speed:.3g} frames/s", "left") if speed else ("", "")
            bars.update(task, completed=done, total=total, rate=rate, left=left)

        yield report


def parse_options(given: Sequence[str]) -> dict[str, Any]:
    """Options of a model, each ``name=value``, as `pointtrack.load` takes them.

    Numbers, ``true``, ``false``, ``none`` and tuples such as ``(1, 2)`` become these; other
    values stay text.

    Raises
    ------
    PointtrackError
        When one is not of this form, or a name comes twice.
    """
    options: dict[str, Any] = {}
    for item in given:
        name, equals, text = item.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name.isidentifier():
            raise PointtrackError(f"a model's option is name=value, found {item!r}")
        if name in options:
            raise PointtrackError(f"the option {name} is given twice")
        options[name] = _value(text.strip())
    return options


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def parse_size(text: str) -> tuple[int, int]:
    """``"1920x1080"`` as (width, height).

    Raises
    ------
    PointtrackError
        When it is not of this form.
    """
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise PointtrackError(f"a size is WIDTHxHEIGHT such as 1920x1080, found {text!r}")
    return int(width), int(height)


def parse_numbers(text: str, count: int, what: str) -> tuple[float, ...]:
    """``"1,2.5,3"`` as ``count`` numbers; ``what`` names them in the error."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise PointtrackError(f"{what} is {count} numbers with commas between, found {text!r}")
    return numbers
