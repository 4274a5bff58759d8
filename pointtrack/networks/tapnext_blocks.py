"""TRecViT's layers: every token remembers by itself over time, and tokens meet in one frame.

Patraucean et al., TRecViT: A Recurrent Video Transformer, 2024; the recurrence: De et al.,
Griffin: Mixing Gated Linear Recurrences with Local Attention for Efficient Language Models, 2024.
Tokens of one frame are ``(B, L, C)``. Everything here takes one frame at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.attention import by_rows

TAPS = 4  # frames that the convolution over time sees
_DECAY = 8.0  # how many times a unit may decay by itself in one frame


class Memory(NamedTuple):
    """What one block remembers of every token, each ``(B, L, C)`` float32.

    Attributes
    ----------
    hidden
        The recurrence's.
    before_3, before_2, before_1
        The convolution's inputs of the last three frames.
    """

    hidden: Tensor
    before_3: Tensor
    before_2: Tensor
    before_1: Tensor


class RMSNorm(nn.Module):
    """Scale tokens to a root mean square of 1; the weight is what is added to a factor of 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, x.shape[-1:], 1 + self.scale, 1e-6)


class GatedRecurrence(nn.Module):
    """RG-LRU: every channel decays at a pace that its input sets, and takes that input up."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        part = width // heads
        # For each head both gates, of taking up and of decay, side by side.
        self.gates = nn.Parameter(torch.randn(heads, part, 2 * part) * part**-0.5)
        self.gates_bias = nn.Parameter(torch.zeros(heads, 2 * part))
        kept = torch.empty(width).uniform_(0.9, 0.999)
        self.decay = nn.Parameter((-kept.log() / _DECAY).expm1().log())

    def forward(self, x: Tensor, hidden: Tensor, fresh: Tensor | None) -> Tensor:
        """The next hidden state, which is the output too; ``fresh (L,)``: there was none."""
        take, relax = self._open(x)
        decay = relax.float() * (-_DECAY * F.softplus(self.decay.float()))  # log of what stays
        # What is taken up has the variance that decay has made room for.
        room = _root(-(2 * decay).expm1())
        if fresh is not None:
            room = room.masked_fill(fresh[:, None], 1.0)
        return torch.addcmul((x * take).float() * room, decay.exp(), hidden)

    def _open(self, x: Tensor) -> tuple[Tensor, Tensor]:
        heads, part, _ = self.gates.shape
        of_heads = x.view(-1, heads, part).transpose(0, 1)  # H B*L C/H
        opened = torch.baddbmm(self.gates_bias[:, None], of_heads, self.gates).sigmoid()
        take, relax = opened.unflatten(-1, (2, part)).permute(2, 1, 0, 3).reshape(2, *x.shape)
        return take, relax


class _BoundedRoot(torch.autograd.Function):
    """A square root whose slope ends at 1000: a unit that does not decay has an infinite one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.sqrt()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradients[0] * (4 * x).clamp(min=1e-6).rsqrt()


def _root(x: Tensor) -> Tensor:
    return _BoundedRoot.apply(x) if x.requires_grad else x.sqrt()


class RecurrentBlock(nn.Module):
    """Each token over time: a gated branch with a short convolution and the recurrence."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.time_norm = RMSNorm(width)
        self.entry = nn.Linear(width, 2 * width)  # the gate, then what is remembered
        self.taps = nn.Parameter(torch.randn(TAPS, width) * 0.1)
        self.taps_bias = nn.Parameter(torch.zeros(width))
        self.recurrence = GatedRecurrence(width, heads)
        self.exit = nn.Linear(width, width)
        self.channel_norm = RMSNorm(width)
        self.widen = nn.Linear(width, 2 * 4 * width)  # the gate, then what it lets through
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, memory: Memory, fresh: Tensor | None) -> tuple[Tensor, Memory]:
        """Tokens of the next frame, and the memory after it.

        ``fresh (L,)`` bool: tokens whose memory is zero since there was none; None: no token.
        """
        gate, seen = self.entry(self.time_norm(x)).chunk(2, dim=-1)
        mixed = torch.addcmul(self.taps_bias, seen, self.taps[3])
        for tap, before in zip(self.taps, memory[1:], strict=False):
            mixed = torch.addcmul(mixed, before, tap)
        hidden = self.recurrence(mixed, memory.hidden, fresh)
        x = x + self.exit(hidden.to(x.dtype) * _tanh_gelu(gate))
        x = by_rows(self._perceptron, x)
        return x, Memory(hidden, memory.before_2, memory.before_1, seen.float().contiguous())

    def _perceptron(self, x: Tensor) -> Tensor:
        gate, value = self.widen(self.channel_norm(x)).chunk(2, dim=-1)
        return x + self.narrow(_tanh_gelu(gate) * value)


class SpatialBlock(nn.Module):
    """All tokens of a frame look at each other; guests look at all, and no one at guests."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.widen = nn.Linear(width, 4 * width)
        self.activation = nn.GELU()
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, among: Tensor | None = None, wanted: int = 0) -> Tensor:
        """Tokens from number ``wanted`` on.

        The last K tokens are guests where there is ``among (K, L)`` bool, whom they look at; the
        others look at those that are no guests.
        """
        query, key, value = self._queries_keys_values(self.attention_norm(x), wanted)
        x = x[:, wanted:]
        found = self._attend(query, key, value, among).transpose(1, 2).reshape(x.shape)
        return by_rows(self._perceptron, x + self.output(found))

    def _queries_keys_values(self, x: Tensor, wanted: int) -> tuple[Tensor, Tensor, Tensor]:
        """``(B, H, L, C/H)`` each; of the queries those that are wanted."""
        width, entry = x.shape[-1], self.query_key_value
        if wanted:
            query = F.linear(x[:, wanted:], entry.weight[:width], entry.bias[:width])
            key_value = F.linear(x, entry.weight[width:], entry.bias[width:])
            key, value = key_value.chunk(2, dim=-1)
        else:
            query, key, value = entry(x).chunk(3, dim=-1)
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value)
        )
        return query, key, value

    @staticmethod
    def _attend(query: Tensor, key: Tensor, value: Tensor, among: Tensor | None) -> Tensor:
        if among is None:
            return F.scaled_dot_product_attention(query, key, value)
        guests, tokens = among.shape
        hosts = tokens - guests
        own = F.scaled_dot_product_attention(
            query[:, :, :-guests], key[:, :, :hosts], value[:, :, :hosts]
        )
        theirs = F.scaled_dot_product_attention(query[:, :, -guests:], key, value, attn_mask=among)
        return torch.cat([own, theirs], dim=2)

    def _perceptron(self, x: Tensor) -> Tensor:
        return x + self.narrow(self.activation(self.widen(self.norm(x))))


def _tanh_gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")
