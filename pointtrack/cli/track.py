"""``pointtrack track``: follow points through a video."""

from __future__ import annotations

import json as json_module
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from pointtrack import formats, queries
from pointtrack.cli.pictures import (
    PICTURES,
    ColourOption,
    PlotOption,
    ScaleOption,
    SheetOption,
    TrailOption,
    check_distinct,
    check_place,
    check_targets,
    make_pictures,
    make_style,
)
from pointtrack.cli.shared import (
    Interrupted,
    JsonOption,
    ModelOption,
    QuietOption,
    messages,
    parse_numbers,
    parse_options,
    progress_bar,
)
from pointtrack.errors import PointtrackError, QueryError, require
from pointtrack.queries import QueryLike
from pointtrack.trackers import DEFAULT_MODEL, load
from pointtrack.tracks import Tracks
from pointtrack.video import Video, open_finite

_DEFAULT_GRID = 20


_MOST = 1_000_000  # points
_POINTS, _MODEL = "Points", "Model"  # headings in the help text


def track(
    video: Annotated[
        str,
        typer.Argument(
            show_default=False,
            help="A video file, a folder of pictures, a quoted glob, or an http address.",
        ),
    ],
    model: ModelOption = DEFAULT_MODEL,
    weights: Annotated[
        str | None,
        typer.Option(
            "--weights",
            help="For models that learn: a file or a name.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(
            metavar="N or CxR", help="A grid of points. [default: 20]", rich_help_panel=_POINTS
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            metavar="T,X,Y",
            help="One point: frame, x, y; may be repeated.",
            rich_help_panel=_POINTS,
        ),
    ] = None,
    query_file: Annotated[
        Path | None,
        typer.Option(
            "--queries",
            help="A CSV (t,x,y[,name]) or JSON file of points.",
            rich_help_panel=_POINTS,
        ),
    ] = None,
    corners: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=_MOST,
            help="The N best corners of a frame.",
            rich_help_panel=_POINTS,
        ),
    ] = None,
    sift: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=_MOST, help="The N best SIFT points.", rich_help_panel=_POINTS
        ),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=_MOST, help="N random points.", rich_help_panel=_POINTS
        ),
    ] = None,
    frame: Annotated[
        int,
        typer.Option(
            metavar="T",
            min=0,
            help="The frame that made-up points lie on.",
            rich_help_panel=_POINTS,
        ),
    ] = 0,
    margin: Annotated[
        float | None,
        typer.Option(help="Pixels between a grid and the picture's edge.", rich_help_panel=_POINTS),
    ] = None,
    box: Annotated[
        str | None,
        typer.Option(
            metavar="X0,Y0,X1,Y1", help="Only a grid in this box.", rich_help_panel=_POINTS
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Only points on this picture's non-black pixels.", rich_help_panel=_POINTS
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="For random points.", rich_help_panel=_POINTS)
    ] = 0,
    forward: Annotated[
        bool, typer.Option("--forward", help="Do not look at frames before a point's query.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The track file (its suffix picks the format), or a folder for track file and "
            "overlay. [default: VIDEO.tracks.csv and VIDEO.overlay.mp4 beside the video]",
            show_default=False,
        ),
    ] = None,
    overlay: Annotated[
        Path | None,
        typer.Option(help="Write the video with its tracks drawn on it.", rich_help_panel=PICTURES),
    ] = None,
    sheet: SheetOption = None,
    plot: PlotOption = None,
    colour: ColourOption = "position",
    trail: TrailOption = 20,
    scale: ScaleOption = 1.0,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An option of the model; may be repeated.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=_MODEL)
    ] = "auto",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Follow points through a video.

    Without options: a grid of 20 by 20 points on the first frame; the tracks as a CSV file
    and an overlay are written beside the video.

    Coordinates are pixels, and the centre of the top-left pixel is 0,0.

    With --json, the keys are video, model, points, frames, size (width, height), fps, seconds
    (of tracking), visible (the share of points and frames, 0 to 1) and files.

    Examples:

    - `pointtrack track clip.mp4`
    - `pointtrack track clip.mp4 --point 0,310.5,122 --point 0,40,60 --out tracks.json`
    - `pointtrack track clip.mp4 --grid 30x20 --mask person.png --overlay person.mp4`
    - `pointtrack track "frames/*.png" --queries points.csv --model klt --out shot.nk`
    """
    asked = _queries(grid, point, query_file, corners, sift, random, frame, margin, box, mask, seed)
    style = make_style(colour, trail, scale)
    target, drawn = _targets(video, out, overlay, pictures=sheet is not None or plot is not None)
    _check_track_file(target)
    check_targets(drawn, sheet, plot)
    read = {"the video": video, "the mask": mask, "the query file": query_file}
    check_distinct({**read, "the weights": weights}, target, drawn, sheet, plot)
    tracker = load(model, weights, device, **parse_options(option or []))
    opened = open_finite(video)
    began = time.perf_counter()
    with progress_bar(f"tracking with {model}", quiet) as progress:
        tracks = tracker.track(opened, asked, both_ways=not forward, progress=progress)
    seconds = time.perf_counter() - began
    tracks.save(target)
    try:
        make_pictures(opened, tracks, style, drawn, sheet, plot, quiet)
    except PointtrackError as problem:
        raise PointtrackError(f"{problem}; the tracks are in {target}") from problem
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted; the tracks are in {target}.") from None
    files = [str(path) for path in (target, drawn, sheet, plot) if path is not None]
    _report(opened, tracks, model, seconds, files, json)


def _queries(
    grid: str | None,
    point: list[str] | None,
    query_file: Path | None,
    corners: int | None,
    sift: int | None,
    random: int | None,
    frame: int,
    margin: float | None,
    box: str | None,
    mask: Path | None,
    seed: int,
) -> QueryLike:
    kinds = {
        "--grid": grid,
        "--point": point or None,
        "--queries": query_file,
        "--corners": corners,
        "--sift": sift,
        "--random": random,
    }
    given = [name for name, value in kinds.items() if value is not None]
    if len(given) > 1:
        raise QueryError(f"points come from one of {', '.join(given)}, not from several")
    if (box is not None or margin is not None) and given not in ([], ["--grid"]):
        raise QueryError(f"--box and --margin go with --grid, not with {given[0]}")
    if mask is not None and given and given[0] in ("--point", "--queries"):
        raise QueryError(f"--mask goes with points that are made up, not with {given[0]}")
    if frame and given and given[0] in ("--point", "--queries"):
        raise QueryError(f"--frame goes with points that are made up, not with {given[0]}")
    if seed and given != ["--random"]:
        raise QueryError("--seed goes with --random")
    if mask is not None and not mask.is_file():
        raise QueryError(f"there is no mask {mask}")
    if point:
        rows = [parse_numbers(text, 3, "--point") for text in point]
        return queries.Queries(rows)  # type: ignore[arg-type]
    if query_file is not None:
        return query_file
    if corners is not None:
        return queries.corners(corners, frame, mask=mask)
    if sift is not None:
        return queries.sift(sift, frame, mask=mask)
    if random is not None:
        return queries.random(random, frame, seed=seed, mask=mask)
    area: Any = None if box is None else parse_numbers(box, 4, "--box")
    return queries.grid(_grid_size(grid), frame, margin=margin, box=area, mask=mask)


def _grid_size(text: str | None) -> tuple[int, int]:
    if text is None:
        return _DEFAULT_GRID, _DEFAULT_GRID
    columns, by, rows = text.lower().partition("x")
    if not columns.isdecimal() or (by and not rows.isdecimal()):
        raise QueryError(f"--grid is a number such as 20, or 30x20, found {text!r}")
    sides = (int(columns), int(rows if by else columns))
    if sides[0] * sides[1] > _MOST:
        raise QueryError(f"--grid {text} is more than {_MOST:,} points")
    return sides


def _targets(
    video: str, out: Path | None, overlay: Path | None, pictures: bool
) -> tuple[Path, Path | None]:
    """Where the tracks and the overlay go."""
    if out is not None and not out.is_dir():
        if not out.suffix:
            raise PointtrackError(f"{out} is no folder, and without a suffix no track file either")
        return out, overlay
    stem = stem_of(video)
    folder = folder_of(video) if out is None else out
    if overlay is None and not pictures:
        overlay = folder / f"{stem}.overlay.mp4"
    return folder / f"{stem}.tracks.csv", overlay


def _check_track_file(path: Path) -> None:
    """Find out before any work is done whether the tracks can be written."""
    chosen = formats.find(path)
    if not chosen.can_write:
        raise PointtrackError(f"cannot write {path}: this format can only be read")
    if chosen.name == "parquet":
        require("pandas", "table")
        require("pyarrow", "table")
    check_place(path)


def stem_of(video: str) -> str:
    """What results of a video are called, without their suffix."""
    place = Path(video.partition("?")[0] if "://" in video else video)
    for name in (place.stem, place.parent.name):  # frames/*.png: frames
        plain = "".join(letter for letter in name if letter not in '*?[]<>:"|%').strip("._- ")
        if plain:
            return plain
    return "video"


def folder_of(video: str) -> Path:
    """The video's folder, or where we are when nothing can be written there."""
    folder = Path(video).parent
    if "://" in video or not folder.is_dir():
        return Path()
    if not os.access(folder, os.W_OK):
        messages.print(f"{folder} cannot be written to; the results go to the current folder")
        return Path()
    return folder


def _report(
    video: Video, tracks: Tracks, model: str, seconds: float, files: list[str], json: bool
) -> None:
    share = float(tracks.visible.mean())
    if json:
        answer = {
            "video": video.name,
            "model": model,
            "points": len(tracks),
            "frames": tracks.num_frames,
            "size": list(tracks.size),
            "fps": float(tracks.fps),
            "seconds": round(seconds, 3),
            "visible": round(share, 4),
            "files": files,
        }
        typer.echo(json_module.dumps(answer, indent=2))
        return
    rate = tracks.num_frames / seconds if seconds > 0 else 0.0
    typer.echo(
        f"{len(tracks)} points in {tracks.num_frames} frames with {model}: {seconds:.1f} s "
        f"({rate:.1f} frames/s), visible {share:.0%} of the time"
    )
    for path in files:
        typer.echo(path)
