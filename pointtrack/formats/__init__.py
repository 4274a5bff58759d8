"""Track files: one module a format, found by name or by suffix.

`read` and `write` take the format from the suffix unless it is named; `available` lists
what there is. Each format's module says which coordinates, frame numbers and fields its
files carry and what is lost on the way.
"""

from __future__ import annotations

from pointtrack.formats import (
    aftereffects,
    blender,
    csv,
    json,
    mot,
    napari,
    npz,
    nuke,
    parquet,
    tapvid,
)
from pointtrack.formats.registry import TrackFormat, available, find, read, register, write

__all__ = ["TrackFormat", "available", "find", "read", "register", "write"]

for _format in (
    npz.Npz(),
    csv.Csv(),
    parquet.Parquet(),
    json.Json(),
    tapvid.TapVid(),
    mot.Mot(),
    napari.Napari(),
    nuke.Nuke(),
    aftereffects.AfterEffects(),
    blender.Blender(),
):
    register(_format)
