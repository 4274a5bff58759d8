"""CoTracker3: points tracked together, by comparing patches around them.

Karaev et al., "CoTracker3: Simpler and Better Point Tracking by Pseudo-Labelling Real Videos",
arXiv 2410.11831. One network runs offline, over a whole clip in both directions, or online, over
windows of 16 frames every 8.

Video is RGB in 0..255, sides multiples of 4; it was trained at 384 x 512. Queries are (t, x, y),
pixel centres at whole numbers. Inside, positions count in steps of 4 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.correlation import local_correlation
from pointtrack.networks.blocks.embeddings import octaves, sine_table
from pointtrack.networks.blocks.encoders import PointEncoder, in_chunks
from pointtrack.networks.blocks.portions import portions
from pointtrack.networks.blocks.sampling import pyramid, windows
from pointtrack.networks.blocks.steps import last
from pointtrack.networks.blocks.track_transformer import TrackTransformer
from pointtrack.networks.cotracker import extended

STRIDE, LEVELS, RADIUS, CHANNELS = 4, 4, 3, 128
PATCH = (2 * RADIUS + 1) ** 2
TOKEN = 2 + LEVELS * 256 + 84
MOTION_SCALE = (128.0, 96.0)  # a quarter of 512 x 384, whatever the size of the video
TOKENS_AT_ONCE = 1 << 11  # whose correlations are held together

Maps = list[Tensor]  # B T h w C, finest first


class Answer(NamedTuple):
    """Of N points in T frames. The probabilities are the logits' sigmoids."""

    tracks: Tensor  # B N T 2, pixels
    visibility_logit: Tensor  # B N T
    confidence_logit: Tensor  # B N T, of an error under 12 px


class Estimate(NamedTuple):
    """What the iterations refine; positions in steps of 4 pixels."""

    xy: Tensor  # B N T 2
    visibility: Tensor  # B N T, logits
    confidence: Tensor  # B N T, logits

    def answer(self) -> Answer:
        """In pixels."""
        return Answer(self.xy * STRIDE, self.visibility, self.confidence)


class CoTracker3(nn.Module):
    """Encoder, correlation and updates, which the offline and the online network share.

    Parameters
    ----------
    table_length
        Frames that the stored table of times has; for other lengths it is stretched.
    """

    times: Tensor

    def __init__(self, table_length: int):
        super().__init__()
        self.encoder = PointEncoder(STRIDE)
        self.correlation = nn.Sequential(
            nn.Linear(PATCH * PATCH, 384), nn.GELU(), nn.Linear(384, 256)
        )
        self.transformer = TrackTransformer(TOKEN, outputs=4, depth=3)
        table = sine_table(torch.arange(table_length), TOKEN)
        self.register_buffer("times", table, persistent=False)

    def encode(self, video: Tensor) -> Maps:
        """Features of ``video (B, T, 3, H, W)``, each frame by itself: any chunk may be given."""

        def directions(frames: Tensor) -> Tensor:
            features = self.encoder(frames)
            norm = features.square().sum(dim=-1, keepdim=True).clamp(min=1e-12).rsqrt()
            return features * norm

        levels = pyramid(in_chunks(directions, video.flatten(0, 1)), LEVELS)
        return [level.unflatten(0, video.shape[:2]) for level in levels]

    def describe(self, maps: Maps, queries: Tensor) -> list[Tensor]:
        """Patches around queries ``(B, N, 3)`` in their frames: ``(B, N, 49, C)`` a level."""
        num_frames = maps[0].shape[1]
        batch = torch.arange(len(queries), device=queries.device)[:, None]
        which = batch * num_frames + queries[..., 0].long()  # B N
        xy = queries[..., 1:] / STRIDE
        return [
            windows(level.flatten(0, 1), which, xy / 2**k, RADIUS, "edge", "xy").flatten(2, 3)
            for k, level in enumerate(maps)
        ]

    def refine(
        self, maps: Maps, patches: list[Tensor], start: Estimate, iterations: int
    ) -> Iterator[Estimate]:
        """Give the estimate after every iteration.

        ``start`` has as many frames as ``maps``. No gradient goes back through the positions an
        iteration starts from.
        """
        xy, visibility, confidence = start
        times = self._times(xy.shape[2]).to(xy)
        for _ in range(iterations):
            xy = xy.detach()
            parts = [
                visibility[..., None],
                confidence[..., None],
                self._correlate(maps, patches, xy),
                _motion(xy),
            ]
            change = self.transformer(torch.cat(parts, dim=-1).add_(times))
            xy = xy + change[..., :2]
            visibility, confidence = visibility + change[..., 2], confidence + change[..., 3]
            yield Estimate(xy, visibility, confidence)

    def _correlate(self, maps: Maps, patches: list[Tensor], xy: Tensor) -> Tensor:
        """Compare patches with what lies around the tracks: ``(B, N, T, 1024)``."""
        batch, num_tracks, num_frames, _ = xy.shape
        flat = [level.flatten(0, 1) for level in maps]
        frame = torch.arange(batch * num_frames, device=xy.device).view(batch, 1, num_frames)
        which = frame.expand(-1, num_tracks, -1).flatten(0, 1)  # B*N T
        templates = [patch.flatten(0, 1) for patch in patches]  # B*N 49 C
        tracks = xy.flatten(0, 1)
        rows = []
        for part in portions(batch * num_tracks, num_frames, TOKENS_AT_ONCE):
            levels = []
            for k, (level, template) in enumerate(zip(flat, templates, strict=True)):
                volume = local_correlation(
                    level, which[part], tracks[part] / 2**k, template[part], RADIUS, "edge", "xy"
                )
                levels.append(self.correlation(volume.flatten(2)))
            rows.append(torch.cat(levels, dim=-1))
        return torch.cat(rows).unflatten(0, (batch, num_tracks))

    def _times(self, num_frames: int) -> Tensor:
        if num_frames == len(self.times):
            return self.times
        return F.interpolate(self.times.T[None], num_frames, mode="linear")[0].T


def _motion(xy: Tensor) -> Tensor:
    """Steps to the next and from the previous frame ``(B, N, T, 2)`` to ``(B, N, T, 84)``."""
    step = (xy[:, :, :-1] - xy[:, :, 1:]) / xy.new_tensor(MOTION_SCALE)
    steps = torch.cat([F.pad(step, (0, 0, 0, 1)), F.pad(-step, (0, 0, 1, 0))], dim=-1)
    return octaves(steps, 10)


def _resting(queries: Tensor, num_frames: int) -> Estimate:
    """Every point at its query in all frames."""
    xy = (queries[..., None, 1:] / STRIDE).expand(-1, -1, num_frames, -1)
    unknown = torch.zeros_like(xy[..., 0])
    return Estimate(xy, unknown, unknown)


class CoTracker3Offline(CoTracker3):
    """The whole clip at once: points are tracked before and after their query."""

    def __init__(self) -> None:
        super().__init__(table_length=60)

    def forward(self, video: Tensor, queries: Tensor, iterations: int = 6) -> Answer:
        """Track ``queries (B, N, 3)`` through ``video (B, T, 3, H, W)``."""
        return self.track(self.encode(video), queries, iterations)

    def track(self, maps: Maps, queries: Tensor, iterations: int = 6) -> Answer:
        """Track through an encoded clip, which may serve many groups of queries."""
        patches, start = self.describe(maps, queries), _resting(queries, maps[0].shape[1])
        return last(self.refine(maps, patches, start, iterations)).answer()


class OnlineState(NamedTuple):
    """What a window leaves to the next: O(points), whatever the length of the video."""

    start: int | Tensor  # first frame of the next window; a tensor in an exported graph
    queries: Tensor  # B N 3
    patches: list[Tensor]  # B N 49 C a level, zero for queries still to come
    maps: Maps  # of the frames that both windows have
    overlap: Estimate  # there


class CoTracker3Online(CoTracker3):
    """Windows of 16 frames every 8. Before its query a point's positions mean nothing."""

    window, step = 16, 8

    def __init__(self) -> None:
        super().__init__(table_length=self.window)

    def forward(self, video: Tensor, queries: Tensor, iterations: int = 6) -> Answer:
        """Track ``queries (B, N, 3)`` through ``video (B, T, 3, H, W)``, window by window."""
        state = self.begin(queries)
        parts, begin = [], 0
        for end in self.ends(video.shape[1]):
            answer, state = self.advance(state, self.encode(video[:, begin:end]), iterations)
            # The last window that holds a frame has the say; this one's first half is older.
            settled = min(self.step, answer.tracks.shape[2])
            parts.append([value[:, :, :settled] for value in answer])
            rest, begin = [value[:, :, settled:] for value in answer], end
        parts.append(rest)
        return Answer(*(torch.cat(values, dim=2) for values in zip(*parts, strict=True)))

    def ends(self, num_frames: int) -> list[int]:
        """Where the new frames of each window end."""
        return [*range(self.window, num_frames, self.step), num_frames]

    def begin(self, queries: Tensor) -> OnlineState:
        """Before the first window."""
        batch, num_tracks, _ = queries.shape
        unseen = [queries.new_zeros(batch, num_tracks, PATCH, CHANNELS) for _ in range(LEVELS)]
        return OnlineState(0, queries, unseen, [], _resting(queries, self.step))

    def advance(
        self, state: OnlineState, new: Maps, iterations: int = 6
    ) -> tuple[Answer, OnlineState]:
        """Track through the next window.

        Parameters
        ----------
        state
            What `begin` or the previous call gave.
        new
            Encoded frames it has not seen yet: 16 in the first call and 8 in the others; fewer
            only at the end of the video.
        iterations
            Of the refinement.

        Returns
        -------
        tuple
            The answer for all real frames of the window, frame ``state.start`` first, and the
            state for the next call.
        """
        maps = new
        if state.maps:
            maps = [torch.cat(pair, dim=1) for pair in zip(state.maps, new, strict=True)]
        num_frames = maps[0].shape[1]
        if num_frames > self.window:
            raise ValueError(f"a window has {self.window} frames, found {num_frames}")
        maps = [extended(level, self.window, dim=1) for level in maps]
        patches = self._learn(state, maps)
        estimate = last(self.refine(maps, patches, self._handed_over(state), iterations))
        tail = slice(self.step, None)
        later = OnlineState(
            state.start + self.step,
            state.queries,
            patches,
            [level[:, tail] for level in maps],
            Estimate(*(value[:, :, tail] for value in estimate)),
        )
        return Answer(*(value[:, :, :num_frames] for value in estimate.answer())), later

    def _learn(self, state: OnlineState, maps: Maps) -> list[Tensor]:
        """The patches known so far, and those of queries in the window's new frames."""
        frame = state.queries[..., 0].long() - state.start  # B N
        fresh = (frame >= self._known(state)) & (frame < self.window)
        frame = frame.clamp(0, self.window - 1)[..., None]
        found = self.describe(maps, torch.cat([frame, state.queries[..., 1:]], dim=-1))
        chosen = fresh[..., None, None]
        return [torch.where(chosen, a, b) for a, b in zip(found, state.patches, strict=True)]

    def _known(self, state: OnlineState) -> int | Tensor:
        """How many of the window's frames the one before has had; windows begin at 0, 8, ..."""
        if isinstance(state.start, Tensor):
            return state.start.clamp(max=self.step)
        return min(state.start, self.step)

    def _handed_over(self, state: OnlineState) -> Estimate:
        """Where this window starts: on from the overlap, and at the query for newer points."""
        start = _resting(state.queries, self.window)
        going = state.queries[..., 0].long() < state.start + self._known(state)  # B N
        kept = [extended(value, self.window, dim=2) for value in state.overlap]
        return Estimate(
            torch.where(going[..., None, None], kept[0], start.xy),
            torch.where(going[..., None], kept[1], start.visibility),
            torch.where(going[..., None], kept[2], start.confidence),
        )


def cotracker3_offline() -> CoTracker3Offline:
    return CoTracker3Offline()


def cotracker3_online() -> CoTracker3Online:
    return CoTracker3Online()
