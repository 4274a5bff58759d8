"""Each tracker beside the plain OpenCV loop that a user would write for the same work.

python benchmarks/trackers.py [--video clip.mp4] [--points 200] [--rounds 5]

Frames are decoded beforehand, so that only tracking is timed. The loops below do what the
trackers do by name and no more: no re-anchoring, no templates, no bookkeeping of points. Peak
memory is that of a fresh process that tracks the same frames from the file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from measuring import CLIP, in_fresh_process, peak_mebibytes, side_by_side
from numpy.typing import NDArray

import pointtrack as pt
from pointtrack.queries import resolve

SIZE = (854, 480)
Frames = list[NDArray[np.uint8]]
Points = NDArray[np.float32]


def klt_loop(frames: Frames, start: Points) -> None:
    """Lucas-Kanade there and back, with the settings of our `klt`."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)
    settings = {"winSize": (21, 21), "maxLevel": 3, "criteria": criteria}
    old, points, lost = None, start, np.zeros(len(start), bool)
    for frame in frames:
        new = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if old is not None:
            moved, found, _ = cv2.calcOpticalFlowPyrLK(old, new, points, None, **settings)
            back, again, _ = cv2.calcOpticalFlowPyrLK(new, old, moved, None, **settings)
            miss = np.linalg.norm(back - points, axis=1) > 1
            lost |= miss | (found[:, 0] == 0) | (again[:, 0] == 0)
            points = moved
        old = new


def flow_loop(frames: Frames, start: Points) -> None:
    """Dense flow there and back, read under the points."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    old, points = None, start
    for frame in frames:
        new = cv2.cvtColor(small(frame, 768), cv2.COLOR_RGB2GRAY)
        if old is not None:
            forward, backward = dis.calc(old, new, None), dis.calc(new, old, None)
            step = read(forward, points)
            gap = step + read(backward, points + step)
            _ = np.linalg.norm(gap, axis=1) > 1
            points = points + step
        old = new


def mft_loop(frames: Frames, start: Points) -> None:
    """Flows at the intervals of MFT, there and back; the one that misses least is taken."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    dis.setFinestScale(1)
    dis.setVariationalRefinementIterations(0)
    greys: list[NDArray[np.uint8]] = []
    places: list[Points] = []
    for t, frame in enumerate(frames):
        greys.append(cv2.cvtColor(small(frame, 640), cv2.COLOR_RGB2GRAY))
        if t == 0:
            places.append(start)
            continue
        results, misses = [], []
        for left in {0} | {t - d for d in (1, 2, 4, 8, 16, 32) if t >= d}:
            step = read(dis.calc(greys[left], greys[t], None), places[left])
            end = places[left] + step
            back = read(dis.calc(greys[t], greys[left], None), end)
            results.append(end)
            misses.append(np.linalg.norm(step + back, axis=1))
        best = np.argmin(misses, axis=0)
        places.append(np.stack(results)[best, np.arange(len(start))])


LOOPS: dict[str, Callable[[Frames, Points], None]] = {
    "klt": klt_loop,
    "flow_chain": flow_loop,
    "mft": mft_loop,
}


def small(frame: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    scale = min(1.0, longest / max(frame.shape))
    size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def read(field: NDArray[np.float32], points: Points) -> Points:
    x, y = points[:, :1].astype(np.float32), points[:, 1:].astype(np.float32)
    return cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, default=CLIP)
    parser.add_argument("--points", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--models", default="klt,flow_chain,mft,particle_video,static")
    parser.add_argument("--one", metavar="MODEL", help="for internal use")
    given = parser.parse_args()
    video = pt.open_video(given.video)[: given.frames]
    if given.one:
        print(json.dumps(peak(given.one, video, given.points)))
        return
    frames = [cv2.resize(frame, SIZE, interpolation=cv2.INTER_CUBIC) for frame in video]
    recipe = pt.corners(given.points, distance=4, quality=0.0005)
    start = np.ascontiguousarray(resolve(recipe, pt.open_video(np.stack(frames[:1]))).xy)
    print(f"{len(start)} points, {SIZE[0]}x{SIZE[1]}, {len(frames)} frames of {given.video}")
    print(f"{'':16}{'frames/s':>10}{'plain loop':>12}{'ratio':>8}{'peak MiB':>10}")
    for model in given.models.split(","):
        memory = in_fresh_process(
            "trackers.py", "--one", model, "--video", given.video, "--points", given.points,
            "--frames", given.frames,
        )  # fmt: skip
        ours, theirs = side_by_side(
            lambda model=model: follow(model, frames, start),
            lambda model=model: LOOPS.get(model, nothing)(frames, start),
            given.rounds if model in LOOPS else 1,
        )
        rate = len(frames) / ours
        if model in LOOPS:
            beside = f"{len(frames) / theirs:12.1f}{theirs / ours:8.2f}"
        else:
            beside = f"{'':20}"
        print(f"{model:16}{rate:10.1f}{beside}{memory['peak']:10.0f}", flush=True)


def follow(model: str, frames: Frames, start: Points) -> None:
    with pt.load(model).session() as session:
        session.add(start)
        for frame in frames:
            session.step(frame)


def nothing(frames: Frames, start: Points) -> None:
    """Where there is no plain loop to write."""


def peak(model: str, video: pt.Video, points: int) -> dict[str, float]:
    pt.track(video, pt.corners(points, distance=4, quality=0.0005), model=model)
    return {"peak": peak_mebibytes()}


if __name__ == "__main__":
    main()
