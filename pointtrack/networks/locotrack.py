"""LocoTrack: tracks refined by comparing all of a point's surroundings with all of a place's.

Cho et al., Local All-Pair Correspondence for Point Tracking, ECCV 2024. A point is first found
in every frame by itself. Then, four times, 7 x 7 cells around it in its own frame are compared
with 7 x 7 cells around where it is thought to be in each frame, at three strides, and a small
transformer over time moves the whole track.

Points do not see each other, so they may come in portions. Positions in the network are pixels
of a 256 x 256 picture, whatever the size of the maps; coordinates are raster (the first pixel's
centre is at 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.correlation import local_correlation
from pointtrack.networks.blocks.matching import costs, on_grid, put_queries, soft_argmax
from pointtrack.networks.blocks.sampling import trilinear, windows
from pointtrack.networks.blocks.tapir_resnet import (
    SameConv2d,
    TapirResNet,
    encode_frames,
    unit_vectors,
)
from pointtrack.networks.tapir import (
    Estimate,
    Size,
    TapirOutput,
    in_video,
    joined,
    of_points,
    ratio,
    refinement_sizes,
)

CHANNELS = (128, 256, 64)  # of the maps in the order in which they are compared
RADIUS = 3
WINDOW = (2 * RADIUS + 1) ** 2
ITERATIONS = 4
OCTAVES = 10  # of the encoding of motion
DECAY = 24  # the clip length of training; the attention's slopes are its roots
PORTION = 1024  # points times frames that are worked on at a time
MATCHED = 64  # points whose cost volumes are held at a time


class Features(NamedTuple):
    """Maps of frames ``(B, T, h, w, C)``, or windows around queries ``(B, N, 49, C)``."""

    stride_4: Tensor
    stride_8: Tensor
    stride_2: Tensor


class Comparison(nn.Module):
    """Reads all dot products of two windows, from either side: 49 x 49 numbers to 256."""

    def __init__(self, layers: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        inputs = WINDOW
        for kernel, stride, outputs in layers:
            self.convs.append(SameConv2d(inputs, outputs, kernel, stride))
            self.norms.append(nn.GroupNorm(outputs // 16, outputs))
            inputs = outputs

    def forward(self, products: Tensor) -> Tensor:
        """``(P, 49 of the frame's, 49 of the query's)`` to ``(P, 256)``."""
        # Cells of one window are the picture, those of the other its channels.
        maps = torch.cat([products, products.mT]).unflatten(1, (2 * RADIUS + 1, -1))
        for conv, norm in zip(self.convs, self.norms, strict=True):
            maps = norm(conv(maps).permute(0, 3, 1, 2)).relu().permute(0, 2, 3, 1)
        return torch.cat(maps.mean(dim=(1, 2)).chunk(2), dim=-1)


class TimeLayer(nn.Module):
    """Attention over a track's frames, then a perceptron; each added to its input."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(channels)
        self.attention = nn.Linear(channels, 3 * channels)
        self.attention_exit = nn.Linear(channels, channels)
        self.dense_norm = nn.LayerNorm(channels)
        self.up = nn.Linear(channels, 4 * channels)
        self.down = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """``(P, T, C)`` with ``(heads, T, T)`` added to the attention's logits."""
        together = self.attention(self.attention_norm(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = together.permute(2, 0, 3, 1, 4)  # P heads T 64
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = x + self.attention_exit(mixed.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.dense_norm(x))))


class TimeTransformer(nn.Module):
    """Three layers over time. Half of the heads look back, half ahead, the near weighing more."""

    def __init__(self, inputs: int, outputs: int, channels: int, heads: int) -> None:
        super().__init__()
        self.entry = nn.Linear(inputs, channels)
        self.layers = nn.ModuleList(TimeLayer(channels, heads) for _ in range(3))
        self.norm = nn.LayerNorm(channels)
        self.exit = nn.Linear(channels, outputs)
        self.heads = heads

    def forward(self, x: Tensor) -> Tensor:
        """``(P, T, inputs)`` to ``(P, T, outputs)``."""
        bias = self._bias(x)
        x = self.entry(x)
        for layer in self.layers:
            x = layer(x, bias)
        return self.exit(self.norm(x))

    def _bias(self, x: Tensor) -> Tensor:
        """Falls linearly with distance in time (Press et al., ALiBi, ICLR 2022); (heads, T, T)."""
        half = self.heads // 2
        slopes = float(DECAY) ** (-torch.arange(1, half + 1, device=x.device) / half)
        frames = torch.arange(x.shape[1], device=x.device)
        ago = frames[:, None] - frames  # T T
        past = (-slopes[:, None, None] * ago).masked_fill(ago < 0, -torch.inf)
        return torch.cat([past, past.mT]).to(x.dtype)


class LocoTrack(nn.Module):
    """Both sizes.

    Parameters
    ----------
    layers
        Kernel, stride and channels of the convolutions that read comparisons.
    channels, heads
        Of the transformer.
    """

    resolution: Size = (256, 256)  # of the pixels that positions count in

    def __init__(
        self, layers: Sequence[tuple[int, int, int]], channels: int, heads: int
    ) -> None:
        super().__init__()
        self.encoder = TapirResNet()
        self.heatmap = SameConv2d(2, 1, 3)
        self.logits = nn.Linear(6, 2)
        self.temperature = 20.0
        self.comparisons = nn.ModuleList(Comparison(layers) for _ in CHANNELS)
        inputs = 2 + len(CHANNELS) * 2 * layers[-1][2] + 4 * (1 + 2 * OCTAVES)
        self.transformer = TimeTransformer(inputs, 4, channels, heads)

    def forward(
        self, video: Tensor, queries: Tensor, levels: Sequence[Size] | None = None
    ) -> TapirOutput:
        """Track points through a whole clip, before and after their queries.

        Parameters
        ----------
        video
            ``(B, T, 3, H, W)`` in [-1, 1].
        queries
            ``(B, N, 3)`` t, x, y in pixels of the video, raster; t from 0.
        levels
            The first is the size at which points are matched, the last that at which they are
            refined, multiples of 8; default: 256 x 256 and the video's own size if larger.
        """
        size = (video.shape[-2], video.shape[-1])
        levels = levels or refinement_sizes(size, self.resolution)
        first, last = levels[0], levels[-1]
        maps = self.encode(video, last) if first == last else None
        steps = [self.match(maps or self._encode_matched(video, first), queries, size)]
        maps = maps or self.encode(video, last)
        steps += self.refine(maps, self.describe(maps, queries, size), steps[0])
        shown = [in_video(step, self.resolution, size) for step in steps]
        return TapirOutput(*shown[-1], shown)
