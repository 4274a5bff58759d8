"""Dense tracks on the disk: a folder with one ``.npy`` file an array and a header.

Frames are written one by one at their place, in any order, into a folder under another name that
gets its own when all are there. What is found under a name is therefore always whole.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointtrack.errors import FormatError
from pointtrack.files import PathLike, reason
from pointtrack.geometry import Size

SUFFIX = ".dense"
_HEADER = "dense.json"
_VERSION = 1
# Array: type, and shape of what a pixel has.
_ARRAYS: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
    "xy": (np.float32, (2,)),
    "visible": (np.bool_, ()),
    "confidence": (np.float16, ()),
}


class Stored(NamedTuple):
    """What a folder holds; the arrays are mapped into memory, not read."""

    xy: NDArray[np.float32]  # T H W 2
    visible: NDArray[np.bool_]  # T H W
    confidence: NDArray[np.float16]  # T H W
    frame: int
    fps: Fraction
    times: NDArray[np.float64]  # T
    start: int


def is_dense(path: PathLike) -> bool:
    """Whether there are dense tracks at a path."""
    return (Path(path) / _HEADER).is_file()


class DenseWriter:
    """Writes dense tracks frame by frame; memory does not grow with their number.

    Use it in a ``with`` block: the folder appears, or replaces an earlier one, when the block
    ends. When it raises, an earlier folder is left as it was.

    Parameters
    ----------
    path
        The folder that shall be.
    size
        ``(width, height)`` of the frames.
    frame
        Frame index that the pixels lie on.
    fps, times
        Of the video; ``times`` are the seconds of every frame.
    start
        Frame index of the first frame stored.

    Raises
    ------
    FormatError
        When the folder cannot be written, or something else lies there.
    """

    def __init__(
        self,
        path: PathLike,
        size: Size,
        frame: int,
        fps: Fraction,
        times: ArrayLike,
        start: int = 0,
    ):
        self._path = Path(path)
        check_place(self._path)
        self._times = np.asarray(times, np.float64)
        self._missing = set(range(len(self._times)))
        self._header = {
            "version": _VERSION,
            "frames": len(self._times),
            "size": list(size),
            "frame": frame,
            "start": start,
            "fps": [fps.numerator, fps.denominator],
        }
        self._frame_shape = (size[1], size[0])
        self._folder = self._path.parent / f".{self._path.name[:50]}.{secrets.token_hex(4)}.part"
        self._files: dict[str, BinaryIO] = {}
        self._begins: dict[str, int] = {}

    def __enter__(self) -> DenseWriter:
        try:
            self._folder.mkdir()
            for name, (kind, inner) in _ARRAYS.items():
                file = (self._folder / f"{name}.npy").open("wb")
                self._files[name] = file
                shape = (len(self._times), *self._frame_shape, *inner)
                described = {
                    "descr": np.lib.format.dtype_to_descr(np.dtype(kind)),
                    "fortran_order": False,
                    "shape": shape,
                }
                np.lib.format.write_array_header_1_0(file, described)
                self._begins[name] = file.tell()
        except OSError as problem:
            self._throw_away()
            raise self._failed(problem) from problem
        return self

    def write(self, t: int, xy: ArrayLike, visible: ArrayLike, confidence: ArrayLike) -> None:
        """Write frame ``t`` (counted from the first stored): ``(H, W, 2)``, ``(H, W)`` twice.

        A frame that is written again replaces what was there.
        """
        if not 0 <= t < len(self._times):
            raise FormatError(f"frame {t} is not one of the {len(self._times)} of {self._path}")
        values = {"xy": xy, "visible": visible, "confidence": confidence}
        for name, (kind, inner) in _ARRAYS.items():
            array = np.ascontiguousarray(values[name], kind)
            shape = (*self._frame_shape, *inner)
            if array.shape != shape:
                raise FormatError(f"{name} of a frame must be {shape}, found {array.shape}")
            file = self._files[name]
            try:
                file.seek(self._begins[name] + t * array.nbytes)
                file.write(array.data)
            except OSError as problem:
                raise self._failed(problem) from problem
        self._missing.discard(t)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except OSError as problem:
            raise self._failed(problem) from problem
        finally:
            self._throw_away()

    def _finish(self) -> None:
        if self._missing:
            raise FormatError(f"frame {min(self._missing)} of {self._path} was never written")
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        np.save(self._folder / "times.npy", self._times)
        (self._folder / _HEADER).write_text(json.dumps(self._header, indent=1), encoding="utf-8")
        if not self._path.exists():
            self._folder.rename(self._path)
            return
        check_place(self._path)
        old = self._folder.with_suffix(".old")
        self._path.rename(old)
        self._folder.rename(self._path)
        shutil.rmtree(old, ignore_errors=True)

    def _throw_away(self) -> None:
        for file in self._files.values():
            file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _failed(self, problem: OSError) -> FormatError:
        return FormatError(f"cannot write {self._path}: {reason(problem)}")


def check_place(path: Path) -> None:
    """Find out before any work is done whether dense tracks can be put at a path.

    Raises
    ------
    FormatError
        When something else lies there, or its folder does not exist or cannot be written to.
    """
    folder = path.parent
    problem = None
    if path.exists() and not is_dense(path) and not (path.is_dir() and not any(path.iterdir())):
        problem = "something else than dense tracks lies there"
    elif not folder.is_dir():
        problem = f"the folder {folder} does not exist"
    elif not os.access(folder, os.W_OK):
        problem = f"the folder {folder} cannot be written to"
    if problem:
        raise FormatError(f"cannot write {path}: {problem}")


def read(path: PathLike) -> Stored:
    """Open what `DenseWriter` wrote.

    Raises
    ------
    FormatError
        When it is not there, is damaged, or was written by a later version.
    """
    folder = Path(path)
    if not is_dense(folder):
        raise FormatError(f"{folder} holds no dense tracks: there is no {_HEADER} in it")
    try:
        header = json.loads((folder / _HEADER).read_text(encoding="utf-8"))
        version, frames = int(header["version"]), int(header["frames"])
        width, height = map(int, header["size"])
        frame, start, fps = int(header["frame"]), int(header["start"]), Fraction(*header["fps"])
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as problem:
        raise FormatError(f"{folder / _HEADER} is damaged: {problem}") from problem
    if version > _VERSION:
        raise FormatError(f"{folder} was written by a later version of pointtrack")
    arrays: dict[str, Any] = {
        name: _array(folder / f"{name}.npy", (frames, height, width, *inner), kind)
        for name, (kind, inner) in _ARRAYS.items()
    }
    times = np.asarray(_array(folder / "times.npy", (frames,), np.float64))
    return Stored(**arrays, frame=frame, fps=fps, times=times, start=start)


def _array(path: Path, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as problem:
        raise FormatError(f"cannot read {path}: {reason(problem)}") from problem
    except (ValueError, EOFError) as problem:
        raise FormatError(f"{path} is damaged: {problem}") from problem
    if array.shape != shape or array.dtype != np.dtype(kind):
        raise FormatError(
            f"{path} is damaged: {np.dtype(kind)} of shape {shape} was expected, found "
            f"{array.dtype} of shape {array.shape}"
        )
    return array
