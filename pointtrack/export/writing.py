"""`export_onnx`: from a model's name to a checked file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pointtrack
from pointtrack.errors import PointtrackError, require
from pointtrack.export.checking import Agreement, compare
from pointtrack.export.families import EXPORTED, Exported, check_exported, exported
from pointtrack.export.parts import EXTRA, Part, joined, to_graph
from pointtrack.files import PathLike, atomic_path
from pointtrack.trackers.base import Tracker
from pointtrack.trackers.compact_follower import LIVE
from pointtrack.trackers.onnx.file import About
from pointtrack.trackers.onnx.loading import open_exported
from pointtrack.trackers.registry import load
from pointtrack.trackers.registry import options as model_options

SUFFIX = ".onnx"
# A file moves points equally often in sessions and in whole videos.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {"compact": {"iterations": LIVE}}
_OURS = ("compile", "joining")  # options that mean nothing to a file
_LARGEST = 2 << 30  # bytes of one file in this format


def export_onnx(
    model: str,
    target: PathLike,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    check: bool = True,
    **options: Any,
) -> Agreement | None:
    """Write a model as an ONNX file, which `pointtrack.load` and others can run.

    Parameters
    ----------
    model
        Its name; ``EXPORTED`` has those there are.
    target
        The file, ``.onnx``.
    weights, **options
        As of `pointtrack.load`. What concerns the network (resolution, iterations, threshold)
        is then fixed in the file.
    check
        Track a short video with the file and with PyTorch, and compare.

    Returns
    -------
    Agreement or None
        How far apart the two are; None without a check.

    Raises
    ------
    PointtrackError
        When the model cannot be exported, onnx is missing, or the two do not agree. There is
        no file then.
    """
    check_exported(model)
    if Path(target).suffix.lower() != SUFFIX:
        raise PointtrackError(f"an exported model is a {SUFFIX} file, found {target}")
    for module in ("onnx", "onnxscript", "onnxruntime"):
        require(module, EXTRA)
    options = {**DEFAULTS.get(model, {}), **options}
    _check_options(model, options)
    tracker = load(model, weights, device="cpu", precision="float32", **options)
    made = exported(model, tracker)
    proto = joined([_graph(model, made, part) for part in made.parts])
    about = _about(model, made, tracker, weights, options)
    proto.producer_name, proto.producer_version = "pointtrack", about.version
    proto.doc_string = f"{model}: {tracker.card.summary}. {tracker.card.paper}"
    for key, value in about.to_metadata().items():
        proto.metadata_props.add(key=key, value=value)
    if proto.ByteSize() >= _LARGEST:
        raise PointtrackError(f"{model} is larger than the 2 GiB that one ONNX file holds")
    with atomic_path(target, PointtrackError) as temporary:
        temporary.write_bytes(proto.SerializeToString())
        del proto
        return compare(tracker, open_exported(temporary)) if check else None


def _check_options(model: str, options: Mapping[str, Any]) -> None:
    """Support points that depend on the queries are no part of a graph."""
    wanted: dict[str, Any] = {"local": 0, "joining": "apart"}
    if EXPORTED[model] is EXPORTED["tapnext"]:
        wanted["support"] = 0
    for name, value in wanted.items():
        if options.get(name, value) != value:
            raise PointtrackError(
                f"{model} is exported with {name}={value!r} only, found {options[name]!r}"
            )


def _graph(model: str, made: Exported, part: Part) -> Any:
    try:
        return to_graph(made.network, part)
    except PointtrackError:
        raise
    except Exception as problem:  # the exporter's are of many kinds, one around the other
        first: BaseException = problem
        while first.__cause__ is not None:
            first = first.__cause__
        line = (str(first).strip() or type(first).__name__).splitlines()[0]
        raise PointtrackError(
            f"PyTorch's exporter cannot export {model}, part {part.name}: {line}"
        ) from problem


def _about(
    model: str,
    made: Exported,
    tracker: Tracker,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> About:
    card = tracker.card
    known = {**model_options(model), **options}
    kept = ("family", "summary", "paper", "task", "parameters", "code_licence", "weights_licence")
    named = "a mapping of tensors" if isinstance(weights, Mapping) else weights
    return About(
        version=pointtrack.__version__,
        model=model,
        kind=made.kind,
        parts={
            part.name: {"inputs": list(part.inputs), "outputs": list(part.outputs)}
            for part in made.parts
        },
        convention=asdict(made.convention),
        options={name: value for name, value in known.items() if name not in _OURS},
        weights="" if named is None else os.path.basename(os.fspath(named)),
        card={
            "name": card.name,
            **{name: getattr(card, name) for name in kept},
            "commercial": card.commercial,
            "resolution": list(card.resolution),
        },
        need=made.need,
        numbers=made.numbers,
    )
