"""The command line: one verb a job, one file a verb."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

import pointtrack
from pointtrack.cli.compare import compare
from pointtrack.cli.convert import convert
from pointtrack.cli.evaluate import evaluate
from pointtrack.cli.models import models
from pointtrack.cli.shared import messages
from pointtrack.cli.track import track
from pointtrack.cli.view import view
from pointtrack.errors import PointtrackError
from pointtrack.files import reason

INTERRUPTED = 130

# Typer brings its own copy of click since 0.20; this is the error class of whichever it uses.
_UsageError: Any = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)

app = typer.Typer(
    name="pointtrack",
    help="Follow any point of a video through time.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _verb in (track, view, models, evaluate, compare, convert):
    app.command()(_verb)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    if version:
        typer.echo(pointtrack.__version__)
        raise typer.Exit


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave the process.

    Exit status: 0 when all went well, 1 when some of several videos failed, 2 on bad input
    (one sentence on standard error), 130 on Ctrl-C.
    """
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            status = typer.main.get_command(app).main(
                arguments, prog_name="pointtrack", standalone_mode=False
            )
        except _UsageError as problem:
            return _say(f"Error: {problem.format_message()}", 2)
        except PointtrackError as problem:
            return _say(f"Error: {problem}", 2)
        except KeyboardInterrupt:
            status = INTERRUPTED
        except BrokenPipeError:
            return 0  # whoever read the output has seen enough
        except OSError as problem:
            return _say(f"Error: {problem.filename or 'file'}: {reason(problem)}", 2)
    if status == INTERRUPTED:
        return _say("Interrupted.", INTERRUPTED)
    return status if isinstance(status, int) else 0


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"Warning: {message}")


def _say(line: str, status: int = 0) -> int:
    messages.print(line, markup=False, highlight=False, soft_wrap=True)
    return status
