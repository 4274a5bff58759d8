"""RAFT's joined gates and folded norms compute what the published layers do."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks import build
from pointtrack.networks.raft import GatedPass
from pointtrack.weights.official.raft import flow_recipes


def made(network: torch.nn.Module, ours: str, tensors: dict[str, Tensor], folded: bool) -> Tensor:
    recipe = flow_recipes(network, folded)[ours]
    return recipe.make(*(tensors[name] for name in recipe.names))


def test_gates_with_the_context_apart_are_the_published_unit() -> None:
    network = build("raft_small")
    hidden, context, motion = (torch.randn(1, c, 5, 6) for c in (96, 64, 82))
    tensors = {
        f"update_block.gru.conv{gate}.{part}": torch.randn(shape) / 20
        for gate in "zrq"
        for part, shape in (("weight", (96, 242, 3, 3)), ("bias", (96,)))
    }
    gated = network.passes[0]
    assert isinstance(gated, GatedPass)
    gated.load_state_dict(
        {name: made(network, f"passes.0.{name}", tensors, False) for name in gated.state_dict()}
    )

    def layer(gate: str, state: Tensor) -> Tensor:
        weight, bias = (tensors[f"update_block.gru.conv{gate}.{p}"] for p in ("weight", "bias"))
        return F.conv2d(torch.cat([state, context, motion], dim=1), weight, bias, padding=1)

    update, reset = layer("z", hidden).sigmoid(), layer("r", hidden).sigmoid()
    wanted = (1 - update) * hidden + update * layer("q", reset * hidden).tanh()
    found = gated(hidden, motion, gated.constants(context))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_norm_is_folded_into_the_convolution_before_it() -> None:
    network = build("raft_large")
    layer, norm = "cnet.layer2.0.downsample.0", "cnet.layer2.0.downsample.1"
    tensors = {
        f"{layer}.weight": torch.randn(96, 64, 1, 1),
        f"{layer}.bias": torch.randn(96),
        f"{norm}.weight": torch.randn(96),
        f"{norm}.bias": torch.randn(96),
        f"{norm}.running_mean": torch.randn(96),
        f"{norm}.running_var": torch.rand(96) + 0.1,
    }
    ours = "context_encoder.trunk.stages.1.0.shortcut"
    weight, bias = (made(network, f"{ours}.{p}", tensors, True) for p in ("weight", "bias"))
    x = torch.randn(1, 64, 4, 4)
    wanted = F.batch_norm(
        F.conv2d(x, tensors[f"{layer}.weight"], tensors[f"{layer}.bias"]),
        *(tensors[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")),
    )
    torch.testing.assert_close(F.conv2d(x, weight, bias), wanted, rtol=1e-4, atol=1e-4)
