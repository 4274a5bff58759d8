"""``pointtrack dense``: follow every pixel of a frame."""

from __future__ import annotations

import json as json_module
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from pointtrack.cli.pictures import check_distinct, check_place
from pointtrack.cli.shared import (
    Interrupted,
    JsonOption,
    QuietOption,
    parse_numbers,
    parse_options,
    progress_bar,
)
from pointtrack.cli.track import folder_of, stem_of
from pointtrack.dense import DenseTracks
from pointtrack.dense_files import SUFFIX
from pointtrack.dense_files import check_place as check_folder
from pointtrack.errors import PointtrackError
from pointtrack.trackers.dense import DEFAULT_DENSE, track_dense
from pointtrack.trackers.dense.by_session import DETAIL
from pointtrack.video import Video, check_video_suffix, open_finite
from pointtrack.view import dense_sheet, draw_dense
from pointtrack.view.dense import read_paint

ShowOption = Annotated[
    str,
    typer.Option(
        "--show",
        metavar="HOW",
        help="Draw a bending grid, the flow's colour wheel, or a painted patch: grid, flow, patch.",
        autocompletion=lambda: ["grid", "flow", "patch"],
    ),
]
BoxOption = Annotated[
    str | None,
    typer.Option(metavar="X0,Y0,X1,Y1", help="The part that is painted. [default: the middle]"),
]
PaintOption = Annotated[
    Path | None, typer.Option(help="A picture to paint with; may be transparent.")
]


def dense(
    video: Annotated[
        str,
        typer.Argument(
            show_default=False,
            help="A video file, a folder of pictures, a quoted glob, or an http address.",
        ),
    ],
    frame: Annotated[
        int, typer.Option(metavar="T", min=0, help="The frame whose pixels are followed.")
    ] = 0,
    model: Annotated[
        str, typer.Option("--model", "-m", help="flow_chain, mft, raft_large, alltracker, dot, ...")
    ] = DEFAULT_DENSE,
    weights: Annotated[
        str | None, typer.Option("--weights", help="For models that learn: a file or a name.")
    ] = None,
    detail: Annotated[
        int,
        typer.Option(
            metavar="N", min=16, help="For chained flow: points along the picture's longer side."
        ),
    ] = DETAIL,
    forward: Annotated[
        bool, typer.Option("--forward", help="Do not look at the frames before.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The folder to write. [default: VIDEO.dense beside the video]",
            show_default=False,
        ),
    ] = None,
    overlay: Annotated[Path | None, typer.Option(help="Write the video with it drawn on.")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of 12 frames: .png or .jpg.")
    ] = None,
    show: ShowOption = "grid",
    box: BoxOption = None,
    paint: PaintOption = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="An option of the model; may be repeated."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Follow every pixel of a frame through a video.

    The result is a folder of NumPy arrays: where each pixel is in every frame, whether it is
    seen, and how sure that is. `pointtrack view` draws it.

    With --json, the keys are video, model, frame, frames, size (width, height), seconds, visible
    (the share of pixels and frames, 0 to 1) and files.

    Examples:

    - `pointtrack dense clip.mp4 --overlay grid.mp4`
    - `pointtrack dense clip.mp4 --frame 40 --model mft --out clip.dense`
    - `pointtrack dense clip.mp4 -m dot --weights official --option tracker=cotracker3_offline
      --option tracker_weights=official`
    """
    target = folder_of(video) / f"{stem_of(video)}{SUFFIX}" if out is None else out
    check_folder(target)
    check_drawing(overlay, sheet, show, box, paint)
    check_distinct({"the video": video, "the weights": weights}, target, overlay, sheet)
    opened = open_finite(video)
    began = time.perf_counter()
    with progress_bar(f"following pixels with {model}", quiet) as progress:
        tracks = track_dense(
            opened,
            frame,
            model,
            weights,
            out=target,
            device=device,
            detail=detail,
            both_ways=not forward,
            progress=progress,
            **parse_options(option or []),
        )
    seconds = time.perf_counter() - began
    try:
        make_dense_pictures(opened, tracks, overlay, sheet, show, box, paint, quiet)
    except PointtrackError as problem:
        raise PointtrackError(f"{problem}; the tracks are in {target}") from problem
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted; the tracks are in {target}.") from None
    files = [str(path) for path in (target, overlay, sheet) if path is not None]
    _report(opened, tracks, model, seconds, files, json)


def check_drawing(
    overlay: Path | None, sheet: Path | None, show: str, box: str | None, paint: Path | None
) -> None:
    """Find out before any work is done whether the pictures can be made."""
    if show not in ("grid", "flow", "patch"):
        raise PointtrackError(f"--show is grid, flow or patch, found {show!r}")
    if show != "patch" and (box is not None or paint is not None):
        raise PointtrackError("--box and --paint go with --show patch")
    if overlay is not None:
        check_video_suffix(overlay)
    if sheet is not None and sheet.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise PointtrackError(f"cannot write {sheet}: a contact sheet ends in .png or .jpg")
    for path in (overlay, sheet):
        if path is not None:
            check_place(path)


def make_dense_pictures(
    video: Video,
    tracks: DenseTracks,
    overlay: Path | None,
    sheet: Path | None,
    show: str,
    box: str | None,
    paint: Path | None,
    quiet: bool,
) -> None:
    """Write the pictures that were asked for."""
    look: dict[str, Any] = {"show": show}
    if box is not None:
        look["box"] = tuple(round(side) for side in parse_numbers(box, 4, "--box"))
    if paint is not None:
        look["paint"] = read_paint(paint)
    if overlay is not None:
        with progress_bar("drawing", quiet) as progress:
            draw_dense(video, tracks, overlay, progress=progress, **look)
    if sheet is not None:
        dense_sheet(video, tracks, sheet, **look)


def _report(
    video: Video, tracks: DenseTracks, model: str, seconds: float, files: list[str], json: bool
) -> None:
    share = sum(float(seen.mean()) for seen in tracks.visible) / tracks.num_frames
    if json:
        answer = {
            "video": video.name,
            "model": model,
            "frame": tracks.frame,
            "frames": tracks.num_frames,
            "size": list(tracks.size),
            "seconds": round(seconds, 3),
            "visible": round(share, 4),
            "files": files,
        }
        typer.echo(json_module.dumps(answer, indent=2))
        return
    typer.echo(
        f"{tracks.size[0]}x{tracks.size[1]} pixels of frame {tracks.frame} in {tracks.num_frames} "
        f"frames with {model}: {seconds:.1f} s, visible {share:.0%} of the time"
    )
    for path in files:
        typer.echo(path)
