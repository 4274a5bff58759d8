"""``pointtrack view``: draw tracks on their video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pointtrack import formats
from pointtrack.cli.pictures import (
    ColourOption,
    PlotOption,
    ScaleOption,
    SheetOption,
    TrailOption,
    check_targets,
    make_pictures,
    make_style,
)
from pointtrack.cli.shared import QuietOption
from pointtrack.video import open_finite


def view(
    video: Annotated[str, typer.Argument(help="The video.", show_default=False)],
    tracks: Annotated[Path, typer.Argument(help="Its tracks, any format.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The overlay; default: beside the tracks, unless --sheet or --plot is given.",
        ),
    ] = None,
    sheet: SheetOption = None,
    plot: PlotOption = None,
    colour: ColourOption = "position",
    trail: TrailOption = 20,
    scale: ScaleOption = 1.0,
    quiet: QuietOption = False,
) -> None:
    """Draw tracks on their video: an overlay, a contact sheet, a plot.

    Discs are visible points and hollow rings occluded ones; a disc shrinks as the tracker
    gets less sure.

    Examples:

        pointtrack view clip.mp4 clip.tracks.csv

        pointtrack view clip.mp4 clip.tracks.csv --sheet sheet.png --plot plot.svg

        pointtrack view clip.mp4 clip.tracks.csv --out big.mp4 --scale 2 --colour identity
    """
    if out is None and sheet is None and plot is None:
        out = tracks.with_name(f"{tracks.name.partition('.')[0]}.overlay.mp4")
    style = make_style(colour, trail, scale)
    check_targets(out, sheet, plot)
    opened = open_finite(video)
    drawn = formats.read(tracks, size=opened.size, fps=opened.fps)
    make_pictures(opened, drawn, style, out, sheet, plot, quiet)
    for path in (out, sheet, plot):
        if path is not None:
            typer.echo(path)
