"""CoTracker 1, the tag v1.0 of https://github.com/facebookresearch/co-tracker.

It takes two layers from timm, which drags torchvision in: these are the same layers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from references import Reference, import_from

ITERATIONS = 6


def load(variant: str, checkout: Path) -> Reference:
    layers = ModuleType("timm.models.vision_transformer")
    layers.Attention, layers.Mlp = Attention, Mlp  # type: ignore[attr-defined]
    for name in ("timm", "timm.models"):
        sys.modules.setdefault(name, ModuleType(name))
    sys.modules[layers.__name__] = layers
    builder = import_from(checkout, "cotracker.models.build_cotracker")
    network = builder.build_cotracker_stride_4_wind_8().eval()
    # Random updates of many pixels would multiply what rounding does with every iteration.
    network.updateformer.flow_head.weight.data *= 0.05

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        with _stable_sorting():
            tracks, _, visibility, _ = network(video, queries, iters=iterations or ITERATIONS)
        return {"tracks": tracks[0].transpose(0, 1), "visibility": visibility[0].T}

    return Reference(network, run)


@contextmanager
def _stable_sorting() -> Iterator[None]:
    """The order of points of one frame is part of the input, and is otherwise a matter of luck."""
    known = torch.sort
    torch.sort = partial(known, stable=True)
    try:
        yield
    finally:
        torch.sort = known


class Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int = 8, qkv_bias: bool = False) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        split = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*split)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.act = act_layer()
        self.fc2 = nn.Linear(hidden_features, in_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))
