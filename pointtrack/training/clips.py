"""Where takes come from: data sets on the disk, and the procedural generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pointtrack.datasets import Clip, Dataset, Entry
from pointtrack.errors import PointtrackError
from pointtrack.files import PathLike
from pointtrack.geometry import inside
from pointtrack.synthesis import ProceduralConfig, generate
from pointtrack.synthesis.storage import read_clip
from pointtrack.training.checks import chance, interval, whole
from pointtrack.training.sample import Rejected, Take


class Source(ABC):
    """Takes by number. A source goes to other processes by pickle: keep it small.

    Attributes
    ----------
    name
        What messages and counts call it.
    """

    name: str

    @abstractmethod
    def count(self) -> int | None:
        """How many clips there are; None when there is one for every number."""

    @abstractmethod
    def draw(self, index: int, rng: np.random.Generator) -> Take:
        """One take of clip `index`; what is left to chance comes from `rng` alone.

        Raises
        ------
        Rejected
            When the clip is of no use for training.
        PointtrackError
            When it cannot be read.
        """

    def order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Every clip once, in an order to visit them."""
        count = self.count()
        if count is None:
            raise PointtrackError(f"{self.name} has no end, so there is no order to visit all")
        return rng.permutation(count)


@dataclass(frozen=True)
class ClipConfig:
    """Which frames of a clip a take has.

    Attributes
    ----------
    frames
        Length of a take, T.
    stride
        Least and greatest step between its frames; drawn anew each time, and at most what the
        clip has room for.
    reverse
        How often time runs backwards.
    loop
        A clip that is too short is played back and forth; otherwise it is rejected.
    shortest
        Clips of fewer frames are rejected even so.

    Raises
    ------
    PointtrackError
        When a number is out of range; the message names it.
    """

    frames: int = 24
    stride: tuple[int, int] = (1, 1)
    reverse: float = 0.0
    loop: bool = True
    shortest: int = 8

    def __post_init__(self) -> None:
        whole("frames", self.frames, 1)
        whole("shortest", self.shortest, 1)
        interval("stride", self.stride, 1, integers=True)
        chance("reverse", self.reverse)
        object.__setattr__(self, "stride", tuple(self.stride))


def choose_frames(
    total: int, config: ClipConfig, rng: np.random.Generator
) -> NDArray[np.int64] | None:
    """Frame numbers of one take from a clip of `total` frames, ``(T,)``; None if too short.

    They go up by one step throughout, or down, or back and forth over the whole clip.
    """
    if total < min(config.shortest, config.frames):
        return None
    last = config.frames - 1
    room = (total - 1) // last if last else config.stride[1]  # the greatest step that fits
    low, high = config.stride
    if room < low:
        if not config.loop:
            return None
        frames = _back_and_forth(total, config, rng)
    else:
        step = int(rng.integers(low, min(high, room) + 1))
        start = int(rng.integers(0, total - last * step))
        frames = start + step * np.arange(config.frames)
    return frames[::-1] if rng.random() < config.reverse else frames


def _back_and_forth(total: int, config: ClipConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """0 1 2 3 2 1 0 1 ...: frames of a clip without an end, from a random place on."""
    step = int(rng.integers(config.stride[0], config.stride[1] + 1))
    period = max(2 * (total - 1), 1)
    place = (int(rng.integers(period)) + step * np.arange(config.frames)) % period
    return np.minimum(place, period - place) if total > 1 else np.zeros_like(place)


def take_frames(clip: Clip, frames: NDArray[np.int64]) -> Take:
    """Cut frames out of a clip, in the order given; no others are handed on by its video.

    Tracks that are never visible there are left out. Where the annotation holds but the
    position is unknown, the take's track is not valid; points outside the picture are not
    visible.
    """
    first, last = int(frames.min()), int(frames.max())
    step = int(np.gcd.reduce(frames - first)) or 1
    stretch = clip.video[first : last + 1 : step].to_numpy()
    # Up by one step throughout: already what is wanted.
    in_order = len(stretch) == len(frames) and frames[0] == first and (np.diff(frames) > 0).all()
    video = stretch if in_order else stretch[(frames - first) // step]
    xy = clip.xy[:, frames].astype(np.float32)
    valid = clip.valid[:, frames] & np.isfinite(xy).all(axis=2)
    visible = clip.visible[:, frames] & valid & inside(xy, clip.video.size)
    kept = visible.any(axis=1)
    return Take(clip.name, video, xy[kept], visible[kept], valid[kept])


def draw_take(clip: Clip, config: ClipConfig, rng: np.random.Generator) -> Take:
    """A random stretch of a clip, which is then closed; `Rejected` when it is too short."""
    with clip.video:
        frames = choose_frames(len(clip.video), config, rng)
        if frames is None:
            raise Rejected(clip.name, "too short")
        return take_frames(clip, frames)


class DatasetSource(Source):
    """Takes from a data set: a random stretch of the clip asked for.

    Parameters
    ----------
    dataset
        Any data set of `pointtrack.datasets`, or a sequence of its entries.
    config
        Default: ``ClipConfig()``.
    name
        Default: the data set's.
    """

    def __init__(
        self,
        dataset: Dataset | Sequence[Entry],
        config: ClipConfig | None = None,
        name: str | None = None,
    ):
        self._entries = list(dataset.entries() if isinstance(dataset, Dataset) else dataset)
        if not self._entries:
            raise PointtrackError("a data set without a clip cannot be trained on")
        self.config = config or ClipConfig()
        self.name = name or (dataset.name if isinstance(dataset, Dataset) else "clips")

    def count(self) -> int:
        return len(self._entries)

    def draw(self, index: int, rng: np.random.Generator) -> Take:
        return draw_take(self._entries[index].load(), self.config, rng)


class GeneratedClips(Dataset):
    """The folder that ``pointtrack synth procedural --out`` wrote, as a data set.

    Raises
    ------
    PointtrackError
        When there is no clip in it.
    """

    def __init__(self, path: PathLike):
        place = Path(path)
        self.name = place.resolve().name
        self._folders = sorted(p.parent for p in place.glob("clip_*/tracks.npz"))
        if not self._folders:
            raise PointtrackError(f"{place} holds no generated clip: expected clip_*/tracks.npz")

    def count(self) -> int:
        return len(self._folders)

    def entries(self) -> Iterator[Entry]:
        for folder in self._folders:
            yield Entry(f"{self.name}/{folder.name}", partial(read_clip, folder))


class ProceduralSource(Source):
    """Clips made on the fly, a new one for every number; see `pointtrack.synthesis`.

    Parameters
    ----------
    config
        Length, size, number of tracks, and what clips are like.
    device
        Where they are drawn.
    reverse
        How often time runs backwards.
    """

    def __init__(
        self,
        config: ProceduralConfig | None = None,
        device: torch.device | str = "cpu",
        reverse: float = 0.0,
    ):
        chance("reverse", reverse)
        self.config, self.device, self.reverse = config or ProceduralConfig(), device, reverse
        self.name = "procedural"

    def count(self) -> None:
        return None

    def draw(self, index: int, rng: np.random.Generator) -> Take:
        with _one_thread():
            made = generate(index, self.config, self.device)
        take = Take(f"procedural-{index}", made.video, made.xy, made.visible, made.valid)
        return reversed_in_time(take) if rng.random() < self.reverse else take


@contextmanager
def _one_thread() -> Iterator[None]:
    # Small tensors: more threads wait for each other, and far longer on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def reversed_in_time(take: Take) -> Take:
    """The same, played backwards."""
    return replace(
        take,
        video=np.ascontiguousarray(take.video[::-1]),
        xy=take.xy[:, ::-1],
        visible=take.visible[:, ::-1],
        valid=take.valid[:, ::-1],
    )
