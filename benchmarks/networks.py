"""Networks beside the code they were published with: seconds and peak memory, and their ratios.

python benchmarks/networks.py --checkouts FOLDER [--networks tapir,cotracker3_online]
    [--works small,middle,large] [--what time,memory] [--rounds 3]

FOLDER holds checkouts of the published repositories, each under its own name, lower case
("co-tracker", "tapnet", "locotrack", "pips", "pips2", "raft", "mft", "taptr", "track_on",
"alltracker", "gmrw", "dot", "dinov2"; "co-tracker-v1.0" for CoTracker 1). Of a network whose
checkout is not there, ours alone is measured. What that code needs besides PyTorch (einops,
dm-tree, einshape, torchvision, transformers) may lie in a folder of PYTHONPATH. TAP-Net's is in
JAX and runs in a Python of its own, with --jax-python.

The published network gets random weights, ours is filled with the same by the loader of official
files, and their answers are compared. Seconds are CPU time on one thread; the two take turns, and
medians count. Peak memory is that of a fresh process with one of the two; the large work's is
measured with one iteration of each refinement (--iterations 0: as published), which reuse the same
memory. Results are kept in benchmarks/results/networks.json, so that a table can be measured in
parts; --table prints what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from measuring import HERE, RESULTS, in_fresh_process, peak_mebibytes
from references import FAMILIES, Reference, load_reference
from runners import OURS, Values
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks import build
from pointtrack.weights.official import load_official

RECORD = RESULTS / "networks.json"


class Work(NamedTuple):
    frames: int
    height: int
    width: int
    points: int

    def __str__(self) -> str:
        return f"{self.frames} frames {self.height}x{self.width}, {self.points} points"


WORKS = {
    "short": Work(8, 256, 256, 64),
    "small": Work(24, 256, 256, 64),
    "middle": Work(24, 384, 512, 100),
    "large": Work(96, 384, 512, 400),
}
FIVE = "cotracker3_offline,cotracker3_online,tapir,causal_tapir,locotrack_base"


# --- measuring -----------------------------------------------------------------------------------


def inputs(work: Work) -> tuple[Tensor, Tensor]:
    """A smooth picture that moves, and points on its first frame."""
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, work.height // 8 + 8, work.width // 8 + 8, generator=random)
    picture = F.interpolate(255 * coarse, scale_factor=8, mode="bicubic").clamp(0, 255)[0]
    begins = [(t * 60 // work.frames, t * 40 // work.frames) for t in range(work.frames)]
    frames = [picture[:, y : y + work.height, x : x + work.width] for y, x in begins]
    places = torch.rand(1, work.points, 2, generator=random)
    xy = places * torch.tensor([work.width - 1.0, work.height - 1.0])
    return torch.stack(frames)[None], F.pad(xy, (1, 0))


def checkout_of(variant: str, checkouts: Path | None) -> Path | None:
    if checkouts is None or variant not in FAMILIES:
        return None
    if variant == "tapnet" and "JAX_PYTHON" not in os.environ:
        return None
    name = FAMILIES[variant][1].partition("/")[2].lower()
    folder = checkouts / ("co-tracker-v1.0" if variant == "cotracker1" else name)
    return folder if folder.is_dir() else None


def filled(variant: str, reference: Reference | None) -> nn.Module:
    torch.manual_seed(0)
    network = build(variant)
    if reference is not None:
        load_official(network, variant, reference.network.state_dict())
    return network.requires_grad_(False)


@torch.inference_mode()
def timed(
    variant: str, work: Work, checkout: Path | None, rounds: int, iterations: int | None
) -> dict[str, Any]:
    """CPU seconds of each, and how far their answers are apart."""
    video, queries = inputs(work)
    torch.manual_seed(0)
    reference = load_reference(variant, checkout) if checkout else None
    network = filled(variant, reference)
    calls: dict[str, Callable[[], Values]] = {}
    clocks = {"ours": time.process_time}
    if reference is not None:
        run = reference.run
        clocks["reference"] = reference.clock
        calls["reference"] = lambda: run(video, queries, iterations)
    calls["ours"] = lambda: OURS[variant](network, video, queries, iterations)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    answers: dict[str, Values] = {}
    for _ in range(rounds):
        for name, call in calls.items():
            began = clocks[name]()
            answers[name] = call()
            seconds[name].append(clocks[name]() - began)
    found: dict[str, Any] = {f"{name}_s": median(values) for name, values in seconds.items()}
    if reference is not None:
        for name, value in answers["reference"].items():
            apart = (answers["ours"][name] - value).abs().flatten()
            found.setdefault("apart", {})[name] = float(apart.max())
            # Random networks have ties that rounding decides: nearly all is what counts.
            nearly_all = apart.kthvalue(max(1, int(0.99 * len(apart)))).values
            found.setdefault("mostly", {})[name] = float(nearly_all)
    return found


@torch.inference_mode()
def peak(
    variant: str,
    who: str,
    work: Work,
    checkout: Path | None,
    iterations: int | None,
    first: int | None,
) -> dict[str, float]:
    """Most memory that one of the two has resident, in MiB."""
    video, queries = inputs(work)
    video = video[:, :first]  # a view: the rest stays resident
    if who == "ours":
        OURS[variant](filled(variant, None), video, queries, iterations)
        return {"ours_mib": peak_mebibytes()}
    assert checkout is not None
    reference = load_reference(variant, checkout)
    reference.run(video, queries, iterations)
    return {"reference_mib": reference.peak()}


def measure(given: argparse.Namespace) -> None:
    for variant in given.networks.split(","):
        checkout = checkout_of(variant, given.checkouts)
        for name in given.works.split(","):
            entry = {"iterations": given.iterations} if given.iterations else {}
            more = ["--rounds", given.rounds, "--work", name]
            more += ["--checkout", checkout] if checkout else []
            if "time" in given.what:
                chosen = ["--iterations", given.iterations or 0]
                entry |= in_fresh_process("networks.py", "--time", variant, *more, *chosen)
            if "memory" in given.what:
                least = 1 if name == "large" and given.iterations is None else given.iterations
                chosen = ["--iterations", least or 0]
                chosen += ["--first", given.first] if given.first else []
                for who in ("ours", "reference") if checkout else ("ours",):
                    entry |= in_fresh_process("networks.py", "--peak", variant, who, *more, *chosen)
            record(variant, name, entry)
            print(f"{variant} {name}: {json.dumps(entry)}", flush=True)


def record(variant: str, work: str, entry: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    known.setdefault(variant, {}).setdefault(work, {}).update(entry)
    RECORD.write_text(json.dumps(known, indent=1))


def print_table() -> None:
    """What has been measured so far, in Markdown."""
    known = json.loads(RECORD.read_text())
    for name, work in WORKS.items():
        print(f"\n{work}\n")
        print("| network | seconds | reference | faster | MiB | reference | of it | apart |")
        print("|---|---|---|---|---|---|---|---|")
        for variant in OURS:
            if name in known.get(variant, {}):
                print(f"| `{variant}` | {' | '.join(cells(known[variant][name]))} |")


def cells(entry: dict[str, Any]) -> list[str]:
    """One row: seconds, memory, and how far nearly all answers are apart (and the farthest)."""
    row = []
    for unit, digits in (("s", 1), ("mib", 0)):
        ours, theirs = (entry.get(f"{who}_{unit}", np.nan) for who in ("ours", "reference"))
        ratio = theirs / ours if unit == "s" else ours / theirs
        row += [f"{ours:.{digits}f}", f"{theirs:.{digits}f}", f"{ratio:.2f}"]
    apart = entry.get("apart", {})
    mostly = entry.get("mostly", apart)
    row.append(
        ", ".join(f"{name} {mostly[name]:.0e} ({value:.0e})" for name, value in apart.items())
    )
    return [cell.replace("nan", "–") for cell in row]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkouts", type=Path)
    parser.add_argument("--networks", default=FIVE, help=f"of {', '.join(OURS)}; default: {FIVE}")
    parser.add_argument("--works", default="small,middle,large")
    parser.add_argument("--what", default="time,memory")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, help="of the refinement; default: as published")
    parser.add_argument(
        "--first",
        type=int,
        help="measure memory on a work's first frames only, the others being held: for networks "
        "that go frame by frame and soon hold all they ever will",
    )
    parser.add_argument(
        "--jax-python", help="that has what references/tapnet_jax.py needs; default: $JAX_PYTHON"
    )
    parser.add_argument("--table", action="store_true", help="print what has been measured so far")
    parser.add_argument("--time", metavar="NETWORK", help="for internal use")
    parser.add_argument("--peak", nargs=2, metavar=("NETWORK", "WHO"), help="for internal use")
    parser.add_argument("--work", help="for internal use")
    parser.add_argument("--checkout", type=Path, help="for internal use")
    given = parser.parse_args()
    torch.set_num_threads(1)
    sys.path.insert(0, str(HERE))
    steps = given.iterations or None
    if given.jax_python:
        os.environ["JAX_PYTHON"] = given.jax_python
    if given.time:
        work = WORKS[given.work]
        print(json.dumps(timed(given.time, work, given.checkout, given.rounds, steps)))
    elif given.peak:
        print(json.dumps(peak(*given.peak, WORKS[given.work], given.checkout, steps, given.first)))
    elif given.table:
        print_table()
    else:
        measure(given)


if __name__ == "__main__":
    main()
