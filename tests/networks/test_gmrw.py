"""GMRW: attention in rectangles, matching, chains and the loss."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks import gmrw
from pointtrack.networks.gmrw_chain import chain, enlarged, pair, visible
from pointtrack.networks.registry import outline
from pointtrack.training import losses_gmrw as losses
from pointtrack.weights.official.gmrw import recipes
from pointtrack.weights.published import PUBLISHED

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def network() -> gmrw.Gmrw:
    torch.manual_seed(0)
    return gmrw.gmrw().eval().requires_grad_(False)


def rolled(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Shifted windows as published: ``(h, w, C)`` rolled, masked, rolled back."""
    height, width, channels = query.shape
    half = height // 2, width // 2
    shift = half[0] // 2, half[1] // 2
    back = (-shift[0], -shift[1])
    query, key, value = (torch.roll(x, back, (0, 1)) for x in (query, key, value))
    label = torch.zeros(height, width)
    down = [slice(0, -half[0]), slice(-half[0], -shift[0]), slice(-shift[0], None)]
    right = [slice(0, -half[1]), slice(-half[1], -shift[1]), slice(-shift[1], None)]
    for number, (a, b) in enumerate(itertools.product(down, right)):
        label[a, b] = number
    found = torch.empty_like(query)
    for a, b in itertools.product(*([slice(0, n), slice(n, None)] for n in half)):
        q, k, v = (x[a, b].reshape(-1, channels) for x in (query, key, value))
        names = label[a, b].flatten()
        scores = q @ k.T / channels**0.5 - 100.0 * (names[:, None] != names)
        found[a, b] = (scores.softmax(-1) @ v).view(*query[a, b].shape)
    return torch.roll(found, shift, (0, 1))


@pytest.mark.parametrize("size", [(8, 12), (10, 14)])
def test_shifted_windows_are_rectangles_of_the_picture(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, *size, 16)
    found = gmrw.attend(query[None], key[None], value[None], shifted=True)[0]
    torch.testing.assert_close(found, rolled(query, key, value), atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_a_pair_the_other_way_round_answers_the_other_way_round(network: gmrw.Gmrw) -> None:
    maps = network.encode(torch.rand(2, 3, 32, 48))
    first, second = network.exchange(maps[:1], maps[1:])
    again = network.exchange(maps[1:], maps[:1])
    torch.testing.assert_close(again[0], second, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(again[1], first, atol=1e-5, rtol=1e-5)


def test_positions_repeat_in_each_quarter_rows_first() -> None:
    made = gmrw.positions(8, 12)
    torch.testing.assert_close(made[:4, :6], made[4:, 6:])
    assert made[0, 0, 0].item() == pytest.approx(1, abs=1e-5)  # a quarter of a turn
    assert (made[0, :, :64] == made[0, :1, :64]).all()
    assert (made[:, 0, 64:] == made[:1, 0, 64:]).all()


@pytest.mark.parametrize("readout", ["mean", "best", "around_best"])
def test_places_in_portions_are_those_of_the_whole_table(
    readout: gmrw.Readout, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    rows, maps = torch.randn(20, 16), torch.randn(5, 7, 16)
    shares = gmrw.probabilities(rows, maps, 2.0)
    torch.testing.assert_close(shares.sum(-1), torch.ones(20))
    x, y = gmrw.cells(5, 7).T
    best = shares.argmax(-1)
    wanted = torch.stack([shares @ x, shares @ y], -1)
    if readout != "mean":
        wanted = torch.stack([x[best], y[best]], -1)
    if readout == "around_best":
        near = (x - wanted[:, :1]) ** 2 + (y - wanted[:, 1:]) ** 2 < 4
        kept = shares * near / (shares * near).sum(-1, keepdim=True)
        wanted = torch.stack([kept @ x, kept @ y], -1)
    monkeypatch.setattr(gmrw, "AT_ONCE", 70)
    found = gmrw.places(rows, maps, 2.0, readout, window=2.0)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_flow_at_points_is_that_of_all_pixels_and_goes_on_outside() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(2, 6, 8, 16)
    size = (21, 30)
    whole = gmrw.resized(gmrw.flow(first, second, 2.0), size)
    xy = torch.tensor([[0.0, 0.0], [29.0, 20.0], [13.7, 8.2], [-5.0, 7.5], [40.0, 25.0]])
    found = gmrw.flow_at(first, second, xy, size, 2.0)
    grid = 2 * xy / torch.tensor([29.0, 20.0]) - 1
    wanted = F.grid_sample(
        whole.permute(2, 0, 1)[None], grid[None, None], padding_mode="border", align_corners=True
    )[0, :, 0].T
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


class Shift:
    """The same flow everywhere, and one back that may miss."""

    def __init__(self, flow: tuple[float, float], miss: float = 0.0) -> None:
        self._flow, self._miss = torch.tensor(flow).float(), miss

    def ahead(self, xy: Tensor) -> Tensor:
        return self._flow.expand_as(xy)

    def back(self, xy: Tensor) -> Tensor:
        return (self._miss - self._flow).expand_as(xy)


def test_chains_go_both_ways_and_hide_where_a_step_does_not_come_back() -> None:
    steps = [Shift((2, 1)), Shift((2, 1), miss=9), Shift((2, 1)), Shift((30, 0))]
    queries = torch.tensor([[0.0, 5, 5], [3.0, 11, 8]])
    tracks, seen = chain(steps, queries, (20, 30))
    assert tracks[0, :, 0].tolist() == [5, 7, 9, 11, 41]
    assert seen[0].tolist() == [True, False, False, True, False]
    assert tracks[1, :, 1].tolist() == [14, 15, 7, 8, 8]
    assert seen[1, 3]


def test_the_first_and_last_frames_have_one_neighbour() -> None:
    xy, error = torch.full((1, 3, 2), 5.0), torch.tensor([[0.0, 4.0]])
    assert visible(xy, error, (10, 10)).tolist() == [[True, False, False]]


@torch.inference_mode()
def test_a_video_is_the_flow_of_its_pairs(network: gmrw.Gmrw) -> None:
    video = 255 * torch.rand(2, 3, 16, 24)
    there, back = network(video)
    maps = network.encode(video)
    xy = torch.tensor([[3.0, 4.0], [20.0, 15.0]])
    step = pair(network, maps[0], maps[1], (16, 24))
    torch.testing.assert_close(step.ahead(xy), there[0, [4, 15], [3, 20]], atol=1e-4, rtol=1e-4)
    turned = step.reversed().ahead(xy)
    torch.testing.assert_close(turned, back[0, [4, 15], [3, 20]], atol=1e-4, rtol=1e-4)
    assert enlarged(video, 2).shape == (2, 3, 32, 48)
    with pytest.raises(ValueError, match="multiples of 8, found 20 x 16"):
        network.encode(torch.zeros(1, 3, 16, 20))


# --- loss ----------------------------------------------------------------------------------------


def matrices(count: int) -> list[Tensor]:
    torch.manual_seed(0)
    return list(torch.randn(count, 2, 12, 12).softmax(-1))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_ends_of_walks_are_entries_of_the_product(count: int) -> None:
    steps, ends = matrices(count), torch.randint(0, 12, (2, 12))
    product = steps[0]
    for step in steps[1:]:
        product = product @ step
    wanted = product.gather(2, ends[..., None])[..., 0]
    torch.testing.assert_close(losses.walks(steps, ends), wanted)


def test_the_same_crop_ends_where_it_began_and_another_one_beside_it() -> None:
    same = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    found = losses.target(same, (3, 4))
    assert found.index.tolist() == [list(range(12))]
    assert found.known.all()
    aside = same + torch.tensor([[[0, 0, 2 / 3], [0, 0, 0]]])  # one cell of four
    found = losses.target(aside, (3, 4))
    assert found.index[0, :3].tolist() == [1, 2, 3]
    assert found.known[0].view(3, 4)[:, 3].tolist() == [False] * 3


def test_cells_without_an_end_do_not_count() -> None:
    steps, ends = matrices(2), torch.zeros(2, 12, dtype=torch.long)
    some = torch.zeros(2, 12, dtype=torch.bool)
    some[0, 3] = True
    found = losses.cycle_loss(steps, losses.Target(ends, some))
    wanted = -(steps[0] @ steps[1])[0, 3, 0].log()
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)
    right = losses.Target((steps[0] @ steps[1]).argmax(-1), torch.ones_like(some))
    assert losses.accuracy(steps, right).item() == pytest.approx(1, abs=1e-4)


def test_flow_may_bend_at_edges_of_the_picture() -> None:
    bent = torch.zeros(1, 8, 8, 2)
    bent[:, :, 4:, 0] = 5
    flat = torch.full((1, 3, 8, 8), 0.5)
    edge = flat.clone()
    edge[..., 4:] = 1
    assert losses.smoothness_loss(bent, flat) > 5 * losses.smoothness_loss(bent, edge)
    even = torch.arange(8.0).view(1, 1, 8, 1).expand(1, 8, 8, 2)
    assert losses.smoothness_loss(even, flat).item() == pytest.approx(1e-3, rel=1e-3)


def test_the_way_back_goes_through_the_other_crop() -> None:
    a, b, c, b2, a2, c2 = (torch.full((1,), float(n)) for n in range(6))
    pairs = losses.palindrome([a, b, c], [c2, b2, a2])
    assert [(x.item(), y.item()) for x, y in pairs] == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_every_tensor_has_a_recipe_and_parameters_are_as_many_as_published() -> None:
    shapes = outline("gmrw")
    assert recipes(shapes, "gmrw").tensors.keys() == shapes.state_dict().keys()
    count = sum(value.numel() for value in shapes.parameters())
    assert count == PUBLISHED["gmrw"].parameters
