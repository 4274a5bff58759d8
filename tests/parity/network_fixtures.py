"""What the checkers of networks share: the filled network, and values on their way through."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from parity_fixtures import Case, parity_dir
from torch import Tensor, nn

from pointtrack.networks import build
from pointtrack.weights.official import load_official

TOLERANCE = 1e-3  # px and logits, unless the folder or its page says otherwise

torch.set_num_threads(1)  # busy machines are slower, and less alike, with more

_networks: dict[str, nn.Module] = {}


def filled_state(folder: Path) -> dict[str, NDArray]:
    """The generated tensors under their official names."""
    spec = importlib.util.spec_from_file_location("parity_fill", parity_dir() / "parity_fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.filled_state(folder)


def filled(case: Case, variant: str | None = None) -> Any:
    """The network of a case's folder with its generated weights, made once a folder."""
    folder = case.path.parent
    if folder.name not in _networks:
        _networks.clear()
        variant = variant or folder.name
        network = load_official(build(variant), variant, filled_state(folder))
        _networks[folder.name] = network.requires_grad_(False)
    return _networks[folder.name]


def frames_of(case: Case) -> Tensor:
    """The video as ``(1, T, 3, H, W)``, 0..255."""
    return torch.from_numpy(np.moveaxis(case["video"], -1, 1)).float()[None]


def tensor(case: Case, name: str) -> Tensor:
    """An array with a batch axis before it."""
    return torch.from_numpy(np.asarray(case[name]))[None]


class Call:
    """Inputs and output of one call of a module."""

    def __init__(self, inputs: tuple[Any, ...], output: Any):
        self.inputs, self.output = inputs, output


@contextmanager
def calls(module: nn.Module) -> Iterator[list[Call]]:
    """Remember every call of a module while the context lasts."""
    seen: list[Call] = []
    handle = module.register_forward_hook(
        lambda _, inputs, output: seen.append(Call(_copied(inputs), _copied(output)))
    )
    try:
        yield seen
    finally:
        handle.remove()


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    return tuple(_copied(v) for v in value) if isinstance(value, tuple | list) else value
