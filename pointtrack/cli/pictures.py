"""Options that `track` and `view` share: which pictures to make, and how they look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from pointtrack.cli.shared import progress_bar
from pointtrack.errors import PointtrackError, VideoError, require
from pointtrack.tracks import Tracks
from pointtrack.video import Video, check_video_suffix
from pointtrack.view import Style, contact_sheet, draw, plot_tracks
from pointtrack.view.style import ColourBy

SheetOption = Annotated[
    Path | None, typer.Option("--sheet", help="Write a contact sheet, a PNG of 12 frames.")
]
PlotOption = Annotated[
    Path | None,
    typer.Option("--plot", help="Write a plot of x(t), y(t) and visibility: .png, .svg, .pdf."),
]
ColourOption = Annotated[
    str, typer.Option("--colour", help=f"Colour points by {', '.join(get_args(ColourBy))}.")
]
TrailOption = Annotated[
    int, typer.Option("--trail", min=-1, help="Frames of trail behind a point; -1: all.")
]
ScaleOption = Annotated[
    float, typer.Option("--scale", help="Size of the overlay against the video's.")
]


def make_style(colour: str, trail: int, scale: float) -> Style:
    """The style that the options describe."""
    return Style(colour=colour, trail=None if trail < 0 else trail, scale=scale)  # type: ignore[arg-type]


def check_targets(overlay: Path | None, sheet: Path | None, plot: Path | None) -> None:
    """Find out before any work is done whether the pictures can be written."""
    if overlay is not None:
        check_video_suffix(overlay)
    if plot is not None:
        require("matplotlib", "view")
    if sheet is not None and sheet.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise PointtrackError(f"cannot write {sheet}: a contact sheet ends in .png or .jpg")
    for path in (overlay, sheet, plot):
        if path is not None:
            check_folder(path)


def check_folder(path: Path) -> None:
    """Raise unless a file can be put at ``path``."""
    if path.is_dir():
        raise VideoError(f"cannot write {path}: it is a folder")
    if not path.parent.is_dir():
        raise VideoError(f"cannot write {path}: the folder {path.parent} does not exist")


def make_pictures(
    video: Video,
    tracks: Tracks,
    style: Style,
    overlay: Path | None,
    sheet: Path | None,
    plot: Path | None,
    quiet: bool,
) -> None:
    """Write the pictures that were asked for."""
    if overlay is not None:
        with progress_bar("drawing", quiet) as progress:
            draw(video, tracks, overlay, style=style, progress=progress)
    if sheet is not None:
        contact_sheet(video, tracks, sheet)
    if plot is not None:
        plot_tracks(tracks, plot)
