"""Methods that take a whole clip, run over videos of any length by overlapping windows.

Each window is answered on its own; where two overlap their answers cross-fade. A point is
handed from one window to the next by asking for it where the first saw it best within the
overlap. Only one window of frames is held at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pointtrack.errors import PointtrackError
from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths, Progress, Ticker, Tracker, blend
from pointtrack.trackers.session import Estimate, Flags, Points, Session
from pointtrack.video import Video
from pointtrack.weights import ModelCard

# Positions (M, S, 2), visibility (M, S), confidence (M, S)
ClipAnswer = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]


class ClipMethod(Protocol):
    """A method that sees all frames of a clip at once."""

    def track_clip(self, frames: NDArray[np.uint8], txy: NDArray[np.float32]) -> ClipAnswer:
        """Follow points through a clip, to the frames before their query too.

        Parameters
        ----------
        frames
            ``(S, H, W, 3)`` uint8 RGB.
        txy
            ``(M, 3)`` float32: frame of the clip, x, y in pixels.

        Returns
        -------
        tuple
            Positions ``(M, S, 2)``, visibility ``(M, S)``, confidence ``(M, S)``.
        """
        ...


class WindowedClip(NamedTuple):
    """A video, as a method wants to see windows of it."""

    read: Callable[[range], Any]
    track: Callable[[Any, NDArray[np.float32]], ClipAnswer]


class WindowedTracker(Tracker):
    """Runs a `ClipMethod` over overlapping windows.

    Parameters
    ----------
    card
        The method's card.
    method
        The method itself.
    window
        Frames it sees at once.
    overlap
        Frames that two neighbouring windows share; at least 1.
    live
        Frames it sees at once in a session, which must answer at every frame and has no
        later ones to look at.
    """

    def __init__(
        self,
        card: ModelCard,
        method: ClipMethod,
        window: int = 48,
        overlap: int = 16,
        live: int = 8,
    ):
        if not 1 <= overlap < window:
            raise PointtrackError(
                f"windows need 1 <= overlap < window, found window {window}, overlap {overlap}"
            )
        if live < 2:
            raise PointtrackError(f"a session needs at least 2 frames, found live {live}")
        self.card = card
        self._method, self._window, self._overlap, self._live = method, window, overlap, live

    def session(self, keep: bool = False) -> WindowedSession:
        return WindowedSession(self._method, self._live, keep)

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        spans = windows(len(video), self._window, self._overlap)
        t = queries.t
        ahead_spans = [s for s in spans if s.stop > int(t.min())]
        several = np.bincount(queries.point)[queries.point] > 1
        needed = several | (t > 0) if both_ways else several
        back_spans: list[range] = []
        if needed.any():
            # Backwards: only windows that some query lies behind.
            until, last = 0 if both_ways else int(t[needed].min()), int(t[needed].max())
            back_spans = [s for s in spans if s.start <= last and s.stop > until][::-1]
        tick = Ticker(progress, sum(map(len, [*ahead_spans, *back_spans])))
        clip = self._clip(video)
        paths = [Paths.empty(len(t), len(video)) for _ in range(2)]
        self._sweep(clip, queries, ahead_spans, 1, np.ones(len(t), bool), tick, paths[0])
        self._sweep(clip, queries, back_spans, -1, needed, tick, paths[1])
        return joined(paths[0], paths[1], queries, both_ways)

    def _clip(self, video: Video) -> WindowedClip:
        """The video as the method is given it."""
        return WindowedClip(_Frames(video).read, self._method.track_clip)

    def _sweep(
        self,
        clip: WindowedClip,
        queries: Queries,
        spans: list[range],
        direction: int,
        rows: Flags,
        tick: Ticker,
        paths: Paths,
    ) -> None:
        """Answer window after window; one row of ``paths`` an observation."""
        for span in spans:
            asked = queries.txy.copy()
            inside = rows & (queries.t >= span.start) & (queries.t < span.stop)
            carried = rows & ~inside & (direction * (queries.t - span.start) < 0)
            edge = span.start if direction > 0 else span.stop - 1
            carried &= np.isfinite(paths.xy[:, edge, 0])
            for row in np.flatnonzero(carried):
                asked[row] = _handover(paths, int(row), span, direction)
            chosen = np.flatnonzero(inside | carried)
            if len(chosen):
                local = asked[chosen] - np.array([span.start, 0, 0], np.float32)
                answer = clip.track(clip.read(span), local)
                _fade_in(paths, chosen, span, answer, direction)
            tick(len(span))


class WindowedSession(Session):
    """Asks the method at every frame about the last few; a point is asked for where it was
    last seen among them, or else where it was last put."""

    def __init__(self, method: ClipMethod, live: int, keep: bool):
        super().__init__(keep)
        self._method = method
        self._frames: deque[Any] = deque(maxlen=live)
        self._asked = np.empty((0, 3), np.float32)  # K (t, x, y), t counted over the session

    def _see(self, frame: NDArray[np.uint8]) -> Any:
        """What is kept of a frame."""
        return frame.copy()

    def _answer(self, txy: NDArray[np.float32]) -> ClipAnswer:
        """Ask the method about the frames that are kept."""
        return self._method.track_clip(np.stack(list(self._frames)), txy)

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._frames.append(self._see(frame))

    def _begin(self, xy: Points) -> None:
        rows = np.column_stack([np.full(len(xy), self.frame), xy]).astype(np.float32)
        self._asked = np.concatenate([self._asked, rows])

    def _keep(self, rows: Flags) -> None:
        self._asked = self._asked[rows]

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        self._frames.append(self._see(frame))
        if len(self._asked) == 0:
            return self._now
        begin = self.frame - len(self._frames) + 1
        local = self._asked - np.array([begin, 0, 0], np.float32)
        xy, visible, confidence = self._answer(local)
        if len(self._frames) == self._frames.maxlen:
            # The oldest frame is about to go: ask for its points where they are seen last.
            rows = np.flatnonzero(local[:, 0] < 1)
            later = visible[rows, 1:]
            seen = np.where(later.any(axis=1), 1 + _last_true(later), visible.shape[1] - 1)
            self._asked[rows, 0] = begin + seen
            self._asked[rows, 1:] = xy[rows, seen]
        # A copy, so that the rest of the answer can go.
        now = xy[:, -1].astype(np.float32)
        return now, visible[:, -1].astype(bool), confidence[:, -1].astype(np.float32)


def joined(ahead: Paths, back: Paths | None, queries: Queries, both_ways: bool) -> Paths:
    """Tracks of points, from those of observations followed forwards and, if need be, backwards."""
    result = _latest(ahead, queries, 1)
    if back is not None:
        result = blend(result, _latest(back, queries, -1), queries)
    if not both_ways:
        before = np.arange(result.xy.shape[1]) < queries.t[queries.first()][:, None]
        result.xy[before], result.visible[before] = np.nan, False
        result.confidence[before] = 0
    for row, (frame, point) in enumerate(zip(queries.t, queries.point, strict=True)):
        result.xy[point, frame] = queries.xy[row]
        result.visible[point, frame], result.confidence[point, frame] = True, 1
    return result


def windows(frames: int, window: int, overlap: int) -> list[range]:
    """Windows that cover ``frames`` frames; the last one is moved back so that it is full."""
    if frames <= window:
        return [range(frames)]
    starts = [*range(0, frames - window, window - overlap), frames - window]
    return [range(start, start + window) for start in starts]


@dataclass(eq=False)
class _Frames:
    """One window of frames; what two neighbours share is decoded once."""

    video: Video
    span: range = range(0)
    frames: NDArray[np.uint8] | None = None

    def read(self, span: range) -> NDArray[np.uint8]:
        if self.frames is None:
            self.frames = self.video[span.start : span.stop].to_numpy()
        elif span != self.span:
            frames, before = self.frames, self.span
            shared = range(max(span.start, before.start), min(span.stop, before.stop))
            gaps = [span]
            if shared:
                # All windows are of one length: what is shared moves within the array.
                kept = frames[shared.start - before.start : shared.stop - before.start]
                frames[shared.start - span.start : shared.stop - span.start] = kept
                gaps = [range(span.start, shared.start), range(shared.stop, span.stop)]
            for gap in filter(None, gaps):
                for t, frame in zip(gap, self.video[gap.start : gap.stop], strict=True):
                    frames[t - span.start] = frame
        self.span = span
        return self.frames


def _handover(paths: Paths, row: int, span: range, direction: int) -> NDArray[np.float32]:
    """The surest observation of a point among the frames of a window it is already known in;
    of equals the one met first."""
    met = np.array(span)[::direction]
    sure = paths.confidence[row, met] + paths.visible[row, met]
    sure = np.where(np.isfinite(paths.xy[row, met, 0]), sure, -1)
    t = int(met[sure.argmax()])
    return np.array([t, *paths.xy[row, t]], np.float32)


def _fade_in(
    paths: Paths,
    rows: NDArray[np.int64],
    span: range,
    answer: ClipAnswer,
    direction: int,
) -> None:
    """Write a window's answer, cross-fading with what is already there."""
    xy, visible, confidence = answer
    old = paths.xy[rows, span.start : span.stop]
    known = np.isfinite(old[..., 0])  # M S
    shared = np.maximum(known.sum(axis=1, keepdims=True), 1)
    along = np.cumsum(known[:, ::direction], axis=1)[:, ::direction]
    weight = np.where(known, along / (shared + 1), 1).astype(np.float32)  # M S
    blended = np.where(known[..., None], old, 0) * (1 - weight[..., None]) + weight[..., None] * xy
    part = slice(span.start, span.stop)
    paths.xy[rows, part] = blended
    later = weight >= 0.5
    paths.visible[rows, part] = np.where(later, visible, paths.visible[rows, part])
    paths.confidence[rows, part] = np.where(later, confidence, paths.confidence[rows, part])


def _latest(paths: Paths, queries: Queries, direction: int) -> Paths:
    """From one row an observation to one row a point: each frame from the observation that
    is the last one met on the way there."""
    frames = paths.xy.shape[1]
    result = Paths.empty(len(queries), frames)
    time = np.arange(frames)
    order = np.argsort(direction * queries.t, kind="stable")
    for row in order:
        point = queries.point[row]
        here = (direction * (time - queries.t[row]) >= 0) | ~np.isfinite(result.xy[point, :, 0])
        result.xy[point, here] = paths.xy[row, here]
        result.visible[point, here] = paths.visible[row, here]
        result.confidence[point, here] = paths.confidence[row, here]
    return result


def _last_true(flags: Flags) -> NDArray[np.int64]:
    return flags.shape[1] - 1 - flags[:, ::-1].argmax(axis=1)
