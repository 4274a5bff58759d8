"""Supervised training of the compact tracker: ``pointtrack train CONFIG``.

One process, or many by ``torchrun``, on CPUs (gloo) or GPUs (nccl). A run is a folder::

    config.toml        what it was started with
    last.pt            goes on from here: the next step is the one that would have come
    weights.safetensors  averaged weights of the last checkpoint
    log.csv            losses, rate, seconds
    scores.csv         TAP-Vid's numbers on held-out clips

Killed and started again, a run continues the same curve: on the CPU to the bit.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pointtrack.files import PathLike
from pointtrack.networks.blocks import bfloat16
from pointtrack.networks.compact import CompactNetwork
from pointtrack.synthesis import SyntheticClip
from pointtrack.training import processes
from pointtrack.training.checkpoints import (
    read_checkpoint,
    starting_weights,
    write_checkpoint,
    write_weights,
)
from pointtrack.training.feeding import make_loader, requery
from pointtrack.training.held_out import make_clips, mean_scores, predict, score
from pointtrack.training.journal import Journal
from pointtrack.training.losses import LossConfig
from pointtrack.training.optimiser import Optimiser, learning_rate
from pointtrack.training.processes import Group
from pointtrack.training.run_config import RunConfig
from pointtrack.training.sample import Batch
from pointtrack.training.unroll import UnrollConfig, batch_loss
from pointtrack.weights.compact import fill

Report = Callable[[int, int], None]


class Objective(nn.Module):
    """The network with its loss in one module, as data-parallel training wants it."""

    def __init__(self, network: CompactNetwork, losses: LossConfig, unroll: UnrollConfig) -> None:
        super().__init__()
        self.network, self._losses, self._unroll = network, losses, unroll

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss over all processes' batches (as far as this one's gradients go), and parts."""
        return batch_loss(self.network, batch, self._losses, self._unroll)


class Trainer:
    """A run: network, optimiser, data and where it stands.

    Parameters
    ----------
    config
        What is trained on what.
    out
        The run's folder; a checkpoint in it is gone on from.
    device
        Where the network is.
    group
        The processes that train together; default: this one alone.
    """

    def __init__(
        self,
        config: RunConfig,
        out: PathLike,
        device: torch.device | str = "cpu",
        group: Group | None = None,
    ) -> None:
        self.config, self.out = config, Path(out)
        self.device, self.group = torch.device(device), group or Group()
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.network = CompactNetwork(config.model).to(self.device)
        if config.start:
            fill(self.network, starting_weights(config.start), config.start)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimiser = Optimiser(self.network, config.optimiser)
        self.loader = make_loader(config, self.group, pin=self.device.type == "cuda")
        self.step = 0
        fast = config.precision == "auto" and bfloat16.is_fast(self.device)
        self._low = fast or config.precision == "bfloat16"
        self._objective: nn.Module = Objective(self.network, config.loss, config.unroll)
        if self.group.world > 1:
            self._objective = DistributedDataParallel(self._objective)
        self._clips: list[SyntheticClip] = []

    # -- one step ------------------------------------------------------------------------------

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One step on a batch; returns the loss, its parts and the gradient's length."""
        config = self.config
        self.optimiser.zero_grad()
        seed = config.seed * 1_000_003 + self.step * self.group.world + self.group.rank
        batch = requery(batch, config.data.anywhere, seed).to(self.device)
        with self._autocast():
            loss, parts = self._objective(batch)
        loss.backward()
        length = nn.utils.clip_grad_norm_(self.network.parameters(), config.optimiser.clip)
        if torch.isfinite(length):  # one bad batch must not end a run of days
            self.optimiser.step(self._rate())
            self._average()
        self.step += 1
        return {"loss": loss.detach(), "gradient": length, **parts}

    def _rate(self) -> float:
        return learning_rate(self.step, self.config.steps, self.config.optimiser)

    def _average(self) -> None:
        keep = min(self.config.optimiser.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            means: list[Tensor] = list(self.average.parameters())
            torch._foreach_lerp_(means, list(self.network.parameters()), 1 - keep)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._low)

    # -- the run -------------------------------------------------------------------------------

    def run(
        self,
        report: Report | None = None,
        until: int | None = None,
        seconds: float = math.inf,
    ) -> None:
        """Train until the last step, or `until`, or for so long, with log and checkpoints."""
        config, begun = self.config, time.monotonic()
        end = min(config.steps, until or config.steps)
        journal = Journal(self.out, self.step) if self.group.rank == 0 else None
        batches = self.loader.forever()
        clock = _Clock()
        try:
            while self.step < end:
                values = self._next(batches, clock)
                if journal:
                    journal.count(values)
                    if self.step % config.log == 0 or self.step == end:
                        journal.losses(self.step, self._rate(), clock.lap())
                late = self.group.agree(time.monotonic() - begun > seconds)
                if self.step % config.save == 0 or self.step == end or late:
                    self.save()
                every = config.held_out.every
                if journal and every and (self.step % every == 0 or self.step == config.steps):
                    journal.scores(self.step, self.measure())
                if report is not None:
                    report(self.step, end)
                if late:
                    break
        except (KeyboardInterrupt, SystemExit):
            self.save()
            raise

    def _next(self, batches: Iterator[Batch], clock: _Clock) -> dict[str, Tensor]:
        with clock.waiting():
            batch = next(batches)
        return self.update(batch)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """TAP-Vid's numbers of the averaged weights on the held-out clips."""
        self._clips = self._clips or make_clips(self.config.held_out)
        with self._autocast():
            return mean_scores([score(clip, predict(self.average, clip)) for clip in self._clips])

    # -- stopping and going on -----------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint (from the first process only)."""
        if self.group.rank:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        settings = asdict(self.config)
        content = {
            "step": self.step,
            "config": json.dumps(settings),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "loader": self.loader.state_dict(),
            "random": torch.get_rng_state(),
        }
        write_checkpoint(self.out / "last.pt", content)
        about = {"step": str(self.step), "model": json.dumps(settings["model"])}
        write_weights(self.out / "weights.safetensors", self.average.state_dict(), about)
        if self.step % self.config.keep == 0:
            kept = self.out / f"weights-{self.step}.safetensors"
            write_weights(kept, self.average.state_dict(), about)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; False when there is none.

        Raises
        ------
        PointtrackError
            When the checkpoint is of another network or seed.
        """
        path = self.out / "last.pt"
        if not path.exists():
            return False
        content = read_checkpoint(path)
        fill(self.network, content["network"], path)
        fill(self.average, content["average"], path)
        self.optimiser.load_state_dict(content["optimiser"])
        self.loader.load_state_dict(content["loader"])
        torch.set_rng_state(content["random"])
        self.step = int(content["step"])
        return True


def train(
    config: RunConfig,
    out: PathLike,
    device: str = "auto",
    report: Report | None = None,
    seconds: float = math.inf,
) -> int:
    """Train, or go on training, into a folder; see the module.

    Parameters
    ----------
    config
        See `RunConfig`; `read_config` reads it from a file.
    out
        The run's folder.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.
    report
        Called with (steps done, steps in all).
    seconds
        Stop after so long, with a checkpoint; for machines that are lent for a while.

    Returns
    -------
    int
        The step that the run stands at.
    """
    with processes.joined(device) as (group, where):
        trainer = Trainer(config, out, where, group)
        trainer.resume()
        trainer.run(report if group.rank == 0 else None, seconds=seconds)
        return trainer.step


class _Clock:
    """Seconds a step, and how many of them went by waiting for data."""

    def __init__(self) -> None:
        self._since, self._waited = time.perf_counter(), 0.0

    def waiting(self) -> _Waiting:
        return _Waiting(self)

    def lap(self) -> dict[str, float]:
        """Seconds since the last call, and those of waiting among them."""
        now = time.perf_counter()
        spent = {"seconds": now - self._since, "waited": self._waited}
        self._since, self._waited = now, 0.0
        return spent


class _Waiting:
    def __init__(self, clock: _Clock) -> None:
        self._clock = clock

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, *_: Any) -> None:
        self._clock._waited += time.perf_counter() - self._begin
