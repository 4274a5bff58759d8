"""Checkpoints of JAX's Haiku: their names, and the axes of their layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pointtrack.errors import WeightsError


def flat_names(tree: Mapping[str, Any], root: str) -> dict[str, Any]:
    """A checkpoint's tensors by ``module.name``.

    Parameters
    ----------
    tree
        ``{"params": {module: {name: array}}, "state": ...}``; other entries, such as an
        optimiser's, are left out.
    root
        The network's own module, with which every name shall begin: modules around it differ
        from one training to another.

    Raises
    ------
    WeightsError
        When there are no parameters.
    """
    if not isinstance(tree.get("params"), Mapping):
        raise WeightsError(
            "the weights are not a Haiku checkpoint: a mapping with 'params' was expected, found "
            f"{', '.join(map(repr, sorted(map(str, tree)))) or 'an empty one'}"
        )
    found = {}
    for part in ("params", "state"):
        for module, values in (tree.get(part) or {}).items():
            before, here, rest = module.partition(root)
            named = here + rest if here else before
            found.update({f"{named}.{name}": value for name, value in values.items()})
    return found


def conv(kernel: Tensor) -> Tensor:
    """``(..., h, w, in, out)`` to ``(out, in, h, w)``; a leading axis of a 3-D kernel is 1."""
    return kernel.reshape(kernel.shape[-4:]).permute(3, 2, 0, 1)


def linear(matrix: Tensor) -> Tensor:
    """``(in, out)`` to ``(out, in)``."""
    return matrix.T
