"""TAPIR, LocoTrack and TAP-Net: PyTorch's and JAX's names, and what is refused."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pointtrack.errors import WeightsError
from pointtrack.networks import build
from pointtrack.weights.official import haiku, load_official
from pointtrack.weights.official.recipes import Recipes

MODULES = {
    "tapir": "tapir",
    "causal_bootstapir": "tapir",
    "locotrack_small": "locotrack",
    "tapnet": "tapnet",
}


def recipes(variant: str, network: nn.Module, kind: str = "recipes") -> Recipes:
    module = import_module(f"pointtrack.weights.official.{MODULES[variant]}")
    return getattr(module, kind)(network, variant)


def port_tensors(network: nn.Module) -> dict[str, Tensor]:
    """A TAPIR's tensors under the names of the PyTorch port."""
    found = recipes("tapir", network).tensors
    state = {}
    for ours, value in network.state_dict().items():
        (name,) = found[ours].names
        if ours.endswith(("spread", "collect")):  # (3, 4, C) from (C * 4, 1, 3)
            value = value.permute(2, 1, 0).reshape(-1, 1, 3)
        elif ".time." in ours:
            value = value.T.flatten()
        state[name] = value.clone()
    return state


def haiku_tree(state: dict[str, Tensor]) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """The port's tensors as the JAX original stores them, written from its table of modules."""
    params: dict[str, dict[str, np.ndarray]] = {}
    for name, value in state.items():
        *path, kind = name.split(".")
        layer, module = path[-1], ""
        if path[0] == "resnet_torch":
            module = "resnet/~/initial_conv"
            if len(path) > 2:
                layer = layer.replace("bn_", "instancenorm_").replace("proj_conv", "shortcut_conv")
                module = f"resnet/~/block_group_{path[2]}/~/block_{path[4]}/~/{layer}"
        elif path[0] == "torch_cost_volume_track_mods":
            module = {
                "hid1": "cost_volume_regression_1",
                "hid2": "cost_volume_regression_2",
                "hid3": "cost_volume_occlusion_1",
                "hid4": "cost_volume_occlusion_2",
                "occ_out": "occlusion_out",
            }[layer]
        elif path[0] == "torch_pips_mixer":
            block = ""
            if path[1] == "blocks":
                block = "block/" if path[2] == "0" else f"block_{path[2]}/"
            module = f"pips_mlp_mixer/{block}{layer}"
        elif path[0] == "extra_convs":
            number = int(path[2])
            base, number = {
                "layer_norm": ("layer_norm", number),
                "conv": ("conv2_d", 2 * number),
                "conv_1": ("conv2_d", 2 * number + 1),
            }[layer]
            module = f"extra_convs/{base}" + (f"_{number}" if number else "")
        normal = "norm" in module.rsplit("/", 1)[-1]
        kinds = {"weight": "scale", "bias": "offset"} if normal else {"weight": "w", "bias": "b"}
        array = value.numpy()
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif array.ndim == 3:
            array = array.transpose(2, 1, 0)
        elif array.ndim == 2:
            array = array.T
        params.setdefault(f"tapir/~/{module}", {})[kinds[kind]] = array
    return {"params": params, "state": {}}


@pytest.mark.parametrize("variant", MODULES)
def test_every_tensor_of_ours_has_a_recipe_and_no_other(variant: str) -> None:
    network = build(variant)
    assert recipes(variant, network).tensors.keys() == network.state_dict().keys()


@pytest.mark.parametrize("variant", ["tapir", "causal_bootstapir"])
def test_the_port_and_the_jax_original_give_the_same_network(variant: str) -> None:
    state = port_tensors(build(variant))
    port = load_official(build(variant), variant, state)
    tree = haiku_tree(state)
    original = load_official(build(variant), variant, haiku.flat_names(tree, "tapir"))
    for (name, one), other in zip(
        port.state_dict().items(), original.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    count = sum(len(module) for module in tree["params"].values())
    assert count == len(state) == len(haiku.flat_names(tree, "tapir"))


def test_modules_of_a_training_beside_the_network_are_left_out() -> None:
    tree = haiku_tree(port_tensors(build("tapir")))
    tree["params"]["tapir/~/unused_head"] = {"w": np.zeros(3, np.float32)}
    tree["opt_state"] = {"step": {"count": np.zeros(1)}}
    network = build("tapir")
    load_official(network, "tapir", haiku.flat_names(tree, "tapir"))
    tree["params"]["tapir/~/extra_convs/conv2_d"] = {"w": np.zeros(3, np.float32)}
    with pytest.raises(WeightsError, match="extra_convs"):
        load_official(network, "tapir", haiku.flat_names(tree, "tapir"))


def test_a_module_around_the_network_does_not_matter() -> None:
    tree = {"params": {"outer/tap_net/~/occlusion_out": {"b": 1}}, "state": None}
    assert haiku.flat_names(tree, "tap_net") == {"tap_net/~/occlusion_out.b": 1}


@pytest.mark.parametrize("tree", [{}, {"state_dict": 1}, {"params": 3}])
def test_what_is_no_haiku_checkpoint_is_refused(tree: dict) -> None:
    with pytest.raises(WeightsError, match="not a Haiku checkpoint"):
        haiku.flat_names(tree, "tapir")


def test_a_checkpoint_of_another_kind_of_tapir_is_refused() -> None:
    network = build("tapir")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(WeightsError, match="extra_convs"):
        load_official(network, "tapir", port_tensors(build("causal_bootstapir")))
    state = port_tensors(network)
    state["torch_pips_mixer.linear.weight"] = torch.zeros(512, 535)
    with pytest.raises(WeightsError, match=r"torch_pips_mixer\.linear\.weight.*535"):
        load_official(network, "tapir", state)
    del state["torch_pips_mixer.linear.weight"]
    with pytest.raises(WeightsError, match=r"missing, the first is 'torch_pips_mixer\.linear"):
        load_official(network, "tapir", state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_locotracks_joint_projections_are_three_of_the_checkpoint() -> None:
    network = build("locotrack_small")
    recipe = recipes("locotrack_small", network).tensors["transformer.layers.1.attention.weight"]
    stem = "torch_pips_mixer.transformer.layers.1.attn."
    assert recipe.names == tuple(f"{stem}{kind}_proj.weight" for kind in ("query", "key", "value"))
    given = [torch.full((2, 2), float(number)) for number in range(3)]
    assert recipe.make(*given)[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    rows = recipes("locotrack_small", network).tensors["transformer.exit.weight"]
    assert rows.make(torch.zeros(388, 256)).shape == (4, 256)


def test_tapnets_batch_norm_is_what_its_recipes_make_of_it() -> None:
    network = build("tapnet")
    found = recipes("tapnet", network).tensors
    scale, variance, offset, mean = torch.randn(4, 1, 1, 1, 64).square().unbind()
    weight = found["encoder.units.0.0.norm.weight"].make(scale, variance)
    bias = found["encoder.units.0.0.norm.bias"].make(scale, variance, offset, mean)
    x = torch.randn(5, 64)
    flat = [value.flatten() for value in (mean, variance, scale, offset)]
    wanted = torch.nn.functional.batch_norm(x, *flat, eps=1e-5)
    torch.testing.assert_close(x * weight + bias, wanted)
