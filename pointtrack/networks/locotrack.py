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
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.convolution import SameConv2d
from pointtrack.networks.blocks.correlation import local_correlation
from pointtrack.networks.blocks.embeddings import octaves
from pointtrack.networks.blocks.estimates import (
    Estimate,
    Size,
    TrackOutput,
    joined,
    of_points,
    output,
    ratio,
    refinement_sizes,
)
from pointtrack.networks.blocks.matching import costs, on_grid, put_queries, soft_argmax
from pointtrack.networks.blocks.portions import portions
from pointtrack.networks.blocks.sampling import trilinear, windows
from pointtrack.networks.blocks.tapir_resnet import TapirResNet, encode_frames, unit_vectors

CHANNELS = (128, 256, 64)  # of the maps in the order in which they are compared
RADIUS = 3
WINDOW = (2 * RADIUS + 1) ** 2
ITERATIONS = 4
OCTAVES = 10  # of the encoding of motion
DECAY = 24  # the clip length of training; the attention's slopes are its roots
PORTION = 512  # points times frames that are worked on at a time
MATCHED = 64  # points whose cost volumes are held at a time


class Features(NamedTuple):
    """Maps of frames ``(B, T, h, w, C)``, or windows around queries ``(B, N, 49, C)``."""

    stride_4: Tensor
    stride_8: Tensor
    stride_2: Tensor


class Templates(NamedTuple):
    """Of queries, ``(B, N, C)``: by which they are found in each frame by itself."""

    stride_4: Tensor
    stride_8: Tensor


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
    iterations: int = ITERATIONS

    def __init__(self, layers: Sequence[tuple[int, int, int]], channels: int, heads: int) -> None:
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
    ) -> TrackOutput:
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
        return output(steps[-1], steps, self.resolution, size)

    def encode(self, video: Tensor, level: Size) -> Features:
        """Features of frames ``(B, T, 3, H, W)`` at a size. Frames do not see each other."""
        return Features(*encode_frames(video, level, self._encode))

    def _encode(self, frames: Tensor) -> Features:
        half, quarter, eighth = (unit_vectors(maps) for maps in self.encoder(frames))
        return Features(quarter, eighth, half)

    def _encode_matched(self, video: Tensor, level: Size) -> tuple[Tensor, ...]:
        """What matching needs at a size where nothing is refined."""
        return encode_frames(video, level, lambda frames: self._encode(frames)[:2])

    def match(self, maps: Sequence[Tensor], queries: Tensor, size: Size) -> Estimate:
        """Find points in each frame by itself; maps at strides 4 and 8.

        Queries are t in frames of ``maps``, x and y in pixels of a video's ``size``.
        """
        found = self.find(maps, self.templates(maps, queries, size))
        seeds = queries * queries.new_tensor([1, *ratio(size, self.resolution)])
        return found._replace(tracks=put_queries(found.tracks, seeds))

    def templates(self, maps: Sequence[Tensor], queries: Tensor, size: Size) -> Templates:
        """What `find` looks for: features of queries, as of `match`."""
        return Templates(*(trilinear(grid, on_grid(queries, size, grid)) for grid in maps[:2]))

    def find(self, maps: Sequence[Tensor], points: Templates) -> Estimate:
        """As `match`, wherever the points come from."""
        xy, logits = self._match_frames(maps, points)
        xy = xy * xy.new_tensor(ratio(maps[0].shape[2:4], self.resolution))
        return Estimate(xy, *logits.unbind(-1))

    def _match_frames(self, maps: Sequence[Tensor], points: Templates) -> tuple[Tensor, Tensor]:
        """Positions ``(B, N, T, 2)`` in cells of stride 4, and logits."""
        if torch.compiler.is_compiling():  # a graph for any number of frames and points
            every = [point[:, None].expand(-1, maps[0].shape[1], -1, -1) for point in points]
            pairs = zip(maps[:2], every, strict=True)
            found = self._match(*(costs(*(v.flatten(0, 1) for v in pair)) for pair in pairs))
            xy, logits = (value.unflatten(0, maps[0].shape[:2]).transpose(1, 2) for value in found)
            return xy, logits
        frames = []
        for quarter, eighth in zip(maps[0].unbind(1), maps[1].unbind(1), strict=True):
            parts = [
                self._match(costs(quarter, point_4), costs(eighth, point_8))
                for point_4, point_8 in zip(*(p.split(MATCHED, 1) for p in points), strict=True)
            ]
            frames.append([torch.cat(same, dim=1) for same in zip(*parts, strict=True)])
        xy, logits = (torch.stack(same, dim=2) for same in zip(*frames, strict=True))
        return xy, logits

    def _match(self, quarter: Tensor, eighth: Tensor) -> tuple[Tensor, Tensor]:
        """Cost volumes ``(B, n, h, w)`` to positions in cells of stride 4, and logits."""
        pictures = eighth.flatten(0, 1)[:, None]  # B*n 1 h w
        pictures = F.interpolate(pictures, quarter.shape[2:], mode="bilinear", align_corners=False)
        both = torch.stack([pictures[:, 0].view_as(quarter), quarter], dim=-1)  # B n h w 2
        cells = both.flatten(2, 3)
        extremes = [cells.mean(2), cells.amax(2), cells.amin(2)]  # B n 2
        heat = self.heatmap(both.flatten(0, 1))[..., 0]
        xy = soft_argmax(heat, self.temperature).unflatten(0, both.shape[:2])
        return xy, self.logits(torch.cat(extremes, dim=-1))

    def describe(self, maps: Features, queries: Tensor, size: Size) -> Features:
        """Windows ``(B, N, 49, C)`` around queries: t in frames of ``maps``, x, y in a video's."""
        return Features(*(_windows(grid, on_grid(queries, size, grid)) for grid in maps))

    def refine(self, maps: Features, points: Features, start: Estimate) -> list[Estimate]:
        """Improve tracks by what the maps show around them; the estimate after each iteration.

        Parameters
        ----------
        maps, points
            Of one size.
        start
            Tracks in pixels of a picture of 256 x 256.
        """
        parts = [
            self._refine(maps, of_points(points, part), of_points(start, part))
            for part in portions(start.tracks.shape[1], start.tracks.shape[2], PORTION)
        ]
        return [joined(same) for same in zip(*parts, strict=True)]

    def _refine(self, maps: Features, points: Features, start: Estimate) -> list[Estimate]:
        estimates = [start]
        # The transformer speaks of pixels at this size.
        level = [4 * side for side in maps.stride_4.shape[2:4]]
        scale = start.tracks.new_tensor(ratio(level, self.resolution))
        for _ in range(self.iterations):
            # Each iteration is trained by its own loss.
            estimate = Estimate(*(value.detach() for value in estimates[-1]))
            logits = torch.stack(estimate[1:], dim=-1)
            seen = [
                self._compare(number, maps[number], points[number], estimate.tracks)
                for number in range(len(CHANNELS))
            ]
            moved = _motion(estimate.tracks) / (scale.repeat(2) * self.resolution[0])
            known = torch.cat([logits, *seen, octaves(moved, OCTAVES)], dim=-1)  # B N T 854
            change = self.transformer(known.flatten(0, 1)).unflatten(0, known.shape[:2])
            estimates.append(
                Estimate(
                    estimate.tracks + change[..., :2] * scale,
                    estimate.occlusion_logit + change[..., 2],
                    estimate.expected_dist_logit + change[..., 3],
                )
            )
        return estimates[1:]

    def _compare(self, number: int, maps: Tensor, points: Tensor, tracks: Tensor) -> Tensor:
        """What one stride's maps say of tracks: ``(B, N, T, 256)``."""
        batch, count, frames = tracks.shape[:3]
        which = torch.arange(batch * frames, device=tracks.device).view(batch, 1, frames)
        which = which.expand(batch, count, frames).flatten(0, 1)  # B*N T
        xy = tracks * tracks.new_tensor(ratio(self.resolution, maps.shape[2:4])) - 0.5
        products = local_correlation(
            maps.flatten(0, 1), which, xy.flatten(0, 1), points.flatten(0, 1), RADIUS, "zeros"
        )  # B*N T 7 7 49
        read = self.comparisons[number](products.flatten(0, 1).flatten(1, 2))
        return read.unflatten(0, (batch, count, frames))


def _windows(maps: Tensor, txy: Tensor) -> Tensor:
    """Windows around ``txy (B, N, 3)`` of ``(B, T, h, w, C)``; between two frames their blend."""
    time = txy[..., 0].clamp(0, maps.shape[1] - 1)
    before = time.floor().long()
    clip = torch.arange(len(maps), device=maps.device)[:, None] * maps.shape[1]  # B 1
    early, late = (
        windows(maps.flatten(0, 1), clip + frame, txy[..., 1:], RADIUS).flatten(2, 3)
        for frame in (before, (before + 1).clamp(max=maps.shape[1] - 1))
    )
    return torch.lerp(early, late, (time - before)[..., None, None])


def _motion(tracks: Tensor) -> Tensor:
    """Steps from the next frame and from the one before, x and y of each: ``(B, N, T, 4)``."""
    steps = tracks.diff(dim=2)
    ahead, back = F.pad(-steps, (0, 0, 0, 1)), F.pad(steps, (0, 0, 1, 0))
    return torch.cat([ahead, back], dim=-1)


def locotrack_small() -> LocoTrack:
    return LocoTrack(((5, 4, 64), (2, 2, 128)), channels=256, heads=4)


def locotrack_base() -> LocoTrack:
    return LocoTrack(((3, 2, 64), (3, 2, 128), (2, 2, 128)), channels=384, heads=6)
