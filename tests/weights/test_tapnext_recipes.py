"""TAPNext: PyTorch's names and JAX's, what wraps them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pointtrack.errors import WeightsError
from pointtrack.networks.registry import outline
from pointtrack.networks.tapnext import TapNext
from pointtrack.weights import PUBLISHED
from pointtrack.weights.files import read_tensors, unwrap
from pointtrack.weights.official import load_official
from pointtrack.weights.recognise import check_variant

WIDTH, DEPTH, HEADS = 24, 2, 3
PART = WIDTH // HEADS


def port_shapes(width: int, depth: int, heads: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes as the published file has them."""
    part, wide = width // heads, 4 * width
    shapes: dict[str, tuple[int, ...]] = {
        "image_pos_emb": (1, 1024, width),
        "mask_token": (1, 1, 1, width),
        "unknown_token": (1, 1, width),
        "point_query_token": (1, 1, 1, width),
        "lin_proj.weight": (width, 3, 8, 8),
        "lin_proj.bias": (width,),
        "encoder_norm.weight": (width,),
        "encoder_norm.bias": (width,),
    }
    linear = {
        "recurrent_block.linear_y": (width, width),
        "recurrent_block.linear_x": (width, width),
        "recurrent_block.linear_out": (width, width),
        "mlp_block.ffw_down": (width, wide),
    }
    other = {
        "temporal_pre_norm.scale": (width,),
        "channel_pre_norm.scale": (width,),
        "recurrent_block.conv_1d.w": (4, width),
        "recurrent_block.conv_1d.b": (width,),
        "recurrent_block.rg_lru.a_param": (width,),
        "mlp_block.ffw_up.w": (2, width, wide),
        "mlp_block.ffw_up.b": (2, 1, 1, wide),
    }
    for gate in ("input_gate", "a_gate"):
        other[f"recurrent_block.rg_lru.{gate}.w"] = (heads, part, part)
        other[f"recurrent_block.rg_lru.{gate}.b"] = (heads, part)
    for i in range(depth):
        for name, shape in linear.items():
            shapes[f"blocks.{i}.ssm_block.{name}.weight"] = shape
            shapes[f"blocks.{i}.ssm_block.{name}.bias"] = shape[:1]
        shapes |= {f"blocks.{i}.ssm_block.{name}": shape for name, shape in other.items()}
        vit = f"blocks.{i}.vit_block"
        for name in ("ln_1", "ln_2"):
            shapes |= {f"{vit}.{name}.weight": (width,), f"{vit}.{name}.bias": (width,)}
        shapes[f"{vit}.self_attention.in_proj_weight"] = (3 * width, width)
        shapes[f"{vit}.self_attention.in_proj_bias"] = (3 * width,)
        for name, shape in {
            "self_attention.out_proj": (width, width),
            "mlp.0": (wide, width),
            "mlp.3": (width, wide),
        }.items():
            shapes |= {f"{vit}.{name}.weight": shape, f"{vit}.{name}.bias": shape[:1]}
    for head, outputs in (("visible_head", 1), ("coordinate_head", 512)):
        for layer, shape in {0: (256, width), 3: (256, 256), 6: (outputs, 256)}.items():
            shapes |= {f"{head}.{layer}.weight": shape, f"{head}.{layer}.bias": shape[:1]}
        for layer in (1, 4):
            shapes |= {f"{head}.{layer}.weight": (256,), f"{head}.{layer}.bias": (256,)}
    return shapes


def port_tensors() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn(s) for name, s in port_shapes(WIDTH, DEPTH, HEADS).items()}


def flax_arrays(state: dict[str, Tensor]) -> dict[str, NDArray]:
    """The same as JAX stores it, written from the page's table."""
    arrays: dict[str, NDArray] = {}
    for name, value in state.items():
        array = value.numpy()
        matrix = array.T if array.ndim == 2 else array
        kind = name.rpartition(".")[2]
        if name.startswith("lin_proj"):
            array = array.transpose(2, 3, 1, 0)[None] if array.ndim == 4 else array
            end = "kernel" if kind == "weight" else "bias"
            arrays[f"backbone/embedding/{end}"] = array
        elif name == "image_pos_emb":
            arrays["backbone/pos_embedding"] = array
        elif name.endswith("_token"):
            arrays[f"backbone/{name}"] = array
        elif name.startswith("encoder_norm"):
            end = "scale" if kind == "weight" else "bias"
            arrays[f"backbone/Transformer/encoder_norm/{end}"] = array
        elif "_head." in name:
            head, layer, _ = name.split(".")
            end = {"1": "scale", "4": "scale"}.get(layer, "kernel") if kind == "weight" else "bias"
            arrays[f"{head}/layers_{layer}/{end}"] = matrix
        else:
            number, block, rest = name.split(".")[1], name.split(".")[2], name.split(".")[3:]
            place = f"backbone/Transformer/encoderblock_{number}/{block}"
            if block == "ssm_block":
                path = "/".join(rest).replace("weight", "kernel")
                arrays[f"{place}/{path}"] = matrix if kind == "weight" else array
            else:
                arrays |= flax_attention(place, rest, array)
    return arrays


def flax_attention(place: str, rest: list[str], array: NDArray) -> dict[str, NDArray]:
    kind = "kernel" if rest[-1].endswith("weight") else "bias"
    attention = f"{place}/MultiHeadDotProductAttention_0"
    if rest[-1].startswith("in_proj"):
        parts = dict(zip(("query", "key", "value"), np.split(array, 3), strict=True))
        shape = (WIDTH, HEADS, PART) if kind == "kernel" else (HEADS, PART)
        return {f"{attention}/{n}/{kind}": p.T.reshape(shape) for n, p in parts.items()}
    if rest[1] == "out_proj":
        out = array.T.reshape(HEADS, PART, WIDTH) if kind == "kernel" else array
        return {f"{attention}/out/{kind}": out}
    if rest[0] == "mlp":
        return {f"{place}/MlpBlock_0/Dense_{int(rest[1]) // 3}/{kind}": array.T}
    end = "scale" if kind == "kernel" else "bias"
    return {f"{place}/LayerNorm_{int(rest[0][-1]) - 1}/{end}": array}


def network() -> TapNext:
    return TapNext(WIDTH, DEPTH, HEADS)


def test_the_shapes_are_those_of_the_whole_network() -> None:
    whole = outline("tapnext")
    shapes = port_shapes(768, 12, 12)
    load_official(whole, "tapnext", {n: torch.empty(s, device="meta") for n, s in shapes.items()})
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == PUBLISHED["tapnext"].parameters
    assert len(shapes) == 400


def test_jaxs_file_has_the_same_numbers_in_its_own_axes(tmp_path: Path) -> None:
    state = port_tensors()
    arrays = flax_arrays(state)
    assert len(arrays) == 400 - (12 - DEPTH) * 31 + DEPTH * 4  # queries, keys, values apart
    np.savez(tmp_path / "tapnext_ckpt.npz", **arrays)  # type: ignore[arg-type]
    ours = load_official(network(), "tapnext", state)
    theirs = load_official(network(), "tapnext", read_tensors(tmp_path / "tapnext_ckpt.npz"))
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, value in ours.state_dict().items():
        assert torch.equal(value, theirs.state_dict()[name]), name
        assert value.numel() == 1 or value.std() > 0.5


def test_a_training_wraps_its_tensors_and_may_store_the_table_of_places(tmp_path: Path) -> None:
    state = port_tensors()
    table = torch.zeros(1, 65536, WIDTH)
    plain = load_official(network(), "tapnext", {**state, "query_pos_embed": table})
    torch.save({"state_dict": {f"tapnext.{n}": v for n, v in state.items()}}, tmp_path / "a.ckpt")
    wrapped = load_official(network(), "tapnext", read_tensors(tmp_path / "a.ckpt"))
    for name, value in plain.state_dict().items():
        assert torch.equal(value, wrapped.state_dict()[name]), name


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("blocks.1.ssm_block.mlp_block.ffw_up.b", (2, 1, 2, 48)),
        ("blocks.0.ssm_block.recurrent_block.linear_x.weight", (WIDTH, 25)),
        ("blocks.0.ssm_block.recurrent_block.rg_lru.a_gate.w", (HEADS, PART, 9)),
        ("mask_token", (1, 1, 2, WIDTH // 2)),
        ("image_pos_emb", (1, 4096, WIDTH)),
    ],
)
def test_tensors_that_do_not_fit_are_named(name: str, shape: tuple[int, ...]) -> None:
    state = port_tensors()
    for changed, words in (
        ({k: v for k, v in state.items() if k != name}, f"missing, the first is '{name}'"),
        ({**state, "zebra": torch.zeros(1)}, "1 tensors that it does not have.*'zebra'"),
        ({**state, name: torch.zeros(shape)}, f"'{name}' has shape"),
    ):
        with pytest.raises(WeightsError, match=words):
            load_official(network(), "tapnext", changed)


def test_jaxs_tensors_are_loaded_as_strictly() -> None:
    arrays = flax_arrays(port_tensors())
    name = "backbone/Transformer/encoderblock_1/vit_block/MlpBlock_0/Dense_0/kernel"
    with pytest.raises(WeightsError, match="missing"):
        load_official(network(), "tapnext", {k: v for k, v in arrays.items() if k != name})
    with pytest.raises(WeightsError, match=f"'{name}' has shape"):
        load_official(network(), "tapnext", {**arrays, name: arrays[name].T})
    with pytest.raises(WeightsError, match="'backbone/extra'"):
        load_official(network(), "tapnext", {**arrays, "backbone/extra": arrays[name]})


def test_the_four_trainings_are_known_by_their_files_and_other_models_by_their_tensors() -> None:
    shapes = port_shapes(768, 12, 12)
    tensors = unwrap({f"tapnext.{n}": torch.empty(s, device="meta") for n, s in shapes.items()})
    check_variant(PUBLISHED["tapnextpp"], tensors, "mine.pt")
    check_variant(PUBLISHED["tapnextpp_512"], tensors, "there/tapnextpp_512.ckpt")
    with pytest.raises(WeightsError, match="is a checkpoint of bootstapnext, not of tapnextpp;"):
        check_variant(PUBLISHED["tapnextpp"], tensors, "bootstapnext_ckpt.npz")
    with pytest.raises(WeightsError, match=r"a checkpoint of tapnextpp or .*, not of tapir; use"):
        check_variant(PUBLISHED["tapir"], tensors, "mine.pt")
