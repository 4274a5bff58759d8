"""Muon (Jordan 2024; Liu et al., arXiv 2502.16982) in single precision.

PyTorch's own multiplies in bfloat16 whatever the machine: on processors without such instructions
that takes longer than the rest of a training step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

_MOMENTUM = 0.95
_ROUNDS = 5
# Of the polynomial that draws singular values to 1; to between 0.7 and 1.2 in five rounds.
_LINEAR, _CUBIC, _QUINTIC = 3.4445, -4.7750, 2.0315
_ADAMW = 0.2  # root mean square of AdamW's steps, in learning rates


class Muon(torch.optim.Optimizer):
    """Moves matrices by the nearest orthogonal ones to their gradients' running means.

    Parameters
    ----------
    matrices
        Of two dimensions each.
    rate
        The learning rate; steps are as long as AdamW's with it.
    decay
        Weight decay.
    """

    def __init__(self, matrices: Iterable[nn.Parameter], rate: float, decay: float) -> None:
        super().__init__(matrices, {"lr": rate, "weight_decay": decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move all matrices that have a gradient."""
        for group in self.param_groups:
            rate = group["lr"]
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state: dict[str, Any] = self.state[matrix]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(matrix)
                mean = state["momentum_buffer"].lerp_(matrix.grad, 1 - _MOMENTUM)
                ahead = matrix.grad.lerp(mean, _MOMENTUM)  # Nesterov's
                length = _ADAMW * max(matrix.shape) ** 0.5
                matrix.mul_(1 - rate * group["weight_decay"])
                matrix.add_(orthogonal(ahead), alpha=-rate * length)


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest orthogonal matrix, about: singular values lie between 0.7 and 1.2.

    By Newton and Schulz's iteration; ``(M, N)``.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.mT if tall else matrix
    x = x / x.norm().clamp_min(1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        twice = torch.addmm(gram, gram, gram, beta=_CUBIC, alpha=_QUINTIC)
        x = torch.addmm(x, twice, x, beta=_LINEAR)
    return x.mT if tall else x
