"""TAPNext's parts beside plain slow twins; the whole is compared in tests/parity."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pointtrack.networks.blocks import attention
from pointtrack.networks.tapnext import BINS, TapNext, certainty
from pointtrack.networks.tapnext_blocks import (
    GatedRecurrence,
    Memory,
    RecurrentBlock,
    SpatialBlock,
)
from pointtrack.trackers.neural.device import place

WIDTH, HEADS = 24, 3


@pytest.fixture(autouse=True)
def _alike() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def small() -> TapNext:
    return TapNext(WIDTH, depth=3, heads=HEADS).eval().requires_grad_(False)


def clip_and_queries(frames: int = 4) -> tuple[Tensor, Tensor]:
    queries = torch.tensor([[0.0, 30.0, 200.0], [2.0, 0.3, 100.0], [1.0, 255.9, 7.5]])
    return torch.rand(1, frames, 3, 16, 24) * 2 - 1, queries[None]


# --- layers ------------------------------------------------------------------------------------


def slow_recurrence(layer: GatedRecurrence, x: Tensor) -> Tensor:
    """The whole sequence ``(T, C)`` of one token, in double precision, head by head."""
    part = WIDTH // HEADS
    hidden, outputs = torch.zeros(WIDTH, dtype=torch.float64), []
    for t, now in enumerate(x.double()):
        take, relax = torch.zeros(2, WIDTH, dtype=torch.float64)
        for head in range(HEADS):
            own = slice(head * part, (head + 1) * part)
            opened = now[own] @ layer.gates[head].double() + layer.gates_bias[head].double()
            take[own], relax[own] = torch.sigmoid(opened).split(part)
        kept = torch.exp(-8 * relax * F.softplus(layer.decay.double()))
        room = torch.sqrt(1 - kept**2) if t else torch.ones(WIDTH, dtype=torch.float64)
        hidden = kept * hidden + now * take * room
        outputs.append(hidden)
    return torch.stack(outputs)


def test_the_recurrence_is_that_of_its_definition() -> None:
    layer = GatedRecurrence(WIDTH, HEADS).requires_grad_(False)
    layer.gates_bias.normal_()
    layer.decay.normal_()
    x = torch.randn(2, 5, 6, WIDTH)  # B L T C
    hidden, found = torch.zeros(2, 5, WIDTH), []
    for t in range(6):
        fresh = torch.ones(5, dtype=torch.bool) if t == 0 else None
        hidden = layer(x[:, :, t], hidden, fresh)
        found.append(hidden)
    for batch, token in ((0, 0), (1, 4)):
        expected = slow_recurrence(layer, x[batch, token])
        np.testing.assert_allclose(torch.stack(found)[:, batch, token], expected, atol=1e-5)


def test_the_convolution_over_time_begins_with_zeros() -> None:
    block = RecurrentBlock(WIDTH, HEADS).requires_grad_(False)
    block.taps_bias.normal_()
    seen: list[Tensor] = []
    block.recurrence.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.randn(6, 1, 2, WIDTH)
    memory = Memory(*(torch.zeros(1, 2, WIDTH) for _ in range(4)))
    for frame in x:
        _, memory = block(frame, memory, None)
    entered = block.entry(block.time_norm(x))[..., WIDTH:].squeeze(1)  # T L C
    expected = F.conv1d(
        F.pad(entered.permute(1, 2, 0), (3, 0)),
        block.taps.T[:, None],
        block.taps_bias,
        groups=WIDTH,
    )
    np.testing.assert_allclose(torch.cat(seen), expected.permute(2, 0, 1), atol=1e-5)
    for frame, kept in zip((3, 4, 5), memory[1:], strict=True):
        np.testing.assert_allclose(kept[0], entered[frame], atol=1e-6)


def test_a_unit_that_does_not_decay_has_a_finite_gradient() -> None:
    layer = GatedRecurrence(WIDTH, HEADS)
    layer.decay.data.fill_(-200.0)  # it all stays: there is no room
    layer(torch.randn(1, 1, WIDTH), torch.randn(1, 1, WIDTH), None).sum().backward()
    for value in layer.parameters():
        assert value.grad is not None
        assert torch.isfinite(value.grad).all()


def test_spatial_attention_is_the_usual_one() -> None:
    block = SpatialBlock(WIDTH, HEADS).eval()
    twin = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True
    ).eval()
    pairs = {
        "self_attn.in_proj_weight": block.query_key_value.weight,
        "self_attn.in_proj_bias": block.query_key_value.bias,
        "self_attn.out_proj.weight": block.output.weight,
        "self_attn.out_proj.bias": block.output.bias,
    }
    layers = {"linear1": "widen", "linear2": "narrow", "norm1": "attention_norm", "norm2": "norm"}
    for theirs, ours in layers.items():
        pairs |= {f"{theirs}.{n}": v for n, v in getattr(block, ours).named_parameters()}
    twin.load_state_dict(pairs)
    x = torch.randn(2, 7, WIDTH)
    with torch.inference_mode():
        np.testing.assert_allclose(block(x), twin(x), atol=1e-5)
        np.testing.assert_allclose(block(x, None, 5), twin(x)[:, 5:], atol=1e-5)


def test_portions_of_tokens_are_the_same_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network, (video, queries) = small(), clip_and_queries(2)
    with torch.inference_mode():
        whole = network(video, queries)
        monkeypatch.setattr(attention, "ROWS", 2)
        parts = network(video, queries)
    np.testing.assert_allclose(parts.position_logits, whole.position_logits, atol=1e-5)


# --- tokens ------------------------------------------------------------------------------------


def test_places_are_read_from_the_table_of_whole_pixels() -> None:
    network = small()
    quarter = WIDTH // 4
    pixel = torch.arange(BINS, dtype=torch.float64)
    waves = 10000.0 ** (-torch.arange(quarter, dtype=torch.float64) / (quarter - 1))
    axis = torch.cat([torch.sin(pixel[:, None] * waves), torch.cos(pixel[:, None] * waves)], 1)
    table = torch.cat(
        [axis[None].expand(BINS, -1, -1), axis[:, None].expand(-1, BINS, -1)], dim=-1
    )  # y x C
    xy = torch.cat([torch.rand(40, 2) * 256, torch.tensor([[0.2, 255.9], [0.5, 128], [-3, 9.0]])])
    grid = (xy / 128 - 1).double()[None, None]
    expected = F.grid_sample(table.permute(2, 0, 1)[None], grid, align_corners=False)[0, :, 0].T
    np.testing.assert_allclose(network._place(xy[None])[0], expected, atol=1e-4)
    network.compute_as("jax")
    clamped = F.grid_sample(
        table.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False
    )
    np.testing.assert_allclose(network._place(xy[None])[0], clamped[0, :, 0].T, atol=1e-4)


def test_a_points_token_says_whether_it_is_asked_for() -> None:
    network = small()
    queries = torch.tensor([[[3.0, 5, 5], [1, 5, 5], [0, 5, 5], [-1, 5, 5]]])
    early, soon, now, after = network._point_tokens(queries)[0]
    assert torch.equal(early, network.unknown)
    assert torch.equal(soon, network.unknown)
    assert torch.equal(after, network.followed)
    assert torch.equal(now, network.asked + network._place(queries[..., 1:])[0, 2])


def test_positions_of_patches_are_interpolated_for_other_sizes_and_shapes() -> None:
    network = small()
    nothing = network.patches.bias
    native = network.encode(torch.zeros(1, 3, 256, 256))
    assert torch.equal(native[0], network.picture_positions + nothing)
    wide = network.encode(torch.zeros(1, 3, 128, 512))  # as many patches, of another shape
    assert wide.shape == native.shape
    assert not torch.allclose(wide, native)
    table = network.picture_positions.T.reshape(1, WIDTH, 32, 32)
    resized = F.interpolate(table, (16, 64), mode="bicubic")
    np.testing.assert_allclose(wide[0] - nothing, resized[0].flatten(1).T, atol=1e-5)


def test_certainty_is_the_heat_within_eight_pixels() -> None:
    logits = torch.randn(1, 3, 2, BINS) * 3
    yx = torch.tensor([[[120.25, 60.75], [2.0, 254.5], [255.5, 0.5]]])
    heat = logits.double().softmax(-1)
    for point in range(3):
        total = 0.0
        centre = yx[0, point].tolist()
        first = [min(max(int(np.floor(c - 8.5)), 0), BINS - 17) for c in centre]
        for i in range(17):
            for j in range(17):
                # Published with the offsets of x's window applied to y's bins, and so on.
                across = first[1] + i + 0.5 - centre[1]
                down = first[0] + j + 0.5 - centre[0]
                if across**2 + down**2 <= 64:
                    y, x = heat[0, point, 0, first[0] + i], heat[0, point, 1, first[1] + j]
                    total += float(y * x)
        assert certainty(logits, yx)[0, point].item() == pytest.approx(total, abs=1e-6)


# --- streams -----------------------------------------------------------------------------------


def stepped(network: TapNext, video: Tensor, state: object) -> list[Tensor]:
    found = []
    for frame in video.unbind(1):
        output, state = network.step(network.encode(frame), state)  # type: ignore[arg-type]
        found.append(output.position_logits[:, :, 0])
    return found


def test_guests_are_seen_by_nobody_but_their_own_party() -> None:
    network, (video, queries) = small(), clip_and_queries()
    guests = torch.tensor([[0.0, 99.0, 50.0], [0.0, 10.0, 20.0]])[None]
    with torch.inference_mode():
        start = network.begin(queries, 6)
        _, state = network.step(network.encode(video[:, 0]), start)
        alone = stepped(network, video[:, 1:], state)
        one = stepped(network, video[:, 1:], network.join(state, guests))
        two = network.join(network.join(state, guests), guests + 1)
        both = stepped(network, video[:, 1:], two)
        left = network.leave(two, torch.tensor([0, 1, 2, 5, 6]))
        second = stepped(network, video[:, 1:], left)
        bare = stepped(network, video[:, 1:], network.leave(two, torch.arange(3)))
    for t in range(3):
        np.testing.assert_allclose(one[t][:, :3], alone[t], atol=1e-5)
        np.testing.assert_allclose(both[t][:, :5], one[t], atol=1e-5)
        np.testing.assert_allclose(second[t], both[t][:, [0, 1, 2, 5, 6]], atol=1e-5)
        np.testing.assert_allclose(bare[t], alone[t], atol=1e-5)
        assert (both[t][:, 3:5] - both[t][:, 5:]).abs().max() > 1e-3


def test_a_guest_sees_its_own_party() -> None:
    network, (video, queries) = small(), clip_and_queries()
    guests = torch.tensor([[0.0, 99.0, 50.0], [0.0, 10.0, 20.0]])[None]
    with torch.inference_mode():
        _, state = network.step(network.encode(video[:, 0]), network.begin(queries, 6))
        pair = stepped(network, video[:, 1:], network.join(state, guests))
        single = stepped(network, video[:, 1:], network.join(state, guests[:, :1]))
    assert (pair[2][:, 3] - single[2][:, 3]).abs().max() > 1e-4


def test_a_state_is_not_changed_by_a_step() -> None:
    network, (video, queries) = small(), clip_and_queries()
    with torch.inference_mode():
        _, state = network.step(network.encode(video[:, 0]), network.begin(queries, 6))
        first, second = (stepped(network, video[:, 1:2], state)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_clips_of_a_batch_are_by_themselves() -> None:
    network, (video, queries) = small(), clip_and_queries()
    with torch.inference_mode():
        both = network(torch.cat([video, video.flip(1)]), queries.expand(2, -1, -1))
        alone = network(video.flip(1), queries)
    np.testing.assert_allclose(both.tracks[1], alone.tracks[0], atol=1e-3)


def test_gradients_reach_the_first_frame_and_every_part() -> None:
    network, (video, queries) = small().requires_grad_(True), clip_and_queries()
    video.requires_grad_(True)
    output = network(video, queries)
    (output.position_logits[:, :, -1].sum() + output.visibility_logit[:, :, -1].sum()).backward()
    assert video.grad is not None
    assert (video.grad[:, 0] != 0).any()
    assert all(value.grad is not None for value in network.parameters())


def test_jaxs_numbers_and_back() -> None:
    network, (video, queries) = small(), clip_and_queries(2)
    queries = queries[:, :1]  # not at the border, where places differ by far
    with torch.inference_mode():
        first = network(video, queries)
        network.compute_as("jax")
        other = network(video, queries)
        network.compute_as("torch")
        again = network(video, queries)
    assert torch.equal(first.position_logits, again.position_logits)
    assert 0 < (first.position_logits - other.position_logits).abs().max() < 0.01


def test_half_precision_keeps_memories_in_single() -> None:
    network, (video, queries) = small(), clip_and_queries()
    with torch.inference_mode():
        single = network(video, queries)
        half = place(network, torch.device("cpu"), "bfloat16", False)
        state = half.begin(queries, 6)
        for frame in video.unbind(1):
            output, state = half.step(half.encode(frame), state)
    assert all(value.dtype == torch.float32 for memory in state.memories for value in memory)
    last = single.position_logits[:, :, -1:]
    assert 0 < (output.position_logits - last).abs().max() < 0.1
