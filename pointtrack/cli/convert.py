"""``pointtrack convert``: from one track file to another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from pointtrack import formats
from pointtrack.cli.shared import parse_size, show
from pointtrack.errors import PointtrackError

_FASTEST = 1e6  # frames a second; infinity and NaN are not below it


def convert(
    source: Annotated[
        Path | None, typer.Argument(show_default=False, help="The track file to read.")
    ] = None,
    target: Annotated[
        Path | None, typer.Argument(show_default=False, help="The track file to write.")
    ] = None,
    read_as: Annotated[
        str | None, typer.Option("--from", metavar="FORMAT", help="Default: by the suffix.")
    ] = None,
    write_as: Annotated[
        str | None, typer.Option("--to", metavar="FORMAT", help="Default: by the suffix.")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="The video's size, for files that do not tell it."),
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="The frame rate, for files that do not tell it.")
    ] = None,
    resize: Annotated[
        str | None, typer.Option(metavar="WxH", help="Scale the tracks to a video of this size.")
    ] = None,
    list_formats: Annotated[
        bool, typer.Option("--formats", help="List the formats and stop.")
    ] = False,
) -> None:
    """Convert a track file to another format; the suffixes pick the formats.

    Half-pixel shifts, flipped axes and first frame numbers of each program are taken care of.

    Examples:

    - `pointtrack convert --formats`
    - `pointtrack convert tracks.csv tracks.nk --size 1920x1080`
    - `pointtrack convert tracks.npz half.csv --resize 960x540`
    """
    if list_formats:
        show(_table())
        return
    if source is None or target is None:
        raise PointtrackError("convert takes two files: one to read and one to write")
    if fps is not None and not 0 < fps < _FASTEST:
        raise PointtrackError(f"fps must be a positive number, found {fps:g}")
    known = {} if size is None else {"size": parse_size(size)}
    rate = {} if fps is None else {"fps": fps}
    tracks = formats.read(source, read_as, **known, **rate)  # type: ignore[arg-type]
    if known and min(tracks.size) < 1:
        tracks = replace(tracks, size=known["size"])
    if resize is not None:
        tracks = tracks.resize(parse_size(resize))
    formats.write(tracks, target, write_as)


def _table() -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("format", "suffixes", "reads", "writes", "what it is"):
        table.add_column(heading)
    for one in formats.available():
        marks = ("yes" if one.can_read else "no", "yes" if one.can_write else "no")
        table.add_row(f"[bold]{one.name}[/]", " ".join(one.suffixes), *marks, escape(one.summary))
    return table
