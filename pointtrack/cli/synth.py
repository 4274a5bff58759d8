"""``pointtrack synth``: make videos with exact tracks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pointtrack.cli.shared import Interrupted, QuietOption, parse_size, progress_bar
from pointtrack.cli.synth_blender import blender, pack
from pointtrack.errors import PointtrackError

# What the generator needs (torch among it) is imported where it is used: the other verbs
# begin in a tenth of the time.
PRESETS = ("default", "easy", "hard", "textureless", "thin")
STORES: tuple[Literal["png", "mp4"], ...] = ("png", "mp4")

app = typer.Typer(
    name="synth",
    help="Make videos with exact tracks, for training and tests.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.command()(blender)
app.command()(pack)


@app.command()
def procedural(
    out: Annotated[
        Path, typer.Option("--out", "-o", show_default=False, help="The folder for the clips.")
    ],
    clips: Annotated[int, typer.Option("--clips", "-n", help="How many clips.")] = 16,
    frames: Annotated[int, typer.Option("--frames", help="Frames of each clip.")] = 24,
    size: Annotated[str, typer.Option("--size", help="WIDTHxHEIGHT in pixels.")] = "256x256",
    points: Annotated[int, typer.Option("--points", help="Tracks of each clip.")] = 256,
    preset_name: Annotated[
        str,
        typer.Option(
            "--preset",
            help=f"What they are like: {', '.join(PRESETS)}.",
            autocompletion=lambda: list(PRESETS),
        ),
    ] = "default",
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed and options give the same clips.")
    ] = 0,
    textures: Annotated[
        Path | None,
        typer.Option("--textures", help="A folder of pictures to take textures from."),
    ] = None,
    store: Annotated[
        str, typer.Option("--store", help="Frames as png (exact) or mp4 (much smaller).")
    ] = "png",
    device: Annotated[
        str, typer.Option("--device", help="Where frames are drawn: cpu, cuda, ...")
    ] = "cpu",
    workers: Annotated[int, typer.Option("--workers", help="Processes, each with one thread.")] = 1,
    quiet: QuietOption = False,
) -> None:
    """Make clips of textured layers that move, bend and cover each other.

    Each clip is a folder with its frames, `tracks.npz` and `meta.json`. Clips that are there
    already are kept: the same command goes on where it was stopped.

    Examples:

    - `pointtrack synth procedural --out train --clips 10000 --workers 2 --store mp4`
    - `pointtrack synth procedural --out thin --preset thin --size 512x384 --frames 48`
    - `pointtrack synth procedural --out mine --textures ~/photos --seed 7`
    """
    from pointtrack.synthesis import preset
    from pointtrack.synthesis.production import produce

    changes: dict[str, Any] = {"frames": frames, "size": parse_size(size), "points": points}
    if textures is not None:
        changes["textures"] = str(textures.expanduser().resolve())
    config = preset(preset_name, **changes)
    kind = next((known for known in STORES if known == store), None)
    if kind is None:
        raise PointtrackError(f"--store is {' or '.join(STORES)}, found {store!r}")
    done = 0
    with progress_bar("Generating", quiet) as bar:

        def report(number: int, total: int) -> None:
            nonlocal done
            done = number
            bar(number * frames, total * frames)

        try:
            made = produce(
                out, clips, seed, config,
                store=kind, device=device, workers=workers, progress=report,
            )  # fmt: skip
        except KeyboardInterrupt as stop:
            raise Interrupted(
                f"Interrupted after {done} of {clips} clips; the same command goes on."
            ) from stop
    typer.echo(f"{out}: {made} clips made, {clips - made} were there")
