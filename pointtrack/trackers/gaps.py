"""Gaps in finished tracks, filled from behind.

A point that was lost may be found again long after it came back into sight. From where it was found
it is followed the other way, through the frames on which nothing was known of it, for as long as it
is surely seen. A live stream cannot do this: it would have to wait for what comes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointtrack.queries import Queries
from pointtrack.trackers.base import Paths
from pointtrack.trackers.session import Session
from pointtrack.video import Video

_FOUND = 0.6  # confidence from which on a point counts as found again, and as followed back
_AFTER = 1  # frames after it was found at which it is believed, and followed back from


class Gap(NamedTuple):
    """A stretch of one point's track on which it was not seen, before it was found again.

    Attributes
    ----------
    point : int
        Which one.
    last : int
        The frame on which it was seen last before.
    known : int
        The frame to follow it from towards ``last``. It comes before ``last`` in time where the
        point was followed backwards, before its first observation.
    """

    point: int
    last: int
    known: int


def find_gaps(paths: Paths, queries: Queries, both_ways: bool = True) -> list[Gap]:
    """The gaps of all points after their last observation and, where they were followed
    ``both_ways``, before their first one."""
    sure = paths.visible & (paths.confidence > _FOUND)
    gaps: list[Gap] = []
    for point in range(len(queries)):
        seen = queries.t[queries.point == point]
        after = np.arange(seen.max(), paths.visible.shape[1])
        before = np.arange(seen.min(), -1, -1)
        for order in (after, before) if both_ways else (after,):
            gaps.extend(
                Gap(point, int(order[last]), int(order[known]))
                for last, known in _stretches(paths.visible[point, order], sure[point, order])
            )
    return gaps


def _stretches(visible: NDArray[np.bool_], sure: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where a point was last seen and is surely known again, by places in its track."""
    shown = np.flatnonzero(visible)
    ends = []
    for last, found in itertools.pairwise(shown):
        known = found + _AFTER
        if found > last + 1 and sure[found : known + 1].sum() == _AFTER + 1:
            ends.append((int(last), int(known)))
    return ends


def frames_within(gaps: list[Gap]) -> int:
    """How many frames `fill_gaps` looks at, at most."""
    frames = {(gap.last > gap.known, t) for gap in gaps for t in range(*sorted(gap[1:]))}
    return len(frames)


def fill_gaps(
    paths: Paths,
    gaps: list[Gap],
    video: Video,
    session: Callable[[], Session],
    tick: Callable[[], None],
) -> Paths:
    """Follow points back into their gaps.

    Parameters
    ----------
    paths
        Finished tracks of the whole video.
    gaps
        Of these tracks, as `find_gaps` tells.
    session
        Makes a session that follows the points.
    tick
        Called for every frame of work.

    Returns
    -------
    Paths
        Positions, visibility and what is said of them are changed only on frames of gaps on which a
        point was not visible before, and where it is surely followed from frame to frame.
    """
    filled = paths.copy()
    for step in (-1, 1):
        there = [gap for gap in gaps if np.sign(gap.last - gap.known) == step]
        _fill(filled, there, video, session, tick, step)
    return filled


def _fill(
    paths: Paths,
    gaps: list[Gap],
    video: Video,
    session: Callable[[], Session],
    tick: Callable[[], None],
    step: int,
) -> None:
    """Fill gaps that are followed in one direction; frames that none needs are left out."""
    waiting = sorted(gaps, key=lambda gap: gap.known * step)
    while waiting:
        start = waiting[0].known
        stop = len(video) if step > 0 else -1
        frames = video[start : stop if stop >= 0 else None : step]
        followed: dict[int, Gap] = {}
        with session() as running:
            for t, frame in zip(range(start, stop, step), frames, strict=True):
                while waiting and waiting[0].known == t:
                    gap = waiting.pop(0)
                    followed[running.add(paths.xy[gap.point, t][None])[0]] = gap
                now = running.step(frame)
                tick()
                for row, number in enumerate(now.ids.tolist()):
                    gap = followed[number]
                    if gap.known == t:
                        continue
                    found = now.visible[row] and now.confidence[row] > _FOUND
                    if found and not paths.visible[gap.point, t]:
                        paths.write(gap.point, t, now, row)
                    if not found or t + step == gap.last:
                        running.remove(number)
                        del followed[number]
                if not followed and (not waiting or waiting[0].known != t + step):
                    break
