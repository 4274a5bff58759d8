"""Track-On2's weights: two files that make one network, and batch norm that is folded away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.errors import WeightsError
from pointtrack.networks.registry import outline
from pointtrack.trackers.neural.trackon_models import whole_weights
from pointtrack.weights import PUBLISHED
from pointtrack.weights.official import load_official, trackon
from pointtrack.weights.official.loading import fits
from pointtrack.weights.official.trackon import TRANSFORMERS
from pointtrack.weights.recognise import check_variant

WIDTHS = {"query_key_value": 384, "widen": 1536, "output": 384, "narrow": 384}


@pytest.fixture(scope="module", params=["trackon2", "trackon2_dinov2"])
def variant(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(variant: str) -> nn.Module:
    return outline(variant)


@pytest.fixture(scope="module")
def official(variant: str, network: nn.Module) -> dict[str, Tensor]:
    """Tensors of the published shapes that take no room."""
    shapes: dict[str, tuple[int, ...]] = {}
    places = network.state_dict()
    for ours, recipe in trackon.recipes(network, variant).tensors.items():
        for name in recipe.names:
            shapes[name] = shape(name, ours, tuple(places[ours].shape))
    return {name: torch.ones(1).expand(shape) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def rest(variant: str, official: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the authors publish: all but the transformer."""
    root = TRANSFORMERS[variant]
    return {key: value for key, value in official.items() if not key.startswith(root)}


def shape(name: str, ours: str, place: tuple[int, ...]) -> tuple[int, ...]:
    if re.search(r"vit_encoder\.norm\d\.\w+$|lambda1$|spm\.fc1\.bias$|up\.bias$", name):
        return (384,)
    if re.search(r"spm\.(stem|conv\d)\.\d\.(bias|weight|running_\w+)$", name) and not re.search(
        r"(stem\.[036]|conv\d\.0)\.weight$", name
    ):
        return (place[0],)
    special = {
        "t_embedding": (1, 25, 256),
        "ms_corr_proj.weight": (1, 4, 1, 1),
        "backbone.vit_encoder.up.weight": (384, 384, 2, 2),
        "backbone.vit_encoder.spm.fc1.weight": (384, 64, 1, 1),
        "backbone.projections.0.0.weight": (256, 384),
    }
    if name in special:
        return special[name]
    if re.fullmatch(r"backbone\.projections\.\d\.0\.weight", name):
        return (256, 384)
    part = ours.split(".")[-2]
    if ours.startswith("encoder.transformer.layers.") and part in WIDTHS:
        return (WIDTHS[part], *place[1:])
    if re.search(r"spm\.fc\d\.weight$|fpn\.lateral\d+\.0\.weight$", name):
        return (*place, 1, 1)
    return place


def test_every_tensor_of_ours_has_a_recipe_that_fits(
    variant: str, network: nn.Module, official: dict[str, Tensor]
) -> None:
    recipes = trackon.recipes(network, variant).tensors
    assert recipes.keys() == network.state_dict().keys()
    assert fits(network, variant, official)


def test_what_is_missing_unknown_or_misshapen_is_named(
    variant: str, network: nn.Module, official: dict[str, Tensor]
) -> None:
    inside = next(name for name in official if name.startswith(TRANSFORMERS[variant]))
    for name in ("projection1.bias", inside):
        less = {key: value for key, value in official.items() if key != name}
        with pytest.raises(WeightsError, match=re.escape(name)):
            load_official(network, variant, less)
    with pytest.raises(WeightsError, match=r"projection3\.bias"):
        load_official(network, variant, {**official, "projection3.bias": torch.zeros(1)})
    wrong = {**official, "t_embedding": torch.zeros(1, 26, 256)}
    with pytest.raises(WeightsError, match="'t_embedding' has shape"):
        load_official(network, variant, wrong)
    losses_only = {"reranking_head.score_layer.weight": torch.zeros(1, 256)}
    assert fits(network, variant, {**official, **losses_only})


def test_a_checkpoint_without_its_transformer_is_known_and_says_where_to_get_it(
    variant: str, network: nn.Module, rest: dict[str, Tensor]
) -> None:
    assert fits(network, variant, rest)
    with pytest.raises(WeightsError, match=r"without DINOv[23]'s.* transformer"):
        load_official(network, variant, rest)
    with pytest.raises(WeightsError, match=r"is a checkpoint of trackon2\b.*, not of raft_small"):
        check_variant(PUBLISHED["raft_small"], rest, "mine.pt")


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_checkpoint_and_its_transformer_make_the_whole(
    prefix: str,
    variant: str,
    official: dict[str, Tensor],
    rest: dict[str, Tensor],
    tmp_path: Path,
) -> None:
    root = TRANSFORMERS[variant]
    other = {
        (prefix if "layer." in key else "") + key.removeprefix(root): value
        for key, value in official.items()
        if key.startswith(root)
    }
    torch.save({"model": rest}, tmp_path / "trackon.pt")
    torch.save(other, tmp_path / "dino.pt")
    made = whole_weights(PUBLISHED[variant], tmp_path / "trackon.pt", tmp_path / "dino.pt")
    assert isinstance(made, dict)
    assert {name: value.shape for name, value in made.items()} == {
        name: value.shape for name, value in official.items()
    }


def test_the_transformer_that_must_be_asked_for_is_not_downloaded() -> None:
    """Whoever has the checkpoint is told where to ask for it."""
    with pytest.raises(WeightsError, match=r"no file to download; get .*dinov3-vits16plus"):
        whole_weights(PUBLISHED["trackon2"], {"t_embedding": torch.zeros(1)}, "official")
    assert whole_weights(PUBLISHED["trackon2"], "official", None) == "official"


def test_a_checkpoint_of_the_other_kind_is_known_by_its_name(
    variant: str, rest: dict[str, Tensor], tmp_path: Path
) -> None:
    """Without their transformers the two have the same tensors."""
    other = "trackon2" if variant == "trackon2_dinov2" else "trackon2_dinov2"
    path = tmp_path / PUBLISHED[other].files[0].name
    torch.save(rest, path)
    with pytest.raises(WeightsError, match=f"is a checkpoint of {other}, not of {variant}"):
        whole_weights(PUBLISHED[variant], path, tmp_path / "dino.pt")


def test_batch_norm_is_folded_into_what_stands_before_or_behind_it() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6).eval()
    for value in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(value)  # type: ignore[arg-type]
    nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
    line = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    x = torch.randn(2, 4, 5, 7)
    weight = torch.randn(6, 4, 3, 3)
    folded = F.conv2d(x, trackon._convolution(weight, *line), trackon._line(*line)[1])  # type: ignore[arg-type]
    torch.testing.assert_close(folded, norm(F.conv2d(x, weight)))


def test_the_finest_map_is_that_of_the_published_layers() -> None:
    """Transposed convolution, sum, batch norm and projection, as two matrices and an addend."""
    torch.manual_seed(0)
    up, widen = nn.ConvTranspose2d(5, 6, 2, 2), nn.Conv2d(3, 6, 1)
    norm, project = nn.BatchNorm2d(6).eval(), nn.Linear(6, 4)
    nn.init.normal_(norm.running_mean)  # type: ignore[arg-type]
    coarse, fine = torch.randn(1, 5, 2, 3), torch.randn(1, 3, 4, 6)
    expected = project(norm(up(coarse) + widen(fine)).movedim(1, -1))
    line = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
    kernel = trackon._upsampled(project.weight, up.weight, *line)  # type: ignore[arg-type]
    bias = trackon._finest_bias(project.weight, project.bias, widen.bias, up.bias, *line)  # type: ignore[arg-type]
    recipe = trackon._recipe("encoder.finest.weight", "trackon2")
    inner = recipe.make(project.weight, widen.weight, *line)
    four = F.linear(coarse.movedim(1, -1), kernel).view(1, 2, 3, 2, 2, 4)
    found = four.permute(0, 1, 3, 2, 4, 5).reshape(1, 4, 6, 4)
    found = found + F.linear(fine.movedim(1, -1), inner, bias)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
