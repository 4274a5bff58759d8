"""The verbs together, and what happens around each: exit status, errors, warnings."""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

import pointtrack
from pointtrack.cli.average import average
from pointtrack.cli.calibrate import calibrate
from pointtrack.cli.compare import compare
from pointtrack.cli.convert import convert
from pointtrack.cli.data import app as data
from pointtrack.cli.dense import dense
from pointtrack.cli.evaluate import evaluate
from pointtrack.cli.export import export
from pointtrack.cli.models import models
from pointtrack.cli.pseudo_label import pseudo_label
from pointtrack.cli.shared import Interrupted, messages
from pointtrack.cli.synth import app as synth
from pointtrack.cli.track import track
from pointtrack.cli.train import train
from pointtrack.cli.tuning import tune
from pointtrack.cli.view import view
from pointtrack.errors import PointtrackError
from pointtrack.files import reason
from pointtrack.video.opencv import quiet_opencv

INTERRUPTED = 130
_TERMINATED = 143

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
_VERBS = (
    track,
    dense,
    view,
    models,
    evaluate,
    compare,
    convert,
    export,
    train,
    calibrate,
    average,
)
for _verb in _VERBS:
    app.command()(_verb)
app.command("pseudo-label")(pseudo_label)
app.add_typer(synth)
app.add_typer(data)


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
    (one sentence on standard error), 130 on Ctrl-C, 143 when told to end.
    """
    tune()
    # As an exception, so that half-written files are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names that are no text
    status = run(sys.argv[1:] if arguments is None else arguments)
    try:
        sys.stdout.flush()
    except OSError:  # said already; what is left must not be tried again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run the command line; returns the exit status."""
    with _own_words():
        try:
            status = typer.main.get_command(app).main(
                arguments or ["--help"], prog_name="pointtrack", standalone_mode=False
            )
            sys.stdout.flush()
        except _UsageError as problem:
            return _say(f"Error: {problem.format_message()}", 2)
        except PointtrackError as problem:
            return _say(f"Error: {problem}", 2)
        except Interrupted as problem:
            return _say(str(problem), INTERRUPTED)
        except (KeyboardInterrupt, typer.Abort):
            status = INTERRUPTED
        except BrokenPipeError:
            return 1  # whoever read the output has seen enough
        except MemoryError as problem:
            return _say(f"Error: there is not enough memory: {problem}".rstrip(" :"), 2)
        except OSError as problem:
            place = problem.filename or "reading or writing failed"
            return _say(f"Error: {place}: {reason(problem)}", 2)
    if status == INTERRUPTED:
        return _say("Interrupted.", INTERRUPTED)
    return status if isinstance(status, int) else 0


@contextmanager
def _own_words() -> Iterator[None]:
    """Show warnings as one line each, and keep OpenCV from printing any of its own."""
    with quiet_opencv(), warnings.catch_warnings():
        warnings.showwarning = _show_warning
        yield


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    _say(f"Warning: {message}")


def _say(text: str, status: int = 0) -> int:
    """Print one line on standard error, whatever a file name or a library put into the text."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    messages.print(line, markup=False, highlight=False, soft_wrap=True)
    return status
