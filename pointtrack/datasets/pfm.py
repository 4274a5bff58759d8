"""Portable float maps, in which FlyingThings3D keeps optical flow and object numbers."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import FormatError
from pointtrack.formats.common import reading

_HEAD = re.compile(
    rb"(P[Ff])\s+(?:#[^\n]*\n\s*)*([0-9]{1,6})\s+([0-9]{1,6})\s+([-+0-9.eE]{1,32})[ \t\r]*\n"
)


def read_pfm(path: Path) -> NDArray[np.float32]:
    """A map as ``(H, W)`` for one channel or ``(H, W, 3)`` for three, top row first.

    The file has its bottom row first; the sign of its scale says in which order bytes are, its
    size is not applied.

    Raises
    ------
    FormatError
        When the file is damaged or something else.
    """
    with reading(path, "a portable float map"):
        data = path.read_bytes()
        head = _HEAD.match(data)
        if head is None:
            raise FormatError("it does not begin with PF or Pf, width, height and scale")
        width, height, scale = int(head[2]), int(head[3]), float(head[4])
        channels = 3 if head[1] == b"PF" else 1
        length = 4 * width * height * channels
        if len(data) - head.end() < length or not length:
            raise FormatError(
                f"it holds {len(data) - head.end()} bytes of numbers, "
                f"expected {length} for {width}x{height}"
            )
        order = "<" if scale < 0 else ">"
        values = np.frombuffer(data, f"{order}f4", length // 4, head.end())
    shape = (height, width, 3) if channels == 3 else (height, width)
    return np.ascontiguousarray(values.reshape(shape)[::-1], dtype=np.float32)
