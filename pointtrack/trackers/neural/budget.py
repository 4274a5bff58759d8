"""How much memory a tracker may use, and how that is shared out."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from pointtrack.errors import PointtrackError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SHARE = 0.5  # of what is free, unless the user says otherwise
_UNKNOWN = 4 * 10**9  # free bytes, where nobody says
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Need:
    """What a network needs at one working size, in bytes; roughly.

    Attributes
    ----------
    frame
        To keep the features of a frame.
    encoding
        To encode a frame.
    point
        To track a point through one frame.
    least
        Whatever there is to do.
    """

    frame: int
    encoding: int
    point: int
    least: int


@dataclass(frozen=True)
class Shares:
    """What fits into the budget at a time."""

    frames: int  # whose features are kept
    encoded: int  # frames encoded together
    points_frames: int  # points times frames tracked together


def share_out(budget: int, need: Need, window: int, most_encoded: int, what: str) -> Shares:
    """Share a budget of bytes out.

    Parameters
    ----------
    budget
        In bytes.
    need
        Of the network.
    window
        Frames that it must see together at least.
    most_encoded
        Frames together beyond which encoding gets no faster.
    what
        The network's name, for the error.

    Raises
    ------
    PointtrackError
        When not even one point in one window fits.
    """
    minimum = need.least + need.encoding + window * (need.frame + need.point)
    if budget < minimum:
        raise PointtrackError(
            f"{budget / 1e6:,.0f} MB of memory are too little for {what} on this video: it needs "
            f"about {minimum / 1e6:,.0f} MB"
        )
    rest = budget - need.least
    encoded = max(1, min(most_encoded, rest // 4 // need.encoding))
    tracked = max(window, (rest // 4) // need.point)
    left = rest - max(encoded * need.encoding, min(tracked * need.point, rest // 2))
    return Shares(max(window, left // max(1, need.frame)), encoded, tracked)


def parse_memory(memory: str | float) -> float:
    """``"4GB"`` in bytes, ``"50%"`` and ``0.5`` as a share of what is free (at most 1).

    Raises
    ------
    PointtrackError
        When it is neither.
    """
    if memory == "auto":
        return _SHARE
    text = str(memory).strip().lower()
    found = re.fullmatch(r"([\d.]+)\s*(%|([kmgt]?)i?b?)", text)
    try:
        number = float(found[1]) if found else -1.0
    except ValueError:
        number = -1.0
    if found is None or number <= 0 or (found[2] == "" and number > 1):
        raise PointtrackError(f"memory is such as '4GB', '50%' or 0.5, found {memory!r}")
    if found[2] == "%":
        if number > 100:
            raise PointtrackError(f"memory is at most 100%, found {memory!r}")
        return number / 100
    return number if found[2] == "" else max(number * _UNITS[found[3]], 1.0 + 1e-9)


def budget_of(memory: float, device: torch.device) -> int:
    """What `parse_memory` gave, in bytes on a device."""
    return int(memory * free_bytes(device)) if memory <= 1 else int(memory)


def free_bytes(device: torch.device) -> int:
    """Memory that is free on a device, as far as it can be known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    known = [value for value in (_free_of_machine(), _free_of_group()) if value is not None]
    return min(known, default=_UNKNOWN)


def _free_of_machine() -> int | None:
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):  # not on every system
        return None


def _free_of_group() -> int | None:
    """Of the container that we run in, where there is one."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = (_CGROUP / "memory.current").read_text().strip()
    except OSError:
        return None
    return int(limit) - int(used) if limit.isdecimal() else None
