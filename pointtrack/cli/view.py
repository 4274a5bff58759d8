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
    check_distinct,
    check_targets,
    make_pictures,
    make_style,
)
from pointtrack.cli.shared import QuietOption
from pointtrack.video import open_finite


def view(
    video: Annotated[
        str, typer.Argument(show_default=False, help="The video: what `pointtrack track` takes.")
    ],
    tracks: Annotated[
        Path, typer.Argument(show_default=False, help="Its tracks, in any format that is read.")
    ],
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

    - `pointtrack view clip.mp4 clip.tracks.csv`
    - `pointtrack view clip.mp4 clip.tracks.csv --sheet sheet.png --plot plot.svg`
    - `pointtrack view clip.mp4 clip.tracks.csv --out big.mp4 --scale 2 --colour identity`
    """
    if out is None and sheet is None and plot is None:
        out = _beside(tracks)
    style = make_style(colour, trail, scale)
    check_targets(out, sheet, plot)
    check_distinct({"the video": video, "the track file": tracks}, out, sheet, plot)
    opened = open_finite(video)
    drawn = formats.read(tracks, size=opened.size, fps=opened.fps)
    make_pictures(opened, drawn, style, out, sheet, plot, quiet)
    for path in (out, sheet, plot):
        if path is not None:
            typer.echo(path)


def _beside(tracks: Path) -> Path:
    """``clip.overlay.mp4`` beside ``clip.tracks.csv``."""
    suffixes = formats.find(tracks).suffixes
    known = max((s for s in suffixes if tracks.name.lower().endswith(s)), key=len)
    stem = tracks.name[: -len(known)].removesuffix(".tracks")
    return tracks.parent / f"{stem or 'video'}.overlay.mp4"
