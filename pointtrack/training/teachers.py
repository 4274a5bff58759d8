"""Teachers: trackers whose tracks are taken for true, and where these can be.

Frozen, as in CoTracker3's self-training (Karaev et al., arXiv 2410.11831): each clip is labelled
by one of them, drawn by lot, without asking how sure it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pointtrack.errors import PointtrackError, QueryError
from pointtrack.queries import Queries, sift
from pointtrack.trackers.base import Tracker
from pointtrack.trackers.registry import card_of, load, options
from pointtrack.tracks import Tracks
from pointtrack.training.checks import number, whole
from pointtrack.training.sample import Rejected
from pointtrack.video import Video

# Families that were trained to know where a point is while it is hidden. What the others say
# then is a guess, and no label.
THROUGH_OCCLUSION = ("CoTracker", "PIPs", "pointtrack")
_OURS = ("weights", "precision", "occluded")


@dataclass(frozen=True)
class Teacher:
    """A tracker by name, with what it is loaded with.

    Attributes
    ----------
    name
        As `pointtrack.load` knows it.
    weights
        Of models that learn.
    precision
        ``"float32"`` unless said otherwise: labels are made once.
    occluded
        Whether its positions of hidden points are labels; default: by the model's family.
    options
        The model's own, as pairs of name and value.

    Raises
    ------
    PointtrackError
        When there is no such model or option, or no such weights file.
    """

    name: str
    weights: str | None = None
    precision: str = "float32"
    occluded: bool | None = None
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        card, known = card_of(self.name), options(self.name)
        for option, _ in self.options:
            if option not in known:
                there = ", ".join([*_OURS, *known])
                raise PointtrackError(
                    f"the teacher {self.name} has no option {option!r}; there are: {there}"
                )
        if self.occluded is None:
            object.__setattr__(self, "occluded", card.family in THROUGH_OCCLUSION)
        place = Path(self.weights or "")
        if place.suffix and not place.is_file():
            raise PointtrackError(f"the teacher {self.name} has no weights at {place}")
        if place.suffix:  # workers may stand in another folder
            object.__setattr__(self, "weights", str(place.resolve()))

    @classmethod
    def make(cls, name: str, given: Mapping[str, Any]) -> Teacher:
        """A teacher from one table: the words of this class, and the model's own options."""
        words = {word: given[word] for word in _OURS if word in given}
        for word, value in words.items():
            kind = bool if word == "occluded" else str
            if not isinstance(value, kind):
                raise PointtrackError(
                    f"{word} of the teacher {name} must be a {_WORDS[kind]}, found {value!r}"
                )
        own = tuple((option, value) for option, value in given.items() if option not in words)
        return cls(name, options=own, **words)

    def load(self, device: str) -> Tracker:
        """Get the tracker ready."""
        return load(self.name, self.weights, device, self.precision, **dict(self.options))


_WORDS = {bool: "true or false", str: "word"}


@dataclass(frozen=True)
class LabelConfig:
    """Which points are labelled, and which frames.

    Attributes
    ----------
    points
        SIFT points a clip, N.
    query_frames
        Frames that they are drawn from, as many from each.
    early
        These frames lie in this first share of the clip.
    both_ways
        Label the frames before a point's query, too; the teacher follows it backwards.

    Raises
    ------
    PointtrackError
        When a value is out of range; the message names it.
    """

    points: int = 384
    query_frames: int = 8
    early: float = 0.25
    both_ways: bool = False

    def __post_init__(self) -> None:
        whole("points", self.points, 1)
        whole("query_frames", self.query_frames, 1)
        number("early", self.early, 0, 1)
        if self.points < self.query_frames:
            raise PointtrackError(
                f"points must be at least query_frames, {self.query_frames}, found {self.points}"
            )


def draw_queries(video: Video, config: LabelConfig, rng: np.random.Generator) -> Queries:
    """The strongest SIFT points of frames drawn by lot from the beginning of a clip.

    No frame is drawn twice while there are others (CoTracker3's loader may ask for the same
    point twice); positions keep their fractions of a pixel.

    Raises
    ------
    Rejected
        When there are too few: nothing in the clip can be followed well.
    """
    last = min(int(config.early * len(video)), len(video) - 1)
    several = last + 1 < config.query_frames
    chosen = rng.choice(last + 1, config.query_frames, replace=several)
    share = -(-config.points // config.query_frames)
    rows = [_keypoints(video, int(t), share) for t in chosen]
    found = np.concatenate(rows)[: config.points]
    if len(found) < config.points:
        raise Rejected(
            video.name, f"fewer than {config.points} SIFT points in {config.query_frames} frames"
        )
    return Queries(found)


def _keypoints(video: Video, frame: int, count: int) -> np.ndarray[Any, Any]:
    try:
        return sift(count, frame)(video).txy
    except QueryError:  # none at all
        return np.empty((0, 3), np.float32)


def ask(tracker: Tracker, teacher: Teacher, video: Video, queries: Queries, both: bool) -> Tracks:
    """A teacher's tracks; positions are unknown (NaN) where they are not labels.

    These are frames before a point's query unless `both` ways are asked for, and frames in which
    it is hidden where the teacher only guesses then.

    Raises
    ------
    Rejected
        When no point is seen in any frame but its query's.
    """
    made = tracker.track(video, queries, both_ways=both)
    later = np.arange(made.num_frames) > queries.t[:, None]
    if not (made.visible & later).any():
        raise Rejected(video.name, f"{teacher.name} follows no point of it")
    xy = made.xy
    if not teacher.occluded:
        xy = np.where(made.visible[..., None], xy, np.float32(np.nan))
    return Tracks(xy, made.visible, made.confidence, size=made.size, fps=made.fps, queries=queries)
