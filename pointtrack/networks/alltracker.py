"""AllTracker: every pixel of one frame, the *anchor*, is found in all others, window by window.

Harley et al., AllTracker: Efficient Dense Point Tracking at High Resolution, ICCV 2025.

Frames are RGB in 0..255 with sides that are multiples of 64 (`padding_of`); pixel centres are at
whole numbers. Inside, positions and flow count in eighths: a map has a cell for 8 x 8 pixels.

Steps, with all state in the open: `AllTracker.encode` once a frame; `AllTracker.refine` for the
anchor and a window of frames, which gives an `Estimate`; `handed_on` makes of it what the next
window, `STEP` frames later, begins with. An estimate is read in full by `AllTracker.dense`, or at
a few pixels of the anchor, which takes next to nothing, by `AllTracker.read`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.alltracker_correlations import LOOKUP, Correlations
from pointtrack.networks.blocks.attention import SelfBlock
from pointtrack.networks.blocks.convnext import ConvNextBlock, ConvNextEncoder
from pointtrack.networks.blocks.convolution import SameConv2d
from pointtrack.networks.blocks.embeddings import sine_table
from pointtrack.networks.blocks.encoders import PointEncoder
from pointtrack.networks.blocks.pictures import Padding, padding_to, standardised
from pointtrack.networks.blocks.portions import portions
from pointtrack.networks.blocks.sampling import windows
from pointtrack.networks.blocks.upsampling import convex_upsample

WINDOW, STEP = 16, 8  # frames
STRIDE = 8  # px
CHANNELS = 128
MULTIPLE = 64  # px that sides must be multiples of; at least 128
ITERATIONS = 4
AT_ONCE = 1 << 21  # numbers of one layer that are worked on together

Overlaps = Literal["first", "last"]


class State(NamedTuple):
    """What is known of S frames before they are looked at."""

    flow: Tensor  # S h w 2, from the anchor, in eighths
    logits: Tensor  # S h w 2, of visibility and confidence, in eighths

    def of(self, frames: slice) -> State:
        """Some of the frames."""
        return State(self.flow[frames], self.logits[frames])


class Estimate(NamedTuple):
    """What is known of S frames afterwards."""

    state: State
    features: Tensor  # S h w 128

    def of(self, frames: slice) -> Estimate:
        """Some of the frames."""
        return Estimate(self.state.of(frames), self.features[frames])


class Dense(NamedTuple):
    """Every pixel of the anchor in S frames."""

    flow: Tensor  # S H W 2, px
    visibility: Tensor  # S H W, probability
    confidence: Tensor  # S H W, probability


class AllTracker(nn.Module):
    """Both networks.

    Parameters
    ----------
    encoder
        Frames ``(F, 3, H, W)`` to maps.
    split
        Whether one half of the encoder's channels is what the flow begins with and the other
        one the context; otherwise both are all of them.
    """

    time: Tensor

    def __init__(self, encoder: nn.Module, split: bool) -> None:
        super().__init__()
        self.encoder, self.split = encoder, split
        self.update = Update()
        self.flow_head = Head(2, 3)
        self.logits_head = Head(2, 3)
        self.upsampling = Head(9 * STRIDE**2, 1)
        table = sine_table(torch.arange(WINDOW), CHANNELS)
        self.register_buffer("time", table, persistent=False)

    def forward(
        self, video: Tensor, iterations: int = ITERATIONS, overlaps: Overlaps = "last"
    ) -> Dense:
        """Find every pixel of the first frame in all frames ``(T, 3, H, W)`` of a video.

        Parameters
        ----------
        video
            Of any size. (Of two frames, `refine` for the second one alone is what was published.)
        iterations
            Of every window.
        overlaps
            Which of two windows that see a frame answers for it: the published choice is the
            last up to 128 frames, else the first.
        """
        padding = padding_of(*video.shape[2:])
        maps = torch.cat([self.encode(padding.pad(frame[None])) for frame in video])
        found = self.follow(maps, iterations, overlaps)
        parts = [_cropped(self.dense(estimate), padding) for _, estimate in found]
        return Dense(*(torch.cat(same) for same in zip(*parts, strict=True)))

    def follow(
        self, maps: Tensor, iterations: int = ITERATIONS, overlaps: Overlaps = "last"
    ) -> Iterator[tuple[int, Estimate]]:
        """Find the first of encoded frames ``(T, h, w, C)`` in all of them, window by window.

        Yields
        ------
        tuple
            The number of a frame, and the estimate of that one and of those that follow it; the
            frames without gaps and each once.
        """
        state = None
        begins = starts(len(maps))
        for start in begins:
            estimate = self.refine(maps[0], filled_up(maps[start:]), state, iterations)
            state = handed_on(estimate.state)
            first = 0 if start == 0 or overlaps == "last" else WINDOW - STEP
            whole = start == begins[-1] or overlaps == "first"
            end = len(maps) - start if whole else STEP
            yield start + first, estimate.of(slice(first, end))

    def encode(self, frames: Tensor) -> Tensor:
        """Features ``(F, h, w, C)`` of frames ``(F, 3, H, W)`` in 0..255, sides padded."""
        pictures = standardised(frames)
        if isinstance(self.encoder, PointEncoder):  # standardises in its own way
            pictures = (pictures + 1) * 127.5
        return self.encoder(pictures)

    def refine(
        self,
        anchor: Tensor,
        maps: Tensor,
        state: State | None = None,
        iterations: int = ITERATIONS,
    ) -> Estimate:
        """Find the anchor's pixels in a window of S frames.

        Parameters
        ----------
        anchor
            Its features ``(h, w, C)``.
        maps
            The frames' ``(S, h, w, C)``. The networks have learned from windows of 16, which
            `filled_up` makes of fewer, and of 1.
        state
            What is known of these frames, as of `handed_on`; None where nothing is.
        iterations
            How often it is improved; at least 1.
        """
        frames = len(maps)
        if state is None:
            nothing = maps.new_zeros(frames, *maps.shape[1:3], 2)
            state = State(nothing, nothing)
        start, context = anchor[..., :CHANNELS], anchor[..., -CHANNELS:]
        correlations = Correlations(anchor, maps)
        constant = self.update.constant(context, self._times(frames))
        features = start.expand(frames, -1, -1, -1)
        for _ in range(iterations):
            flow = state.flow.detach()  # S h w 2
            features = self.update(features, correlations, flow, state.logits, constant)
            state = State(
                flow + self.flow_head(features), state.logits + self.logits_head(features)
            )
        return Estimate(state, features)

    def _times(self, frames: int) -> Tensor:
        """A window's places in time ``(S, 128)``."""
        if frames == 1:
            return self.time[1:2]
        if frames == WINDOW:
            return self.time
        return F.interpolate(self.time.T[None], frames, mode="linear")[0].T

    def dense(self, estimate: Estimate) -> Dense:
        """All pixels of an estimate, ``(S, 8 h, 8 w)``."""
        parts = []
        size = 9 * STRIDE**2 * estimate.features[0, ..., 0].numel()
        for part in portions(len(estimate.features), size, AT_ONCE):
            coarse = torch.cat(estimate.state.of(part), dim=-1).permute(0, 3, 1, 2)
            weights = self.upsampling(estimate.features[part]).permute(0, 3, 1, 2)
            parts.append(convex_upsample(STRIDE * coarse, weights))  # S 4 H W
        fine = torch.cat(parts).permute(0, 2, 3, 1)
        scores = fine[..., 2:].sigmoid()
        return Dense(fine[..., :2], scores[..., 0], scores[..., 1])

    def read(self, estimate: Estimate, xy: Tensor) -> Dense:
        """Pixels ``xy (N, 2)`` of an estimate; what is returned is ``(S, N)``.

        The same as to read `dense` there, bilinearly between pixels.
        """
        height, width = estimate.features.shape[1:3]
        limit = xy.new_tensor([STRIDE * width - 1, STRIDE * height - 1])
        at = xy.clamp(min=xy.new_zeros(2)).minimum(limit)
        corner = at.floor()
        fraction = at - corner
        fine = []
        for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
            pixel = (corner + corner.new_tensor([right, down])).minimum(limit)
            share = (fraction if right else 1 - fraction)[:, 0]
            share = share * (fraction if down else 1 - fraction)[:, 1]
            if share.any():
                fine.append(self._at(estimate, pixel.long()) * share[:, None])
        values = torch.stack(fine).sum(0)  # S N 4
        scores = values[..., 2:].sigmoid()
        return Dense(values[..., :2], scores[..., 0], scores[..., 1])

    def _at(self, estimate: Estimate, pixel: Tensor) -> Tensor:
        """Flow and logits ``(S, N, 4)`` at whole pixels ``(N, 2)``."""
        frames, points = len(estimate.features), len(pixel)
        cell = (pixel // STRIDE).to(estimate.features.dtype).expand(frames, -1, -1)
        which = torch.arange(frames, device=pixel.device)[:, None].expand(-1, points)
        around = windows(estimate.features, which, cell, 1, "zeros")  # S N 3 3 128
        weights = self.upsampling.at(around).unflatten(-1, (9, -1))  # S N 9 64
        fine = (pixel[:, 1] % STRIDE) * STRIDE + pixel[:, 0] % STRIDE
        index = fine.view(1, -1, 1, 1).expand(frames, -1, 9, 1)
        shares = (0.25 * weights.gather(-1, index)).softmax(dim=2)  # S N 9 1
        coarse = torch.cat(estimate.state, dim=-1)
        beside = windows(coarse, which, cell, 1, "zeros").flatten(2, 3)  # S N 9 4
        return STRIDE * (shares * beside).sum(2)


class Update(nn.Module):
    """One iteration: correlations around the flow, then time and space three times in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.correlation = nn.ModuleList([nn.Linear(LOOKUP, 512), SameConv2d(512, 192, 3)])
        self.flow = nn.ModuleList([SameConv2d(2, 256, 5), SameConv2d(256, 64, 3)])
        self.joint = SameConv2d(192 + 64, CHANNELS - 2, 3)
        # Features, motion, flow, logits; what of the context goes in beside them is constant.
        self.compress = nn.Linear(2 * CHANNELS + 2, CHANNELS)
        self.context = nn.Linear(CHANNELS, CHANNELS, bias=False)
        self.time = nn.ModuleList(TimeBlock() for _ in range(3))
        self.space = nn.ModuleList(ConvNextBlock(CHANNELS) for _ in range(3))
        self.last = nn.Linear(CHANNELS, CHANNELS)

    def constant(self, context: Tensor, times: Tensor) -> Tensor:
        """The context's share ``(S, h, w, 128)``: the same in all iterations."""
        return self.context(context) + self.context(times)[:, None, None]

    def forward(
        self,
        features: Tensor,
        correlations: Correlations,
        flow: Tensor,
        logits: Tensor,
        constant: Tensor,
    ) -> Tensor:
        parts = []
        for part in portions(len(flow), 512 * flow[0, ..., 0].numel(), AT_ONCE):
            motion = self._motion(flow[part], correlations, part)
            known = torch.cat([features[part], motion, flow[part], logits[part]], dim=-1)
            parts.append(self.compress(known) + constant[part])
        x = torch.cat(parts)  # S h w 128
        for time, space in zip(self.time, self.space, strict=True):
            x = space(time(x))
        return self.last(x)

    def _motion(self, flow: Tensor, correlations: Correlations, frames: slice) -> Tensor:
        found = self.correlation[0](correlations.around(flow, frames)).relu()
        found = self.correlation[1](found).relu()
        moved = self.flow[1](self.flow[0](flow).relu()).relu()
        return self.joint(torch.cat([found, moved], dim=-1)).relu()


class TimeBlock(nn.Module):
    """Attention between all frames of a window, for every cell by itself.

    The branch has connections past its layers of its own, inside that past the branch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.attention = SelfBlock(CHANNELS, heads=8)
        self.scale = nn.Parameter(torch.ones(CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        """``(S, h, w, C)`` to the same shape."""
        cells = x.flatten(1, 2).transpose(0, 1)[None]  # 1 h*w S C
        found = self.attention(cells, "time")[0].transpose(0, 1)
        return x + self.scale * found.unflatten(1, x.shape[1:3])


class Head(nn.Module):
    """A 3 x 3 convolution, and another one of ``kernel`` to few channels or many."""

    def __init__(self, outputs: int, kernel: int) -> None:
        super().__init__()
        self.first = SameConv2d(CHANNELS, 256, 3)
        self.second = SameConv2d(256, outputs, kernel)

    def forward(self, maps: Tensor) -> Tensor:
        """``(S, h, w, 128)`` to ``(S, h, w, outputs)``."""
        return self.second(self.first(maps).relu())

    def at(self, around: Tensor) -> Tensor:
        """The same for single cells, ``(..., 3, 3, 128)`` around each; where ``kernel`` is 1."""
        weight = self.first.weight.permute(0, 2, 3, 1).flatten(1)
        inner = F.linear(around.flatten(-3), weight, self.first.bias).relu()
        return F.linear(inner, self.second.weight[:, :, 0, 0], self.second.bias)


def handed_on(state: State) -> State:
    """What the next window begins with: frames not seen yet are as the last one that was."""
    seen = state.of(slice(STEP, None))
    return State(
        *(torch.cat([part, part[-1:].expand(STEP, -1, -1, -1)]) for part in seen),
    )


def filled_up(maps: Tensor) -> Tensor:
    """The first 16 of ``maps (S, ...)``; where there are fewer, the last one stands still."""
    missing = WINDOW - len(maps)
    if missing <= 0:
        return maps[:WINDOW]
    return torch.cat([maps, maps[-1:].expand(missing, *maps.shape[1:])])


def starts(frames: int) -> list[int]:
    """Where the windows of so many frames begin."""
    return [*range(0, max(0, frames - WINDOW), STEP), STEP * -(-max(0, frames - WINDOW) // STEP)]


def padding_of(height: int, width: int) -> Padding:
    """What makes a picture's sides multiples of 64, at least 128, added evenly."""
    return padding_to(height, width, MULTIPLE, 2 * MULTIPLE)


def _cropped(dense: Dense, padding: Padding) -> Dense:
    flow = padding.crop(dense.flow.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return Dense(flow, padding.crop(dense.visibility), padding.crop(dense.confidence))


def alltracker() -> AllTracker:
    return AllTracker(ConvNextEncoder(2 * CHANNELS), split=True)


def alltracker_tiny() -> AllTracker:
    return AllTracker(PointEncoder(STRIDE), split=False)
