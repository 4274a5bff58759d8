"""Track-On2's parts against plain twins, and what its memory of a point promises."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.trackon import Remembered, TrackOn2, support_grid
from pointtrack.networks.trackon_backbone import CHANNELS, Backbone, Maps, as_map, level_sizes
from pointtrack.networks.trackon_decoder import HEADS, Attention, DeformableBlock
from pointtrack.networks.trackon_vit import DinoV2, DinoV3, rotations, turned

SIZE = (32, 64)


@pytest.fixture(scope="module")
def network() -> TrackOn2:
    torch.manual_seed(0)
    made = TrackOn2(SIZE, memory=4).eval().requires_grad_(False)
    made.encoder = nn.Identity()  # of no use here
    return made


def maps(seed: int = 0) -> Maps:
    torch.manual_seed(seed)
    cells = [height * width for height, width in level_sizes(SIZE)]
    return Maps(torch.randn(1, sum(cells), CHANNELS), torch.randn(1, cells[0], CHANNELS))


def remembered(count: int, age: int, seed: int = 1) -> Remembered:
    torch.manual_seed(seed)
    past = torch.randn(count, age, CHANNELS)
    return Remembered(torch.randn(count, CHANNELS), past, torch.full((count,), age))


def plain(attention: Attention) -> nn.MultiheadAttention:
    twin = nn.MultiheadAttention(CHANNELS, HEADS, batch_first=True)
    twin.in_proj_weight, twin.in_proj_bias = attention.project.weight, attention.project.bias
    twin.out_proj.weight, twin.out_proj.bias = attention.output.weight, attention.output.bias
    return twin.eval()


@pytest.mark.parametrize(("queries", "keys"), [(1, 40), (3, 200), (30, 40)])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_the_plain_one_however_many_queries(
    queries: int, keys: int, masked: bool
) -> None:
    torch.manual_seed(0)
    attention = Attention()
    query, key, value = (torch.randn(2, n, CHANNELS) for n in (queries, keys, keys))
    hidden = torch.rand(2, keys) < 0.5 if masked else None
    expected = plain(attention)(query, key, value, hidden)[0]
    mask = None if hidden is None else ~hidden[:, None, None]
    torch.testing.assert_close(attention(query, key, value, mask), expected, atol=1e-5, rtol=1e-4)


def test_attention_keeps_queries_apart_that_see_different_keys() -> None:
    torch.manual_seed(0)
    attention, x = Attention(), torch.randn(1, 5, CHANNELS)
    alone = torch.eye(5, dtype=torch.bool)[None, None]
    found = attention(x, x, x, alone)
    single = x.transpose(0, 1)  # five batches of one
    expected = attention(single, single, single).transpose(0, 1)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_deformable_block_counts_its_query_twice() -> None:
    torch.manual_seed(0)
    block = DeformableBlock()
    nn.init.zeros_(block.attention.output.weight)
    nn.init.zeros_(block.attention.output.bias)
    nn.init.zeros_(block.perceptron.narrow.weight)
    nn.init.zeros_(block.perceptron.narrow.bias)
    query, places = torch.randn(1, 3, CHANNELS), torch.rand(1, 3, 2)
    found = block(query, places, maps().levels, level_sizes(SIZE))
    expected = F.layer_norm(F.layer_norm(2 * query, (CHANNELS,)), (CHANNELS,))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_rotations_turn_pairs_of_channels_by_row_and_column() -> None:
    rows, columns, channels = 3, 5, 16
    by = rotations(rows, columns, 2, channels, torch.zeros(0))
    x = torch.randn(2 + rows * columns, channels)
    found = turned(x, by)
    torch.testing.assert_close(found[:2], x[:2])  # what is no patch
    for patch in (0, 7, 14):
        row, column = divmod(patch, columns)
        for k in range(channels // 2):
            at = (2 * row + 1) / rows - 1 if k < 4 else (2 * column + 1) / columns - 1
            angle = 2 * math.pi * at * 100 ** (-(k % 4) / 4)
            first, second = x[2 + patch, k], x[2 + patch, k + channels // 2]
            expected = torch.stack(
                [
                    first * math.cos(angle) - second * math.sin(angle),
                    second * math.cos(angle) + first * math.sin(angle),
                ]
            )
            torch.testing.assert_close(
                found[2 + patch, [k, k + channels // 2]], expected, atol=1e-5, rtol=1e-4
            )


def test_points_of_different_age_remember_as_if_alone(network: TrackOn2) -> None:
    """Who sees nobody else has the same track, whoever is beside it."""
    seen, young, old = maps(), remembered(2, 1), remembered(3, 4, seed=2)
    together = old.joined(young)
    assert together.age.tolist() == [4, 4, 4, 1, 1]
    assert together.past.shape == (5, 4, CHANNELS)
    found, after = network.step(seen, together, torch.eye(5, dtype=torch.bool))
    for row in range(5):
        alone = together.chosen(torch.tensor([row]))
        cut = alone._replace(past=alone.past[:, 4 - int(alone.age) :])
        expected, then = network.step(seen, cut)
        torch.testing.assert_close(found.xy[row], expected.xy[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(after.past[row, -1], then.past[0, -1], atol=1e-4, rtol=1e-4)
    assert after.age.tolist() == [4, 4, 4, 2, 2]


def test_guests_are_seen_by_nobody(network: TrackOn2) -> None:
    seen, hosts, guests = maps(), remembered(4, 2), remembered(2, 0, seed=2)
    sees = torch.ones(6, 6, dtype=torch.bool)
    sees[:4, 4:] = False
    found, _ = network.step(seen, hosts.joined(guests), sees)
    expected, _ = network.step(seen, hosts)
    torch.testing.assert_close(found.xy[:4], expected.xy, atol=1e-4, rtol=1e-4)
    everyone, _ = network.step(seen, hosts.joined(guests))
    assert not torch.allclose(everyone.visibility_logit[:4], expected.visibility_logit, atol=1e-4)


def test_a_point_lies_within_reach_of_its_cell(network: TrackOn2) -> None:
    found, after = network.step(maps(), remembered(6, 3))
    assert found.xy.shape == (6, 2)
    assert (found.xy > -2).all()
    assert (found.xy < torch.tensor([SIZE[1] + 2, SIZE[0] + 2])).all()
    assert after.past.shape == (6, 4, CHANNELS)


def test_correlation_is_a_mean_of_cosines_at_four_strides(network: TrackOn2) -> None:
    seen, query = maps(), torch.randn(3, CHANNELS)
    sizes = level_sizes(SIZE)
    parts = seen.levels.split([height * width for height, width in sizes], dim=1)
    stacked = []
    for part, size in zip(parts, sizes, strict=True):
        alike = F.cosine_similarity(query[:, None], part, dim=-1).unflatten(1, size)
        stacked.append(F.interpolate(alike[:, None], sizes[0], mode="bilinear"))
    weight = network.level_weights.weight[..., None, None]
    expected = F.conv2d(torch.cat(stacked, dim=1), weight, network.level_weights.bias)[:, 0]
    found = network.correlate(query, seen, seen.levels[0].norm(dim=-1))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_pictures_of_another_size_have_stretched_positions() -> None:
    backbone = Backbone((32, 64), DinoV3())
    torch.testing.assert_close(backbone._positions((8, 16)), backbone.position)
    stretched = F.interpolate(backbone.position, (16, 16), mode="bilinear")
    torch.testing.assert_close(backbone._positions((16, 16)), stretched)
    tokens = torch.arange(6.0).view(1, 6, 1)
    assert as_map(tokens, (2, 3))[0, 0].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(("kind", "grid"), [(DinoV2, (4, 9)), (DinoV3, (4, 9))])
def test_an_encoder_makes_maps_at_four_strides(kind: type, grid: tuple[int, int]) -> None:
    torch.manual_seed(0)
    transformer = kind()
    encoder = Backbone((64, 128), transformer).eval().requires_grad_(False)
    tokens = []
    transformer.layers[0].register_forward_pre_hook(lambda _, given: tokens.append(given[0].shape))
    frames = torch.rand(2, 3, 64, 128) * 255
    seen = encoder(frames)
    assert seen.levels.shape == (2, 16 * 32 + 8 * 16 + 4 * 8 + 2 * 4, CHANNELS)
    assert seen.fused.shape == (2, 16 * 32, CHANNELS)
    assert tokens == [(2, transformer.others + grid[0] * grid[1], 384)]
    alone = encoder(frames[1:])  # frames do not see each other
    torch.testing.assert_close(seen.fused[1:], alone.fused, atol=1e-4, rtol=1e-4)


def test_the_support_grid_keeps_a_margin() -> None:
    grid = support_grid(3, (100, 64))
    assert grid.shape == (9, 2)
    expected: Tensor = torch.tensor([[1.0, 1.0], [32, 1], [63, 1], [1, 50]])
    torch.testing.assert_close(grid[:4], expected)
    torch.testing.assert_close(grid[-1], torch.tensor([63.0, 99.0]))
