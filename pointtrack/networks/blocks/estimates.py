"""What TAPIR and LocoTrack say of tracks, and the sizes of pictures that they count in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, log2
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

Size = tuple[int, int]  # height, width
Named = TypeVar("Named", bound="tuple[Tensor, ...]")


class Estimate(NamedTuple):
    """What is known of tracks.

    Attributes
    ----------
    tracks
        ``(B, N, T, 2)`` x, y.
    occlusion_logit
        ``(B, N, T)``; high: hidden.
    expected_dist_logit
        ``(B, N, T)``; high: probably more than 6 px (of 256) off.
    """

    tracks: Tensor
    occlusion_logit: Tensor
    expected_dist_logit: Tensor

    def visible(self) -> Tensor:
        """``(B, N, T)`` bool: whether a point is probably both seen and near."""
        hidden, far = self.occlusion_logit.sigmoid(), self.expected_dist_logit.sigmoid()
        return (1 - hidden) * (1 - far) > 0.5


class TrackOutput(NamedTuple):
    """The answer, as of `Estimate`, in pixels of the video; and the steps towards it.

    ``steps[0]`` is the matching alone, the others follow iterations. Training looks at all.
    """

    tracks: Tensor
    occlusion_logit: Tensor
    expected_dist_logit: Tensor
    steps: list[Estimate]


def output(answer: Estimate, steps: list[Estimate], source: Size, video: Size) -> TrackOutput:
    """From pixels of a picture of size ``source`` to those of the video."""
    scale = answer.tracks.new_tensor(ratio(source, video))
    shown = [step._replace(tracks=step.tracks * scale) for step in (answer, *steps)]
    return TrackOutput(*shown[0], shown[1:])


def ratio(source: Sequence[int], target: Sequence[int]) -> tuple[float, float]:
    """What x and y are multiplied with from one size (height, width) to another."""
    return target[1] / source[1], target[0] / source[0]


def refinement_sizes(video: Size, smallest: Size) -> list[Size]:
    """From ``smallest`` to the video's own size, in steps of 2 at most, multiples of 8.

    A video that is not larger has ``smallest`` only.
    """
    ratios = [ours / least for ours, least in zip(video, smallest, strict=True)]
    count = 1 if video == smallest else ceil(max(log2(ratio) for ratio in ratios)) + 1
    if count <= 1:
        return [smallest]
    height, width = (
        [8 * round(least * ratio ** (i / (count - 1)) // 8) for i in range(count)]
        for least, ratio in zip(smallest, ratios, strict=True)
    )
    return list(zip(height, width, strict=True))


def of_points(values: Named, part: slice, dim: int = 1) -> Named:
    """The same of some points only."""
    make: Callable[..., Named] = type(values)
    return make(*(value[(slice(None),) * dim + (part,)] for value in values))


def joined(parts: Sequence[Named], dim: int = 1) -> Named:
    """The same of all points, from portions of them."""
    if len(parts) == 1:
        return parts[0]
    make: Callable[..., Named] = type(parts[0])
    return make(*(torch.cat(same, dim) for same in zip(*parts, strict=True)))
