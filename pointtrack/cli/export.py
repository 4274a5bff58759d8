"""``pointtrack export``: a network as an ONNX file."""

from __future__ import annotations

import json as json_module
import os
from pathlib import Path
from typing import Annotated

import typer

from pointtrack.cli.shared import JsonOption, messages, parse_options


def export(
    model: Annotated[
        str, typer.Argument(show_default=False, help="The model; see docs/onnx.md for which.")
    ],
    target: Annotated[Path, typer.Argument(show_default=False, help="The .onnx file to write.")],
    weights: Annotated[
        str | None, typer.Option("--weights", help="A file or a name, as for `track`.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="An option of the model, fixed in the file; repeatable."
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(help="Track a short video with the file and with PyTorch, and compare."),
    ] = True,
    json: JsonOption = False,
) -> None:
    """Write a network as an ONNX file, for `pointtrack track -m FILE.onnx` and other programs.

    The number of points is free; what else is free and what is fixed is told in docs/onnx.md.

    With --json, the keys are model, file, bytes, pixels (how far positions were from PyTorch's,
    at most), confidence (the same) and visible (the share that agreed); null without a check.

    Examples:

    - `pointtrack export causal_tapir tapir.onnx --weights causal_tapir_checkpoint.pt`
    - `pointtrack export locotrack_base loco.onnx --weights official`
    - `pointtrack track clip.mp4 --model tapir.onnx`
    """
    from pointtrack.export import export_onnx

    found = export_onnx(model, target, weights, check=check, **parse_options(option or []))
    size = os.path.getsize(target)
    if json:
        names = ("pixels", "confidence", "visible")
        compared = {name: getattr(found, name, None) for name in names}
        typer.echo(
            json_module.dumps({"model": model, "file": str(target), "bytes": size, **compared})
        )
        return
    said = "not compared with PyTorch"
    if found is not None:
        said = f"positions within {found.pixels:.2g} px of PyTorch's"
    messages.print(f"{target}: {size / 1e6:,.1f} MB, {said}", markup=False, highlight=False)
