"""PIPs++, of https://github.com/aharley/pips2: the whole clip at once. Needs einops."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from references import Reference, absent, import_from, without_cuda


def load(variant: str, checkout: Path) -> Reference:
    absent("prettytable")
    network = import_from(checkout, "nets.pips2").Pips(stride=8).eval()
    # Random updates of many pixels would multiply what rounding does with every iteration.
    network.delta_block.dense.weight.data *= 0.01

    def run(video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        start = queries[:, None, :, 1:].repeat(1, video.shape[1], 1, 1)
        with without_cuda():
            steps = network(start, video, iters=iterations or 16)[0]
        return {"tracks": steps[-1][0].transpose(0, 1)}

    return Reference(network, run)
