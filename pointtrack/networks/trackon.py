"""Track-On2: strictly frame by frame; a point is a query with a memory of its own past.

Aydemir et al., Track-On: Transformer-based Online Point Tracking with Memory, ICLR 2025, and
Track-On2: Enhancing Online Point Tracking with Memory, 2025.

On every frame a point's query reads the frame, the other points and what it was on earlier
frames. The cell that is most like it says roughly where the point is, a bounded offset says
exactly. Nothing else is remembered: `Remembered` goes in and comes out.

Positions in the network are pixels at its working size; coordinates are raster (the first
pixel's centre is at 0.5).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.sampling import bilinear
from pointtrack.networks.trackon_backbone import (
    CHANNELS,
    STRIDES,
    Backbone,
    Maps,
    Size,
    level_sizes,
)
from pointtrack.networks.trackon_decoder import BLOCKS, Block, Head, Reranking
from pointtrack.networks.trackon_vit import DinoV2, DinoV3

STRIDE = STRIDES[0]  # of the cells that are told apart
TRAINED_MEMORY = 24  # frames that points remembered while the network was trained
MEMORY = 72  # and remember now
CANDIDATES = 16  # cells that are looked at again
PORTION = 64  # points that are compared with all cells together
REMEMBERED = 1 << 11  # tokens of memories that are worked on together: they stay in the cache
VISIBLE = 0.8  # probability from which on a point counts as visible


class Remembered(NamedTuple):
    """What is known of N points before a frame.

    Attributes
    ----------
    start
        ``(N, C)``: what they looked like where they were asked for.
    past
        ``(N, K, C)``: their queries on the last frames, the newest last.
    age
        ``(N,)``: how many of these there are, at most K; older ones are empty.
    """

    start: Tensor
    past: Tensor
    age: Tensor

    def joined(self, more: Remembered) -> Remembered:
        """Take up more points."""
        length = max(self.past.shape[1], more.past.shape[1])
        past = [F.pad(p, (0, 0, length - p.shape[1], 0)) for p in (self.past, more.past)]
        return Remembered(
            torch.cat([self.start, more.start]), torch.cat(past), torch.cat([self.age, more.age])
        )

    def chosen(self, rows: Tensor) -> Remembered:
        """Only these points."""
        return Remembered(self.start[rows], self.past[rows], self.age[rows])


class Located(NamedTuple):
    """Of N points on one frame: ``xy (N, 2)`` in working pixels, and logits ``(N,)``."""

    xy: Tensor
    visibility_logit: Tensor
    uncertainty_logit: Tensor


class TrackOutput(NamedTuple):
    """Of N points in T frames; zeros before a point's query.

    Attributes
    ----------
    tracks
        ``(B, N, T, 2)`` raster pixels of the video.
    visibility_logit
        ``(B, N, T)``.
    uncertainty_logit
        ``(B, N, T)``: that a point is hidden, or not where the network thinks.
    """

    tracks: Tensor
    visibility_logit: Tensor
    uncertainty_logit: Tensor


class TrackOn2(nn.Module):
    """The network.

    Parameters
    ----------
    size
        Height and width that frames are brought to; multiples of 32.
    memory
        Frames that a point remembers.
    transformer
        Makes the part of the encoder that has learned from pictures alone.
    """

    def __init__(
        self,
        size: Size = (384, 512),
        memory: int = MEMORY,
        transformer: type[DinoV2] | type[DinoV3] = DinoV3,
    ) -> None:
        super().__init__()
        self.size, self.memory = size, memory
        self.encoder = Backbone(size, transformer())
        # Of the past, oldest first, and of now.
        self.time = nn.Parameter(0.02 * torch.randn(TRAINED_MEMORY + 1, CHANNELS))
        self.read_frame = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.read_points = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.read_past = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.projections = nn.ModuleList(nn.Linear(CHANNELS, CHANNELS) for _ in range(2))
        self.level_weights = nn.Linear(len(STRIDES), 1)
        self.reranking = Reranking()
        self.head = Head()

    def forward(self, video: Tensor, queries: Tensor) -> TrackOutput:
        """Track points through whole clips, from their queries on.

        Parameters
        ----------
        video
            ``(B, T, 3, H, W)`` in 0..255.
        queries
            ``(B, N, 3)`` t, x, y in pixels of the video, raster.
        """
        clips = [self._track(*clip) for clip in zip(video, queries, strict=True)]
        return TrackOutput(*(torch.stack(same) for same in zip(*clips, strict=True)))

    def _track(self, video: Tensor, queries: Tensor) -> TrackOutput:
        """One clip ``(T, 3, H, W)``, ``(N, 3)``."""
        scale = queries.new_tensor([self.size[1] / video.shape[3], self.size[0] / video.shape[2]])
        shape = (len(queries), len(video))
        tracks, seen, unsure = (queries.new_zeros(*shape, *more) for more in ((2,), (), ()))
        rows, points = queries.new_zeros(0, dtype=torch.long), self.nothing(queries)
        for t in range(len(video)):
            fresh = torch.nonzero(queries[:, 0] == t)[:, 0]
            rows = torch.cat([rows, fresh])
            if len(rows) == 0:
                continue
            maps = self.encode(video[t : t + 1])
            points = points.joined(self.begin(maps, queries[fresh, 1:] * scale))
            found, points = self.step(maps, points)
            tracks[rows, t] = found.xy / scale
            seen[rows, t], unsure[rows, t] = found[1:]
        return TrackOutput(tracks, seen, unsure)

    def encode(self, frames: Tensor) -> Maps:
        """Features of ``(F, 3, H, W)`` in 0..255, brought to the working size."""
        if frames.shape[2:] != self.size:
            frames = F.interpolate(frames, self.size, mode="bilinear")
        return self.encoder(frames)

    def nothing(self, like: Tensor) -> Remembered:
        """What is known of no points."""
        return Remembered(
            like.new_zeros(0, CHANNELS),
            like.new_zeros(0, 0, CHANNELS),
            like.new_zeros(0, dtype=torch.long),
        )

    def begin(self, maps: Maps, xy: Tensor) -> Remembered:
        """Take up points ``xy (N, 2)``, in working pixels, on one frame ``(1, ...)``."""
        height, width = self._cells()
        fused = maps.fused.view(1, height, width, CHANNELS)
        which = torch.zeros(len(xy), dtype=torch.long, device=xy.device)
        start = bilinear(fused, which, xy / STRIDE - 0.5)
        return Remembered(start, start.new_zeros(len(xy), 0, CHANNELS), torch.zeros_like(which))

    def step(
        self, maps: Maps, points: Remembered, sees: Tensor | None = None
    ) -> tuple[Located, Remembered]:
        """Find points on a frame. That they were asked for on this very frame makes no difference.

        Parameters
        ----------
        maps
            Of the frame, ``(1, ...)``.
        points
            What is known of them.
        sees
            ``(N, N)`` bool: which points (rows) look at which (columns); default: all at all, as
            published. A point must look at itself.

        Returns
        -------
        Located
            Where they are.
        Remembered
            What is known of them before the next frame.
        """
        sizes = level_sizes(self.size)
        query = self.projections[0](self._read(maps, points, sees))
        lengths = maps.levels[0].norm(dim=-1).clamp_min(1e-12)  # S
        cells = self._most_alike(query, maps, lengths, CANDIDATES)
        query = self.reranking(query, self._shares(cells), maps.levels, sizes)
        query = self.projections[1](query)
        cell = self._most_alike(query, maps, lengths, 1)[:, 0]
        offset, seen, unsure = self.head(query, self._shares(cell), maps.levels, sizes)
        return Located(cell + offset, seen, unsure), self._remember(points, query)

    # --- reading --------------------------------------------------------------------------------

    def _read(self, maps: Maps, points: Remembered, sees: Tensor | None) -> Tensor:
        """Queries ``(N, C)`` after frame, other points and past have been read three times."""
        query, past = points.start, points.past
        length = past.shape[1]
        times = self._times()
        times = torch.cat([times[self.memory - length : self.memory], times[-1:]])  # K+1 C
        known = torch.arange(length, 0, -1, device=query.device) <= points.age[:, None]  # N K
        known = F.pad(known, (0, 1), value=True)
        for k in range(BLOCKS):
            query = self.read_frame[k](query[None], maps.fused, maps.fused)[0]
            mask = None if sees is None else sees[None, None]
            query = self.read_points[k](query[None], query[None], query[None], mask)[0]
            last = k == BLOCKS - 1
            past, query = self._read_past(k, past, query, times, known, last)
        return query

    def _read_past(
        self, k: int, past: Tensor, query: Tensor, times: Tensor, known: Tensor, last: bool
    ) -> tuple[Tensor, Tensor]:
        """A block over each point's past and present; the past is rewritten too, for the next."""
        pasts, queries = [], []
        step = max(1, REMEMBERED // len(times))
        for part in range(0, max(1, len(query)), step):
            rows = slice(part, part + step)
            values = torch.cat([past[rows], query[rows, None]], dim=1)  # n K+1 C
            keys = values + times
            seen = known[rows]
            mask = None if bool(seen.all()) else seen[:, None, None]
            made = self.read_past[k](keys[:, -1:] if last else keys, keys, values, mask)
            pasts.append(made[:, :-1])
            queries.append(made[:, -1])
        return past if last else torch.cat(pasts), torch.cat(queries)

    def _times(self) -> Tensor:
        """``(memory + 1, C)``: those of the past are stretched to the memory's length."""
        if self.memory == TRAINED_MEMORY:
            return self.time
        past = F.interpolate(
            self.time[:-1].T[None], self.memory, mode="linear", align_corners=True
        )[0].T
        return torch.cat([past, self.time[-1:]])

    def _remember(self, points: Remembered, query: Tensor) -> Remembered:
        past = torch.cat([points.past, query[:, None]], dim=1)[:, -self.memory :]
        return points._replace(past=past, age=(points.age + 1).clamp_max(self.memory))

    # --- finding --------------------------------------------------------------------------------

    def correlate(self, query: Tensor, maps: Maps, lengths: Tensor) -> Tensor:
        """How much each cell is like each query ``(N, C)``: ``(N, h, w)``."""
        alike = (F.normalize(query, dim=-1) @ maps.levels[0].T) / lengths  # N S
        sizes = level_sizes(self.size)
        parts = alike.split([height * width for height, width in sizes], dim=1)
        weights = self.level_weights.weight[0]
        total = parts[0].unflatten(1, sizes[0]) * weights[0] + self.level_weights.bias
        for weight, part, size in zip(weights[1:], parts[1:], sizes[1:], strict=True):
            coarse = (weight * part).unflatten(1, size)[:, None]
            total = total + F.interpolate(coarse, sizes[0], mode="bilinear")[:, 0]
        return total

    def _most_alike(self, query: Tensor, maps: Maps, lengths: Tensor, count: int) -> Tensor:
        """Centres ``(N, count, 2)``, in working pixels, of the cells that are most like queries."""
        best = [
            self.correlate(part, maps, lengths).flatten(1).topk(count, dim=1).indices
            for part in query.split(PORTION)
        ]
        cell = torch.cat(best)
        width = self._cells()[1]
        return torch.stack([cell % width, cell // width], dim=-1) * float(STRIDE) + STRIDE / 2

    def _shares(self, xy: Tensor) -> Tensor:
        """Working pixels as shares of the picture."""
        return xy / xy.new_tensor([self.size[1], self.size[0]])

    def _cells(self) -> Size:
        return self.size[0] // STRIDE, self.size[1] // STRIDE


def support_grid(count: int, size: Size) -> Tensor:
    """``(count * count, 2)`` x, y, row by row: the published tracker's points besides the user's.

    ``size`` is the height and width of the video, whose raster pixels these are.
    """
    height, width = size
    margin = width / 64
    y, x = (torch.linspace(margin, side - margin, count) for side in (height, width))
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([x, y], dim=-1).view(-1, 2)


def trackon2() -> TrackOn2:
    return TrackOn2()


def trackon2_dinov2() -> TrackOn2:
    return TrackOn2(transformer=DinoV2)
