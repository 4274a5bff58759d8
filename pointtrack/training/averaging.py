"""The mean of several runs' weights (Wortsman et al., Model soups, arXiv 2203.05482).

Runs that began at the same weights and went different ways, with other seeds or clips, err in
different ways; their mean follows points better than each of them, for the same work.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from pointtrack.errors import WeightsError
from pointtrack.training.checkpoints import write_weights
from pointtrack.weights.compact import read_weights


def average(files: Sequence[Path], out: Path) -> None:
    """Write the mean of the compact network's weights.

    Parameters
    ----------
    files
        Safetensors files of runs that began at the same weights; one that is named twice counts
        twice. Precision and what the header says, its calibration too, are the first one's.
    out
        Where to write.

    Raises
    ------
    WeightsError
        When one cannot be read, or is of another network than the first.
    """
    first, about = read_weights(files[0])
    total: dict[str, Tensor] = {name: tensor.double() for name, tensor in first.items()}
    for file in files[1:]:
        tensors, _ = read_weights(file)
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if shapes != {name: tensor.shape for name, tensor in first.items()}:
            raise WeightsError(f"{file} and {files[0]} are weights of different networks")
        for name, tensor in tensors.items():
            total[name] += tensor.double()
    mean = {name: (total[name] / len(files)).to(tensor.dtype) for name, tensor in first.items()}
    write_weights(out, mean, about)
