"""Arrays in NumPy's files, as little of them in memory as can be, and dicts saved as arrays."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.stored import npy_header
from pointtrack.errors import FormatError
from pointtrack.files import PathLike, atomic_path
from pointtrack.formats.common import reading
from pointtrack.formats.safe_pickle import safe_load

_ARCHIVE = "an archive of arrays"


def mapped_archive(
    path: Path,
    names: Sequence[str],
    cache: PathLike | None = None,
    required: Sequence[str] = (),
) -> dict[str, NDArray[Any]]:
    """Those of the named arrays that an ``.npz`` archive has, mapped into memory.

    What is stored without compression is mapped where it lies. Of a compressed archive the
    arrays are unpacked once into a cache folder, and mapped there; without one they are read
    into memory.

    Parameters
    ----------
    path
        The archive.
    names
        Which arrays.
    cache
        A folder; default: ``POINTTRACK_CACHE`` where that is set, else none. Nothing is ever
        written beside the archive.
    required
        Which of the names must be there.

    Raises
    ------
    FormatError
        When the archive is damaged, lacks a required array or holds something other than
        numbers.
    """
    place = cache if cache is not None else os.environ.get("POINTTRACK_CACHE")
    with reading(path, _ARCHIVE), zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        needed(path, {n.removesuffix(".npy"): n for n in members}, required)
        arrays: dict[str, NDArray[Any]] = {}
        for name in names:
            info = members.get(f"{name}.npy")
            if info is None:
                continue
            if info.compress_type == zipfile.ZIP_STORED:
                arrays[name] = _map_member(path, info)
            elif place:
                unpacked = _unpacked(path, archive, info, Path(place).expanduser())
                arrays[name] = np.load(unpacked, mmap_mode="r", allow_pickle=False)
            else:
                with archive.open(info) as stream:
                    arrays[name] = np.lib.format.read_array(stream, allow_pickle=False)
        return arrays


def archive_header(path: Path, name: str) -> tuple[tuple[int, ...], np.dtype[Any]] | None:
    """Shape and type of one array of an ``.npz``, without reading it; None if it has none."""
    with reading(path, _ARCHIVE), zipfile.ZipFile(path) as archive:
        if f"{name}.npy" not in archive.namelist():
            return None
        with archive.open(f"{name}.npy") as stream:
            shape, dtype, _ = npy_header(stream)
            return shape, dtype


def _map_member(path: Path, info: zipfile.ZipInfo) -> NDArray[Any]:
    with path.open("rb") as file:
        # The lengths in the local header differ from those in the archive's directory.
        file.seek(info.header_offset)
        local = file.read(30)
        if local[:4] != b"PK\x03\x04":
            raise FormatError(f"{info.filename} is not where the archive says it is")
        name, extra = (int.from_bytes(local[at : at + 2], "little") for at in (26, 28))
        begin = file.seek(name + extra, os.SEEK_CUR)
        shape, dtype, fortran = npy_header(file)
        offset = file.tell()
        size = file.seek(0, os.SEEK_END)
    if dtype.hasobject:
        raise FormatError(f"{info.filename} holds objects, expected numbers")
    length = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if offset + length > min(size, begin + info.file_size):
        raise FormatError(f"{info.filename} ends too early")
    if length == 0:
        return np.empty(shape, dtype)
    order: Any = "F" if fortran else "C"
    return np.memmap(path, dtype, "r", offset, shape, order)


def _unpacked(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, cache: Path) -> Path:
    """One array of a compressed archive as a file of its own, made anew if the archive changed."""
    state = path.stat()
    identity = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    folder = cache / "arrays" / f"{path.resolve().parent.name}-{digest}"
    target = folder / info.filename
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        # Reading holds the content against its checksum.
        with atomic_path(target) as part, part.open("wb") as file, archive.open(info) as stream:
            shutil.copyfileobj(stream, file, 1 << 20)
    return target


def read_pickled_dict(path: Path) -> dict[str, Any]:
    """A dict that was saved by ``numpy.save``, read without running code.

    Raises
    ------
    FormatError
        When the file is damaged or holds something else.
    """
    with reading(path, "a NumPy file of a dict"), path.open("rb") as file:
        shape, dtype, _ = npy_header(file)
        if not dtype.hasobject or shape != ():
            raise FormatError(f"it holds a {dtype} array of shape {shape}, expected a dict")
        content = safe_load(file)
        content = content.item() if isinstance(content, np.ndarray) else content
        if not isinstance(content, dict):
            raise FormatError(f"it holds a {type(content).__name__}, expected a dict")
        return {str(key): value for key, value in content.items()}


def numbers(path: Path, name: str, value: Any, shape: Sequence[int | str]) -> NDArray[Any]:
    """An array of numbers of the expected shape, where a text stands for any length.

    Raises
    ------
    FormatError
        Naming the file, the array, what was found and what was expected.
    """
    array = np.asarray(value)
    wanted = ", ".join(map(str, shape))
    fits = array.ndim == len(shape) and all(
        isinstance(side, str) or side == length
        for side, length in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "fiub":
        raise FormatError(
            f"{path}: {name} is {array.dtype} of shape {array.shape}, expected numbers ({wanted})"
        )
    return array


def needed(path: Path, content: dict[str, Any], names: Sequence[str]) -> None:
    """Raise a `FormatError` when a file's content lacks one of the names."""
    missing = [name for name in names if name not in content]
    if missing:
        found = ", ".join(list(content)[:12]) or "nothing"
        raise FormatError(f"{path} lacks {', '.join(missing)}; found {found}")
