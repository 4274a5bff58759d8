"""``pointtrack train``: train the compact tracker."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from pointtrack.cli.shared import Interrupted, QuietOption, progress_bar


def train(
    config: Annotated[Path, typer.Argument(show_default=False, help="The run's TOML file.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", show_default=False, help="The run's folder; a run in it is gone on with."
        ),
    ],
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0, help="Stop after so long; the same command goes on."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Train the compact tracker, or go on training it, into a folder.

    The folder gets checkpoints (`last.pt`), averaged weights (`weights.safetensors`, which
    `pointtrack track --model compact --weights` takes), and the curves as CSV and for
    TensorBoard. The same command goes on where it was stopped.

    Examples:

    - `pointtrack train configs/compact-gpu-1.toml --out runs/compact`
    - `torchrun --nproc-per-node 4 -m pointtrack train configs/compact-gpu-1.toml --out runs/big`
    """
    from pointtrack.training.run_config import read_config
    from pointtrack.training.supervised import train as run

    settings = read_config(config)
    seconds = math.inf if minutes is None else 60 * minutes
    done = 0
    with progress_bar("Training", quiet) as bar:

        def report(step: int, steps: int) -> None:
            nonlocal done
            done = step
            bar(step, steps)

        try:
            step = run(settings, out, device, report, seconds)
        except KeyboardInterrupt as stop:
            raise Interrupted(
                f"Interrupted at step {done} of {settings.steps}; the same command goes on."
            ) from stop
    weights = out / "weights.safetensors"
    typer.echo(f"{out}: {step} of {settings.steps} steps done, weights in {weights}")
