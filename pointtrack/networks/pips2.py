"""PIPs++: paths of any length, refined by convolutions over time.

Zheng et al., "PointOdyssey: A Large-Scale Synthetic Dataset for Long-Term Point Tracking",
ICCV 2023. A point is compared with how it looked in the first frame, and two and four frames
ago. It says nothing about visibility.

Video is RGB in 0..255, sides multiples of 8 and at least 128. Queries are (t, x, y), pixel
centres at whole numbers. Inside, positions count in steps of 8 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.encoders import PointEncoder, instance_norm_relu
from pointtrack.networks.blocks.sampling import bilinear, pyramid
from pointtrack.networks.blocks.steps import last
from pointtrack.networks.pips import Maps, correlations

WINDOW, STRIDE, LEVELS, CHANNELS = 128, 8, 4, 128
DELAYS = (2, 4)  # frames ago, of the templates that follow the point
PATCHES = 3 * LEVELS * 49
FREQUENCIES = 32
WIDTHS = (128, 128, 128, 256, 256, 512, 512, 1024, 1024)  # between the residual blocks


class Answer(NamedTuple):
    """Of N points in T frames; before its query a point rests."""

    tracks: Tensor  # B N T 2, pixels


class PipsPlus(nn.Module):
    """PIPs++."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = PointEncoder(STRIDE)
        self.updater = TimeNet(PATCHES + 4 * FREQUENCIES + 2)

    def encode(self, frames: Tensor) -> Maps:
        """Features of ``frames (F, 3, H, W)``, each by itself."""
        return pyramid(self.encoder(frames), LEVELS)

    def refine(
        self, maps: Maps, start: Tensor, templates: Tensor | None = None, iterations: int = 16
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Refine paths through S frames, whose first position is kept.

        Parameters
        ----------
        maps
            The S encoded frames.
        start
            ``(N, S, 2)`` first guess, in pixels.
        templates
            ``(N, S, 3, C)`` of the window before, without which they are read at the start.
        iterations
            Of the refinement.

        Yields
        ------
        tuple
            Paths ``(N, S, 2)`` in pixels before their first position is put back, and the
            templates they were compared with.
        """
        path = start / STRIDE
        first = path[:, :1]
        frames = torch.arange(path.shape[1], device=path.device).expand(path.shape[:2])  # N S
        if templates is None:
            here = bilinear(maps[0], frames[:, 0], path[:, 0])
            templates = here[:, None, None].expand(-1, path.shape[1], 3, -1)
        for iteration in range(iterations):
            path = path.detach()
            if iteration > 0:
                templates = self._refresh(maps, path, templates)
            seen = correlations(maps, frames, path, templates).flatten(2)  # N S 588
            step = path[:, 1:] - path[:, :-1]
            step = torch.cat([step, step[:, -1:]], dim=1)  # N S 2
            path = path + self.updater(torch.cat([seen, _embedding(step)], dim=-1))
            yield path * STRIDE, templates
            path = torch.cat([first, path[:, 1:]], dim=1)

    def _refresh(self, maps: Maps, path: Tensor, templates: Tensor) -> Tensor:
        """Look at the points again, some frames ago; the first template never changes."""
        frame = torch.arange(path.shape[1], device=path.device)
        parts = [templates[:, :, 0]]
        for delay in DELAYS:
            ago = (frame - delay).clamp(min=0)
            parts.append(bilinear(maps[0], ago.expand(path.shape[:2]), path[:, ago]))
        return torch.stack(parts, dim=2)

    def chain(self, maps: Maps, xy: Tensor, window: int = WINDOW, iterations: int = 16) -> Tensor:
        """Follow points ``xy (N, 2)`` of the first frame through a clip: ``(N, T, 2)``.

        Windows share one frame, where a path goes on from the one before.
        """
        num_frames = len(maps[0])
        tracks = xy[:, None].repeat(1, num_frames, 1)
        templates = None
        for begin, end in spans(num_frames, window):
            part = slice(begin, end)
            if templates is not None:
                templates = templates[:, : end - begin]
            guess = tracks[:, part]
            seen = [level[part] for level in maps]
            path, templates = last(self.refine(seen, guess, templates, iterations))
            tracks[:, begin + 1 : end] = path[:, 1:]
            tracks[:, end:] = path[:, -1:]
        return tracks

    def forward(
        self, video: Tensor, queries: Tensor, iterations: int = 16, window: int = WINDOW
    ) -> Answer:
        """Track ``queries (B, N, 3)`` through ``video (B, T, 3, H, W)``."""
        tracks = queries[:, :, None, 1:].repeat(1, 1, video.shape[1], 1)
        for clip, points, paths in zip(video, queries, tracks, strict=True):
            maps = self.encode(clip)
            frame = points[:, 0].long()
            for begin in frame.unique().tolist():
                rows = frame == begin
                if begin + 1 < len(clip):  # one frame alone has no path
                    rest = [level[begin:] for level in maps]
                    paths[rows, begin:] = self.chain(rest, points[rows, 1:], window, iterations)
        return Answer(tracks)


def spans(num_frames: int, window: int) -> list[tuple[int, int]]:
    """First and past-the-last frame of every window; the last is moved back to fit."""
    found, begin = [], 0
    while True:
        end = begin + window
        if end > num_frames:
            begin, end = max(0, num_frames - window), num_frames
        found.append((begin, end))
        if end >= num_frames:
            return found
        begin += window - 1


def _embedding(step: Tensor) -> Tensor:
    """``(N, S, 2)`` to ``(N, S, 130)``: sines and cosines of x, of y, and both."""
    ladder = torch.arange(FREQUENCIES, device=step.device) / (FREQUENCIES - 1)
    angles = step[..., None] * 10000.0**-ladder  # N S 2 32
    waves = torch.stack([angles.sin(), angles.cos()], dim=-2)  # N S 2 2 32
    return torch.cat([waves.flatten(2), step], dim=-1)


class TimeNet(nn.Module):
    """A residual network of convolutions over time.

    Paths go through it as pictures one pixel high, channels last: that is how they are fast.
    """

    def __init__(self, inputs: int):
        super().__init__()
        self.entry = _convolution(inputs, WIDTHS[0])
        self.blocks = nn.ModuleList(
            TimeBlock(before, after, opens=k > 0)
            for k, (before, after) in enumerate(pairwise(WIDTHS))
        )
        self.exit = nn.Linear(WIDTHS[-1], 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """``tokens (N, S, inputs)`` to steps ``(N, S, 2)``."""
        x = F.relu(self.entry(tokens.permute(0, 2, 1)[:, :, None]))  # N C 1 S
        for block in self.blocks:
            x = block(x)
        return self.exit(F.relu(x)[:, :, 0].mT)


class TimeBlock(nn.Module):
    """Two convolutions, each after a norm over time; new channels are padded with zeros.

    The first block does not ``open`` with a norm, since the entry has just cut below zero.
    """

    def __init__(self, before: int, after: int, opens: bool):
        super().__init__()
        self.first = _convolution(before, after)
        self.second = _convolution(after, after)
        self._opens = opens
        self._wider = after - before

    def forward(self, x: Tensor) -> Tensor:
        y = instance_norm_relu(x.clone()) if self._opens else x
        y = self.second(instance_norm_relu(self.first(y)))
        before = self._wider // 2
        return y + F.pad(x, (0, 0, 0, 0, before, self._wider - before))


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1))


def pips2() -> PipsPlus:
    return PipsPlus()
