"""Peak memory while tracking a long and a short video: it must not depend on the length.

python benchmarks/memory.py [--models klt,mft] [--long 5000] [--short 500]
"""

from __future__ import annotations

import argparse
import json
import time

from measuring import in_fresh_process, moving_texture, peak_mebibytes

import pointtrack as pt

SIZE = (640, 480)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="klt,mft")
    parser.add_argument("--long", type=int, default=5000)
    parser.add_argument("--short", type=int, default=500)
    parser.add_argument("--one", nargs=2, metavar=("MODEL", "VIDEO"), help="for internal use")
    given = parser.parse_args()
    if given.one:
        print(json.dumps(track(*given.one)))
        return
    videos = {n: moving_texture(n, SIZE) for n in (given.short, given.long)}
    print(f"100 points, {SIZE[0]}x{SIZE[1]}, peak resident memory")
    for model in given.models.split(","):
        peaks = {}
        for frames, video in videos.items():
            found = in_fresh_process("memory.py", "--one", model, video)
            peaks[frames] = found["peak"]
            print(
                f"{model:>16} {frames:6d} frames: {found['peak']:7.1f} MiB "
                f"({frames / found['seconds']:.1f} frames/s)",
                flush=True,
            )
        print(f"{model:>16} ratio: {peaks[given.long] / peaks[given.short]:.3f}", flush=True)


def track(model: str, video: str) -> dict[str, float]:
    began = time.perf_counter()
    pt.track(video, pt.grid(10), model=model)
    return {"peak": peak_mebibytes(), "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main()
