"""TAP-Net, of https://github.com/google-deepmind/tapnet, which is in JAX: in a Python of its own.

Which one the environment says: JAX_PYTHON. It needs jax, dm-haiku, chex, einops and optax.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from references import Reference

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def load(variant: str, checkout: Path) -> Reference:
    other = _Other(checkout)
    return Reference(other, other.run, lambda: other.seconds, lambda: other.mebibytes)


class _Other:
    """The other process, and what it has used."""

    def __init__(self, checkout: Path) -> None:
        self._folder = tempfile.TemporaryDirectory()
        weights = Path(self._folder.name) / "weights.npz"
        script = Path(__file__).with_name("tapnet_jax.py")
        self._process = subprocess.Popen(
            [os.environ["JAX_PYTHON"], str(script), str(checkout), str(weights)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "XLA_FLAGS": ONE_THREAD, "JAX_PLATFORMS": "cpu"},
        )
        self._next_line()
        with np.load(weights) as stored:
            self._weights = {name: torch.from_numpy(stored[name]) for name in stored}
        self.seconds = self.mebibytes = 0.0

    def state_dict(self) -> dict[str, Tensor]:
        return self._weights

    def run(self, video: Tensor, queries: Tensor, iterations: int | None) -> dict[str, Tensor]:
        source, target = (Path(self._folder.name) / f"{name}.npz" for name in ("in", "out"))
        t, x, y = queries.unbind(-1)
        asked = torch.stack([t, y + 0.5, x + 0.5], dim=-1)
        frames = video.permute(0, 1, 3, 4, 2) / 127.5 - 1
        np.savez(source, video=frames.numpy(), queries=asked.numpy())
        assert self._process.stdin is not None
        print(source, target, file=self._process.stdin, flush=True)
        used = json.loads(self._next_line())
        self.seconds += used["seconds"]
        self.mebibytes = used["mib"]
        with np.load(target) as found:
            return {name: torch.from_numpy(found[name][0]) for name in found}

    def _next_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args} stopped with {self._process.wait()}")
        return line
