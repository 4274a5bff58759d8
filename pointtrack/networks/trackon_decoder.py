"""Track-On2's transformer blocks: norms stand after the sums, perceptrons cut below zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.attention import by_rows
from pointtrack.networks.blocks.deformable import DeformableAttention, Sizes

CHANNELS, HEADS, HIDDEN = 256, 4, 1024
LEVELS, POINTS, BLOCKS = 4, 4, 3
REACH = 4.0  # pixels from its cell's centre that a point may be


class Attention(nn.Module):
    """Multi-head attention that does not project keys and values when queries are few.

    A score is a query times a projected key: as well the query, projected backwards, times the
    key as it is. The keys' bias adds the same to all scores of a query, which softmax takes
    out; values may be projected after they are summed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(CHANNELS, 3 * CHANNELS)  # of query, key and value
        self.output = nn.Linear(CHANNELS, CHANNELS)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """``query (B, L, C)``, ``key`` and ``value (B, S, C)``.

        ``mask``, bool, is broadcast to ``(B, heads, L, S)``: who may look at what.
        """
        queries, keys = query.shape[1], key.shape[1]
        every = mask is None or mask.shape[2] == 1  # all queries see the same
        absorbed = queries * ((HEADS - 1) * keys + CHANNELS) < keys * CHANNELS
        attend = self._absorbed if absorbed and every else self._projected
        return self.output(attend(query, key, value, mask))

    def _projected(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        weights, biases = self.project.weight.chunk(3), self.project.bias.chunk(3)
        query, key, value = (
            F.linear(x, weight, bias).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for x, weight, bias in zip((query, key, value), weights, biases, strict=True)
        )
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return found.transpose(1, 2).flatten(2)

    def _absorbed(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        each = CHANNELS // HEADS
        of_query, of_key, of_value = self.project.weight.chunk(3)
        bias = self.project.bias
        batch, queries = query.shape[:2]
        asked = F.linear(query, of_query, bias[:CHANNELS]).view(batch * queries, HEADS, each)
        back = torch.bmm(asked.transpose(0, 1), of_key.view(HEADS, each, CHANNELS))  # heads BL C
        back = back.view(HEADS, batch, queries, CHANNELS).transpose(0, 1).flatten(1, 2)
        found = F.scaled_dot_product_attention(
            back[:, None], key[:, None], value[:, None], attn_mask=mask, scale=each**-0.5
        )  # B 1 heads*L C
        found = found.view(batch, HEADS, queries, CHANNELS).transpose(0, 1).flatten(1, 2)
        heads = torch.bmm(found, of_value.view(HEADS, each, CHANNELS).mT)  # heads BL each
        return heads.transpose(0, 1).reshape(query.shape) + bias[2 * CHANNELS :]


class Perceptron(nn.Module):
    """The second half of a block, with its norm."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Linear(CHANNELS, HIDDEN)
        self.narrow = nn.Linear(HIDDEN, CHANNELS)
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        return by_rows(lambda part: self.norm(part + self._change(part)), x)

    def _change(self, x: Tensor) -> Tensor:
        return self.narrow(F.relu(self.widen(x)))


class Block(nn.Module):
    """Attention, then a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.norm = nn.LayerNorm(CHANNELS)
        self.perceptron = Perceptron()

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """As of `Attention.forward`."""
        x = self.norm(query + self.attention(query, key, value, mask))
        return self.perceptron(x)


class DeformableBlock(nn.Module):
    """Deformable attention to a frame's maps, then a perceptron."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = DeformableAttention(CHANNELS, HEADS, LEVELS, POINTS)
        self.norm = nn.LayerNorm(CHANNELS)
        self.perceptron = Perceptron()

    def forward(self, query: Tensor, places: Tensor, levels: Tensor, sizes: Sizes) -> Tensor:
        """``query (1, Q, C)`` looks around ``places (1, Q, 2)``, shares of the picture."""
        found = self.attention(query, places, levels, sizes)
        # Twice: the published attention has a shortcut of its own, as well as the block.
        return self.perceptron(self.norm(2 * query + found))


class Reranking(nn.Module):
    """A query looks again at the places that are most like it, and learns from all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DeformableBlock() for _ in range(BLOCKS))
        self.compare = nn.Linear(2 * CHANNELS, CHANNELS)  # of what is seen, and of the query
        self.fusion = Block()
        self.output = nn.Linear(2 * CHANNELS, CHANNELS)

    def forward(self, query: Tensor, places: Tensor, levels: Tensor, sizes: Sizes) -> Tensor:
        """``query (N, C)``, ``places (N, K, 2)`` to ``(N, C)``."""
        count = places.shape[1]
        seen = query.repeat_interleave(count, dim=0)[None]  # 1 NK C
        for block in self.blocks:
            seen = block(seen, places.reshape(1, -1, 2), levels, sizes)
        of_seen, of_query = self.compare.weight.chunk(2, dim=1)
        known = F.linear(query, of_query, self.compare.bias)[:, None]
        compared = F.linear(seen.view(-1, count, CHANNELS), of_seen) + known  # N K C
        fused = self.fusion(query[:, None], compared, compared)[:, 0]
        return self.output(torch.cat([fused, query], dim=-1))


class Head(nn.Module):
    """Where in its cell a point is, whether it is seen, and whether the cell may be wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DeformableBlock() for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(CHANNELS)
        self.offset = nn.Linear(CHANNELS, 2)
        self.visibility = _logit()
        self.uncertainty = _logit()

    def forward(
        self, query: Tensor, places: Tensor, levels: Tensor, sizes: Sizes
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``query (N, C)``, ``places (N, 2)`` to pixels ``(N, 2)`` from there, and two logits."""
        x = query[None]
        for block in self.blocks:
            x = block(x, places[None], levels, sizes)
        offset = REACH * torch.tanh(self.offset(self.norm(x[0])))
        return offset, self.visibility(query)[:, 0], self.uncertainty(query)[:, 0]


def _logit() -> nn.Sequential:
    return nn.Sequential(nn.Linear(CHANNELS, CHANNELS), nn.ReLU(), nn.Linear(CHANNELS, 1))
