"""TAPIR: find a point in every frame by itself, then refine the whole track over time.

Doersch et al., TAPIR: Tracking Any Point with per-frame Initialization and temporal Refinement,
ICCV 2023; the causal kind: Vecerik et al., RoboTAP, ICRA 2024; the kinds with more convolutions:
Doersch et al., BootsTAP: Bootstrapped Training for Tracking-Any-Point, ACCV 2024.

Points do not see each other, so they may come in portions. Positions in the network are pixels
at the matching resolution; coordinates are raster (the first pixel's centre is at 0.5).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.convolution import SameConv2d
from pointtrack.networks.blocks.correlation import local_correlation
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
from pointtrack.networks.blocks.matching import CostVolumeHead, on_grid, put_queries
from pointtrack.networks.blocks.mixer import Mixer, MixerState
from pointtrack.networks.blocks.portions import portions
from pointtrack.networks.blocks.sampling import pyramid, trilinear
from pointtrack.networks.blocks.tapir_resnet import TapirResNet, encode_frames, unit_vectors

FINE, COARSE = 128, 256  # channels at strides 4 and 8
RADIUS = 3  # of the windows that a point is compared with
ITERATIONS = 4  # at each resolution, unless told otherwise
PORTION = 512  # points times frames that are worked on at a time


class Features(NamedTuple):
    """Of frames ``(B, T, h, w, C)`` or of queries ``(B, N, C)``, at one resolution."""

    fine: Tensor
    coarse: Tensor


class ExtraConvs(nn.Module):
    """BootsTAPIR's five blocks on the coarse maps; each adds to its *normalised* input."""

    def __init__(self, channels: int = COARSE, hidden: int = 4 * COARSE, depth: int = 5) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(depth))
        self.up = nn.ModuleList(SameConv2d(channels, hidden, 3) for _ in range(depth))
        self.down = nn.ModuleList(SameConv2d(hidden, channels, 3) for _ in range(depth))

    def forward(self, maps: Tensor) -> Tensor:
        for norm, up, down in zip(self.norms, self.up, self.down, strict=True):
            maps = norm(maps)  # F h w C
            maps = maps + down(F.gelu(up(maps), approximate="tanh"))
        return maps


class Tapir(nn.Module):
    """All four networks.

    Parameters
    ----------
    pooled
        How many halved copies of the coarse maps a point is compared with as well.
    extra_convs
        Whether there are BootsTAPIR's additional convolutions.
    causal
        Whether the refinement of a frame sees that and earlier frames only.
    temperature
        Of the softmax that matches. Not in the weights.
    resolution
        Height and width at which points are matched; multiples of 16. A larger video is also
        refined at larger sizes, up to its own.

    Attributes
    ----------
    iterations
        Of the refinement at each size; the published ones have 4.
    """

    def __init__(
        self,
        pooled: int,
        extra_convs: bool = False,
        causal: bool = False,
        temperature: float = 20.0,
        resolution: Size = (256, 256),
    ) -> None:
        super().__init__()
        self.pooled, self.causal, self.resolution = pooled, causal, resolution
        self.iterations = ITERATIONS
        self.encoder = TapirResNet()
        self.extra_convs = ExtraConvs() if extra_convs else None
        self.matching = CostVolumeHead(2, temperature, strided_relu=True)
        window = (2 * RADIUS + 1) ** 2
        features = FINE + COARSE
        self.mixer = Mixer(4 + features + window * (2 + pooled), 4 + features)

    def forward(self, video: Tensor, queries: Tensor) -> TrackOutput:
        """Track points through a whole clip, before and after their queries.

        Parameters
        ----------
        video
            ``(B, T, 3, H, W)`` in [-1, 1].
        queries
            ``(B, N, 3)`` t, x, y in pixels of the video, raster; t from 0.
        """
        size = (video.shape[-2], video.shape[-1])
        steps = None
        for level in self.levels(size):
            maps = self.encode(video, level)
            points = self.describe(maps, queries, size)
            if steps is None:
                steps = [self._through_queries(self.match(maps, points), queries, size)]
            steps += self.refine(maps, points, _restart(steps))[0]
            del maps  # before the next, larger ones
        assert steps is not None
        ends = zip(*steps[self.iterations :: self.iterations], strict=True)  # of each level
        answer = Estimate(*(torch.stack(values).mean(0) for values in ends))
        return output(answer, steps, self.resolution, size)

    def step(
        self,
        maps: list[Features],
        points: list[Features],
        states: list[MixerState],
        size: Size,
        overwrite: bool = False,
    ) -> tuple[TrackOutput, list[MixerState]]:
        """Track points on, through the next frames of a video. For a causal network.

        Parameters
        ----------
        maps
            Of the next frames, at each of the `levels`; one frame or more.
        points
            What points look like, at each of the levels.
        states
            What the last call returned, at first `first_states`. A point that is new begins with
            those: it then has the track that it would have if the video began there.
        size
            Height and width of the video.
        overwrite
            Whether the states after these frames take the place of ``states`` in memory. They are
            what takes most of it when there are many points.
        """
        steps = [self.match(maps[0], points[0])]
        after = []
        for number, (seen, point) in enumerate(zip(maps, points, strict=True)):
            before = states[self.iterations * number : self.iterations * (number + 1)]
            refined, kept = self.refine(seen, point, _restart(steps), before, overwrite)
            steps += refined
            after += kept
        return output(steps[-1], steps, self.resolution, size), after

    def first_states(self, batch: int, points: int, levels: int = 1) -> list[MixerState]:
        """What `step` begins with."""
        return [self.mixer.first_state(batch, points) for _ in range(self.iterations * levels)]

    def levels(self, size: Size) -> list[Size]:
        """The sizes at which a video of ``size`` is refined; at the first it is matched too."""
        return refinement_sizes(size, self.resolution)

    def encode(self, video: Tensor, level: Size) -> Features:
        """Features of frames ``(B, T, 3, H, W)`` at a size. Frames do not see each other."""
        return Features(*encode_frames(video, level, self._encode))

    def _encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        _, fine, coarse = self.encoder(frames)
        if self.extra_convs is not None:
            coarse = self.extra_convs(coarse)
        return unit_vectors(fine), unit_vectors(coarse)

    def describe(self, maps: Features, queries: Tensor, size: Size) -> Features:
        """Features ``(B, N, C)`` of queries: t in frames of ``maps``, x, y in a video's pixels."""
        return Features(*(trilinear(grid, on_grid(queries, size, grid)) for grid in maps))

    def match(self, maps: Features, points: Features) -> Estimate:
        """Find points in each frame by itself; tracks in pixels of the matching size."""
        xy, logits = self.matching.match(maps.coarse, points.coarse)
        cells = maps.coarse.shape[2:4]
        return Estimate(xy * xy.new_tensor(ratio(cells, self.resolution)), *logits.unbind(-1))

    def refine(
        self,
        maps: Features,
        points: Features,
        start: Estimate,
        states: list[MixerState] | None = None,
        overwrite: bool = False,
    ) -> tuple[list[Estimate], list[MixerState]]:
        """Improve tracks by what the maps show around them.

        Parameters
        ----------
        maps, points
            Of one size.
        start
            Tracks in pixels of the matching size.
        states
            Of a causal network: what it remembers of the frames before, for each iteration; None
            where these are a clip's first.
        overwrite
            As of `step`.

        Returns
        -------
        list[Estimate]
            After each iteration.
        list[MixerState]
            Of a causal network, for the frames that follow; empty where none were given.
        """
        grids = [grid.flatten(0, 1) for grid in maps]
        grids += pyramid(grids[1], 1 + self.pooled)[1:]  # F h w C
        parts = []
        for part in portions(start.tracks.shape[1], start.tracks.shape[2], PORTION):
            given = None if states is None else [of_points(state, part, 2) for state in states]
            parts.append(
                self._refine(
                    grids, of_points(points, part), of_points(start, part), given, overwrite
                )
            )
        estimates = [joined(same) for same in zip(*(part[0] for part in parts), strict=True)]
        if overwrite and states is not None:
            return estimates, states  # each portion has written its own share of them
        after = [joined(same, 2) for same in zip(*(part[1] for part in parts), strict=True)]
        return estimates, after

    def _refine(
        self,
        grids: list[Tensor],
        points: Features,
        start: Estimate,
        states: list[MixerState] | None,
        overwrite: bool,
    ) -> tuple[list[Estimate], list[MixerState]]:
        estimate, estimates, after = start, [], []
        query = torch.cat(points, dim=-1)[:, :, None]  # B N 1 384
        features = query.expand(-1, -1, start.tracks.shape[2], -1)
        # The mixer speaks of pixels at this size.
        scale = start.tracks.new_tensor(
            ratio([4 * n for n in grids[0].shape[1:3]], self.resolution)
        )
        for iteration in range(self.iterations):
            near = self._compare(grids, features, estimate.tracks)
            logits = torch.stack(estimate[1:], dim=-1)
            known = torch.cat([torch.zeros_like(logits), logits, features, near], dim=-1)
            if self.causal:
                kept = (
                    self.mixer.first_state(*query.shape[:2])
                    if states is None
                    else states[iteration]
                )
                change, kept = self.mixer.causal(known, kept, overwrite)
                if states is not None:
                    after.append(kept)
            else:
                change = self.mixer(known)
            estimate = Estimate(
                estimate.tracks + change[..., :2] * scale,
                estimate.occlusion_logit + change[..., 2],
                estimate.expected_dist_logit + change[..., 3],
            )
            features = features + change[..., 4:]
            estimates.append(estimate)
        return estimates, after

    def _compare(self, grids: list[Tensor], features: Tensor, tracks: Tensor) -> Tensor:
        """Dot products with the windows around tracks: ``(B, N, T, 49 * grids)``, row by row."""
        batch, _, frames = tracks.shape[:3]
        which = torch.arange(batch * frames, device=tracks.device).view(batch, 1, frames)
        which = which.expand(tracks.shape[:3]).reshape(-1, 1)
        fine, coarse = features.flatten(0, 2)[:, None].split([FINE, COARSE], dim=-1)  # P 1 C
        near = []
        for number, grid in enumerate(grids):
            scale = ratio(self.resolution, grid.shape[1:3])
            xy = (tracks * tracks.new_tensor(scale) - 0.5).view(-1, 1, 2)
            templates = coarse if number else fine
            near.append(local_correlation(grid, which, xy, templates, RADIUS, "zeros").flatten(1))
        return torch.cat(near, dim=-1).unflatten(0, tracks.shape[:3])

    def _through_queries(self, found: Estimate, queries: Tensor, size: Size) -> Estimate:
        seeds = queries * queries.new_tensor([1, *ratio(size, self.resolution)])
        return found._replace(tracks=put_queries(found.tracks, seeds))


def _restart(steps: list[Estimate]) -> Estimate:
    """Positions go on from level to level, logits begin again with those of the matching."""
    return steps[0]._replace(tracks=steps[-1].tracks)


def tapir() -> Tapir:
    return Tapir(pooled=0)


def causal_tapir() -> Tapir:
    return Tapir(pooled=1, causal=True)


def bootstapir() -> Tapir:
    return Tapir(pooled=1, extra_convs=True, temperature=10.0)


def causal_bootstapir() -> Tapir:
    return Tapir(pooled=1, extra_convs=True, causal=True, temperature=10.0)
