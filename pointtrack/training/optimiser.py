"""The optimiser: orthogonal steps for matrices and kernels, AdamW for everything else.

Muon (Jordan 2024; Liu et al., arXiv 2502.16982) replaces the gradient's running mean of a matrix
by the nearest orthogonal one, so that all its directions are learned at one speed. Kernels are
taken as matrices with one row an output channel. Steps are scaled to the size of AdamW's, so
that one learning rate serves both.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from pointtrack.training.muon import Muon
from pointtrack.training.run_config import OptimiserConfig

_BETAS = (0.9, 0.98)


class Optimiser:
    """AdamW, and Muon for those weights that it is made for, behind one face.

    Parameters
    ----------
    network
        What is trained.
    config
        ``muon`` switches Muon on; vectors and single numbers (biases, norms) do not decay.
    """

    def __init__(self, network: nn.Module, config: OptimiserConfig) -> None:
        self._config = config
        named = dict(network.named_parameters())
        self._all = list(named.values())
        self._kernels = [p for name, p in named.items() if config.muon and _is_inner(name, p)]
        self._matrices = [nn.Parameter(_as_matrix(p.detach())) for p in self._kernels]
        inner = {id(p) for p in self._kernels}
        rest = [p for p in self._all if id(p) not in inner]
        groups = [
            {"params": [p for p in rest if p.ndim > 1], "weight_decay": config.decay},
            {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(groups, lr=config.rate, betas=_BETAS, eps=1e-8)
        ]
        if self._matrices:
            self._parts.append(Muon(self._matrices, config.rate, config.decay))

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._all:
            parameter.grad = None

    def step(self, rate: float) -> None:
        """Change the weights by their gradients, with a learning rate."""
        shares = (self._config.rest_rate if self._matrices else 1.0, 1.0)
        for part, share in zip(self._parts, shares, strict=False):
            for group in part.param_groups:
                group["lr"] = rate * share
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            matrix.grad = None if kernel.grad is None else _as_matrix(kernel.grad)
        for part in self._parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"parts": [part.state_dict() for part in self._parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's."""
        for part, content in zip(self._parts, state["parts"], strict=True):
            part.load_state_dict(content)


def learning_rate(step: int, steps: int, config: OptimiserConfig) -> float:
    """Up in a line, down in a cosine."""
    if step < config.warmup:
        return config.rate * (step + 1) / config.warmup
    done = (step - config.warmup) / max(steps - config.warmup, 1)
    share = (1 + math.cos(math.pi * min(done, 1.0))) / 2
    return config.rate * (config.rest + (1 - config.rest) * share)


def _is_inner(name: str, parameter: Tensor) -> bool:
    """Whether weights stand between hidden layers: not the first ones, nor what is read out."""
    return parameter.ndim in (2, 4) and not any(
        name.startswith(outer) for outer in ("encoder.stem", "turn", "head.out", "carry")
    )


def _as_matrix(weights: Tensor) -> Tensor:
    """A kernel ``(O, I, k, k)`` as ``(O, k * k * I)``: a view where it lies channels last."""
    if weights.ndim == 2:
        return weights
    rows = weights.permute(0, 2, 3, 1)
    return rows.reshape(len(rows), -1)
