"""Read a checkpoint without running anything that is in it.

PyTorch's files, safetensors and NumPy's are told apart by their first bytes. What training
wraps around the tensors is taken off; nothing is renamed otherwise.
"""

from __future__ import annotations

import argparse
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from pointtrack.errors import FormatError, WeightsError
from pointtrack.files import PathLike, reason
from pointtrack.formats.safe_pickle import safe_load
from pointtrack.weights.official.haiku import flat_names

Tensors = dict[str, Any]  # name -> torch tensor or NumPy array

# Where checkpoints keep the weights, besides optimisers and counters.
# A mean over the last steps, where there is one, is what was published.
_WRAPPERS = (
    "ema_model",
    "model_state_dict",
    "state_dict",
    "model",
    "module",
    "network",
    "weights",
    "model_state",
    "ema_state_dict",
)
# What data-parallel training, compilation and Lightning put before every name.
_PREFIXES = ("module.", "_orig_mod.", "model.", "tapnext.")
_ROOTS = ("tapir/~/", "tap_net/~/")  # of Haiku's networks


def read_tensors(path: PathLike) -> Tensors:
    """All tensors of a checkpoint, by their published names.

    Parameters
    ----------
    path
        A PyTorch file (``.pt``, ``.pth``, ``.ckpt``), safetensors, or NumPy's ``.npy`` and
        ``.npz``, whatever it is called.

    Raises
    ------
    WeightsError
        When the file cannot be read, is cut off, holds no weights, or asks to run code.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            start = file.read(16)
            file.seek(0)
            found = _read(place, file, start)
    except OSError as problem:
        raise WeightsError(f"cannot read {place}: {reason(problem)}") from problem
    tensors = unwrap(found, place)
    if not tensors:
        raise WeightsError(f"{place} holds no tensors")
    return tensors


def unwrap(content: Any, name: PathLike = "the weights") -> Tensors:
    """Take off what training wraps around tensors: ``state_dict``, ``module.`` and the like."""
    if isinstance(content, Mapping) and isinstance(content.get("params"), Mapping):
        root = next((r for r in _ROOTS if any(r in str(m) for m in content["params"])), _ROOTS[0])
        return flat_names(content, root)
    lightning = isinstance(content, Mapping) and "pytorch-lightning_version" in content
    for _ in range(3):
        inner = next((content[key] for key in _WRAPPERS if _is_mapping(content, key)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping):
        raise WeightsError(
            f"{name} holds a {type(content).__name__}, expected tensors by their names"
        )
    tensors = {str(key): value for key, value in content.items() if _is_tensor(value)}
    if lightning and any(key.startswith("model.") for key in tensors):
        tensors = {key: value for key, value in tensors.items() if key.startswith("model.")}
    for _ in range(3):
        prefix = next((p for p in _PREFIXES if all(key.startswith(p) for key in tensors)), None)
        if prefix is None or not tensors:
            break
        tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def _is_mapping(content: Any, key: str) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get(key), Mapping)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor | np.ndarray | np.generic)


def _read(place: Path, file: BinaryIO, start: bytes) -> Any:
    if not start:
        raise WeightsError(f"{place} is empty")
    if start.startswith(b"\x93NUMPY"):
        return _read_npy(place, file)
    if start.startswith(b"PK"):
        return _read_zip(place)
    # The length of its header comes first, and may begin as a pickle does.
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 30:
        return _read_safetensors(place)
    if start[:1] == b"\x80":
        return _read_torch(place)
    if start.lstrip()[:1] == b"<":
        raise WeightsError(f"{place} is a web page, not a file of weights")
    raise WeightsError(
        f"{place} is no file of weights: PyTorch, safetensors, .npy and .npz can be read"
    )


def _read_zip(place: Path) -> Any:
    """PyTorch's files and NumPy's ``.npz`` are both zip files."""
    try:
        with zipfile.ZipFile(place) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as problem:
        raise _damaged(place) from problem
    if any(name.endswith(".npy") for name in names):
        try:
            with np.load(place, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (ValueError, EOFError, zipfile.BadZipFile) as problem:
            raise WeightsError(
                f"{place} holds arrays of Python objects, or is damaged: nothing was run"
            ) from problem
    if not any(name.endswith("data.pkl") for name in names):
        within = ", ".join(names[:3])
        raise WeightsError(f"{place} is an archive ({within}, ...), not a file of weights")
    return _read_torch(place)


def _read_torch(place: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats, which the errors below say better
            # Settings of a training beside the weights: a class that holds values and runs nothing.
            with torch.serialization.safe_globals([argparse.Namespace]):
                return torch.load(place, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        raise _refused(place, str(problem)) from problem
    except (RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as problem:
        raise _damaged(place) from problem


def _refused(place: Path, message: str) -> WeightsError:
    asked = re.search(r"GLOBAL ([\w.]+)", message)
    if asked is not None:
        return WeightsError(
            f"{place} asks for {asked[1]}, which could run code; nothing was run (only files of "
            "plain tensors are read)"
        )
    if "Unsupported operand" in message:
        return WeightsError(f"{place} is a pickle, but not PyTorch's; nothing in it was run")
    return _damaged(place)


def _read_safetensors(place: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(place)
    except SafetensorError as problem:
        raise _damaged(place) from problem


def _read_npy(place: Path, file: BinaryIO) -> Any:
    """An array, or a dictionary that NumPy has pickled as one."""
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        _, _, kind = read(file)
    except ValueError as problem:
        raise _damaged(place) from problem
    if not kind.hasobject:
        raise WeightsError(f"{place} holds one array without a name, expected named tensors")
    try:
        content = safe_load(file)
    except FormatError as problem:
        raise WeightsError(str(problem)) from problem
    return content.item() if isinstance(content, np.ndarray) and content.size == 1 else content


def _damaged(place: Path) -> WeightsError:
    return WeightsError(f"{place} is damaged or cut off, and no weights can be read from it")
