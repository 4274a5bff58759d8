"""Our networks, each with the answers that the adapters in references/ give by the same names."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from references.dinov2 import whole_patches
from references.dot import points_on
from torch import Tensor

from pointtrack.networks import gmrw_chain
from pointtrack.networks.blocks.estimates import joined
from pointtrack.networks.dot import STRIDE, densify, nearest

Values = dict[str, Tensor]
# As `references.Run`, after the network.
Ours = Callable[[Any, Tensor, Tensor, "int | None"], Values]


def cotracker(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    answer = network(video, queries, iterations or 6)
    values = {"tracks": answer.tracks[0], "visibility": answer.visibility_logit[0].sigmoid()}
    if len(answer) > 2:
        values["confidence"] = answer[2][0].sigmoid()
    return values


def clip(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    network.iterations = iterations or 4
    found = network(video / 127.5 - 1, _raster(queries))
    return dict(zip(("tracks", "occlusion", "expected_dist"), (v[0] for v in found), strict=False))


def stream(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    network.iterations = iterations or 4
    size = (video.shape[-2], video.shape[-1])
    levels = network.levels(size)
    points: list[Any] = []
    states = network.first_states(1, queries.shape[1], len(levels))
    answers = []
    for frame in video.split(1, dim=1):
        maps = [network.encode(frame / 127.5 - 1, level) for level in levels]
        points = points or [network.describe(part, _raster(queries), size) for part in maps]
        found, states = network.step(maps, points, states, size, overwrite=True)
        answers.append(found.steps[-1])
    whole = joined(answers, 2)
    return dict(zip(("tracks", "occlusion", "expected_dist"), (v[0] for v in whole), strict=True))


def pips(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    xy = queries[0, :, 1:]
    tracks, seen = [], []
    frames = torch.arange(8).expand(len(xy), -1)
    for part in video[0].split(8):
        maps = network.encode(part)
        template = network.describe(maps, frames[:, 0], xy)
        path, logit = network.follow(maps, frames, xy, template, iterations or 6)
        tracks.append(path)
        seen.append(logit)
    return {"tracks": torch.cat(tracks, dim=1), "visibility": torch.cat(seen, dim=1)}


def pips2(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    return {"tracks": network(video, queries, iterations or 16, video.shape[1]).tracks[0]}


def raft(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    flows, before = [], None
    for frame in video[0].split(1):
        encoded = network.encode(frame)
        if before is not None:
            flows.append(network.flow(before, encoded, iterations or 12)[0])
        before = encoded
    return {"flow": torch.cat(flows)}


def mft(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    answers, before = [], None
    for frame in video[0].split(1):
        encoded = network.encode(frame)
        if before is not None:
            answers.append(network(before, encoded, iterations or 12))
        before = encoded
    return {
        name: torch.cat([getattr(answer, name) for answer in answers])
        for name in ("flow", "occlusion", "sigma")
    }


def taptr(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    answer = network(video / 255, queries)
    return {"tracks": answer.tracks[0], "visibility": answer.visibility_logit[0].sigmoid()}


def trackon(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    answer = network(video, _raster(queries))
    visible = answer.visibility_logit[0].sigmoid() >= 0.8
    return {"tracks": answer.tracks[0], "visible": visible.float()}


def tapnext(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    scale = queries.new_tensor([256 / video.shape[-1], 256 / video.shape[-2]])
    asked = _raster(queries) * torch.cat([scale.new_ones(1), scale])
    answer = network(video / 127.5 - 1, asked)
    return {
        "tracks": answer.tracks[0] / scale,
        "visibility": answer.visibility_logit[0].sigmoid(),
    }


def alltracker(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    found = network(video[0], iterations or 4)
    return found._asdict()


def gmrw(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    maps = network.encode(video[0])
    size = (video.shape[3], video.shape[4])
    pairs = [gmrw_chain.pair(network, *both, size) for both in itertools.pairwise(maps)]
    tracks, _ = gmrw_chain.chain(pairs, queries[0], size)
    return {"step": tracks[:, 1]}


def dot(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    cells = (video.shape[3] // STRIDE, video.shape[4] // STRIDE)
    begin = points_on(0)
    index = nearest(begin[:, :2], cells)
    source = network.encode_source(video[:, 0])
    flows, seen = [], []
    for t in range(1, video.shape[1]):
        flow, visible = densify(begin, points_on(t), cells, index)
        target = network.encode(video[:, t])
        found = network(source, target, flow[None], visible[None], iterations or 4)
        flows.append(found[0])
        seen.append(found[1])
    return {"flow": torch.cat(flows), "visibility": torch.cat(seen)}


def dinov2(network: Any, video: Tensor, queries: Tensor, iterations: int | None) -> Values:
    return {"patches": network(whole_patches(video[0])).patches.flatten(1, 2)}


def _raster(queries: Tensor) -> Tensor:
    return queries + queries.new_tensor([0, 0.5, 0.5])


OURS: dict[str, Ours] = {
    "cotracker3_offline": cotracker,
    "cotracker3_online": cotracker,
    "tapir": clip,
    "causal_tapir": stream,
    "bootstapir": clip,
    "causal_bootstapir": stream,
    "locotrack_small": clip,
    "locotrack_base": clip,
    "cotracker1": cotracker,
    "cotracker2": cotracker,
    "cotracker2_w16": cotracker,
    "pips": pips,
    "pips2": pips2,
    "raft_large": raft,
    "raft_small": raft,
    "mft": mft,
    "tapnet": clip,
    "tapnext": tapnext,
    "taptr": taptr,
    "taptrv2": taptr,
    "alltracker": alltracker,
    "alltracker_tiny": alltracker,
    "gmrw": gmrw,
    "dot": dot,
    "dot_raft8": raft,
    "dinov2_vits14": dinov2,
    "dinov2_vitb14": dinov2,
    "trackon2": trackon,
    "trackon2_dinov2": trackon,
}
