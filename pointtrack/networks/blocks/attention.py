"""Transformer blocks over tracks ``(B, N, T, C)``: along time, or between tracks of a frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Along = Literal["time", "tracks"]

ROWS = 1024  # tokens that pass a feed-forward network at a time: its wide middle stays in the cache


def by_rows(layers: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Send tokens ``(..., C)`` through layers that see each by itself; a few at a time."""
    if torch.is_grad_enabled() or x.is_cuda or torch.compiler.is_compiling():
        return layers(x)
    parts = x.flatten(0, -2).split(ROWS)
    if len(parts) == 1:
        return layers(x)
    return torch.cat([layers(part) for part in parts]).unflatten(0, x.shape[:-1])


class FeedForward(nn.Module):
    """Two linear layers, four times as wide between them."""

    def __init__(self, width: int):
        super().__init__()
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return by_rows(self._layers, x)

    def _layers(self, x: Tensor) -> Tensor:
        return self.narrow(F.gelu(self.widen(x), approximate="tanh"))


class SelfBlock(nn.Module):
    """Attention among all tokens along one axis, then a feed-forward network."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.feedforward = FeedForward(width)

    def forward(self, x: Tensor, along: Along) -> Tensor:
        """``x (B, N, T, C)`` to the same shape."""
        query, key, value = self.query_key_value(_norm(x)).chunk(3, dim=-1)
        x = x + self.output(attend(query, key, value, self.heads, along))
        return x + self.feedforward(_norm(x))


class CrossBlock(nn.Module):
    """Attention of some tracks to others of the same frame, then a feed-forward network."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.context_norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)
        self.feedforward = FeedForward(width)

    def forward(self, x: Tensor, context: Tensor, bias: Tensor | None = None) -> Tensor:
        """``x (B, N, T, C)`` looks at ``context (B, M, T, C)``.

        ``bias``, broadcast to ``(B, N, M)``, is added to the scores of every frame and head.
        """
        key, value = self.key_value(self.context_norm(context)).chunk(2, dim=-1)
        query = self.query(_norm(x))
        x = x + self.output(attend(query, key, value, self.heads, "tracks", bias))
        return x + self.feedforward(_norm(x))


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, along: Along, bias: Tensor | None = None
) -> Tensor:
    """Scaled dot-product attention of ``query (B, N, T, C)`` to ``key, value (B, M, S, C)``.

    Along time N = M and every track is by itself; along tracks T = S and every frame is.
    """
    batch, num_tracks, num_frames, width = query.shape
    # The axis that attends goes before the channels, the one that does not to the batch.
    axes = (0, 1, 3, 2, 4) if along == "time" else (0, 2, 3, 1, 4)
    q, k, v = (
        x.unflatten(-1, (heads, -1)).permute(axes).flatten(0, 1) for x in (query, key, value)
    )  # B*rest heads L C/heads
    mask = None
    if bias is not None:
        mask = bias.expand(batch, q.shape[2], k.shape[2])
        mask = mask.repeat_interleave(len(q) // batch, dim=0)[:, None]
    found = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    found = found.unflatten(0, (batch, -1)).permute(axes if along == "time" else (0, 3, 1, 2, 4))
    return found.reshape(batch, num_tracks, num_frames, width)
