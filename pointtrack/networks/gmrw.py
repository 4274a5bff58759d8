"""GMRW: every pixel of one frame is matched with all of another; learned by walking there and back.

Shrivastava and Owens, Self-Supervised Any-Point Tracking by Contrastive Random Walks, ECCV 2024.
The features are GMFlow's (Xu et al., GMFlow: Learning Optical Flow via Global Matching, CVPR 2022),
and all that is learned; the matching is a softmax over their dot products.

Steps: `Gmrw.encode` once a frame, at a quarter of its size; `Gmrw.exchange` for a pair of encoded
frames, which serves both directions; `flow` reads all of a pair's flow, `flow_at` that of a few
points. No table of all pairs of pixels is ever made.

Pixel centres are at whole numbers. Maps are resized with their corner pixels on the picture's,
but flow grows with the ratio of the sizes, as was published.
"""

from __future__ import annotations

import itertools
import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.attention import by_rows
from pointtrack.networks.blocks.convolution import SameConv2d
from pointtrack.networks.blocks.encoders import in_chunks, instance_norm, instance_norm_relu
from pointtrack.networks.blocks.pictures import standardised
from pointtrack.networks.blocks.portions import portions

CHANNELS = 128
STRIDE = 4  # px
MULTIPLE = 8  # px that sides must be multiples of
LAYERS = 6
TEMPERATURE = CHANNELS**0.5
AT_ONCE = 1 << 22  # probabilities

Readout = Literal["mean", "best", "around_best"]
Size = tuple[int, int]  # height, width


class Gmrw(nn.Module):
    """The encoder, and the transformer in which two frames look at each other."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, video: Tensor, temperature: float = TEMPERATURE) -> tuple[Tensor, Tensor]:
        """The flow between each two frames that follow each other.

        Parameters
        ----------
        video
            ``(T, 3, H, W)`` as of `encode`.
        temperature
            Of the softmax.

        Returns
        -------
        tuple
            Forwards and backwards, each ``(T - 1, H, W, 2)`` in pixels.
        """
        maps = self.encode(video)
        size = (video.shape[2], video.shape[3])
        there, back = [], []
        for pair in itertools.pairwise(maps):
            first, second = self.exchange(*(part[None] for part in pair))
            there.append(resized(flow(first[0], second[0], temperature), size))
            back.append(resized(flow(second[0], first[0], temperature), size))
        return torch.stack(there), torch.stack(back)

    def encode(self, frames: Tensor, white: float = 1.0) -> Tensor:
        """Features ``(F, H / 4, W / 4, 128)`` of frames ``(F, 3, H, W)``.

        Parameters
        ----------
        frames
            RGB, sides multiples of 8; black is 0.
        white
            What is taken for white. The networks have learned from values up to 1, but their
            published numbers are of values up to 255 with white at 1: nearly the same, since
            the first layer's output is normalised.
        """
        if any(side % MULTIPLE for side in frames.shape[2:]):
            height, width = frames.shape[2:]
            raise ValueError(f"sides must be multiples of {MULTIPLE}, found {width} x {height}")
        return in_chunks(self.encoder, standardised(frames, white))

    def exchange(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Features of P pairs of frames, each having seen the other; all ``(P, h, w, C)``.

        With the frames the other way round the answers are so too, and are otherwise the same.
        """
        x = torch.stack([first, second], dim=1)  # P 2 h w C
        x = x + positions(x.shape[2], x.shape[3]).to(x)
        for number, layer in enumerate(self.layers):
            x = layer(x, shifted=number % 2 == 1)
        return x[:, 0], x[:, 1]


class Encoder(nn.Module):
    """A frame in, a map at a quarter of its size out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.stages = nn.ModuleList(
            nn.Sequential(Residual(before, after, stride), Residual(after, after, 1))
            for before, after, stride in ((64, 64, 1), (64, 96, 2), (96, CHANNELS, 1))
        )
        self.middle = nn.Linear(CHANNELS, CHANNELS)
        self.head = SameConv2d(CHANNELS, CHANNELS, 3, bias=False)

    def forward(self, frames: Tensor) -> Tensor:
        return self.head(self.before_head(frames))

    def before_head(self, frames: Tensor) -> Tensor:
        """``(F, 3, H, W)`` to ``(F, H / 4, W / 4, 128)``."""
        pictures = frames.to(self.stem.weight.dtype).contiguous(memory_format=torch.channels_last)
        x = instance_norm_relu(self.stem(pictures)).permute(0, 2, 3, 1)
        for stage in self.stages:
            x = stage(x)
        return self.middle(x)


class Residual(nn.Module):
    """Two 3 x 3 convolutions, cut below zero, beside a shortcut; cut again after their sum."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first: nn.Module
        if stride == 1:
            self.first = SameConv2d(inputs, outputs, 3, bias=False)
        else:
            self.first = StridedConv2d(inputs, outputs)
        self.second = SameConv2d(outputs, outputs, 3, bias=False)
        self.shortcut = None
        if inputs != outputs:
            self.shortcut = SameConv2d(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """``(F, h, w, C)``."""
        y = _normed(self.second(_normed(self.first(x)).relu())).relu()
        if self.shortcut is not None:
            x = _normed(self.shortcut(x))
        return (x + y).relu()


class StridedConv2d(nn.Conv2d):
    """A 3 x 3 convolution of every second cell of ``(F, h, w, C)``, one zero on all sides."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, stride=2, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def _normed(x: Tensor) -> Tensor:
    return instance_norm(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class Layer(nn.Module):
    """Both frames look at themselves, then at the other one as it was before."""

    def __init__(self) -> None:
        super().__init__()
        # Query, key and value for the frame itself, key and value for the other one.
        self.read = nn.Linear(CHANNELS, 5 * CHANNELS, bias=False)
        self.own = nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.own_norm = nn.LayerNorm(CHANNELS)
        self.ask = nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.other = nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.other_norm = nn.LayerNorm(CHANNELS)
        self.widen = nn.Linear(2 * CHANNELS, 8 * CHANNELS, bias=False)
        self.narrow = nn.Linear(8 * CHANNELS, CHANNELS, bias=False)
        self.last_norm = nn.LayerNorm(CHANNELS)

    def forward(self, x: Tensor, shifted: bool) -> Tensor:
        """``x (P, 2, h, w, C)`` to the same shape."""
        query, key, value, other_key, other_value = self.read(x).split(CHANNELS, dim=-1)
        x = x + self.own_norm(self.own(attend(query, key, value, shifted)))
        seen = attend(self.ask(x), other_key.flip(1), other_value.flip(1), shifted)
        return x + by_rows(self._feed_forward, torch.cat([x, seen], dim=-1))

    def _feed_forward(self, both: Tensor) -> Tensor:
        x, seen = both.split(CHANNELS, dim=-1)
        known = torch.cat([x, self.other_norm(self.other(seen))], dim=-1)
        return self.last_norm(self.narrow(F.gelu(self.widen(known))))


def attend(query: Tensor, key: Tensor, value: Tensor, shifted: bool) -> Tensor:
    """Attention within rectangles of ``(..., h, w, C)``: 2 x 2 equal ones.

    Shifted, they are cut half a rectangle later, and the halves at the borders are rectangles of
    their own. (That is what rolling a picture, and forbidding what rolls over to see the rest,
    comes to; published as -100 in the scores.)
    """
    found = torch.empty_like(query)
    for rows in _spans(query.shape[-3], shifted):
        for columns in _spans(query.shape[-2], shifted):
            part = (..., rows, columns, slice(None))
            q, k, v = (
                x[part].flatten(-3, -2).flatten(0, -3)[:, None] for x in (query, key, value)
            )  # P*2 1 L C
            shape = query[part].shape
            found[part] = F.scaled_dot_product_attention(q, k, v).view(shape)
    return found


def _spans(side: int, shifted: bool) -> list[slice]:
    half = side // 2
    cuts = [0, half // 2, half // 2 + half, side] if shifted else [0, half, side]
    return [slice(a, b) for a, b in itertools.pairwise(cuts) if b > a]


def positions(height: int, width: int) -> Tensor:
    """Sines and cosines of a cell's place in its quarter of the map, y first: ``(h, w, 128)``."""
    frequencies = 10000.0 ** -(torch.arange(0, CHANNELS // 2, 2) / (CHANNELS // 2))
    axes = []
    for side in (height // 2, width // 2):
        place = torch.arange(1, side + 1) / (side + 1e-6) * 2 * math.pi
        angles = place[:, None] * frequencies
        axes.append(torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2))  # side 64
    down, right = axes
    quarter = torch.cat(
        [
            down[:, None].expand(-1, len(right), -1),
            right[None].expand(len(down), -1, -1),
        ],
        dim=-1,
    )
    return quarter.repeat(2, 2, 1)


# --- matching ----------------------------------------------------------------------------------


def probabilities(rows: Tensor, maps: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Where in another frame pixels are: features ``(..., R, C)`` and maps ``(..., h, w, C)``.

    Returns ``(..., R, h w)``, each row adding up to 1.
    """
    return (rows @ maps.flatten(-3, -2).mT / temperature).softmax(dim=-1)


def places(
    rows: Tensor,
    maps: Tensor,
    temperature: float = TEMPERATURE,
    readout: Readout = "mean",
    window: float = 5.0,
) -> Tensor:
    """Where in another frame pixels are found: ``(R, C)`` and ``(h, w, C)`` to ``(R, 2)`` x, y.

    Parameters
    ----------
    rows, maps
        The pixels' features, and the other frame's.
    temperature
        Of the softmax.
    readout
        The mean of all places, the best one, or the mean of those within ``window`` of the best.
    window
        In cells of the map.
    """
    grid = cells(maps.shape[0], maps.shape[1]).to(maps)
    found = []
    for part in portions(len(rows), len(grid), AT_ONCE):
        shares = probabilities(rows[part], maps, temperature)
        if readout == "mean":
            found.append(shares @ grid)
            continue
        best = grid[shares.argmax(dim=-1)]
        if readout == "around_best":
            apart = (grid - best[:, None]).square().sum(dim=-1)
            shares = shares * (apart < window**2)
            best = shares @ grid / shares.sum(dim=-1, keepdim=True).clamp(min=1e-12)
        found.append(best)
    return torch.cat(found)


def cells(height: int, width: int) -> Tensor:
    """The x, y of a map's cells, ``(h w, 2)``, row by row."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns, rows], dim=-1).flatten(0, 1).float()


def flow(
    first: Tensor,
    second: Tensor,
    temperature: float = TEMPERATURE,
    readout: Readout = "mean",
    window: float = 5.0,
) -> Tensor:
    """The flow from one map ``(h, w, C)`` to another, ``(h, w, 2)`` in cells."""
    height, width = first.shape[:2]
    found = places(first.flatten(0, 1), second, temperature, readout, window)
    return (found - cells(height, width).to(found)).view(height, width, 2)


def resized(coarse: Tensor, size: Size) -> Tensor:
    """Flow ``(h, w, 2)`` in cells as ``(H, W, 2)`` in pixels of a picture of ``size``."""
    height, width = coarse.shape[:2]
    fine = F.interpolate(coarse.permute(2, 0, 1)[None], size, mode="bilinear", align_corners=True)[
        0
    ]
    return fine.permute(1, 2, 0) * fine.new_tensor([size[1] / width, size[0] / height])


def flow_at(
    first: Tensor, second: Tensor, xy: Tensor, size: Size, temperature: float = TEMPERATURE
) -> Tensor:
    """The same as to read `resized` flow bilinearly at ``xy (N, 2)``; edges go on outside.

    Only the cells that it is made of are matched.
    """
    height, width = first.shape[:2]
    at, shares = _corners(xy, size)  # N 4: pixels
    ratio = xy.new_tensor([(width - 1) / max(size[1] - 1, 1), (height - 1) / max(size[0] - 1, 1)])
    at, fine = _corners(at * ratio, (height, width))  # N 4 4: cells
    number = (at[..., 1] * width + at[..., 0]).long()
    wanted, index = number.unique(return_inverse=True)
    found = places(first.flatten(0, 1)[wanted], second, temperature)
    moved = (found - cells(height, width).to(found)[wanted])[index]  # N 4 4 2
    weights = (fine * shares[..., None])[..., None]
    return (moved * weights).sum((1, 2)) * xy.new_tensor([size[1] / width, size[0] / height])


def _corners(xy: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """The four pixels ``(..., 4, 2)`` around each of ``xy (..., 2)``, and their shares."""
    limit = xy.new_tensor([size[1] - 1, size[0] - 1])
    inside = xy.clamp(min=xy.new_zeros(2)).minimum(limit)
    corner = inside.floor()
    fraction = (inside - corner)[..., None, :]
    steps = xy.new_tensor([[0, 0], [1, 0], [0, 1], [1, 1]])
    shares = torch.where(steps > 0, fraction, 1 - fraction).prod(dim=-1)
    return (corner[..., None, :] + steps).minimum(limit), shares


def gmrw() -> Gmrw:
    return Gmrw()
