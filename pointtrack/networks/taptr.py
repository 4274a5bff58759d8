"""TAPTR and TAPTRv2: a point in a frame is an object to be detected, with a content and a box.

Li et al., TAPTR: Tracking Any Point with Transformers as Detection, ECCV 2024; Li et al., TAPTRv2:
Attention-based Position Update Improves Tracking Any Point, NeurIPS 2024.

A video is tracked in windows of eight frames, each four later than the last; what a window finds
is where the next one begins. Points of a window see each other. Coordinates: the first pixel's
centre is at 0, the last one's at the size less 1; nothing lies outside of that.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from pointtrack.networks.blocks.sampling import interpolate
from pointtrack.networks.taptr_decoder import (
    KINDS,
    FirstDecoder,
    Frames,
    Points,
    SecondDecoder,
    logit,
    perceptron,
)
from pointtrack.networks.taptr_encoder import LEVELS, WIDTH, Size, TaptrEncoder, level_sizes

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of red, green and blue
VISIBLE = 1  # of the three classes
FRAMES_AT_ONCE = 4  # encoded together


class TaptrOutput(NamedTuple):
    """Of N points in T frames; before its query a point is where it was put.

    Attributes
    ----------
    tracks
        ``(B, N, T, 2)`` in pixels.
    visibility_logit
        ``(B, N, T)``.
    class_logits
        ``(B, N, T, 3)``, of which the one in the middle is the visibility.
    boxes
        ``(B, N, T, 4)``: x, y, width, height as shares of the picture.
    """

    tracks: Tensor
    visibility_logit: Tensor
    class_logits: Tensor
    boxes: Tensor


class Known(NamedTuple):
    """What is known of points in some frames; boxes are logits.

    ``content (B, N, T, C)``, ``box (B, N, T, 4)``, ``classes (B, N, T, 3)``.
    """

    content: Tensor
    box: Tensor
    classes: Tensor


class State(NamedTuple):
    """What windows hand on.

    Attributes
    ----------
    start
        First frame of the window that has been tracked.
    frame
        ``(B, N)``: when points are asked for.
    described
        ``(B, N)``: whether that frame has been seen.
    first
        ``(B, N, C)``: what points looked like in it.
    window
        What is known in that window.
    later
        What all frames after it begin with; one frame.
    """

    start: int
    frame: Tensor
    described: Tensor
    first: Tensor
    window: Known
    later: Known


class Taptr(nn.Module):
    """Both networks.

    Attributes
    ----------
    window, step
        Frames of a window, and from the beginning of one to that of the next.
    true_axes
        See `Frames`. Off: as published.
    """

    window, step = 8, 4

    def __init__(self, decoder: FirstDecoder | SecondDecoder) -> None:
        super().__init__()
        self.true_axes = False
        self.encoder = TaptrEncoder()
        self.describer = nn.Linear(LEVELS * WIDTH, WIDTH)
        self.decoder = decoder
        self.hand_on = perceptron(3 * WIDTH, WIDTH, WIDTH)
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, video: Tensor, queries: Tensor) -> TaptrOutput:
        """Track points through a whole clip, from their queries on.

        Parameters
        ----------
        video
            ``(B, T, 3, H, W)`` in [0, 1].
        queries
            ``(B, N, 3)`` t, x, y in pixels; t from 0.
        """
        frames = video.shape[1]
        size = video.shape[3], video.shape[4]
        state = self.begin(queries, size)
        found = Known(*(_repeated(value, max(frames, self.window)) for value in state.later))
        gap, earliest = self.gap(frames), int(state.frame.min())
        tokens, held, seen = None, 0, 0  # frames from `held` to `seen` are encoded
        for number, start in enumerate(self.starts(frames)):
            end = min(start + self.window, frames)
            if start + self.window <= earliest + 1:
                continue  # there is nothing to track
            new = self.encode(video[:, max(start, seen) : end])
            tokens = new if tokens is None else torch.cat([tokens[:, start - held :], new], dim=1)
            held, seen = start, end
            window = self.frames(tokens, size)
            known, state = self.advance(state, window, start, number % gap == 0)
            for whole, part in zip(found, known, strict=True):
                whole[:, :, start : start + self.window] = part
        return self.output(Known(*(value[:, :, :frames] for value in found)), size)

    def starts(self, frames: int) -> list[int]:
        """Where windows of a clip begin; the last is moved back so that it is full."""
        last = max(0, frames - self.window)
        return [*range(0, last, self.step), last]

    def gap(self, frames: int) -> int:
        """Of a clip of so many frames, every how many windows content is handed on."""
        return max(1, frames // 24)

    def encode(self, video: Tensor) -> Tensor:
        """Tokens ``(B, T, S, C)`` of ``video (B, T, 3, H, W)`` in [0, 1], frame by frame."""
        frames = video.flatten(0, 1)
        parts = [
            self.encoder((part - self.mean) / self.deviation)
            for part in frames.split(FRAMES_AT_ONCE)
        ]
        return torch.cat(parts).unflatten(0, video.shape[:2])

    def frames(self, tokens: Tensor, size: Size) -> Frames:
        """Encoded frames ``(B, T, S, C)`` of a height and width, for `advance`."""
        return Frames(tokens, level_sizes(size), self.true_axes)

    def begin(self, queries: Tensor, size: Size, start: int = 0) -> State:
        """What is known of ``queries (B, N, 3)`` before any window from frame ``start`` on."""
        shares = queries[..., 1:] / queries.new_tensor([size[1] - 1, size[0] - 1])
        box = torch.cat([logit(shares), torch.zeros_like(shares)], dim=-1)
        content = box.new_zeros(*box.shape[:2], WIDTH)
        classes = box.new_zeros(*box.shape[:2], KINDS)
        classes[..., VISIBLE] = 1
        later = Known(*(value[:, :, None] for value in (content, box, classes)))
        window = Known(*(_repeated(value, self.window) for value in later))
        frame = queries[..., 0].round().long()
        described = torch.zeros_like(frame, dtype=torch.bool)
        return State(start, frame, described, content, window, later)

    def advance(
        self, state: State, frames: Frames, start: int, hand_on: bool = True
    ) -> tuple[Known, State]:
        """Track through a window.

        Parameters
        ----------
        state
            After the window before this one, or of `begin`.
        frames
            The window's. Fewer than a window has are filled up with the last.
        start
            The first frame's number, which is not before that of the window before.
        hand_on
            Whether what points look like at the window's end is what later frames begin with.

        Returns
        -------
        Known
            In the window.
        State
            For any later window.
        """
        missing = self.window - frames.tokens.shape[1]
        if missing < 0:
            raise ValueError(f"a window has {self.window} frames, found {self.window - missing}")
        if missing:
            last = frames.tokens[:, -1:].expand(-1, missing, -1, -1)
            frames = frames._replace(tokens=torch.cat([frames.tokens, last], dim=1))
        state = self._described(self._moved(state, start), frames)
        known = self._tracked(state, frames)
        end = Known(*(value[:, :, -1:] for value in known))
        later = end if hand_on else end._replace(content=state.later.content)
        return known, state._replace(window=known, later=later)

    def _moved(self, state: State, start: int) -> State:
        """The same, told of another window."""
        shift = start - state.start
        if shift < 0:
            raise ValueError(f"a window at frame {start} cannot follow that at {state.start}")
        window = Known(
            *(
                torch.cat([old[:, :, shift:], _repeated(new, min(shift, self.window))], dim=2)
                for old, new in zip(state.window, state.later, strict=True)
            )
        )
        return state._replace(start=start, window=window)

    def _described(self, state: State, frames: Frames) -> State:
        """With contents of points whose frame is among these for the first time."""
        place = state.frame - state.start
        fresh = (place >= 0) & (place < self.window) & ~state.described
        if not fresh.any():
            return state
        content = self.describe(frames, place.clamp(0, self.window - 1), state.later.box)
        new = fresh[..., None]
        window, later = (
            known._replace(content=torch.where(new[..., None], content[:, :, None], known.content))
            for known in (state.window, state.later)
        )
        return state._replace(
            described=state.described | fresh,
            first=torch.where(new, content, state.first),
            window=window,
            later=later,
        )

    def describe(self, frames: Frames, place: Tensor, box: Tensor) -> Tensor:
        """Contents ``(B, N, C)`` of points in frames ``place (B, N)`` at ``box (B, N, 1, 4)``."""
        centre = box[:, :, 0, :2].sigmoid()
        clip = torch.arange(len(place), device=place.device)[:, None] * frames.tokens.shape[1]
        seen = []
        for level, sides in enumerate(frames.sides(centre)):
            pixels, fraction = frames.patches(level, clip + place, centre * (sides - 1), 0)
            seen.append(interpolate(pixels, fraction)[..., 0, 0, :])
        return self.describer(torch.cat(seen, dim=-1))

    def _tracked(self, state: State, frames: Frames) -> Known:
        """What is known of the window, after the decoder."""
        time = state.start + torch.arange(self.window, device=state.frame.device)
        since = (time - state.frame[..., None]).mT  # B T N
        if not (since > 0).any():
            return state.window
        rows = (since[:, -1] >= 0).any(0).nonzero()[:, 0]  # those that come later change nothing
        before = Known(*(value[:, rows].transpose(1, 2) for value in state.window))  # B T N ...
        since = since[..., rows]
        found = self.decoder(Points(before.content, before.box, since >= 0, since > 0), frames)
        first = state.first[:, None, rows].expand_as(before.content)
        change = self.hand_on(torch.cat([first, before.content, found.content], dim=-1))
        moves = (since > 0)[..., None]
        after = Known(
            before.content + moves * change,
            torch.where(moves, found.box, before.box),
            torch.where(moves, found.classes, before.classes),
        )
        return Known(
            *(
                old.index_copy(1, rows, new.transpose(1, 2))
                for old, new in zip(state.window, after, strict=True)
            )
        )

    def output(self, known: Known, size: Size) -> TaptrOutput:
        """What is known, in pixels of frames of a size."""
        boxes = known.box.sigmoid()
        tracks = boxes[..., :2] * boxes.new_tensor([size[1] - 1, size[0] - 1])
        return TaptrOutput(tracks, known.classes[..., VISIBLE], known.classes, boxes)


def _repeated(value: Tensor, frames: int) -> Tensor:
    """One frame's ``(B, N, 1, ...)``, for so many of them."""
    return value.repeat_interleave(frames, dim=2)


def taptr() -> Taptr:
    return Taptr(FirstDecoder())


def taptrv2() -> Taptr:
    return Taptr(SecondDecoder())
