"""The project's own tracker: a small causal network, trained by this project."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size
from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths, Progress, Ticker, Tracker
from pointtrack.trackers.gaps import fill_gaps, find_gaps, frames_within
from pointtrack.trackers.neighbours import with_neighbours
from pointtrack.trackers.smoothing import smoothed
from pointtrack.video import Video
from pointtrack.weights import ModelCard

if TYPE_CHECKING:
    from pointtrack.trackers.compact_session import CompactSession
    from pointtrack.weights.calibration import Curves

CARD = ModelCard(
    name="compact",
    family="pointtrack",
    summary="small causal network: correlation, optical flow as a hint, search when lost",
    paper="this project",
    task="online",
    parameters=2_738_356,
    weights_licence="Apache-2.0",
    scores={"blender-val AJ": 66.5, "procedural-val AJ": 57.7},
)

THRESHOLD = 0.4  # best for the average Jaccard; lower for more points that may be lost

WORKING = 448  # finer than most frames in training, which pays; see docs/training_log.md

_MULTIPLE = 16
_JITTER = 0.4  # px at a width of 256: farther, a position is not smoothed


class FollowingTracker(Tracker):
    """A compact network at work, whether PyTorch runs it or onnxruntime.

    Parameters
    ----------
    follower
        The network: a `compact_follower.Follower`, or what does the same.
    working, threshold, refine, support, smooth, turns, fill, together
        See `CompactTracker`.
    """

    def __init__(
        self,
        follower: Any,
        working: int,
        threshold: float,
        refine: bool,
        support: bool,
        smooth: bool,
        turns: bool = False,
        fill: bool = True,
        together: bool = True,
    ):
        self._follower = follower
        self._working, self._threshold, self._refine = working, threshold, refine
        self._support, self._smooth = support, smooth
        self._turns, self._fill, self._together = turns, fill, together

    @property
    def curves(self) -> Curves:
        """What its confidence and radius mean; may be set, for sessions and videos from then on."""
        return self._follower.curves

    @curves.setter
    def curves(self, curves: Curves) -> None:
        self._follower.curves = curves

    def session(self, keep: bool = False) -> CompactSession:
        return self._make(keep, support=False)

    def _sweeper(self) -> CompactSession:
        return self._make(keep=False, support=self._support, turns=self._turns)

    def _filler(self) -> CompactSession:
        return self._make(keep=False, support=self._support)

    def _make(self, keep: bool, support: bool, turns: bool = False) -> CompactSession:
        # Networks are imported when one is wanted: PyTorch is slow to start.
        from pointtrack.trackers.compact_session import CompactSession

        return CompactSession(
            self._follower, self._working, self._threshold, keep, self._refine, support, turns
        )

    def _paths(
        self, video: Video, queries: Queries, both_ways: bool, progress: Progress | None
    ) -> Paths:
        done = 0

        def swept(frames: int, total: int) -> None:
            nonlocal done
            done = frames
            if progress is not None:
                progress(frames, total)

        paths = super()._paths(video, queries, both_ways, swept)
        if self._fill and (gaps := find_gaps(paths, queries, both_ways)):
            frames = done + frames_within(gaps)
            ticker = Ticker(progress, frames, done)
            paths = fill_gaps(paths, gaps, video, self._filler, ticker)
            if progress is not None:
                progress(frames, frames)
        unit = math.sqrt(video.size[0] * video.size[1]) / 256  # video px
        if self._smooth:
            paths = smoothed(paths, queries, _JITTER * unit)
        return with_neighbours(paths, queries, unit) if self._together else paths


class CompactTracker(FollowingTracker):
    """The compact network, ready for videos of any size.

    Parameters
    ----------
    weights
        None or ``"bundled"``: those that come with pointtrack; a safetensors file that
        ``pointtrack train`` or ``pointtrack calibrate`` wrote; a mapping of tensors; or
        ``"random"``.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision
        ``"float32"``, ``"bfloat16"`` or ``"float16"``, in convolutions and perceptrons.
        ``"auto"``: bfloat16 on processors that multiply in it, which is a quarter faster and as
        exact; float32 elsewhere.
    working
        Frames are brought to as many pixels as a square of this side has.
    iterations
        How often a point is moved within a frame; 0: as often as the network can tell apart
        (three times). None: twice in sessions, and three times in whole videos with support.
    threshold
        A point counts as visible from this confidence on: the probability that it is seen *and*
        right to within 8 px (at a width of 256). A point that is lost is not called visible.
    refine
        Look for each point's patch around the place found, in the video's own pixels
        (`refinement.py`).
    support
        In whole videos, follow four points around each, which have a say in where it is
        (`compact_support.py`): more exact, and fewer are lost, for more work. Not in sessions,
        which have to keep up.
    smooth
        In whole videos, average each position with those just before and after it
        (`smoothing.py`); not in sessions.
    turns
        In whole videos with support, look for points in doubt by what they would look like had
        the picture been turned, or had it grown (`compact_turns.py`). It takes some seconds for
        each of up to four frames that points are asked for on.
    fill
        In whole videos, follow points that were found again back from there (`gaps.py`), for up
        to twice the time.
    together
        In whole videos, move points a little towards where those near them say
        (`neighbours.py`): so the answer for a point depends on which others are asked for.

    Raises
    ------
    WeightsError
        When the weights cannot be read or do not fit.
    """

    card = CARD

    def __init__(
        self,
        weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        device: str = "auto",
        precision: str = "auto",
        working: int = WORKING,
        iterations: int | None = None,
        threshold: float = THRESHOLD,
        refine: bool = True,
        support: bool = True,
        smooth: bool = True,
        turns: bool = True,
        fill: bool = True,
        together: bool = True,
    ):
        if working < _MULTIPLE:
            raise PointtrackError(f"working must be at least {_MULTIPLE} px, found {working}")
        if (iterations or 0) < 0 or not 0 <= threshold <= 1:
            raise PointtrackError(
                "compact needs iterations >= 0 and a threshold from 0 to 1, found "
                f"{iterations} and {threshold}"
            )
        from pointtrack.trackers.compact_follower import Follower

        chosen = "bundled" if weights is None else weights
        follower = Follower(chosen, device, precision, iterations)
        super().__init__(
            follower, working, threshold, refine, support, smooth, turns, fill, together
        )


def working_size(size: Size, side: int) -> Size:
    """As many pixels as a square of `side` has, in multiples of 16, in about the same shape."""
    scale = side / math.sqrt(size[0] * size[1])
    width, height = (max(1, round(s * scale / _MULTIPLE)) * _MULTIPLE for s in size)
    return width, height
