"""``pointtrack synth blender``: videos rendered by Blender, in PointOdyssey's format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pointtrack.cli.shared import Interrupted, QuietOption, parse_size, progress_bar
from pointtrack.errors import PointtrackError

# The generator is imported where it is used, as in `synth`.
PRESETS = ("indoor", "outdoor", "abstract")
STORES = ("jpg", "png")
CHANCES = (
    "fog",
    "smoke",
    "motion_blur",
    "depth_of_field",
    "exposure",
    "noise",
    "compression",
)  # fmt: skip


def _chance(option: str, what: str) -> Any:
    return typer.Option(f"--{option}", metavar="CHANCE", show_default=False, help=what)


def _folder(option: str, what: str) -> Any:
    return typer.Option(f"--{option}", metavar="FOLDER", help=what)


def blender(
    out: Annotated[
        Path, typer.Option("--out", "-o", show_default=False, help="The folder for the clips.")
    ],
    clips: Annotated[int, typer.Option("--clips", "-n", help="How many clips.")] = 3,
    frames: Annotated[int, typer.Option("--frames", help="Frames of each clip.")] = 24,
    size: Annotated[str, typer.Option("--size", help="WIDTHxHEIGHT in pixels.")] = "256x256",
    points: Annotated[int, typer.Option("--points", help="Tracks of each clip.")] = 256,
    preset_names: Annotated[
        str,
        typer.Option(
            "--preset",
            help=f"The scenes: {', '.join(PRESETS)}; several with commas take turns.",
            autocompletion=lambda: list(PRESETS),
        ),
    ] = "indoor",
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed and options give the same clips.")
    ] = 0,
    samples: Annotated[
        int, typer.Option("--samples", help="Light paths a pixel; the picture is denoised.")
    ] = 16,
    views: Annotated[int, typer.Option("--views", help="Cameras that film each scene.")] = 1,
    fps: Annotated[int, typer.Option("--fps", help="Frames a second.")] = 24,
    fog: Annotated[float | None, _chance("fog", "How often there is fog, 0 to 1.")] = None,
    smoke: Annotated[float | None, _chance("smoke", "... drifting smoke.")] = None,
    motion_blur: Annotated[float | None, _chance("motion-blur", "... motion blur.")] = None,
    depth_of_field: Annotated[
        float | None, _chance("depth-of-field", "... a lens out of focus here and there.")
    ] = None,
    exposure: Annotated[float | None, _chance("exposure", "... an exposure that changes.")] = None,
    noise: Annotated[float | None, _chance("noise", "... sensor noise.")] = None,
    compression: Annotated[float | None, _chance("compression", "... JPEG blocks.")] = None,
    textures: Annotated[Path | None, _folder("textures", "Pictures to take textures from.")] = None,
    hdris: Annotated[Path | None, _folder("hdris", "Panoramas (.hdr, .exr) for the sky.")] = None,
    motions: Annotated[Path | None, _folder("motions", "Motion capture (.bvh).")] = None,
    meshes: Annotated[Path | None, _folder("meshes", "Models (.glb, .obj, ...).")] = None,
    store: Annotated[
        str, typer.Option("--store", help="Frames as jpg (as PointOdyssey has them) or png.")
    ] = "jpg",
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest",
            help="Make the clips of this manifest.json again; options on clips are left aside.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Processes; they share the cores.")] = 1,
    python: Annotated[
        str | None,
        typer.Option(
            "--python",
            help="A Python 3.11 that has bpy; default: $POINTTRACK_BLENDER_PYTHON, or this one.",
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Stage and render scenes with Blender, and write them as PointOdyssey does.

    Each clip is a folder with frames, depth, masks, normals, flow, cameras and tracks. Clips
    that are there already are kept, and so are finished frames of the others: the same command
    goes on where it was stopped. Needs `pip install 'pointtrack[blender]'`.

    Examples:

    - `pointtrack synth blender --out scenes --clips 30 --preset indoor,outdoor,abstract`
    - `pointtrack synth blender --out walks --preset outdoor --motions ~/bvh --frames 96`
    - `pointtrack synth blender --out again --manifest scenes/manifest.json`
    """
    from pointtrack.synthesis.blender.config import blender_preset
    from pointtrack.synthesis.blender.processes import find_worker
    from pointtrack.synthesis.blender.production import plan, produce, read_manifest

    if store not in STORES:
        raise PointtrackError(f"--store is {' or '.join(STORES)}, found {store!r}")
    changes: dict[str, Any] = {
        "frames": frames, "size": parse_size(size), "points": points, "samples": samples,
        "views": views, "fps": fps, "images": store,
    }  # fmt: skip
    chances = (fog, smoke, motion_blur, depth_of_field, exposure, noise, compression)
    given = zip(CHANCES, chances, strict=True)
    changes.update({name: chance for name, chance in given if chance is not None})
    for name, folder in (
        ("textures", textures), ("hdris", hdris), ("motions", motions), ("meshes", meshes),
    ):  # fmt: skip
        if folder is not None:
            changes[name] = _own_folder(name, folder)
    if manifest is None:
        names = [name.strip() for name in preset_names.split(",")]
        jobs = plan(clips, seed, [blender_preset(name, **changes) for name in names])
    else:
        jobs = read_manifest(manifest)
    command = find_worker(python)
    done = total = 0
    with progress_bar("Rendering", quiet) as bar:

        def report(rendered: int, pictures: int) -> None:
            nonlocal done, total
            done, total = rendered, pictures
            bar(rendered, pictures)

        try:
            made = produce(out, jobs, command, workers=workers, progress=report)
        except KeyboardInterrupt as stop:
            raise Interrupted(
                f"Interrupted after {done} of {total} frames, which are kept; the same command "
                "goes on."
            ) from stop
    typer.echo(f"{out}: {made} clips made, {len(jobs) - made} were there")


def _own_folder(name: str, folder: Path) -> str:
    place = folder.expanduser().resolve()
    if not place.is_dir():
        raise PointtrackError(f"--{name}: there is no folder {folder}")
    return str(place)


def pack(
    source: Annotated[Path, typer.Argument(help="A folder that `synth blender` wrote.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", show_default=False, help="The folder for packed clips.")
    ],
    crf: Annotated[
        int, typer.Option("--crf", min=0, max=51, help="Video quality: 0 is exact, 51 worst.")
    ] = 16,
) -> None:
    """Pack Blender clips into videos with tracks, without depth, masks, flow and cameras."""
    from pointtrack.synthesis.blender.packing import pack as pack_all

    folders = pack_all(source, out, crf)
    count = sum(path.stat().st_size for folder in folders for path in folder.iterdir())
    typer.echo(f"{out}: {len(folders)} clips, {count / 1e6:.2f} MB")
