"""TAP-Net: find a point in every frame by itself, and nothing more. Small and simple.

Doersch et al., TAP-Vid: A Benchmark for Tracking Any Point in a Video, NeurIPS 2022 Datasets and
Benchmarks. Frames see each other in the encoder only, which passes channels to the frames before
and after (Lin et al., Temporal Shift Module, ICCV 2019): features depend on the four frames on
either side, and on where a clip ends.

Coordinates are raster (the first pixel's centre is at 0.5), in pixels of the given video.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.convolution import SameConv2d, pad_same
from pointtrack.networks.blocks.estimates import ratio
from pointtrack.networks.blocks.matching import CostVolumeHead, on_grid, put_queries
from pointtrack.networks.blocks.sampling import trilinear
from pointtrack.networks.blocks.tapir_resnet import unit_vectors

SHIFTED = 8  # one channel in so many goes to the next frame, and as many to the one before
REACH = 4  # frames on either side that a frame's features depend on


class TapNetOutput(NamedTuple):
    """The answer, in pixels of the video.

    Attributes
    ----------
    tracks
        ``(B, N, T, 2)`` x, y.
    occlusion_logit
        ``(B, N, T)``; above 0: hidden.
    """

    tracks: Tensor
    occlusion_logit: Tensor

    def visible(self) -> Tensor:
        """``(B, N, T)`` bool."""
        return self.occlusion_logit <= 0


class Affine(nn.Module):
    """Batch norm with its statistics and its gain made one: ``weight * x + bias``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        return torch.addcmul(self.bias, maps, self.weight)


class ShiftBlock(nn.Module):
    """A residual block; the shortcut's projection reads what is not shifted.

    The second batch norm is part of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, project: bool, shifts: bool) -> None:
        super().__init__()
        self.norm = Affine(inputs)
        self.conv_0 = SameConv2d(inputs, outputs, 3, stride)
        self.conv_1 = SameConv2d(outputs, outputs, 3, bias=False)
        self.shortcut = SameConv2d(inputs, outputs, 1, stride, bias=False) if project else None
        self.shifts = shifts

    def forward(self, frames: list[Tensor]) -> list[Tensor]:
        """Each frame's maps, ``(B, h, w, C)``."""
        active = [self.norm(maps).relu() for maps in frames]
        made = []
        for number, maps in enumerate(frames):
            past = maps if self.shortcut is None else self.shortcut(active[number])
            seen = _shifted(active, number) if self.shifts else active[number]
            made.append(past + self.conv_1(self.conv_0(seen).relu()))
        return made


def _shifted(frames: list[Tensor], number: int) -> Tensor:
    """First what the next frame's *last* channels hold, last what the previous one's *first* do."""
    now = frames[number]
    count = now.shape[-1] // SHIFTED
    none = torch.zeros_like(now[..., :count])
    ahead = frames[number + 1][..., -count:] if number + 1 < len(frames) else none
    back = frames[number - 1][..., :count] if number else none
    return torch.cat([ahead, now[..., count:-count], back], dim=-1)


class ShiftResNet(nn.Module):
    """Frames ``(B, T, 3, H, W)`` to maps ``(B, T, H / 8, W / 8, 256)`` of unit vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 64, 7, 2, bias=False)
        plan = ((64, 64, 1, True), (64, 128, 2, True), (128, 256, 1, False))
        self.units = nn.ModuleList(
            nn.Sequential(
                ShiftBlock(inputs, outputs, stride, True, shifts),
                ShiftBlock(outputs, outputs, 1, False, shifts),
            )
            for inputs, outputs, stride, shifts in plan
        )

    def forward(self, video: Tensor) -> Tensor:
        frames = [self._enter(frame) for frame in video.unbind(1)]
        for unit in self.units:
            frames = unit(frames)
        return torch.stack([unit_vectors(maps) for maps in frames], dim=1)

    def _enter(self, frame: Tensor) -> Tensor:
        maps = pad_same(self.stem(frame.permute(0, 2, 3, 1)), 3, 2, value=-torch.inf)
        return F.max_pool2d(maps.permute(0, 3, 1, 2), 3, 2).permute(0, 2, 3, 1)


class TapNet(nn.Module):
    """The whole network: an encoder and a head that reads cost volumes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = ShiftResNet()
        self.matching = CostVolumeHead(1, temperature=10.0, strided_relu=False)

    def forward(self, video: Tensor, queries: Tensor) -> TapNetOutput:
        """Find points in every frame of a clip.

        Parameters
        ----------
        video
            ``(B, T, 3, H, W)`` in [-1, 1].
        queries
            ``(B, N, 3)`` t, x, y in pixels of the video, raster; t from 0.
        """
        size = (video.shape[-2], video.shape[-1])
        maps = self.encode(video)
        found = self.match(maps, self.describe(maps, queries, size), size)
        return found._replace(tracks=put_queries(found.tracks, queries))

    def encode(self, video: Tensor) -> Tensor:
        """Features ``(B, T, h, w, 256)``; right only `REACH` frames away from a cut."""
        return self.encoder(video)

    def describe(self, maps: Tensor, queries: Tensor, size: tuple[int, int]) -> Tensor:
        """Features ``(B, N, 256)``: t in frames of ``maps``, x, y in a video's pixels."""
        return trilinear(maps, on_grid(queries, size, maps))

    def match(self, maps: Tensor, points: Tensor, size: tuple[int, int]) -> TapNetOutput:
        """Find points in each frame by itself; ``size`` is the video's height and width."""
        xy, logits = self.matching.match(maps, points)
        return TapNetOutput(xy * xy.new_tensor(ratio(maps.shape[2:4], size)), logits[..., 0])


def tapnet() -> TapNet:
    return TapNet()
