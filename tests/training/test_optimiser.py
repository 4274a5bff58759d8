"""The optimiser: what it changes, by how much, and that it can be gone on with."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from pointtrack.networks.compact import CompactConfig, CompactNetwork
from pointtrack.training.muon import Muon, orthogonal
from pointtrack.training.optimiser import Optimiser
from pointtrack.training.run_config import OptimiserConfig

SMALL = CompactConfig((8, 16, 16, 16), (1, 1, 1), channels=8, hidden=16, embedding=8, iterations=2)
MUON = OptimiserConfig(muon=True, decay=0.0, rest_rate=0.5)


def network_with_gradients() -> CompactNetwork:
    torch.manual_seed(0)
    network = CompactNetwork(SMALL)
    renew_gradients(network, 1)
    return network


def renew_gradients(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def weights(network: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


@pytest.mark.parametrize("muon", [False, True])
def test_every_weight_is_changed(muon: bool) -> None:
    network = network_with_gradients()
    before = weights(network)
    Optimiser(network, OptimiserConfig(muon=muon)).step(1e-3)
    for name, parameter in network.named_parameters():
        assert not torch.equal(before[name], parameter), name


def test_kernels_move_by_near_orthogonal_matrices_as_far_as_adamw_would() -> None:
    network = network_with_gradients()
    kernel = network.encoder.stages[1][3].conv_1.weight  # 16 16 3 3
    before = kernel.detach().clone()
    Optimiser(network, MUON).step(1e-2)
    move = (kernel.detach() - before).flatten(1) / 1e-2
    values = torch.linalg.svdvals(move)
    assert values.max() / values.min() < 2.5  # five Newton-Schulz steps come that near
    assert move.square().mean().sqrt() == pytest.approx(0.2, rel=0.3)


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_the_nearest_orthogonal_matrix_keeps_the_directions(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    drawn = left.mT @ orthogonal(matrix) @ right.mT
    assert ((drawn.diagonal() > 0.6) & (drawn.diagonal() < 1.25)).all()
    torch.testing.assert_close(drawn, torch.diag(drawn.diagonal()), atol=1e-4, rtol=0)


def test_muon_steps_as_pytorchs_own_does_in_half_precision() -> None:
    start = torch.randn(16, 40, generator=torch.Generator().manual_seed(3))
    ours, theirs = (nn.Parameter(start.clone()) for _ in range(2))
    optimisers = (
        Muon([ours], 0.01, 0.1),
        torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    )
    for seed in range(3):
        for matrix, optimiser in zip((ours, theirs), optimisers, strict=True):
            matrix.grad = torch.randn(16, 40, generator=torch.Generator().manual_seed(seed))
            optimiser.step()
    assert (ours - start).norm() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)


def test_the_other_weights_have_their_share_of_the_rate() -> None:
    moves = []
    for share in (1.0, 0.5):
        network = network_with_gradients()
        before = network.head.out.bias.detach().clone()
        config = OptimiserConfig(muon=True, decay=0.0, rest_rate=share)
        Optimiser(network, config).step(1e-3)
        moves.append(network.head.out.bias.detach() - before)
    torch.testing.assert_close(moves[0], 2 * moves[1], atol=1e-6, rtol=1e-3)


def test_its_state_goes_on_where_it_was() -> None:
    network = network_with_gradients()
    optimiser = Optimiser(network, MUON)
    optimiser.step(1e-3)
    twin = copy.deepcopy(network)
    successor = Optimiser(twin, MUON)
    successor.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    for seed in (2, 3):
        for one, its in ((network, optimiser), (twin, successor)):
            renew_gradients(one, seed)
            its.step(1e-3)
    for name, value in weights(network).items():
        assert torch.equal(value, dict(twin.named_parameters())[name]), name


def test_a_weight_without_a_gradient_stays() -> None:
    network = network_with_gradients()
    optimiser = Optimiser(network, MUON)
    before = weights(network)
    optimiser.zero_grad()
    optimiser.step(1e-3)
    assert all(torch.equal(before[name], p) for name, p in network.named_parameters())
