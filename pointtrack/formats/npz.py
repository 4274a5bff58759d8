"""NumPy archive ``.npz``: everything `Tracks` holds, exactly.

Arrays: ``xy`` (N, T, 2) float32 in pixels with the centre of the top-left pixel at (0, 0),
``visible`` (N, T) bool, ``confidence`` (N, T) float32, ``size`` (width, height), ``fps``
(numerator, denominator), ``times`` (T,) seconds, ``start`` the frame index of the first
column, ``names`` (N,) text, and where known ``queries_txy`` (M, 3), ``queries_point`` (M,),
``queries_names`` and ``radius`` (N, T) float32 pixels. Unknown positions are NaN. Nothing in it
needs pickle.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.files import PathLike, atomic_path
from pointtrack.formats.common import DEFAULT_FPS, UNKNOWN_SIZE, reading
from pointtrack.geometry import Size
from pointtrack.queries import Queries
from pointtrack.tracks import Tracks

Arrays = dict[str, NDArray[Any]]

# Name, kinds of numpy type that may be there, number of dimensions.
_FIELDS: tuple[tuple[str, str, int], ...] = (
    ("xy", "fiu", 3),
    ("visible", "b", 2),
    ("confidence", "fiu", 2),
    ("size", "iu", 1),
    ("fps", "iu", 1),
    ("times", "fiu", 1),
    ("start", "iu", 0),
    ("names", "U", 1),
)
_RADIUS: tuple[tuple[str, str, int], ...] = (("radius", "fiu", 2),)
_QUERY_FIELDS: tuple[tuple[str, str, int], ...] = (
    ("queries_txy", "fiu", 2),
    ("queries_point", "iu", 1),
    ("queries_names", "U", 1),
)


class Npz:
    """Read and write NumPy archives; see the module."""

    name = "npz"
    suffixes: tuple[str, ...] = (".npz",)
    summary = "NumPy archive with everything, exact"
    can_read = True
    can_write = True

    def read(
        self, path: PathLike, size: Size = UNKNOWN_SIZE, fps: Fraction = DEFAULT_FPS
    ) -> Tracks:
        """Read an archive that `write` made."""
        with reading(path, "a track archive (.npz)"):
            # Opened here: np.load leaves a file that it cannot read open.
            with Path(path).open("rb") as file:
                archive = np.load(file, allow_pickle=False)
                if not isinstance(archive, np.lib.npyio.NpzFile):
                    raise FormatError("it holds one array, expected an archive of named arrays")
                present = set(archive.files)
                fields = _take(archive, _FIELDS, present)
                if "radius" in present:
                    fields |= _take(archive, _RADIUS, present)
                queries = None
                if present & {name for name, _, _ in _QUERY_FIELDS}:
                    queries = _queries(_take(archive, _QUERY_FIELDS, present))
            return _tracks(fields, queries, size)

    def write(self, tracks: Tracks, path: PathLike) -> None:
        """Write everything."""
        arrays: Arrays = {
            "xy": tracks.xy,
            "visible": tracks.visible,
            "confidence": tracks.confidence,
            "size": np.array(tracks.size, np.int64),
            "fps": np.array([tracks.fps.numerator, tracks.fps.denominator], np.int64),
            "times": tracks.times,
            "start": np.array(tracks.start, np.int64),
            "names": _text(tracks.names, path),
        }
        if tracks.radius is not None:
            arrays["radius"] = tracks.radius
        if tracks.queries is not None:
            arrays["queries_txy"] = tracks.queries.txy
            arrays["queries_point"] = tracks.queries.point
            arrays["queries_names"] = _text(tracks.queries.names, path)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _take(archive: Any, wanted: tuple[tuple[str, str, int], ...], present: set[str]) -> Arrays:
    missing = [name for name, _, _ in wanted if name not in present]
    if missing:
        raise FormatError(f"it lacks {', '.join(missing)}")
    fields: Arrays = {}
    for name, kinds, dimensions in wanted:
        array = archive[name]
        if array.dtype.kind not in kinds or array.ndim != dimensions:
            raise FormatError(f"its {name} has type {array.dtype} and shape {array.shape}")
        fields[name] = array
    return fields


def _tracks(fields: Arrays, queries: Queries | None, size: Size) -> Tracks:
    if fields["size"].shape != (2,) or fields["fps"].shape != (2,):
        raise FormatError("its size and fps must be two numbers each")
    own_size = (int(fields["size"][0]), int(fields["size"][1]))
    numerator, denominator = (int(value) for value in fields["fps"])
    if numerator < 1 or denominator < 1:
        raise FormatError(f"its fps is {numerator}/{denominator}, expected a positive rate")
    if int(fields["start"]) < 0 or min(own_size) < 0:
        raise FormatError("its start and size must not be negative")
    return Tracks(
        fields["xy"],
        fields["visible"],
        fields["confidence"],
        size=own_size if min(own_size) > 0 else size,
        fps=Fraction(numerator, denominator),
        times=fields["times"],
        start=int(fields["start"]),
        names=tuple(fields["names"].tolist()),
        queries=queries,
        radius=fields.get("radius"),
    )


def _queries(fields: Arrays) -> Queries:
    return Queries(
        fields["queries_txy"],
        fields["queries_point"].astype(np.int64),
        tuple(fields["queries_names"].tolist()),
    )


def _text(names: tuple[str, ...], path: PathLike) -> NDArray[np.str_]:
    array = np.array(names, dtype=np.str_)
    if tuple(array.tolist()) != names:  # NumPy drops NUL characters at the end
        raise FormatError(f"cannot write {path}: a name ends with a NUL character")
    return array
