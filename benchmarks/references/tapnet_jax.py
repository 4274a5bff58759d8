"""TAP-Net, of https://github.com/google-deepmind/tapnet, in JAX: a script for another Python.

PYTHON tapnet_jax.py CHECKOUT WEIGHTS.npz, where PYTHON has jax, dm-haiku, chex, einops and optax.

Writes random weights under their official names and prints a line. Then, for each line "IN OUT"
on its standard input, tracks what IN.npz has (``video`` (1, T, H, W, 3) in [-1, 1], ``queries``
(1, N, 3) t, y, x), writes OUT.npz and prints CPU seconds and peak memory as JSON. The first call,
in which the network is compiled, is made once more and not counted.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import haiku as hk
import jax
import numpy as np

CHUNK = 16  # queries at a time in the published evaluation


def main() -> None:
    checkout, weights = sys.argv[1:]
    sys.path.insert(0, checkout)
    from tapnet.models.tapnet_model import TAPNet

    def forward(video: Any, queries: Any, training: bool) -> Any:
        found = TAPNet(cross_replica_axis=None)(video, training, queries, query_chunk_size=CHUNK)
        return found["tracks"], found["occlusion"]

    made = hk.transform_with_state(forward)
    few = np.zeros((1, 2, 64, 64, 3), np.float32), np.zeros((1, CHUNK, 3), np.float32)
    # Only in training does it make the averages of batch norm.
    params, state = jax.jit(made.init, static_argnums=3)(jax.random.PRNGKey(0), *few, True)
    params, state = (jax.tree_util.tree_map_with_path(drawn, tree) for tree in (params, state))
    flat = {
        f"{module}.{name}": np.asarray(value)
        for tree in (params, state)
        for module, values in tree.items()
        for name, value in values.items()
    }
    np.savez(weights, **flat)
    print("ready", flush=True)
    run = jax.jit(lambda video, queries: made.apply(params, state, None, video, queries, False)[0])
    known: set[tuple[int, ...]] = set()
    for line in sys.stdin:
        source, target = line.split()
        with np.load(source) as given:
            video, queries = given["video"], given["queries"]
        shape = (*video.shape, *queries.shape)
        if shape not in known:
            known.add(shape)
            jax.block_until_ready(run(video, queries))
        began = time.process_time()
        tracks, occlusion = jax.block_until_ready(run(video, queries))
        seconds = time.process_time() - began
        np.savez(target, tracks=np.asarray(tracks), occlusion=np.asarray(occlusion))
        print(json.dumps({"seconds": seconds, "mib": peak_mebibytes()}), flush=True)


def drawn(path: Any, value: Any) -> Any:
    """Gains, offsets and averages that are not all one or zero; others stay as they were made."""
    random = np.random.default_rng(len(str(path)))
    name, noise = path[-1].key, random.standard_normal(value.shape).astype(np.float32)
    module = path[0].key
    if name in ("scale", "b"):
        return value + 0.1 * noise
    if name == "offset" or (name == "average" and "mean_ema" in module):
        return 0.1 * noise
    return 1 + 0.1 * abs(noise) if name == "average" else value


def peak_mebibytes() -> float:
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
