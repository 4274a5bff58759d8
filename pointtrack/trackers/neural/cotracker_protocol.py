"""How CoTracker is meant to be run: sizes, support grids, directions and decisions.

Only arithmetic on tensors; the networks are in ``pointtrack.networks``. Points are
``(B, N, 3)`` (t, x, y), sizes ``(width, height)``, pixel centres at whole numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.geometry import Size

WORKING_SIZE: Size = (512, 384)
SUPPORT_GRID = 6  # per side, added to a user's points and dropped again
EVALUATION_GRID = 5  # per side, in the benchmarks
LOCAL_GRID, LOCAL_EXTENT = 8, 50.0  # per side and in pixels, around a single point
OFFLINE_VISIBLE = 0.9  # of the visibility alone
ONLINE_VISIBLE = 0.6  # of visibility times confidence


class Scores(NamedTuple):
    """Tracks and probabilities."""

    tracks: Tensor  # B N T 2
    visibility: Tensor  # B N T
    confidence: Tensor  # B N T

    @property
    def score(self) -> Tensor:
        """What the benchmarks and the online tracker threshold."""
        return self.visibility * self.confidence

    def first(self, count: int) -> Scores:
        """Without support points, which come last."""
        return Scores(*(value[:, :count] for value in self))


def scores(answer: tuple[Tensor, ...]) -> Scores:
    """A network's tracks and logits; CoTracker 2 is always confident."""
    tracks, visibility = answer[0], answer[1].sigmoid()
    confidence = answer[2].sigmoid() if len(answer) > 2 else torch.ones_like(visibility)
    return Scores(tracks, visibility, confidence)


# --- sizes -------------------------------------------------------------------------------------


def resize(video: Tensor, size: Size) -> Tensor:
    """Resize ``(B, T, 3, H, W)`` so that corner pixels stay corner pixels."""
    frames = F.interpolate(
        video.flatten(0, 1), (size[1], size[0]), mode="bilinear", align_corners=True
    )
    return frames.unflatten(0, video.shape[:2])


def rescale(xy: Tensor, source: Size, target: Size) -> Tensor:
    """Follow positions ``(..., 2)`` through `resize`."""
    ratio = [(new - 1) / (old - 1) for old, new in zip(source, target, strict=True)]
    return xy * xy.new_tensor(ratio)


def rescale_queries(queries: Tensor, source: Size, target: Size) -> Tensor:
    """`rescale` for (t, x, y)."""
    return torch.cat([queries[..., :1], rescale(queries[..., 1:], source, target)], dim=-1)


# --- grids -------------------------------------------------------------------------------------


def grid(side: int, size: tuple[float, float], centre: Tensor | None = None) -> Tensor:
    """``side`` squared positions over a picture, row by row, ``(side * side, 2)``.

    The margin is 1/64 of the width. ``centre (2,)`` moves the grid from the picture's.
    """
    width, height = size
    middle = torch.tensor([width / 2, height / 2])
    if side == 1:
        points = middle[None]
    else:
        margin = width / 64
        x = torch.linspace(margin, width - margin, side)
        y = torch.linspace(margin, height - margin, side)
        points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
    return points if centre is None else points - middle + centre.to(points)


def in_mask(points: Tensor, mask: Tensor, size: Size) -> Tensor:
    """Those of ``points (K, 2)`` that lie on a mask ``(H, W)`` of any size, at ``size``."""
    small = F.interpolate(mask[None, None].float(), (size[1], size[0]), mode="nearest")[0, 0]
    column, row = points.round().long().unbind(dim=-1)
    return points[small[row, column] > 0]


def queries_at(points: Tensor, frame: int) -> Tensor:
    """Positions ``(K, 2)`` as queries ``(1, K, 3)`` of one frame."""
    return F.pad(points, (1, 0), value=frame)[None]


def with_support(queries: Tensor, points: Tensor) -> Tensor:
    """Queries, and after them support points ``(K, 2)`` on frame 0."""
    support = queries_at(points, 0).to(queries).expand(len(queries), -1, -1)
    return torch.cat([queries, support], dim=1)


# --- directions and decisions ------------------------------------------------------------------


def both_ways(
    track: Callable[[list[Tensor], Tensor], Scores], maps: list[Tensor], queries: Tensor
) -> Scores:
    """Track an encoded clip also backwards, which has the say before a point's query frame."""
    return merged(track(maps, queries), backwards(track, maps, queries), queries)


def backwards(
    track: Callable[[list[Tensor], Tensor], Scores], maps: list[Tensor], queries: Tensor
) -> Scores:
    """Track an encoded clip from its end; the answer is in the clip's own order."""
    found = track([level.flip(1) for level in maps], reversed_in_time(queries, maps[0].shape[1]))
    return Scores(*(value.flip(2) for value in found))


def reversed_in_time(queries: Tensor, num_frames: int) -> Tensor:
    """Queries of the clip played backwards."""
    return torch.cat([num_frames - 1 - queries[..., :1], queries[..., 1:]], dim=-1)


def merged(forward: Scores, backward: Scores, queries: Tensor) -> Scores:
    """``backward`` before the query frames, ``forward`` from there on."""
    frame = torch.arange(forward.tracks.shape[2], device=queries.device)
    early = frame < queries[..., :1]  # B N T
    chosen = (early[..., None], early, early)
    parts = zip(chosen, backward, forward, strict=True)
    return Scores(*(torch.where(*part) for part in parts))


def pinned(found: Scores, queries: Tensor) -> tuple[Tensor, Tensor]:
    """Tracks and visibility as the offline tracker reports them.

    Visible is what is surely visible, whatever the confidence; at its query a point is where
    it was put, and visible.
    """
    frame = torch.arange(found.tracks.shape[2], device=queries.device)
    here = frame == queries[..., :1].long()  # B N T
    tracks = torch.where(here[..., None], queries[..., None, 1:], found.tracks)
    return tracks, (found.visibility > OFFLINE_VISIBLE) | here


# --- the first version --------------------------------------------------------------------------


def resize_v1(video: Tensor, size: Size) -> Tensor:
    """Resize ``(B, T, 3, H, W)`` as CoTracker 1 does: the outer edges stay the outer edges."""
    frames = F.interpolate(
        video.flatten(0, 1), (size[1], size[0]), mode="bilinear", align_corners=False
    )
    return frames.unflatten(0, video.shape[:2])


def rescale_v1(xy: Tensor, source: Size, target: Size) -> Tensor:
    """Positions as CoTracker 1 scales them: by the sizes alone, so half a pixel is lost."""
    return xy * xy.new_tensor([new / old for old, new in zip(source, target, strict=True)])


def grid_v1(side: int, size: tuple[float, float], centre: Tensor | None = None) -> Tensor:
    """CoTracker 1's grid ``(side * side, 2)``, row by row.

    The margin is the width divided by 64 and rounded down. Around a ``centre (2,)`` the grid
    lies half a step towards the corner.
    """
    width, height = size
    if side == 1:
        return torch.tensor([[width / 2, height / 2]]) if centre is None else centre[None]
    margin = width // 64
    steps = torch.arange(side, dtype=torch.float32)
    shift = torch.zeros(2)
    if centre is not None:
        steps, shift = steps - side / 2, centre
    x = margin + steps / (side - 1) * (width - 2 * margin) + shift[0]
    y = margin + steps / (side - 1) * (height - 2 * margin) + shift[1]
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)


def filled_v1(
    forward: tuple[Tensor, Tensor], backward: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Where CoTracker 1 has not tracked yet it says 0, and the backward run has the say."""
    missing = forward[0] == 0  # B N T 2
    tracks = torch.where(missing, backward[0], forward[0])
    return tracks, torch.where(missing[..., 0], backward[1], forward[1])


# --- the benchmarks ----------------------------------------------------------------------------


def single_point_queries(query: Tensor, size: Size) -> Tensor:
    """One query ``(3,)`` with its support: a local grid, then a global one, ``(1, K, 3)``."""
    local = grid(LOCAL_GRID, (LOCAL_EXTENT, LOCAL_EXTENT), query[1:])
    everywhere = grid(EVALUATION_GRID, size)
    return with_support(query[None, None], torch.cat([local, everywhere]))


def dense_offsets(width: int, columns: int = 80) -> int:
    """Into how many grids per side the pixels of a picture are split to track all of them."""
    return max(1, math.floor(width / columns))
