"""Options that `track` and `view` share: which pictures to make, and how they look."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args

import typer

from pointtrack.cli.shared import progress_bar
from pointtrack.errors import PointtrackError, require
from pointtrack.tracks import Tracks
from pointtrack.video import Video, check_video_suffix
from pointtrack.video.pictures import pictures_in
from pointtrack.view import Style, contact_sheet, draw, plot_tracks
from pointtrack.view.figures import check_suffix
from pointtrack.view.style import ColourBy

PICTURES = "Pictures"  # heading of these options in the help text

SheetOption = Annotated[
    Path | None,
    typer.Option(
        "--sheet",
        help="Write a contact sheet of 12 frames: .png or .jpg.",
        rich_help_panel=PICTURES,
    ),
]
PlotOption = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        help="Write a plot of x(t), y(t) and visibility: .png, .svg or .pdf.",
        rich_help_panel=PICTURES,
    ),
]
ColourOption = Annotated[
    str,
    typer.Option(
        "--colour",
        metavar="BY",
        help=f"Colour points by {', '.join(get_args(ColourBy))}.",
        autocompletion=lambda: list(get_args(ColourBy)),
        rich_help_panel=PICTURES,
    ),
]
TrailOption = Annotated[
    int,
    typer.Option(
        "--trail",
        metavar="N",
        min=-1,
        help="Frames of trail behind a point; -1: all.",
        rich_help_panel=PICTURES,
    ),
]
ScaleOption = Annotated[
    float,
    typer.Option(
        "--scale", help="Size of the overlay against the video's.", rich_help_panel=PICTURES
    ),
]


def make_style(colour: str, trail: int, scale: float) -> Style:
    """The style that the options describe."""
    return Style(colour=colour, trail=None if trail < 0 else trail, scale=scale)  # type: ignore[arg-type]


def check_targets(overlay: Path | None, sheet: Path | None, plot: Path | None) -> None:
    """Find out before any work is done whether the pictures can be written."""
    if overlay is not None:
        check_video_suffix(overlay)
    if plot is not None:
        check_suffix(plot)
        require("matplotlib", "view")
    if sheet is not None and sheet.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise PointtrackError(f"cannot write {sheet}: a contact sheet ends in .png or .jpg")
    for path in (overlay, sheet, plot):
        if path is not None:
            check_place(path)


def check_place(path: Path) -> None:
    """Raise unless a file can be put at ``path``."""
    folder = path.parent
    problem = None
    if path.is_dir():
        problem = "it is a folder"
    elif path.exists() and not path.is_file():
        problem = "it is not a regular file"
    elif folder.exists() and not folder.is_dir():
        problem = f"{folder} is not a folder"
    elif not folder.exists():
        problem = f"the folder {folder} does not exist"
    elif not os.access(folder, os.W_OK):
        problem = f"the folder {folder} cannot be written to"
    if problem:
        raise PointtrackError(f"cannot write {path}: {problem}")


def check_distinct(inputs: Mapping[str, Path | str | None], *outputs: Path | None) -> None:
    """Raise when a result would replace another one or something that is read.

    ``inputs`` says what each file is, as in "the video".
    """
    read = {_place(path): what for what, given in inputs.items() for path in _files(given)}
    written: set[str] = set()
    for output in outputs:
        if output is None:
            continue
        place = _place(output)
        if place in read:
            raise PointtrackError(f"cannot write {output}: it is {read[place]}")
        if place in written:
            raise PointtrackError(f"{output} cannot hold two results")
        written.add(place)


def _files(given: Path | str | None) -> list[Path]:
    """The files that an input is made of, a folder of pictures being several."""
    if given is None or "://" in str(given):
        return []
    path = Path(given)
    if path.is_dir():
        return pictures_in(path)
    return [path] if path.exists() else [Path(one) for one in glob.glob(str(given))]


def _place(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


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
