"""What the command line sets in its process before PyTorch starts: in a program of one's own these
are one's own to choose. docs/performance.md has what each is worth."""

from __future__ import annotations

import ctypes
import os

_SPINS = "1000"  # no slower alone, and twice as fast beside another
_TRIM, _MAP = -1, -3  # glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD
_KEPT, _LARGE = 256 << 20, 32 << 20  # bytes


def tune() -> None:
    """Have PyTorch's threads wait quietly, and memory kept from one frame to the next.

    Who has set the same things by environment variables has it so.
    """
    _spin_less()
    _keep_memory()


def _spin_less() -> None:
    """Have PyTorch's threads, where they are GNU's, spin only briefly when they wait.

    As long as by default they hold up whatever else runs on the machine, and that them in turn.
    Only before PyTorch is imported does it make a difference.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def _keep_memory() -> None:
    """Keep up to 256 MiB of what was freed, rather than to ask the system again in every frame.

    Only where the C library is GNU's; elsewhere nothing happens.
    """
    if {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_MAP, _LARGE)
        mallopt(_TRIM, _KEPT)
