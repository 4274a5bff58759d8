"""The compact network: shapes, causality, independence of points, and its correlation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pointtrack.networks import compact, compact_state
from pointtrack.networks.blocks.sampling import bilinear
from pointtrack.networks.compact import CompactConfig, CompactNetwork
from pointtrack.networks.compact_encoder import STRIDES
from pointtrack.networks.compact_flow import Hints, drift, straight
from pointtrack.networks.compact_matching import cell_loss, match
from pointtrack.networks.compact_state import Answer, PointState, join, padded, steadied

SMALL = CompactConfig((8, 16, 16, 16), (1, 1, 1), channels=8, hidden=16, embedding=8)
POINTS = torch.tensor([[10.3, 12.0], [40.5, 33.25], [0.0, 47.0], [63.0, 0.5]])


@pytest.fixture(scope="module")
def network() -> CompactNetwork:
    torch.manual_seed(3)
    made = CompactNetwork(SMALL).eval().requires_grad_(False)
    torch.nn.init.normal_(made.head.out.weight, std=0.3)  # so that points really move
    return made


@pytest.fixture(scope="module")
def frames() -> Tensor:
    seed = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (6, 3, 48, 64), generator=seed, dtype=torch.uint8)


def zeros(count: int) -> Tensor:
    return torch.zeros(count, dtype=torch.long)


def run(
    network: CompactNetwork, frames: Tensor, xy: Tensor, begin: int = 0
) -> tuple[PointState, list[Answer]]:
    state = network.begin(network.encode(frames[begin : begin + 1]), zeros(len(xy)), xy)
    answers = []
    for frame in frames[begin + 1 :]:
        state, answer = network.step(state, network.encode(frame[None]))
        answers.append(answer)
    return state, answers


def test_features_are_unit_vectors_at_three_strides(network, frames) -> None:
    features = network.encode(frames[:2])
    for maps, stride in zip(features, STRIDES, strict=True):
        assert maps.shape == (2, 48 // stride, 64 // stride, SMALL.channels)
        torch.testing.assert_close(maps.norm(dim=-1), torch.ones(maps.shape[:3]))


def test_an_answer_has_the_promised_shapes(network, frames) -> None:
    state, answers = run(network, frames, POINTS)
    assert answers[-1].xy.shape == (SMALL.iterations, 4, 2)
    for field in (answers[-1].visible, answers[-1].sure, answers[-1].spread):
        assert field.shape == (SMALL.iterations, 4)
    found = network.search(state.which, state.query, network.encode(frames[-1:]))
    assert found.logits.shape == (4, 6 * 8)
    assert found.xy.shape == (4, 2)
    torch.testing.assert_close(state.xy, answers[-1].xy[-1])
    assert (answers[-1].xy[-1] - POINTS).abs().max() > 0.5


def test_frames_of_a_batch_do_not_see_each_other(network, frames) -> None:
    together = network.encode(frames)
    for level, maps in enumerate(network.encode(frames[4:5])):
        torch.testing.assert_close(together[level][4:5], maps, atol=1e-5, rtol=1e-4)


def test_a_future_frame_changes_nothing_in_the_past(network, frames) -> None:
    changed = frames.clone()
    changed[4:] = 255 - changed[4:]
    _, before = run(network, frames, POINTS)
    _, after = run(network, changed, POINTS)
    for t in range(3):
        assert torch.equal(before[t].xy, after[t].xy)
    assert not torch.equal(before[3].xy, after[3].xy)


def test_a_point_added_later_does_as_it_would_alone(network, frames) -> None:
    features = [network.encode(frame[None]) for frame in frames]
    state = network.begin(features[0], zeros(2), POINTS[:2])
    _, alone = run(network, frames, POINTS[2:], begin=2)
    _, others = run(network, frames, POINTS[:2])
    for t, maps in enumerate(features[1:], start=1):
        state, answer = network.step(state, maps)
        torch.testing.assert_close(answer.xy[:, :2], others[t - 1].xy, atol=1e-4, rtol=1e-4)
        if t == 2:
            state = join([state, network.begin(maps, zeros(2), POINTS[2:])])
        if t > 2:
            torch.testing.assert_close(answer.xy[:, 2:], alone[t - 3].xy, atol=1e-4, rtol=1e-4)


def test_the_order_of_points_does_not_matter(network, frames) -> None:
    order = torch.tensor([2, 0, 3, 1])
    _, straight = run(network, frames, POINTS)
    _, mixed = run(network, frames, POINTS[order])
    torch.testing.assert_close(mixed[-1].xy, straight[-1].xy[:, order], atol=1e-4, rtol=1e-4)


def test_clips_of_a_batch_are_followed_as_alone(network, frames) -> None:
    first, second = frames, frames.flip(0)
    which = torch.tensor([0, 1, 1, 0])
    both = [network.encode(torch.stack(pair)) for pair in zip(first, second, strict=True)]
    state = network.begin(both[0], which, POINTS)
    for maps in both[1:]:
        state, answer = network.step(state, maps)
    for number, clip in enumerate((first, second)):
        _, alone = run(network, clip, POINTS[which == number])
        torch.testing.assert_close(
            answer.xy[:, which == number], alone[-1].xy, atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_a_second_look_counts_when_it_is_sure(network, frames, monkeypatch, sure) -> None:
    monkeypatch.setattr(compact_state, "SURE", sure)
    monkeypatch.setattr(compact_state, "_DOUBT", 1.0)  # every point is looked for twice
    monkeypatch.setattr(compact, "_PEAK", 0.0)
    state, _ = run(network, frames[:3], POINTS)
    maps = network.encode(frames[3:4])
    once, _ = network.step(state, maps)
    found = network.search(state.which, state.query, maps).xy
    away = (found - once.xy).norm(dim=1) > compact._APART
    assert away.any()
    moves = network.config.iterations
    twice, _ = network.look_again(state, maps, found, moves - 1)
    after, answer = network.follow(state, maps)
    assert len(answer.xy) == moves
    expected = torch.where((away & (sure == 0))[:, None], twice.xy, once.xy)
    torch.testing.assert_close(after.xy, expected)
    torch.testing.assert_close(answer.xy[-1], expected)
    taken = (after.hidden == twice.hidden).all(dim=1)
    assert torch.equal(taken, away & (sure == 0))


def test_a_second_look_forgets_all_but_the_query(network, frames) -> None:
    features = [network.encode(frame[None]) for frame in frames[:3]]
    fresh = network.begin(features[0], zeros(4), POINTS)
    state, _ = run(network, frames[:2], POINTS)
    places = POINTS.flip(0)
    _, again = network.look_again(state, features[2], places)
    _, first = network.step(fresh._replace(xy=places), features[2])
    assert torch.equal(again.start, places)
    assert not torch.equal(again.xy, first.xy)  # for it knows that it is one
    _, same = network.look_again(fresh, features[2], places)
    assert torch.equal(again.xy, same.xy)


def test_there_is_no_second_look_where_nothing_looks_like_the_point(
    network, frames, monkeypatch
) -> None:
    monkeypatch.setattr(compact_state, "SURE", 0.0)
    monkeypatch.setattr(compact_state, "_DOUBT", 1.0)
    state, _ = run(network, frames[:3], POINTS)
    maps = network.encode(frames[3:4])
    once, _ = network.step(state, maps)
    match = network.search(state.which, state.query, maps)
    cells = maps[1].shape[1] * maps[1].shape[2]
    assert ((match.peak >= 1 / cells) & (match.peak <= 1)).all()
    peaks = match.peak.sort().values
    monkeypatch.setattr(compact, "_PEAK", float(peaks[1:3].mean()))
    for every in (False, True):
        after, _ = network.follow(state, maps, every=every)
        alone = (match.peak <= compact._PEAK) | ((match.xy - once.xy).norm(dim=1) <= compact._APART)
        assert 0 < alone.sum() < len(alone)
        assert torch.equal((after.xy == once.xy).all(dim=1), alone)


def test_points_that_are_surely_seen_get_no_second_look(network, frames, monkeypatch) -> None:
    monkeypatch.setattr(compact_state, "SURE", 0.0)
    state, _ = run(network, frames[:3], POINTS)
    maps = network.encode(frames[3:4])
    once, _ = network.step(state, maps)
    chance = compact_state.chance(once.logits)
    monkeypatch.setattr(compact_state, "_DOUBT", float(chance.median()) + 1e-4)
    after, _ = network.follow(state, maps)
    kept = chance >= compact_state._DOUBT
    assert 0 < kept.sum() < len(kept)
    assert torch.equal(after.xy[kept], once.xy[kept])
    assert not torch.equal(after.xy[~kept], once.xy[~kept])


def test_looking_twice_at_every_point_gives_the_same_answer(network, frames, monkeypatch) -> None:
    monkeypatch.setattr(compact_state, "SURE", 0.2)
    monkeypatch.setattr(compact_state, "_DOUBT", 0.3)
    monkeypatch.setattr(compact, "_PEAK", 0.0)
    state, _ = run(network, frames[:3], POINTS)
    maps = network.encode(frames[3:4])
    for few, every in zip(
        network.follow(state, maps), network.follow(state, maps, every=True), strict=True
    ):
        for one, other in zip(few, every, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@given(st.integers(1, 3000))
def test_padding_keeps_the_rows_and_gives_few_lengths(count) -> None:
    rows = torch.arange(2 * count).view(count, 2) + 1
    longer = padded(rows)
    assert torch.equal(longer[:count], rows)
    assert (longer[count:] == rows[0]).all()
    assert len(longer) <= max(8, 1.5 * count)
    assert len(longer) in {2**power * part for power in range(1, 11) for part in (3, 4)}


def test_second_looks_come_in_few_sizes(network, frames, monkeypatch) -> None:
    """Half precision on the CPU keeps a kernel for every number of rows."""
    monkeypatch.setattr(compact_state, "_DOUBT", 1.0)
    monkeypatch.setattr(compact, "_PEAK", 0.0)
    maps = network.encode(frames[:1])
    sizes = set()
    monkeypatch.setattr(
        CompactNetwork,
        "looks",
        lambda self, features, which, xy, old=CompactNetwork.looks: (
            sizes.add(len(xy)) or old(self, features, which, xy)
        ),
    )
    counts = range(13, 25)
    for count in counts:
        xy = torch.rand(count, 2) * 40
        network.follow(network.begin(maps, zeros(count), xy), network.encode(frames[1:2]))
    assert sizes - set(counts) <= {6, 8, 12, 16, 24}


def test_local_comparison_is_that_of_a_slow_twin(network, frames) -> None:
    features = network.encode(frames[:1])
    seed = torch.Generator().manual_seed(1)
    templates = torch.randn(4, len(STRIDES), 18, SMALL.channels, generator=seed)
    seen = []
    reach = range(-SMALL.radius, SMALL.radius + 1)
    for level, (maps, stride) in enumerate(zip(features, STRIDES, strict=True)):
        products = torch.zeros(4, 7, 7, 18)
        for row, dy in enumerate(reach):
            for column, dx in enumerate(reach):
                place = POINTS / stride + torch.tensor([dx, dy])
                pixel = bilinear(maps, zeros(4), place)
                products[:, row, column] = torch.einsum("pc,psc->ps", pixel, templates[:, level])
        seen.append(torch.relu(network.compare[level](products.flatten(1))))
    expected = network.mix(torch.cat(seen, 1))
    found, near = network._compare(features, zeros(4), POINTS, templates.mT)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    middle = products[..., [4, 13]].flatten(1, 2).mT * network.near_sharpness[-1].exp()
    torch.testing.assert_close(near[:, -1], middle, atol=1e-4, rtol=1e-4)


def test_points_are_pulled_to_where_a_trusted_neighbourhood_peaks_or_flow_leads(network) -> None:
    near = torch.zeros(2, 3, 2, 49)
    near[0, 1, 0, 7 * 5 + 1] = 50.0  # stride 8, two cells to the left and two down
    near[1, 0, 1, 7 * 3 + 3] = 50.0
    led = torch.tensor([[[3.0, -2.0], [1.0, 4.0]], [[5.0, 1.0], [0.0, 7.0]]])
    trust = torch.full((2, 9), -50.0)
    trust[0, 2], trust[1, 1] = 50.0, 50.0
    expected = torch.tensor([[-16.0, 16.0], [0.0, 0.0]])
    torch.testing.assert_close(network._pulls(near, led, trust), expected)
    for flow in (0, 1):
        trust[:, 6 + flow] = 150.0 + 50 * flow
        torch.testing.assert_close(network._pulls(near, led, trust), led[:, flow])
    trust[:, 8] = 350.0
    torch.testing.assert_close(network._pulls(near, led, trust), torch.zeros(2, 2))


def test_points_begin_where_trusted_flow_leads(network, frames) -> None:
    state, _ = run(network, frames[:2], POINTS)
    state = state._replace(velocity=torch.zeros(4, 2))
    hint = torch.tensor([[2.0, 1.0, 0.9], [2.0, 1.0, 0.1], [2.0, 1.0, 0.9], [0.0, 0.0, 1.0]])
    maps = network.encode(frames[2:3])
    _, answer = network.step(state, maps, hints=Hints(hint))
    led = state.xy + hint[:, :2] * torch.tensor([[1.0], [0.0], [1.0], [1.0]])
    torch.testing.assert_close(answer.start, led)
    places = torch.tensor([[9.0, 8.0, 0.9], [7.0, 6.0, 0.9], [5.0, 4.0, 0.9], [3.0, 2.0, 0.1]])
    _, answer = network.step(state, maps, hints=Hints(hint, places))
    led[1] = places[1, :2]
    torch.testing.assert_close(answer.start, led)


def test_a_hidden_point_begins_where_the_camera_took_it(network, frames) -> None:
    state, _ = run(network, frames[:2], POINTS)
    maps = network.encode(frames[2:3])
    hint = torch.tensor([[2.0, 1.0, 0.9]]).repeat(4, 1)
    camera = torch.tensor([[9.0, 8.0, 1.0], [7.0, 6.0, 0.0], [5.0, 4.0, 1.0], [3.0, 2.0, 0.0]])
    _, answer = network.step(state, maps, hints=Hints(hint, camera=camera))
    led = torch.where(camera[:, 2:] > 0, camera[:, :2], state.xy + hint[:, :2])
    torch.testing.assert_close(answer.start, led)
    trusts = Hints(camera=camera).places(state.xy)[1]
    torch.testing.assert_close(trusts, torch.stack([camera[:, 2], torch.zeros(4)], dim=1))


@pytest.mark.parametrize("which", ["drift", "direct"])
def test_flow_is_noticed_as_far_as_it_is_trusted(network, frames, which) -> None:
    state, _ = run(network, frames[:2], POINTS)
    maps = network.encode(frames[2:3])
    place = state.xy + 3 if which == "direct" else torch.full((4, 2), 3.0)

    def follow(trust: float) -> Tensor:
        hint = torch.cat([place, torch.full((4, 1), trust)], dim=1)
        return network.step(state, maps, hints=Hints(**{which: hint}))[1].xy[-1]

    untold = network.step(state, maps)[1].xy[-1]
    assert torch.equal(follow(0.0), untold)
    assert not torch.allclose(follow(0.2), untold, atol=1e-4)  # too little to begin there


def test_flow_has_a_say_in_where_points_are_that_stay_in_sight(network, frames) -> None:
    state, answers = run(network, frames[:2], POINTS)
    seen = torch.full((4, 2), 9.0)
    before = state._replace(logits=seen)
    after = before._replace(xy=state.xy + torch.tensor([1.0, 0.0]))
    lead = torch.tensor([[2.0, 1.0], [2.0, 1.0], [40.0, 0.0], [2.0, 1.0]])
    hint = torch.cat([lead, torch.tensor([[0.9], [0.1], [0.9], [0.9]])], dim=1)
    moved = torch.tensor([[1.0, 1.0], [0, 0], [0, 0], [1.0, 1.0]]) * compact_state._FLOW_SHARE
    found, answer = steadied(before, after, answers[-1], Hints(hint))
    torch.testing.assert_close(found.xy, after.xy + moved)
    assert torch.equal(answer.xy[-1], found.xy)
    assert torch.equal(answer.xy[:-1], answers[-1].xy[:-1])
    straight_on = torch.cat([after.xy + lead, hint[:, 2:]], dim=1)
    found, _ = steadied(before, after, answers[-1], Hints(direct=straight_on))
    close = torch.tensor([[1.0], [0], [0], [1]])
    torch.testing.assert_close(found.xy, after.xy + close * lead * compact_state._FLOW_SHARE)
    hidden = torch.where(torch.tensor([True, False, False, False])[:, None], -seen, seen)
    found, _ = steadied(before._replace(logits=hidden), after, answers[-1], Hints(hint))
    assert torch.equal(found.xy[0], after.xy[0])
    torch.testing.assert_close(found.xy[3], after.xy[3] + moved[3])


def test_points_in_doubt_go_with_trusted_flow(network, frames) -> None:
    before, answers = run(network, frames[:2], POINTS)
    after = before._replace(xy=before.xy + 1, logits=torch.full((4, 2), -9.0))
    trust = torch.tensor([[0.9], [0.1], [0.9], [0.1]])
    near = torch.cat([torch.full((4, 2), 30.0), trust], dim=1)
    straight_on = torch.cat([torch.full((4, 2), 20.0), trust.flip(0)], dim=1)
    found, answer = steadied(before, after, answers[-1], Hints(near, straight_on))
    torch.testing.assert_close(found.xy[[0, 2]], before.xy[[0, 2]] + 30)
    assert torch.equal(found.xy[[1, 3]], after.xy[[1, 3]])  # flow over many frames may be astray
    assert torch.equal(answer.xy[-1], found.xy)


def test_nothing_known_of_flow_is_flow_without_trust(network, frames) -> None:
    state, _ = run(network, frames[:2], POINTS)
    maps = network.encode(frames[2:3])
    _, none = network.follow(state, maps)
    _, zero = network.follow(state, maps, hints=Hints(torch.zeros(4, 3), torch.zeros(4, 3)))
    assert torch.equal(none.xy, zero.xy)


def test_drift_reads_flow_there_and_trusts_it_as_far_as_it_comes_back() -> None:
    fields = torch.zeros(2, 8, 10, 4, dtype=torch.float16)
    fields[1, ..., 0], fields[1, ..., 2] = 2.0, -2.0
    fields[1, 3, 7, 2] = 0.0  # from where the point at (5, 3) ends up, nothing leads back
    which = torch.tensor([0, 1, 1])
    found = drift(fields, which, torch.tensor([[4.0, 2.0], [2.5, 6.0], [5.0, 3.0]]))
    expected = torch.tensor([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [2.0, 0.0, 0.2]])
    torch.testing.assert_close(found, expected)


def test_straight_flow_leads_from_where_a_point_was_asked_for() -> None:
    fields = torch.zeros(1, 8, 10, 4)
    fields[..., 0], fields[..., 2] = 2.0, -1.0
    found = straight(fields, zeros(1), torch.tensor([[4.0, 2.0]]))
    torch.testing.assert_close(found, torch.tensor([[6.0, 2.0, 0.5]]))


def test_matching_finds_a_planted_vector_between_cells() -> None:
    maps = torch.zeros(1, 6, 8, 4)
    maps[0, 2, 5, 0] = maps[0, 2, 6, 0] = 1
    looks = torch.tensor([[[1.0, 0, 0, 0]]])
    found = match(maps, 8, zeros(1), looks, torch.tensor(30.0))
    torch.testing.assert_close(found.xy, torch.tensor([[44.0, 16.0]]), atol=1e-3, rtol=0)


def test_a_patch_is_matched_where_all_of_it_fits() -> None:
    seed = torch.Generator().manual_seed(2)
    maps = torch.nn.functional.normalize(torch.randn(2, 6, 9, 5, generator=seed), dim=3)
    maps[0, 3, 2] = maps[0, 1, 6]  # alike at the centre only
    places = [(0, 1, 6), (1, 4, 3), (0, 0, 0)]  # the last at a corner: edges are repeated
    looks = []
    for frame, row, column in places:
        rows = torch.arange(row - 1, row + 2).clamp(0, 5)
        columns = torch.arange(column - 1, column + 2).clamp(0, 8)
        looks.append(maps[frame][rows][:, columns].flatten(0, 1))
    which = torch.tensor([frame for frame, _, _ in places])
    found = match(maps, 8, which, torch.stack(looks), torch.tensor(50.0))
    best = found.logits.argmax(1).tolist()
    assert best == [row * 9 + column for _, row, column in places]
    peaks = found.logits[torch.arange(3), best]
    torch.testing.assert_close(peaks, torch.full((3,), 50.0))


def test_the_cell_loss_shares_the_truth_over_four_cells() -> None:
    logits = torch.randn(1, 12, generator=torch.Generator().manual_seed(0))
    log = logits.log_softmax(1)[0]
    expected = -(0.75 * 0.5 * (log[5] + log[9]) + 0.25 * 0.5 * (log[6] + log[10]))
    found = cell_loss(logits, (3, 4), torch.tensor([[1.25, 1.5]]))
    torch.testing.assert_close(found[0], expected)


def test_the_default_is_small_enough_to_ship() -> None:
    assert sum(p.numel() for p in CompactNetwork().parameters()) < 6_000_000


def test_a_state_keeps_float32_under_autocast(frames) -> None:
    low = CompactNetwork(SMALL).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        state, answers = run(low, frames, POINTS)
    assert state.xy.dtype == state.hidden.dtype == torch.float32
    assert answers[-1].xy.dtype == torch.float32
