"""An ONNX file that pointtrack wrote: what it says of itself, and its parts, ready to run.

Everything within a part has a name that begins with the part's. What stands in the file's
metadata is in `About`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointtrack.errors import PointtrackError, WeightsError, require
from pointtrack.files import PathLike, reason
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.convention import Convention
from pointtrack.weights import ModelCard

EXTRA = "onnx"
FORMAT = 1  # of the metadata; raised when older versions could not read a file any more
_TYPES = {1: torch.float32, 7: torch.int64, 9: torch.bool}  # by ONNX's numbers


@dataclass(frozen=True)
class About:
    """The metadata, each field a JSON text under the name ``pointtrack.FIELD``.

    Attributes
    ----------
    version
        Of pointtrack, that wrote the file.
    model
        The model's name.
    kind
        What its parts are; see docs/onnx.md.
    parts
        Name of a part -> names of its inputs and of its outputs.
    convention
        The network's: size (width, height; 0: any), resize, raster, low, high.
    options
        Of the model, as it was loaded.
    weights
        Where they came from.
    card
        Of the model: paper, licences, whether commercial use is allowed.
    need
        Bytes; see `Need`.
    numbers
        What else the tracker must know of the network.
    """

    version: str
    model: str
    kind: str
    parts: dict[str, dict[str, list[str]]]
    convention: dict[str, Any]
    options: dict[str, Any]
    weights: str
    card: dict[str, Any]
    need: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, str]:
        """As an ONNX file keeps it."""
        values = {"format": FORMAT, **asdict(self)}
        return {f"pointtrack.{name}": json.dumps(value) for name, value in values.items()}


class OnnxFile:
    """An exported network.

    Parameters
    ----------
    path
        The file.
    device
        ``"auto"`` and ``"cpu"``, or ``"cuda"`` where onnxruntime has it.

    Attributes
    ----------
    about : About
        What the file says of itself.

    Raises
    ------
    WeightsError
        When it cannot be read, or pointtrack did not write it.
    PointtrackError
        When onnxruntime is not installed or has no such device.
    """

    def __init__(self, path: PathLike, device: str = "auto") -> None:
        require("onnx", EXTRA)
        require("onnxruntime", EXTRA)
        providers = _providers(device)
        model = _read(Path(path))
        self.about = _about(model, path)
        self._path = path
        self._shapes: dict[str, tuple[torch.dtype, list[int]]] = {}
        self._parts = {
            name: self._session(model, name, values, providers)
            for name, values in self.about.parts.items()
        }

    @property
    def convention(self) -> Convention:
        """Of pictures and pixels."""
        known = self.about.convention
        return Convention(**{**known, "size": tuple(known["size"])})

    @property
    def need(self) -> Need:
        """Of memory."""
        return Need(**self.about.need)

    @property
    def card(self) -> ModelCard:
        """The model's, as of when it was exported."""
        known = dict(self.about.card)
        known["resolution"] = tuple(known.get("resolution", ()))
        return ModelCard(**known)

    def run(self, part: str, *values: Tensor) -> list[Tensor]:
        """Run a part."""
        names = self.about.parts[part]["inputs"]
        given = {name: value.numpy() for name, value in zip(names, values, strict=True)}
        try:
            found = self._parts[part].run(None, given)
        except Exception as problem:  # onnxruntime's errors have no common base
            line = str(problem).splitlines()[0]
            raise PointtrackError(f"{self._path} failed in its part {part}: {line}") from problem
        return [torch.from_numpy(value) for value in found]

    def zeros(self, name: str, length: int) -> Tensor:
        """A tensor as goes in under that name, with ``length`` in place of free dimensions."""
        kind, shape = self._shapes[name]
        return torch.zeros([side or length for side in shape], dtype=kind)

    def inputs(self, part: str, start: str = "") -> list[str]:
        """The names of a part's inputs that begin so."""
        return [name for name in self.about.parts[part]["inputs"] if name.startswith(start)]

    def _session(
        self, model: Any, name: str, values: dict[str, list[str]], providers: list[str]
    ) -> Any:
        import onnxruntime

        part = _part(model, name, values)
        for value in part.graph.input:
            kind = value.type.tensor_type
            sides = [side.dim_value for side in kind.shape.dim]
            self._shapes[value.name] = (_TYPES[kind.elem_type], sides)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors
        try:
            return onnxruntime.InferenceSession(part.SerializeToString(), options, providers)
        except Exception as problem:  # onnxruntime's errors have no common base
            line = str(problem).splitlines()[0]
            raise WeightsError(f"onnxruntime cannot run {self._path}: {line}") from problem


def _part(model: Any, name: str, values: dict[str, list[str]]) -> Any:
    """The part as a model by itself."""
    import onnx

    graph = model.graph
    known = {v.name: v for v in (*graph.input, *graph.output, *graph.value_info)}
    prefix = f"{name}/"
    cut = onnx.helper.make_graph(
        [node for node in graph.node if node.name.startswith(prefix)],
        name,
        [known[value] for value in values["inputs"]],
        [known[value] for value in values["outputs"]],
        [tensor for tensor in graph.initializer if tensor.name.startswith(prefix)],
    )
    return onnx.helper.make_model(
        cut, opset_imports=model.opset_import, ir_version=model.ir_version
    )


def _read(path: Path) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        content = path.read_bytes()
    except OSError as problem:
        raise WeightsError(f"cannot read {path}: {reason(problem)}") from problem
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as problem:
        raise WeightsError(f"{path} is no ONNX file, or is damaged or cut off") from problem
    if not model.graph.node:
        raise WeightsError(f"{path} is no ONNX file: there is no network in it")
    return model


def _about(model: Any, path: PathLike) -> About:
    written = {entry.key: entry.value for entry in model.metadata_props}
    names = list(About.__dataclass_fields__)
    try:
        known = {name: json.loads(written[f"pointtrack.{name}"]) for name in ("format", *names)}
    except (KeyError, ValueError) as problem:
        raise WeightsError(
            f"{path} was not written by `pointtrack export`, and nothing says how to run it"
        ) from problem
    if known.pop("format") != FORMAT:
        raise WeightsError(
            f"{path} was written by pointtrack {known['version']}, in a form that this version "
            "does not know; export it again"
        )
    about = About(**known)
    graph = model.graph
    there = {v.name for v in (*graph.input, *graph.output, *graph.value_info)}
    named = {n for part in about.parts.values() for values in part.values() for n in values}
    outside = any(tensor.data_location for tensor in graph.initializer)
    if outside or not named <= there:
        raise WeightsError(f"{path} has been changed since `pointtrack export` wrote it")
    return about


def _providers(device: str) -> list[str]:
    import onnxruntime

    wanted = "CPUExecutionProvider" if device in ("auto", "cpu") else "CUDAExecutionProvider"
    there = onnxruntime.get_available_providers()
    if device not in ("auto", "cpu", "cuda") or wanted not in there:
        raise PointtrackError(
            f"an exported model does not run on the device {device!r} here; onnxruntime has: "
            f"{', '.join(there)}"
        )
    return [wanted] if wanted == "CPUExecutionProvider" else [wanted, "CPUExecutionProvider"]
