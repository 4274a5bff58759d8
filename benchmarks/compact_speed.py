"""The bundled default's speed and memory, beside mft's in the same run.

python benchmarks/compact_speed.py [--weights FILE] [--points 100,1000] [--threads 1,2] \
    [--precisions float32,bfloat16] [--frames 24] [--rounds 3] [--long 3000 --short 300] \
    [--profile] [--tuned]

Frames of 256x256, decoded beforehand. Each pair of trackers takes turns, round by round, and the
least time of each counts; the first frame, on which points are only taken up, is left out.
Seconds are the processor's on one thread, so that other work on the machine counts little, and
the clock's on several. Memory is the most that a fresh process had resident, with the video read
from a file; 0 frames leave it out. The profile says which parts of a step take how long. Tuned is
what the command line does to its process (`pointtrack.cli.tuning`).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable

from pointtrack.cli.tuning import tune

if "--tuned" in sys.argv:
    tune()  # before PyTorch is imported

import numpy as np
import torch
from measuring import in_fresh_process, moving_texture, peak_mebibytes

import pointtrack as pt

SIZE = (256, 256)
Frames = list[np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="random", help="of compact")
    parser.add_argument("--points", default="100,1000")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--precisions", default="float32,bfloat16")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", type=int, default=3000)
    parser.add_argument("--short", type=int, default=300)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--tuned", action="store_true")
    parser.add_argument("--one", nargs=3, metavar=("MODEL", "FRAMES", "POINTS"), help="internal")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # random weights say so
    if given.one:
        model, frames, points = given.one
        print(json.dumps(remember(model, int(frames), int(points), given.weights)))
        return
    frames = list(pt.open_video(moving_texture(given.frames, SIZE)))
    if given.profile:
        profile(frames, numbers(given.points)[-1], given.weights)
        return
    speeds(frames, given)
    if given.long and given.short:
        memory(given)


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def compact(weights: str, precision: str = "auto") -> pt.Tracker:
    """The bundled default at the frames' own size."""
    return pt.load("compact", weights=weights, precision=precision, working=SIZE[0])


def speeds(frames: Frames, given: argparse.Namespace) -> None:
    print(f"| points | threads | precision | frames/s | mft | ratio |\n|{'---|' * 6}")
    mft = pt.load("mft")
    for precision in given.precisions.split(","):
        ours = compact(given.weights, precision)
        for threads in numbers(given.threads):
            torch.set_num_threads(threads)
            clock = time.process_time if threads == 1 else time.perf_counter
            for points in numbers(given.points):
                best = [np.inf, np.inf]
                for _ in range(given.rounds):
                    for place, tracker in enumerate((ours, mft)):
                        best[place] = min(best[place], follow(tracker, frames, points, clock))
                rates = [(len(frames) - 1) / seconds for seconds in best]
                print(
                    f"| {points} | {threads} | {precision} | {rates[0]:.1f} | {rates[1]:.1f} "
                    f"| {rates[0] / rates[1]:.2f} |",
                    flush=True,
                )


def follow(tracker: pt.Tracker, frames: Frames, points: int, clock: Callable[[], float]) -> float:
    """Seconds to follow points from the first frame to the others."""
    with tracker.session() as session:
        session.add(scattered(points))
        session.step(frames[0])
        began = clock()
        for frame in frames[1:]:
            session.step(frame)
        return clock() - began


def scattered(points: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(4, np.array(SIZE) - 5, (points, 2))


def memory(given: argparse.Namespace) -> None:
    print(f"\n| tracker | points | {given.short} frames | {given.long} frames | ratio |")
    print(f"|{'---|' * 5}")
    for points in numbers(given.points):
        for model in ("compact", "mft"):
            short, long = (
                in_fresh_process(
                    "compact_speed.py", "--one", model, n, points, "--weights", given.weights
                )["peak"]
                for n in (given.short, given.long)
            )
            print(
                f"| {model} | {points} | {short:.0f} MiB | {long:.0f} MiB | {long / short:.3f} |",
                flush=True,
            )


def remember(model: str, frames: int, points: int, weights: str) -> dict[str, float]:
    """Peak memory of following points through a file, with nothing kept of the answers."""
    torch.set_num_threads(1)
    tracker = compact(weights) if model == "compact" else pt.load(model)
    video = pt.open_video(moving_texture(frames, SIZE))
    with tracker.session() as session:
        session.add(scattered(points))
        for frame in video:
            session.step(frame)
    return {"peak": peak_mebibytes()}


def profile(frames: Frames, points: int, weights: str) -> None:
    """Milliseconds a frame in each part of the compact network, on one thread."""
    torch.set_num_threads(1)
    session = compact(weights).session()
    session.add(scattered(points))
    session.step(frames[0])
    session.step(frames[1])
    with torch.profiler.profile(record_shapes=True) as record:
        for frame in frames[2:]:
            session.step(frame)
    table = record.key_averages(group_by_input_shape=True)
    whole = sum(row.self_cpu_time_total for row in table)
    print(f"{points} points, {whole / 1000 / (len(frames) - 2):.1f} ms a frame in all")
    for row in sorted(table, key=lambda row: -row.self_cpu_time_total)[:45]:
        spent = row.self_cpu_time_total / 1000 / (len(frames) - 2)
        shapes = [shape for shape in row.input_shapes if shape]
        print(f"{spent:8.2f} ms {100 * spent * 1000 * (len(frames) - 2) / whole:5.1f} %  "
              f"{row.count // (len(frames) - 2):4d}x {row.key} {shapes}")  # fmt: skip


if __name__ == "__main__":
    main()
