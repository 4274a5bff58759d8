"""AllTracker: points are read off the tracks of all pixels of the frame they are asked for on.

What it costs grows with the number of those frames, not of the points. Each is an *anchor*, and
all of them go through the video together, so that a frame is encoded once; only the frames of the
windows that are under way are held.

`AllTracker.dense` gives the tracks of all pixels, see `pointtrack.trackers.dense`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.geometry import Size
from pointtrack.networks import alltracker as network
from pointtrack.networks import alltracker_correlations as correlations
from pointtrack.networks.alltracker import STEP, STRIDE, WINDOW, Dense, Estimate, State
from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths, Progress, Ticker, Tracker
from pointtrack.trackers.dense.base import DenseFrame, enlarged, enlarged_map, spans
from pointtrack.trackers.neural.budget import Need
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.features import FrameFeatures, Maps
from pointtrack.trackers.neural.model import Answer, Model, Runner, area, floats
from pointtrack.trackers.session import Estimate as Now
from pointtrack.trackers.session import Flags, Points, Session
from pointtrack.trackers.windowed import joined
from pointtrack.video import Video
from pointtrack.weights import ModelCard

LAST_UP_TO = 128  # frames, for which the last of two windows answers; published
PAIR = 2  # frames that are taken as flow

Rows = NDArray[np.int64]


class AllTrackerModel(Model):
    """Either network.

    Parameters
    ----------
    net
        The network.
    name
        For messages.
    size
        ``(width, height)`` it works at, multiples of 64.
    iterations
        Of each window.
    threshold
        Of visibility times confidence.
    between
        Whether points are read between pixels; as published it is the nearest pixel.
    """

    def __init__(
        self,
        net: network.AllTracker,
        name: str,
        size: Size,
        iterations: int,
        threshold: float,
        between: bool,
    ) -> None:
        self.network, self.name = net, name
        self.convention = Convention(size)
        self._iterations, self._threshold, self._between = iterations, threshold, between

    def need(self) -> Need:
        size = self.convention.size
        cells, channels = area(size, STRIDE), (2 if self.network.split else 1) * network.CHANNELS
        pairs = min(correlations.LARGEST_VOLUME, WINDOW * 4 * cells * cells // 3)
        window = WINDOW * cells * 8 * network.CHANNELS
        return Need(
            floats(cells * channels), floats(60 * size[0] * size[1]), 64, floats(pairs + window)
        )

    def encode(self, frames: Tensor) -> Maps:
        return [self.network.encode(frames)]

    def refine(self, anchor: Tensor, maps: Tensor, state: State | None) -> Estimate:
        """Find an anchor's pixels in a window, see `pointtrack.networks.alltracker`."""
        return self.network.refine(anchor, maps, state, self._iterations)

    def answer(self, estimate: Estimate, xy: Tensor) -> Answer:
        """Points ``xy (N, 2)`` of an anchor in the frames of an estimate."""
        at = xy if self._between else xy.round()
        found = self.network.read(estimate, at)
        score = (found.visibility * found.confidence).T
        return Answer((at + found.flow).transpose(0, 1), score > self._threshold, score)

    def all(self, estimate: Estimate) -> tuple[Dense, Tensor]:
        """All of an anchor's pixels, and which of them are visible."""
        found = self.network.dense(estimate)
        return found, found.visibility * found.confidence > self._threshold


@dataclass
class Run:
    """An anchor on its way through a video: positions count from the first frame of the way."""

    begin: int
    anchor: Tensor  # h w C
    rows: Rows  # of the points
    xy: Tensor  # N 2, their pixels of the anchor
    state: State | None = None
    start: int = field(default=-1)  # of the window under way
    done: int = 0  # positions before this one have an answer

    def __post_init__(self) -> None:
        self.start = self.begin if self.start < 0 else self.start
        self.done = max(self.done, self.begin)


class Found(NamedTuple):
    """Of an anchor: what a window says about the frames from ``first`` on."""

    run: Run
    first: int
    estimate: Estimate


class AnchorRunner(Runner):
    """The network on its device."""

    model: AllTrackerModel

    @torch.inference_mode()
    def refine(self, run: Run, maps: list[Tensor]) -> Estimate:
        """Look at the window that ``maps``, one a frame, fill, or nearly; a pair is flow."""
        if run.start == run.begin and len(maps) == PAIR:
            alone = self.model.refine(run.anchor, maps[1][None], None)
            return Estimate(*(_twice(part) for part in alone))  # type: ignore[arg-type]
        window = network.filled_up(torch.stack(maps))
        return self.model.refine(run.anchor, window, run.state)

    @torch.inference_mode()
    def alone(self, run: Run, maps: Tensor) -> Estimate:
        """Look at one frame only, from what was found in the one before."""
        return self.model.refine(run.anchor, maps[None], run.state)

    @torch.inference_mode()
    def read(self, estimate: Estimate, xy: Tensor, size: Size) -> tuple[Points, Flags, Points]:
        """The network's answer for points ``(N, 2)``, in pixels of a video of ``size``."""
        return self.answer(self.model.answer(estimate, xy), size)

    @torch.inference_mode()
    def frame(self, t: int, estimate: Estimate, size: Size) -> DenseFrame:
        """All pixels in the one frame of an estimate, in pixels of a video of ``size``."""
        found, visible = self.model.all(estimate)
        score = (found.visibility * found.confidence)[0]
        return DenseFrame(
            t,
            enlarged(found.flow[0].float().cpu().numpy(), size),
            enlarged_map(visible[0].float().cpu().numpy(), size) > 0.5,
            enlarged_map(score.float().cpu().numpy(), size),
        )


def _twice(value: Tensor | State) -> Tensor | State:
    if isinstance(value, Tensor):
        return torch.cat([value, value])
    return State(*(torch.cat([part, part]) for part in value))


class AllTrackerTracker(Tracker):
    """Runs an `AllTrackerModel`.

    Parameters
    ----------
    card
        Its card.
    model
        The network.
    device
        Where it is.
    memory
        As of `parse_memory`.
    overlaps
        Which of two windows that see a frame answers for it: ``"first"``, ``"last"``, or
        ``"auto"`` as published: the last up to 128 frames, else the first.
    live
        What a session looks at at every frame: the ``"window"`` that ends with it, or the
        ``"frame"`` alone, which takes a sixteenth of the time.
    """

    def __init__(
        self,
        card: ModelCard,
        model: AllTrackerModel,
        device: torch.device,
        memory: float,
        overlaps: str,
        live: str,
    ):
        self.card = card
        self._runner = AnchorRunner(model, device, memory, 2 * WINDOW)
        self._overlaps, self._live = overlaps, live

    def session(self, keep: bool = False) -> AnchorSession:
        return AnchorSession(self._runner, self._live == "window", keep)

    def dense(
        self, video: Video, frame: int, both_ways: bool = True, progress: Progress | None = None
    ) -> Iterator[DenseFrame]:
        """Follow all pixels of a frame; see `pointtrack.trackers.dense.DenseTracker`."""
        for span in spans(len(video), frame, both_ways):
            order = range(frame, span.stop, span.step)
            features = self._runner.features(video, 2 * WINDOW)
            nobody = Queries(np.array([[frame, 0, 0]], np.float32), np.zeros(1, np.int64), ("",))
            for found in self._windows(features, order, nobody, np.arange(1), video.size):
                for number in range(len(found.estimate.features)):
                    position = found.first + number
                    if position:
                        one = found.estimate.of(slice(number, number + 1))
                        yield self._runner.frame(order[position], one, video.size)

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        t, frames = queries.t, len(video)
        several = np.bincount(queries.point)[queries.point] > 1
        needed = (several | (t > 0)) if both_ways else several
        orders = [range(int(t.min()), frames), range(0)]
        if needed.any():
            until = 0 if both_ways else int(t[needed].min())
            orders[1] = range(int(t[needed].max()), until - 1, -1)
        groups = self._groups(t)
        twice = bool(orders[1]) or len(groups) > 1
        features = self._runner.features(video, None if twice else 2 * WINDOW)
        tick = Ticker(progress, len(groups) * sum(map(len, orders)))
        paths = [Paths.empty(len(t), frames) for _ in range(2)]
        for group in groups:
            for order, rows, path in zip(orders, (group, group[needed[group]]), paths, strict=True):
                for found in self._windows(features, order, queries, rows, video.size, tick):
                    self._write(path, found, order, video.size)
        return joined(paths[0], paths[1], queries, both_ways)

    def _groups(self, t: Rows) -> list[Rows]:
        """Observations, by as many of their frames as fit into the memory."""
        anchors = np.unique(t)
        room = max(1, self._runner.shares.frames // 2)
        parts = np.array_split(anchors, -(-len(anchors) // room))
        return [np.flatnonzero(np.isin(t, part)) for part in parts]

    def _windows(
        self,
        features: FrameFeatures,
        order: range,
        queries: Queries,
        rows: Rows,
        size: Size,
        tick: Ticker | None = None,
    ) -> Iterator[Found]:
        """Go through the frames of ``order`` with all anchors, and say what is found."""
        runs: list[Run] = []
        held: list[Tensor] = []  # maps of the frames from number `first` on
        first = 0
        for position, t in enumerate(order):
            if position % STEP == 0:
                ahead = _read(features, order[position : position + STEP])
            held.append(ahead[position % STEP])
            here = rows[queries.t[rows] == t]
            if len(here):
                xy = self._runner.queries(queries.txy[here].astype(np.float32), size)[:, 1:]
                runs.append(Run(position, held[-1], here, xy))
            for run in runs:
                if position - run.start + 1 == WINDOW:
                    yield self._found(run, held[run.start - first :], len(order))
            needed = min((run.start for run in runs), default=position + 1)
            held, first = held[needed - first :], needed
            if tick is not None:
                tick()
        for run in runs:
            if run.done < len(order):
                yield self._found(run, held[run.start - first :], len(order))

    def _found(self, run: Run, maps: list[Tensor], frames: int) -> Found:
        """Look at the window under way, and go on to the next."""
        estimate = self._runner.refine(run, maps)
        begin, end = run.start, run.start + len(maps)
        whole = frames - run.begin
        last = self._overlaps == "last" or (self._overlaps == "auto" and whole <= LAST_UP_TO)
        skipped = 0 if last else run.done - begin
        if len(maps) == WINDOW:
            run.state = network.handed_on(estimate.state)
            run.start += STEP
        run.done = end
        return Found(run, begin + skipped, estimate.of(slice(skipped, len(maps))))

    def _write(self, paths: Paths, found: Found, order: range, size: Size) -> None:
        xy, visible, confidence = self._runner.read(found.estimate, found.run.xy, size)
        at = np.asarray(order)[found.first : found.first + xy.shape[1]]
        where = np.ix_(found.run.rows, at)
        paths.xy[where], paths.visible[where] = xy, visible
        paths.confidence[where] = confidence


def _read(features: FrameFeatures, span: Sequence[int]) -> Tensor:
    """Maps of a few frames, forwards or backwards."""
    if span[-1] >= span[0]:
        # A copy: what is read next may be put in the same place.
        return features.read(range(span[0], span[-1] + 1))[0].clone()
    return features.read(range(span[-1], span[0] + 1))[0].flip(0)


class AnchorSession(Session):
    """Finds each anchor in the window that ends with the newest frame, at every frame.

    A window that is not full yet is filled up with its newest frame, as at the end of a video;
    when it is full, its answer is what the next one builds on. Or else each frame is looked at
    alone, and begins with what was found in the one before.
    """

    def __init__(self, runner: AnchorRunner, windows: bool, keep: bool):
        super().__init__(keep)
        self._runner, self._windows = runner, windows
        self._runs: list[Run] = []
        self._held: list[Tensor] = []  # maps of the last frames, the newest last
        self._points = 0

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._see(frame)

    def _see(self, frame: NDArray[np.uint8]) -> None:
        self._held.append(self._runner.encode([frame])[0][0])
        oldest = min((run.start for run in self._runs), default=self.frame)
        self._held = self._held[-(self.frame - oldest + 1) :]

    def _begin(self, xy: Points) -> None:
        if len(xy) == 0:
            return
        assert self.size is not None
        asked = np.column_stack([np.zeros(len(xy), np.float32), xy])
        at = self._runner.queries(asked, self.size)[:, 1:]
        rows = np.arange(self._points, self._points + len(xy))
        self._points += len(xy)
        for run in self._runs:
            if run.begin == self.frame:
                run.rows, run.xy = np.concatenate([run.rows, rows]), torch.cat([run.xy, at])
                return
        self._runs.append(Run(self.frame, self._held[-1], rows, at))

    def _keep(self, rows: Flags) -> None:
        number = np.cumsum(rows) - 1
        for run in self._runs:
            kept = rows[run.rows]
            run.xy = run.xy[torch.from_numpy(kept).to(run.xy.device)]
            run.rows = number[run.rows[kept]]
        self._runs = [run for run in self._runs if len(run.rows)]
        self._points = int(rows.sum())

    def _advance(self, frame: NDArray[np.uint8]) -> Now:
        self._see(frame)
        if not self._runs:
            return self._now
        assert self.size is not None
        xy = np.empty((self._points, 2), np.float32)
        visible, confidence = np.empty(self._points, bool), np.empty(self._points, np.float32)
        for run in self._runs:
            found = self._runner.read(self._newest(run), run.xy, self.size)
            for whole, part in zip((xy, visible, confidence), found, strict=True):
                whole[run.rows] = part[:, 0]
        return xy, visible, confidence

    def _newest(self, run: Run) -> Estimate:
        """What is known of an anchor in the newest frame."""
        if not self._windows:
            estimate = self._runner.alone(run, self._held[-1])
            run.state, run.start = estimate.state, self.frame
            return estimate
        maps = self._held[-(self.frame - run.start + 1) :]
        estimate = self._runner.refine(run, maps)
        if len(maps) == WINDOW:
            run.state = network.handed_on(estimate.state)
            run.start += STEP
        return estimate.of(slice(len(maps) - 1, len(maps)))
