"""Dense tracks: peak memory and processor time over a whole video, and DOT's network by itself.

python benchmarks/dense.py --video clip.mp4 [--models flow_chain,dot] [--resolution 512 512]
python benchmarks/dense.py --reference path/to/16lemoing/dot [--sides 256,512]

The second compares with the published code, one thread, turn by turn, the same weights (random),
frames and points; nothing of that code is kept here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import torch
from measuring import CLIP, in_fresh_process, peak_mebibytes
from torch import Tensor

import pointtrack as pt
from pointtrack.networks import build
from pointtrack.networks.dot import DotRefiner, densify, nearest
from pointtrack.weights.official import load_official

POINTS = 2048
NETWORKED = ("dot",)  # these take weights: random ones here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", default=str(CLIP))
    parser.add_argument("--models", default="flow_chain,dot")
    parser.add_argument("--frames", type=int, help="only so many of the video")
    parser.add_argument("--resolution", type=int, nargs=2, help="width and height, for dot")
    parser.add_argument("--keep", type=Path, help="a folder for the dense tracks")
    parser.add_argument("--reference", type=Path, help="a checkout of 16lemoing/dot")
    parser.add_argument("--sides", default="256,512", help="of square pictures, in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help="for internal use")
    given = parser.parse_args()
    if given.one:
        options = {"resolution": tuple(given.resolution)} if given.resolution else {}
        print(json.dumps(whole(given.one, given.video, given.frames, given.keep, options)))
    elif given.reference:
        for side in map(int, given.sides.split(",")):
            beside(given.reference, side, given.rounds)
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


# --- DOT's network beside the published one ------------------------------------------------------


def beside(reference: Path, side: int, rounds: int) -> None:
    """Two frames encoded, and one pair refined, by both."""
    torch.set_num_threads(1)
    theirs, interpolate = published(reference)
    ours = load_official(build("dot"), "dot", theirs.state_dict())
    assert isinstance(ours, DotRefiner)
    frames, source, target = scene(side)
    cells = (side // 4, side // 4)
    places = [torch.linspace(0, 1, side // 4)] * 2
    grid = torch.stack(torch.meshgrid(*places, indexing="xy"), dim=-1)
    with torch.inference_mode():
        index = nearest(source[:, :2], cells)  # once a source frame
        seen = ours.encode_source(frames[:1]), ours.encode(frames[1:])
        known = [theirs.encode(frame[None] / 255) for frame in frames]

        def our_pair() -> Any:
            flow, visible = densify(source, target, cells, index)
            return ours(*seen, flow[None], visible[None])

        def their_pair() -> Any:
            flow, visible = interpolate(source[None], target[None], grid, version="torch")
            return theirs(
                src_feats=known[0], tgt_feats=known[1], coarse_flow=flow, coarse_alpha=visible
            )

        work: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "source encoded": (
                lambda: ours.encode_source(frames[:1]),
                lambda: theirs.encode(frames[:1] / 255),
            ),
            "target encoded": (
                lambda: ours.encode(frames[1:]),
                lambda: theirs.encode(frames[1:] / 255),
            ),
            "pair refined": (our_pair, their_pair),
        }
        for name, pair in work.items():
            mine, published_one = alternately(*pair, rounds)
            print(
                f"{side:5d} px, {name}: {mine:.2f} s, published {published_one:.2f} s "
                f"({published_one / mine:.2f} times)",
                flush=True,
            )


def published(checkout: Path) -> tuple[Any, Any]:
    """The published network with random weights, and its densification.

    Only the modules that are needed are imported: the packages' own would ask for more.
    """
    sys.path.insert(0, str(checkout))
    for name in ("dot", "dot.models", "dot.models.shelf", "dot.utils"):
        package = types.ModuleType(name)
        package.__path__ = [str(checkout / name.replace(".", "/"))]
        sys.modules[name] = package
    network = importlib.import_module("dot.models.shelf.raft").RAFT
    interpolate = importlib.import_module("dot.models.interpolation").interpolate
    settings = types.SimpleNamespace(
        patch_size=4, norm_fnet="instance", norm_cnet="instance", refine_alpha=True, num_iter=4
    )
    torch.manual_seed(0)
    return network(settings).eval(), interpolate


def scene(side: int) -> tuple[Tensor, Tensor, Tensor]:
    """Two soft frames, and points that move a little, some of which get hidden."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, side // 8, side // 8, generator=random) * 255
    frames = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic").clamp(0, 255)
    source = torch.ones(POINTS, 3)
    source[:, :2] = torch.rand(POINTS, 2, generator=random)
    target = source.clone()
    target[:, 0] += 0.02 * torch.sin(6 * source[:, 1])
    target[:, 1] += 0.015
    target[: POINTS // 8, 2] = 0
    return frames, source, target


def alternately(
    ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int
) -> tuple[float, float]:
    """Least processor seconds of each."""
    least = [float("inf")] * 2
    for _ in range(rounds):
        for place, work in enumerate((ours, theirs)):
            began = time.process_time()
            work()
            least[place] = min(least[place], time.process_time() - began)
    return least[0], least[1]


if __name__ == "__main__":
    main()
