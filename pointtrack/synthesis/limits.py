"""What settings must be: whole numbers, chances, sizes; the message names the setting."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size

LARGEST_SIDE = 4096


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse what is not a whole number from `least` to `most`."""
    wrong = not isinstance(value, Integral) or isinstance(value, bool)
    if wrong or value < least or (most is not None and value > most):
        span = f"at least {least}" if most is None else f"{least} to {most}"
        raise PointtrackError(f"{name} must be a whole number, {span}, found {value!r}")


def check_number(name: str, value: Any, most: float) -> None:
    """Refuse what is not a number from 0 to `most`."""
    wrong = not isinstance(value, Real) or isinstance(value, bool)
    if wrong or not 0 <= float(value) <= most:
        raise PointtrackError(f"{name} must be a number from 0 to {most:g}, found {value!r}")


def check_size(size: Any, least: int = 16) -> Size:
    """(width, height) as a tuple of whole numbers, also where JSON made a list of it."""
    if not (isinstance(size, (tuple, list)) and len(size) == 2):
        raise PointtrackError(f"size must be (width, height), found {size!r}")
    for name, side in zip(("width", "height"), size, strict=True):
        check_whole(name, side, least, LARGEST_SIDE)
    return int(size[0]), int(size[1])


def check_range(name: str, value: Any) -> tuple[int, int]:
    """(least, greatest) number of something as a tuple, also where JSON made a list of it."""
    if not (isinstance(value, (tuple, list)) and len(value) == 2):
        raise PointtrackError(f"{name} must be (least, greatest), found {value!r}")
    low, high = value
    check_whole(name, low, 0)
    check_whole(name, high, low)
    return int(low), int(high)
