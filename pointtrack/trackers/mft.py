"""MFT: every frame is reached by several flows, and the surest chain wins.

Neoral, Šerých and Matas, "MFT: Long-Term Tracking of Every Pixel", WACV 2024. Flows from the
frames 1, 2, 4, 8, 16 and 32 back, and from the query frame itself, each continue the track
they start from. Uncertainty adds up along a chain, occlusion is the worst on the way; the
candidate with the least uncertainty that is not occluded is kept. A long flow steps over an
occlusion that a chain of short ones would get stuck behind.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack import geometry
from pointtrack.errors import PointtrackError
from pointtrack.trackers.base import Tracker
from pointtrack.trackers.confidence import within_reach
from pointtrack.trackers.flow import Flow, FlowSource, WorkingSize, flow_source
from pointtrack.trackers.session import Estimate, Flags, Points, Session
from pointtrack.weights import ModelCard

CARD = ModelCard(
    name="mft",
    family="MFT",
    summary="flows at logarithmic intervals, the least uncertain unoccluded chain wins",
    paper="Neoral, Šerých, Matas, MFT: Long-Term Tracking of Every Pixel, WACV 2024",
    task="online",
)

DELTAS = (1, 2, 4, 8, 16, 32)
OCCLUDED = 0.02  # a candidate more occluded than this is only taken when all are
VISIBLE = 0.5  # a point less occluded than this is reported visible


class MftTracker(Tracker):
    """MFT on an exchangeable flow source.

    Parameters
    ----------
    flow
        ``"dis_fast"``, ``"dis_fine"``, ``"dis_medium"`` or a `FlowSource`.
    deltas
        Frame distances of the flows beside the one from the query frame.
    longest
        Working size: longer side of the frames in pixels.
    templates
        How many query frames are remembered at most; points of the others go on without the
        direct flow from their query frame.
    hidden
        Where a point is put while every candidate is occluded: ``"nearest"`` goes on from the
        frame before, so that hidden points move with what is around them; ``"query"`` takes
        the flow from the query frame, as the paper does.
    """

    card = CARD

    def __init__(
        self,
        flow: str | FlowSource[Any] = "dis_fine",
        deltas: tuple[int, ...] = DELTAS,
        longest: int = 640,
        templates: int = 16,
        hidden: str = "nearest",
    ):
        if hidden not in ("nearest", "query"):
            raise PointtrackError(f"hidden must be nearest or query, found {hidden!r}")
        whole = all(isinstance(delta, int) for delta in deltas)
        if not deltas or not whole or min(deltas) < 1 or len(set(deltas)) < len(deltas):
            raise PointtrackError(f"deltas must be different positive numbers, found {deltas}")
        if templates < 0:
            raise PointtrackError(f"templates must not be negative, found {templates}")
        self._source = flow_source(flow)
        self._deltas = tuple(sorted(deltas))
        self._working = WorkingSize(longest)
        self._templates = templates
        self._fallback = 1 if hidden == "nearest" else 0

    def session(self, keep: bool = False) -> MftSession:
        return MftSession(
            self._source, self._deltas, self._working, self._templates, self._fallback, keep
        )


class MftSession(Session):
    """Holds the last ``max(deltas)`` prepared frames, the query frames, and per point the
    results at those frames in a ring: position, occlusion and sigma at frame i lie at i % R.
    """

    def __init__(
        self,
        source: FlowSource[Any],
        deltas: tuple[int, ...],
        working: WorkingSize,
        templates: int,
        fallback: int,
        keep: bool,
    ):
        super().__init__(keep)
        self._fallback = fallback
        self._source, self._deltas, self._working = source, deltas, working
        self._max_templates = templates
        self._flows: dict[int, Flow] = {}  # first frame -> flow from it to the newest frame
        self._ring = max(deltas) + 1
        self._frames: dict[int, Any] = {}  # frame index -> prepared
        self._templates: dict[int, Any] = {}
        self._born = np.empty(0, np.int64)  # K
        self._origin = np.empty((0, 2), np.float32)  # K 2, where each point was on its query frame
        self._past = np.empty((0, self._ring, 4), np.float32)  # K R (x, y, occlusion, sigma)

    def _start(self, frame: NDArray[np.uint8]) -> None:
        self._frames[self.frame] = self._source.prepare(self._working.shrink(frame))

    def _begin(self, xy: Points) -> None:
        self._templates[self.frame] = self._frames[self.frame]
        ring = np.zeros((len(xy), self._ring, 4), np.float32)
        ring[:, self.frame % self._ring, :2] = self._to_work(xy)
        self._past = np.concatenate([self._past, ring])
        self._origin = np.concatenate([self._origin, self._to_work(xy)])
        self._born = np.concatenate([self._born, np.full(len(xy), self.frame)])
        self._forget_templates()

    def _keep(self, rows: Flags) -> None:
        self._past, self._origin = self._past[rows], self._origin[rows]
        self._born = self._born[rows]
        self._forget_templates()

    def _advance(self, frame: NDArray[np.uint8]) -> Estimate:
        t = self.frame
        now = self._source.prepare(self._working.shrink(frame))
        before, self._flows = self._flows, {}
        candidates = np.full((len(self._deltas) + 1, len(self._born), 4), np.nan, np.float32)
        for born in np.unique(self._born).tolist():
            # Before the first interval is over there is no other candidate.
            template = self._templates.get(born, self._frames.get(born))
            if template is not None and (born in self._templates or t - born < self._deltas[0]):
                rows = self._born == born
                flow = self._flow(born, template, now, before)
                still = np.zeros((int(rows.sum()), 2), np.float32)
                left = np.concatenate([self._origin[rows], still], axis=1)
                candidates[0, rows] = chain(left, flow)
        for k, delta in enumerate(self._deltas, start=1):
            # The query frame itself is the first candidate's, where it is still remembered.
            rows = (self._born < t - delta) | (
                (self._born == t - delta) & np.isnan(candidates[0, :, 0])
            )
            if rows.any():
                flow = self._flow(t - delta, self._frames[t - delta], now, before)
                past = self._past[rows, (t - delta) % self._ring]
                candidates[k, rows] = chain(past, flow)
        chosen = select(candidates, self._work_size(), self._fallback)
        self._past[:, t % self._ring] = chosen
        self._frames[t] = now
        self._frames.pop(t - max(self._deltas), None)
        assert self.size is not None
        visible = chosen[:, 2] <= VISIBLE
        reach = within_reach(chosen[:, 3], self._work_size()[0])
        confidence = (1 - np.clip(chosen[:, 2], 0, 1)) * reach
        return self._to_video(chosen[:, :2]), visible, confidence.astype(np.float32)

    def _flow(self, first: int, left: Any, right: Any, before: dict[int, Flow]) -> Flow:
        """The flow from frame ``first`` to the newest; what is asked twice is computed once.

        ``before`` holds the flows to the frame before the newest. Which of them the search
        begins at must not depend on what other points there are.
        """
        if first not in self._flows:
            # The motion over the same distance was nearly the same one frame earlier.
            even = before.get(first - 1) if self.frame - first in self._deltas else None
            like = before.get(first) if even is None else even
            self._flows[first] = self._source.between(left, right, like)
        return self._flows[first]

    def _forget_templates(self) -> None:
        """Keep the query frames of most points, within the limit."""
        born, count = np.unique(self._born, return_counts=True)
        order = sorted(zip(count, born, strict=True), reverse=True)[: self._max_templates]
        wanted = {int(b) for _, b in order}
        self._templates = {b: held for b, held in self._templates.items() if b in wanted}

    def _work_size(self) -> geometry.Size:
        assert self.size is not None
        return self._working.of(self.size)

    def _to_work(self, xy: Points) -> Points:
        assert self.size is not None
        return geometry.resize_points(xy, self.size, self._work_size()).astype(np.float32)

    def _to_video(self, xy: Points) -> Points:
        assert self.size is not None
        return geometry.resize_points(xy, self._work_size(), self.size).astype(np.float32)


def chain(left: NDArray[np.floating[Any]], flow: Flow) -> NDArray[np.float32]:
    """Continue tracks by one flow.

    ``left (K, 4)``: position, occlusion and sigma of every point on the flow's first frame.
    Returns the same for its second: occlusion is the larger of the two, variances add up.
    """
    step, occlusion, sigma = flow.sample(left[:, :2])
    return np.column_stack(
        [left[:, :2] + step, np.maximum(left[:, 2], occlusion), np.hypot(left[:, 3], sigma)]
    ).astype(np.float32)


def select(
    candidates: NDArray[np.float32], size: geometry.Size, fallback: int = 0
) -> NDArray[np.float32]:
    """Choose, for every point, the surest candidate that is not occluded.

    ``candidates (C, K, 4)``, NaN where there is none, in order of preference on a tie. A point
    whose candidates are all occluded takes number ``fallback``, or the first there is; one
    that has left the picture of ``size`` (width, height) is occluded. Returns ``(K, 4)``.
    """
    score = np.where(candidates[..., 2] > OCCLUDED, np.float32(-1e30), -candidates[..., 3])
    score[fallback] = np.maximum(score[fallback], np.float32(-1e29))
    score[np.isnan(candidates[..., 0])] = -np.inf
    best = score.argmax(axis=0)
    chosen = candidates[best, np.arange(candidates.shape[1])]
    x, y = chosen[:, 0], chosen[:, 1]
    chosen[(x < 0) | (y < 0) | (x >= size[0]) | (y >= size[1]), 2] = 1
    return chosen
