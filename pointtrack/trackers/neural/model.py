"""Networks behind one face, and the runner that feeds them.

A `ClipModel` takes prepared frames and tracks points in its own pixels. The `Runner` prepares,
converts, and cuts the work into portions that fit into the memory.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.geometry import Size
from pointtrack.networks.blocks.estimates import of_points
from pointtrack.trackers.neural.budget import Need, Shares, budget_of, share_out
from pointtrack.trackers.neural.convention import Convention
from pointtrack.trackers.neural.features import Encode, FrameFeatures, Maps
from pointtrack.trackers.windowed import ClipAnswer
from pointtrack.video import Video

_FLOAT = 4  # bytes
_ON_CPU, _ON_GPU = 4, 16  # frames encoded together, beyond which it gets no faster


class Answer(NamedTuple):
    """Of N points in T frames.

    Attributes
    ----------
    tracks
        ``(N, T, 2)`` in the network's pixels.
    visible
        ``(N, T)`` bool.
    confidence
        ``(N, T)``: probability that a point is seen and its position is right.
    """

    tracks: Tensor
    visible: Tensor
    confidence: Tensor


class Model(ABC):
    """What all networks have in common here.

    Attributes
    ----------
    name
        For messages.
    convention
        Of pictures and pixels.
    reach
        Frames on either side that a frame's features depend on.
    joint
        Whether points see each other, so that fewer at a time are not the same.
    """

    name: str
    convention: Convention
    reach: int = 0
    joint: bool = False

    @abstractmethod
    def encode(self, frames: Tensor) -> Maps:
        """Features of ``(F, 3, h, w)``, each ``(F, ...)``."""

    @abstractmethod
    def need(self) -> Need:
        """What memory it takes."""


class ClipModel(Model):
    """A network that sees all frames of a clip at once."""

    @abstractmethod
    def track(self, maps: Maps, queries: Tensor) -> Answer:
        """Follow ``queries (N, 3)``, t, x, y, through encoded frames, before them too."""


class DescribingModel(ClipModel):
    """A network that knows points by what they look like, in any video."""

    @property
    @abstractmethod
    def sizes(self) -> int:
        """At how many sizes it describes points."""

    @abstractmethod
    def describe(self, maps: Maps, queries: Tensor) -> list[Any]:
        """What ``queries (N, 3)`` of encoded frames look like, at each size.

        Named tuples of ``(1, N, ...)``.
        """

    @abstractmethod
    def find(self, maps: Maps, points: list[Any]) -> Answer:
        """Follow described points through encoded frames, wherever they are from."""


class Runner:
    """One network on one device.

    Parameters
    ----------
    model
        The network.
    device
        Where it is.
    memory
        As of `parse_memory`.
    window
        Frames that it must see together at least.
    """

    def __init__(self, model: Model, device: torch.device, memory: float, window: int) -> None:
        self.model, self.device = model, device
        most = _ON_CPU if device.type == "cpu" else _ON_GPU
        budget = budget_of(memory, device)
        self.shares: Shares = share_out(budget, model.need(), window, most, model.name)

    @torch.inference_mode()
    def encode(self, frames: list[NDArray[np.uint8]]) -> Maps:
        """Features of frames of the video."""
        return self.model.encode(self.model.convention.prepare(frames, self.device))

    def features(
        self, video: Video, room: int | None = None, tick: Callable[[int], None] | None = None
    ) -> FrameFeatures:
        """Features of a video's frames, of ``room`` of them at a time; see `FrameFeatures`."""
        encode: Encode = self.encode
        kept = self.shares.frames if room is None else room
        return FrameFeatures(video, encode, kept, self.shares.encoded, self.model.reach, tick)

    def groups(self, count: int, frames: int) -> int:
        """Into how many groups so many points are split, to fit into the memory."""
        groups = max(1, -(-count // max(1, self.shares.points_frames // frames)))
        if groups > 1 and self.model.joint:
            warnings.warn(
                f"{count} points of {self.model.name} do not fit into the memory together; they "
                f"are tracked in {groups} groups that do not see each other",
                stacklevel=2,
            )
        return groups

    def queries(self, txy: NDArray[np.float32], size: Size) -> Tensor:
        """Queries ``(N, 3)`` in pixels of the video as the network takes them."""
        xy = self.model.convention.to_network(txy[:, 1:], size)
        return torch.from_numpy(np.column_stack([txy[:, 0], xy])).float().to(self.device)

    def answer(self, found: Answer, size: Size) -> ClipAnswer:
        """The network's answer in pixels of the video."""
        tracks = found.tracks.float().cpu().numpy()
        return (
            self.model.convention.to_video(tracks, size),
            found.visible.cpu().numpy(),
            found.confidence.float().cpu().numpy(),
        )


class ClipRunner(Runner):
    """For networks that see a whole clip."""

    model: ClipModel

    @torch.inference_mode()
    def track(self, maps: Maps, txy: NDArray[np.float32], size: Size) -> ClipAnswer:
        """Follow ``txy (M, 3)``, in pixels of a video of ``size``, through encoded frames."""
        queries = self.queries(txy, size)
        groups = self.groups(len(queries), len(maps[0]))
        parts = [self.model.track(maps, part) for part in queries.tensor_split(groups)]
        found = Answer(*(torch.cat(same) for same in zip(*parts, strict=True)))
        return self.answer(found, size)


class DescribingRunner(ClipRunner):
    """For those of them that know points by what they look like."""

    model: DescribingModel

    @torch.inference_mode()
    def describe(self, frame: NDArray[np.uint8], txy: NDArray[np.float32], size: Size) -> list[Any]:
        """What points of one frame look like."""
        return self.model.describe(self.encode([frame]), self.queries(txy, size))

    @torch.inference_mode()
    def find(self, maps: Maps, points: list[Any], size: Size) -> ClipAnswer:
        """Follow described points through encoded frames."""
        count = len(points[0][0][0])
        step = -(-count // self.groups(count, len(maps[0])))
        parts = [
            self.model.find(maps, [of_points(looks, slice(n, n + step)) for looks in points])
            for n in range(0, count, step)
        ]
        found = Answer(*(torch.cat(same) for same in zip(*parts, strict=True)))
        return self.answer(found, size)


def area(size: Size, stride: int) -> int:
    """Cells of a map of that stride."""
    return -(-size[0] // stride) * -(-size[1] // stride)


def floats(count: float) -> int:
    """Bytes of so many numbers."""
    return int(count * _FLOAT)
