"""The published code, imported from a checkout that is given by path, behind one face.

Nothing of it is here. Each module has a function ``load(variant, checkout)``, which gives a
`Reference`. What the code imports but does not need for tracking is replaced by nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import torch
from measuring import peak_mebibytes
from torch import Tensor

# (video (1, T, 3, H, W) in 0..255, queries (1, N, 3) t, x, y, iterations or None for the
# published number) to arrays by name.
Run = Callable[[Tensor, Tensor, "int | None"], dict[str, Tensor]]


class HasState(Protocol):
    """A network, or what stands for one in another process."""

    def state_dict(self) -> dict[str, Tensor]: ...


class Reference(NamedTuple):
    """A published network with random weights."""

    network: HasState  # under the official names
    run: Run
    # CPU seconds and peak memory of the process that it runs in.
    clock: Callable[[], float] = time.process_time
    peak: Callable[[], float] = peak_mebibytes


# variant: the module here, the repository on GitHub.
FAMILIES: dict[str, tuple[str, str]] = {
    "cotracker1": ("cotracker1", "facebookresearch/co-tracker"),  # its tag v1.0
    "cotracker2": ("cotracker", "facebookresearch/co-tracker"),
    "cotracker2_w16": ("cotracker", "facebookresearch/co-tracker"),
    "cotracker3_offline": ("cotracker", "facebookresearch/co-tracker"),
    "cotracker3_online": ("cotracker", "facebookresearch/co-tracker"),
    "tapir": ("tapir", "google-deepmind/tapnet"),
    "causal_tapir": ("tapir", "google-deepmind/tapnet"),
    "bootstapir": ("tapir", "google-deepmind/tapnet"),
    "causal_bootstapir": ("tapir", "google-deepmind/tapnet"),
    "tapnet": ("tapnet", "google-deepmind/tapnet"),  # in JAX
    "tapnext": ("tapnext", "google-deepmind/tapnet"),
    "locotrack_small": ("locotrack", "cvlab-kaist/locotrack"),
    "locotrack_base": ("locotrack", "cvlab-kaist/locotrack"),
    "pips": ("pips", "aharley/pips"),
    "pips2": ("pips2", "aharley/pips2"),
    "raft_large": ("raft", "princeton-vl/RAFT"),
    "raft_small": ("raft", "princeton-vl/RAFT"),
    "mft": ("mft", "serycjon/MFT"),
    "taptr": ("taptr", "IDEA-Research/TAPTR"),  # its branches v1 and v2
    "taptrv2": ("taptr", "IDEA-Research/TAPTR"),
    "alltracker": ("alltracker", "aharley/alltracker"),
    "alltracker_tiny": ("alltracker", "aharley/alltracker"),
    "gmrw": ("gmrw", "ayshrv/gmrw"),
    "dot": ("dot", "16lemoing/dot"),
    "dot_raft8": ("dot", "16lemoing/dot"),
    "dinov2_vits14": ("dinov2", "facebookresearch/dinov2"),
    "dinov2_vitb14": ("dinov2", "facebookresearch/dinov2"),
    "trackon2": ("trackon", "gorkaydemir/track_on"),
    "trackon2_dinov2": ("trackon", "gorkaydemir/track_on"),
}


def load_reference(variant: str, checkout: Path) -> Reference:
    """The published network of a variant, from a folder with its repository."""
    family = import_module(f"references.{FAMILIES[variant][0]}")
    return family.load(variant, checkout)


def import_from(folder: Path, module: str) -> ModuleType:
    """Import a module of a checkout."""
    sys.path.insert(0, str(folder))
    return import_module(module)


def absent(*names: str) -> None:
    """Let modules be imported that are not installed and not used."""
    for name in names:
        try:
            import_module(name)
        except ModuleNotFoundError:
            stand_in = sys.modules[name] = ModuleType(name)
            stand_in.__getattr__ = lambda _: None  # type: ignore[method-assign]
            stand_in.__dict__["__all__"] = []


@contextmanager
def without_cuda() -> Iterator[None]:
    """Code that says ``.cuda()`` runs where there is none."""
    known: Any = torch.Tensor.cuda
    torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        torch.Tensor.cuda = known  # type: ignore[method-assign]
