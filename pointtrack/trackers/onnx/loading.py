"""Trackers from files that ``pointtrack export`` wrote.

Each function's keywords are the options of `pointtrack.load` for a kind of file. What concerns
the network itself is fixed in the file.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import torch

from pointtrack.errors import PointtrackError, WeightsError
from pointtrack.files import PathLike
from pointtrack.trackers.base import Tracker
from pointtrack.trackers.compact import THRESHOLD, WORKING, FollowingTracker
from pointtrack.trackers.flow_chain import FlowChainTracker
from pointtrack.trackers.neural.budget import parse_memory
from pointtrack.trackers.neural.causal import CausalTracker
from pointtrack.trackers.neural.clips import ClipTracker
from pointtrack.trackers.neural.recurrent import RecurrentTracker
from pointtrack.trackers.neural.streams import StreamTracker
from pointtrack.trackers.onnx.compact import OnnxFollower
from pointtrack.trackers.onnx.file import OnnxFile
from pointtrack.trackers.onnx.flow import OnnxRaftFlow
from pointtrack.trackers.onnx.models import (
    OnnxCausalModel,
    OnnxClipModel,
    OnnxRecurrentModel,
    OnnxWindowModel,
)

_HERE = torch.device("cpu")  # where frames and answers are; the network runs where it was told to


def open_exported(path: PathLike, device: str = "auto", **options: Any) -> Tracker:
    """Get an exported model ready.

    Parameters
    ----------
    path
        What `export_onnx` wrote.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    **options
        Those of its kind; an unknown one is an error that names those there are.

    Raises
    ------
    WeightsError
        When the file cannot be read or is none of ours.
    PointtrackError
        When an option is unknown, or onnxruntime is not there.
    """
    file = OnnxFile(path, device)
    about = file.about
    if about.kind not in _KINDS:
        raise WeightsError(
            f"{path} was written by pointtrack {about.version}, which knew more kinds of models"
        )
    make = _KINDS[about.kind]
    known = [name for name in inspect.signature(make).parameters if name != "file"]
    fixed = {name: value for name, value in about.options.items() if name not in known}
    for option in options:
        if option not in known:
            listed = ", ".join(f"{name}={value!r}" for name, value in fixed.items())
            raise PointtrackError(
                f"there is no option {option!r} of an exported {about.model}; there are: "
                f"{', '.join(known)}; fixed in the file: {listed or 'none'}"
            )
    usual = {name: about.options[name] for name in known if name in about.options}
    if about.weights == "random":
        warnings.warn(f"{path} has random weights, which track nothing", stacklevel=3)
    tracker = make(file, **{**usual, **options})
    tracker.card = file.card
    return tracker


def _clip(
    file: OnnxFile,
    memory: str | float = "auto",
    window: int = 96,
    overlap: int = 32,
    live: int = 16,
) -> Tracker:
    model = OnnxClipModel(file)
    return ClipTracker(file.card, model, _HERE, parse_memory(memory), window, overlap, live)


def _causal(file: OnnxFile, memory: str | float = "auto", warm_up: bool = False) -> Tracker:
    return CausalTracker(file.card, OnnxCausalModel(file), _HERE, parse_memory(memory), warm_up)


def _window(file: OnnxFile, memory: str | float = "auto", warm_up: bool = False) -> Tracker:
    return StreamTracker(file.card, OnnxWindowModel(file), _HERE, parse_memory(memory), warm_up)


def _recurrent(file: OnnxFile, memory: str | float = "auto", warm_up: bool = False) -> Tracker:
    model = OnnxRecurrentModel(file)
    return RecurrentTracker(file.card, model, _HERE, parse_memory(memory), warm_up)


def _flow(file: OnnxFile, longest: int = 768) -> Tracker:
    return FlowChainTracker(OnnxRaftFlow(file), longest)


def _compact(
    file: OnnxFile,
    working: int = WORKING,
    threshold: float = THRESHOLD,
    refine: bool = True,
    support: bool = True,
    smooth: bool = True,
    fill: bool = True,
    together: bool = True,
) -> Tracker:
    follower = OnnxFollower(file)
    return FollowingTracker(
        follower, working, threshold, refine, support, smooth, fill=fill, together=together
    )


_KINDS: dict[str, Callable[..., Tracker]] = {
    "causal": _causal,
    "clip": _clip,
    "compact": _compact,
    "flow": _flow,
    "recurrent": _recurrent,
    "window": _window,
}
