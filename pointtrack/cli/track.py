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
    ColourOption,
    PlotOption,
    ScaleOption,
    SheetOption,
    TrailOption,
    check_folder,
    check_targets,
    make_pictures,
    make_style,
)
from pointtrack.cli.shared import (
    JsonOption,
    ModelOption,
    QuietOption,
    messages,
    parse_numbers,
    parse_options,
    progress_bar,
)
from pointtrack.errors import PointtrackError, QueryError
from pointtrack.queries import QueryLike
from pointtrack.trackers import DEFAULT_MODEL, load
from pointtrack.tracks import Tracks
from pointtrack.video import Video, open_finite

_DEFAULT_GRID = 20


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
        str | None, typer.Option("--weights", help="For models that learn: a file or a name.")
    ] = None,
    grid: Annotated[
        str | None,
        typer.Option(metavar="N or CxR", help="A grid of points. [default: 20]"),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(metavar="T,X,Y", help="One point; may be repeated."),
    ] = None,
    query_file: Annotated[
        Path | None, typer.Option("--queries", help="A CSV (t,x,y[,name]) or JSON file of points.")
    ] = None,
    corners: Annotated[int | None, typer.Option(help="The N best corners of a frame.")] = None,
    sift: Annotated[int | None, typer.Option(help="The N best SIFT key points.")] = None,
    random: Annotated[int | None, typer.Option(help="N random points.")] = None,
    frame: Annotated[int, typer.Option(help="The frame that made-up points lie on.")] = 0,
    margin: Annotated[
        float | None, typer.Option(help="Pixels between a grid and the picture's edge.")
    ] = None,
    box: Annotated[
        str | None, typer.Option(metavar="X0,Y0,X1,Y1", help="Only a grid in this box.")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="Only points on this picture's non-black pixels.")
    ] = None,
    seed: Annotated[int, typer.Option(help="For random points.")] = 0,
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
        Path | None, typer.Option(help="Write the video with its tracks drawn on it.")
    ] = None,
    sheet: SheetOption = None,
    plot: PlotOption = None,
    colour: ColourOption = "position",
    trail: TrailOption = 20,
    scale: ScaleOption = 1.0,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the model; may be repeated."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Follow points through a video.

    Without options: a grid of 20 by 20 points on the first frame; the tracks as a CSV file
    and an overlay are written beside the video.

    Coordinates are pixels, and the centre of the top-left pixel is 0,0.

    Examples:

        pointtrack track clip.mp4

        pointtrack track clip.mp4 --point 0,310.5,122 --point 0,40,60 --out tracks.json

        pointtrack track clip.mp4 --grid 30x20 --mask person.png --overlay person.mp4

        pointtrack track "frames/*.png" --queries points.csv --model klt --out shot.nk
    """
    asked = _queries(grid, point, query_file, corners, sift, random, frame, margin, box, mask, seed)
    style = make_style(colour, trail, scale)
    target, drawn = _targets(video, out, overlay, pictures=sheet is not None or plot is not None)
    if not formats.find(target).can_write:
        raise PointtrackError(f"cannot write {target}: this format can only be read")
    check_folder(target)
    check_targets(drawn, sheet, plot)
    tracker = load(model, weights, device, **parse_options(option or []))
    opened = open_finite(video)
    began = time.perf_counter()
    with progress_bar(f"tracking with {model}", quiet) as progress:
        tracks = tracker.track(opened, asked, both_ways=not forward, progress=progress)
    seconds = time.perf_counter() - began
    tracks.save(target)
    make_pictures(opened, tracks, style, drawn, sheet, plot, quiet)
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


def _grid_size(text: str | None) -> int | tuple[int, int]:
    if text is None:
        return _DEFAULT_GRID
    columns, by, rows = text.lower().partition("x")
    if not columns.isdigit() or (by and not rows.isdigit()):
        raise QueryError(f"--grid is a number such as 20, or 30x20, found {text!r}")
    return (int(columns), int(rows)) if by else int(columns)


def _targets(
    video: str, out: Path | None, overlay: Path | None, pictures: bool
) -> tuple[Path, Path | None]:
    """Where the tracks and the overlay go."""
    if out is not None and not out.is_dir():
        return out, overlay
    stem = _stem(video)
    folder = _beside(video) if out is None else out
    if overlay is None and not pictures:
        overlay = folder / f"{stem}.overlay.mp4"
    return folder / f"{stem}.tracks.csv", overlay


def _stem(video: str) -> str:
    name = Path(video.partition("?")[0].rstrip("/")).name
    plain = "".join(letter for letter in Path(name).stem if letter not in '*?[]<>:"|%')
    return plain.strip("._- ") or "video"


def _beside(video: str) -> Path:
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
