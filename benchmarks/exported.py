"""Exported models beside PyTorch: how far apart their tracks are, and how fast they run.

python benchmarks/exported.py [--models causal_tapir] [--points 1 7 64] [--frames 24] [--size 256]

Random weights. Both trackers take turns on the same clip, in one thread; seconds are of the
processor, not of the clock, so that other work on the machine counts little. Files are exported
once, to benchmarks/results.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from measuring import RESULTS
from numpy.typing import NDArray

import pointtrack as pt
from pointtrack.export import export_onnx
from pointtrack.export.checking import TOLERANCE, agreement, moving_picture, scattered
from pointtrack.export.writing import DEFAULTS

# Whose own size frames are brought to; the others take them as they are.
SIZED = (
    "causal_tapir",
    "causal_bootstapir",
    "cotracker3_online",
    "cotracker3_offline",
    "locotrack_small",
    "locotrack_base",
    "tapnext",
)
MODELS = (*SIZED, "raft_small", "raft_large", "compact")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    parser.add_argument("--points", nargs="*", type=int, default=[1, 7, 64])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=int, default=256, help="of the square frames")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    RESULTS.mkdir(exist_ok=True)
    size = (given.size, given.size)
    print(f"{given.frames} frames of {size[0]}x{size[1]}, one thread")
    print("model                 MB  points  PyTorch s    ONNX s  ratio  apart, px")
    for model in given.models:
        options = {"resolution": size} if model in SIZED else DEFAULTS.get(model, {})
        path = RESULTS / f"{model}{given.size if model in SIZED else ''}.onnx"
        if not path.exists():
            export_onnx(model, path, "random", check=False, **options)
        trackers = pt.load(model, "random", device="cpu", **options), pt.load(path)
        for points in given.points:
            clip = moving_picture(given.frames, size)
            queries = scattered(points, max(1, given.frames // 3), size)
            print(row(model, path, trackers, clip, queries, given.rounds), flush=True)


def row(
    model: str,
    path: Path,
    trackers: tuple[pt.Tracker, pt.Tracker],
    clip: NDArray[np.uint8],
    queries: NDArray[np.float64],
    rounds: int,
) -> str:
    """One line of the table."""
    best, answers = [float("inf")] * 2, []
    for _ in range(rounds):
        for place, tracker in enumerate(trackers):
            began = time.process_time()
            answers.append(tracker.track(clip, queries, both_ways=False))
            best[place] = min(best[place], time.process_time() - began)
    found = agreement(*answers[:2])
    size = path.stat().st_size / 1e6
    mark = "" if found.pixels <= TOLERANCE else "  (too far)"
    return (
        f"{model:20} {size:5.1f}  {len(queries):6}  {best[0]:9.2f} {best[1]:9.2f}  "
        f"{best[0] / best[1]:5.2f}  {found.pixels:9.1e}{mark}"
    )


if __name__ == "__main__":
    main()
