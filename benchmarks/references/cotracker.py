"""CoTracker 2 and 3, of https://github.com/facebookresearch/co-tracker."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from references import Reference, import_from

WINDOWS = {
    "cotracker2": 8,
    "cotracker2_w16": 16,
    "cotracker3_offline": 60,
    "cotracker3_online": 16,
}
ITERATIONS = 6


def load(variant: str, checkout: Path) -> Reference:
    builder = import_from(checkout, "cotracker.models.build_cotracker")
    second = variant.startswith("cotracker2")
    network = builder.build_cotracker(
        None, offline=variant.endswith("offline"), window_len=WINDOWS[variant], v2=second
    ).eval()
    if second:
        # Random updates of many pixels would multiply what rounding does with every iteration.
        network.updateformer.flow_head.weight.data *= 0.05

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        tracks, visibility, *_ = network(video, queries, iters=iterations or ITERATIONS)
        return {"tracks": tracks[0].transpose(0, 1), "visibility": visibility[0].T}

    return Reference(network, run)
