"""``pointtrack calibrate``: from trained to shipped weights of the compact tracker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pointtrack.cli.shared import QuietOption, progress_bar
from pointtrack.trackers.compact import WORKING

if TYPE_CHECKING:
    from pointtrack.training.calibrating import Observations


def calibrate(
    weights: Annotated[
        Path, typer.Argument(show_default=False, help="Safetensors that `pointtrack train` wrote.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", show_default=False, help="Where to write; without it only measures."
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            "-d",
            show_default=False,
            help="One of our own sets, a data set's path, or NAME=PATH; repeat.",
        ),
    ] = None,
    clips: Annotated[
        int, typer.Option("--clips", min=0, help="Procedural clips, beside the data sets.")
    ] = 40,
    plot: Annotated[
        Path | None, typer.Option("--plot", show_default=False, help="Draw the reliability.")
    ] = None,
    working: Annotated[
        int, typer.Option("--working", min=16, help="As `track` takes it.")
    ] = WORKING,
    whole: Annotated[
        bool,
        typer.Option("--whole", help="Measure what `track` says of whole videos, not streams."),
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Measure what confidence and error radius mean, or bend them until they are true.

    Points are followed on clips with exact tracks: as a live stream, or with --whole as `track`
    does. With --out the weights are written in half precision with curves for both, measured
    here; without it nothing is written, and weights that have such curves are measured with them.

    Examples:

    - `pointtrack calibrate runs/compact/weights.safetensors --out compact.safetensors`
    - `pointtrack calibrate compact.safetensors --data blender-val --clips 0 --plot plot.png`
    """
    from itertools import chain

    from pointtrack.errors import PointtrackError
    from pointtrack.evaluation.sets import open_set
    from pointtrack.metrics import reliability
    from pointtrack.trackers.compact import CompactTracker
    from pointtrack.training import calibrating
    from pointtrack.view import plot_reliability

    sets = [open_set(_words(text)) for text in data or ()]
    if not sets and not clips:
        raise PointtrackError("calibrate needs --data or --clips above 0")
    if out is not None and (whole or plot is not None):
        raise PointtrackError("calibrate --out writes, and draws nothing: no --whole or --plot")
    rounds = 1 if out is None else calibrating.ROUNDS
    total = rounds * (clips + sum(one.count() or 0 for one in sets))
    done = 0
    with progress_bar("Measuring", quiet) as bar:

        def counted() -> Iterator[calibrating.Exact]:
            nonlocal done
            parts = [calibrating.generated(clips), *map(calibrating.annotated, sets)]
            for clip in chain(*parts):
                bar(done, max(total, done + 1))
                done += 1
                yield clip

        if out is not None:
            calibrating.ship(weights, calibrating.calibrate(weights, counted, working), out)
        else:
            tracker = CompactTracker(weights, working=working)
            seen = calibrating.observe(tracker, counted(), working, whole)
    if out is not None:
        typer.echo(f"{out}: written, with confidence and radius that are true on these clips")
        return
    typer.echo(_report(seen))
    if plot is not None:
        plot_reliability({"compact": reliability(seen.confidence, seen.right)}, plot)


def _report(seen: Observations) -> str:
    from pointtrack.metrics import calibration_error, largest_gap, reliability
    from pointtrack.training.calibrating import radius_reliability

    groups = reliability(seen.confidence, seen.right)
    lines = ["confidence   stated   true   values"]
    for low, high, stated, share, count in zip(
        *(groups[key] for key in ("lower", "upper", "confidence", "share", "frames")), strict=True
    ):
        lines.append(f"{low:.1f} to {high:.1f}   {stated:6.3f} {share:6.3f} {count:8d}")
    lines.append(
        f"mean gap {calibration_error(groups):.3f}, largest {largest_gap(groups):.3f} "
        f"(of groups with 200 values or more {largest_gap(groups, 200):.3f})"
    )
    lines.append("error radius (working px): median stated, share of errors below (0.5 is true)")
    radii = radius_reliability(seen)
    for radius, share in zip(radii["radius"], radii["share"], strict=True):
        lines.append(f"{radius:8.2f} {share:6.3f}")
    return "\n".join(lines)


def _words(text: str) -> list[str]:
    """A data set as `open_set` wants it; a path that is there may hold an equals sign itself."""
    return [text] if Path(text).exists() else text.split("=", 1)
