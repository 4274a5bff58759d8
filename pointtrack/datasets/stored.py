"""What readers of benchmarks share: folders of pictures, archives of arrays, palette pictures."""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.clip import FrameMaps
from pointtrack.errors import FormatError, PointtrackError, require
from pointtrack.files import PathLike, reason
from pointtrack.formats.common import reading
from pointtrack.formats.safe_pickle import safe_load
from pointtrack.video import Video, open_video
from pointtrack.video.pictures import natural_order, pictures_in


@contextmanager
def naming(where: PathLike) -> Iterator[None]:
    """Name the file in every error of the block that does not name it itself."""
    try:
        yield
    except PointtrackError as problem:
        text = str(problem)
        raise FormatError(text if str(where) in text else f"{where}: {text}") from problem


def folder_at(path: PathLike) -> Path:
    """The folder of a data set, or a `FormatError` when it is none."""
    place = Path(path)
    if not place.is_dir():
        found = "is a file, expected a folder" if place.exists() else "does not exist"
        raise FormatError(f"the data set {place} {found}")
    return place


def folders_with(root: Path, file: str, depth: int = 2) -> list[Path]:
    """The folders at most ``depth`` levels below ``root`` that hold ``file``, in natural order."""
    found: set[Path] = set()
    for level in range(depth + 1):
        found.update(path.parent for path in root.glob("/".join(["*"] * level + [file])))
    return sorted(found, key=natural_order)


def picture_files(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order; a `FormatError` when it has none."""
    if not folder.is_dir():
        raise FormatError(f"there is no folder {folder}")
    files = pictures_in(folder)
    if not files:
        raise FormatError(f"the folder {folder} holds no pictures")
    return files


def numbered_files(folder: Path, first: int | None = None, count: int | None = None) -> list[Path]:
    """The pictures of a folder whose names end in numbers that go up one by one.

    A picture that is missing is in the list by its name, so that a check finds out, and the
    others keep their places.

    Parameters
    ----------
    folder
        Pictures with other names are taken as they are.
    first, count
        The first picture's number, and how many there must be; default: as there are.
    """
    files = picture_files(folder)
    named = [re.fullmatch(r"(.*?)([0-9]+)", path.stem) for path in files]
    kinds = {(m[1], len(m[2]), path.suffix) for m, path in zip(named, files, strict=True) if m}
    if None in named or len(kinds) != 1:
        return files if count is None else files[:count]
    prefix, width, suffix = kinds.pop()
    numbers = [int(m[2]) for m in named if m]
    start = numbers[0] if first is None else min(first, numbers[0])
    end = max(numbers[-1] + 1, start) if count is None else start + count
    return [folder / f"{prefix}{number:0{width}d}{suffix}" for number in range(start, end)]


def open_pictures(files: Sequence[Path], where: PathLike) -> Video:
    """A video of picture files that are known by name; the first must be there."""
    with naming(where):
        return open_video(list(files))


def archive_arrays(
    path: Path, needed: Mapping[str, str], optional: Mapping[str, str] | None = None
) -> dict[str, NDArray[Any]]:
    """Read arrays of an ``.npz`` archive and hold their shapes against each other.

    Parameters
    ----------
    path
        The archive.
    needed, optional
        Names and shapes such as ``"T N 2"``: a letter stands for the same length everywhere,
        a number for itself.

    Raises
    ------
    FormatError
        When the archive is damaged, lacks an array or has one of another shape.
    """
    wanted = {**needed, **(optional or {})}
    with reading(path, "an archive of arrays"), np.load(path, allow_pickle=False) as archive:
        missing = [name for name in needed if name not in archive.files]
        if missing:
            found = ", ".join(archive.files[:12]) or "nothing"
            raise FormatError(f"it lacks {', '.join(missing)}; found {found}")
        arrays = {name: archive[name] for name in wanted if name in archive.files}
    lengths: dict[str, int] = {}
    for name, array in arrays.items():
        _check_shape(path, name, array.shape, wanted[name], lengths)
    return arrays


def _check_shape(
    path: Path, name: str, shape: tuple[int, ...], wanted: str, lengths: dict[str, int]
) -> None:
    sides = wanted.split()
    known = [int(side) if side.isdigit() else lengths.get(side) for side in sides]
    fits = len(shape) == len(sides) and all(
        expected in (None, found) for expected, found in zip(known, shape, strict=True)
    )
    if not fits:
        shown = ", ".join(
            str(length) if length is not None else side
            for side, length in zip(sides, known, strict=True)
        )
        raise FormatError(f"{path}: {name} has shape {shape}, expected ({shown})")
    lengths.update({s: n for s, n in zip(sides, shape, strict=True) if not s.isdigit()})


class ArchivedFrames:
    """The frames of one array ``(T, H, W, 3)`` in an ``.npz``, read one after the other.

    The array may be far larger than memory: of a compressed archive only the frames on the way
    to the one asked for are decompressed.
    """

    def __init__(self, path: Path, member: str):
        from pointtrack.video.source import DEFAULT_FPS, even_times

        self.name = str(path)
        self._path, self._member = path, f"{member}.npy"
        self._stream: Any = None
        self._next = 0
        with reading(path, "an archive of arrays"):
            shape, dtype, fortran, _ = self._open()
            self.close()
            if len(shape) != 4 or shape[3] != 3 or 0 in shape or dtype != np.uint8 or fortran:
                raise FormatError(
                    f"{member} is a {dtype} array of shape {shape}, expected uint8 (T, H, W, 3)"
                )
        self._shape = shape[1:]
        self.size = (shape[2], shape[1])
        self.fps = DEFAULT_FPS
        self.times = even_times(shape[0], self.fps)

    def frame(self, index: int) -> NDArray[np.uint8]:
        length = int(np.prod(self._shape))
        with reading(self._path, "an archive of arrays"):
            if self._stream is None or index < self._next:
                self.close()
                self._open()
            while True:  # frames on the way there are thrown away
                data = self._stream.read(length)
                if len(data) < length:
                    raise FormatError(f"it ends within frame {self._next}")
                self._next += 1
                if self._next > index:
                    return np.frombuffer(data, np.uint8).reshape(self._shape)

    def frames(self, wanted: range) -> Iterator[NDArray[np.uint8]]:
        return map(self.frame, wanted)

    def close(self) -> None:
        """Release the file."""
        if self._stream is not None:
            self._stream.close()
        self._stream, self._next = None, 0

    def _open(self) -> tuple[tuple[int, ...], np.dtype[Any], bool, Any]:
        with zipfile.ZipFile(self._path) as archive:
            if self._member not in archive.namelist():
                found = ", ".join(name.removesuffix(".npy") for name in archive.namelist()[:12])
                raise FormatError(
                    f"it lacks {self._member.removesuffix('.npy')}; found {found or 'nothing'}"
                )
            self._stream = archive.open(self._member)
        self._next = 0
        return (*npy_header(self._stream), None)


def npy_header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, type and order of an ``.npy`` array, whose values follow in the stream."""
    version = np.lib.format.read_magic(stream)
    length = 2 if version == (1, 0) else 4
    size = int.from_bytes(stream.read(length), "little")
    header = ast.literal_eval(stream.read(size).decode("latin1"))
    return tuple(header["shape"]), np.dtype(header["descr"]), bool(header["fortran_order"])


def encoded_pictures(path: Path, member: str) -> list[bytes]:
    """The pictures of an ``.npz`` archive's array of bytes, one a frame.

    NumPy stores them as texts of one length or as pickled objects; of a pickle only plain
    bytes are taken.
    """
    with reading(path, "an archive of arrays"), zipfile.ZipFile(path) as archive:
        if f"{member}.npy" not in archive.namelist():
            found = ", ".join(name.removesuffix(".npy") for name in archive.namelist()[:12])
            raise FormatError(f"it lacks {member}; found {found or 'nothing'}")
        with archive.open(f"{member}.npy") as stream:
            _, dtype, _ = npy_header(stream)
            if dtype.hasobject:
                items = safe_load(stream)  # type: ignore[arg-type]
                pictures = list(np.asarray(items, object).reshape(-1))
            else:
                width = max(dtype.itemsize, 1)
                data = stream.read()
                pictures = [
                    data[at : at + width].rstrip(b"\0") for at in range(0, len(data), width)
                ]
        if not pictures or not all(isinstance(one, bytes) for one in pictures):
            raise FormatError(f"{member} is of type {dtype}, expected one encoded picture a frame")
        return pictures


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    with reading(path, "JSON"):
        return json.loads(path.read_text(encoding="utf-8"))


def instance_maps(files: Sequence[Path]) -> FrameMaps:
    """Masks kept as one picture a frame, whose colours' numbers are those of the instances."""
    require("PIL.Image", "evaluate")  # now, rather than at the first mask
    return FrameMaps(len(files), partial(_instances, files))


def _instances(files: Sequence[Path], frame: int) -> NDArray[np.uint8]:
    image = require("PIL.Image", "evaluate")
    path = files[frame]
    try:
        with image.open(path) as picture:
            # Palette pictures give the colours' numbers; others are masks of grey levels.
            return np.array(picture if picture.mode in ("P", "L", "1") else picture.convert("L"))
    except OSError as problem:
        if problem.errno is not None:
            raise FormatError(f"cannot read {path}: {reason(problem)}") from problem
        raise FormatError(f"{path} is not a picture that can be decoded") from problem
