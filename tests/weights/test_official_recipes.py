"""Loading official tensors is strict, and each of them has one place."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pointtrack.errors import PointtrackError, WeightsError
from pointtrack.networks import build
from pointtrack.weights.official import load_official
from pointtrack.weights.official.recipes import Recipes

FLOW = {"raft_large": "raft", "raft_small": "raft", "mft": "mft"}
POINTS = {
    "pips": "pips",
    "pips2": "pips",
    "cotracker1": "cotracker",
    "cotracker1_s4_w12": "cotracker",
    "cotracker1_s8_w16": "cotracker",
    "cotracker2": "cotracker",
    "cotracker2_w16": "cotracker",
    "cotracker3_offline": "cotracker",
    "cotracker3_online": "cotracker",
}


def recipes(variant: str, network: nn.Module) -> Recipes:
    module = {**FLOW, **POINTS}[variant]
    return import_module(f"pointtrack.weights.official.{module}").recipes(network, variant)


def official(network: nn.Module, variant: str) -> dict[str, Tensor]:
    """Tensors for a network whose recipes rename, and take convolutions over time as flat."""
    made = {}
    found = recipes(variant, network).tensors
    for ours, value in network.state_dict().items():
        over_time = ours.startswith("updater.") and value.ndim == 4
        made[found[ours].names[0]] = value[:, :, 0].clone() if over_time else value.clone()
    return made


@pytest.mark.parametrize("variant", [*FLOW, *POINTS])
def test_every_tensor_of_ours_has_a_recipe_and_no_other(variant: str) -> None:
    network = build(variant)
    assert recipes(variant, network).tensors.keys() == network.state_dict().keys()


@pytest.mark.parametrize("variant", POINTS)
def test_every_official_tensor_is_used_once(variant: str) -> None:
    network = build(variant)
    names = [name for r in recipes(variant, network).tensors.values() for name in r.names]
    assert len(names) == len(set(names))


def test_renamed_tensors_arrive_whatever_they_were_stored_as() -> None:
    network = build("pips2")
    tensors = {name: 0.5 * t.numpy() for name, t in official(network, "pips2").items()}
    tensors["norm.weight"] = np.ones(128)  # stored and never used
    before = network.state_dict()["updater.exit.weight"].clone()
    load_official(network, "pips2", tensors)
    torch.testing.assert_close(network.state_dict()["updater.exit.weight"], 0.5 * before)


def spoilt(tensors: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    spoiled = dict(tensors)
    if how == "missing":
        del spoiled["fnet.conv2.bias"]
    elif how == "extra":
        spoiled["fnet.conv9.bias"] = torch.zeros(2)
    else:
        spoiled["fnet.conv2.bias"] = torch.zeros(2)
    return spoiled


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "missing, the first is 'fnet.conv2.bias'"),
        ("extra", "does not have, the first is 'fnet.conv9.bias'"),
        ("misshapen", r"'fnet.conv2.bias' has shape \(2,\)"),
    ],
)
def test_what_does_not_fit_is_named_and_changes_nothing(how: str, message: str) -> None:
    network = build("pips2")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    tensors = {name: value + 1 for name, value in official(network, "pips2").items()}
    with pytest.raises(WeightsError, match=message):
        load_official(network, "pips2", spoilt(tensors, how))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_weights_of_another_model_are_refused() -> None:
    tensors = official(build("pips2"), "pips2")
    with pytest.raises(WeightsError, match="the weights are not pips's"):
        load_official(build("pips"), "pips", tensors)


def test_an_unknown_variant_is_an_error() -> None:
    with pytest.raises(PointtrackError, match="there is no network 'no_such'"):
        build("no_such")
    with pytest.raises(PointtrackError, match="no official weights known for 'no_such'"):
        load_official(build("pips2"), "no_such", {})
