"""Work in portions that stay in a processor's cache; a network that is exported does it at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch


def portions(count: int, size: int, at_once: int) -> Iterator[slice]:
    """Cut ``count`` things into slices; at least one, which may be empty.

    Parameters
    ----------
    count
        How many things there are.
    size
        Numbers that each of them takes.
    at_once
        Numbers that are worked on together.
    """
    if torch.compiler.is_compiling():  # a graph for any count has no loop over it
        yield slice(None)
        return
    step = max(1, at_once // size)
    for start in range(0, max(1, count), step):
        yield slice(start, start + step)
