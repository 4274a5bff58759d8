"""TAPTR's decoders: points of one window of frames look at the frames and at each other.

A point in a frame is a token with a box: centre, width and height as shares of the picture. Of
the box only the centre moves where a token looks, but all of it is told to the network. Boxes
are handed on as logits. Tensors are ``(B, T, N, ...)`` for T frames and N points.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.deformable import (
    Corners,
    DeformableAttention,
    around,
    corners,
    project_heads,
    weighted_sum,
)
from pointtrack.networks.blocks.portions import portions
from pointtrack.networks.blocks.sampling import gather, interpolate, patch_index
from pointtrack.networks.taptr_encoder import (
    HEADS,
    LEVELS,
    PLACES,
    WIDTH,
    FeedForward,
    Size,
    waves,
)

RADIUS = 3  # of the windows that a point is compared with
CHUNK = 1 << 22  # numbers gathered at a time
KINDS = 3  # of points: nothing, visible, occluded


class Frames(NamedTuple):
    """A window of encoded frames.

    Attributes
    ----------
    tokens
        ``(B, T, S, C)``.
    sizes
        Height and width of the four levels that the S tokens are of.
    true_axes
        Take what belongs to the width from the width. The published networks exchange the two
        sides here and there, which shows in pictures that are not square.
    """

    tokens: Tensor
    sizes: list[Size]
    true_axes: bool = False

    def sides(self, like: Tensor) -> Tensor:
        """What x and y are multiplied by on each level, ``(4, 2)``."""
        order = [(w, h) if self.true_axes else (h, w) for h, w in self.sizes]
        return like.new_tensor(order)

    def patches(self, level: int, number: Tensor, xy: Tensor, radius: int) -> tuple[Tensor, Tensor]:
        """Pixels ``(..., n + 1, n + 1, C)`` around ``xy (..., 2)``, indices of a level, for
        windows of ``n = 2 radius + 1``, column by column, and fractions to `interpolate` them.

        ``number (...)`` counts all frames of all clips.
        """
        start = sum(height * width for height, width in self.sizes[:level])
        tokens = self.tokens.shape[2]
        own = torch.zeros_like(number)
        index, fraction = patch_index(self.sizes[level], own, xy, radius, order="xy")
        index = index + (start + number * tokens)[..., None, None]
        return gather(self.tokens, index), fraction


class Points(NamedTuple):
    """Tokens as they enter a window.

    Attributes
    ----------
    content
        ``(B, T, N, C)``.
    box
        ``(B, T, N, 4)`` logits.
    tracked
        ``(B, T, N)`` bool: not before the point's query.
    moves
        The same without the query's frame itself.
    """

    content: Tensor
    box: Tensor
    tracked: Tensor
    moves: Tensor


class Decoded(NamedTuple):
    """Tokens as they leave it: content, boxes and classes ``(B, T, N, 3)``, both as logits."""

    content: Tensor
    box: Tensor
    classes: Tensor


def logit(share: Tensor) -> Tensor:
    """The sigmoid's inverse between 0.001 and 0.999."""
    share = share.clamp(0, 1)
    return (share.clamp_min(1e-3) / (1 - share).clamp_min(1e-3)).log()


def perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    made: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        made += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*made[:-1])


def box_waves(box: Tensor) -> Tensor:
    """``(..., V)`` shares x, y, ... as ``(..., 128 V)`` waves; y comes before x."""
    order = [1, 0, 2, 3][: box.shape[-1]]
    return waves(box[..., order]).flatten(-2)


class SelfAttention(nn.Module):
    """Tokens along one axis look at each other; adds what they see, and normalises."""

    def __init__(self) -> None:
        super().__init__()
        self.query_key, self.value = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.output, self.norm = nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor, where: Tensor, mask: Tensor | None) -> Tensor:
        """``x (B, A, L, C)``: among L tokens; ``mask (B, A, L, L)`` says who sees whom."""
        query, key = self.query_key(x + where).chunk(2, dim=-1)
        q, k, v = (
            part.unflatten(-1, (HEADS, -1)).transpose(2, 3) for part in (query, key, self.value(x))
        )  # B A heads L D
        allowed = None if mask is None else mask[:, :, None]
        found = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        return self.norm(x + self.output(found.transpose(2, 3).flatten(3)))


class DecoderLayer(nn.Module):
    """What layers of both kinds have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.over_time, self.over_points = SelfAttention(), SelfAttention()
        self.norm = nn.LayerNorm(WIDTH)  # of what is seen in the frames
        self.feedforward = FeedForward()
        self.box = perceptron(WIDTH, WIDTH, WIDTH, 4)

    def meet(self, x: Tensor, where: Tensor, masks: Masks) -> Tensor:
        """Points of other frames, then other points of the frame."""
        turned = self.over_time(x.transpose(1, 2), where.transpose(1, 2), masks.over_time)
        return self.over_points(turned.transpose(1, 2), where, masks.over_points)


class Masks(NamedTuple):
    """Who sees whom: tracked tokens see tracked ones. None where all are."""

    over_time: Tensor | None  # B N T T
    over_points: Tensor | None  # B T N N

    @classmethod
    def of(cls, tracked: Tensor) -> Masks:
        """From ``(B, T, N)``."""
        if tracked.all():
            return cls(None, None)
        turned = tracked.mT
        return cls(
            turned[..., :, None] == turned[..., None, :],
            tracked[..., :, None] == tracked[..., None, :],
        )


class Decoder(nn.Module):
    """What both decoders have in common."""

    def __init__(self) -> None:
        super().__init__()
        self.where = perceptron(4 * WIDTH // 2, WIDTH, WIDTH)
        self.update = perceptron(2 * WIDTH, WIDTH, WIDTH)
        self.classes = nn.Linear(WIDTH, KINDS)

    def updated(self, x: Tensor, start: Tensor) -> Tensor:
        """Content, reminded of what it was when it entered the window."""
        return x + self.update(torch.cat([x, start], dim=-1))


# --- the first kind ----------------------------------------------------------------------------


class Comparison(nn.Module):
    """How alike a point and the surroundings of where it may be are, on all levels.

    The maps are projected before they are compared, which is linear: the points are instead.
    """

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(LEVELS))
        self.points = perceptron(WIDTH, WIDTH, WIDTH)

    def templates(self, content: Tensor) -> tuple[Tensor, Tensor]:
        """To compare with maps, ``(B, T, N, 4, C)``, and what to add to it ``(B, T, N, 4)``."""
        points = self.points(content) / math.sqrt(WIDTH)
        weight = torch.cat([level.weight for level in self.maps], dim=1)  # type: ignore[misc]  # C 4*C
        offset = torch.stack([level.bias for level in self.maps])  # type: ignore[misc]  # 4 C
        return (points @ weight).unflatten(-1, (LEVELS, WIDTH)), points @ offset.T

    def forward(self, templates: tuple[Tensor, Tensor], centre: Tensor, frames: Frames) -> Tensor:
        """Windows around ``centre (B, T, N, 2)``, column by column: ``(B, T, N, 4 * 49)``."""
        number = torch.arange(len(centre) * centre.shape[1], device=centre.device)
        number = number.view(*centre.shape[:2], 1).expand(centre.shape[:3]).flatten()
        finest = frames.sides(centre)[0]
        at = (centre * (finest - 1)).flatten(0, 2)  # P 2
        points, offsets = (part.flatten(0, 2) for part in templates)  # P 4 C, P 4
        size = (2 * RADIUS + 2) ** 2 * WIDTH
        found = at.new_empty(len(at), LEVELS, (2 * RADIUS + 1) ** 2)
        for level in range(LEVELS):
            for part in portions(len(at), size, CHUNK):
                pixels, fraction = frames.patches(level, number[part], at[part] / 2**level, RADIUS)
                products = pixels.flatten(1, 2) @ points[part, level, :, None]
                near = interpolate(products.view(*pixels.shape[:3], 1), fraction)
                found[part, level] = near.flatten(1)
        return (found + offsets[..., None]).flatten(1).unflatten(0, centre.shape[:3])


class FirstLayer(DecoderLayer):
    """TAPTR's: comparison, points, frames."""

    def __init__(self) -> None:
        super().__init__()
        self.fuse = perceptron(WIDTH + LEVELS * (2 * RADIUS + 1) ** 2, WIDTH, WIDTH)
        self.look = DeformableAttention(WIDTH, HEADS, LEVELS, PLACES)

    def forward(
        self, x: Tensor, where: Tensor, box: Tensor, near: Tensor, frames: Frames, masks: Masks
    ) -> Tensor:
        """``near`` is how alike the surroundings are."""
        x = self.fuse(torch.cat([x, near], dim=-1))
        x = self.meet(x, where, masks)
        query, centre = (x + where).flatten(0, 1), box[..., :2].flatten(0, 1)
        seen = self.look(query, centre, frames.tokens.flatten(0, 1), frames.sizes)
        return self.feedforward(self.norm(x + seen.view(x.shape)))


class FirstDecoder(Decoder):
    """TAPTR's."""

    def __init__(self, depth: int = 6) -> None:
        super().__init__()
        self.comparison = Comparison()
        self.layers = nn.ModuleList(FirstLayer() for _ in range(depth))

    def forward(self, points: Points, frames: Frames) -> Decoded:
        masks = Masks.of(points.tracked)
        templates = self.comparison.templates(points.content)
        x, boxes = points.content, points.box
        for layer in self.layers:
            box = boxes.sigmoid()
            where = self.where(box_waves(box))
            near = self.comparison(templates, box[..., :2], frames)
            x = self.updated(x, points.content)
            x = layer(x, where, box, near, frames, masks)
            boxes = logit(box) + points.moves[..., None] * layer.box(x)  # type: ignore[operator]
        return Decoded(x, boxes, self.classes(x))


# --- the second kind ---------------------------------------------------------------------------


class KeyAwareAttention(nn.Module):
    """Deformable attention whose weights are how alike query and places are.

    Places are sampled as they are, once for keys and values both: what is projected is, for the
    keys, the query, and for the values their sum.
    """

    def __init__(self) -> None:
        super().__init__()
        self.offsets = nn.Linear(WIDTH, HEADS * LEVELS * PLACES * 2)
        self.query, self.key = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.value, self.output = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, centre: Tensor, frames: Frames) -> tuple[Tensor, Tensor, Tensor]:
        """Queries ``x (B, T, N, C)`` at ``centre (B, T, N, 2)``.

        Returns
        -------
        seen
            ``(B, T, N, C)``.
        scores
            ``(B, T, N, heads, L * P)``, before the softmax.
        offsets
            ``(B, T, N, heads, L * P, 2)`` of the places, in pixels of their levels.
        """
        query, tokens = x.flatten(0, 1), frames.tokens.flatten(0, 1)
        offsets = self.offsets(query)  # F N heads*L*P*2
        xy = around(centre.flatten(0, 1), offsets, HEADS, PLACES, frames.sizes)
        places = corners(xy, frames.sizes)
        wanted = self.query(query).unflatten(-1, (HEADS, -1)) / math.sqrt(WIDTH // HEADS)
        size = len(query) * HEADS * LEVELS * PLACES * WIDTH
        parts = []
        for part in portions(query.shape[1], size, CHUNK):
            some = Corners(*(values[:, part] for values in places))
            parts.append(self._look(wanted[:, part], some, tokens))
        seen, scores = (
            torch.cat(same, dim=1).unflatten(0, x.shape[:2]) for same in zip(*parts, strict=True)
        )
        offsets = offsets.view(*x.shape[:3], HEADS, LEVELS * PLACES, 2)
        return self.output(seen), scores, offsets

    def _look(self, wanted: Tensor, places: Corners, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """``wanted (F, n, heads, D)`` at ``places (F, n, heads, 4, K)``."""
        singly = Corners(*(values.transpose(3, 4).flatten(2, 3) for values in places))
        samples = weighted_sum(tokens[:, :, None], singly).unflatten(2, (HEADS, -1))
        inside = places.weight.sum(3)  # F n heads K
        scores = self._scores(wanted, samples, inside)
        weights = scores.softmax(-1)
        sums = (weights[..., None, :] @ samples).squeeze(-2)  # F n heads C
        seen = project_heads(sums, (weights * inside).sum(-1), self.value)
        return seen.flatten(2), scores

    def _scores(self, wanted: Tensor, samples: Tensor, inside: Tensor) -> Tensor:
        """Products with keys, that is with projected samples ``(F, n, heads, K, C)``."""
        weight = self.key.weight.view(HEADS, -1, WIDTH)  # heads D C
        bias = self.key.bias.view(HEADS, -1)
        back = torch.einsum("fnhd,hdc->fnhc", wanted, weight)
        offset = (wanted * bias).sum(-1, keepdim=True)
        return (samples @ back[..., None]).squeeze(-1) + inside * offset


class SecondLayer(DecoderLayer):
    """TAPTRv2's: frames, which move the box as well, then points."""

    def __init__(self) -> None:
        super().__init__()
        self.look = KeyAwareAttention()
        scores = HEADS * LEVELS * PLACES
        self.weigh = perceptron(scores, WIDTH, WIDTH, scores)
        self.where = perceptron(4 * WIDTH // 2, WIDTH, WIDTH)

    def forward(
        self, x: Tensor, where: Tensor, box: Tensor, moves: Tensor, frames: Frames, masks: Masks
    ) -> tuple[Tensor, Tensor]:
        """Content and boxes, moved where ``moves (B, T, N, 1)``."""
        seen, scores, offsets = self.look(x + where, box[..., :2], frames)
        x = self.norm(x + seen)
        weights = self.weigh(scores.flatten(3)).softmax(-1).view(scores.shape)
        shares = offsets / frames.sides(x).repeat_interleave(PLACES, dim=0)
        centre = box[..., :2] + (weights[..., None] * shares).sum((3, 4))
        centre = torch.where(moves, logit(centre).sigmoid(), box[..., :2])
        box = torch.cat([centre, box[..., 2:]], dim=-1)
        return self.feedforward(self.meet(x, self.where(box_waves(box)), masks)), box


class SecondDecoder(Decoder):
    """TAPTRv2's."""

    def __init__(self, depth: int = 5) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SecondLayer() for _ in range(depth))
        self.moved = perceptron(2 * WIDTH, WIDTH, WIDTH, WIDTH)

    def forward(self, points: Points, frames: Frames) -> Decoded:
        masks, moves = Masks.of(points.tracked), points.moves[..., None]
        x = told = points.content
        boxes = points.box
        for number, layer in enumerate(self.layers):
            box = boxes.sigmoid()
            if number > 0:
                x = self.updated(x, points.content)
            x, moved = layer(x, self.where(box_waves(box)), box, moves, frames, masks)
            shift = moves * (moved - box)[..., :2]
            told = self.moved(torch.cat([x, box_waves(shift)], dim=-1))
            boxes = logit(moved) + moves * layer.box(told)  # type: ignore[operator]
        return Decoded(told, boxes, self.classes(told))
