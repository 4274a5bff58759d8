"""Checkpoints of every kind are read, and bad ones refused in one sentence."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pointtrack.errors import WeightsError
from pointtrack.networks.registry import outline
from pointtrack.weights import PUBLISHED
from pointtrack.weights.files import read_tensors, unwrap
from pointtrack.weights.loading import load_network
from pointtrack.weights.recognise import check_variant, fits_variant

TENSORS = {"one.weight": torch.arange(6.0).reshape(2, 3), "two.bias": torch.ones(2)}


def same(found: dict[str, Any]) -> None:
    assert set(found) == set(TENSORS)
    for name, tensor in TENSORS.items():
        np.testing.assert_array_equal(np.asarray(found[name]), tensor.numpy())


@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        {"model": TENSORS, "optimizer": {"state": {}}, "total_steps": 7},
        {"state_dict": TENSORS},
        {"model_state_dict": TENSORS, "optimizer_state_dict": {}},
        {"model": {"state_dict": TENSORS}},
        {f"module.{name}": value for name, value in TENSORS.items()},
        {"model": {f"module._orig_mod.{name}": value for name, value in TENSORS.items()}},
        {
            "pytorch-lightning_version": "2.0",
            "state_dict": {
                **{f"model.{name}": value for name, value in TENSORS.items()},
                "metric.total": torch.zeros(1),
            },
        },
    ],
    ids=["flat", "model", "state_dict", "pips", "nested", "parallel", "compiled", "lightning"],
)
def test_what_training_wraps_around_is_taken_off(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "model.pth")
    same(read_tensors(tmp_path / "model.pth"))
    same(unwrap(content))


def test_old_pytorch_files_and_safetensors_and_npz(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    torch.save(TENSORS, path, _use_new_zipfile_serialization=False)
    same(read_tensors(path))
    save_file(TENSORS, path)
    same(read_tensors(path))
    np.savez(tmp_path / "model.npz", **{k: v.numpy() for k, v in TENSORS.items()})
    same(read_tensors(tmp_path / "model.npz"))


def test_haiku_checkpoints_are_flattened_from_their_root(tmp_path: Path) -> None:
    tree = {
        "params": {"outer/tapir/~/conv": {"w": np.ones((2, 3), np.float32)}},
        "state": {},
        "opt_state": [1, 2],
    }
    np.save(tmp_path / "model.npy", tree, allow_pickle=True)
    found = read_tensors(tmp_path / "model.npy")
    assert list(found) == ["tapir/~/conv.w"]


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch ran",)


@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle", "npy"])
def test_a_pickle_with_code_in_it_runs_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pth"
    content = {**TENSORS, "evil": Evil()}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Evil()))
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.array({"params": Evil()}, object), allow_pickle=True)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "torch")
    words = "not PyTorch's" if kind == "pickle" else r"(posix|nt)\.system.*could run code"
    with pytest.raises(WeightsError, match=rf"model.pth.*{words}") as problem:
        read_tensors(path)
    assert "nothing" in str(problem.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", ["pth", "safetensors", "npy", "npz"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"model.{suffix}"
    large = {"w": torch.randn(64, 64), "b": torch.randn(64)}
    if suffix == "pth":
        torch.save(large, path)
    elif suffix == "safetensors":
        save_file(large, path)
    elif suffix == "npz":
        np.savez(path, **{k: v.numpy() for k, v in large.items()})
    else:
        arrays = {k: v.numpy() for k, v in large.items()}
        np.save(path, {"params": {"tapir/~/x": arrays}}, allow_pickle=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(WeightsError, match=r"model\.") as problem:
        read_tensors(path)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"hello, weights", "is no file of weights"),
        (struct.pack("<Q", 9) + b"{" + b"x" * 20, "damaged or cut off"),
        (pickle.dumps([1, 2, 3]), "a pickle, but not PyTorch's"),
    ],
)
def test_what_is_no_file_of_weights(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=words):
        read_tensors(path)


def test_files_that_are_not_there_or_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot read .*nowhere\.pt: no such file"):
        read_tensors(tmp_path / "nowhere.pt")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    with pytest.raises(WeightsError, match="holds no tensors"):
        read_tensors(tmp_path / "empty.pt")
    torch.save(torch.ones(3), tmp_path / "one.pt")
    with pytest.raises(WeightsError, match="holds a Tensor, expected tensors by their names"):
        read_tensors(tmp_path / "one.pt")


# --- whose weights they are ---------------------------------------------------------------------


def official(variant: str) -> dict[str, torch.Tensor]:
    """Meta tensors under a variant's official names, found by what its recipes take."""
    from pointtrack.weights.official.loading import _MODULES, import_module

    network = outline(variant)
    module = import_module(f"pointtrack.weights.official.{_MODULES[variant]}")
    recipes = module.recipes(network, variant).tensors
    simple = {}
    for ours, place in network.state_dict().items():
        names = recipes[ours].names
        shape = [place.shape[0] // len(names), *place.shape[1:]]
        simple.update({name: torch.empty(shape, device="meta") for name in names})
    return simple


def test_the_online_and_the_offline_cotracker3_are_told_apart_by_their_table() -> None:
    tensors = official("cotracker3_online")
    tensors["updateformer.virual_tracks"] = torch.empty(1, 64, 1, 384, device="meta")
    for kind, own, width in (("q", 384, 384), ("kv", 768, 384)):
        for name in [n for n in tensors if f".attn.to_{kind}." in n]:
            shape = (own, width) if name.endswith("weight") else (own,)
            tensors[name] = torch.empty(shape, device="meta")
    tensors["time_emb"] = torch.empty(1, 16, 1110, device="meta")
    assert fits_variant("cotracker3_online", tensors)
    check_variant(PUBLISHED["cotracker3_online"], tensors, "mine.pth")
    with pytest.raises(
        WeightsError, match=r"mine\.pth is a checkpoint of cotracker3_online, not of cotracker3_off"
    ):
        check_variant(PUBLISHED["cotracker3_offline"], tensors, "mine.pth")


def test_another_models_weights_are_recognised() -> None:
    tensors = official("cotracker1")
    with pytest.raises(WeightsError, match=r"a checkpoint of cotracker1 or .*, not of pips; use"):
        check_variant(PUBLISHED["pips"], tensors, "model.pth")


def test_weights_that_differ_in_nothing_stored_are_known_by_their_file() -> None:
    tensors, card = official("cotracker1"), PUBLISHED["cotracker1"]
    check_variant(card, tensors, "my-own.pth")
    check_variant(card, tensors, "there/cotracker_stride_4_wind_8.pth")
    with pytest.raises(
        WeightsError, match=r"wind_16\.pth is a checkpoint of cotracker1_s8_w16, not of cotracker1;"
    ):
        check_variant(card, tensors, "there/cotracker_stride_8_wind_16.pth")


def test_missing_extra_and_misshapen_tensors_are_named_with_the_file(tmp_path: Path) -> None:
    card, path = PUBLISHED["raft_small"], tmp_path / "mine.pth"
    tensors = {name: torch.zeros(tensor.shape) for name, tensor in official("raft_small").items()}
    name = "fnet.conv1.weight"
    for changed, words in (
        ({k: v for k, v in tensors.items() if k != name}, rf"mine\.pth: .*missing.*{name}"),
        ({**tensors, "zebra": torch.zeros(1)}, r"mine\.pth: .*'zebra'"),
        ({**tensors, name: torch.zeros(2)}, rf"mine\.pth: .*{name}' has shape \(2,\)"),
    ):
        torch.save(changed, path)
        with pytest.raises(WeightsError, match=words):
            load_network(card, path)


def test_weights_that_are_asked_for_in_words() -> None:
    card = PUBLISHED["raft_small"]
    with pytest.raises(WeightsError, match=r"raft_small needs weights: .*'official' \(BSD-3"):
        load_network(card, None)
    with pytest.raises(WeightsError, match="no weights of raft_small come with pointtrack"):
        load_network(card, "bundled")
    with pytest.raises(WeightsError, match="no official weights 'huge'"):
        load_network(card, "official:huge")
    state = torch.get_rng_state()
    with pytest.warns(UserWarning, match="raft_small has random weights, which track nothing"):
        first = load_network(card, "random")
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(p.requires_grad for p in first.parameters())
