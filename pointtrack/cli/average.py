"""``pointtrack average``: the mean of several training runs' weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def average(
    weights: Annotated[
        list[Path],
        typer.Argument(show_default=False, help="Safetensors of runs with the same beginning."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", show_default=False, help="Where to write.")],
) -> None:
    """Average the compact tracker's weights over training runs.

    Runs that began at the same weights, with other seeds or other clips, make better weights
    together than alone. One that is named twice counts twice. What confidence means is kept from
    the first: measure it again with `pointtrack calibrate`.

    Example: `pointtrack average one.safetensors other.safetensors --out both.safetensors`
    """
    from pointtrack.errors import PointtrackError
    from pointtrack.training import averaging

    if len(weights) < 2:
        raise PointtrackError("average needs the weights of two runs or more")
    averaging.average(weights, out)
