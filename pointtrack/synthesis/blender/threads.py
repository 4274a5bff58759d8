"""Blender's tasks in one thread, for as long as something must not depend on their order.

Blender steps physics among the tasks of its scene. Where several threads take these, falling
things come to lie otherwise in one run of four (seen with bpy 5.0.1). There is no setting for
it in Blender's module, so its task library (oneTBB) is told directly.

Runs inside the worker, in Blender.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from pointtrack.errors import PointtrackError

_LIBRARY = "libtbb*"
_CREATE = "_ZN3tbb6detail2r16createERNS0_2d114global_controlE"
_DESTROY = "_ZN3tbb6detail2r17destroyERNS0_2d114global_controlE"


class _Control(ctypes.Structure):
    """oneTBB's `global_control`; parameter 0 is the greatest number of threads."""

    _fields_ = (
        ("value", ctypes.c_size_t),
        ("reserved", ctypes.c_ssize_t),
        ("parameter", ctypes.c_int),
    )


@contextmanager
def one_thread() -> Iterator[None]:
    """Let Blender's tasks run one after the other inside the block.

    Raises
    ------
    PointtrackError
        When Blender's task library is not where it is expected.
    """
    library = _library()
    control = ctypes.byref(_Control(1, 0, 0))
    library[_CREATE](control)
    try:
        yield
    finally:
        library[_DESTROY](control)


def _library() -> ctypes.CDLL:
    package = Path(bpy.utils.resource_path("LOCAL")).parent
    for path in sorted(package.rglob(_LIBRARY)):
        library = ctypes.CDLL(str(path))
        if hasattr(library, _CREATE):
            return library
    raise PointtrackError(f"there is no task library {_LIBRARY} in {package}, expected bpy 5.0.1")
