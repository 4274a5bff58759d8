"""The mixer over time against grouped convolutions, and in parts against at once."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.blocks.mixer import Mixer, MixerState, TimeMixing

CHANNELS = 6


def mixing() -> TimeMixing:
    torch.manual_seed(0)
    made = TimeMixing(CHANNELS).requires_grad_(False)
    made.spread_bias.normal_()
    made.collect_bias.normal_()
    return made


def twin(mixed: TimeMixing, x: Tensor, before: int, after: int) -> Tensor:
    """Two grouped convolutions over (P, T, C), a channel's four outputs one after the other."""

    def kernel(weight: Tensor) -> Tensor:
        return weight.permute(2, 1, 0).reshape(-1, 1, 3)

    wide = F.conv1d(
        F.pad(x.mT, (before, after)),
        kernel(mixed.spread),
        mixed.spread_bias.T.flatten(),
        groups=CHANNELS,
    )
    wide = F.pad(F.gelu(wide, approximate="tanh"), (before, after))
    bias = mixed.collect_bias.T.flatten()
    narrow = F.conv1d(wide, kernel(mixed.collect), bias, groups=4 * CHANNELS)
    return narrow.unflatten(1, (CHANNELS, 4)).sum(2).mT


def test_both_neighbours_are_seen() -> None:
    mixed, x = mixing(), torch.randn(5, 7, CHANNELS)
    torch.testing.assert_close(mixed(x), twin(mixed, x, 1, 1))


def test_a_causal_mixing_looks_back_two_frames() -> None:
    mixed, x = mixing(), torch.randn(5, 7, CHANNELS)
    none = torch.zeros(5, 2, CHANNELS)
    torch.testing.assert_close(mixed.causal(x, none, none)[0], twin(mixed, x, 2, 0))


def test_one_frame_is_enough_for_either() -> None:
    mixed, x = mixing(), torch.randn(5, 1, CHANNELS)
    none = torch.zeros(5, 2, CHANNELS)
    torch.testing.assert_close(mixed(x), twin(mixed, x, 1, 1))
    torch.testing.assert_close(mixed.causal(x, none, none)[0], twin(mixed, x, 2, 0))


def test_a_causal_mixer_gives_the_same_in_parts_of_any_length() -> None:
    torch.manual_seed(1)
    mixer = Mixer(10, 4, channels=16, hidden=32, depth=3).requires_grad_(False)
    x = torch.randn(2, 3, 9, 10)
    whole, last = mixer.causal(x, mixer.first_state(2, 3))
    state, parts = mixer.first_state(2, 3), []
    for part in x.split([1, 1, 3, 4], dim=2):
        made, state = mixer.causal(part, state)
        parts.append(made)
    torch.testing.assert_close(torch.cat(parts, dim=2), whole)
    torch.testing.assert_close(state, last)
    assert not torch.allclose(mixer(x), whole)


def test_a_state_may_be_overwritten_by_the_next() -> None:
    torch.manual_seed(1)
    mixer = Mixer(10, 4, channels=16, hidden=32, depth=3).requires_grad_(False)
    old = MixerState(*torch.randn(2, 3, 5, 2, 16))
    known = [value.clone() for value in old]
    for length in (1, 2, 4):
        x = torch.randn(5, length, 10)
        expected, after = mixer.causal(x, old)
        torch.testing.assert_close([*old], known)  # is left alone unless told otherwise
        state = MixerState(*(value.clone() for value in old))
        places = [value.data_ptr() for value in state]
        made, state = mixer.causal(x, state, overwrite=True)
        torch.testing.assert_close(made, expected)
        torch.testing.assert_close(state, after)
        assert [value.data_ptr() for value in state] == places
