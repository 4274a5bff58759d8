"""``pointtrack view``: draw tracks on their video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pointtrack import formats
from pointtrack.cli.dense import (
    BoxOption,
    PaintOption,
    ShowOption,
    check_drawing,
    make_dense_pictures,
)
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
from pointtrack.dense import DenseTracks
from pointtrack.dense_files import SUFFIX, is_dense
from pointtrack.errors import PointtrackError
from pointtrack.video import open_finite


def view(
    video: Annotated[
        str, typer.Argument(show_default=False, help="The video: what `pointtrack track` takes.")
    ],
    tracks: Annotated[
        Path,
        typer.Argument(
            show_default=False,
            help="Its tracks, in any format that is read, or the folder that `dense` wrote.",
        ),
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
    show: ShowOption = "grid",
    box: BoxOption = None,
    paint: PaintOption = None,
    quiet: QuietOption = False,
) -> None:
    """Draw tracks on their video: an overlay, a contact sheet, a plot.

    Discs are visible points and hollow rings occluded ones; a disc shrinks as the tracker
    gets less sure.

    Examples:

    - `pointtrack view clip.mp4 clip.tracks.csv`
    - `pointtrack view clip.mp4 clip.tracks.csv --sheet sheet.png --plot plot.svg`
    - `pointtrack view clip.mp4 clip.tracks.csv --out big.mp4 --scale 2 --colour identity`
    - `pointtrack view clip.mp4 clip.dense --show patch --box 200,80,320,200`
    """
    if is_dense(tracks):
        _view_dense(video, tracks, out, sheet, plot, show, box, paint, quiet)
        return
    if (show, box, paint) != ("grid", None, None):
        raise PointtrackError(f"--show, --box and --paint are for dense tracks, not for {tracks}")
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


def _view_dense(
    video: str,
    folder: Path,
    out: Path | None,
    sheet: Path | None,
    plot: Path | None,
    show: str,
    box: str | None,
    paint: Path | None,
    quiet: bool,
) -> None:
    if plot is not None:
        raise PointtrackError("--plot is for tracks of points, not for dense ones")
    if out is None and sheet is None:
        out = folder.with_name(f"{folder.name.removesuffix(SUFFIX)}.{show}.mp4")
    check_drawing(out, sheet, show, box, paint)
    check_distinct({"the video": video, "the paint": paint}, out, sheet)
    opened = open_finite(video)
    drawn = DenseTracks.load(folder)
    make_dense_pictures(opened, drawn, out, sheet, show, box, paint, quiet)
    for path in (out, sheet):
        if path is not None:
            typer.echo(path)


def _beside(tracks: Path) -> Path:
    """``clip.overlay.mp4`` beside ``clip.tracks.csv``."""
    suffixes = formats.find(tracks).suffixes
    known = max((s for s in suffixes if tracks.name.lower().endswith(s)), key=len)
    stem = tracks.name[: -len(known)].removesuffix(".tracks")
    return tracks.parent / f"{stem or 'video'}.overlay.mp4"
