"""Where a network runs, in which precision, and whether it is compiled."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pointtrack.errors import PointtrackError

_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}

# The parts of networks that most of the time goes into. Everything else, positions and what
# is read at them, stays in single precision.
_HEAVY = (
    "encoder",
    "feature_encoder",
    "context_encoder",
    "extra_convs",
    "correlation",
    "comparisons",
    "transformer",
    "mixer",
    "updater",
    "motion",
    "recurrent",
    "spatial",
)


def pick_device(name: str) -> torch.device:
    """A device by name; ``"auto"`` is a GPU where there is one.

    Raises
    ------
    PointtrackError
        When it does not exist here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise PointtrackError(f"there is no device {name!r} here; {_there_are()}") from problem


def _there_are() -> str:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = ["cpu", *(f"cuda:{number}" for number in range(count))]
    if torch.backends.mps.is_available():
        names.append("mps")
    return f"there are: {', '.join(names)}"


def place(network: nn.Module, device: torch.device, precision: str, compiled: bool) -> nn.Module:
    """Bring a network to a device.

    Parameters
    ----------
    precision
        ``"auto"`` and ``"float32"``: single. ``"bfloat16"`` and ``"float16"`` (GPU only): half,
        in convolutions and perceptrons.
    compiled
        Whether ``torch.compile`` takes these parts too. The first video is then slow.

    Raises
    ------
    PointtrackError
        When the device has no such precision.
    """
    half = _HALF.get(precision)
    if half is torch.float16 and device.type == "cpu":
        raise PointtrackError("float16 needs a GPU; on the CPU use float32 or bfloat16")
    network = network.to(device)
    for part in _heavy(network):
        if half is not None:
            for method in ("forward", "causal"):
                if hasattr(part, method):
                    setattr(part, method, _in_half(getattr(part, method), device.type, half))
        if compiled:
            part.compile(dynamic=True)
    return network


def _heavy(network: nn.Module) -> Iterator[nn.Module]:
    for name, part in network.named_modules():
        within, _, last = name.rpartition(".")
        if last in _HEAVY and within.rpartition(".")[2] not in _HEAVY:
            yield from part if isinstance(part, nn.ModuleList) else [part]


def _in_half(call: Callable[..., Any], device: str, dtype: torch.dtype) -> Callable[..., Any]:
    """The same in half precision, but for what goes in and comes out."""

    @functools.wraps(call)
    def wrapped(*arguments: Any) -> Any:
        with torch.autocast(device, dtype):
            return _single(call(*arguments))

    return wrapped


def _single(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, tuple):
        parts = [_single(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return [_single(part) for part in value] if isinstance(value, list) else value
