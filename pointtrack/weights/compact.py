"""Weights of the compact tracker: one safetensors file with its sizes in the header."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pointtrack.errors import WeightsError
from pointtrack.files import PathLike, reason
from pointtrack.networks.compact import CompactConfig, CompactNetwork
from pointtrack.weights.calibration import Curves

Weights = str | os.PathLike[str] | Mapping[str, Any]

BUNDLED = Path(__file__).with_name("bundled") / "compact.safetensors"


def load_compact(weights: Weights) -> CompactNetwork:
    """The network with its weights, in evaluation mode.

    Parameters
    ----------
    weights
        ``"bundled"``: those that come with pointtrack; a safetensors file that
        `pointtrack train` wrote; a mapping of tensors; or ``"random"``.

    Raises
    ------
    WeightsError
        When the file cannot be read or does not fit the network; the message names both.
    """
    weights = _file(weights)
    if isinstance(weights, Mapping):
        network, tensors, name = CompactNetwork(), dict(weights), "the weights"
    elif weights == "random":
        warnings.warn("compact has random weights, which track nothing", stacklevel=2)
        torch_state = torch.get_rng_state()
        torch.manual_seed(0)
        network = CompactNetwork()
        torch.set_rng_state(torch_state)
        return network.eval()
    else:
        tensors, about = read_weights(weights)
        network, name = CompactNetwork(_sizes(about, weights)), os.fspath(weights)
    fill(network, tensors, name)
    return network.eval()


def read_curves(weights: Weights) -> Curves:
    """What the stated confidence of these weights means; unchanged where no file says.

    Raises
    ------
    WeightsError
        When the file cannot be read, or what it says not understood.
    """
    weights = _file(weights)
    if isinstance(weights, Mapping) or weights == "random":
        return Curves()
    with _opened(weights) as file:
        return Curves.from_header(_about(file), os.fspath(weights))


def _file(weights: Weights) -> Weights:
    if isinstance(weights, str) and weights.partition(":")[0] == "official":
        raise WeightsError("compact is this project's own: its weights are 'bundled'")
    return BUNDLED if isinstance(weights, str) and weights == "bundled" else weights


def read_weights(path: PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A safetensors file's tensors and what its header says about them.

    Raises
    ------
    WeightsError
        When it cannot be read.
    """
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _about(file)  # noqa: SIM118


@contextmanager
def _opened(path: PathLike) -> Iterator[Any]:
    try:
        with Path(path).open("rb"):  # the operating system's own words when that fails
            pass
        with safe_open(path, "pt") as file:
            yield file
    except OSError as problem:
        raise WeightsError(f"cannot read {path}: {reason(problem)}") from problem
    except SafetensorError as problem:
        raise WeightsError(f"{path} is not a safetensors file: {problem}") from problem


def _about(file: Any) -> dict[str, str]:
    return dict(file.metadata() or {})


def fill(network: CompactNetwork, tensors: Mapping[str, Tensor], name: PathLike) -> None:
    """Load weights that must fit in every name and shape.

    Raises
    ------
    WeightsError
        When one does not; the network is then unchanged.
    """
    own = network.state_dict()
    for key in sorted(own.keys() ^ tensors.keys()):
        word = "lacks the" if key in own else "has an unknown"
        raise WeightsError(f"{name} {word} tensor {key}")
    for key, tensor in own.items():
        found, expected = tuple(tensors[key].shape), tuple(tensor.shape)
        if found != expected:
            raise WeightsError(f"{name}: {key} has shape {found}, expected {expected}")
    network.load_state_dict(dict(tensors))


def _sizes(about: Mapping[str, str], name: PathLike) -> CompactConfig:
    try:
        table: dict[str, Any] = json.loads(about["model"])
        sizes: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in table.items()
        }
        return CompactConfig(**sizes)
    except (KeyError, ValueError, TypeError) as problem:
        raise WeightsError(f"{name} does not say which sizes the network has") from problem
