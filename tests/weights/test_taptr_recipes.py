"""TAPTR's folded norms, packed projections and aliases; its checkpoints as files."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.errors import WeightsError
from pointtrack.networks import build
from pointtrack.weights import PUBLISHED
from pointtrack.weights.files import read_tensors
from pointtrack.weights.official import load_official
from pointtrack.weights.official.taptr import recipes
from pointtrack.weights.recognise import check_variant

BOTH = ["taptr", "taptrv2"]
ALIASES = ("transformer.decoder.bbox_embed.0.layers.0.bias", "class_embed.1.bias")


@functools.lru_cache
def network_of(variant: str) -> nn.Module:
    return build(variant)


@functools.lru_cache
def official(variant: str) -> dict[str, Tensor]:
    """Tensors that fit, under official names; what is not renamed only is random."""
    generator = torch.Generator().manual_seed(0)
    network = network_of(variant)
    made: dict[str, Tensor] = {}
    for ours, value in network.state_dict().items():
        names = recipes(network, variant).tensors[ours].names if not made else _names(variant)[ours]
        for name in names:
            shape = tuple(value.shape)
            if "in_proj" in name:
                shape = (768, *shape[1:])
            elif "backbone" in name and name.split(".")[-2].startswith(("bn", "1")):
                shape = (shape[0],)
            elif "fmap_mappers" in name and name.endswith("weight"):
                shape = (*shape, 1, 1)
            drawn = torch.rand(shape, generator=generator) + 0.5
            made.setdefault(name, drawn)
    return made


@functools.lru_cache
def _names(variant: str) -> dict[str, tuple[str, ...]]:
    found = recipes(network_of(variant), variant).tensors
    return {ours: recipe.names for ours, recipe in found.items()}


@pytest.mark.parametrize("variant", BOTH)
def test_every_tensor_of_ours_has_a_recipe_and_every_official_one_is_used(variant: str) -> None:
    assert _names(variant).keys() == network_of(variant).state_dict().keys()
    tensors = official(variant)
    load_official(network_of(variant), variant, tensors)
    learned = sum(t.numel() for name, t in tensors.items() if "running" not in name)
    heads = len(network_of(variant).decoder.layers)  # type: ignore[arg-type, union-attr]
    unread = (heads - 1) * (3 * 256 + 3)  # classes of all layers but the last
    frozen = 53_120  # of the batch norms
    assert learned + unread - frozen == PUBLISHED[variant].parameters


def test_norm_is_folded_into_the_convolution_before_it() -> None:
    tensors, x = official("taptr"), torch.randn(1, 64, 5, 5)
    load_official(network_of("taptr"), "taptr", tensors)
    place = "backbone.0.body.layer1.1."
    wanted = F.batch_norm(
        F.conv2d(x, tensors[f"{place}conv2.weight"], padding=1),
        *(
            tensors[f"{place}bn2.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        ),
    )
    block = network_of("taptr").encoder.backbone.stages[0][1]  # type: ignore[union-attr, index]
    found = F.conv2d(x, block.middle.weight, block.middle.bias, padding=1)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-4)


def test_packed_projections_are_taken_apart() -> None:
    tensors = official("taptrv2")
    load_official(network_of("taptrv2"), "taptrv2", tensors)
    ours = network_of("taptrv2").decoder.layers[3].over_time  # type: ignore[union-attr, index]
    theirs = tensors["transformer.decoder.layers.3.temp_self_attn.in_proj_weight"]
    assert torch.equal(torch.cat([ours.query_key.weight, ours.value.weight]), theirs)


def test_aliases_are_passed_over_and_nothing_else() -> None:
    tensors = official("taptr") | {name: torch.zeros(3) for name in ALIASES}
    load_official(network_of("taptr"), "taptr", tensors)
    with pytest.raises(WeightsError, match=r"not have, the first is 'class_embed\.6\.bias'"):
        load_official(network_of("taptr"), "taptr", tensors | {"class_embed.6.bias": Tensor()})
    del tensors["class_embed.5.bias"]
    with pytest.raises(WeightsError, match=r"missing, the first is 'class_embed\.5\.bias'"):
        load_official(network_of("taptr"), "taptr", tensors)


def test_the_other_ones_weights_are_recognised() -> None:
    with pytest.raises(WeightsError, match="a checkpoint of taptrv2, not of taptr; use taptrv2"):
        check_variant(PUBLISHED["taptr"], official("taptrv2"), "some.pth")
    check_variant(PUBLISHED["taptr"], official("taptr"), "some.pth")


def test_of_a_training_the_mean_of_the_weights_is_read(tmp_path: Path) -> None:
    place = tmp_path / "taptrv1.pth"
    content = {
        "model": {"module.a": torch.zeros(2)},
        "ema_model": {"module.module.a": torch.ones(2)},
        "optimizer": {"state": {}, "param_groups": []},
        "epoch": 150,
        "args": argparse.Namespace(lr=1e-4, backbone="resnet50", layers=[1, 2]),
    }
    torch.save(content, place)
    found = read_tensors(place)
    assert list(found) == ["a"]
    assert torch.equal(found["a"], torch.ones(2))
