"""One picture file a frame: which files those are, and depth and instance maps in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pointtrack.datasets.stored import picture_files
from pointtrack.errors import FormatError
from pointtrack.files import reason

_PALETTE = 3  # PNG's colour type


def frame_files(folder: Path, count: int, first: int | None = None) -> list[Path]:
    """The pictures of a folder, one a frame.

    Where some are missing, the gaps in the numbers of the others say which; they are in the
    list as well, so that a clip can be used without them and a check names them.

    Parameters
    ----------
    folder
        The folder.
    count
        Number of frames.
    first
        Number of the first; default: 0 or 1 where that can be, else the least there is.

    Raises
    ------
    FormatError
        When there are none, too many, or too few without telling which are missing.
    """
    files = picture_files(folder)
    if len(files) == count:
        return files
    if len(files) < count:
        whole = _with_gaps_filled(files, count, first)
        if whole is not None:
            return whole
    raise FormatError(f"the folder {folder} holds {len(files)} pictures, expected {count}")


def _with_gaps_filled(files: list[Path], count: int, first: int | None) -> list[Path] | None:
    matches = [re.fullmatch(r"(.*?)([0-9]+)", path.stem) for path in files]
    names = {(m[1], p.suffix) for m, p in zip(matches, files, strict=True) if m}
    if None in matches or len(names) != 1:
        return None
    digits = [m[2] for m in matches if m]
    numbers, width = [int(text) for text in digits], min(map(len, digits))
    firsts = (0, 1, numbers[0]) if first is None else (first,)
    fitting = [s for s in firsts if s <= numbers[0] and numbers[-1] < s + count]
    if not fitting:
        return None
    start = fitting[0]
    prefix, suffix = names.pop()
    return [files[0].parent / f"{prefix}{n:0{width}d}{suffix}" for n in range(start, start + count)]


def read_values(path: Path) -> NDArray[Any]:
    """A picture's numbers as stored, ``(H, W)`` or ``(H, W, C)`` with red first.

    Raises
    ------
    FormatError
        When the file cannot be read or decoded.
    """
    picture = _decoded(_content(path), path)
    if picture.ndim == 3 and picture.shape[2] >= 3:
        return picture[..., [2, 1, 0, *range(3, picture.shape[2])]]
    return picture


def decode_values(data: bytes, where: str) -> NDArray[Any]:
    """As `read_values`, of a picture's file in memory; ``where`` is for messages."""
    picture = _decoded(data, where)
    if picture.ndim == 3 and picture.shape[2] >= 3:
        return picture[..., [2, 1, 0, *range(3, picture.shape[2])]]
    return picture


def read_depth(path: Path, metres: float) -> NDArray[np.float32]:
    """A 16-bit depth picture ``(H, W)`` in metres; infinite at its largest number.

    Parameters
    ----------
    path
        The picture.
    metres
        What 65535 stands for.
    """
    values = read_values(path)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise FormatError(
            f"{path} is {values.dtype} of shape {values.shape}, expected a grey 16-bit picture"
        )
    depth = values * np.float32(metres / 65535)
    depth[values == 65535] = np.inf  # clamped there: sky, or farther than the scale goes
    return depth


def read_flow(path: Path) -> NDArray[np.float32]:
    """Optical flow ``(H, W, 2)`` in pixels x, y from a 16-bit picture as KITTI's; NaN if unknown.

    Red and green are ``64 * (x, y) + 32768``, blue is 1 where it is known.
    """
    values = read_values(path)
    if values.dtype != np.uint16 or values.ndim != 3:
        raise FormatError(
            f"{path} is {values.dtype} of shape {values.shape}, expected a 16-bit colour picture"
        )
    flow = ((values[..., :2].astype(np.float64) - 32768) / 64).astype(np.float32)
    flow[values[..., 2] == 0] = np.nan
    return flow


def read_labels(path: Path) -> NDArray[np.int32]:
    """A picture of instances as their numbers ``(H, W)``.

    Of a picture with a palette these are the colours' places in it, of a grey one the grey
    levels, 8 or 16 bit; of one in full colour each colour counts as a number of its own,
    ``65536 R + 256 G + B``, and black as 0.
    """
    return decode_labels(_content(path), str(path))


def decode_labels(data: bytes, where: str) -> NDArray[np.int32]:
    """As `read_labels`, of a picture's file in memory; ``where`` is for messages."""
    picture = _decoded(data, where)
    if picture.ndim == 2:
        return picture.astype(np.int32)
    if picture.dtype != np.uint8:
        raise FormatError(f"{where} is a colour picture of {picture.dtype}, expected 8 bit")
    blue, green, red = np.moveaxis(picture[..., :3].astype(np.int32), -1, 0)
    colours = (red << 16) | (green << 8) | blue  # H W
    palette = _palette(data)
    if palette is None:
        return colours
    packed = palette.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    known, first = np.unique(packed, return_index=True)
    place = np.searchsorted(known, colours).clip(max=len(known) - 1)
    if (known[place] != colours).any():
        raise FormatError(f"{where} has a colour that its palette lacks")
    return first[place].astype(np.int32)


def _palette(data: bytes) -> NDArray[np.uint8] | None:
    """The colours ``(K, 3)`` of a PNG whose pixels are places in a palette."""
    if not data.startswith(b"\x89PNG") or data[25:26] != bytes([_PALETTE]):
        return None
    at = 8
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"PLTE":
            return np.frombuffer(data, np.uint8, length // 3 * 3, at + 8).reshape(-1, 3)
        at += 12 + length
    return None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise FormatError(f"cannot read {path}: {reason(problem)}") from problem


def _decoded(data: bytes, where: str | Path) -> NDArray[Any]:
    try:
        flags = cv2.IMREAD_UNCHANGED
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:
        picture = None
    if picture is None:
        raise FormatError(f"{where} is not a picture that can be decoded")
    return picture
