"""Memory that is freed and soon wanted again."""

from __future__ import annotations

import torch

_LARGEST = 31 << 20  # bytes; glibc never adapts to blocks above 32 MB


def keep_freed() -> None:
    """Have freed blocks kept for the next one of their size; without effect outside Linux.

    A network makes and drops arrays of some megabytes thousands of times. At first glibc hands
    each back to the system, and touching new pages takes several times as long as computing what
    goes there. It adapts once a large block has been freed, so free one. Nothing is touched.
    """
    torch.empty(_LARGEST, dtype=torch.uint8)
