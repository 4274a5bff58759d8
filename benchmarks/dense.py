"""Dense tracks of a video: peak memory of a fresh process, and seconds of one processor.

python benchmarks/dense.py --video clip.mp4 [--models flow_chain,dot] [--resolution 512 512]
    [--frames 16] [--keep FOLDER]

DOT has random weights, and goes by the tracks of the default model. How fast its network is beside
the published code, benchmarks/networks.py measures.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import cv2
import torch
from measuring import CLIP, in_fresh_process, peak_mebibytes

import pointtrack as pt

NETWORKED = ("dot",)  # these take weights: random ones here


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--video", default=str(CLIP))
    parser.add_argument("--models", default="flow_chain,dot")
    parser.add_argument("--frames", type=int, help="only so many of the video")
    parser.add_argument("--resolution", type=int, nargs=2, help="width and height, for dot")
    parser.add_argument("--keep", type=Path, help="a folder for the dense tracks")
    parser.add_argument("--one", help="for internal use")
    given = parser.parse_args()
    if given.one:
        options = {"resolution": tuple(given.resolution)} if given.resolution else {}
        print(json.dumps(whole(given.one, given.video, given.frames, given.keep, options)))
    else:
        more = ["--video", given.video]
        more += ["--keep", given.keep] if given.keep else []
        more += ["--frames", given.frames] if given.frames else []
        for model in given.models.split(","):
            if model in NETWORKED and given.resolution:
                more += ["--resolution", *given.resolution]
            found = in_fresh_process("dense.py", "--one", model, *more)
            print(
                f"{model:>12}: {found['frames']} frames {found['size']}, "
                f"{found['seconds']:.0f} s of one processor, {found['peak']:.0f} MiB",
                flush=True,
            )


def whole(
    model: str, video: str, frames: int | None, keep: Path | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Every pixel of a video's first frame through all of it."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    weights = "random" if model in NETWORKED else None
    out = None if keep is None else keep / f"{model}.dense"
    began = time.process_time()
    source = pt.open_video(video)
    dense = pt.track_dense(
        source[:frames] if frames else source, 0, model, weights, out=out, **options
    )
    return {
        "seconds": time.process_time() - began,
        "peak": peak_mebibytes(),
        "frames": dense.num_frames,
        "size": "x".join(map(str, dense.size)),
    }


if __name__ == "__main__":
    main()
