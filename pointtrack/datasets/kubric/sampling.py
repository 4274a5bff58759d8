"""Which points of a rendered clip to follow: a grid over time and picture, shared by objects.

The rule of Kubric's point-tracking challenge, which TAP-Net, TAPIR, BootsTAPIR, TAPNext and
LocoTrack were trained with. Every random draw comes from the generator that is given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from pointtrack.datasets.kubric.scene import Ints, Scene
from pointtrack.errors import PointtrackError
from pointtrack.geometry import Size

STRIDE = 4
MAX_SEGMENTS = 25
MAX_FRACTION = 0.1
_TRIES = 100


class Window(NamedTuple):
    """A part of the picture, in whole pixels from the picture's top-left corner."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def whole(cls, size: Size) -> Window:
        """The whole picture of ``size`` ``(width, height)``."""
        return cls(0, 0, *size)

    @property
    def size(self) -> Size:
        """``(width, height)``."""
        return self.right - self.left, self.bottom - self.top

    def check(self, size: Size) -> None:
        """Raise a `PointtrackError` unless the window lies in a picture of ``size``."""
        across = 0 <= self.left < self.right <= size[0]
        if not (across and 0 <= self.top < self.bottom <= size[1]):
            raise PointtrackError(
                f"window must lie in the picture of {size[0]}x{size[1]} and hold a pixel, "
                f"found {tuple(self)}"
            )


def random_window(
    rng: np.random.Generator,
    size: Size,
    *,
    aspect: tuple[float, float] = (0.5, 2.0),
    area: tuple[float, float] = (0.3, 1.0),
) -> Window:
    """Draw a window of random shape and place.

    Parameters
    ----------
    rng
        Source of the draws.
    size
        ``(width, height)`` of the picture.
    aspect
        Range of width over height, in pixels.
    area
        Range of the share of the picture.

    Returns
    -------
    Window
        The whole picture when none of 100 drawn shapes fits into it.
    """
    for _ in range(_TRIES):
        pixels = rng.uniform(*area) * size[0] * size[1]
        shape = rng.uniform(*aspect)
        width, height = round((pixels * shape) ** 0.5), round((pixels / shape) ** 0.5)
        if 1 <= width <= size[0] and 1 <= height <= size[1]:
            left = int(rng.integers(size[0] - width + 1))
            top = int(rng.integers(size[1] - height + 1))
            return Window(left, top, left + width, top + height)
    return Window.whole(size)


def allocate(counts: ArrayLike, total: int, max_fraction: float = MAX_FRACTION) -> Ints:
    """Share points among segments, so that small ones are not lost and none is overdrawn.

    Segments come in the order of their counts, the smallest first. Each wants an equal part of
    what is left to give, and gets at most ``max_fraction`` of its own count; both are rounded,
    halves to the even number.

    Parameters
    ----------
    counts
        ``(S,)``, candidates in each segment; an empty segment takes part and gets nothing.
    total
        How many points to give. The sum of what is given may be less.
    max_fraction
        At most this many points for each candidate.

    Returns
    -------
    ndarray
        ``(S,)`` int64.
    """
    have = np.asarray(counts)
    given = np.zeros(have.shape, np.int64)
    left = total
    for rank, segment in enumerate(np.argsort(have, kind="stable")):
        wanted = round(left / (have.size - rank))
        given[segment] = min(wanted, round(max_fraction * int(have[segment])))
        left -= int(given[segment])
    return given


def draw_pixels(
    scene: Scene,
    num: int,
    rng: np.random.Generator,
    *,
    window: Window | None = None,
    stride: int = STRIDE,
    max_segments: int = MAX_SEGMENTS,
    max_fraction: float = MAX_FRACTION,
) -> Ints:
    """Draw pixels to follow: uniform within a segment, with replacement, on a grid.

    Parameters
    ----------
    scene
        The clip; see `Scene.without_rims` for leaving out the rims of what is hidden.
    num
        How many.
    rng
        Source of the draws.
    window
        Where; default: the whole picture.
    stride
        Candidates lie on every so many frames, rows and columns, from a random start.
    max_segments
        Segments from this number on, counting the background as 0, get no point.
    max_fraction
        As in :func:`allocate`.

    Returns
    -------
    ndarray
        ``(num, 3)`` int64 ``(frame, row, column)``: the background's by frame, then each
        object's as drawn. When the segments yield fewer, the last but one is repeated, as the
        published sampler does.

    Raises
    ------
    PointtrackError
        When there is not a single point to draw.
    """
    if num < 1 or stride < 1:
        raise PointtrackError(f"num and stride must be positive, found {num} and {stride}")
    place = Window.whole(scene.size) if window is None else window
    place.check(scene.size)
    origin = np.array([0, place.top, place.left]) + rng.integers(stride, size=3)  # t y x
    grid = np.ix_(
        np.arange(origin[0], scene.num_frames, stride),
        np.arange(origin[1], place.bottom, stride),
        np.arange(origin[2], place.right, stride),
    )
    segment = scene.segments[grid]  # t y x
    flat = segment.reshape(-1)
    counts = np.bincount(flat[(flat >= 0) & (flat < max_segments)])
    given = allocate(counts, num, max_fraction)
    if not given.any():
        raise PointtrackError(
            f"no point can be drawn: {counts.sum()} candidates in {place.size[0]}x{place.size[1]} "
            f"pixels with stride {stride}, at most {max_fraction} of each segment's"
        )
    # Candidates sorted by segment, those of the rims (-1) first.
    ordered = np.argsort(flat, kind="stable")
    first = np.cumsum(counts) - counts + (flat < 0).sum()
    owner = np.repeat(np.arange(given.size), given)
    chosen = ordered[first[owner] + rng.integers(counts[owner])]
    drawn = np.stack(np.unravel_index(chosen, segment.shape), axis=-1) * stride + origin
    background = drawn[: given[0]]
    drawn[: given[0]] = background[np.argsort(background[:, 0], kind="stable")]
    filling = np.repeat(drawn[max(-2, -len(drawn))][None], num - len(drawn), axis=0)
    return np.concatenate([drawn, filling]).astype(np.int64)
