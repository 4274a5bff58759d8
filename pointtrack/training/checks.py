"""Checks of settings, one sentence each: the name, what was expected, what was found."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from pointtrack.errors import PointtrackError


def whole(name: str, value: Any, least: int) -> None:
    """Raise unless ``value`` is a whole number from ``least`` on."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise PointtrackError(f"{name} must be a whole number, at least {least}, found {value!r}")


def number(name: str, value: Any, least: float, most: float = math.inf) -> None:
    """Raise unless ``value`` is a number from ``least`` to ``most``."""
    if not _real(value) or not least <= value <= most:
        span = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        raise PointtrackError(f"{name} must be a number {span}, found {value!r}")


def chance(name: str, value: Any) -> None:
    """Raise unless ``value`` is a probability."""
    number(name, value, 0, 1)


def interval(
    name: str, value: Any, least: float, most: float = math.inf, *, integers: bool = False
) -> None:
    """Raise unless ``value`` is a pair (low, high) within ``least`` and ``most``."""
    kind = "two whole numbers" if integers else "two numbers"
    pair = isinstance(value, (tuple, list)) and len(value) == 2 and all(map(_real, value))
    if pair and integers:
        pair = all(isinstance(side, Integral) for side in value)
    if not pair or not least <= value[0] <= value[1] <= most:
        span = f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        raise PointtrackError(f"{name} must be {kind} (low, high) {span}, found {value!r}")


def picture_size(name: str, value: Any) -> None:
    """Raise unless ``value`` is (width, height) in whole pixels."""
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    if not pair or not all(isinstance(s, Integral) and int(s) >= 1 for s in value):
        raise PointtrackError(f"{name} must be (width, height) in pixels, found {value!r}")


def one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Raise unless ``value`` is one of the names."""
    if value not in known:
        raise PointtrackError(f"{name} must be one of {', '.join(known)}, found {value!r}")


def _real(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(float(value))
