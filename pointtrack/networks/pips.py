"""PIPs: every point's path through eight frames, refined by an MLP-mixer.

Harley, Fang and Fragkiadaki, "Particle Video Revisited: Tracking Through Occlusions Using Point
Trajectories", ECCV 2022. Points do not know of each other; longer videos are windows of eight
frames, each starting where the point was last surely seen.

Video is RGB in 0..255, sides multiples of 4. Queries are (t, x, y), pixel centres at whole
numbers. Inside, positions count in steps of 4 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.correlation import local_correlation
from pointtrack.networks.blocks.embeddings import linear_frequencies
from pointtrack.networks.blocks.encoders import PointEncoder
from pointtrack.networks.blocks.sampling import bilinear, pyramid
from pointtrack.networks.blocks.steps import last

WINDOW, STRIDE, LEVELS, RADIUS, CHANNELS = 8, 4, 4, 3, 128
EMBEDDING = 3 * 64 + 3
TOKEN = CHANNELS + LEVELS * (2 * RADIUS + 1) ** 2 + EMBEDDING
SURE, DECAY = 0.9, 0.02  # a window starts where a point is surely seen, or a little less surely
EARLIEST_RESTART = 2  # frames a window must advance

Maps = list[Tensor]  # F h w C, finest first


class Answer(NamedTuple):
    """Of N points in T frames; before its query a point rests, with logit 0."""

    tracks: Tensor  # B N T 2, pixels
    visibility_logit: Tensor  # B N T


class Chain(NamedTuple):
    """Paths through one clip, and where their windows began."""

    tracks: Tensor  # N T 2
    visibility_logit: Tensor  # N T
    starts: list[list[int]]  # for every point


class Pips(nn.Module):
    """PIPs."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = PointEncoder(STRIDE)
        self.mixer = Mixer(TOKEN, width=512, outputs=WINDOW * (2 + CHANNELS), depth=12)
        self.update_norm = nn.GroupNorm(1, CHANNELS)
        self.update = nn.Linear(CHANNELS, CHANNELS)
        self.visibility = nn.Linear(CHANNELS, 1)

    def encode(self, frames: Tensor) -> Maps:
        """Features of ``frames (F, 3, H, W)``, each by itself."""
        return pyramid(self.encoder(frames), LEVELS)

    def describe(self, maps: Maps, frame: Tensor, xy: Tensor) -> Tensor:
        """Templates ``(N, C)`` of points at ``xy (N, 2)`` pixels in frames ``(N,)``."""
        return bilinear(maps[0], frame, xy / STRIDE)

    def refine(
        self, maps: Maps, frames: Tensor, xy: Tensor, template: Tensor, iterations: int = 6
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Refine paths through each point's own eight frames.

        Parameters
        ----------
        maps
            Encoded frames.
        frames
            ``(N, 8)``: number of each point's frames among them.
        xy
            ``(N, 2)``: where the point is in its first frame, in pixels; outside training it
            stays there.
        template
            ``(N, C)``, from `describe`.
        iterations
            Of the refinement.

        Yields
        ------
        tuple
            Paths ``(N, 8, 2)`` in pixels, and each frame's features ``(N, 8, C)``.
        """
        start = xy[:, None] / STRIDE  # N 1 2
        path = start.expand(-1, WINDOW, -1)
        features = template[:, None].expand(-1, WINDOW, -1)
        time = torch.linspace(0, WINDOW, WINDOW, device=xy.device)  # not 0..7: as it was trained
        time = time[:, None].expand(len(xy), -1, 1)
        for _ in range(iterations):
            path = path.detach()
            motion = torch.cat([path - path[:, :1], time], dim=-1)  # N 8 3
            embedding = [linear_frequencies(motion).flatten(2), motion]
            seen = correlations(maps, frames, path, features[..., None, :])
            change = self.mixer(torch.cat([features, seen.flatten(2), *embedding], dim=-1))
            change = change.view(-1, WINDOW, 2 + CHANNELS)
            update = self.update_norm(change[..., 2:].flatten(0, 1)).view_as(features)
            features = features + F.gelu(self.update(update))
            path = path + change[..., :2]
            if not self.training:
                path = torch.cat([start, path[:, 1:]], dim=1)
            yield path * STRIDE, features

    def follow(
        self, maps: Maps, frames: Tensor, xy: Tensor, template: Tensor, iterations: int = 6
    ) -> tuple[Tensor, Tensor]:
        """The last paths ``(N, 8, 2)`` of `refine`, and visibility logits ``(N, 8)``."""
        path, features = last(self.refine(maps, frames, xy, template, iterations))
        return path, self.visibility(features)[..., 0]

    def chain(self, maps: Maps, queries: Tensor, iterations: int = 6) -> Chain:
        """Follow ``queries (N, 3)`` to the end of an encoded clip, all points at once.

        The template of the query frame serves all the way.
        """
        num_frames = len(maps[0])
        current, xy = queries[:, 0].long(), queries[:, 1:]
        tracks = xy[:, None].repeat(1, num_frames, 1)
        logits = torch.zeros_like(tracks[..., 0])
        template = self.describe(maps, current, xy)
        starts: list[list[int]] = [[] for _ in queries]
        going = torch.arange(len(queries), device=queries.device)
        steps = torch.arange(WINDOW, device=queries.device)
        while len(going):
            for n, start in zip(going.tolist(), current[going].tolist(), strict=True):
                starts[n].append(start)
            frames = current[going, None] + steps  # n 8
            held = frames.clamp(max=num_frames - 1)  # beyond the end the last frame is repeated
            path, seen = self.follow(maps, held, xy[going], template[going], iterations)
            real = frames < num_frames
            rows = going[:, None].expand(-1, WINDOW)
            tracks[rows[real], frames[real]] = path[real]
            logits[rows[real], frames[real]] = seen[real]
            advance = restart(seen)
            current[going] += advance
            xy = xy.clone()
            xy[going] = path[torch.arange(len(going)), advance]
            going = going[current[going] < num_frames]
        return Chain(tracks, logits, starts)

    def forward(self, video: Tensor, queries: Tensor, iterations: int = 6) -> Answer:
        """Track ``queries (B, N, 3)`` through ``video (B, T, 3, H, W)``."""
        chains = [
            self.chain(self.encode(clip), points, iterations)
            for clip, points in zip(video, queries, strict=True)
        ]
        return Answer(
            torch.stack([chain.tracks for chain in chains]),
            torch.stack([chain.visibility_logit for chain in chains]),
        )


def correlations(maps: Maps, frames: Tensor, path: Tensor, templates: Tensor) -> Tensor:
    """Compare templates with what surrounds points on paths, zero beyond the picture.

    ``frames (N, S)``, ``path (N, S, 2)`` in steps of the finest map, ``templates (N, S, K, C)``.
    Returns ``(N, S, K, L * 49)``, divided by the root of the channels.
    """
    number, frame_count = frames.shape
    which, xy = frames.reshape(-1, 1), path.reshape(-1, 1, 2)
    scaled = templates.flatten(0, 1) / templates.shape[-1] ** 0.5  # N*S K C
    found = [
        local_correlation(level, which, xy / 2**k, scaled, RADIUS, "zeros", "xy").flatten(1, 3)
        for k, level in enumerate(maps)
    ]  # N*S 49 K
    return torch.cat(found, dim=1).mT.unflatten(0, (number, frame_count))


def restart(logits: Tensor) -> Tensor:
    """After how many frames the next window starts, of visibilities ``(N, 8)``: ``(N,)``.

    At the last frame where the point is surely seen; where there is none, "surely" is lowered
    by a little, again and again.
    """
    limits, limit = [], SURE
    while limit > -DECAY:  # probabilities are above it at the latest then
        limits.append(limit)
        limit -= DECAY
    seen = logits.sigmoid()[:, EARLIEST_RESTART:, None] > logits.new_tensor(limits)  # N 6 L
    first = seen.int().argmax(dim=2)  # the highest limit that each frame passes
    frame = torch.arange(EARLIEST_RESTART, WINDOW, device=logits.device)
    return EARLIEST_RESTART + (first * WINDOW - frame).argmin(dim=1)


class Mixer(nn.Module):
    """Tokens of a window to one vector: mixing of the frames, then of the channels, in turn."""

    def __init__(self, inputs: int, width: int, outputs: int, depth: int):
        super().__init__()
        self.entry = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(MixerBlock(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.exit = nn.Linear(width, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """``tokens (N, 8, inputs)`` to ``(N, outputs)``."""
        x = self.entry(tokens)
        for block in self.blocks:
            x = block(x)
        return self.exit(self.norm(x).mean(dim=1))


class MixerBlock(nn.Module):
    """Two residual networks: across frames, and across channels."""

    def __init__(self, width: int):
        super().__init__()
        self.frames_norm, self.channels_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.frames = nn.Sequential(
            nn.Linear(WINDOW, 4 * WINDOW), nn.GELU(), nn.Linear(4 * WINDOW, WINDOW)
        )
        self.channels = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.frames(self.frames_norm(x).mT).mT
        return x + self.channels(self.channels_norm(x))


def pips() -> Pips:
    return Pips()
