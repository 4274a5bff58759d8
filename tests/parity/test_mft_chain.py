"""MFT's chaining and selection, which need no network: `case_chain_ops` of the folder ``mft``."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from parity_fixtures import Case, parity_dir

from pointtrack.trackers.flow import DenseFlow
from pointtrack.trackers.mft import OCCLUDED, chain, select

PATH = parity_dir() / "mft" / "case_chain_ops.npz"

if not PATH.exists():
    pytest.skip(f"no fixture {PATH}", allow_module_level=True)

FIELDS = ("flow", "occlusion", "sigma")


def pixels(case: Case) -> NDArray[np.float32]:
    """Every pixel of the grid as a point, (K, 2)."""
    height, width = case["invalid"].shape
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)


def rows(case: Case, name: str) -> NDArray[np.float32]:
    """Position, occlusion and sigma of the tracks a result stands for, (K, 4)."""
    flow, occlusion, sigma = (
        case[f"{name}_{f}"].reshape(-1, pixels(case).shape[0]) for f in FIELDS
    )
    return np.column_stack([pixels(case) + flow.T, occlusion[0], sigma[0]])


def compare(case: Case, name: str, got: NDArray[np.float32], **tolerance: float) -> None:
    shape = (-1, *case["invalid"].shape)
    fields = (got[:, :2] - pixels(case), got[:, 2], got[:, 3])
    for f, value in zip(FIELDS, fields, strict=True):
        case.compare(f"{name}_{f}", value.T.reshape(shape), **tolerance)


def test_chain_agrees_with_the_published_implementation() -> None:
    case = Case(PATH)
    for k in range(3):
        right = DenseFlow(
            np.moveaxis(case[f"right{k}_flow"], 0, -1),
            case[f"right{k}_occlusion"][0],
            case[f"right{k}_sigma"][0],
        )
        compare(case, f"chained{k}", chain(rows(case, f"left{k}"), right), atol=1e-4)


def test_selection_agrees_with_the_published_implementation_everywhere() -> None:
    case = Case(PATH)
    candidates = np.stack([rows(case, f"chained{k}") for k in range(3)])
    height, width = case["invalid"].shape
    chosen = select(candidates, (width, height))
    compare(case, "selected", chosen, atol=5e-6)
    x, y = chosen[:, 0], chosen[:, 1]
    outside = (x < 0) | (y < 0) | (x >= width) | (y >= height)
    case.compare("invalid", outside.reshape(height, width))
    assert (chosen[outside, 2] == 1).all()
    occluded = (candidates[..., 2] > OCCLUDED).all(axis=0).mean()
    case.compare("all_occluded_fraction", occluded, atol=1e-6)


def test_every_array_of_the_case_is_an_input_or_was_compared() -> None:
    names = set(Case(PATH).names())
    inputs = {f"{side}{k}_{f}" for side in ("left", "right") for k in range(3) for f in FIELDS}
    outputs = {f"{name}_{f}" for name in ("chained0", "chained1", "chained2") for f in FIELDS}
    outputs |= {f"selected_{f}" for f in FIELDS} | {"invalid", "all_occluded_fraction"}
    assert names == inputs | outputs
