"""The mean of several runs' weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pointtrack.errors import WeightsError
from pointtrack.networks.compact import CompactConfig, CompactNetwork
from pointtrack.training.averaging import average
from pointtrack.training.checkpoints import write_weights
from pointtrack.weights.calibration import Calibration, Curves
from pointtrack.weights.compact import load_compact, read_curves

SMALL = CompactConfig((8, 16, 16, 16), (1, 1, 1), 8, 3, 16, 8, 2)
CURVES = Curves(Calibration((0.0, 1.0), (0.1, 0.9)))


def _run(path: Path, seed: int, config: CompactConfig = SMALL, half: bool = False) -> Path:
    torch.manual_seed(seed)
    tensors = CompactNetwork(config).state_dict()
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
    about = {"model": json.dumps(config.to_dict()), **CURVES.to_header()} if half else {}
    write_weights(path, tensors, {"model": json.dumps(config.to_dict()), **about})
    return path


def test_the_mean_is_that_of_every_tensor_in_the_precision_of_the_first(tmp_path: Path) -> None:
    first = _run(tmp_path / "1.safetensors", 1, half=True)
    others = [_run(tmp_path / f"{seed}.safetensors", seed) for seed in (2, 3)]
    out = tmp_path / "mean.safetensors"
    average([first, *others, others[0]], out)
    one, two, three, mean = map(load_file, (first, *others, out))
    for name, tensor in mean.items():
        assert tensor.dtype == torch.float16
        expected = (one[name].float() + 2 * two[name] + three[name]) / 4
        torch.testing.assert_close(tensor.float(), expected, atol=2e-3, rtol=1e-3)
    assert read_curves(out) == CURVES
    load_compact(out)


def test_weights_of_other_networks_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    first = _run(tmp_path / "1.safetensors", 1)
    other = _run(tmp_path / "2.safetensors", 2, CompactConfig((8, 16, 16, 16), hidden=32))
    with pytest.raises(WeightsError, match="different networks"):
        average([first, other], tmp_path / "mean.safetensors")
    with pytest.raises(WeightsError, match="cannot read"):
        average([first, tmp_path / "none.safetensors"], tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()
