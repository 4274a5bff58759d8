"""DOT's official tensors: which ours are made of, and which are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pointtrack.errors import WeightsError
from pointtrack.networks.registry import outline
from pointtrack.weights import PUBLISHED
from pointtrack.weights.official.dot import recipes
from pointtrack.weights.official.loading import fits, load_official
from pointtrack.weights.recognise import check_variant


def official(variant: str) -> dict[str, Tensor]:
    """Tensors without numbers, named and shaped as in the published checkpoint."""
    network = outline(variant)
    made = {}
    places = network.state_dict()
    for ours, recipe in recipes(network, variant).tensors.items():
        shape = list(places[ours].shape)
        for name in recipe.names:
            if ".gru." in name and name.endswith("weight"):
                kernel = shape[2:]
                made[name] = (128, 384, *kernel)
            elif ".gru." in name or ".norm" in name or ".downsample.1." in name:
                made[name] = (128,) if ".gru." in name else (shape[0],)
            else:
                made.setdefault(name, tuple(shape))
    if variant == "dot":
        made["update_block.encoder.convf1.weight"] = (128, 5, 7, 7)
    return {name: torch.empty(shape, device="meta") for name, shape in made.items()}


@pytest.mark.parametrize("variant", ["dot", "dot_raft8"])
def test_official_tensors_fit_and_are_as_many_as_the_card_says(variant: str) -> None:
    tensors = official(variant)
    assert fits(outline(variant), variant, tensors)
    learned = sum(t.numel() for name, t in tensors.items() if "running_" not in name)
    assert learned == PUBLISHED[variant].parameters


def test_channels_that_are_always_zero_are_left_out() -> None:
    network = outline("dot")
    made = recipes(network, "dot").tensors
    weight = torch.randn(128, 5, 7, 7)
    torch.testing.assert_close(made["motion.flow.0.weight"].make(weight), weight[:, :3])
    gates = [torch.randn(128, 384, 1, 5) for _ in range(2)]
    found = made["passes.0.gates.weight"].make(*gates)
    # The state, then of what the motion encoder gives all but the last two channels.
    torch.testing.assert_close(found[:, :128], torch.cat(gates)[:, :128])
    torch.testing.assert_close(found[:, 128:], torch.cat(gates)[:, 256:-2])


def _without_one(tensors: dict[str, Tensor]) -> None:
    del tensors["update_block.alpha_mask.2.bias"]


def _with_another(tensors: dict[str, Tensor]) -> None:
    tensors["fnet.norm1.weight"] = torch.empty(64, device="meta")


def _of_another_shape(tensors: dict[str, Tensor]) -> None:
    tensors["update_block.encoder.convf1.weight"] = torch.empty(128, 4, 7, 7, device="meta")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_without_one, "update_block.alpha_mask.2.bias"),
        (_with_another, "fnet.norm1.weight"),
        (_of_another_shape, "update_block.encoder.convf1.weight"),
    ],
)
def test_a_wrong_tensor_is_named(change: Callable[[dict[str, Tensor]], None], named: str) -> None:
    tensors = official("dot")
    change(tensors)
    with pytest.raises(WeightsError, match=named.replace(".", r"\.")):
        load_official(outline("dot"), "dot", tensors)


def test_a_checkpoint_of_the_other_network_is_recognised() -> None:
    with pytest.raises(WeightsError, match=r"use .*dot_raft8"):
        check_variant(PUBLISHED["dot"], official("dot_raft8"), "some.pth")
    with pytest.raises(WeightsError, match="use dot"):
        check_variant(PUBLISHED["raft_large"], official("dot"), "some.pth")
    # The estimator and RAFT are one network; only the file's name tells them apart.
    with pytest.raises(WeightsError, match="use dot_raft8"):
        check_variant(PUBLISHED["raft_large"], official("dot_raft8"), "there/cvo_raft_patch_8.pth")
