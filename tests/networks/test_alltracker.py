"""AllTracker: windows, reading, correlations; with the small encoder and small maps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pointtrack.networks import alltracker as module
from pointtrack.networks import alltracker_correlations
from pointtrack.networks.alltracker import AllTracker, Estimate, State
from pointtrack.networks.alltracker_correlations import Correlations
from pointtrack.networks.blocks.convnext import ConvNextBlock, ConvNextEncoder, DilatedConv2d
from pointtrack.networks.registry import outline
from pointtrack.weights.official.alltracker import recipes
from pointtrack.weights.published import PUBLISHED

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network() -> AllTracker:
    torch.manual_seed(0)
    return module.alltracker_tiny().eval().requires_grad_(False)


def estimate(frames: int = 2, height: int = 3, width: int = 4) -> Estimate:
    torch.manual_seed(1)
    state = State(*(torch.randn(frames, height, width, 2) for _ in range(2)))
    return Estimate(state, torch.randn(frames, height, width, 128))


@pytest.mark.parametrize(
    ("frames", "begins"),
    [(1, [0]), (16, [0]), (17, [0, 8]), (24, [0, 8]), (25, [0, 8, 16]), (33, [0, 8, 16, 24])],
)
def test_windows_begin_every_eighth_frame_until_all_are_seen(frames: int, begins: list) -> None:
    assert module.starts(frames) == begins


def test_a_state_is_handed_on_with_the_last_frame_standing_still() -> None:
    flow = torch.arange(16.0).view(16, 1, 1, 1).expand(-1, 2, 2, 2)
    after = module.handed_on(State(flow, 2 * flow))
    assert after.flow[:, 0, 0, 0].tolist() == [*range(8, 16), *[15] * 8]
    torch.testing.assert_close(after.logits, 2 * after.flow)


@torch.inference_mode()
def test_reading_points_is_reading_the_whole(network: AllTracker) -> None:
    found = estimate()
    dense = network.dense(found)
    assert dense.flow.shape == (2, 24, 32, 2)
    xy = torch.tensor([[0.0, 0.0], [31.0, 23.0], [7.5, 8.0], [13.25, 22.75], [30.9, 0.1]])
    read = network.read(found, xy)
    x, y = xy.T
    grid = torch.stack([2 * x / 31 - 1, 2 * y / 23 - 1], dim=-1)[None, None].expand(2, -1, -1, -1)
    wanted = F.grid_sample(dense.flow.permute(0, 3, 1, 2), grid, align_corners=True)
    torch.testing.assert_close(read.flow, wanted[:, :, 0].mT, atol=1e-4, rtol=1e-4)
    whole = network.read(found, xy.round())
    at = xy.round().long()
    torch.testing.assert_close(whole.visibility, dense.visibility[:, at[:, 1], at[:, 0]])
    torch.testing.assert_close(whole.confidence, dense.confidence[:, at[:, 1], at[:, 0]])


@torch.inference_mode()
def test_tables_made_anew_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    anchor, maps = torch.randn(16, 16, 8), torch.randn(3, 16, 16, 8)
    flow = 6 * torch.randn(3, 16, 16, 2)
    kept = Correlations(anchor, maps).around(flow, slice(None))
    monkeypatch.setattr(alltracker_correlations, "LARGEST_VOLUME", 1 << 17)  # one frame's
    monkeypatch.setattr(alltracker_correlations, "AT_ONCE", 1 << 13)
    some = Correlations(anchor, maps)
    assert len(some._kept) == 1
    torch.testing.assert_close(some.around(flow, slice(None)), kept)
    torch.testing.assert_close(some.around(flow[1:2], slice(1, 2)), kept[1:2])


@torch.inference_mode()
def test_correlations_are_interpolated_products_with_edges_going_on() -> None:
    torch.manual_seed(0)
    anchor, maps = torch.randn(16, 32, 8), torch.randn(1, 16, 32, 8)
    flow = 10 * torch.randn(1, 16, 32, 2)
    found = Correlations(anchor, maps).around(flow, slice(None))[0, 5, 9].view(5, 9, 9)
    at = torch.tensor([9.0, 5.0]) + flow[0, 5, 9]
    for level in range(5):
        smaller = F.avg_pool2d(maps.permute(0, 3, 1, 2), 2**level) if level else None
        grid = maps[0] if smaller is None else smaller[0].permute(1, 2, 0)
        table = (grid @ anchor[5, 9] / 8**0.5).numpy()  # h w
        for i, j in ((0, 0), (4, 4), (8, 1)):  # columns first
            x, y = (at / 2**level + torch.tensor([i - 4.0, j - 4.0])).tolist()
            x, y = np.clip(x, 0, table.shape[1] - 1), np.clip(y, 0, table.shape[0] - 1)
            x0, y0 = int(x), int(y)
            x1, y1 = min(x0 + 1, table.shape[1] - 1), min(y0 + 1, table.shape[0] - 1)
            top = table[y0, x0] * (1 - x + x0) + table[y0, x1] * (x - x0)
            low = table[y1, x0] * (1 - x + x0) + table[y1, x1] * (x - x0)
            wanted = top * (1 - y + y0) + low * (y - y0)
            assert found[level, i, j].item() == pytest.approx(wanted, abs=1e-4)


@torch.inference_mode()
def test_frames_are_followed_once_each_and_overlaps_belong_to_one_window(
    network: AllTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def refine(anchor: object, maps: torch.Tensor, state: State | None, _: int) -> Estimate:
        seen.append(maps[:, 0, 0, 0].tolist())
        mark = torch.full((16, 1, 1, 2), float(len(seen)))
        return Estimate(State(mark, mark), maps)

    monkeypatch.setattr(network, "refine", refine)
    maps = torch.arange(20.0).view(20, 1, 1, 1)
    for overlaps, windows in (("last", [1] * 8 + [2] * 12), ("first", [1] * 16 + [2] * 4)):
        seen.clear()
        parts = list(network.follow(maps, 1, overlaps))  # type: ignore[arg-type]
        assert seen == [list(range(16)), [*range(8, 20), *[19] * 4]]
        assert torch.cat([part.features for _, part in parts]).flatten().tolist() == [*range(20)]
        marks = torch.cat([part.state.flow for _, part in parts])[:, 0, 0, 0]
        assert marks.tolist() == windows
        assert [first for first, _ in parts] == ([0, 8] if overlaps == "last" else [0, 16])


def test_times_of_other_windows_lie_between(network: AllTracker) -> None:
    torch.testing.assert_close(network._times(16), network.time)
    torch.testing.assert_close(network._times(1), network.time[1:2])
    torch.testing.assert_close(network._times(8), (network.time[::2] + network.time[1::2]) / 2)


def test_pictures_are_padded_to_multiples_of_64_at_least_128() -> None:
    assert module.padding_of(200, 240) == (8, 8, 28, 28)
    assert module.padding_of(64, 129) == (31, 32, 32, 32)


def test_a_convolution_of_every_second_cell_is_that_of_four_maps() -> None:
    torch.manual_seed(0)
    layer, maps = DilatedConv2d(5, 7), torch.randn(2, 6, 8, 5)
    wanted = F.conv2d(maps.permute(0, 3, 1, 2), layer.weight, layer.bias, padding=2, dilation=2)
    torch.testing.assert_close(layer(maps), wanted.permute(0, 2, 3, 1), atol=1e-5, rtol=1e-5)
    odd = layer(maps[:, :5])
    assert odd.shape == (2, 5, 8, 7)


def test_a_convnext_block_is_the_published_one_without_its_scale() -> None:
    torch.manual_seed(0)
    block, maps = ConvNextBlock(6), torch.randn(2, 9, 8, 6)
    x = F.conv2d(maps.permute(0, 3, 1, 2), block.around.weight, block.around.bias, 1, 3, 1, 6)
    x = block.norm(x.permute(0, 2, 3, 1))
    wanted = maps + block.narrow(F.gelu(block.widen(x)))
    torch.testing.assert_close(block(maps), wanted, atol=1e-5, rtol=1e-5)
    encoder = ConvNextEncoder(10, (4, 6, 8), (1, 1, 1))
    assert encoder(torch.randn(1, 3, 64, 32)).shape == (1, 8, 4, 10)


@pytest.mark.parametrize("name", ["alltracker", "alltracker_tiny"])
def test_every_tensor_has_a_recipe_and_parameters_are_as_many_as_published(name: str) -> None:
    shapes = outline(name)
    made = recipes(shapes, name).tensors
    assert made.keys() == shapes.state_dict().keys()
    blocks = [part for part in shapes.modules() if isinstance(part, ConvNextBlock)]
    scales = sum(part.norm.weight.numel() for part in blocks)  # within their last layers
    count = sum(value.numel() for value in shapes.parameters())
    assert count + scales == PUBLISHED[name].parameters
