"""Checkpoints: all that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from pointtrack.errors import WeightsError
from pointtrack.files import PathLike, atomic_path, reason
from pointtrack.weights.compact import read_weights


def write_checkpoint(path: PathLike, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values; a crash leaves an older checkpoint whole."""
    with atomic_path(path, WeightsError) as temporary:
        torch.save(dict(content), temporary)


def read_checkpoint(path: PathLike) -> dict[str, Any]:
    """Read what `write_checkpoint` wrote; nothing in the file is executed.

    Raises
    ------
    WeightsError
        When there is no such file, or it is no checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as problem:
        raise WeightsError(f"cannot read {path}: {reason(problem)}") from problem
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as problem:
        raise WeightsError(f"{path} is not a checkpoint of a training run") from problem
    if not isinstance(content, dict) or "step" not in content:
        raise WeightsError(f"{path} is not a checkpoint of a training run")
    return content


def write_weights(path: PathLike, tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Write weights alone as safetensors, with a few words about them."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path, WeightsError) as temporary:
        save_file(plain, temporary, metadata=dict(about))


def starting_weights(path: PathLike) -> dict[str, Tensor]:
    """Weights from a safetensors file, or the averaged ones from a checkpoint.

    Raises
    ------
    WeightsError
        When the file cannot be read or is neither.
    """
    if Path(path).suffix == ".safetensors":
        return read_weights(path)[0]
    return dict(read_checkpoint(path)["average"])
