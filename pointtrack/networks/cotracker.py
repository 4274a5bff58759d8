"""CoTracker 1 and 2: points tracked together through overlapping windows.

Karaev et al., "CoTracker: It is Better to Track Together", ECCV 2024. In version 1 every point
looks at every other one; in version 2 they look at each other through 64 virtual tracks.

Video is RGB in 0..255, sides multiples of the stride; it was trained at 384 x 512. Queries are
(t, x, y), pixel centres at whole numbers. Inside, positions count in steps of ``stride`` pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.attention import SelfBlock
from pointtrack.networks.blocks.correlation import local_correlation
from pointtrack.networks.blocks.embeddings import linear_frequencies, sine_table
from pointtrack.networks.blocks.encoders import PointEncoder
from pointtrack.networks.blocks.sampling import Outside, bilinear, pyramid
from pointtrack.networks.blocks.track_transformer import HEADS, WIDTH, TrackTransformer

LEVELS, RADIUS, CHANNELS = 4, 3, 128
TOKEN = 130 + LEVELS * (2 * RADIUS + 1) ** 2 + CHANNELS + 2
DEPTH = 6
SURELY_VISIBLE = 10.0  # the logit a point starts with

Maps = list[Tensor]  # B S h w C, finest first


class Answer(NamedTuple):
    """Of N points in T frames."""

    tracks: Tensor  # B N T 2, pixels
    visibility_logit: Tensor  # B N T


class State(NamedTuple):
    """What a window leaves to the next: O(points), whatever the length of the video."""

    start: int  # first frame of the next window
    queries: Tensor  # B N 3
    features: Tensor  # B N C at the queries, zero for those still to come
    maps: Maps  # of the frames that both windows have
    xy: Tensor  # B N S/2 2 there, in steps
    visibility: Tensor  # B N S/2 there, logits


class Window(NamedTuple):
    """Where the refinement of a window starts."""

    features: Tensor  # B N C
    xy: Tensor  # B N S 2
    visibility: Tensor  # B N S
    new: Tensor  # B N S: 1 in frames that are tracked for the first time


class CoTracker(nn.Module):
    """What both versions share: windows of S frames, every S / 2.

    Parameters
    ----------
    stride, window
        Of the features, and S.
    outside
        What correlations see beyond the picture.
    transformer
        From tokens ``(B, N, S, 456)`` to updates ``(B, N, S, 130)``.
    """

    times: Tensor
    repeated_is_new: bool  # whether the repeated last frame of a short window is marked as new

    def __init__(self, stride: int, window: int, outside: Outside, transformer: nn.Module):
        super().__init__()
        self.stride, self.window, self.step, self.outside = stride, window, window // 2, outside
        self.encoder = PointEncoder(stride)
        self.transformer = transformer
        self.update_norm = nn.GroupNorm(1, CHANNELS)
        self.update = nn.Linear(CHANNELS, CHANNELS)
        self.visibility = nn.Linear(CHANNELS, 1)
        self.register_buffer("times", sine_table(torch.arange(window), TOKEN), persistent=False)

    # -- steps ----------------------------------------------------------------------------------

    def encode(self, video: Tensor) -> Maps:
        """Features of ``video (B, T, 3, H, W)``, each frame by itself: any chunk may be given."""
        levels = pyramid(self.encoder(video.flatten(0, 1)), LEVELS)
        return [level.unflatten(0, video.shape[:2]) for level in levels]

    def forward(self, video: Tensor, queries: Tensor, iterations: int = 6) -> Answer:
        """Track ``queries (B, N, 3)`` through ``video (B, T, 3, H, W)``, window by window."""

        def read(part: slice) -> Maps:
            return self.encode(video[:, part])

        return self._track(read, video.shape[1], queries, iterations)

    def track(self, maps: Maps, queries: Tensor, iterations: int = 6) -> Answer:
        """Track through an encoded clip, which may serve many groups of queries."""

        def read(part: slice) -> Maps:
            return [level[:, part] for level in maps]

        return self._track(read, maps[0].shape[1], queries, iterations)

    def _track(
        self, encoded: Callable[[slice], Maps], num_frames: int, queries: Tensor, iterations: int
    ) -> Answer:
        state = self.begin(queries)
        parts, begin = [], 0
        for end in self.ends(num_frames):
            answer, state = self.advance(state, encoded(slice(begin, end)), iterations)
            # The last window that holds a frame has the say; this one's first half is older.
            settled = min(self.step, answer.tracks.shape[2])
            parts.append([value[:, :, :settled] for value in answer])
            rest, begin = [value[:, :, settled:] for value in answer], end
        parts.append(rest)
        return Answer(*(torch.cat(values, dim=2) for values in zip(*parts, strict=True)))

    def ends(self, num_frames: int) -> list[int]:
        """Where the new frames of each window end."""
        return [*range(self.window, num_frames, self.step), num_frames]

    def begin(self, queries: Tensor) -> State:
        """Before the first window."""
        features = queries.new_zeros(*queries.shape[:2], CHANNELS)
        resting = queries[:, :, None, 1:].expand(-1, -1, self.step, -1) / self.stride
        return State(0, queries, features, [], resting, torch.zeros_like(resting[..., 0]))

    def advance(self, state: State, new: Maps, iterations: int = 6) -> tuple[Answer, State]:
        """Track through the next window.

        Parameters
        ----------
        state
            What `begin` or the previous call gave.
        new
            Encoded frames it has not seen yet: S in the first call and S / 2 in the others;
            fewer only at the end of the video.
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
        start = self._start(state, maps, num_frames)
        active = state.queries[..., 0].long() < state.start + self.window  # B N
        xy, visibility = self._solve(maps, start, state.queries, active, iterations)
        tail = slice(self.step, None)
        later = State(
            state.start + self.step,
            state.queries,
            start.features,
            [level[:, tail] for level in maps],
            xy[:, :, tail],
            visibility[:, :, tail],
        )
        seen = slice(num_frames)
        return Answer(xy[:, :, seen] * self.stride, visibility[:, :, seen]), later

    def _start(self, state: State, maps: Maps, num_frames: int) -> Window:
        """Features as they are known now; places on from the overlap, or at new queries."""
        query = state.queries[..., 0].long() - state.start  # B N, frame of the window
        known = self.step if state.start else 0
        batch = torch.arange(len(query), device=query.device)[:, None]
        which = batch * self.window + query.clamp(0, self.window - 1)
        resting = state.queries[:, :, None, 1:] / self.stride  # B N 1 2
        found = bilinear(maps[0].flatten(0, 1), which, resting[:, :, 0])
        fresh = (query >= known) & (query < self.window)
        going = (query < known)[..., None]
        frame = torch.arange(self.window, device=query.device)
        new = (frame >= query[..., None]) & (frame >= known)
        if not self.repeated_is_new:
            new &= frame < num_frames
        visibility = extended(state.visibility, self.window, dim=2)
        return Window(
            torch.where(fresh[..., None], found, state.features),
            torch.where(going[..., None], extended(state.xy, self.window, dim=2), resting),
            torch.where(going, visibility, SURELY_VISIBLE),
            new.to(visibility),
        )

    def _solve(
        self, maps: Maps, start: Window, queries: Tensor, active: Tensor, iterations: int
    ) -> tuple[Tensor, Tensor]:
        """Positions ``(B, N, S, 2)`` and visibility logits ``(B, N, S)`` of a window."""
        raise NotImplementedError

    # -- the refinement -------------------------------------------------------------------------

    def refine(
        self, maps: Maps, start: Window, active: Tensor | None, iterations: int
    ) -> tuple[Tensor, Tensor]:
        """Refine positions ``(B, N, S, 2)``; with them, visibility logits ``(B, N, S)``.

        Which frames are new, and the visibility, are given to every iteration as they were at
        the start. ``active`` is the transformer's.
        """
        xy = start.xy
        features = start.features[:, :, None].expand(-1, -1, self.window, -1)  # B N S C
        marks = self._marks(start)  # B N S 2
        place = self._places(xy[:, :, :1], maps) + self.times  # B N S 456
        for _ in range(iterations):
            xy = xy.detach()
            flow = xy - xy[:, :, :1]
            parts = [
                flow,
                linear_frequencies(flow).flatten(3),
                self._correlate(maps, features, xy),
                features,
                marks,
            ]
            change = self._transform(torch.cat(parts, dim=-1).add_(place), active)
            xy = xy + change[..., :2]
            update = self.update_norm(change[..., 2:].reshape(-1, CHANNELS)).view_as(features)
            features = features + F.gelu(self.update(update))
        return xy, self.visibility(features)[..., 0]

    def _transform(self, tokens: Tensor, active: Tensor | None) -> Tensor:
        return self.transformer(tokens)

    def _marks(self, start: Window) -> Tensor:
        return torch.stack([start.new, start.visibility], dim=-1)

    def _places(self, xy: Tensor, maps: Maps) -> Tensor:
        """An embedding ``(B, N, 1, 456)`` of positions: half of it is of x, half of y."""
        size = self._table_size(maps)
        halves = []
        for axis in (0, 1):
            table = sine_table(torch.arange(size[axis], device=xy.device), TOKEN // 2)
            at = xy[..., axis].clamp(0, size[axis] - 1)
            low = at.floor().long()
            high = (low + 1).clamp(max=size[axis] - 1)
            halves.append(torch.lerp(table[low], table[high], (at - low)[..., None]))
        return torch.cat(halves, dim=-1)

    def _table_size(self, maps: Maps) -> tuple[int, int]:
        """Width and height of the pictures that positions are embedded in."""
        return maps[0].shape[3], maps[0].shape[2]

    def _correlate(self, maps: Maps, features: Tensor, xy: Tensor) -> Tensor:
        """Compare each frame's features with what surrounds the points: ``(B, N, S, 196)``."""
        batch, num_tracks, num_frames, _ = xy.shape
        frame = torch.arange(batch * num_frames, device=xy.device).view(batch, 1, num_frames)
        which = frame.expand(-1, num_tracks, -1).reshape(-1, 1)  # B*N*S 1
        templates = features.reshape(-1, 1, CHANNELS) / CHANNELS**0.5
        at = xy.reshape(-1, 1, 2)
        found = [
            local_correlation(
                level.flatten(0, 1), which, at / 2**k, templates, RADIUS, self.outside, "xy"
            ).flatten(1)
            for k, level in enumerate(maps)
        ]
        return torch.cat(found, dim=1).view(batch, num_tracks, num_frames, -1)


class CoTracker1(CoTracker):
    """Every point looks at every other. Before a point's first window its track is 0."""

    repeated_is_new = False

    def __init__(self, stride: int, window: int):
        super().__init__(stride, window, "zeros", PointTransformer())

    def _solve(
        self, maps: Maps, start: Window, queries: Tensor, active: Tensor, iterations: int
    ) -> tuple[Tensor, Tensor]:
        xy, visibility = torch.zeros_like(start.xy), torch.zeros_like(start.visibility)
        # The points of a clip are solved by query frame: their order is part of the input.
        order = queries[..., 0].long().argsort(dim=1, stable=True)
        for clip, rows in enumerate(order):
            rows = rows[active[clip, rows]]
            if len(rows):
                part = Window(*(value[clip, rows][None] for value in start))
                solved = self.refine([m[clip, None] for m in maps], part, None, iterations)
                xy[clip, rows], visibility[clip, rows] = solved[0][0], solved[1][0]
        return xy, visibility

    def _marks(self, start: Window) -> Tensor:
        # The pairs were once formed along the wrong axis, and the weights were trained with it:
        # the first half of the points see marks of other points, the second half visibilities.
        joined = torch.cat([start.new, start.visibility], dim=1)  # B 2N S
        return joined.view(*start.new.shape, 2)


class CoTracker2(CoTracker):
    """Points look at each other through virtual tracks; those still to come do not count.

    Parameters
    ----------
    window
        S: 8, or 16 for version 2.1.
    mistaken_mask
        With exactly as many points as virtual tracks the published code takes points still to
        come for virtual tracks. True repeats that.
    """

    repeated_is_new = True

    def __init__(self, window: int, mistaken_mask: bool = False):
        super().__init__(4, window, "edge", TrackTransformer(TOKEN, 2 + CHANNELS, DEPTH))
        self.mistaken_mask = mistaken_mask

    def _solve(
        self, maps: Maps, start: Window, queries: Tensor, active: Tensor, iterations: int
    ) -> tuple[Tensor, Tensor]:
        return self.refine(maps, start, active, iterations)

    def _transform(self, tokens: Tensor, active: Tensor | None) -> Tensor:
        return self.transformer(tokens, active, self.mistaken_mask)

    def _table_size(self, maps: Maps) -> tuple[int, int]:
        return 128, 96  # of 512 x 384, whatever the size of the video


class PointTransformer(nn.Module):
    """Blocks along time and among all points, in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Linear(TOKEN, WIDTH)
        self.time = nn.ModuleList(SelfBlock(WIDTH, HEADS) for _ in range(DEPTH))
        self.among = nn.ModuleList(SelfBlock(WIDTH, HEADS) for _ in range(DEPTH))
        self.exit = nn.Linear(WIDTH, 2 + CHANNELS)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens ``(B, N, S, 456)`` to updates ``(B, N, S, 130)``."""
        x = self.entry(tokens)
        for time, among in zip(self.time, self.among, strict=True):
            x = among(time(x, "time"), "tracks")
        return self.exit(x)


def extended(values: Tensor, length: int, dim: int) -> Tensor:
    """Repeat the last entry along ``dim`` up to ``length``."""
    missing = length - values.shape[dim]
    if missing == 0:
        return values
    last = values.narrow(dim, values.shape[dim] - 1, 1)
    return torch.cat([values, last.repeat_interleave(missing, dim)], dim=dim)


def cotracker1() -> CoTracker1:
    """The published ``cotracker_stride_4_wind_8.pth``."""
    return CoTracker1(stride=4, window=8)


def cotracker1_s4_w12() -> CoTracker1:
    """The published ``cotracker_stride_4_wind_12.pth``."""
    return CoTracker1(stride=4, window=12)


def cotracker1_s8_w16() -> CoTracker1:
    """The published ``cotracker_stride_8_wind_16.pth``."""
    return CoTracker1(stride=8, window=16)


def cotracker2() -> CoTracker2:
    """The published ``cotracker2.pth``."""
    return CoTracker2(window=8)


def cotracker2_w16() -> CoTracker2:
    """The published ``cotracker2v1.pth``, version 2.1."""
    return CoTracker2(window=16)
