"""Iterative refinement: networks give every step, and most callers want the last."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TypeVar

Step = TypeVar("Step")


def last(steps: Iterable[Step]) -> Step:
    """The last of at least one step; the others are let go."""
    kept = deque(steps, maxlen=1)
    if not kept:
        raise ValueError("iterations must be at least 1")
    return kept.pop()
