"""DINOv2's backbones, small."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from pointtrack.errors import WeightsError
from pointtrack.networks.blocks.pictures import DEVIATION, MEAN, standardised
from pointtrack.networks.blocks.vit import SwiGlu, VitBlock, resized_positions
from pointtrack.networks.dinov2 import Dinov2
from pointtrack.networks.registry import build, outline
from pointtrack.weights.official import load_official
from pointtrack.weights.official.dinov2 import recipes
from pointtrack.weights.published import BACKBONES
from pointtrack.weights.recognise import check_variant


def small(registers: int = 0) -> Dinov2:
    torch.manual_seed(0)
    return Dinov2(64, 3, registers).eval()


def test_standardised_pictures_have_imagenets_mean_at_zero() -> None:
    mean = 255 * torch.tensor(MEAN).view(1, 3, 1, 1)
    torch.testing.assert_close(standardised(mean), torch.zeros(1, 3, 1, 1), atol=1e-6, rtol=0)
    one_off = standardised(mean + 255 * torch.tensor(DEVIATION).view(1, 3, 1, 1))
    torch.testing.assert_close(one_off, torch.ones(1, 3, 1, 1))


def test_a_block_is_plain_attention_and_a_feed_forward_network() -> None:
    torch.manual_seed(0)
    block, x = VitBlock(128), torch.randn(2, 5, 128)
    q, k, v = block.query_key_value(block.attention_norm(x)).chunk(3, dim=-1)
    heads = []
    for part in (slice(0, 64), slice(64, 128)):
        scores = (q[..., part] @ k[..., part].mT / 8).softmax(-1)
        heads.append(scores @ v[..., part])
    wanted = x + block.output(torch.cat(heads, dim=-1))
    wanted = wanted + block.feedforward(block.feedforward_norm(wanted))
    torch.testing.assert_close(block(x), wanted, atol=1e-5, rtol=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(block(x), wanted, atol=1e-5, rtol=1e-5)


def test_the_giants_gates_are_4096_wide() -> None:
    with torch.device("meta"):
        gated = SwiGlu(1536)
    assert gated.narrow.in_features == 4096
    assert gated.widen.out_features == 8192


def cubic(apart: float) -> float:
    """The weight of a value in bicubic reading, by its distance."""
    x, a = abs(apart), -0.75
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return a * (((x - 5) * x + 8) * x - 4) if x < 2 else 0.0


def test_positions_are_read_in_steps_that_the_offset_shortens() -> None:
    torch.manual_seed(0)
    side, count = 37, 20
    column = torch.randn(side)
    table = column.repeat_interleave(side)[:, None]  # the same in each row
    found = resized_positions(table, (count, count), 0.1).view(count, count)[:, 3]
    for number in range(count):
        at = (number + 0.5) * side / (count + 0.1) - 0.5
        wanted = sum(
            cubic(at - place) * column[min(max(place, 0), side - 1)].item()
            for place in range(int(at) - 2, int(at) + 4)
        )
        assert found[number].item() == pytest.approx(wanted, abs=1e-4)


def test_positions_of_the_learned_grid_are_the_table_itself() -> None:
    table = torch.randn(37 * 37, 4)
    assert resized_positions(table, (37, 37), 0.1) is table


def test_registers_lie_between_the_picture_and_its_patches_and_have_no_positions() -> None:
    network, frames = small(registers=2), torch.randint(0, 256, (2, 3, 28, 42)).float()
    with torch.no_grad():
        x = network.embed(frames)
        tokens = network(frames)
    torch.testing.assert_close(x[:, 1:3], network.registers.expand(2, -1, -1))
    assert tokens.registers.shape == (2, 2, 64)
    assert tokens.patches.shape == (2, 2, 3, 64)
    torch.testing.assert_close(network.norm(tokens.raw)[:, 0], tokens.whole)


@torch.inference_mode()
def test_features_of_a_block_stop_there_and_frames_do_not_see_each_other() -> None:
    network, frames = small(), torch.randint(0, 256, (2, 3, 28, 42)).float()
    calls = []
    network.blocks[2].register_forward_hook(lambda *_: calls.append(1))
    early, late = network.features(frames, [0, 1], normed=False)
    assert not calls
    assert early.shape == late.shape == (2, 2, 3, 64)
    (alone,) = network.features(frames[1:], [1], normed=False)
    torch.testing.assert_close(late[1:], alone, atol=1e-5, rtol=1e-5)
    (normed,) = network.features(frames, [1])
    torch.testing.assert_close(normed, network.norm(late))
    (last,) = network.features(frames, [-1])
    torch.testing.assert_close(last, network(frames).patches)


@torch.inference_mode()
def test_patches_may_overlap() -> None:
    network, frames = small(), torch.randint(0, 256, (1, 3, 28, 42)).float()
    (maps,) = network.features(frames, [0], stride=7)
    assert maps.shape == (1, 3, 5, 64)
    patches = network.embed(frames, 7)[:, 1:] - network.positions_of((3, 5))[1:]
    picture = standardised(frames)[..., 7:21, 14:28]
    wanted = F.conv2d(picture, network.patches.weight, network.patches.bias)[0, :, 0, 0]
    torch.testing.assert_close(patches[0, 1 * 5 + 2], wanted, atol=1e-4, rtol=1e-4)


def test_sides_and_blocks_are_checked() -> None:
    network = small()
    with pytest.raises(ValueError, match="multiples of 14, found 30 x 28"):
        network.embed(torch.zeros(1, 3, 28, 30))
    with pytest.raises(ValueError, match="ascending"):
        network.features(torch.zeros(1, 3, 28, 28), [1, 0])


@pytest.mark.parametrize("name", BACKBONES)
def test_cards_know_the_number_of_official_parameters(name: str) -> None:
    network = outline(name)
    made = recipes(network, name).tensors
    width = network.whole.shape[-1]
    scales = 2 * width * len(network.blocks)  # a part of the layers before them here
    count = sum(value.numel() for value in network.state_dict().values())
    assert BACKBONES[name].parameters == count + scales + width  # and the mask token
    assert made.keys() == network.state_dict().keys()


def test_official_tensors_are_taken_strictly_and_the_size_is_recognised() -> None:
    name = "dinov2_vits14"
    network = build(name)
    tensors: dict[str, torch.Tensor] = {}
    for ours, recipe in recipes(network, name).tensors.items():
        value = network.state_dict()[ours]
        tensors[recipe.names[0]] = value
        if len(recipe.names) == 2:
            tensors[recipe.names[1]] = torch.full(value.shape[:1], 2.0)
    tensors["mask_token"] = torch.zeros(1, 384)
    check_variant(BACKBONES[name], tensors, "file.pth")
    again = load_official(build(name), name, tensors)
    torch.testing.assert_close(again.blocks[3].output.weight, 2 * network.blocks[3].output.weight)
    with pytest.raises(WeightsError, match="of dinov2_vits14, not of dinov2_vitb14"):
        check_variant(BACKBONES["dinov2_vitb14"], tensors, "file.pth")
    del tensors["blocks.3.ls1.gamma"]
    with pytest.raises(WeightsError, match=r"missing, the first is 'blocks\.3\.ls1\.gamma'"):
        load_official(build(name), name, tensors)
