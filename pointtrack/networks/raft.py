"""RAFT: optical flow by looking up correlations around the current estimate, again and again.

Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020.

Frames are RGB in 0..255 with sides that are multiples of 8 (`padding_to_eight`). The flow from one
frame to another is in pixels, (dx, dy), pixel centres at whole numbers. Inside, positions and
flow count in eighths of the picture's pixels.

Steps: `Raft.encode` once a frame, `Raft.iterate` for a pair of encoded frames, `Raft.upsample`
of what the last iteration gave. `Raft.flow` does the last two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks.encoders import Bottleneck, FastConv2d, FlowEncoder, ResidualBlock
from pointtrack.networks.blocks.pictures import Padding, padding_to
from pointtrack.networks.blocks.sampling import pyramid, windows
from pointtrack.networks.blocks.steps import last
from pointtrack.networks.blocks.tiled_correlation import TiledCorrelation
from pointtrack.networks.blocks.upsampling import convex_upsample

LEVELS = 4
SMALLEST = 128  # px a side: the coarsest correlations are then two pixels wide
LARGEST_VOLUME = 1 << 26  # numbers of an all-pairs volume; beyond, only what is read is computed


class Encoded(NamedTuple):
    """What is kept of P frames: ``h, w`` are an eighth of their size."""

    features: Tensor  # P h w D
    hidden: Tensor  # P Ch h w, the recurrent state a pair starts with that begins here
    context: Tensor  # P Cc h w

    def pick(self, frames: slice | Tensor) -> Encoded:
        """Some of the frames."""
        return Encoded(self.features[frames], self.hidden[frames], self.context[frames])


class State(NamedTuple):
    """After an iteration; correlation and motion are what it has been computed from."""

    flow: Tensor  # P 2 h w, in eighths
    delta: Tensor  # P 2 h w, the last change of it
    hidden: Tensor  # P Ch h w
    correlation: Tensor  # P K h w
    motion: Tensor  # P Cm h w


@dataclass(frozen=True)
class Shape:
    """What distinguishes the large network from the small one."""

    widths: tuple[int, int, int]
    block: type[nn.Module]
    features: int
    hidden: int
    context: int
    radius: int
    correlation: tuple[int, ...]  # channels of the motion encoder's correlation branch
    flow: tuple[int, int]  # and of its flow branch
    motion: int
    kernels: tuple[tuple[int, int], ...]  # of the recurrent passes
    head: int
    convex: bool  # whether the flow is upsampled by learned weights
    inputs: int = 2  # channels of the flow, and of what is estimated with it

    @property
    def lookup(self) -> int:
        """Correlations a pixel reads in all levels together."""
        return LEVELS * (2 * self.radius + 1) ** 2


LARGE = Shape(
    widths=(64, 96, 128),
    block=ResidualBlock,
    features=256,
    hidden=128,
    context=128,
    radius=4,
    correlation=(256, 192),
    flow=(128, 64),
    motion=126,
    kernels=((1, 5), (5, 1)),
    head=256,
    convex=True,
)
SMALL = Shape(
    widths=(32, 64, 96),
    block=Bottleneck,
    features=128,
    hidden=96,
    context=64,
    radius=3,
    correlation=(96,),
    flow=(64, 32),
    motion=80,
    kernels=((3, 3),),
    head=128,
    convex=False,
)


class Raft(nn.Module):
    """RAFT, large or small."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.feature_encoder = FlowEncoder(shape.widths, shape.features, shape.block, normed=True)
        # The large one's batch norm is folded into its convolutions when weights are loaded.
        state = shape.hidden + shape.context
        self.context_encoder = FlowEncoder(shape.widths, state, shape.block, normed=False)
        self.motion = MotionEncoder(shape)
        motion = shape.motion + shape.inputs
        self.passes = nn.ModuleList(
            GatedPass(shape.hidden, shape.context, motion, kernel) for kernel in shape.kernels
        )
        self.flow_head = two_convolutions(shape.hidden, shape.head, 2, last=3)
        self.upsampling = two_convolutions(shape.hidden, 256, 576, last=1) if shape.convex else None

    def encode(self, frames: Tensor) -> Encoded:
        """Encode frames ``(P, 3, H, W)``, RGB in 0..255, H and W multiples of 8."""
        features = self.feature_encoder(frames)
        state = self.context_encoder(frames).permute(0, 3, 1, 2)
        hidden, context = state.split([self.shape.hidden, self.shape.context], dim=1)
        return Encoded(features, torch.tanh(hidden), F.relu(context))

    def iterate(self, first: Encoded, second: Encoded, iterations: int = 12) -> Iterator[State]:
        """Estimate the flow of P pairs, giving the state after every iteration.

        The flow an iteration starts with is taken as given: no gradient goes back through it.
        """
        correlations = Correlations(first.features, second.features, self.shape.radius)
        constants = [gated.constants(first.context) for gated in self.passes]  # type: ignore[operator]
        hidden = first.hidden
        flow = torch.zeros_like(hidden[:, :2])
        for _ in range(iterations):
            flow = flow.detach()
            correlation = correlations.around(flow)
            motion = self.motion(flow, correlation)
            for gated, constant in zip(self.passes, constants, strict=True):
                hidden = gated(hidden, motion, constant)
            delta = self.flow_head(hidden)
            flow = flow + delta
            yield State(flow, delta, hidden, correlation, motion)

    def upsample(self, state: State) -> Tensor:
        """The state's flow in pixels, ``(P, 2, H, W)``."""
        if self.upsampling is None:
            size = (8 * state.flow.shape[2], 8 * state.flow.shape[3])
            return 8 * F.interpolate(state.flow, size, mode="bilinear", align_corners=True)
        return 8 * convex_upsample(state.flow, self.upsampling(state.hidden))

    def flow(self, first: Encoded, second: Encoded, iterations: int = 12) -> tuple[Tensor, Tensor]:
        """The flow of P pairs: in pixels ``(P, 2, H, W)``, and in eighths ``(P, 2, h, w)``."""
        last = self.last(first, second, iterations)
        return self.upsample(last), last.flow

    def last(self, first: Encoded, second: Encoded, iterations: int = 12) -> State:
        """The state of P pairs after the last iteration."""
        return last(self.iterate(first, second, iterations))

    def forward(self, video: Tensor, iterations: int = 12) -> Tensor:
        """The flow from each frame of ``(B, T, 3, H, W)`` to the next, ``(B, T - 1, 2, H, W)``."""
        encoded = self.encode(video.flatten(0, 1))
        frame = torch.arange(len(encoded.features)).view(video.shape[:2])  # B T
        first, second = encoded.pick(frame[:, :-1].flatten()), encoded.pick(frame[:, 1:].flatten())
        return self.flow(first, second, iterations)[0].unflatten(0, (len(video), -1))


class Correlations:
    """Correlations of the pixels of one frame with what surrounds their place in another.

    Where the table of all pairs is small (``largest`` numbers, by default `LARGEST_VOLUME`) it
    is made once and read; else what an iteration reads is computed for it.
    """

    def __init__(self, first: Tensor, second: Tensor, radius: int, largest: int | None = None):
        pairs, height, width, channels = first.shape
        self._radius = radius
        templates = first / channels**0.5  # P h w D
        self._levels = pyramid(second, LEVELS)  # P h' w' D each
        rows, columns = torch.meshgrid(
            torch.arange(height, device=first.device, dtype=first.dtype),
            torch.arange(width, device=first.device, dtype=first.dtype),
            indexing="ij",
        )
        self._origin = torch.stack([columns, rows])  # 2 h w
        self._tiles: TiledCorrelation | None = None
        self._tables: list[Tensor] = []
        if pairs * (height * width) ** 2 > (LARGEST_VOLUME if largest is None else largest):
            self._tiles = TiledCorrelation(templates, radius)
            return
        self._tables = [
            (templates.flatten(1, 2) @ level.flatten(1, 2).mT).reshape(-1, *level.shape[1:3], 1)
            for level in self._levels
        ]  # P*h*w h' w' 1

    def around(self, flow: Tensor) -> Tensor:
        """Read around where ``flow (P, 2, h, w)`` points to: ``(P, K, h, w)``, finest first."""
        xy = (self._origin + flow).permute(0, 2, 3, 1)  # P h w 2
        found = [self._read(k, xy / 2**k).reshape(*xy.shape[:3], -1) for k in range(LEVELS)]
        return torch.cat(found, dim=-1).permute(0, 3, 1, 2)

    def _read(self, level: int, xy: Tensor) -> Tensor:
        if self._tiles is not None:
            return self._tiles.around(self._levels[level], xy, 2**level)
        places = xy.flatten(0, 2)
        pixel = torch.arange(places.shape[0], device=xy.device)
        return windows(self._tables[level], pixel, places, self._radius, "zeros", "xy")


class MotionEncoder(nn.Module):
    """Flow and correlations to features of the motion; the flow itself comes last."""

    def __init__(self, shape: Shape):
        super().__init__()
        layers: list[nn.Module] = []
        for k, (before, after) in enumerate(
            zip((shape.lookup, *shape.correlation), shape.correlation, strict=False)
        ):
            layer = nn.Conv2d(before, after, 1) if k == 0 else FastConv2d(before, after)
            layers += [layer, nn.ReLU()]
        self.correlation = nn.Sequential(*layers)
        self.flow = nn.Sequential(
            nn.Conv2d(shape.inputs, shape.flow[0], 7, padding=3),
            nn.ReLU(),
            nn.Conv2d(shape.flow[0], shape.flow[1], 3, padding=1),
            nn.ReLU(),
        )
        joined = shape.correlation[-1] + shape.flow[-1]
        self.joint = FastConv2d(joined, shape.motion)

    def forward(self, flow: Tensor, correlation: Tensor) -> Tensor:
        joined = torch.cat([self.correlation(correlation), self.flow(flow)], dim=1)
        return torch.cat([F.relu(self.joint(joined)), flow], dim=1)


class GatedPass(nn.Module):
    """One convolutional pass of a gated recurrent unit.

    Its inputs are state, context and motion. The context does not change between iterations,
    so its share is computed once (`constants`).
    """

    def __init__(self, hidden: int, context: int, motion: int, kernel: tuple[int, int]):
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2)
        self.context = nn.Conv2d(context, 3 * hidden, kernel, padding=padding)
        self.gates = nn.Conv2d(hidden + motion, 2 * hidden, kernel, padding=padding, bias=False)
        self.candidate = nn.Conv2d(hidden + motion, hidden, kernel, padding=padding, bias=False)

    def constants(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """The context's share of the gates and of the candidate."""
        shares = self.context(context)
        hidden = shares.shape[1] // 3
        return shares[:, : 2 * hidden], shares[:, 2 * hidden :]

    def forward(self, hidden: Tensor, motion: Tensor, constants: tuple[Tensor, Tensor]) -> Tensor:
        gates = self.gates(torch.cat([hidden, motion], dim=1)) + constants[0]
        update, reset = torch.sigmoid(gates).chunk(2, dim=1)
        candidate = self.candidate(torch.cat([reset * hidden, motion], dim=1)) + constants[1]
        return torch.lerp(hidden, torch.tanh(candidate), update)


def two_convolutions(inputs: int, inner: int, outputs: int, last: int) -> nn.Sequential:
    """A 3 x 3 convolution to ``inner`` channels, and one of ``last x last`` from there."""
    return nn.Sequential(
        FastConv2d(inputs, inner),
        nn.ReLU(),
        nn.Conv2d(inner, outputs, last, padding=last // 2),
    )


def padding_to_eight(height: int, width: int) -> Padding:
    """What makes a picture's sides multiples of 8, added evenly; at least `SMALLEST`."""
    return padding_to(height, width, 8, SMALLEST)


def raft_large() -> Raft:
    return Raft(LARGE)


def raft_small() -> Raft:
    return Raft(SMALL)
