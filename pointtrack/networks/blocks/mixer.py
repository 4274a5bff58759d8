"""TAPIR's temporal mixer: depthwise convolutions over time, then a perceptron for each frame.

An MLP-mixer (Tolstikhin et al., NeurIPS 2021) whose mixing over time is a convolution, so that
a clip may have any length, and, where it only looks back, may come in parts: `MixerState` carries
over what the next frames need.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MixerState(NamedTuple):
    """What a causal mixer remembers of tracks' last two frames; each ``(depth, ..., 2, C)``.

    Attributes
    ----------
    inputs
        Of each block's first convolution, older frame first.
    sums
        What the last two frames add to the outputs of the next one and of the one after it, in
        each block. The second convolution's own inputs would be four times as much to keep.
    """

    inputs: Tensor
    sums: Tensor


class TimeMixing(nn.Module):
    """Two convolutions over three frames; each channel is spread to four and gathered again.

    The four branches of all channels stand one after the other: ``(..., 4, C)``.
    """

    def __init__(self, channels: int, branches: int = 4) -> None:
        super().__init__()
        self.spread = nn.Parameter(torch.randn(3, branches, channels) / 3**0.5)
        self.spread_bias = nn.Parameter(torch.zeros(branches, channels))
        self.collect = nn.Parameter(torch.randn(3, branches, channels) / 3**0.5)
        self.collect_bias = nn.Parameter(torch.zeros(branches, channels))
        self.activation = nn.GELU(approximate="tanh")

    def forward(self, x: Tensor) -> Tensor:
        """Both neighbours of each frame; ``(..., T, C)``, nothing beyond the ends."""
        past, now, future = self._taps(F.pad(x, (0, 0, 1, 1)))
        later = F.pad(past[..., :-1, :], (0, 0, 1, 0))
        earlier = F.pad(future[..., 1:, :], (0, 0, 0, 1))
        return later + now + earlier + self.collect_bias.sum(0)

    def causal(self, x: Tensor, inputs: Tensor, sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Each frame and the two before it, which for the first frames are in a state.

        Returns the mixed ``(..., T, C)`` and the state after the last frame.
        """
        seen = torch.cat([inputs, x], dim=-2)  # ... 2+T C
        older, old, now = self._taps(seen)
        late = F.pad(older, (0, 0, 2, 0)) + F.pad(old, (0, 0, 1, 1))  # ... T+2 C
        late = torch.cat([late[..., :2, :] + sums, late[..., 2:, :]], dim=-2)
        mixed = late[..., :-2, :] + now + self.collect_bias.sum(0)
        return mixed, seen[..., -2:, :], late[..., -2:, :]

    def _taps(self, x: Tensor) -> list[Tensor]:
        """``(..., T + 2, C)`` to the second convolution's three products, each ``(..., T, C)``.

        They are a frame's share of the output two frames later, one later, and at once.
        """
        x = x[..., None, :]
        length = x.shape[-3] - 2
        wide = torch.addcmul(self.spread_bias, x[..., :length, :, :], self.spread[0])
        for lag in (1, 2):
            wide = torch.addcmul(wide, x[..., lag : lag + length, :, :], self.spread[lag])
        wide = self.activation(wide)  # ... T 4 C
        return [(wide * tap).sum(-2) for tap in self.collect]


class MixerBlock(nn.Module):
    """Mixing over time, then over channels, each added to its input."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.time_norm = nn.LayerNorm(channels, bias=False)
        self.time = TimeMixing(channels)
        self.channel_norm = nn.LayerNorm(channels, bias=False)
        self.up = nn.Linear(channels, hidden)
        self.down = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self._mix_channels(x + self.time(self.time_norm(x)))

    def causal(self, x: Tensor, inputs: Tensor, sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `TimeMixing.causal`."""
        mixed, inputs, sums = self.time.causal(self.time_norm(x), inputs, sums)
        return self._mix_channels(x + mixed), inputs, sums

    def _mix_channels(self, x: Tensor) -> Tensor:
        hidden = F.gelu(self.up(self.channel_norm(x)), approximate="tanh")
        return x + self.down(hidden)


class Mixer(nn.Module):
    """Tracks' features over time ``(..., T, inputs)`` to their updates ``(..., T, outputs)``."""

    def __init__(
        self, inputs: int, outputs: int, channels: int = 512, hidden: int = 2048, depth: int = 12
    ) -> None:
        super().__init__()
        self.channels = channels
        self.entry = nn.Linear(inputs, channels)
        self.blocks = nn.ModuleList(MixerBlock(channels, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(channels, bias=False)
        self.exit = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Each frame sees both neighbours."""
        x = self.entry(x)
        for block in self.blocks:
            x = block(x)
        return self.exit(self.norm(x))

    def causal(
        self, x: Tensor, state: MixerState, overwrite: bool = False
    ) -> tuple[Tensor, MixerState]:
        """Each frame sees the ones before it. Also returns the state after the last one.

        That may ``overwrite`` the one that was given: two of them at a time are much to hold.
        """
        x = self.entry(x)
        kept = []
        for number, block in enumerate(self.blocks):
            assert isinstance(block, MixerBlock)
            before = state.inputs[number], state.sums[number]
            x, *after = block.causal(x, *before)
            if overwrite:
                after = [old.copy_(new) for old, new in zip(before, after, strict=True)]
            kept.append(after)
        if not overwrite:
            state = MixerState(*(torch.stack(same) for same in zip(*kept, strict=True)))
        return self.exit(self.norm(x)), state

    def first_state(self, *shape: int) -> MixerState:
        """The state before the first frame of a clip, for tracks of that shape: zeros."""
        depth = len(self.blocks)
        size = (depth, *shape, 2, self.channels)
        return MixerState(*(self.entry.weight.new_zeros(size) for _ in MixerState._fields))
