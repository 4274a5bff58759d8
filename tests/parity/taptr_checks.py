"""Checkers of TAPTR and TAPTRv2."""

from __future__ import annotations

import torch
from network_fixtures import TOLERANCE, Call, calls, filled, frames_of, tensor
from parity_fixtures import Case
from torch import Tensor
from torch.nn import functional as F

from pointtrack.networks.taptr import Taptr
from pointtrack.networks.taptr_decoder import FirstDecoder, Frames, Points
from pointtrack.networks.taptr_encoder import level_sizes


@torch.inference_mode()
def check_taptr(case: Case) -> None:
    network: Taptr = filled(case)
    video, queries = frames_of(case), tensor(case, "queries")
    ratio = torch.ones(2)
    if "net_size" in case:
        height, width = case["net_size"].tolist()
        ratio = torch.tensor([width - 1, height - 1]) / (torch.tensor(video.shape[:2:-1]) - 1)
        video = F.interpolate(video[0], (height, width), mode="bilinear")[None]
        queries = torch.cat([queries[..., :1], queries[..., 1:] * ratio], dim=-1)
    video = video / 255
    with calls(network.decoder) as windows, calls(network.hand_on) as changes:
        answer = network(video, queries)
    case.compare("tracks", answer.tracks[0] / ratio, atol=TOLERANCE)
    case.compare("visibility_logit", answer.visibility_logit[0], atol=TOLERANCE)
    case.compare("class_logits", answer.class_logits[0], atol=TOLERANCE)
    case.compare("boxes", answer.boxes[0], atol=TOLERANCE)
    if "mid_memory" in case:
        _compare_encoder(case, network, video[0, :1])
        _compare_points(case, network, video, queries)
        _compare_window(case, network, windows[0], changes[0])


def _compare_encoder(case: Case, network: Taptr, frame: Tensor) -> None:
    encoder = network.encoder
    with calls(encoder.backbone) as seen, calls(encoder.projections[0]) as projected:
        tokens = network.encode(frame[None])[0]  # 1 S 256
    maps = seen[0].output
    case.compare("mid_c2", maps[0][:, :16], atol=TOLERANCE)
    case.compare("mid_c5", maps[3][:, :64], atol=TOLERANCE)
    case.compare("mid_src0", projected[0].output[:, :16], atol=TOLERANCE)
    sizes = level_sizes((frame.shape[2], frame.shape[3]))
    case.compare("mid_pos", encoder.places(sizes)[::7, ::8], atol=TOLERANCE)
    case.compare("mid_memory", tokens[0, ::7, :32], atol=TOLERANCE)


def _compare_points(case: Case, network: Taptr, video: Tensor, queries: Tensor) -> None:
    size = (video.shape[3], video.shape[4])
    state = network.begin(queries, size)
    frames = network.frames(network.encode(video), size)
    found = network.describe(frames, state.frame, state.later.box)
    case.compare("mid_query_feat", found[0], atol=TOLERANCE)


def _compare_window(case: Case, network: Taptr, window: Call, change: Call) -> None:
    """The first window, once more and layer by layer.

    Tokens of frames before their point's query are compared with nothing: in the fixture they
    see each other, ours leaves out points that a later window asks for, and no track differs.
    """
    decoder = network.decoder
    points, frames = Points(*window.inputs[0]), Frames(*window.inputs[1])
    first = isinstance(decoder, FirstDecoder)
    entered: list = []
    handles = [
        layer.register_forward_hook(lambda _, given, made: entered.append((given[2][0], made)))
        for layer in decoder.layers
    ]
    watched = decoder.comparison if first else decoder.moved
    with calls(watched) as seen:
        found = decoder(points, frames)
    for handle in handles:
        handle.remove()
    boxes = [*(box for box, _ in entered), found.box[0].sigmoid()]
    values = {
        "mid_win0_ref": torch.stack(boxes),
        "mid_win0_feat_delta": change.output[0, ..., :32],
    }
    if first:
        told = [made[0] for _, made in entered]
        values["mid_win0_corr"] = seen[0].output[0]
    else:
        told = [call.output[0] for call in seen]
        values["mid_win0_ref_ca"] = torch.stack([made[1][0] for _, made in entered])
    values["mid_win0_hs"] = torch.stack(told)[..., :16]
    for name, value in values.items():
        case.compare(name, _where_tracked(case, name, value), atol=TOLERANCE)


def _where_tracked(case: Case, name: str, value: Tensor) -> Tensor:
    """``(..., 8, n, C)`` of points that are there, as in the fixture and with its other values."""
    wanted = torch.from_numpy(case[name].copy())
    if name == "mid_win0_corr":
        wanted = wanted.transpose(0, 1)  # 8 N 196
    frame = torch.from_numpy(case["queries"][:, 0])
    rows = (frame < 8).nonzero()[:, 0]
    whole = wanted.index_copy(-2, rows, value.contiguous())
    tracked = torch.arange(8)[:, None] >= frame  # 8 N
    found = torch.where(tracked[..., None], whole, wanted)
    return found.transpose(0, 1) if name == "mid_win0_corr" else found


TAPTR_CHECKERS = dict.fromkeys(("taptr", "taptrv2"), check_taptr)
