"""Pseudo-labels as training data: takes of labelled clips, and CoTracker3's masks.

In a run's file a part names the folder::

    [[data.parts]]
    labels = "labels"
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from pointtrack.datasets import Clip, Dataset, Entry
from pointtrack.errors import FormatError, PointtrackError
from pointtrack.files import PathLike
from pointtrack.formats.npz import Npz
from pointtrack.training.checks import chance
from pointtrack.training.clips import ClipConfig, Source, choose_frames, take_frames
from pointtrack.training.losses_cotracker3 import Truth
from pointtrack.training.pseudo_clips import excerpt_of, read_meta
from pointtrack.training.sample import Batch, Rejected, Take
from pointtrack.video import open_video

_CONFIDENCE = "confidence"


class PseudoLabels(Dataset):
    """The folder that ``pointtrack pseudo-label`` wrote, as a data set.

    A clip's ``extra["confidence"]``, ``(N, T)`` float32, is its teacher's.

    Raises
    ------
    FormatError
        When there is no labelled clip in it.
    """

    def __init__(self, path: PathLike):
        place = Path(path)
        self.name = place.resolve().name
        self._folders = sorted(
            found.parent for found in place.glob("*/tracks.npz") if found.parent.name[0] != "."
        )
        if not self._folders:
            raise FormatError(f"{place} holds no labelled clip: expected */tracks.npz")

    def count(self) -> int:
        return len(self._folders)

    def entries(self) -> Iterator[Entry]:
        for folder in self._folders:
            yield Entry(f"{self.name}/{folder.name}", partial(read_labels, folder))


def read_labels(folder: PathLike) -> Clip:
    """Read the folder of a labelled clip.

    Raises
    ------
    PointtrackError
        When a file is missing or damaged, or the video that a clip without frames is of.
    """
    place = Path(folder)
    meta, tracks = read_meta(place), Npz().read(place / "tracks.npz")
    if (place / "frames").is_dir():
        video = open_video(place / "frames", fps=tracks.fps)
    elif (place / "video.mp4").exists():
        video = open_video(place / "video.mp4")
    else:
        video = excerpt_of(meta).open()
    if (video.size, len(video)) != (tracks.size, tracks.num_frames):
        raise FormatError(
            f"{place}: the labels are of {tracks.num_frames} frames of {tracks.size}, "
            f"the video has {len(video)} of {video.size}"
        )
    try:
        return Clip(
            place.name,
            video,
            tracks.xy.astype(np.float64),
            tracks.visible,
            tracks.known,
            tracks.queries,
            extra={_CONFIDENCE: tracks.confidence},
        )
    except FormatError as problem:
        raise FormatError(f"{place}: {problem}") from problem


class PseudoLabelSource(Source):
    """Takes of labelled clips.

    Parameters
    ----------
    folder
        What ``pointtrack pseudo-label`` wrote.
    config
        Which frames a take has; default: ``ClipConfig()``.
    least_confidence
        Labels of which the teacher was less sure are no labels; 0 takes all (CoTracker3).
        Teachers are never sure of a point that is hidden.
    before_query
        Take labels of frames before a point's query, where there are any.
    """

    def __init__(
        self,
        folder: PathLike,
        config: ClipConfig | None = None,
        least_confidence: float = 0.0,
        before_query: bool = False,
    ):
        chance("least_confidence", least_confidence)
        labels = PseudoLabels(folder)
        self.name, self.config = labels.name, config or ClipConfig()
        self._entries = list(labels.entries())
        self._least, self._before = least_confidence, before_query

    def count(self) -> int:
        return len(self._entries)

    def draw(self, index: int, rng: np.random.Generator) -> Take:
        clip = self._entries[index].load()
        with clip.video:
            frames = choose_frames(len(clip.video), self.config, rng)
            if frames is None:
                raise Rejected(clip.name, "too short")
            take = take_frames(self._masked(clip), frames)
        if not len(take):
            raise Rejected(clip.name, "no label is left")
        return take

    def _masked(self, clip: Clip) -> Clip:
        """The clip without the labels that are not wanted."""
        valid = clip.valid.copy()
        if self._least:
            valid &= clip.extra[_CONFIDENCE] >= self._least
        if clip.queries is not None:
            t = clip.queries.t.astype(np.int64)
            if not self._before:
                valid &= np.arange(len(clip.video)) >= t[:, None]
            # Asked for there: nothing is surer.
            rows = np.arange(len(clip))
            valid[rows, t] = clip.valid[rows, t]
        return replace(clip, valid=valid, visible=clip.visible & valid)


def cotracker3_truth(batch: Batch, row: int, online: bool) -> Truth:
    """One sample's labels as `cotracker3_losses` takes them; use its ``pseudo_label()``.

    Labels say nothing about visibility: it only chooses between the two terms of positions,
    and what a teacher guessed of hidden points is not valid. An online student answers for
    frames from a point's query on. Where a label is not finite, it does not count.

    Raises
    ------
    PointtrackError
        When there is no such sample.
    """
    if not 0 <= row < len(batch.xy):
        raise PointtrackError(f"there is no sample {row} in a batch of {len(batch.xy)}")
    xy, visible, valid = (values[row].transpose(0, 1) for values in batch[1:4])  # T N ...
    valid = valid & torch.isfinite(xy).all(dim=-1)
    if online:
        frames = torch.arange(len(xy), device=xy.device)[:, None]
        valid = valid & (frames >= batch.queries[row, :, 0])
    tracks = torch.where(valid[..., None], xy, torch.ones_like(xy))  # no NaN times 0
    return Truth(tracks, (visible & valid).to(xy.dtype), valid.to(xy.dtype))
