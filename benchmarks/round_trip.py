"""There and back: points followed to the end of each real clip, then from there to its start.

python benchmarks/round_trip.py --weights compact.safetensors [--models compact,mft,klt] \
    [--grid 16] [--every 1] [--frames 0] [--clips apple,cat] [--videos ../shared/videos]

A grid of points of frame 0 is followed to the last frame. Those that the tracker calls visible
there are followed back, from where they ended, to frame 0. "returned": the share of these that
come back within 4 px of where they began, at a width of 256; "visible": the share called visible
at the end; "of all": the share of the whole grid that is called visible and comes back. A tracker
that gives up soon has little to be wrong about, so no one number is enough.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from measuring import HERE

import pointtrack as pt

WIDTH, NEAR = 256, 4.0
TRAINED = {"compact"}  # what --weights is for


class Trip(NamedTuple):
    """Shares in percent; `returned` is NaN where nothing is visible at the end."""

    visible: float
    returned: float
    of_all: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="compact,mft,klt")
    parser.add_argument("--weights", help="of compact")
    parser.add_argument("--videos", type=Path, default=HERE.parent.parent / "shared" / "videos")
    parser.add_argument("--clips", help="their names without suffix; default: all")
    parser.add_argument("--grid", type=int, default=16, help="points a side")
    parser.add_argument("--every", type=int, default=1, help="use every so many frames")
    parser.add_argument("--frames", type=int, default=0, help="at most so many; 0: all")
    given = parser.parse_args()
    torch.set_num_threads(1)
    names = given.clips.split(",") if given.clips else None
    clips = [p for p in sorted(given.videos.glob("*.mp4")) if names is None or p.stem in names]
    if not clips:
        raise SystemExit(f"there are no such clips in {given.videos}")
    found: dict[str, list[Trip]] = {model: [] for model in given.models.split(",")}
    print(f"| clip | frames | model | visible | returned | of all | CPU s |\n|{'---|' * 7}")
    for clip in clips:
        frames = load(clip, given.every, given.frames)
        for model, trips in found.items():
            weights = given.weights if model in TRAINED else None
            trips.append(round_trip(pt.load(model, weights=weights), frames, given.grid))
            print(row(f"{clip.stem} | {len(frames)} | {model}", trips[-1]), flush=True)
    for model, trips in found.items():
        print(row(f"mean | | {model}", Trip(*np.nanmean(trips, axis=0))))


def load(path: Path, every: int, most: int) -> np.ndarray:
    """Frames ``(T, H, W, 3)``: every so many, and at most so many of these."""
    video = pt.open_video(path)
    end = min(len(video), every * most) if most else len(video)
    return np.stack(list(video[0:end:every]))


def round_trip(tracker: pt.Tracker, frames: np.ndarray, side: int) -> Trip:
    """Follow a grid of ``side * side`` points there and back."""
    began = time.process_time()
    there = tracker.track(frames, pt.grid(side))
    start, end, shown = there.xy[:, 0], there.xy[:, -1], there.visible[:, -1]
    size = frames.shape[2], frames.shape[1]
    shown = shown & (end >= -0.5).all(1) & (end < np.array(size) - 0.5).all(1)
    if not shown.any():
        return Trip(0.0, np.nan, 0.0, time.process_time() - began)
    queries = np.column_stack([np.zeros(shown.sum()), end[shown]]).astype(np.float32)
    back = tracker.track(frames[::-1], queries)
    miss = np.linalg.norm((back.xy[:, -1] - start[shown]) * (WIDTH / size[0]), axis=1)
    near = miss <= NEAR
    seconds = time.process_time() - began
    return Trip(100 * shown.mean(), 100 * near.mean(), 100 * near.sum() / len(shown), seconds)


def row(label: str, trip: Trip) -> str:
    return f"| {label} | " + " | ".join(f"{value:.1f}" for value in trip) + " |"


if __name__ == "__main__":
    main()
