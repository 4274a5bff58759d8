"""Deformable attention by itself, beside the published code: peak memory and seconds.

python benchmarks/attention.py --checkouts FOLDER [--networks taptr,trackon2]

One layer with the same random weights on both sides. TAPTR's encoder: every cell of four levels,
of which the finest has 128 x 128, looks at all levels. Track-On2: 16 candidates of each of 464
points (64 and the published grid of 400 that helps them) look at the maps of a 384x512 frame.
What the published code runs on a CPU is measured; Track-On2's is a part of mmcv, so that only
`benchmarks/references/trackon.py` does it here. Memory is what a fresh process grows by while the
layer runs; seconds are CPU time on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from measuring import in_fresh_process, peak_mebibytes
from references import taptr, trackon
from torch import Tensor, nn

from pointtrack.networks.blocks.deformable import DeformableAttention


class Case(NamedTuple):
    sizes: list[tuple[int, int]]
    queries: int  # 0: every cell
    heads: int


CASES = {
    "taptr": Case([(128 >> k, 128 >> k) for k in range(4)], 0, 8),
    "trackon2": Case([(96 >> k, 128 >> k) for k in range(4)], 16 * 464, 4),
}
CHANNELS, POINTS = 256, 4
NAMES = {
    "offsets": "sampling_offsets",
    "weights": "attention_weights",
    "value": "value_proj",
    "output": "output_proj",
}


def published(network: str, case: Case, checkouts: Path) -> nn.Module:
    levels = len(case.sizes)
    if network == "taptr":
        layer = taptr.attention_layer(checkouts / "taptr")
        return layer(CHANNELS, levels, case.heads, POINTS)
    return trackon.Attention(CHANNELS, case.heads, levels, POINTS)


def ours_of(layer: nn.Module, case: Case) -> DeformableAttention:
    made = DeformableAttention(CHANNELS, case.heads, len(case.sizes), POINTS)
    known = layer.state_dict()
    made.load_state_dict(
        {
            f"{ours}.{part}": known[f"{theirs}.{part}"]
            for ours, theirs in NAMES.items()
            for part in ("weight", "bias")
        }
    )
    return made


@torch.inference_mode()
def one(network: str, who: str, checkouts: Path) -> dict[str, Any]:
    case = CASES[network]
    torch.manual_seed(0)
    layer: Any = published(network, case, checkouts).eval()
    for name, value in layer.named_parameters():
        value.normal_(0, 0.05 if name.endswith("weight") else 0.5)
    mine = ours_of(layer, case)
    tokens = sum(height * width for height, width in case.sizes)
    memory = torch.randn(1, tokens, CHANNELS)
    query = torch.randn(1, case.queries or tokens, CHANNELS)
    places = torch.rand(1, query.shape[1], 2)
    if who == "both":
        theirs = run_published(network, layer, case, query, places, memory)
        apart = (mine(query, places, memory, case.sizes) - theirs).abs().max()
        return {"apart": float(apart)}
    small = slice(8)  # libraries load what they need
    if who == "ours":
        mine(query[:, small], places[:, small], memory, case.sizes)
    else:
        run_published(network, layer, case, query[:, small], places[:, small], memory)
    before, began = peak_mebibytes(), time.process_time()
    if who == "ours":
        mine(query, places, memory, case.sizes)
    else:
        run_published(network, layer, case, query, places, memory)
    return {"mib": peak_mebibytes() - before, "s": time.process_time() - began}


def run_published(
    network: str, layer: Any, case: Case, query: Tensor, places: Tensor, memory: Tensor
) -> Tensor:
    shapes = torch.tensor(case.sizes)
    every = places[:, :, None].expand(-1, -1, len(case.sizes), -1)
    if network == "taptr":
        starts = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
        return layer(query, every, memory, shapes, starts)
    found = layer(query, None, memory, reference_points=every, spatial_shapes=shapes)
    return found - query  # mmcv's shortcut


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkouts", type=Path, required=True)
    parser.add_argument("--networks", default="taptr,trackon2")
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "WHO"), help="for internal use")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.one:
        print(json.dumps(one(*given.one, given.checkouts)))
        return
    for network in given.networks.split(","):
        found = {
            who: in_fresh_process(
                "attention.py", "--one", network, who, "--checkouts", given.checkouts
            )
            for who in ("ours", "published", "both")
        }
        ours, theirs = found["ours"], found["published"]
        print(
            f"{network}: {ours['mib']:.0f} MiB, published {theirs['mib']:.0f} MiB "
            f"({ours['mib'] / theirs['mib']:.2f} of it); {ours['s']:.2f} s, published "
            f"{theirs['s']:.2f} s; answers {found['both']['apart']:.0e} apart"
        )


if __name__ == "__main__":
    main()
