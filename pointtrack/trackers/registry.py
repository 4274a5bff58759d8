"""Which trackers there are, and how to get one ready."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from pointtrack.errors import PointtrackError, WeightsError
from pointtrack.trackers.base import Tracker
from pointtrack.trackers.compact import CompactTracker
from pointtrack.trackers.flow_chain import FlowChainTracker
from pointtrack.trackers.klt import KltTracker
from pointtrack.trackers.mft import MftTracker
from pointtrack.trackers.neural.catalog import FLOW_NETWORKS, NETWORKS, flow_network
from pointtrack.trackers.particle_video import ParticleVideoTracker
from pointtrack.trackers.static import StaticTracker
from pointtrack.weights import ModelCard

DEFAULT_MODEL = "compact"

_CLASSICAL: dict[str, type[Tracker]] = {
    kind.card.name: kind
    for kind in (
        MftTracker,
        KltTracker,
        FlowChainTracker,
        ParticleVideoTracker,
        StaticTracker,
    )
}

# What these learn from comes as `weights`, and they run on a device in a precision.
_LEARNED: dict[str, type[Tracker]] = {CompactTracker.card.name: CompactTracker}
_OWN = {**_LEARNED, **_CLASSICAL}
_CARDS: dict[str, ModelCard] = {
    **{name: kind.card for name, kind in _OWN.items()},
    **{name: card for name, (card, _) in NETWORKS.items()},
}
_GIVEN = ("self", "card", "weights", "device", "precision")

_DEVICES = ("auto", "cpu", "cuda", "mps")
_EXPORTED = ".onnx"  # what these files end in
_PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def models() -> list[ModelCard]:
    """The cards of all models, in the order they are best introduced in."""
    return list(_CARDS.values())


def options(name: str) -> dict[str, Any]:
    """A model's own options and their defaults.

    Raises
    ------
    PointtrackError
        When there is no such model.
    """
    if name not in _CARDS:
        raise PointtrackError(_unknown("model", name, list(_CARDS)))
    return {option: known.default for option, known in _options(_maker(name)).items()}


def card_of(name: str) -> ModelCard:
    """A model's card.

    Raises
    ------
    PointtrackError
        When there is no such model.
    """
    if name not in _CARDS:
        raise PointtrackError(_unknown("model", name, list(_CARDS)))
    return _CARDS[name]


def load(
    name: str | os.PathLike[str] = DEFAULT_MODEL,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    device: str = "auto",
    precision: str = "auto",
    **options: Any,
) -> Tracker:
    """Get a tracker ready.

    Parameters
    ----------
    name
        A model's name; `models` lists them. Or the path of a file that ``pointtrack export``
        wrote, which ends in ``.onnx``.
    weights
        For models that learn: a path, a mapping of tensors under their official names,
        ``"bundled"`` (what comes with pointtrack: ``compact`` only, and its default),
        ``"official"`` (downloaded once into ``POINTTRACK_CACHE``; ``"official:baseline"`` where
        there are several) or ``"random"``. Models without weights take None, but for ``mft``
        and ``flow_chain`` with a flow network (``flow="raft_large"``): the weights are its.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` (or ``"cuda:1"``) or ``"mps"``.
    precision
        ``"auto"``, ``"float32"``, ``"bfloat16"`` or ``"float16"``.
    **options
        The model's own options; an unknown one is an error that names those there are.

    Raises
    ------
    PointtrackError
        When the model, device, precision or an option is unknown.
    WeightsError
        When weights are given to a model that has none.
    """
    name = os.fspath(name)
    if name.lower().endswith(_EXPORTED):
        return _exported(name, weights, device, precision, options)
    if name not in _CARDS:
        raise PointtrackError(_unknown("model", name, list(_CARDS)))
    if device.partition(":")[0] not in _DEVICES:
        raise PointtrackError(_unknown("device", device, list(_DEVICES)))
    if precision not in _PRECISIONS:
        raise PointtrackError(_unknown("precision", precision, list(_PRECISIONS)))
    flow = options.get("flow")
    networked = name in _CLASSICAL and isinstance(flow, str) and flow in FLOW_NETWORKS
    if weights is not None and name in _CLASSICAL and not networked:
        raise WeightsError(f"{name} learns nothing and takes no weights, found {weights!r}")
    make = _maker(name)
    known = _options(make)
    for option in options:
        if option not in known:
            raise PointtrackError(_unknown(f"option of {name}", option, list(known)))
        _check_type(name, known[option], options[option])
    given = {"weights": weights, "device": device, "precision": precision}
    if networked:
        options["flow"] = flow_network(str(flow), weights, device, precision)
    elif name in NETWORKS:
        return make(NETWORKS[name][0], **given, **options)
    elif name in _LEARNED:
        return make(**given, **options)
    return make(**options)


def _exported(
    path: str, weights: object, device: str, precision: str, options: dict[str, Any]
) -> Tracker:
    if weights is not None:
        raise WeightsError(f"{path} has its weights in it and takes no others, found {weights!r}")
    if precision not in ("auto", "float32"):
        raise PointtrackError(f"an exported model runs in float32, found {precision!r}")
    from pointtrack.trackers.onnx.loading import open_exported

    return open_exported(path, device, **options)


def _maker(name: str) -> Callable[..., Tracker]:
    return _OWN[name] if name in _OWN else NETWORKS[name][1]


def _check_type(model: str, parameter: inspect.Parameter, value: Any) -> None:
    """Options come from a command line too, where 3 and "3" are easily confused."""
    usual = parameter.default
    kinds = {float: (int, float), tuple: (tuple, list)}.get(type(usual), type(usual))
    if type(usual) not in (bool, int, float, str, tuple) or "|" in str(parameter.annotation):
        return
    if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(usual, bool):
        raise PointtrackError(
            f"the option {parameter.name} of {model} must be like {usual!r}, found {value!r}"
        )


def _options(make: Callable[..., Tracker]) -> dict[str, inspect.Parameter]:
    bare = isinstance(make, type) and "__init__" not in vars(make)
    known = {} if bare else inspect.signature(make).parameters
    return {name: one for name, one in known.items() if name not in _GIVEN}


def _unknown(what: str, found: str, known: list[str]) -> str:
    close = difflib.get_close_matches(found, known, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"there is no {what} {found!r}{hint}; there are: {', '.join(known) or 'none'}"
