"""``pointtrack pseudo-label``: label real videos with trackers, to train on them."""

from __future__ import annotations

import json as json_module
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pointtrack.cli.evaluate import conclude
from pointtrack.cli.shared import (
    Interrupted,
    JsonOption,
    QuietOption,
    parse_options,
    parse_size,
    progress_bar,
)
from pointtrack.errors import PointtrackError

if TYPE_CHECKING:
    from pointtrack.training.pseudo_labels import Report
    from pointtrack.training.teachers import Teacher

_CLIPS, _WORK = "Clips and points", "Work"  # headings in the help text


def pseudo_label(
    videos: Annotated[
        list[str],
        typer.Argument(
            show_default=False,
            help="Folders (with all below), .txt lists of paths, quoted globs, single videos.",
        ),
    ],
    teacher: Annotated[
        list[str],
        typer.Option(
            "--teacher",
            "-t",
            metavar="NAME[,OPTION=VALUE]...",
            show_default=False,
            help="A tracker that labels; may be repeated, and one is drawn for each clip. Beside "
            "its own options: weights, precision, and occluded (whether its positions of "
            "hidden points are labels).",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", show_default=False, help="The folder for the clips.")
    ],
    per_video: Annotated[
        int, typer.Option("--per-video", "-n", help="Clips of each video.", rich_help_panel=_CLIPS)
    ] = 1,
    frames: Annotated[
        str,
        typer.Option(metavar="N or N-M", help="Frames of a clip.", rich_help_panel=_CLIPS),
    ] = "64",
    step: Annotated[
        int,
        typer.Option(help="Greatest step between a clip's frames.", rich_help_panel=_CLIPS),
    ] = 3,
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Of the crop.", rich_help_panel=_CLIPS)
    ] = "512x384",
    points: Annotated[
        int,
        typer.Option(
            help="SIFT points of a clip; clips with fewer are left out.", rich_help_panel=_CLIPS
        ),
    ] = 384,
    both_ways: Annotated[
        bool,
        typer.Option(
            "--both-ways", help="Label frames before a point's query too.", rich_help_panel=_CLIPS
        ),
    ] = False,
    cut: Annotated[
        float,
        typer.Option(
            help="Leave out clips with two frames in a row so unlike, 0 to 1; 1: none.",
            rich_help_panel=_CLIPS,
        ),
    ] = 0.4,
    seed: Annotated[
        int,
        typer.Option(help="The same seed and options give the same clips.", rich_help_panel=_CLIPS),
    ] = 0,
    store: Annotated[
        str,
        typer.Option(
            help="Frames as mp4 or png (exact), or none: read from the videos when training.",
            rich_help_panel=_CLIPS,
        ),
    ] = "mp4",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps.", rich_help_panel=_WORK)
    ] = "auto",
    workers: Annotated[
        int, typer.Option(help="Processes; more than one need Ray.", rich_help_panel=_WORK)
    ] = 1,
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a Ray cluster whose machines see the same folders; auto: the one that runs "
            "here. [default: this machine alone]",
            show_default=False,
            rich_help_panel=_WORK,
        ),
    ] = None,
    gpus: Annotated[
        float, typer.Option(help="GPUs, or a share, of each worker.", rich_help_panel=_WORK)
    ] = 0.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Label clips of real videos with the tracks of teachers, to train a tracker on them.

    Each clip is a folder with its frames, `tracks.npz` and `meta.json`. Clips that are there
    are kept, and the same command goes on where it was stopped; a clip that fails stops no other
    and is tried again next time. What became of every clip is in `manifest.jsonl`. With a
    failed clip the exit status is 1.

    `labels = "OUT"` in a part of `pointtrack train`'s settings trains on them.

    With --json, the keys are out, clips, written, there, rejected and failed (lists of name,
    video and reason) and seconds.

    Examples:

    - `pointtrack pseudo-label stock/ --out labels --teacher mft --teacher klt`
    - `pointtrack pseudo-label list.txt -o labels -t compact,weights=mine.safetensors --workers 8`
    - `pointtrack pseudo-label "*.mp4" -o labels -t tapir,weights=official -n 32 --gpus 0.5
      --workers 16 --address auto`
    """
    from pointtrack.training.excerpts import ExcerptConfig, find_videos
    from pointtrack.training.pseudo_clips import PseudoConfig
    from pointtrack.training.pseudo_labels import label_videos
    from pointtrack.training.teachers import LabelConfig

    config = PseudoConfig(
        tuple(_teacher(text) for text in teacher),
        ExcerptConfig(_frames(frames), step=step, size=parse_size(size), cut=cut),
        LabelConfig(points, min(LabelConfig.query_frames, points), both_ways=both_ways),
        per_video,
        seed,
        store,  # type: ignore[arg-type]
    )
    found = find_videos(videos)
    began, done, usual = time.perf_counter(), 0, config.excerpt.frames[0]
    total = len(found) * per_video
    with progress_bar("Labelling", quiet) as bar:

        def progress(number: int, clips: int) -> None:
            nonlocal done
            done = number
            bar(number * usual, clips * usual)

        try:
            report = label_videos(
                found, out, config,
                device=device, workers=workers, address=address, gpus=gpus, progress=progress,
            )  # fmt: skip
        except KeyboardInterrupt as stop:
            raise Interrupted(
                f"Interrupted after {done} of {total} clips; the same command goes on."
            ) from stop
    _show(report, out, time.perf_counter() - began, json)


def _teacher(text: str) -> Teacher:
    """``"compact,weights=a.safetensors,threshold=0.9"``."""
    from pointtrack.training.teachers import Teacher

    # Not at the commas of a value such as (512, 384).
    name, *given = re.split(r",(?![^()]*\))", text)
    return Teacher.make(name.strip(), parse_options(given))


def _frames(text: str) -> tuple[int, int]:
    least, _, most = text.partition("-")
    if not least.strip().isdecimal() or (most and not most.strip().isdecimal()):
        raise PointtrackError(f"--frames is a number such as 64, or 40-79, found {text!r}")
    return int(least), int(most or least)


def _show(report: Report, out: Path, seconds: float, json: bool) -> None:
    lists: dict[str, list[dict[str, Any]]] = {
        status: [{"name": o.name, "video": o.video, "reason": o.reason} for o in outcomes]
        for status, outcomes in (("rejected", report.rejected), ("failed", report.failed))
    }
    if json:
        answer = {
            "out": str(out),
            "clips": report.clips,
            "written": report.written,
            "there": report.there,
            **lists,
            "seconds": round(seconds, 3),
        }
        typer.echo(json_module.dumps(answer, indent=2))
    else:
        typer.echo(
            f"{out}: {report.written} clips labelled in {seconds:.1f} s, {report.there} were "
            f"there, {len(report.rejected)} are of no use, {len(report.failed)} failed"
        )
    lines = [f"{one['name']} failed: {one['reason']}" for one in lists["failed"]]
    if not json:
        lines += [f"{one['name']} is of no use: {one['reason']}" for one in lists["rejected"]]
    conclude(lines, bool(report.failed))
