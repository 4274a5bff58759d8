"""Several processes that train together, as ``torchrun`` starts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor
from torch import distributed as dist

from pointtrack.errors import PointtrackError


class Group(NamedTuple):
    """This process's number among those that train together."""

    rank: int = 0
    world: int = 1

    def agree(self, mine: bool) -> bool:
        """What the first process says."""
        if self.world == 1:
            return mine
        where = "cuda" if dist.get_backend() == "nccl" else "cpu"
        said = torch.tensor(int(mine), device=where)
        dist.broadcast(said, 0)
        return bool(said)


@contextmanager
def joined(device: str = "auto") -> Iterator[tuple[Group, torch.device]]:
    """Join the other processes, if ``torchrun`` started any, and leave them at the end.

    Yields
    ------
    tuple
        The group, and this process's device.
    """
    where = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        yield Group(), where
        return
    dist.init_process_group("nccl" if where.type == "cuda" else "gloo")
    try:
        yield Group(dist.get_rank(), dist.get_world_size()), where
    finally:
        dist.destroy_process_group()


def world_sum(values: Tensor) -> tuple[Tensor, int]:
    """Sums over all processes (no gradients), and how many there are."""
    if not (dist.is_available() and dist.is_initialized()):
        return values, 1
    together = values.clone()
    dist.all_reduce(together)
    return together, dist.get_world_size()


def _device(name: str, local: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if not torch.cuda.is_available():
            raise PointtrackError("there is no device 'cuda' here")
        torch.cuda.set_device(local)
        return torch.device("cuda", local)
    if name != "cpu":
        raise PointtrackError(f"training runs on auto, cpu or cuda, found {name!r}")
    return torch.device("cpu")
