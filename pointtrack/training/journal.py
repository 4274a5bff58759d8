"""A run's log: CSV files always, TensorBoard where it is installed."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pointtrack.files import atomic_path


class Journal:
    """Writes losses and scores of a run into its folder.

    Parameters
    ----------
    folder
        The run's.
    step
        Where the run goes on; what an earlier attempt wrote beyond is dropped.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._board = folder, _board(folder, step)
        self._waiting: list[dict[str, Tensor]] = []
        for name in ("log.csv", "scores.csv"):
            _drop_after(folder / name, step)

    def count(self, values: Mapping[str, Tensor]) -> None:
        """Losses of one step, for the next line."""
        # On a GPU nothing waits for these before the line is written.
        self._waiting.append(dict(values))

    def losses(self, step: int, rate: float, spent: Mapping[str, float]) -> None:
        """One line: the rate, mean losses since the line before, and seconds."""
        names = self._waiting[0]
        means = {n: float(torch.stack([v[n] for v in self._waiting]).mean()) for n in names}
        self._waiting.clear()
        self._write("log.csv", step, {"rate": rate, **means, **spent}, "train")

    def scores(self, step: int, values: Mapping[str, float]) -> None:
        """One line of scores on held-out clips."""
        self._write("scores.csv", step, values, "held out")

    def _write(self, name: str, step: int, values: Mapping[str, float], kind: str) -> None:
        path = self._folder / name
        fresh = not path.exists() or not path.stat().st_size
        with path.open("a", newline="") as file:
            writer = csv.writer(file)
            if fresh:
                writer.writerow(["step", *values])
            writer.writerow([step, *(f"{value:.6g}" for value in values.values())])
        if self._board is not None:
            for key, value in values.items():
                self._board.add_scalar(f"{kind}/{key}", value, step)


def _drop_after(path: Path, step: int) -> None:
    if not path.exists():
        return
    with path.open(newline="") as file:
        head, *rows = list(csv.reader(file)) or [[]]
    kept = [row for row in rows if row and int(row[0]) <= step]
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        csv.writer(file).writerows([head, *kept] if kept else [])


def _board(folder: Path, step: int) -> Any:
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / "board"), purge_step=step + 1)
