"""Checkers of GMRW: a pair of frames, tracks, the rule of chaining, and the loss."""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from network_fixtures import TOLERANCE, filled, frames_of
from parity_fixtures import Case
from torch.nn import functional as F

from pointtrack.networks import gmrw
from pointtrack.networks import gmrw_chain as chains
from pointtrack.networks.blocks.sampling import bilinear
from pointtrack.training import losses_gmrw as losses

TRACKS, CHAINED = 1e-2, 1e-4  # px: the page's


def check_gmrw(case: Case) -> None:
    kind = case.path.stem.removeprefix("case_")
    {"pair": check_pair, "track": check_track, "chain": check_chain, "loss": check_loss}[kind](case)


@torch.inference_mode()
def check_pair(case: Case) -> None:
    network: gmrw.Gmrw = filled(case)
    frames = frames_of(case)[0]
    size = (frames.shape[2], frames.shape[3])
    maps = network.encode(frames)
    height, width = maps.shape[1:3]

    def sparse(name: str, value: torch.Tensor) -> None:
        case.compare(name, value[..., ::8].permute(2, 0, 1), atol=TOLERANCE)

    sparse("mid_cnn_feature", maps[0])
    # The half of the encoder that nothing reads is the same convolution in larger steps.
    before = network.encoder.before_head(gmrw.standardised(frames[:1], 1.0)).permute(0, 3, 1, 2)
    eighth = F.conv2d(before, network.encoder.head.weight, stride=2, padding=1)
    sparse("mid_cnn_feature_eighth", eighth[0].permute(1, 2, 0))
    sparse("mid_feature_with_position", maps[0] + gmrw.positions(height, width))
    first, second = (part[0] for part in network.exchange(maps[:1], maps[1:]))
    sparse("mid_feature1", first)
    sparse("mid_feature2", second)
    rows = first[[0, height // 2, height - 1], [1, width // 2, width - 1]]
    temperature = float(case["temp_for_flows"])
    for name, value in (("prob_rows", gmrw.TEMPERATURE), ("prob_temp_rows", temperature)):
        found = gmrw.probabilities(rows, second, value).view(-1, height, width)
        case.compare(name, found, atol=TOLERANCE)
    readouts: tuple[tuple[str, gmrw.Readout], ...] = (
        ("weighted_sum", "mean"),
        ("argmax", "best"),
        ("weighted_argmax", "around_best"),
    )
    for name, readout in readouts:
        coarse = gmrw.flow(first, second, temperature, readout)
        fine = gmrw.resized(coarse, size).permute(2, 0, 1)
        case.compare(f"flow_{name}_fullres", fine, atol=TOLERANCE)
    usual = gmrw.flow(first, second).permute(2, 0, 1)
    case.compare("flow_weighted_sum_defaulttemp_featres", usual, atol=TOLERANCE)


@torch.inference_mode()
def check_track(case: Case) -> None:
    network: gmrw.Gmrw = filled(case)
    frames = frames_of(case)[0]
    size = (frames.shape[2], frames.shape[3])
    temperature, factor = float(case["temp"]), float(case["upsample_factor"])
    maps = network.encode(chains.enlarged(frames, factor))

    @functools.cache  # a pair is the same both ways round
    def pair(first: int, second: int) -> chains.Pair:
        if first > second:
            return pair(second, first).reversed()
        return chains.pair(network, maps[first], maps[second], size, temperature)

    steps = [pair(t, t + 1) for t in range(len(maps) - 1)]
    for name, ends in (("forward", steps[0][:2]), ("backward", steps[0][1::-1])):
        whole = gmrw.resized(gmrw.flow(*ends, temperature), size)
        case.compare(f"mid_{name}_flow_0", whole.permute(2, 0, 1), atol=TOLERANCE)
    queries = torch.from_numpy(case["queries"])
    tracks, visible = chains.chain(steps, queries, size)
    case.compare("tracks", tracks, atol=TRACKS)
    case.compare("visible", visible)
    tracks = queries[:, None, 1:].repeat(1, len(maps), 1)
    for begin in queries[:, 0].unique().long().tolist():
        rows = torch.nonzero(queries[:, 0] == begin)[:, 0]
        for t in {*range(len(maps))} - {begin}:
            tracks[rows, t] += pair(begin, t).ahead(tracks[rows, t])
    case.compare("tracks_direct", tracks, atol=TRACKS)
    case.compare("visible_direct", chains.inside(tracks, size))


class Stored(NamedTuple):
    """The fixture's flow between two frames, ``(H, W, 2)`` each way."""

    there: torch.Tensor
    return_: torch.Tensor

    def ahead(self, xy: torch.Tensor) -> torch.Tensor:
        return bilinear(self.there[None], torch.zeros(len(xy), dtype=torch.long), xy)

    def back(self, xy: torch.Tensor) -> torch.Tensor:
        return bilinear(self.return_[None], torch.zeros(len(xy), dtype=torch.long), xy)


def check_chain(case: Case) -> None:
    case.given("forward_flows", "backward_flows")  # the flows that are chained
    stored = (
        torch.from_numpy(case[name]).permute(0, 2, 3, 1)
        for name in ("forward_flows", "backward_flows")
    )
    steps = [Stored(*both) for both in zip(*stored, strict=True)]
    size = case["forward_flows"].shape[2:]
    tracks, visible = chains.chain(steps, torch.from_numpy(case["queries"]), (size[0], size[1]))
    case.compare("tracks", tracks, atol=CHAINED)
    case.compare("visible", visible)


def check_loss(case: Case) -> None:
    case.given("smoothness_weight")
    network: gmrw.Gmrw = filled(case)
    network.requires_grad_(True)
    frames = torch.from_numpy(case["frames"]).unbind(1)
    pairs = losses.palindrome(frames[:2], frames[2:])
    affine = torch.from_numpy(case["affine_b2f"])
    # The first layer's gradient moves by as much as is allowed from one convolution to another.
    with torch.backends.mkldnn.flags(enabled=False):
        terms, steps, wanted = losses.gmrw_losses(network, pairs, affine, float(case["temp"]))
        total = terms.total(float(case["smoothness_weight"]))
        total.backward()
    case.compare("mid_mask", wanted.known)
    case.compare("mid_label_index", wanted.index)
    for name, value in (
        ("loss", total),
        ("cycle_loss", terms.cycle),
        ("smoothness_loss", terms.smoothness),
        ("accuracy_percent", 100 * losses.accuracy(steps, wanted)),
    ):
        case.compare(name, value.detach(), atol=TOLERANCE)
    gradient = {name: value.grad for name, value in network.named_parameters()}
    for name, value in (
        ("grad_conv1", gradient["encoder.stem.weight"][::8]),
        ("grad_trident", gradient["encoder.head.weight"][::16, ::16]),
        ("grad_q0", gradient["layers.0.ask.weight"][::8, ::8]),
    ):
        case.compare(name, value, atol=TOLERANCE * float(abs(case[name]).max()))
    network.zero_grad()
    network.requires_grad_(False)


GMRW_CHECKERS = {"gmrw": check_gmrw}
