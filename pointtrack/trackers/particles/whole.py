"""The particles of a whole video: a sweep forwards, one backwards, and a last refinement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointtrack.trackers.flow import ConsistentFlow, FlowSource
from pointtrack.trackers.particles.links import Links, delaunay, weights
from pointtrack.trackers.particles.occlusion import Motion, dense, motion
from pointtrack.trackers.particles.optimise import Side, optimise
from pointtrack.trackers.particles.record import Record
from pointtrack.trackers.particles.settings import Settings
from pointtrack.trackers.particles.state import smoothed
from pointtrack.trackers.particles.sweep import Known, Sweep, View, view

Frames = Callable[[bool], Iterable[NDArray[np.uint8]]]  # backwards? -> frames, working size


def whole_video(
    frames: Frames,
    count: int,
    source: FlowSource[Any],
    settings: Settings,
    tick: Callable[[], None],
) -> Record:
    """Work through a video of ``count`` frames; ``tick`` is called three times a frame.

    The forward sweep adds particles where they are missing. The backward sweep leaves what
    is known where it is, and follows particles that were added late to the frames before.
    The refinement settles each frame once more, now between both its neighbours.
    """
    record = Record(count)
    last = _forwards(record, frames(False), source, settings, tick)
    _backwards(record, frames(True), source, settings, tick, last)
    _refine(record, frames(False), source, settings, tick)
    return record


def _forwards(
    record: Record,
    frames: Iterable[NDArray[np.uint8]],
    source: FlowSource[Any],
    settings: Settings,
    tick: Callable[[], None],
) -> int:
    sweep = Sweep(source, settings)
    for t, picture in enumerate(frames):
        sweep.start(picture) if t == 0 else sweep.advance(picture)
        record.put(t, sweep.particles, t, sweep.looks())
        tick()
    return sweep.next_id


def _backwards(
    record: Record,
    frames: Iterable[NDArray[np.uint8]],
    source: FlowSource[Any],
    settings: Settings,
    tick: Callable[[], None],
    first_id: int,
) -> None:
    sweep = Sweep(source, settings, first_id)
    last = len(record.entries) - 1
    for clock, picture in enumerate(frames):
        entry = record[last - clock]
        known = Known(entry.ids, entry.xy)
        sweep.start(picture, known) if clock == 0 else sweep.advance(picture, known)
        record.put(last - clock, sweep.particles, clock, sweep.looks())
        tick()


def _refine(
    record: Record,
    frames: Iterable[NDArray[np.uint8]],
    source: FlowSource[Any],
    settings: Settings,
    tick: Callable[[], None],
) -> None:
    """One round of block coordinate descent on the joint objective, a frame a block."""
    before: Motion | None = None
    for t, (now, following) in enumerate(_with_next(frames, source, settings)):
        ahead, back = (
            (None, None) if following is None else _both_ways(source, now, following, settings)
        )
        _settle(record, t, now, before, back, settings)
        before = ahead
        tick()


def _settle(
    record: Record,
    t: int,
    now: View,
    before: Motion | None,
    after: Motion | None,
    settings: Settings,
) -> None:
    """Optimise frame ``t`` with the flow from the frame before and from the one after."""
    entry = record[t]
    ids = entry.ids
    reach = settings.memory // 2
    pairs = delaunay(entry.xy)
    still = np.zeros((len(ids), 2))
    weight = weights(pairs, record.motions(t, ids, reach), still, settings)
    sides = []
    for other, flow in ((t - 1, before), (t + 1, after)):
        if flow is None:
            continue
        place = record.places(other, ids)
        there = np.isfinite(place[:, 0])
        moves = np.zeros_like(place)
        moves[there] = flow.at(place[there])
        both = there[pairs].all(axis=1)
        sides.append(Side(place, moves, Links(pairs[both], weight[both])))
    age = np.arange(-settings.memory, settings.memory + 1)
    look = smoothed(record.looks(t, ids, settings.memory), age, settings.look_sigma)
    free = np.ones(len(ids), bool)
    done = optimise(entry.xy, now.channels, look, sides, free, settings)
    limit = np.array(now.channels.size) - 0.5
    entry.xy = np.clip(done.xy, -0.5, limit).astype(np.float32)
    entry.look = now.channels.at(entry.xy)
    entry.energy = done.energy.astype(np.float32)


def _both_ways(
    source: FlowSource[Any], left: View, right: View, settings: Settings
) -> tuple[Motion, Motion]:
    size = left.channels.size
    flow = source.between(left.prepared, right.prepared)
    there = dense(flow, size)
    if isinstance(flow, ConsistentFlow):
        back = flow.backward
    else:
        back = dense(source.between(right.prepared, left.prepared), size)
    return (
        motion(there, left.channels, right.channels, settings),
        motion(back, right.channels, left.channels, settings),
    )


def _with_next(
    frames: Iterable[NDArray[np.uint8]], source: FlowSource[Any], settings: Settings
) -> Iterator[tuple[View, View | None]]:
    now: View | None = None
    for picture in frames:
        following = view(picture, source, settings)
        if now is not None:
            yield now, following
        now = following
    if now is not None:
        yield now, None
