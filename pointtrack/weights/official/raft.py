"""Where RAFT's tensors come from: gates are joined, batch norm is folded into convolutions."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pointtrack.weights.official.recipes import Recipe, Recipes, renamed

EPSILON = 1e-5  # of batch norm

# Our names to the published ones.
RULES: Sequence[tuple[str, str]] = (
    (r"^feature_encoder\.", "fnet."),
    (r"^context_encoder\.", "cnet."),
    (r"\.trunk\.stem\.", ".conv1."),
    (r"\.trunk\.stages\.0\.", ".layer1."),
    (r"\.trunk\.stages\.1\.", ".layer2."),
    (r"\.trunk\.stages\.2\.", ".layer3."),
    (r"\.first\.", ".conv1."),
    (r"\.second\.", ".conv2."),
    (r"\.third\.", ".conv3."),
    (r"\.shortcut\.", ".downsample.0."),
    (r"net\.head\.", "net.conv2."),
    (r"^motion\.correlation\.0\.", "update_block.encoder.convc1."),
    (r"^motion\.correlation\.2\.", "update_block.encoder.convc2."),
    (r"^motion\.flow\.0\.", "update_block.encoder.convf1."),
    (r"^motion\.flow\.2\.", "update_block.encoder.convf2."),
    (r"^motion\.joint\.", "update_block.encoder.conv."),
    (r"^flow_head\.0\.", "update_block.flow_head.conv1."),
    (r"^flow_head\.2\.", "update_block.flow_head.conv2."),
    (r"^upsampling\.", "update_block.mask."),
)

# The third norm of a strided block is stored twice; the later name is the one that counts.
IGNORED = (r"cnet\..*\.num_batches_tracked", r"cnet\.layer[23]\.0\.norm3\..*")


def recipes(network: nn.Module, variant: str) -> Recipes:
    """For the variants ``raft_large`` and ``raft_small``."""
    return Recipes(flow_recipes(network, folded=variant == "raft_large"), IGNORED)


def flow_recipes(network: nn.Module, folded: bool) -> dict[str, Recipe]:
    """Recipes of a `networks.raft.Raft`; ``folded`` when its context has batch norm."""
    made = renamed(network, RULES)
    for ours, recipe in made.items():
        name = recipe.names[0]
        if folded and name.startswith("cnet.") and not name.startswith("cnet.conv2."):
            made[ours] = _folded(name)
        elif ours.startswith("passes."):
            made[ours] = _gates(network, ours)
    return made


def _folded(name: str) -> Recipe:
    """A convolution's weight or bias with the batch norm after it."""
    layer, part = name.rsplit(".", 1)
    norm = re.sub(r"downsample\.0$", "downsample.1", re.sub(r"conv(\d)$", r"norm\1", layer))
    spread = (f"{norm}.weight", f"{norm}.running_var")
    if part == "weight":
        return Recipe((name, *spread), _folded_weight)
    return Recipe((name, *spread, f"{norm}.bias", f"{norm}.running_mean"), _folded_bias)


def _folded_weight(weight: Tensor, gain: Tensor, variance: Tensor) -> Tensor:
    return weight * (gain * torch.rsqrt(variance + EPSILON))[:, None, None, None]


def _folded_bias(
    bias: Tensor, gain: Tensor, variance: Tensor, offset: Tensor, mean: Tensor
) -> Tensor:
    return (bias - mean) * (gain * torch.rsqrt(variance + EPSILON)) + offset


def _gates(network: nn.Module, ours: str) -> Recipe:
    """A joined convolution: official inputs are [state, context, motion], in this order."""
    _, number, layer, part = ours.split(".")
    suffix = "" if len(network.passes) == 1 else str(int(number) + 1)  # type: ignore[arg-type]
    gates = {"gates": "zr", "candidate": "q", "context": "zrq"}[layer]
    names = tuple(f"update_block.gru.conv{gate}{suffix}.{part}" for gate in gates)
    if part == "bias":
        return Recipe(names, lambda *biases: torch.cat(biases))
    gated = network.passes[0]  # type: ignore[index]
    inputs = gated.context.in_channels  # type: ignore[union-attr]
    hidden = gated.candidate.out_channels  # type: ignore[union-attr]

    def joined(*weights: Tensor) -> Tensor:
        joint = torch.cat(weights)
        context = slice(hidden, hidden + inputs)
        if layer == "context":
            return joint[:, context]
        return torch.cat([joint[:, : context.start], joint[:, context.stop :]], dim=1)

    return Recipe(names, joined)
