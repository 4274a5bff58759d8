"""A network in parts, each a function of tensors, and the ONNX graphs that are made of them.

Parts are what a tracker calls: encode a frame, take up points, step. Where a value that one part
gives has the name of one that another part takes, the two are one edge of the file's graph.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pointtrack.errors import require

EXTRA = "onnx"
_PREFIX = "{part}/"  # of everything within a part: by that a file is taken apart again


@dataclass(frozen=True)
class Value:
    """A tensor that goes into a part.

    Attributes
    ----------
    example
        One of the right type and shape. Free dimensions must be 2 or more.
    free
        Its dimensions that may have any length, by the name of the length.
    """

    example: Tensor
    free: dict[int, str]


@dataclass(frozen=True)
class Part:
    """A function of tensors.

    Attributes
    ----------
    name
        Its name.
    call
        Takes the inputs in their order, and gives a tensor for each of the outputs.
    inputs
        By their names.
    outputs
        Their names.
    """

    name: str
    call: Callable[..., Sequence[Tensor]]
    inputs: dict[str, Value]
    outputs: tuple[str, ...]


class _Called(nn.Module):
    """What the exporter wants a function to be: a module, which holds the network's weights."""

    def __init__(self, network: nn.Module, part: Part) -> None:
        super().__init__()
        self.network, self._part = network, part

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        named = {id(value) for value in values}
        found = []
        for value in self._part.call(*values):
            # What is an input too, or comes twice, would be one value with two names.
            found.append(value.clone() if id(value) in named else value)
            named.add(id(value))
        return tuple(found)


def to_graph(network: nn.Module, part: Part) -> Any:
    """A part as an ``onnx.ModelProto``; all names within it begin with the part's."""
    require("onnx", EXTRA)
    require("onnxscript", EXTRA)
    any_length = torch.export.Dim.DYNAMIC
    free = tuple(dict.fromkeys(value.free, any_length) for value in part.inputs.values())
    # With gradients the networks take no shortcuts that are for PyTorch's own kernels.
    with _quietly(), torch.enable_grad():
        program = torch.onnx.export(
            _Called(network, part),
            tuple(value.example.clone() for value in part.inputs.values()),
            dynamo=True,
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            dynamic_shapes=(free,),
            verbose=False,
            optimize=False,  # takes longer than all the rest, and onnxruntime does it by itself
        )
    assert program is not None
    from onnx_ir.passes import common

    common.RemoveUnusedNodesPass()(program.model)
    model = program.model_proto
    _name_lengths(model.graph, part)
    _prefix(model.graph, _PREFIX.format(part=part.name), {*part.inputs, *part.outputs})
    return model


def joined(models: Sequence[Any]) -> Any:
    """The parts' graphs as one ``onnx.ModelProto``."""
    import onnx

    versions = {entry.domain: entry.version for model in models for entry in model.opset_import}
    graphs = [model.graph for model in models]
    made = {value.name for graph in graphs for value in graph.output}
    taken = {value.name for graph in graphs for value in graph.input}
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    between: dict[str, Any] = {}
    for graph in graphs:
        for value in graph.input:
            if value.name not in made:
                inputs[value.name] = value
        for value in graph.output:
            (between if value.name in taken else outputs)[value.name] = value
    whole = onnx.helper.make_graph(
        [node for graph in graphs for node in graph.node],
        "pointtrack",
        list(inputs.values()),
        list(outputs.values()),
        [tensor for graph in graphs for tensor in graph.initializer],
        value_info=list(between.values()),
    )
    return onnx.helper.make_model(
        whole,
        opset_imports=[onnx.helper.make_opsetid(*entry) for entry in versions.items()],
        ir_version=min(model.ir_version for model in models),
    )


def _name_lengths(graph: Any, part: Part) -> None:
    """Free dimensions get our names in place of the exporter's; the rest of its notes goes."""
    named: dict[str, str] = {}
    for value in graph.input:
        shape = value.type.tensor_type.shape
        for axis, name in part.inputs[value.name].free.items():
            if not shape.dim[axis].dim_param:
                fixed = shape.dim[axis].dim_value
                raise RuntimeError(f"{value.name} came out with a fixed length of {fixed}: {name}")
            named[shape.dim[axis].dim_param] = name
    for value in (*graph.input, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in named:
                dim.dim_param = named[dim.dim_param]
    del graph.value_info[:]
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.input, *graph.output, *graph.initializer):
        del value.metadata_props[:]


def _prefix(graph: Any, prefix: str, kept: set[str]) -> None:
    def renamed(name: str) -> str:
        return name if not name or name in kept else prefix + name

    for number, node in enumerate(graph.node):
        node.name = f"{prefix}{number}"
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
        for attribute in node.attribute:
            assert not attribute.HasField("g"), "graphs within graphs are not renamed"
    for tensor in graph.initializer:
        tensor.name = renamed(tensor.name)


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporter speaks of optional libraries and of its own workings."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
