"""Peak memory while tracking a long and a short video: it must not depend on the length.

python benchmarks/memory.py [--models klt,mft] [--long 5000] [--short 500]
python benchmarks/memory.py --models causal_tapir,cotracker3_online --weights random \
    --long 3000 --short 300 --grid 16
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from measuring import in_fresh_process, moving_texture, peak_mebibytes

import pointtrack as pt

SIZE = (640, 480)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="klt,mft")
    parser.add_argument("--long", type=int, default=5000)
    parser.add_argument("--short", type=int, default=500)
    parser.add_argument("--weights", help="for models that learn; random will do")
    parser.add_argument("--grid", type=int, default=10, help="points a side")
    parser.add_argument("--resolution", type=int, nargs=2, help="width and height, for networks")
    parser.add_argument("--iterations", type=int, help="of networks that refine; fewer are faster")
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "VIDEO"), help="for internal use")
    given = parser.parse_args()
    options: dict[str, Any] = {"resolution": tuple(given.resolution)} if given.resolution else {}
    options |= {"iterations": given.iterations} if given.iterations else {}
    if given.one:
        print(json.dumps(track(*given.one, given.weights, given.grid, options)))
        return
    more = ["--grid", given.grid]
    more += ["--weights", given.weights] if given.weights else []
    more += ["--resolution", *given.resolution] if given.resolution else []
    more += ["--iterations", given.iterations] if given.iterations else []
    videos = {n: moving_texture(n, SIZE) for n in (given.short, given.long)}
    print(f"{given.grid**2} points, {SIZE[0]}x{SIZE[1]}, peak resident memory")
    for model in given.models.split(","):
        peaks = {}
        for frames, video in videos.items():
            found = in_fresh_process("memory.py", "--one", model, video, *more)
            peaks[frames] = found["peak"]
            print(
                f"{model:>16} {frames:6d} frames: {found['peak']:7.1f} MiB "
                f"({frames / found['seconds']:.1f} frames/s)",
                flush=True,
            )
        print(f"{model:>16} ratio: {peaks[given.long] / peaks[given.short]:.3f}", flush=True)


def track(
    model: str, video: str, weights: str | None, grid: int, options: dict[str, Any]
) -> dict[str, float]:
    began = time.perf_counter()
    pt.track(video, pt.grid(grid), model=model, weights=weights, **options)
    return {"peak": peak_mebibytes(), "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main()
